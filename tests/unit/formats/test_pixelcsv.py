"""Pixel CSVs: what is accepted, what is refused and in which words; block edges change nothing."""

import gzip
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitflow.base.errors import InputError
from digitflow.base.progress import Progress
from digitflow.dataset import columns, sources
from digitflow.formats import dense, idx, pixelcsv

DATA = {"image": {"height": 2, "width": 3}, "classes": 10}
CLEAN = b"""label,pixel0,pixel1,pixel2,pixel3,pixel4,pixel5
7,0,1,22,255,199,100
0,9,10,99,200,249,250
9,3,0,0,0,0,0
"""
IMAGES = np.array([[0, 1, 22, 255, 199, 100], [9, 10, 99, 200, 249, 250], [3, 0, 0, 0, 0, 0]]).reshape(
    3, 2, 3
)
LABELS = np.array([7, 0, 9])


@pytest.fixture
def csv(tmp_path):
    """A function that writes the bytes of a CSV and returns its path."""

    def write(data: bytes):
        path = tmp_path / "train.csv"
        path.write_bytes(data)
        return path

    return write


def read(path, train=True, **options):
    """All the images of a CSV, and its labels as numbers."""
    layout = columns.decide(path, DATA, train)
    images, labels, _ = zip(*pixelcsv.read_blocks(layout, **options), strict=True)
    numbers = np.array([int(label) for block in labels for label in block], np.uint8) if train else None
    return np.concatenate(images), numbers


def error_of(path, train=True, **options) -> str:
    """The message of the InputError that reading a CSV raises, without the path of its folder."""
    with pytest.raises(InputError) as error:
        read(path, train, **options)
    return str(error.value).replace(f"{path.parent}/", "")


def assert_is_clean(found):
    images, labels = found
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(images, IMAGES)
    assert np.array_equal(labels, LABELS)


def last_row(row: bytes) -> bytes:
    """The clean file with another last row, on line 4."""
    return CLEAN[: CLEAN.rindex(b"9,3,")] + row


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_any_binary_protocol_is_told_as_one(csv, protocol):
    message = error_of(csv(pickle.dumps([1, 2], protocol)))
    assert message.startswith("train.csv: this looks like a Python pickle: load it with Python, if you trust")


# The header again, where the names of the columns can be pixels

JOINED = {
    "plain": ("%d", {}),
    "quoted": ('"%d"', {}),
    "in many spellings": ("%.3f", {"values": {"from": 0, "to": 100}}),
}


@pytest.mark.parametrize(("form", "told"), JOINED.values(), ids=JOINED)
@pytest.mark.parametrize("train", [True, False])
def test_a_header_of_plain_numbers_that_comes_again_is_no_image(csv, form, told, train):
    header = ",".join(["label"] * train + [str(number) for number in range(64)])
    pixels = np.random.default_rng(0).uniform(0, 100, (40, 64))
    rows = [",".join(["7"] * train + [form % pixel for pixel in row]) for row in pixels]
    once = "\n".join([header, *rows, ""]).encode()
    layout = columns.decide(csv(once), {"columns": {"header": True}, **told}, train)
    assert sum(len(block.images) for block in pixelcsv.read_blocks(layout)) == 40
    path = csv(once + once)
    with pytest.raises(InputError) as error:
        list(pixelcsv.read_blocks(layout))
    where = f"{path}, line 42"
    assert str(error.value) == f"{where}: the header again, as in files that were joined: delete this line"


def test_an_image_that_looks_like_the_header_of_plain_numbers_is_one_if_it_is_written_otherwise(csv):
    names, row = (",".join(form % number for number in range(64)) for form in ("%d", "%03d"))
    layout = columns.decide(csv(f"{names}\n{row}\n".encode()), {"columns": {"header": True}}, False)
    [block] = pixelcsv.read_blocks(layout)
    assert block.images.ravel().tolist() == [*range(64)]


# What is accepted

