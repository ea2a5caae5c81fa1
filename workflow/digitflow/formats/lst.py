"""MXNet image lists: lines of index, tab, label, tab, path.

A list is the only record of the labels and of the train/valid split. Its format is that of MXNet's im2rec.py:
the label is a float with six decimals, the path is relative to a root that the reader knows.
"""

import itertools
import re
from dataclasses import dataclass

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import PathLike, atomic_open, open_to_read

LINE = re.compile(r"([0-9]{1,18})\t([0-9]{1,18})(?:\.0*)?\t([^\x00-\x1f]+)\r?\n")
FOLDER_AND_INDEX = re.compile(r"(?:(.*)/)?([0-9]{1,18})\.png")
# A whole line in which the path ends with the index, as in nearly all: this halves the time to read a list.
COMMON_LINE = re.compile(
    r"^([0-9]{1,18})\t([0-9]{1,18})\.0*\t((?:([^\x00-\x1f]*)/)?0*\1\.png)\n", re.MULTILINE
)
LINES = 4096  # read at a time


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

    The index must be that in a path like 7/00017.png, and all images of a folder must have one label, so that
    damage to either is found.
    """
    indices, labels, paths = [], [], []
    of_folders: dict[str, int] = {}
    try:
        with open_to_read(path, "r", encoding="utf-8", newline="\n") as file:
            while lines := list(itertools.islice(file, LINES)):
                for index, label, name, folder in _split(lines, path, len(paths) + 1):
                    indices.append(int(index))
                    labels.append(int(label))
                    paths.append(name)
                    if folder and of_folders.setdefault(folder, labels[-1]) != labels[-1]:
                        raise FormatError(
                            f"{path}: line {len(paths)}: label {labels[-1]}, but other images in {folder}/ "
                            f"have {of_folders[folder]}"
                        )
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a list: {error}") from error
    index = np.array(indices, np.int64)
    if (wrong := np.diff(index, prepend=0) <= 0).any():
        row = int(wrong.argmax())
        before = index[row - 1] if row else 0
        raise FormatError(f"{path}: line {row + 1}: index {index[row]} after {before}; indices ascend from 1")
    return Listing(index, np.array(labels, np.int64), paths)


def _split(lines: list[str], path: PathLike, first: int) -> list[tuple[str, str, str, str]]:
    """Index, label, path and folder of each line, as texts; `first` is the number of the first line."""
    rows = COMMON_LINE.findall("".join(lines))
    if len(rows) == len(lines):
        return rows
    return [_parse(line, f"{path}: line {number}") for number, line in enumerate(lines, first)]


def _parse(line: str, where: str) -> tuple[str, str, str, str]:
    match = LINE.fullmatch(line)
    if not match:
        raise FormatError(f"{where}: {_wrong(line)}")
    index, label, path = match.groups()
    named = FOLDER_AND_INDEX.fullmatch(path)
    if named and int(named[2]) != int(index):
        raise FormatError(f"{where}: index {int(index)}, but the path is {path}")
    return index, label, path, (named and named[1]) or ""


def _wrong(line: str) -> str:
    if not line.endswith("\n"):
        return f"{line!r} has no line end: a truncated list?"
    columns = line.rstrip("\n").split("\t")
    if len(columns) != 3 or not re.fullmatch(r"[^\x00-\x1f]+\r?", columns[2]):
        return f"{line!r}; a line is index, tab, label, tab, path"
    if not columns[0].isdecimal():
        return f"index {columns[0]!r}; an index is a CSV row, a whole number from 1"
    return f"label {columns[1]!r}; a label is a class, a whole number from 0"
