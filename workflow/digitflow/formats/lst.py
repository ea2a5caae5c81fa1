"""MXNet image lists: lines of index, tab, label, tab, path.

A list is the one record of the labels and of the train/valid split. Its form is that of MXNet's im2rec.py:
the label is a float with six decimals, the path is relative to a root that the reader knows.
"""

import itertools
import os
import re
from dataclasses import dataclass

import numpy as np

from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import atomic_open

PathLike = str | os.PathLike
LINE = re.compile(r"([0-9]{1,18})\t([0-9]{1,18})(?:\.0*)?\t([^\x00-\x1f]+)\r?\n")
FOLDER_AND_INDEX = re.compile(r"(?:(.*)/)?([0-9]{1,18})\.png")


@dataclass(frozen=True)
class Listing:
    """Rows of a list: index int64 (n,), CSV rows from 1, ascending; label int64 (n,); path from the root."""

    index: np.ndarray
    label: np.ndarray
    path: list[str]

    def __len__(self) -> int:
        return len(self.path)

    def select(self, rows: np.ndarray) -> "Listing":
        """The rows where a bool mask (n,) is true."""
        return Listing(self.index[rows], self.label[rows], list(itertools.compress(self.path, rows)))


def _listing(rows: list[tuple[int, int, str]]) -> Listing:
    index, label, path = zip(*rows, strict=True) if rows else ((), (), ())
    return Listing(np.array(index, np.int64), np.array(label, np.int64), list(path))


def shard(listing: Listing, k: int, n: int) -> Listing:
    """Part `k` (from 0) of `n` contiguous parts of almost equal size."""
    rows = slice(len(listing) * k // n, len(listing) * (k + 1) // n)
    return Listing(listing.index[rows], listing.label[rows], listing.path[rows])


def write(path: PathLike, listing: Listing) -> None:
    """Write a list file."""
    rows = zip(listing.index.tolist(), listing.label.tolist(), listing.path, strict=True)
    with atomic_open(path, "w") as file:
        file.writelines(f"{index}\t{label}.000000\t{name}\n" for index, label, name in rows)


def read(path: PathLike) -> Listing:
    """Read a list file. FormatError names the line whose columns, index, label or order are wrong.

    The index must be that in a path like 7/00017.png, and all images of a folder must have one label: so
    damage is found in either.
    """
    rows, last = [], 0
    labels: dict[str, int] = {}  # of the folders
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                row = _parse(line, f"{path}: line {number}", labels)
                if row[0] <= last:
                    raise FormatError(
                        f"{path}: line {number}: index {row[0]} after {last}; they ascend from 1"
                    )
                last = row[0]
                rows.append(row)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a list: {error}") from error
    return _listing(rows)


def _parse(line: str, where: str, labels: dict[str, int]) -> tuple[int, int, str]:
    match = LINE.fullmatch(line)
    if not match:
        raise FormatError(f"{where}: {_wrong(line)}")
    index, label, path = int(match[1]), int(match[2]), match[3]
    named = FOLDER_AND_INDEX.fullmatch(path)
    if named and int(named[2]) != index:
        raise FormatError(f"{where}: index {index}, but the path is {path}")
    if named and named[1] and (known := labels.setdefault(named[1], label)) != label:
        raise FormatError(f"{where}: label {label}, but other images in {named[1]}/ have {known}")
    return index, label, path


def _wrong(line: str) -> str:
    if not line.endswith("\n"):
        return f"{line!r} has no line end: a truncated list?"
    columns = line.rstrip("\n").split("\t")
    if len(columns) != 3 or not re.fullmatch(r"[^\x00-\x1f]+\r?", columns[2]):
        return f"{line!r}; a line is index, tab, label, tab, path"
    if not columns[0].isdecimal():
        return f"index {columns[0]!r}; an index is a CSV row, a whole number from 1"
    return f"label {columns[1]!r}; a label is a class, a whole number from 0"
