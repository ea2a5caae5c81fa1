# Environments that cannot be the main one.


rule mxnet_environment:
    """Install MXNet into an environment of its own: it needs a numpy that nothing else wants."""
    input:
        lock="workflow/envs/mxnet.lock.txt",
    output:
        installed=".venvs/mxnet/installed.txt",
    log:
        "logs/mxnet_environment.log",
    params:
        environment=subpath(output.installed, parent=True),
    shell:
        """
        (
            uv venv --quiet --clear --python 3.11 {params.environment}
            uv pip sync --quiet --require-hashes --compile-bytecode --python {params.environment} {input.lock}
            uv pip freeze --quiet --python {params.environment} > {output.installed}
        ) 2>&1 | tee {log}
        """
