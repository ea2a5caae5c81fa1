"""Cells of any spelling, all looked up at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitflow.formats.spellings import LONGEST, MANY, Spellings

DIGITS = [b"%d" % value for value in range(256)]
BYTES = {cell: value for value, cell in enumerate(DIGITS)}
cells = st.binary(max_size=LONGEST + 2).filter(lambda cell: b"," not in cell)


def looked_up(spellings: Spellings, found: list[bytes]) -> list[int] | None:
    """What the cells of one line mean."""
    lengths = np.array([len(cell) for cell in found])
    ends = np.cumsum(lengths + 1) - 1
    meanings = spellings.look_up(b",".join(found) + b"\n", ends - lengths, ends)
    return None if meanings is None else meanings.tolist()


@settings(max_examples=200)
@given(
    known=st.dictionaries(cells, st.integers(0, 255)),
    lines=st.lists(st.lists(cells, min_size=1)),
    data=st.data(),
)
def test_every_cell_has_its_own_meaning_or_the_line_has_none(known, lines, data):
    if known:  # also lines of only known cells
        lines += data.draw(st.lists(st.lists(st.sampled_from([*known]), min_size=1)))
    spellings = Spellings(known.get)
    for line in lines:
        fits = all(cell in known and 0 < len(cell) <= LONGEST and b"\0" not in cell for cell in line)
        assert looked_up(spellings, line) == ([known[cell] for cell in line] if fits else None)


def test_each_spelling_is_understood_once():
    asked = []
    spellings = Spellings(lambda cell: asked.append(cell) or BYTES.get(cell))
    for _ in range(3):
        assert looked_up(spellings, DIGITS * 2) == [*range(256)] * 2
    assert sorted(asked) == sorted(DIGITS)


def test_cells_that_differ_in_any_single_byte_are_told_apart():
    same = b"0.1234567890123456789012"[:LONGEST]
    variants = [same[:at] + b"x" + same[at + 1 :] for at in range(LONGEST)]
    meanings = {cell: value for value, cell in enumerate([same, *variants])}
    spellings = Spellings(meanings.get)
    for cell, value in meanings.items():  # learned one by one: none is taken for one that is known
        assert looked_up(spellings, [cell, same]) == [value, 0]


def test_a_cell_that_begins_or_ends_as_most_do_is_not_taken_for_one_of_them():
    spellings = Spellings(BYTES.get)
    for line in (b"1,10,1,21,1,1,11", b"1,10,10,0,10,10", b"11,12,11,11,10,11,1"):
        assert looked_up(spellings, line.split(b",")) == [*map(int, line.split(b","))]


@pytest.mark.parametrize("line", [b"1,1,x", b"x,x,1", b"x,x,x", b"1,2,x"])
def test_a_line_with_a_cell_that_means_nothing_means_nothing(line):
    assert looked_up(Spellings(BYTES.get), line.split(b",")) is None


def test_a_file_of_too_many_spellings_is_given_up():
    spellings = Spellings(lambda cell: 7)
    assert looked_up(spellings, [b"%d" % number for number in range(MANY)]) == [7] * MANY
    assert looked_up(spellings, [b"one more"]) is None
    assert looked_up(spellings, [b"0"]) is None
