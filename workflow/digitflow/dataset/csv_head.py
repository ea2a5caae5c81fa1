"""The first lines of a pixel CSV: what separates its cells, whether line 1 is a header, what columns hold."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from digitflow.base.errors import ConfigError, InputError, ask_which
from digitflow.dataset.image_size import AUTO, image_of
from digitflow.formats.layout import (
    DECIMAL_COMMA,
    DECIMAL_COMMAS,
    ID_NAMES,
    LABEL_NAMES,
    NUMBER,
    SEPARATORS,
    abbreviated,
    label_of,
    number_of,
    place_of_one,
    split_line,
    text_of,
)
from digitflow.formats.pixelcsv import read_head

# The defaults of `data.columns`.
COLUMNS = {"header": AUTO, "label": AUTO, "id": AUTO, "ignore": ()}
SAMPLE = 500  # rows that are looked at
MAX_BYTE = 255
MAX_DIGITS = 9  # of a number that counts columns, as in their names


@dataclass
class Table:
    """The first lines of a file, what the configuration says, and what has been decided about them."""

    path: str | os.PathLike
    lines: list[bytes]
    columns: Mapping[str, Any]
    image: Mapping[str, Any]
    needed: bool  # whether there must be labels
    separator: bytes = b","
    names: list[str] | None = None  # None: no header
    reasons: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The first line, for messages."""
        return f"{self.path}, line 1"

    @cached_property
    def first(self) -> list[str]:
        """The cells of line 1."""
        return [text_of(cell) for cell in split_line(self.lines[0], self.separator)]

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.first)

    @cached_property
    def rows(self) -> list[list[bytes]]:
        """The cells of the first rows."""
        lines = self.lines if self.names is None else self.lines[1:]
        return [split_line(line, self.separator) for line in lines[:SAMPLE] if line.strip()]

    def place(self, column: str | int | None) -> int | None:
        """The place of a column that the configuration gives by name or place; None: it is not here."""
        if column is None:
            return None
        if isinstance(column, int):
            return from_start(column, self.width)
        if self.names is None:
            raise ConfigError(
                f"data.columns: {column!r}: {self.path} has no header; give the column's place, such as 0 "
                "or -1"
            )
        found = [place for place, name in enumerate(self.names) if name == column]
        found = found or [place for place, name in enumerate(self.names) if name.lower() == column.lower()]
        if len(found) > 1:
            places = " or ".join(map(str, found))
            raise InputError(
                f"{self.where}: {column!r} is the name of {len(found)} columns: give the place of the "
                f"right one, {places}, in data.columns of the configuration"
            )
        return found[0] if found else None

    def cells(self, place: int) -> list[str]:
        """The texts of a column in the first rows."""
        return [text_of(row[place]) for row in self.rows if place < len(row)]

    def seen(self, place: int) -> str:
        """The values of a column in the first rows, in words."""
        values = dict.fromkeys(map(label_of, self.cells(place)))
        listed = ", ".join([*values][:5])
        return f"only {listed}" if len(values) == 1 else f"{listed}{', ...' * (len(values) > 5)}"

    def is_one_hot(self, places: Sequence[int], sorted_: bool = False) -> bool:
        """Whether every row has one 1 among zeros in these columns, and every column a 1 in some row.

        `sorted_`: the rows may be sorted by their classes, so that the first ones have few of them.
        """
        used = set()
        for row in self.rows:
            if len(row) <= max(places):
                continue  # a finding when the file is read
            if (at := place_of_one([row[place] for place in places])) is None:
                return False
            used.add(at)
        return len(used) == len(places) or (sorted_ and bool(used))


def read_first_lines(path: str | os.PathLike, data: Mapping[str, Any], needed: bool) -> Table:
    """Read the first lines of a file; `data` is that section of the configuration.

    `needed`: there must be labels. InputError: several things may separate the cells, or line 1 may be a
    header or a row.
    """
    head = read_head(path)
    lines = head.split(b"\n", SAMPLE + 1)
    if len(lines) > SAMPLE + 1:
        del lines[-1]  # it has all the rest
    lines[0] = lines[0].removeprefix(b"# ")  # numpy.savetxt writes a header as a comment
    lines = [line.removesuffix(b"\r") for line in lines]
    table = Table(path, lines, COLUMNS | (data.get("columns") or {}), image_of(data), needed)
    table.separator = _separator(path, lines[0])
    table.reasons.append(f"separated by {SEPARATORS[table.separator]}")
    header = table.columns["header"]
    if header == AUTO:
        header, why = _has_header(table)
        table.reasons.append(why)
    if header:
        table.names = table.first
        vars(table).pop("rows", None)  # if they were looked at before, they began with line 1
    return table


