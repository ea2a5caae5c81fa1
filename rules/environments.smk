# Environments that cannot be the main one.


rule mxnet_environment:
    """Install MXNet into an environment of its own: it needs a numpy that nothing else wants."""
    input:
        lock=configuration.literal(f"{CLONE}workflow/envs/mxnet.lock.txt"),
    output:
        installed=configuration.literal(f"{CLONE}.venvs/mxnet/installed.txt"),
    log:
        "logs/mxnet_environment.log",
    params:
        environment=subpath(output.installed, parent=True),
    shell:
        """
        (
            uv venv --quiet --clear --python 3.11 {params.environment:q}
            uv pip sync --quiet --require-hashes --compile-bytecode --python {params.environment:q} {input.lock:q}
            uv pip freeze --quiet --python {params.environment:q} > {output.installed:q}
        ) 2>&1 | tee {log}
        """


rule fetch:
    """All that the network is needed for: environments and MNIST. A run after it opens no connection."""
    input:
        rules.mxnet_environment.output.installed,
        "data/mnist/mnist.pkl.gz" if DATA["source"] == "mnist" else [],
