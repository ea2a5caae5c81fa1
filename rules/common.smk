# The configuration, and what more than one rule file needs.

import json
import os
import re
import shlex
import sys

sys.path.insert(0, f"{workflow.basedir}/workflow")

from snakemake import persistence
from snakemake.logging import logger
from snakemake.utils import update_config

from digitflow import codedigest
from digitflow.base import answers, unfinished
from digitflow.base.errors import ConfigError, DigitflowError
from digitflow.config import checks, environments, input_checks, inputs, loading, models, schema
from digitflow.dataset import locations, stamps
from digitflow.verbs import commandline

try:
    if workflow.is_main_process:  # jobs on nodes of a cluster get the configuration in one piece
        loading.check_keys(workflow.overwrite_configfiles)
    update_config(config, loading.typed(workflow.config_settings.config, sys.argv[1:]))
    config = checks.validate(config)
    if workflow.is_main_process:
        loading.check_wish_is_typed(config, sys.argv[1:])
    given = workflow.config_settings.overwrite_config
    input_checks.check_folder(workflow.basedir, config["data"], configured=bool(given))
except ConfigError as error:
    raise WorkflowError(str(error)) from None

# Snakemake looks for tables among params, and imports pandas to recognise one: 0.25 s of every command. Ours are text.
if hasattr(persistence.PersistenceBase, "_serialize_param_pandas"):
    persistence.PersistenceBase._serialize_param_pandas = persistence.PersistenceBase._serialize_param_builtin

DATA = config["data"]
MODELS = models.models(config)
MERGE = config["merge"]
SUBMISSION_FILES = {name: commandline.literal(path) for name, path in inputs.submission_files().items()}
MERGED_MODELS = [name for name in MERGE["models"] if name in MODELS]
MERGED_FILES = [name for name in MERGE["models"] if name not in MODELS]
TRAIN_PATH, TEST_PATH, SOLUTION_PATH = inputs.csv_paths(DATA)
READING = inputs.reading(DATA)


def code(verb, *looked_up):
    """The digest of the code that a verb reaches: an edit of it, except of comments and layout, reruns the rule."""
    try:
        return codedigest.of_verb(commandline.module_of(verb), verb, *looked_up)
    except DigitflowError as error:  # a module of the user's own may be half written
        raise WorkflowError(str(error)) from None


def has_labels_of_its_own(path):
    """Whether a test CSV has labels: then it is test set and solution in one, and they are used only for scores."""
    question = [path, stamps.of(path), READING, code("csv_to_idx")]
    known = answers.known_answer("test-csv-has-labels", question)
    if known is None:
        from digitflow.dataset import columns

        try:
            known = columns.decide(path, json.loads(READING), train=False).labelled
        except DigitflowError:  # the job that reads it reports what is wrong
            return False
        answers.keep_answer("test-csv-has-labels", question, known)
    return known


# What the solution is: rows of id and label, a test CSV with labels (pixels), or an IDX file.
SOLUTION_KIND = "idx" if DATA["source"] == "idx" and not DATA["solution_csv"] else "csv"
if DATA["source"] == "files" and TEST_PATH and not SOLUTION_PATH and has_labels_of_its_own(TEST_PATH):
    SOLUTION_PATH, SOLUTION_KIND = TEST_PATH, "pixels"