SPELLINGS = {
    "as Kaggle writes it": CLEAN,
    "a byte order mark": b"\xef\xbb\xbf" + CLEAN,
    "CRLF line ends": CLEAN.replace(b"\n", b"\r\n"),
    "mixed line ends": CLEAN.replace(b"\n", b"\r\n", 2),
    "no newline at the end": CLEAN.removesuffix(b"\n"),
    "blank lines at the end": CLEAN + b"\n\r\n  \t\n",
    "a blank at the end": CLEAN + b" ",
    "spaces around cells": CLEAN.replace(b",", b" , ").replace(b"\n", b"\t\n"),
    "quoted cells": b"\n".join(
        b",".join(b'"%s"' % cell for cell in line.split(b",")) for line in CLEAN.split(b"\n")[:-1]
    ),
    "quotes and spaces": CLEAN.replace(b"22", b' " 22 " ').replace(b"pixel3", b' "pixel3"'),
    "leading zeros": CLEAN.replace(b"22", b"022").replace(b",99,", b",00000099,").replace(b"9,3,", b"09,03,"),
}


@pytest.mark.parametrize("data", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_other_spellings_give_what_the_clean_file_gives(csv, data):
    path = csv(data)
    assert_is_clean(read(path))


@pytest.mark.parametrize("data", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_block_edges_at_any_byte_change_nothing(csv, data):
    path = csv(data)
    for block_bytes in range(1, len(data) + 1):
        assert_is_clean(read(path, block_bytes=block_bytes))


def test_columns_go_by_name_and_never_by_position(csv):
    rows = [line.split(b",") for line in CLEAN.splitlines()]
    order = [4, 0, 6, 2, 1, 3, 5]
    path = csv(b"\n".join(b",".join(row[i] for i in order) for row in rows))
    assert_is_clean(read(path))


def test_a_test_file_has_no_labels(csv):
    path = csv(b"pixel0,pixel1,pixel2,pixel3,pixel4,pixel5\n1,2,3,4,5,6\n")
    images, labels = read(path, train=False)
    assert images.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    assert labels is None


def test_every_value_from_0_to_255_is_read_in_every_column(csv):
    header = CLEAN.splitlines()[0]
    table = (np.arange(256)[:, None] + np.arange(6)) % 256
    path = csv(b"\n".join([header] + [b"1,%s" % ",".join(map(str, row)).encode() for row in table]))
    images, _ = read(path)
    assert np.array_equal(images.reshape(256, 6), table)


def test_the_dense_path_takes_clean_rows_and_leaves_the_others(csv):
    """A guard of speed: a regression would only show as a file that takes ten times as long."""
    rows = CLEAN.split(b"\n", 1)[1]
    assert dense.parse(rows, 7, b",").shape == (3, 7)
    for unusual in (
        b'"3"',
        b" 3",
        b"",
        b"256",
        b"300",
        b"999",
        b"0003",
        b"-1",
        b"3.5",
        b"3,3",
        b"3\n3",
        b"\0",
    ):
        assert dense.parse(rows.replace(b"22", unusual), 7, b",") is None


BLANKS = st.integers(1, 70).map(lambda count: " " * count) | st.sampled_from([" ", "  "])


@settings(max_examples=100)
@given(
    rows=st.lists(st.lists(st.integers(0, 255), min_size=7, max_size=7), min_size=1, max_size=6),
    data=st.data(),
)
def test_however_many_blanks_stand_between_cells_they_separate_them_once(tmp_path_factory, rows, data):
    rows[0][-1] = 255  # files that end at 1 or 16 are another matter
    lines = [[str(row[0] % 10), *map(str, row[1:])] for row in rows]
    ends = BLANKS | st.just("")
    text = "".join(
        data.draw(ends)
        + "".join(f"{cell}{data.draw(BLANKS)}" for cell in line[:-1])
        + line[-1]
        + data.draw(ends)
        + "\n"
        for line in lines
    )
    path = tmp_path_factory.mktemp("blanks") / "train.csv"
    path.write_text(text)
    layout = columns.decide(path, {**DATA, "columns": {"header": False, "label": 0}}, True)
    images = np.concatenate([block.images for block in pixelcsv.read_blocks(layout)])
    assert images.reshape(len(rows), -1).tolist() == [row[1:] for row in rows]


ODD_FORMS = {
    "quoted": lambda value: b'"%d"' % value,
    "blanks": lambda value: b" %d " % value,
    "zeros": lambda value: b"%03d" % value,
}


@pytest.mark.parametrize("spell", ODD_FORMS.values(), ids=ODD_FORMS)
def test_right_rows_of_few_spellings_are_not_split_into_cells(csv, monkeypatch, spell):
    def split(*_):
        raise AssertionError("split into cells")

    monkeypatch.setattr(pixelcsv._Reader, "_exactly", split)
    rows = np.random.default_rng(0).integers(0, 256, (500, 6))
    lines = [b",".join(map(spell, (5, *row))) for row in rows.tolist()]
    images, labels = read(csv(CLEAN.partition(b"\n")[0] + b"\n" + b"\n".join(lines)))
    assert np.array_equal(images.reshape(-1, 6), rows)
    assert (labels == 5).all()


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("notes", [["fine"], ["fine", "scanned{}again"], ["scanned{}again"]])
def test_quotes_that_are_part_of_a_text_are_read_alike_in_every_row(csv, separator, notes):
    labels = ['"A"', "A", '"', 'A "B"', f"A{separator}B"]
    ids = ['"1"', "1", '5" 6', 'x "y" z', f'"{separator}"']
    written = [
        separator.join([*('"{}"'.format(text.replace('"', '""')) for text in row), "0", "1", "2", "200"])
        for k in range(20)
        for row in [(labels[k % 5], ids[k % 5], notes[k % len(notes)].format(separator))]
    ]
    header = separator.join(["label", "id", "note", "pixel0", "pixel1", "pixel2", "pixel3"])
    path = csv("\n".join([header, *written, ""]).encode())
    data = {"columns": {"ignore": ["note"]}}
    for block_bytes in (1, 100, 1 << 19):
        blocks = [*pixelcsv.read_blocks(columns.decide(path, data, True), block_bytes=block_bytes)]
        assert [label for block in blocks for label in block.labels] == labels * 4
        assert [id_ for block in blocks for id_ in block.ids] == ids * 4


# What is refused, and in which words

FITTING = (
    "the numbers go from 0 to 255: if 0 is black and 255 white, write values: {from: 0, to: 255} under data: "
    "in the configuration"
)

NO_NUMBERS = [b"256", b"300", b"999", b"1000", b"-1", b"+5", b"3.5", b"3.0", b"1e3", b"NaN", b"", b'""', b" "]
NO_NUMBERS += [b"18446744073709551616", b"4294967297", b"0x10", b"1_0", b"1 2", b"\0", b"\x00\x33", b"x" * 39]
NO_NUMBERS += [
    "٣".encode(),
    "３".encode(),
    "²".encode(),
    b"\xff",
    b'""1""',
    b"'1'",
    b";",
    "22\xa0".encode(),
    b"22\xa0",
    b"22\f",
    b"-0",
    b"inf",
    b"2^8",
]


@pytest.mark.parametrize(
    ("cell", "column"),
    [(cell, column) for cell in NO_NUMBERS for column in (0, 1, 6) if (cell, column) != (b"3.0", 0)],
)
def test_what_is_no_whole_number_from_0_to_255_is_refused(csv, cell, column):
    cells = b"9,3,0,0,0,0,0".split(b",")
    cells[column] = cell
    name = CLEAN.split(b"\n")[0].decode().split(",")[column]
    shown = repr(cell.decode(errors="replace"))
    right = "a class from 0 to 9" if name == "label" else "a whole number from 0 to 255"
    expected = f"train.csv, line 4, column {name}: {shown} is not {right}"
    message, *way_on = error_of(csv(last_row(b",".join(cells) + b"\n"))).splitlines()
    assert message == expected
    number_of_another_form = cell in (b"3.5", b"3.0", b"+5", b"-0")
    assert way_on == [FITTING] * (number_of_another_form and name != "label")


LINES = {
    b"9,3,0,0,0,0": "line 4: 6 cells, not 7: label, pixel0 to pixel5 (2 x 3 images)",
    b"9,3,0,0,0,0,0,0": "line 4: 8 cells, not 7: label, pixel0 to pixel5 (2 x 3 images)",
    b"9,3,0,0,0,0,0,": "line 4: 8 cells, not 7: label, pixel0 to pixel5 (2 x 3 images)",
    b"10,3,0,0,0,0,0": "line 4, column label: 10 is not a class from 0 to 9",
    b'9,"3,0,0,0,0,0': "line 4: a quote is opened but not closed: close it in the same line",
    b"9;3;0;0;0;0;0": "line 4: this line looks separated by semicolons, but commas are needed",
    b"9\t3\t0\t0\t0\t0\t0": "line 4: this line looks separated by tabs, but commas are needed",
    b"9": "line 4: 1 cell, not 7: label, pixel0 to pixel5 (2 x 3 images)",
    b"9,3,0,0,0,0,0\r1,2,3,4,5,6,7": f"line 4: {pixelcsv.LONE_CR}",
    b"9,3,0,\r1,0,0,0": f"line 4: {pixelcsv.LONE_CR}",
    b"\r9,3,0,0,0,0,0": f"line 4: {pixelcsv.LONE_CR}",
    b"\n\n9,3,0,0,0,0,0": "line 4: an empty line between rows: delete it\n"
    "train.csv, line 5: an empty line between rows: delete it",
    b"9,"
    + b"y" * 50
    + b",0,0,0,0,0": f"line 4, column pixel0: '{'y' * 37}...' is not a whole number from 0 to 255",
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n"])
@pytest.mark.parametrize("block_bytes", [1, 1 << 19])
def test_a_wrong_line_is_named_as_an_editor_numbers_it(csv, line, ending, block_bytes):
    assert error_of(csv(last_row(line + ending)), block_bytes=block_bytes) == f"train.csv, {LINES[line]}"


@pytest.mark.parametrize("block_bytes", [1, 1 << 19])
@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["3,152", "1,000"], "commas between thousands"),
        (["3,152", "0,25"], "decimal commas"),
        (["0,25", "3,152"], "decimal commas"),
    ],
)
def test_what_commas_are_is_told_by_all_rows(csv, block_bytes, cells, told):
    rows = "".join(f'9,"{cell}",0,0,0,0,0\n' for cell in cells)
    message = error_of(csv(CLEAN + rows.encode()), block_bytes=block_bytes)
    assert message.splitlines()[-1].startswith(f"the numbers have {told}: ")


