# Environments that cannot be the main one. They lie in the clone, and serve all projects that are run from it.


def forget_lost_environments():
    """Remove the note of an installed environment whose Python is gone, so that it is installed again."""
    for name, interpreter in {"mxnet": MXNET_PYTHON, "kaggle": KAGGLE_PYTHON}.items():
        if not os.path.exists(interpreter):
            with contextlib.suppress(OSError):
                os.unlink(f".venvs/{name}/installed.txt")


if workflow.is_main_process and not workflow.output_settings.dryrun and not unfinished.is_locked():
    forget_lost_environments()


rule mxnet_environment:
    """Install what needs an environment of its own from its pins: MXNet (an old numpy), Kaggle's client."""
    output:
        installed=".venvs/mxnet/installed.txt",
    log:
        "logs/mxnet_environment.log",
    priority: 50  # trainings wait for it
    params:
        environment=lambda wildcards, input: MXNET_ENVIRONMENT,
        lock=lambda wildcards, input: str(configuration.mxnet_lock()),
        pins=configuration.clone_digest(configuration.mxnet_lock()),
    shell:
        """
        (
            is_installed() {{
                [ -x {params.environment:q}/bin/python ] &&
                    [ "$(cat {params.environment:q}/pins.txt 2>/dev/null)" = {params.pins} ]
            }}
            # Where a run in another folder installs it at this moment, wait for that. macOS has no flock.
            if ! is_installed && command -v flock >/dev/null; then
                mkdir -p "$(dirname {params.environment:q})"
                exec 9>{params.environment:q}.lock
                flock 9
            fi
            if ! is_installed; then
                uv venv --quiet --clear --python 3.11 {params.environment:q}
                uv pip sync --quiet --require-hashes --compile-bytecode --python {params.environment:q} {params.lock:q}
                echo {params.pins} > {params.environment:q}/pins.txt
            fi
            uv pip freeze --quiet --python {params.environment:q} > {output.installed}
        ) 2>&1 | tee {log}
        """


use rule mxnet_environment as kaggle_environment with:
    output:
        installed=".venvs/kaggle/installed.txt",
    log:
        "logs/kaggle_environment.log",
    params:
        environment=lambda wildcards, input: KAGGLE_ENVIRONMENT,
        lock=lambda wildcards, input: f"{workflow.basedir}/workflow/envs/kaggle.lock.txt",
        pins=configuration.clone_digest(f"{workflow.basedir}/workflow/envs/kaggle.lock.txt"),


rule fetch:
    """All that the network is needed for: environments, and MNIST or the competition's CSVs."""
    input:
        rules.mxnet_environment.output.installed,
        "data/mnist/mnist.pkl.gz" if DATA["source"] == "mnist" else [],
        [TRAIN_CSV, TEST_CSV] if DATA["source"] == "kaggle" else [],  # where they are missing, by Kaggle's client