# Each file, and the member's name if it is an archive of several.
(TRAIN_CSV, TRAIN_MEMBER), (TEST_CSV, TEST_MEMBER), (SOLUTION_CSV, SOLUTION_MEMBER) = [
    inputs.packed(path) for path in (TRAIN_PATH, TEST_PATH, SOLUTION_PATH)
]
# The user's own files; MNIST's are made by a rule.
OWN_TRAIN, OWN_TEST, OWN_SOLUTION = [
    None if DATA["source"] == "mnist" else path for path in (TRAIN_PATH, TEST_PATH, SOLUTION_PATH)
]
LABELS_FILE = inputs.packed(inputs.labels_path(DATA))[0] or []
# The names of the labels of IDX files, if a file beside them has them.
NAMES_FILE = (locations.names_of_classes(DATA["folder"]) if DATA["source"] == "idx" else None) or []
SAMPLE = config["submission"]["sample"] or []
# The name of an IDX file tells its number of dimensions, so the configuration must say whether there is colour.
IMAGES = "images-idx4-ubyte" if DATA["image"]["channels"] == 3 else "images-idx3-ubyte"
TEST_IMAGES = f"data/idx/test-{IMAGES}" if TEST_CSV else []
# The labels of the test images, if they are known; only scores may use them.
SOLUTION = "data/idx/test-labels-idx1-ubyte" if TEST_CSV and SOLUTION_CSV else []
TREES = config["png"]["enabled"]
FOLDS = [f"/fold{number}" for number in range(config["validation"]["folds"])]
FOLDS = FOLDS if len(FOLDS) > 1 else []
HAS_SCORES_OF_ROWS = bool(FOLDS) or config["validation"]["fraction"] > 0

# The remembered runs, written by the merge and by its scores.
RUNS = "results/runs"
STORE = config["store"] or ""  # empty: none; a rule's shell text is the same with and without one

# Jobs call `python -m digitflow`: this Python, this package, and uv where `make` put it. Kaggle's secrets stay in
# the shell and do not become part of a job's environment: the jobs that need them export them again.
shell.prefix(
    commandline.literal(
        "set -euo pipefail; "
        f'export PATH={shlex.quote(os.path.dirname(sys.executable))}:"$PATH":'
        f"{shlex.quote(f'{workflow.basedir}/.tools/bin')} "
        f"PYTHONPATH={shlex.quote(f'{workflow.basedir}/workflow')} "
        "PYTHONSAFEPATH=1; "  # otherwise a keras.py in the project's folder would be imported as Keras
        "export -n KAGGLE_API_TOKEN KAGGLE_KEY; "
    )
)


CONFIGFILES = [os.path.relpath(path) for path in workflow.config_settings.configfiles]


def configfile_words():
    """The words of a command that name the configuration files of this run, if it has any."""
    return ["--configfile", *CONFIGFILES] if CONFIGFILES else []


def command_for(target):
    """What to type for a target, with the clone and the configuration of this run."""
    if workflow.config_settings.config:
        return f"the same command with the target {target}"
    words = ["snakemake", "-j4", target]
    if not os.path.samefile(workflow.basedir, "."):
        words[1:1] = ["-s", os.path.relpath(f"{workflow.basedir}/Snakefile")]
    return shlex.join([*words, *configfile_words()])


def one_of(names):
    """A pattern that matches these names, and nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    model=one_of(MODELS),
    study=one_of(config["studies"]),
    seed="[0-9]+",
    # "/given": trained on the labels as the CSV gives them, to measure the effect of the corrections
    fold="(?:/given)?" + (f"(?:{one_of(FOLDS)})" if FOLDS else ""),
    tree="train|test",
    part="train|valid|test",
    images=one_of(["test", *config["predict"]]),
    shard="(?:)" if config["rec"]["shards"] == 1 else "_[0-9]{3}",


# What a rule calls, and what makes it run again


def call(verb, python="python", stored=False):
    """The shell text that calls a verb with the rule's inputs, outputs and params of the same names.

    `stored`: its outputs are kept in the store, and come back if they were made from the same before.
    """
    store = " --store {STORE:q}" if stored else ""
    return f"{unfinished.NOTED}{python} -m {commandline.template(verb)}{store}{unfinished.DONE}"


def as_text(text):
    """A param that is this text; in a plain string Snakemake would take braces for wildcards."""
    return lambda wildcards: text


def section(value):
    """A part of the configuration as JSON, the same however it was written, because params are compared as text."""
    return as_text(schema.canonical(value))


def picked(keys, *names):
    """Some keys of a section of the configuration, as JSON."""
    return section({name: keys[name] for name in names})


SUBMISSION_FORM = picked(config["submission"], "id", "label", "first", "sample")


def stamp(*paths):
    """A param that changes with the user's files: one that replaces another may be older than the outputs.

    Snakemake evaluates it again before a job begins, so it also covers files that are downloaded first.
    """
    return lambda wildcards: stamps.of(*paths)


def source(path):
    """An input of images. A folder's time tells nothing: the system may leave a file in it; its stamp tells all."""
    return ancient(path) if os.path.isdir(path) else path


