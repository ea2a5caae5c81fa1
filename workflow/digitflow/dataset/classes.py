"""The classes of a data set: what its labels are called, in which order, and which folders they are in."""

import csv
import os
import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

import numpy as np

from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import open_to_read, write_rows
from digitflow.formats.layout import WHOLE, abbreviated, as_yaml, label_of, shown

HEADER = ["index", "label"]
MAX_CLASSES = 1 << 16
MAX_BYTE_CLASSES = 1 << 8
MAX_INT_DIGITS = 18
MAX_NAME_BYTES = 255  # of a file or folder, on all systems
# What a file system or a shell takes for something else, at least on one system, and ends of lines.
UNSAFE = re.compile(r'[%/\\:*?"<>|\x00-\x1f\x7f\x85\u2028\u2029]|^[. ~#@]|[. ]$')
# Windows' devices, and the words that mean something else in corrections.csv.
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|drop|ok", re.IGNORECASE)
EMPTY = "%"
MOST_LISTED = 50  # classes that a message names one by one
PLAIN_NUMBER = re.compile(r"-?[1-9][0-9]*|0")  # a label that a configuration file may have without quotes


def in_natural_order(labels: Iterable[str]) -> list[str]:
    """The different labels in the order a person gives them: numbers by value, then a2 before a10."""
    return sorted({*labels}, key=_natural_key)


def _natural_key(label: str) -> tuple:
    if WHOLE.fullmatch(label) and len(label) < MAX_INT_DIGITS:
        return 0, int(label), label
    parts = re.split("0*([0-9]+)", label)  # words and numbers in turn; a longer number is a larger one
    return 1, [(len(part), part) if k % 2 else part for k, part in enumerate(parts)], label


def indices(labels: Sequence[str], classes: Sequence[str], where: str) -> np.ndarray:
    """The places of labels in `classes`: uint8 (n,) for up to 256 classes, else int32.

    InputError names the first label that is no class, and its row from 1.
    """
    index = {label: k for k, label in enumerate(classes)}
    if len(classes) > MAX_CLASSES:
        raise InputError(
            f"{where}: {len(classes):,} classes, more than {MAX_CLASSES:,}: is this the column of the labels?"
        )
    try:
        dtype = np.uint8 if len(classes) <= MAX_BYTE_CLASSES else np.int32
        return np.fromiter(map(index.__getitem__, labels), dtype, len(labels))
    except KeyError as error:
        label, known = error.args[0], abbreviated(classes)
        row = labels.index(label) + 1
        raise InputError(
            f"{where}, row {row}: {label!r} is none of the {len(classes)} classes, {known}; correct it, "
            "because no model can learn a class that no training image has"
        ) from None


def as_setting(classes: Sequence[str]) -> str:
    """What a configuration file says to have these classes, even if no row has one of them."""
    if len(classes) > MOST_LISTED:
        return "data.classes to the list of all of them"
    names = [name if PLAIN_NUMBER.fullmatch(name) else as_yaml(name) for name in classes]
    return f"data: {{classes: [{', '.join(names)}]}}"


def write(path: str | os.PathLike, classes: Sequence[str]) -> None:
    """Write classes.csv: the index in .lst and IDX files, and what the label is called."""
    write_rows(path, [HEADER, *enumerate(classes)])


def read(path: str | os.PathLike) -> list[str]:
    """Read classes.csv: the labels by their index. FormatError names the line that is wrong."""
    try:
        with open_to_read(path, "r", newline="", encoding="utf-8-sig") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path}: cannot be read as CSV: {error}; delete it and run again") from error
    if header != HEADER:
        found, wanted = shown(",".join(header)), ",".join(HEADER)
        raise FormatError(
            f"{path}, line 1: {found}, should be the header {wanted}; delete the file and run again"
        )
    labels = {}
    for index, row in enumerate(rows):
        if len(row) != 2 or row[0] != str(index) or row[1] in labels:
            raise FormatError(
                f"{path}, line {index + 2}: {','.join(row)!r}, should be {index} and a label that no other "
                "line has; delete the file and run again"
            )
        labels[row[1]] = index
    return [*labels]


def folder_names(classes: Sequence[str]) -> list[str]:
    """A safe name of a folder for each label, which `label_of_folder` turns back.

    Characters that a file system may not accept become %XX, as in addresses; so do whole labels that mean
    something else there, or that differ from another one only by case, which some systems ignore.
    """
    seen, names = set(), []
    for label in classes:
        name = UNSAFE.sub(lambda found: _escaped(found[0]), label) or EMPTY
        if RESERVED.fullmatch(name) or name.casefold() in seen:
            name = _escaped(label)
        if len(name.encode()) > MAX_NAME_BYTES:
            raise InputError(f"the label {label[:40]!r}... is too long for the name of a folder")
        seen.add(name.casefold())
        names.append(name)
    return names


def label_of_folder(name: str) -> str:
    """The label that the name of a folder stands for."""
    return "" if name == EMPTY else label_of(unquote(name))


def _escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())
