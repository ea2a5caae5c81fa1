"""Any bytes at all: a table that a plain reading of the format confirms, or an InputError."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.targets import reference

from digitflow.base.errors import InputError
from digitflow.formats import pixelcsv
from digitflow.formats.pixelcsv import Spec

INTERESTING = b'0123456789,,,\n\n\r" \t.-+ex;\0\xef\xbb\xbf\xff\x1f\x8b<PK'


def read(path, spec: Spec, **options) -> np.ndarray | None:
    """The table as digitflow reads it, None for an InputError; any other exception fails the test."""
    try:
        blocks = list(pixelcsv.read_blocks(path, spec, **options))
    except InputError:
        return None
    tables = []
    for images, labels in blocks:
        pixels = images.reshape(len(images), -1)
        tables.append(np.column_stack([labels, pixels]) if spec.labelled else pixels)
    return np.concatenate(tables)


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)


specs = st.builds(Spec, st.integers(1, 2), st.integers(1, 3), st.sampled_from([2, 10, 256]), st.booleans())
options = st.fixed_dictionaries(
    {"block_bytes": st.integers(1, 80) | st.just(1 << 19), "threads": st.sampled_from([1, 1, 1, 2])}
)


@st.composite
def tables(draw, spec: Spec) -> list[list[int]]:
    pixel = st.sampled_from([0, 9, 10, 99, 100, 199, 200, 255]) | st.integers(0, 255)
    row = st.tuples(
        *[st.integers(0, spec.classes - 1)] * spec.labelled, *[pixel] * (spec.height * spec.width)
    )
    return draw(st.lists(row, min_size=1, max_size=8))


@st.composite
def decorated(draw, spec: Spec, table: list[list[int]]) -> bytes:
    """A spelling of a table that must be understood."""
    order = draw(st.permutations(range(len(spec.names))))
    plain = draw(st.booleans())
    pads = st.just("") if plain else st.sampled_from(["", "", " ", "\t", "  "])
    quotes = st.just("") if plain else st.sampled_from(["", '"'])
    newline = draw(st.sampled_from(["\n", "\r\n"]))

    def cell(value) -> str:
        quote = draw(quotes)
        inner = draw(pads)
        return f"{draw(pads)}{quote}{inner}{value}{inner}{quote}{draw(pads)}"

    lines = [",".join(cell(row[i]) for i in order) for row in [spec.names, *table]]
    start = draw(st.sampled_from(["", "\ufeff"]))
    end = draw(st.sampled_from(["", newline, newline * 3]))
    return (start + newline.join(lines) + end).encode()


@st.composite
def mutated(draw, data: bytes) -> bytes:
    """The bytes with a few of them replaced, removed or inserted."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        new = bytes(draw(st.lists(st.sampled_from(INTERESTING) | st.integers(0, 255), max_size=2)))
        data = data[:at] + new + data[at + draw(st.integers(0, 2)) :]
    return data


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("csv") / "train.csv"


@settings(max_examples=150, deadline=None)
@given(data=st.data(), spec=specs, options=options)
def test_a_table_in_any_spelling_comes_back(path, data, spec, options):
    table = data.draw(tables(spec))
    path.write_bytes(data.draw(decorated(spec, table)))
    assert same(read(path, spec, **options), np.array(table))


@settings(max_examples=300, deadline=None)
@given(data=st.data(), spec=specs, options=options)
def test_a_damaged_table_is_read_as_the_reference_reads_it_or_refused_as_there(path, data, spec, options):
    text = data.draw(mutated(data.draw(decorated(spec, data.draw(tables(spec))))))
    path.write_bytes(text)
    assert same(read(path, spec, **options), reference(text, spec))


@settings(max_examples=150, deadline=None)
@given(
    body=st.lists(st.sampled_from(INTERESTING), max_size=60),
    header=st.booleans(),
    spec=specs,
    options=options,
)
def test_random_bytes_are_read_as_the_reference_reads_them_or_refused_as_there(
    path, body, header, spec, options
):
    text = (",".join(spec.names) + "\n").encode() * header + bytes(body)
    path.write_bytes(text)
    assert same(read(path, spec, **options), reference(text, spec))