def test_reordered_columns_are_named_in_errors(csv):
    data = b"pixel5,pixel4,label,pixel3,pixel2,pixel1,pixel0\n1,2,3,x,5,6,7\n1,2,12,4,5,6,7\n"
    assert error_of(csv(data)).splitlines() == [
        "train.csv, line 2, column pixel3: 'x' is not a whole number from 0 to 255",
        "train.csv, line 3, column label: 12 is not a class from 0 to 9",
    ]


def test_the_first_ten_errors_are_shown_and_all_are_counted(csv):
    lines = error_of(csv(CLEAN + b"1,2,3,4,5,6,256\n1,2,3\n" * 1000 + CLEAN), block_bytes=4096).splitlines()
    assert lines[0] == "train.csv, line 5, column pixel5: '256' is not a whole number from 0 to 255"
    assert lines[1].startswith("train.csv, line 6: 3 cells")
    assert lines[10:] == ["and 1,991 more, 2,001 errors in all"]  # the second header is one of them


def test_a_hopeless_file_is_given_up(csv, monkeypatch):
    monkeypatch.setattr(pixelcsv, "MAX_COUNTED", 50)
    path = csv(CLEAN + b"x\n" * 100_000)
    assert error_of(path, block_bytes=100).endswith("errors in all; reading stopped there")


