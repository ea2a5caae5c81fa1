"""What the columns of a pixel CSV are, the rows read from it, and how a cell is understood."""

import itertools
import json
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

SEPARATORS = {b",": "commas", b";": "semicolons", b"\t": "tabs", b" ": "blanks"}
LABEL_NAMES = ("label", "labels", "class", "character", "target", "y", "digit")  # in any case
ID_NAMES = ("id", "imageid", "image_id")
BLANKS = " \t"  # around a text, and no part of it; blanks of other kinds, such as U+00A0, are
NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
WHOLE = re.compile(r"(-(?=0*[1-9]))?0*?([1-9][0-9]*|0)(\.0*)?")  # of labels
SCIENTIFIC = re.compile(r"[-+]?[0-9]\.[0-9]+[eE][-+][0-9]{2,3}")  # as C, and so numpy.savetxt, writes numbers
DECIMAL_COMMA = re.compile(rb"[-+]?[0-9]+,[0-9]+([eE][-+]?[0-9]+)?")
DECIMAL_COMMAS = "the numbers have decimal commas: save the file with decimal points, 0.5 for 0,5"
THOUSANDS = re.compile(rb"[-+]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?")
THOUSANDS_COMMAS = "the numbers have commas between thousands: save the file without them, 1000 for 1,000"
# What R, Excel and databases write, and pandas reads, where there is no value; besides nan in any case.
MISSING = ("NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "null", "None")
# Words that some version of YAML, or the schema, takes for something other than a name.
NO_NAMES = ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "auto")


class Block(NamedTuple):
    """Some rows of a data set, in order, whatever they are read from.

    `images`: uint8 (n, h, w), or (n, h, w, 3) in RGB. `labels`, `ids`: n texts, None if there are none.
    """

    images: np.ndarray
    labels: list[str] | None
    ids: list[str] | None


@dataclass(frozen=True)
class Layout:
    """What the columns of one file are. Places count from 0.

    `names`: of all columns, as in the header; `1`, `2`, ... if there is none.
    `pixels`: the places of the pixels, in the order in which they fill an image.
    `shape`: of an image, (h, w) or (h, w, 3); `transposed`: its pixels come column by column; `planar`: all
    red ones come first, then all green, then all blue.
    `label`: the place of the label. `one_hot`: places, each with the label that a 1 there means.
    `unfilled`: the place of a label that no row has yet.
    `classes`: the labels that are allowed; None: any.
    `values`: the numbers that mean 0 and 255; None: 0 and 255 themselves, and only whole numbers.
    `train`: whether these are the training images, by whose numbers `values` is chosen for all files.
    `reasons`: why all this was decided, for the log.
    """

    path: str | os.PathLike
    names: tuple[str, ...]
    pixels: tuple[int, ...]
    shape: tuple[int, ...]
    transposed: bool = False
    planar: bool = False
    label: int | None = None
    one_hot: tuple[tuple[int, str], ...] = ()
    id: int | None = None
    unfilled: int | None = None
    separator: bytes = b","
    header: bool = True
    classes: tuple[str, ...] | None = None
    values: tuple[float, float] | None = None
    train: bool = False
    reasons: tuple[str, ...] = field(default=(), compare=False)

    @property
    def labelled(self) -> bool:
        """Whether each row has a label."""
        return self.label is not None or bool(self.one_hot)

    @property
    def ignored(self) -> list[int]:
        """The places of the columns that are not used."""
        used = {*self.pixels, self.label, self.id, *(place for place, _ in self.one_hot)}
        return [place for place in range(len(self.names)) if place not in used]

    def __str__(self) -> str:
        label = "" if self.label is None else f"{self.names[self.label]}, "
        pixels = f"{self.names[self.pixels[0]]} to {self.names[self.pixels[-1]]}"
        return f"{label}{pixels} ({size_in_words(self.shape)})"


def size_in_words(shape: tuple[int, ...]) -> str:
    """Images of a shape in words, for messages."""
    return f"{shape[0]} x {shape[1]} {'RGB ' if len(shape) == 3 else ''}images"