def stamp_of_submissions(names):
    """Like `stamp`, for submission files of these names and the probabilities beside them."""
    endings = (".csv", "_probabilities.npy")
    return stamp(*(f"submissions/{name}{ending}" for name in names for ending in endings))


def reported(path, category="Figures", **labels):
    """An output that reports show, with the caption in workflow/report/ of the file's name, if there is one."""
    caption = f"workflow/report/{os.path.splitext(os.path.basename(path))[0]}.rst"
    has_one = os.path.exists(f"{workflow.basedir}/{caption}")
    return report(path, f"../{caption}" if has_one else None, category, labels=labels or None)


# Files of the data that a model or a study uses: the configuration's own, or the official MNIST


def data_of(wildcards):
    """The data that a model, or a study's models, use: own or official."""
    study = wildcards.get("study")
    return config["studies"][study]["data"] if study else MODELS[wildcards.model]["data"]


def classes_of(wildcards):
    """The classes of a model's data."""
    return f"data/{'idx' if data_of(wildcards) == 'own' else 'official'}/classes.csv"


def listed(name):
    """A function that finds a list of a model's data, that of a fold if there are folds."""
    folder = {"own": "data/rec", "official": "data/official"}
    return lambda wildcards: f"{folder[data_of(wildcards)]}{wildcards.get('fold', '')}/{name}"


def images_of(name):
    """A function that finds the IDX file of a model's train, test or further images."""
    official = f"data/official/{name}-images-idx3-ubyte"
    return lambda wildcards: official if data_of(wildcards) == "official" else f"data/idx/{name}-{IMAGES}"


def solution(wildcards):
    """The labels of the test rows of a model or a study, if they are known."""
    return "data/official/test-labels-idx1-ubyte" if data_of(wildcards) == "official" else SOLUTION


def shards(folder, part, kind):
    """The RecordIO files ("rec") of a part, or their indices ("idx"): one for each shard, in order."""
    count = config["rec"]["shards"]
    names = [part] if count == 1 else [f"{part}_{shard:03d}" for shard in range(count)]
    return [f"{folder}/{name}.{kind}" for name in names]


# Files of trainings


def model_files(model, name):
    """A file of every seed of a model."""
    return [f"results/models/{model}/seed{seed}/{name}" for seed in MODELS[model]["seeds"]]


def merged_files(name):
    """A file of every seed of every merged model."""
    return [path for model in MERGED_MODELS for path in model_files(model, name)]


def probabilities_beside(names):
    """The files of probabilities beside submission files of these names."""
    paths = [f"submissions/{name}_probabilities.npy" for name in names]
    return [commandline.literal(path) for path in paths if os.path.exists(path)]


def tested(paths):
    """The same paths, which need a test set; WorkflowError if there is none."""
    if not TEST_CSV:
        raise WorkflowError(inputs.no_test_set(DATA))
    return paths


MERGE_METHOD = {
    "method": MERGE["method"],
    "seeds": [[model, len(MODELS[model]["seeds"])] for model in MERGED_MODELS],
}
FIXED_WEIGHTS = None if MERGE["weights"] == "auto" else MERGE["weights"]
MERGE_KEYS = section(
    {**MERGE_METHOD, "weights": FIXED_WEIGHTS, **({"order": MERGE["models"]} if MERGED_FILES else {})}
)
# Only the models: submission files merged with them have no labels but those of test rows.
MODELS_KEYS = section(
    {
        **MERGE_METHOD,
        "weights": FIXED_WEIGHTS
        and [weight for name, weight in zip(MERGE["models"], FIXED_WEIGHTS, strict=True) if name in MODELS],
    }
)
WEIGHTS = "results/merge_weights.json" if MERGE["weights"] == "auto" else []
