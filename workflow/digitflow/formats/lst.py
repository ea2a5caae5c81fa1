"""MXNet image lists: lines of index, tab, label, tab, path; made from the folders of the PNG trees.

A list is the one record of the labels and of the train/valid split. Its form is that of MXNet's im2rec.py:
the label is a float with six decimals, the path is relative to a root that the reader knows.
"""

import itertools
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import atomic_open
from digitflow.dataset.split import validation_mask

log = logging.getLogger("digitflow")

PathLike = str | os.PathLike
PNG_NAME = re.compile(r"([0-9]{1,18})\.png")
LINE = re.compile(r"([0-9]{1,18})\t([0-9]{1,18})(?:\.0*)?\t([^\x00-\x1f]+)\r?\n")
TOLD_AGAIN = re.compile(r"(?:(?:.*/)?([0-9]{1,18})/|.*/|)([0-9]{1,18})\.png")  # a label, if any; an index


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


def of_rows(folder: str, rows: int, labels: np.ndarray | None = None) -> Listing:
    """The listing of the tree that rows with labels int (rows,) would make in `folder`, without a tree."""
    digits = len(str(rows))
    places = [folder] * rows if labels is None else [f"{folder}/{label}" for label in labels.tolist()]
    index = np.arange(1, rows + 1)
    path = [f"{place}/{row:0{digits}}.png" for place, row in zip(places, index.tolist(), strict=True)]
    return Listing(index, np.zeros(rows, np.int64) if labels is None else labels.astype(np.int64), path)


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

    Index and label must be those that a path like 7/00017.png tells again: so damage is found in either.
    """
    rows, last = [], 0
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                row = _parse(line, f"{path}: line {number}")
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


def read_complete(path: PathLike) -> Listing:
    """Read the list of a test set. FormatError, beside those of `read`, for an index that is left out."""
    listing = read(path)
    for row in np.flatnonzero(listing.index != np.arange(1, len(listing) + 1)):
        raise FormatError(
            f"{path}: line {row + 1}: index {listing.index[row]}, not {row + 1}; no test image is left out"
        )
    return listing


def _parse(line: str, where: str) -> tuple[int, int, str]:
    match = LINE.fullmatch(line)
    if not match:
        raise FormatError(f"{where}: {_wrong(line)}")
    index, label, path = int(match[1]), int(match[2]), match[3]
    told = TOLD_AGAIN.fullmatch(path)
    if told and (int(told[2]) != index or int(told[1] or label) != label):
        raise FormatError(f"{where}: index {index} and label {label}, but the path is {path}")
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


def scan_tree(tree: PathLike, root: PathLike, classes: int | None = None, rows: int | None = None) -> Listing:
    """List the PNG files of a tree in the order of their ids, with paths relative to `root`.

    With `classes`: files lie in folders named after their label, and ids may be missing, for the user may
    have deleted images. Without: files lie in the tree itself, have label 0, and no id from 1 on is missing.
    `rows`: the highest id there can be, where it is known. InputError names the file that is out of place.
    """
    folders = {"": 0} if classes is None else {f"{label}/": label for label in _class_folders(tree, classes)}
    prefix = "" if Path(tree) == Path(root) else f"{os.path.relpath(tree, root)}/"
    found = sorted(
        (number, label, f"{prefix}{folder}{name}")
        for folder, label in folders.items()
        for number, name in _scan_folder(Path(tree, folder))
    )
    for (number, _, path), (following, _, other) in itertools.pairwise(found):
        if number == following:
            raise InputError(f"image {number} is there twice: {path} and {other}; remove one of them")
    listing = _listing(found)
    _check_complete(tree, listing, rows, may_miss=classes is not None)
    return listing


def _class_folders(tree: PathLike, classes: int) -> list[int]:
    names = {str(label): label for label in range(classes)}
    for entry in _entries(tree):
        if (entry.name not in names or not entry.is_dir()) and not _left_by_others(entry.name):
            raise InputError(f"{entry.path}: not the folder of a class; those are 0 to {classes - 1}")
    return [label for name, label in names.items() if Path(tree, name).exists()]


def _scan_folder(folder: Path) -> Iterator[tuple[int, str]]:
    for entry in _entries(folder):
        match = PNG_NAME.fullmatch(entry.name)
        number = int(match[1]) if match else 0
        if number and entry.is_file():
            yield number, entry.name
        elif not _left_by_others(entry.name):
            raise InputError(
                f"{entry.path}: not an image of this tree; their names are CSV rows, as 00017.png"
            )


def _left_by_others(name: str) -> bool:
    """Whether a file manager leaves files of this name."""
    return name.startswith(".") or name in ("Thumbs.db", "desktop.ini")


def _entries(folder: PathLike) -> Iterator[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}") from error


def _check_complete(tree: PathLike, listing: Listing, rows: int | None, may_miss: bool) -> None:
    last = int(listing.index[-1]) if len(listing) else 0
    rows = last if rows is None else rows
    if last > rows:
        raise InputError(f"{listing.path[-1]}: image {last} of a CSV with {rows} rows")
    if len(listing) == rows:
        return
    missing = rows - len(listing)
    first = next(row for row in range(1, rows + 1) if row > len(listing) or listing.index[row - 1] != row)
    what = f"{tree}: {missing} of {rows} images missing, the first is {first}"
    if not may_miss:
        raise InputError(f"{what}; make the tree again")
    log.warning(f"{what}; no model will see them")


def write_split(
    labelled: Listing,
    test: Listing,
    train_lst: PathLike,
    valid_lst: PathLike,
    test_lst: PathLike,
    classes: int,
    fraction: float,
    seed: int,
) -> None:
    """Write the three lists, with `fraction` of every class in the validation list, not the training list.

    InputError for a class without a training image left.
    """
    mask = validation_mask(labelled.index, labelled.label, fraction, seed)
    train, valid = labelled.select(~mask), labelled.select(mask)
    trained = {*train.label.tolist()}
    for label in sorted({*labelled.label.tolist()} - trained):
        raise InputError(f"class {label}: a validation fraction of {fraction} leaves it no training image")
    if missing := sorted({*range(classes)} - trained):
        log.warning(f"no image of classes {missing}: no model can learn them")
    for name, path, listing in (
        ("train", train_lst, train),
        ("valid", valid_lst, valid),
        ("test", test_lst, test),
    ):
        write(path, listing)
        counts = np.bincount(listing.label, minlength=classes).tolist()
        of_classes = "" if listing is test else f", of classes 0 to {classes - 1}: {counts}"
        log.info(f"{path}: {len(listing):,} {name} images{of_classes}")
