# The configuration, and what more than one rule file needs.

import gc
import importlib
import json
import os
import sys
import threading

sys.path.insert(0, f"{workflow.basedir}/workflow")

from snakemake.utils import update_config

from digitflow.config import csv_paths, typed, validate
from digitflow.errors import ConfigError

try:
    update_config(config, typed(workflow.config_settings.config))
    config = validate(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

DATA = config["data"]
MODELS = config["models"]
MERGE = config["merge"]
TRAIN_CSV, TEST_CSV, SOLUTION_CSV = csv_paths(DATA)
TREES = config["png"]["enabled"]
MXNET_PYTHON = ".venvs/mxnet/bin/python"

# Snakemake lowers it to the cores that there are, so that on a few cores one training runs at a time: two side by
# side take longer. ASSUME: small nets gain nothing beyond eight.
TRAINING_THREADS = 8

# Jobs call `python -m digitflow`: this Python, this package, and uv where `make` has put it.
shell.prefix(
    "set -euo pipefail; "
    f"export PATH='{os.path.dirname(sys.executable)}':\"$PATH\":'{workflow.basedir}/.tools/bin' "
    f"PYTHONPATH='{workflow.basedir}/workflow'; "
)


wildcard_constraints:
    model="[A-Za-z][A-Za-z0-9_]*",
    seed="[0-9]+",
    tree="train|test",
    part="train|valid|test",
    shard="(?:)" if config["rec"]["shards"] == 1 else "_[0-9]{3}",


def code(*modules):
    """The package's modules that a rule's results depend on: an edit of one reruns the rule."""
    return [f"workflow/digitflow/{module}.py" for module in modules]


def pixels_of(tree):
    """What train or test records are made of: the PNG files, or without trees the IDX file."""
    return f"data/png/{tree}" if TREES else f"data/idx/{tree}-images-idx3-ubyte"


def shards(part, kind):
    """The RecordIO files ("rec") of a part, or their indices ("idx"): one a shard, in order."""
    count = config["rec"]["shards"]
    names = [part] if count == 1 else [f"{part}_{shard:03d}" for shard in range(count)]
    return [f"data/rec/{name}.{kind}" for name in names]


def models_of(framework):
    """A pattern that matches the names of a framework's models."""
    return "|".join(name for name, model in MODELS.items() if model["framework"] == framework) or "(?!)"


def settings(wildcards):
    """A model's hyper-parameters as JSON: what its training depends on, without its framework and seeds."""
    model = MODELS[wildcards.model]
    return json.dumps({key: value for key, value in model.items() if key not in ("framework", "seeds")})


def seeds_of(model, name):
    """A file of every seed of a model."""
    return [f"results/models/{model}/seed{seed}/{name}" for seed in MODELS[model]["seeds"]]


def merged(name):
    """A file of every seed of every merged model."""
    return [path for model in MERGE["models"] for path in seeds_of(model, name)]


def merge_flags(flag, name):
    """How the merged models are told to a verb: a flag a model, with a file a seed; the method; the weights."""
    flags = [f"{flag} {' '.join(seeds_of(model, name))}" for model in MERGE["models"]]
    if MERGE["weights"]:
        flags.append(f"--weights '{json.dumps(MERGE['weights'])}'")
    return " ".join([*flags, f"--method {MERGE['method']}"])


def solution_flag():
    """The flag with the solution, where there is one."""
    return f"--solution '{SOLUTION_CSV}'" if SOLUTION_CSV else ""


def print_summary():
    """Close a run with the table of its models, whatever its target was, if they have been merged."""
    trainings, submission = merged("metrics.json"), "results/submission.csv"
    done = all(map(os.path.exists, [submission, *trainings]))
    if done and os.path.getmtime(submission) >= max(map(os.path.getmtime, trainings)):
        shell(
            "python -m digitflow summary "
            + merge_flags("--valid-probabilities", "valid_probabilities.npy")
            + f" --submission results/submission.csv --valid-lst data/rec/valid.lst {solution_flag()} || true"
        )


def import_pandas():
    """Import pandas while the first job runs: Snakemake notes a job's params with it, and would hold up the next job
    to import it when the first has ended."""
    threading.Thread(target=importlib.import_module, args=["pandas"]).start()


def end_at_once():
    """Spare a finished run more than a second of waiting: nothing is left to start, and all memory to be freed."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):  # the scheduler's, to look for jobs once more
            thread.cancel()
    gc.freeze()  # or else Python searches all of Snakemake's objects for cycles first