HEADERS = {
    b"": "train.csv: empty",
    b"\xef\xbb\xbf": "train.csv: empty",
    b"\n\n": "line 1: blank, but the header or the first row must be here",
    b" \r\n" + CLEAN: "line 1: blank, but the header or the first row must be here",
    b"\xef\xbb\xbf" * 2 + CLEAN: r"columns not known: '\ufefflabel'",
    gzip.compress(gzip.compress(CLEAN)): "looks like a gzip file inside another archive: unpack it",
    CLEAN.split(b"\n")[0]: "a header and no rows",
    CLEAN.split(b"\n")[0] + b"\n \n\r\n": "a header and no rows",
    CLEAN.split(b"\n", 1)[1]: "line 1: no header, and 7 columns: one more than an image has: write one of",
    CLEAN.replace(b"pixel1", b"pixel6"): "columns missing: 'pixel1': each pixel needs one column",
    CLEAN.replace(b"pixel1", b"pixel0"): "columns missing: 'pixel1'; more than once: 'pixel0'",
    CLEAN.replace(b"label", b"label,label"): "more than one column is called 'label'",
    CLEAN.replace(b"label", b"name"): "columns: {label: name} ",
    CLEAN.replace(b"label,", b""): "no column label: is this a test file?",
    CLEAN.replace(b"\n", b"\r"): "lone CR line ends",
    CLEAN.replace(b",", b";", 2): "there are commas and semicolons",
    CLEAN.decode().encode("utf-16"): "looks like UTF-16",
    CLEAN.decode().encode("utf-16-le"): "looks like UTF-16",
    CLEAN.decode().encode("utf-16-be"): "looks like UTF-16",
    b"<!DOCTYPE html>": "looks like a web page",
    b"BZh91AY&SY": "looks like a bzip2 file",
    b"\x89PNG\r\n\x1a\n": "looks like a PNG picture",
    b"label,pixel0" * 10_000: "columns not known",
}


