"""Submissions: probabilities to labels, averaged or voted, written only when they are right."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from digitflow.errors import FormatError, InputError
from digitflow.files import atomic_open
from digitflow.training.common import check_digests, check_probabilities

HEADER = ["ImageId", "Label"]
TIE_WEIGHT = 1e-6


def read_probabilities(path: str | Path, rows: int | None = None) -> np.ndarray:
    """Read class probabilities float32 (n, classes) from an .npy file.

    Raises FormatError unless they are finite, within 0..1, and each row sums to 1; `rows` is n where known.
    Those of a training must also have the digest in the metrics beside them.
    """
    path = Path(path)
    if (metrics := path.with_name("metrics.json")).exists():
        check_digests(metrics, path.name)
    try:
        with open(path, "rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):
                raise ValueError("bytes after its end")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except Exception as error:  # numpy parses the header as Python text: damage raises whatever that leads to
        raise FormatError(f"{path}: not a whole .npy file of numbers: {error}") from error
    check_probabilities(array, str(path))
    if rows is not None and len(array) != rows:
        raise FormatError(f"{path}: {len(array)} rows, should be {rows}: one an image")
    return array


def mean(probabilities: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """The weighted mean of arrays of probabilities (n, classes), as float64; equal weights by default."""
    return np.average(np.stack(probabilities).astype(np.float64), axis=0, weights=weights)


def vote(probabilities: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """The weighted share of the models whose first choice is each class, float64 (n, classes).

    A tie is left to the mean probability: added with TIE_WEIGHT it decides nothing else, unless weights
    differ by less than that.
    """
    classes = probabilities[0].shape[1]
    ballots = [np.eye(classes)[array.argmax(axis=1)] for array in probabilities]
    return (1 - TIE_WEIGHT) * mean(ballots, weights) + TIE_WEIGHT * mean(probabilities, weights)


MERGE_METHODS = {"mean": mean, "vote": vote}


def write(path: str | Path, labels: np.ndarray) -> None:
    """Write labels int (n,) as a submission: the header ImageId,Label and ids from 1 in order."""
    with atomic_open(path, "w") as file:
        file.write(",".join(HEADER) + "\n")
        file.writelines(f"{number},{label}\n" for number, label in enumerate(labels.tolist(), start=1))


def read(path: str | Path, classes: int, rows: int | None = None) -> np.ndarray:
    """Read a submission or a solution: labels int64 (n,).

    Raises FormatError, with the line, for a wrong header, ids that are not 1..n in order, a label that is not
    one of 0..classes-1, or, where `rows` is given, another number of rows.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from error
    if not lines or lines[0] != HEADER:
        raise FormatError(f"{path}, line 1: {lines[:1]}, should be the header {','.join(HEADER)}")
    allowed = {str(label): label for label in range(classes)}
    labels = []
    for number, line in enumerate(lines[1:], start=1):
        if len(line) != 2 or line[0] != str(number):
            raise FormatError(
                f"{path}, line {number + 1}: {','.join(line)!r}, should begin with ImageId {number}"
            )
        if line[1] not in allowed:
            raise FormatError(
                f"{path}, line {number + 1}: Label {line[1]!r}, should be one of 0 to {classes - 1}"
            )
        labels.append(allowed[line[1]])
    if rows is not None and len(labels) != rows:
        raise FormatError(f"{path}: {len(labels)} rows, should be {rows}")
    return np.array(labels, dtype=np.int64)


def merge(
    method: str, models: Sequence[Sequence[np.ndarray]], weights: Sequence[float] | None = None
) -> np.ndarray:
    """Merge models, each a sequence of its seeds' probabilities (n, classes), into one array (n, classes)."""
    shapes = [array.shape for seeds in models for array in seeds]
    if len({*shapes}) > 1:
        raise FormatError(f"the models' probabilities differ in shape: {shapes}")
    averaged = [mean(seeds) for seeds in models]
    return MERGE_METHODS[method](averaged, weights)
