"""Any bytes at all: the rows that a plain reading of the format confirms, or an InputError."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.targets import Form, is_plain, read_rows, reference, upright

from digitflow.formats import foreign

INTERESTING = b'0123456789,,,\n\n\r" \t.-+ex;\0\xef\xbb\xbf\xff\x1f\x8b<PK'
CLASSES = [
    ("0", "1"),
    (*map(str, range(10)),),
    ("ja", "nein", "viel,leicht"),
    ("ä", "7", "-3"),
    ('"A"', "A", '"', 'b "c; d"'),
]
VALUES = [None, (0, 1), (-1, 1), (0, 16), (0, 255)]

# Of what an `auto` form leaves out, the header must say: a square, and classes that are no numbers of pixels.
told = st.builds(
    Form,
    height=st.integers(1, 2),
    width=st.integers(1, 3),
    channels=st.sampled_from([1, 3]),
    transpose=st.booleans(),
    planar=st.booleans(),
    classes=st.sampled_from(CLASSES),
    labelled=st.booleans(),
    ids=st.booleans(),
    header=st.booleans(),
    separator=st.sampled_from(",;\t "),
    values=st.sampled_from(VALUES),
)
one_hot = told.map(lambda form: replace(form, one_hot=True, labelled=True, classes=("0", "1", "2")))
auto = st.builds(
    lambda form, side: replace(form, height=side, width=side, header=True, auto=True),
    told | st.builds(replace, one_hot, classes=st.sampled_from([("a", "b"), ("a", "b", "c")])),
    st.integers(1, 2),
)
forms = (told | one_hot | auto).filter(lambda form: len(form.names) > 1)
options = st.fixed_dictionaries({"block_bytes": st.integers(1, 80) | st.just(1 << 19)})


@st.composite
def tables(draw, form: Form) -> list[list]:
    """Rows of an id and a label, if any, and bytes in the file's order."""
    pixel = st.sampled_from([0, 9, 10, 99, 100, 199, 200, 255]) | st.integers(0, 255)
    label = [st.sampled_from(form.classes)] * form.labelled
    id_ = [st.sampled_from(["0", "a7", "x,y", "ö", 'x "y', '"0"', '5" 6", 7"'])] * form.ids
    row = st.tuples(*id_, *label, *[pixel] * form.pixels).map(list)
    rows = draw(st.lists(row, min_size=1, max_size=8))
    if form.auto and form.one_hot and len(form.classes) == 2:  # each class is there
        rows += [[*rows[0][: form.ids], name, *rows[0][form.ids + 1 :]] for name in form.classes]
    rows[0][-1] = 255 if form.values is None else rows[0][-1]  # files that end at 1 or 16 are another matter
    return rows


def cells_of(row: list, form: Form) -> list:
    """The cells of a row: of a one-hot label, one for each class."""
    if not form.one_hot:
        return row
    hot = [str(int(row[form.ids] == name)) for name in form.classes]
    return [*row[: form.ids], *hot, *row[form.ids + 1 :]]


@st.composite
def decorated(draw, form: Form, table: list[list]) -> bytes:
    """A spelling of a table that must be understood."""
    order = draw(st.permutations(range(len(form.names)))) if form.header else range(len(form.names))
    plain = draw(st.booleans())
    pads = st.just("") if plain else st.sampled_from(["", "", " ", "  "])
    quotes = st.just("") if plain else st.sampled_from(["", '"'])
    newline = draw(st.sampled_from(["\n", "\r\n"]))

    def spelling(value) -> str:
        if isinstance(value, str) or form.values is None:
            return str(value)
        start, end = form.values
        return draw(st.sampled_from(["{!r}", "{:.17e}"])).format(start + (end - start) * value / 255)

    def cell(value) -> str:
        text = spelling(value)
        quote = '"' if {*text} & {*',;" '} else draw(quotes)
        written = text.replace('"', '""')
        inner = "" if form.separator == " " else draw(pads)
        return f"{draw(pads)}{quote}{inner}{written}{inner}{quote}{draw(pads)}"

    rows = [*([form.names] * form.header), *(cells_of(row, form) for row in table)]
    lines = [form.separator.join(cell(row[i]) for i in order) for row in rows]
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


def check(path, text: bytes, form: Form, options: dict) -> None:
    """Compare both readings, if the first line can be read in only one way."""
    path.write_bytes(text)
    rows = read_rows(path, form, **options)
    if is_plain(text, form) and not foreign.looks_like(text.removeprefix(b"\xef\xbb\xbf")):
        assert rows == reference(text, form)


@settings(max_examples=200)
@given(data=st.data(), form=forms, options=options)
def test_a_table_in_any_spelling_comes_back(path, data, form, options):
    table = data.draw(tables(form))
    path.write_bytes(data.draw(decorated(form, table)))
    assert read_rows(path, form, **options) == [upright(row, form) for row in table]


@settings(max_examples=300)
@given(data=st.data(), form=forms, options=options)
def test_a_damaged_table_is_read_as_the_reference_reads_it_or_refused_as_there(path, data, form, options):
    check(path, data.draw(mutated(data.draw(decorated(form, data.draw(tables(form)))))), form, options)


@settings(max_examples=150)
@given(body=st.lists(st.sampled_from(INTERESTING), max_size=60), form=forms, options=options)
def test_random_bytes_are_read_as_the_reference_reads_them_or_refused_as_there(path, body, form, options):
    header = (form.separator.join(form.names) + "\n").encode() * form.header
    check(path, header + bytes(body), form, options)