def from_start(place: int, width: int) -> int | None:
    """A place from either end of `width` columns, from 0; None: it is none of them."""
    return place % width if -width <= place < width else None


def is_known(name: str) -> bool:
    """Whether columns of labels or ids have such a name."""
    return name.lower() in (*LABEL_NAMES, *ID_NAMES)


def _separator(path: str | os.PathLike, line: bytes) -> bytes:
    """What separates the cells of a line, if only one thing can."""
    bare = re.sub(rb'"[^"]*"', b"x", line)
    if b"\t" in bare and (b"," in bare or b";" in bare):  # tabs next to these are no separators
        bare = re.sub(rb"[ \t]*([,;]|^|$)[ \t]*", rb"\1", bare)
    found = [separator for separator in SEPARATORS if separator != b" " and separator in bare]
    if len(found) > 1:
        cells = bare.split(found[-1])
        numbers = [number_of(cell.replace(b",", b".")) for cell in cells]
        if any(map(DECIMAL_COMMA.fullmatch, cells)) and None not in numbers:
            raise InputError(f"{path}, line 1: {DECIMAL_COMMAS}")
        names = " and ".join(SEPARATORS[separator] for separator in found)
        raise InputError(f"{path}, line 1: there are {names}: save the file with only commas between cells")
    if found:
        return found[0]
    return b" " if len(bare.split()) > 1 else b","


def _has_header(table: Table) -> tuple[bool, str]:
    """Whether the first line has names, and why."""
    numbers, words = [], []
    for text in table.first:
        (numbers if NUMBER.fullmatch(text) else words).append(text)
    if not numbers:
        return True, "a header: line 1 has names"
    # In any order: as text, 10 comes before 2.
    whole = all(text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS for text in numbers)
    wholes = sorted(map(int, numbers)) if whole else []
    counts = len(wholes) > 1 and wholes == [*range(wholes[0], wholes[0] + len(wholes))] and wholes[0] < 2
    if counts and (len(numbers) > MAX_BYTE + 1 or any(is_known(text) for text in words)):
        return True, f"a header: line 1 counts from {wholes[0]} to {wholes[-1]}"
    if counts:
        _ask_for_header(f"{table.where}: {wholes[0]} to {wholes[-1]} may be names or pixels")
    if 2 * len({*numbers}) <= len(numbers):
        return False, "no header: line 1 has most of its numbers more than once"
    if any(map(is_known, words)):
        if not _same_words(table) and len({*numbers}) == len(numbers):
            return True, "a header: line 1 has a name where the lines below have numbers"
        _ask_for_header(f"{table.where}: numbers and {abbreviated(words)} may be names or a row")
    if not words and (doubled := _numbered_doubles(table)):
        raise InputError(
            f"{table.where}: {doubled!r} where the lines below have whole numbers: the first row was once "
            "taken for a header, and equal numbers in it were changed: use the file as it was before, or "
            "delete line 1"
        )
    if words and not _same_words(table):
        _ask_for_header(f"{table.where}: numbers and {abbreviated(words)} may be names or a row")
    return False, "no header: line 1 has numbers"


def _numbered_doubles(table: Table) -> str | None:
    """A cell like 0.1 in line 1, above whole numbers: so pandas names the second of two columns called 0."""
    fractions = [text for text in table.first if "." in text]
    below = table.rows[1] if len(table.rows) > 1 else []
    return fractions[0] if fractions and below and not any(b"." in cell for cell in below) else None


def _ask_for_header(where: str) -> NoReturn:
    ask_which(
        where,
        [
            ("columns: {header: true}", "line 1 has the names of the columns"),
            ("columns: {header: false}", "line 1 is the first image"),
        ],
    )


def _same_words(table: Table) -> bool:
    """Whether line 1 has words exactly where the lines below have them; a single line may be a row."""
    words = [number_of(text.encode()) is None for text in table.first]
    return sum(words) < len(words) / 2 and all(
        words == [number_of(cell) is None for cell in row] for row in table.rows
    )