def split_line(line: bytes, separator: bytes) -> list[bytes]:
    """The cells of a line as they are written there, quotes and all; a run of blanks separates once.

    In a cell that begins with a quote, separators between quotes are part of it, if the last quote is closed.
    """
    by_blanks = separator == b" "
    cells = line.split() if by_blanks else line.split(separator)
    if b'"' not in line or not (odd := [at for at, cell in enumerate(cells) if cell.count(b'"') % 2]):
        return cells
    between = re.findall(rb"\s+", line.strip()) if by_blanks else [separator] * (len(cells) - 1)
    whole, done, opened = [], 0, None
    for at in odd:
        if opened is not None:
            rest = zip(between[opened:at], cells[opened + 1 : at + 1], strict=True)
            whole += [*cells[done:opened], cells[opened] + b"".join(itertools.chain(*rest))]
            done, opened = at + 1, None
        elif cells[at].lstrip(b" \t").startswith(b'"'):
            opened = at
    return cells if opened is not None else whole + cells[done:]


def unquoted(cell: bytes) -> bytes:
    """What is in a cell: without the blanks and quotes around it, and with single quotes for doubled ones."""
    cell = cell.strip(b" \t")
    if len(cell) > 1 and cell[:1] == cell[-1:] == b'"':
        cell = cell[1:-1].replace(b'""', b'"').strip(b" \t")
    return cell


def text_of(cell: bytes) -> str:
    """The text in a cell."""
    return unquoted(cell).decode(errors="replace")


def number_of(cell: bytes) -> float | None:
    """The number in a cell, None if it holds none."""
    text = unquoted(cell).decode("latin-1")
    return float(text) if NUMBER.fullmatch(text) else None


def hot_of(cell: bytes) -> float | None:
    """The number in a cell of a one-hot label, which pandas' get_dummies writes as True and False."""
    return {b"true": 1.0, b"false": 0.0}.get(unquoted(cell).lower(), number_of(cell))


def place_of_one(cells: Sequence[bytes]) -> int | None:
    """Which of the cells of a one-hot label has the 1; None: they are not a single 1 among zeros."""
    numbers = [*map(hot_of, cells)]
    is_right = numbers.count(1) == 1 and numbers.count(0) == len(numbers) - 1
    return numbers.index(1) if is_right else None


def label_of(text: str) -> str:
    """A label as it is used from then on: a whole number without needless zeros, 7 for 07, 7.0, 7.00e+00.

    1e3 stays what it is: it may be the id of something.
    """
    if SCIENTIFIC.fullmatch(text) and (number := float(text)).is_integer():
        return str(int(number))
    whole = WHOLE.fullmatch(text)
    if not whole:
        return text
    return (whole[1] or "") + whole[2]


def is_missing(label: str) -> bool:
    """Whether a label says that there is none."""
    return not label or label.lower() == "nan" or label in MISSING


def label_fault(label: str, classes: Collection[str] | None) -> str | None:
    """What is wrong with a label from `label_of`, None: nothing. `classes`: those allowed, None: any."""
    if classes is not None:
        return None if label in classes else f"is not a class from {classes_in_words(classes)}"
    if is_missing(label):
        name = "; if it is a name, list all labels in data.classes" if label else ""
        return f"is not a label: give the row one, or delete the row{name}"
    if NUMBER.fullmatch(label) and not WHOLE.fullmatch(label):
        return (
            "is a number, but not a whole one: is this the column of the labels? If it is, and this a name, "
            "list all labels in data.classes"
        )
    if "\ufffd" in label:
        return "is not UTF-8: save the file as UTF-8"
    return None


def classes_in_words(classes: Collection[str]) -> str:
    """The classes in words, for messages."""
    classes = [*classes]
    if classes == [*map(str, range(len(classes)))]:
        return f"0 to {len(classes) - 1}"
    return abbreviated(classes)


def abbreviated(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    listed = ", ".join(map(shown, names[:5]))
    return listed + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def as_yaml(name: str) -> str:
    """A name as a configuration file has it: without quotes if that can mean nothing else."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.lower() not in NO_NAMES
    return name if plain else json.dumps(name, ensure_ascii=not name.isprintable())


def shown(text: str) -> str:
    """A text in quotes, cut if it is long."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
