"""Which files the configuration means: images, labels, submissions; and how they are read."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from digitflow.base.archives import check_readable, split_member
from digitflow.base.errors import InputError
from digitflow.config.schema import canonical, schema, without_defaults
from digitflow.dataset import locations

# Files in submissions/ that look like submissions but are not read.
LIKE_SUBMISSIONS = re.compile(r".*\.(csv|csv\.\w+|zip|tsv|xlsx)", re.IGNORECASE)
DIGITS, DIGIT_RECOGNIZER = 10, "digit-recognizer"


def csv_paths(data: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """The paths of the training images, of the test images if there are any, and of the solution if it is
    known.

    For the source folder the images' paths are folders; for idx they are IDX files, and the solution that of
    the test images' labels. A path may be ARCHIVE.zip/NAME.
    """
    folder = data["folder"] if data["source"] in ("folder", "idx") else f"data/{data['source']}"
    match data["source"]:
        case "files":
            return data["train_csv"], data["test_csv"], data["solution_csv"]
        case "kaggle":
            train, test = (str(locations.find_csv(folder, f"{part}.csv")) for part in ("train", "test"))
            return train, test, data["solution_csv"]
        case "folder":
            test = f"{folder}/test" if Path(folder, "test").is_dir() else None
            return f"{folder}/train", test, data["solution_csv"]
        case "idx":
            train, _ = locations.find_idx(folder, "train")
            has_test = locations.idx_files(folder, "test", "images")
            test, labels = locations.find_idx(folder, "test") if has_test else (None, None)
            solution = data["solution_csv"] or labels
            return tuple(path and str(path) for path in (train, test, solution))
    return f"{folder}/train.csv", f"{folder}/test.csv", f"{folder}/solution.csv"


def no_test_set(data: dict[str, Any]) -> str:
    """What to say if something needs a test set, but the data have none: what was looked for, and what is
    there instead.
    """
    folder = data["folder"]
    match data["source"]:
        case "folder":
            there = [path.name for path in Path(folder).iterdir() if path.is_dir() and path.name != "train"]
            why = f"{folder} has no folder test{beside(there)}; put its images into {folder}/test"
        case "idx":
            names = " or ".join(f"{name}-images-idx3-ubyte" for name in locations.TEST_NAMES)
            files = (path.name for path in Path(folder).iterdir())
            there = [name for name in files if any(part in name.lower() for part in locations.TEST_NAMES)]
            way = "rename its file" if there else "put the file there"
            why = f"{folder} has no {names}, packed with gzip or not{beside(there)}; {way}"
        case _:
            why = "set data.test_csv to the path of its CSV"
    return f"there is no test set to predict: {why}"


def beside(names: list[str]) -> str:
    """What is there instead of what was looked for, in brackets."""
    names = [name for name in sorted(names) if not locations.LEFT_BEHIND.fullmatch(name)]
    return f" (there is {', '.join(names)})" if names else ""


def labels_path(data: dict[str, Any]) -> str | None:
    """The file of the training labels, if they are not in that of the images; else None."""
    if data["source"] == "idx":
        return str(locations.find_idx(data["folder"], "train")[1])
    return data["labels_csv"]


def packed(path: str | None) -> tuple[str | None, str]:
    """The file of a path and, if that file is an archive, the name of the member in it, else ""."""
    file, name = split_member(path) if path else (None, None)
    return file and str(file), name or ""


def reading(data: dict[str, Any]) -> str:
    """The keys of `data` that say how images are read, if they differ from their defaults, as JSON."""
    keys = ("image", "columns", "values", "invert", "classes", "labels_csv")
    changed = without_defaults({key: data[key] for key in keys}, schema()["properties"]["data"])
    if data["source"] in ("folder", "idx"):
        changed["source"] = data["source"]
    if data["classes"] == "auto" and _has_digits(data):
        changed["classes"] = DIGITS
    return canonical(changed)


def drawing(png: dict[str, Any]) -> str:
    """The keys of `png` that say how pictures are drawn, if they differ from their defaults, as JSON."""
    keys = {key: value for key, value in png.items() if key != "enabled"}
    return canonical(without_defaults(keys, schema()["properties"]["png"]))


def _has_digits(data: dict[str, Any]) -> bool:
    """Whether the images are known to be the ten digits, even if one digit does not occur in a part."""
    return data["source"] == "mnist" or (data["source"], data["competition"]) == ("kaggle", DIGIT_RECOGNIZER)


def submission_files() -> dict[str, str]:
    """The user's submission files by name: the CSVs in submissions/ that can be read.

    No hidden ones, such as the ._NAME.csv that macOS puts beside a file.
    """
    paths = sorted(Path("submissions").glob("[!.]*.csv"))
    return {path.stem: str(path) for path in paths if not fault_of_file(path)}


def ignored_submissions() -> Iterator[str]:
    """The files in submissions/ that look like submissions but are not read, each with the reason."""
    for path in sorted(Path("submissions").glob("[!.]*")):
        if path.suffix == ".csv":
            if fault := fault_of_file(path):
                yield fault
        elif LIKE_SUBMISSIONS.fullmatch(path.name):
            yield f"{path}: only files named NAME.csv are read"


def fault_of_file(path: str | os.PathLike) -> str | None:
    """Why a file cannot be read; None if it can."""
    try:
        check_readable(path)
    except InputError as error:
        return str(error)
    return None
