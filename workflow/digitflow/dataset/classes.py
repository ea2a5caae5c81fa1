"""What the classes are called: `classes.csv`, a line of index and label for each."""

import csv
import os
from collections.abc import Sequence

from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import atomic_open

PathLike = str | os.PathLike
HEADER = ["index", "label"]


def write(path: PathLike, names: Sequence[str]) -> None:
    """Write the names of the classes, in the order of their indices."""
    with atomic_open(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(enumerate(names))


def read(path: PathLike) -> list[str]:
    """The names of the classes. FormatError names the line that is not the next index and its label."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not lines or lines[0] != HEADER:
        raise FormatError(
            f"{path}, line 1: {lines[:1]}, should be {','.join(HEADER)}; delete it and run again"
        )
    for number, line in enumerate(lines[1:]):
        if len(line) != 2 or line[0] != str(number):
            raise FormatError(
                f"{path}, line {number + 2}: {line}, should be {number} and a label; delete it and run again"
            )
    return [label for _, label in lines[1:]]
