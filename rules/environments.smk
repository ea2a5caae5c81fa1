# Environments beside the main one. They are in the clone, and serve all projects that are run from it.

MXNET_ENVIRONMENT = f"{workflow.basedir}/.venvs/mxnet"
MXNET_PYTHON = f"{MXNET_ENVIRONMENT}/bin/python"
KAGGLE_ENVIRONMENT = f"{workflow.basedir}/.venvs/kaggle"
KAGGLE_PYTHON = f"{KAGGLE_ENVIRONMENT}/bin/python"


# An environment whose Python is missing is installed again.
if workflow.is_main_process and not workflow.output_settings.dryrun and not unfinished.is_locked():
    for environment, interpreter in {"mxnet": MXNET_PYTHON, "kaggle": KAGGLE_PYTHON}.items():
        if not os.path.exists(interpreter):
            with contextlib.suppress(OSError):
                os.unlink(f".venvs/{environment}/installed.txt")


def install(environment, lock):
    """A param that is a command: it installs an environment unless that is done, and takes the path of a log.

    Snakemake does not compare params that are functions of the input: other pins or commands train nothing again.
    """

    def command(wildcards, input):
        words = [
            f"{workflow.basedir}/workflow/envs/install.sh",
            environment,
            lock,
            environments.clone_digest(lock),
        ]
        return f"bash {shlex.join(words)}"

    return command


# The environment is no input of MXNet's jobs, which run this command themselves: if an `ancient` input is made again,
# Snakemake ignores all other reasons to run the job; and if the input is not `ancient`, they would train again.
INSTALL_MXNET = install(MXNET_ENVIRONMENT, str(environments.mxnet_lock()))


# Nodes of a cluster may have no network.
localrules:
    mxnet_environment,
    kaggle_environment,


rule mxnet_environment:
    """Install packages that need an environment of their own from pins: MXNet (an old numpy), Kaggle's client."""
    output:
        installed=".venvs/mxnet/installed.txt",
    log:
        "logs/mxnet_environment.log",
    params:
        install=INSTALL_MXNET,
        environment=lambda wildcards, input: MXNET_ENVIRONMENT,
        pins=environments.clone_digest(environments.mxnet_lock()),
    shell:
        """
        {params.install} {log}
        installed=$(uv pip freeze --quiet --python {params.environment:q})
        echo "$installed" > {output.installed}
        """


use rule mxnet_environment as kaggle_environment with:
    output:
        installed=".venvs/kaggle/installed.txt",
    log:
        "logs/kaggle_environment.log",
    params:
        install=install(KAGGLE_ENVIRONMENT, f"{workflow.basedir}/workflow/envs/kaggle.lock.txt"),
        environment=lambda wildcards, input: KAGGLE_ENVIRONMENT,
        pins=environments.clone_digest(f"{workflow.basedir}/workflow/envs/kaggle.lock.txt"),


rule fetch:
    """Everything that needs the network: environments, and MNIST or the competition's CSVs."""
    input:
        rules.mxnet_environment.output.installed,
        "data/mnist/mnist.pkl.gz" if DATA["source"] == "mnist" else [],
        [TRAIN_CSV, TEST_CSV] if DATA["source"] == "kaggle" else [],  # if they are missing, by Kaggle's client
