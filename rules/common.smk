# The configuration, and what more than one rule file needs.

import gc
import json
import os
import re
import shlex
import sys
import threading

sys.path.insert(0, f"{workflow.basedir}/workflow")

from snakemake.utils import update_config

from digitflow.config import csv_paths, models, typed, validate
from digitflow.base.errors import ConfigError
from digitflow.models import FRAMEWORKS
from digitflow.studies.points import points

try:
    update_config(config, typed(workflow.config_settings.config))
    config = validate(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

if not config["studies"]:
    # Snakemake would import pandas to look for tables among the params: 0.2 s of every run, and there are none.
    sys.modules.setdefault("pandas", None)

DATA = config["data"]
MODELS = models(config)
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
    model="|".join(map(re.escape, MODELS)),
    study="|".join(config["studies"]) or "(?!)",
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
    names = [name for name, model in MODELS.items() if model["framework"] == framework]
    return "|".join(map(re.escape, names)) or "(?!)"


def settings(wildcards):
    """A model's hyper-parameters as JSON: what its training depends on, without what names its inputs."""
    model = MODELS[wildcards.model]
    return json.dumps(
        {key: value for key, value in model.items() if key not in ("framework", "seeds", "data")}
    )


def model_code(wildcards):
    """The module with a model's architecture; none for a name that the training itself will refuse."""
    model = MODELS[wildcards.model]
    file = FRAMEWORKS[model["framework"]].get(model["architecture"])
    return code(f"models/{file}") if file else []


def data_of(wildcards):
    """The data that a model, or a study's models, are made for: own or official."""
    study = wildcards.get("study")
    return config["studies"][study]["data"] if study else MODELS[wildcards.model]["data"]


def dataset(*names):
    """A function that finds files of the data that a model or a study is made for."""
    folders = ["data/rec" if name.endswith(".lst") or name == "lists.sfv" else "data/idx" for name in names]

    def paths(wildcards):
        own = data_of(wildcards) == "own"
        return [f"{folder if own else 'data/official'}/{name}" for folder, name in zip(folders, names)]

    return paths


def classes_of(wildcards):
    """How many classes the data have that a model is made for."""
    return DATA["classes"] if data_of(wildcards) == "own" else 10


def solution(wildcards):
    """The solution of the test rows of a model or a study, where it is known."""
    return "data/official/solution.csv" if data_of(wildcards) == "official" else SOLUTION_CSV or []


def known_solution(wildcards):
    """The solution of the configuration's test rows. WorkflowError where there is none."""
    if not SOLUTION_CSV:
        raise WorkflowError("the test rows' labels are not known: set data.solution_csv")
    return SOLUTION_CSV


def scored(wildcards):
    """The part that a model's mistakes are looked for in: test where its solution is known, else valid."""
    return "test" if solution(wildcards) else "valid"


def images_of(part):
    """The IDX file with the images of a part's list."""
    return f"{'test' if part == 'test' else 'train'}-images-idx3-ubyte"


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


def pair_flags():
    """How the merged models' names and own submissions are told to a verb."""
    submissions = expand("results/submissions/{model}.csv", model=MERGE["models"])
    return f"--models {' '.join(MERGE['models'])} --submissions {' '.join(submissions)}"


def solution_flag():
    """The flag with the solution, where there is one."""
    return f"--solution {shlex.quote(SOLUTION_CSV)}" if SOLUTION_CSV else ""


def study_models(study):
    """The names of a study's trainings, without their seeds: a folder an axis."""
    import pandas  # which runs without studies do not have
    from snakemake.utils import Paramspace

    values = [point.values for point in points(config["studies"][study])]
    return [f"{study}/{name}" for name in Paramspace(pandas.DataFrame(values)).instance_patterns]


def study_settings(wildcards):
    """What a study's table and figure depend on, as JSON."""
    keys = config["studies"][wildcards.study]
    return json.dumps({key: keys[key] for key in ("title", "model", "vary")})


def all_studies():
    """All studies as JSON. WorkflowError where there are none."""
    if not config["studies"]:
        raise WorkflowError("no studies are configured: add --configfile config/experiments.yaml")
    return json.dumps(config["studies"])


def of_study(name):
    """A function that finds a file of every training of a study."""
    return lambda wildcards: [
        path for model in study_models(wildcards.study) for path in seeds_of(model, name)
    ]


def figures_of_studies():
    """What the studies' key `figures` asks for: the mistakes of each point's first seed, a first point's rates."""
    for study, keys in config["studies"].items():
        models = study_models(study)
        if "mistakes" in keys["figures"]:
            names = ("confusion.csv", "confusion.png", "mistakes.png")
            yield from (seeds_of(model, name)[0] for model in models for name in names)
        if "learning_rate" in keys["figures"]:
            yield f"results/learning_rates/{models[0]}.png"


def print_summary():
    """Close a run with the table of its models, whatever its target was, if they have been merged."""
    trainings, submission = merged("metrics.json"), "results/submission.csv"
    done = all(map(os.path.exists, [submission, *trainings]))
    if done and os.path.getmtime(submission) >= max(map(os.path.getmtime, trainings)):
        shell(
            "python -m digitflow summary "
            + merge_flags("--valid-probabilities", "valid_probabilities.npy")
            + f" {pair_flags()} --submission results/submission.csv"
            + f" --valid-lst data/rec/valid.lst {solution_flag()} || true"
        )


def end_at_once():
    """Spare a finished run more than a second of waiting: nothing is left to start, and all memory to be freed."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):  # the scheduler's, to look for jobs once more
            thread.cancel()
    gc.freeze()  # or else Python searches all of Snakemake's objects for cycles first
