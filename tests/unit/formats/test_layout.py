"""How a cell of a CSV is understood: as a number, as a label."""

import re

import pytest

from digitflow.formats.layout import NUMBER, WHOLE, label_of, number_of

LONG = "0" * 1_000_000  # hours, if the time grew with the square of the length


@pytest.mark.parametrize(
    "text",
    [f"{LONG}x", f"{LONG}.{LONG}x", "9" * len(LONG) + "x", f"{LONG}9x"],
    ids=["zeros", "fraction", "nines", "zeros and a nine"],
)
def test_a_long_cell_that_is_no_number_is_understood(text):
    assert number_of(text.encode()) is None
    assert label_of(text) == text


@pytest.mark.parametrize(
    ("text", "label"),
    [("7", "7"), ("07", "7"), ("7.", "7"), ("-07.00", "-7"), ("000", "0"), ("0.0", "0"), ("100", "100")]
    + [(text, text) for text in ("-0", "7.5", ".5", "1e3", "+7", "", ".", "seven")],
)
def test_a_whole_number_is_a_label_without_needless_zeros_and_all_else_stays(text, label):
    assert label_of(text) == label


def test_numbers_are_those_that_simpler_patterns_accept():
    number = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
    whole = re.compile(r"(-(?=0*[1-9]))?0*([0-9]+)(\.0*)?")
    texts = [""]
    for _ in range(5):
        texts += [text + more for text in texts for more in "-.05e"]
    for text in {*texts}:
        assert bool(NUMBER.fullmatch(text)) == bool(number.fullmatch(text))
        found, expected = WHOLE.fullmatch(text), whole.fullmatch(text)
        assert (found and found.group(1, 2)) == (expected and expected.group(1, 2))
