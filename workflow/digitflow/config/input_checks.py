"""What is wrong with the files that the configuration names, or forgets to name."""

import filecmp
import fnmatch
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from digitflow.base.archives import split_member
from digitflow.base.errors import ConfigError, InputError
from digitflow.competing.competition import NAMED, downloaded_for
from digitflow.config.inputs import DIGIT_RECOGNIZER, beside, csv_paths, fault_of_file, submission_files
from digitflow.config.schema import in_yaml
from digitflow.dataset import applied, locations
from digitflow.formats.corrections import HEADER

# Files of labels that models have predicted.
MADE_LABELS = [
    f"results/{name}"
    for name in ("submission.csv", "submissions/*.csv", "predictions/*.csv", "runs/*", "kaggle/*")
]
SOURCES_THAT_READ = {
    "train_csv": ["files"],
    "test_csv": ["files"],
    "folder": ["folder", "idx"],
    "solution_csv": ["files", "kaggle", "folder", "idx"],
    "labels_csv": ["files", "kaggle", "folder", "idx"],
}


def wrong_inputs(config: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the files of a configuration that is complete."""
    yield from _braces(config)
    yield from _forgotten_source(config["data"])
    yield from _same_columns(config["data"])
    yield from _another_competition(config["data"])
    yield from _missing_files(config["data"])
    yield from _unreadable_predictions(config["predict"])
    yield from _wrong_corrections(config["data"]["corrections"])


def _braces(config: dict[str, Any]) -> Iterator[str]:
    """Paths that Snakemake would take for patterns: braces in its input files cannot be escaped."""
    paths = {f"data.{key}": value for key, value in config["data"].items() if isinstance(value, str)}
    paths |= {f"predict.{name}": path for name, path in config["predict"].items()}
    paths["submission.sample"] = config["submission"]["sample"] or ""
    paths |= {f"submissions: {name}": path for name, path in submission_files().items()}
    for key, path in paths.items():
        if {*"{}"} & {*path}:
            yield f"{key}: {path!r}: Snakemake takes braces for a pattern; rename the file, or link to it"


def _forgotten_source(data: dict[str, Any]) -> Iterator[str]:
    """Catch someone who names files but forgets `source`, before they wait for models of MNIST."""
    for key, sources in SOURCES_THAT_READ.items():
        if data[key] is not None and data["source"] not in sources:
            yield (
                f"data.{key}: {data[key]!r} is not read, because data.source is {data['source']}; write "
                f"source: {sources[0]} beside it, or leave {key} out"
            )


def _same_columns(data: dict[str, Any]) -> Iterator[str]:
    """One column or one file used for two things."""
    label, id_ = (data["columns"][key] for key in ("label", "id"))
    if label == id_ and isinstance(label, str) and label != "auto":
        yield f"data.columns: label and id are both {label!r}; one column cannot be both; leave one out"
    train, test = data["train_csv"], data["test_csv"]
    if data["source"] == "files" and train and test and _is_copy(train, test):
        yield (
            f"data.test_csv: {data['test_csv']!r} is the training CSV, or a copy of it: the models would be "
            "scored on images that they have learned; leave it out, because validation has rows of its own"
        )
    solution = data["solution_csv"]
    if solution and any(fnmatch.fnmatch(os.path.relpath(solution), made) for made in MADE_LABELS):
        yield (
            f"data.solution_csv: {solution!r} is made by the models, which would be scored against their own "
            "answers; name a file of labels that are known to be right, or leave it out"
        )


def _is_copy(one: str, other: str) -> bool:
    """Whether two paths are of one file, or of two with the same bytes; of archives, also the same member."""
    (file, member), (other_file, other_member) = split_member(one), split_member(other)
    if member != other_member:
        return False
    if os.path.realpath(file) == os.path.realpath(other_file):
        return True
    with suppress(OSError):  # missing or unreadable, and named as such below
        # Reads only files of the same size; that a file is empty is said when it is converted.
        return Path(file).stat().st_size > 0 and filecmp.cmp(file, other_file, shallow=False)
    return False


def _another_competition(data: dict[str, Any]) -> Iterator[str]:
    """Files of another competition: its predictions would be sent to this one, and take a slot."""
    folder, name = f"data/{data['source']}", data["competition"]
    if data["source"] == "kaggle" and (other := downloaded_for(folder)) not in (None, name):
        yield (
            f"data.competition: {name}, but the files in {folder} were downloaded for {other}; run each "
            f"competition in a folder of its own, or move {folder} away, and those of {name} are downloaded; "
            f"if you have put them there yourself, delete {folder}/{NAMED}"
        )


def _missing_files(data: dict[str, Any]) -> Iterator[str]:
    source, folder = data["source"], data["folder"]
    if source == "mnist":
        return
    if source in ("folder", "idx") and not (folder and Path(folder).is_dir()):
        yield f"data.folder: {in_yaml(folder)}, should be a folder, because data.source is {source}"
        return
    if source == "folder" and not Path(folder, "train").is_dir():
        above = Path(folder).name == "train"
        there = [path.name for path in Path(folder).iterdir() if path.name.lower() == "train"]
        way = f"write {Path(folder).parent}" if above else "rename it" if there else "make one"
        yield f"data.folder: {folder!r} has no folder train{beside(there)}, for train/LABEL/*.png; {way}"
        return
    try:
        train_csv, test_csv, solution_csv = csv_paths(data)
    except InputError as error:
        yield f"data.folder: {error}"
        return
    if source == "files" and train_csv is None:
        yield "data.train_csv: null, should be the path of a CSV, because data.source is files"
    images = {} if source == "folder" else {"train_csv": train_csv, "test_csv": test_csv}
    if source == "kaggle":  # what is missing is downloaded
        images = {key: path for key, path in images.items() if _is_there(path)}
    for key, path in {**images, "solution_csv": solution_csv, "labels_csv": data["labels_csv"]}.items():
        if path:
            yield from unreadable(f"data.{key}", path)


def _unreadable_predictions(predict: dict[str, str]) -> Iterator[str]:
    """Paths of further images that are neither a folder nor a readable file."""
    for name, path in predict.items():
        if not Path(path).is_dir():
            yield from unreadable(f"predict.{name}", path)


def _wrong_corrections(path: str) -> Iterator[str]:
    """A file of corrections that cannot be read would undo them all; the default one need not exist."""
    key, start = "data.corrections", f"echo {','.join(HEADER)} > {shlex.quote(path)}"
    if os.path.lexists(path):
        if fault := fault_of_file(path):
            yield f"{key}: {fault}; move it away, or name the file with the corrections"
    elif not applied.same_file(path, applied.DEFAULT):
        yield (
            f"{key}: there is no file {path!r}; to restore one that was lost: "
            f"digitflow restore_corrections{applied.flag(path)}; to begin one: {start}"
        )


def wrong_submissions(config: dict[str, Any], files: dict[str, str]) -> Iterator[str]:
    """What is wrong with the files that merge.models names."""
    merge = config["merge"]
    for name in files:
        if name in (*config["models"], "merged"):
            whose = "of the merge" if name == "merged" else "of a model"
            yield f"{files[name]}: {name} is the name {whose}; give the file another name"
    named = [name for name in merge["models"] if name in files and name not in config["models"]]
    if not named:
        return
    bare = [name for name in named if not Path("submissions", f"{name}_probabilities.npy").exists()]
    if bare and merge["method"] != "vote":
        yield (
            f"merge.method: {merge['method']} needs probabilities, but {', '.join(bare)} has only labels; "
            f"write `method: vote`, or add submissions/{bare[0]}_probabilities.npy"
        )
    if merge["weights"] == "auto":
        yield (
            f"merge.weights: auto needs predictions of validation rows, but {', '.join(named)} has none; "
            "give each model a weight"
        )
    if config["predict"]:
        yield (
            f"predict: {', '.join(named)} in merge.models has no labels for further images; leave it out of "
            "merge.models, or leave out predict"
        )


def unreadable(key: str, path: str) -> Iterator[str]:
    """What is wrong with a file that a key of the configuration names, if it cannot be read."""
    if not _is_there(path):
        yield f"{key}: there is no file {path!r}"
    elif fault := fault_of_file(path):
        yield f"{key}: {fault}"


def _is_there(path: str) -> bool:
    return os.path.lexists(split_member(path)[0])


def check_folder(clone: str | os.PathLike, data: dict[str, Any], configured: bool) -> None:
    """Refuse a clone in a folder from which no job could be started, and a project without its configuration:
    `configured` says whether one was given. `data`: that section of it. ConfigError says why.
    """
    elsewhere = Path.cwd() != Path(clone).resolve()
    # Without it, MNIST would be converted and trained on instead of the project's own data.
    if elsewhere and not configured:
        if found := _files_with(".yaml", ".yml"):
            raise ConfigError(
                f"{found[0]} is in this folder, but no configuration is given; add --configfile "
                f"{shlex.quote(found[0])} at the end of the command, or before its -- if there is one"
            )
        if data["source"] == "mnist" and (own := _own_images()):
            path, lines = own
            raise ConfigError(
                f"{path} is in this folder, but no configuration is given; write data: {lines} into "
                "mine.yaml, and add --configfile mine.yaml at the end of the command, or before its -- "
                "if there is one; or, if you mean MNIST, --config 'data={source: mnist}'"
            )
    if ":" in str(clone):
        raise ConfigError(
            f"{clone}: this path has a colon, which separates the folders of PATH; move the clone to a path "
            "without one"
        )


def names_competition(data: dict[str, Any], given: dict[str, Any]) -> bool:
    """Whether a competition was named, by the command line or its files, which `given` says, or in the
    defaults, where another one stood.
    """
    section = given.get("data")
    named = isinstance(section, dict) and "competition" in section
    return named or data["competition"] != DIGIT_RECOGNIZER


def unread_competition(data: dict[str, Any], given: dict[str, Any]) -> str | None:
    """A line for the user if the competition's files are present, but MNIST is trained, because nothing else
    was `given`: what the command line and its files say.
    """
    section = given.get("data")
    if data["source"] != "mnist" or (isinstance(section, dict) and "source" in section):
        return None
    if not (path := _competition_csv()):
        return None
    return (
        f"warning: {path} is not read, because data.source is mnist; to read it, write "
        "data: {source: kaggle} into a file that --configfile names; to train on MNIST without this warning, "
        "data: {source: mnist}"
    )


def _own_images() -> tuple[str, str] | None:
    """A CSV in the project's folder that is named like training data, and the section `data` that reads it.

    Any other CSV may be a table of results, or a file downloaded from the page to look at images.
    """
    names = _files_with(".csv")
    if trains := [name for name in names if "train" in name.lower()]:
        named = f", train_csv: {json.dumps(trains[0], ensure_ascii=False)}"
        if tests := [name for name in names if "test" in name.lower() and name not in trains]:
            named += f", test_csv: {json.dumps(tests[0], ensure_ascii=False)}"
        return trains[0], f"{{source: files{named}}}"
    if path := _competition_csv():
        return str(path), "{source: kaggle}"
    return None


def _competition_csv() -> Path | None:
    """The competition's training CSV, put there by a person or a download; None if it is missing."""
    try:
        path = Path(locations.find_csv("data/kaggle", "train.csv"))
    except InputError:  # a damaged archive
        return None
    return path if _is_there(str(path)) else None


def _files_with(*endings: str) -> list[str]:
    """The names in this folder, except hidden ones, that have one of these endings in upper or lower case."""
    return sorted(path.name for path in Path().glob("[!.]*") if path.suffix.lower() in endings)