@pytest.mark.parametrize("data", HEADERS)
@pytest.mark.parametrize("block_bytes", [1, 1 << 19])
def test_a_header_that_is_missing_or_wrong_says_what_it_looks_like(csv, data, block_bytes):
    message = error_of(csv(data), block_bytes=block_bytes)
    assert message.startswith("train.csv")
    assert HEADERS[data] in message
    assert len(message) < 500


def test_a_label_column_in_a_test_file_is_read_as_well(csv):
    layout = columns.decide(csv(CLEAN), DATA, train=False)
    [block] = pixelcsv.read_blocks(layout)
    assert np.array_equal(block.images, IMAGES)
    assert block.labels == ["7", "0", "9"]


@pytest.mark.parametrize(
    "endless", [b"1" * 200_000, b"1," * 100_000, b"\n" * 200_000 + b"1", b"\0" * 200_000]
)
def test_an_endless_line_stops_before_it_fills_the_memory(csv, endless):
    message = error_of(csv(CLEAN + endless), block_bytes=1000)
    assert message == "train.csv, line 5: no line end, or only blanks, in 65,536 bytes: is it damaged?"


def test_no_rows_are_yielded_after_a_wrong_one(csv):
    path = csv(CLEAN + b"x\n" + CLEAN.split(b"\n", 1)[1])
    blocks = []
    with pytest.raises(InputError):
        layout = columns.decide(path, DATA, train=True)
        blocks.extend(images for images, *_ in pixelcsv.read_blocks(layout, block_bytes=1))
    found = np.concatenate(blocks)
    assert 0 < len(found) <= 3
    assert np.array_equal(found, IMAGES[: len(found)])


# Conversion


def test_conversion_writes_idx_files_of_images_and_labels(csv, tmp_path):
    images, labels = tmp_path / "out" / "images", tmp_path / "out" / "labels"
    assert sources.convert_source(csv(CLEAN), DATA, images, labels) == 3
    assert_is_clean((idx.read(images), idx.read(labels)))


def test_inverted_pixels_are_255_minus_the_pixel_and_labels_stay(csv, tmp_path):
    data = DATA | {"invert": True}
    sources.convert_source(csv(CLEAN), data, tmp_path / "images", tmp_path / "labels")
    assert_is_clean((255 - idx.read(tmp_path / "images"), idx.read(tmp_path / "labels")))


def test_a_test_file_is_converted_to_images_alone(csv, tmp_path):
    path = csv(b"pixel0,pixel1,pixel2,pixel3,pixel4,pixel5\n1,2,3,4,5,6\n")
    assert sources.convert_source(path, DATA, tmp_path / "images") == 1
    assert idx.read(tmp_path / "images").shape == (1, 2, 3)


@pytest.mark.parametrize("data", [CLEAN + b"x", CLEAN.split(b"\n")[0], b""])
def test_a_failed_conversion_leaves_no_file(csv, tmp_path, data):
    out = tmp_path / "out"
    with pytest.raises(InputError):
        sources.convert_source(csv(data), DATA, out / "images", out / "labels", out / "classes.csv")
    assert list(out.glob("*")) == []


def test_progress_counts_rows_and_ends_at_all_of_them(csv):
    header, row, _ = CLEAN.split(b"\n", 2)
    path = csv(header + b"\n" + (row + b"\n") * 150_000)
    with Progress("csv", None) as progress:
        layout = columns.decide(path, DATA, train=True)
        assert sum(len(images) for images, *_ in pixelcsv.read_blocks(layout, progress)) == 150_000
    assert progress.done == progress.total == 150_000
