# Environments that cannot be the main one. They lie in the clone, and serve all projects that are run from it.


rule mxnet_environment:
    """Install MXNet into an environment of its own: it needs a numpy that nothing else wants."""
    output:
        installed=".venvs/mxnet/installed.txt",
    log:
        "logs/mxnet_environment.log",
    params:
        environment=lambda wildcards, input: MXNET_ENVIRONMENT,
        lock=lambda wildcards, input: f"{workflow.basedir}/workflow/envs/mxnet.lock.txt",
        pins=configuration.clone_digest(f"{workflow.basedir}/workflow/envs/mxnet.lock.txt"),
    shell:
        """
        (
            if [ "$(cat {params.environment:q}/pins.txt 2>/dev/null)" != {params.pins} ]; then
                uv venv --quiet --clear --python 3.11 {params.environment:q}
                uv pip sync --quiet --require-hashes --compile-bytecode --python {params.environment:q} {params.lock:q}
                echo {params.pins} > {params.environment:q}/pins.txt
            fi
            uv pip freeze --quiet --python {params.environment:q} > {output.installed}
        ) 2>&1 | tee {log}
        """


rule fetch:
    """All that the network is needed for: environments and MNIST. A run after it opens no connection."""
    input:
        rules.mxnet_environment.output.installed,
        "data/mnist/mnist.pkl.gz" if DATA["source"] == "mnist" else [],
