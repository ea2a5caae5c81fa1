"""Labels as CSV, one row per image: submissions and solutions."""

import csv
from pathlib import Path

import numpy as np

from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import atomic_open

HEADER = ["ImageId", "Label"]


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
