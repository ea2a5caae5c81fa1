"""The forms of people's pixel CSVs, each made from a clean one with the same digits."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

WORDS = [b"zero", b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eight", b"nine"]
FLOATS = {b"%d" % value: b"%d.0" % value for value in range(256)}
FRACTIONS = {b"%d" % value: repr(value / 255).encode() for value in range(256)}

ANOTHER_ORDER = itemgetter(*random.Random(0).sample(range(785), 785))


@dataclass(frozen=True)
class Form:
    """How the lines of a clean file are rewritten: `header` and `row` take cells and return a line.

    `data`: the section `data` of a configuration that reads it.
    """

    row: Callable[[list[bytes]], bytes]
    header: Callable[[list[bytes]], bytes] = b",".join
    data: str = "{}"

    def write(self, clean: Path, path: Path) -> None:
        """Write the clean CSV at `clean`, which has a header and the label first, in this form."""
        with open(clean, "rb") as source, open(path, "wb") as file:
            file.write(self.header(next(source).rstrip().split(b",")) + b"\n")
            file.writelines(self.row(line.rstrip().split(b",")) + b"\n" for line in source)


def _separated_by(separator: bytes) -> Form:
    return Form(separator.join, separator.join)


def _spelled(spellings: dict[bytes, bytes], data: str = "{}") -> Form:
    """Pixels as `spellings` has them, with the label unchanged."""
    return Form(lambda cells: b",".join([cells[0], *map(spellings.__getitem__, cells[1:])]), data=data)


def _in_another_order(cells: list[bytes]) -> bytes:
    return b",".join(ANOTHER_ORDER(cells))


def _quoted(cells: list[bytes]) -> bytes:
    return b'"' + b'","'.join(cells) + b'"'


FORMS = {
    "semicolons": _separated_by(b";"),
    "blanks as separators": _separated_by(b" "),
    "a blank after each comma": _separated_by(b", "),
    "columns in another order": Form(_in_another_order, _in_another_order),
    "every cell quoted": Form(_quoted, _quoted),
    "whole numbers as 13.0": _spelled(FLOATS, '{"values": {"from": 0, "to": 255}}'),
    "x/255 in full": _spelled(FRACTIONS, '{"values": {"from": 0, "to": 1}}'),
    "words as labels": Form(lambda cells: b",".join([WORDS[int(cells[0])], *cells[1:]])),
}
