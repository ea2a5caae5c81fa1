"""MXNet lists: their text, what is refused, and shards."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitflow.base.errors import FormatError, InputError
from digitflow.formats import lst

TEXT = "2\t7.000000\ttrain/7/02.png\n10\t0.000000\ttrain/0/10.png\n"


def listing(n):
    return lst.Listing(np.arange(1, n + 1), np.arange(n) % 10, [f"{row}.png" for row in range(1, n + 1)])


def rows(listed):
    return list(zip(listed.index.tolist(), listed.label.tolist(), listed.path, strict=True))


def test_a_line_is_index_float_label_and_path(tmp_path):
    lst.write(
        tmp_path / "a.lst",
        lst.Listing(np.array([2, 10]), np.array([7, 0]), ["train/7/02.png", "train/0/10.png"]),
    )
    assert (tmp_path / "a.lst").read_text() == TEXT


def test_what_is_written_is_read(tmp_path):
    lst.write(tmp_path / "a.lst", listing(25))
    read = lst.read(tmp_path / "a.lst")
    assert (read.index.dtype, read.label.dtype) == (np.int64, np.int64)
    assert rows(read) == rows(listing(25))


def test_an_empty_list_has_no_rows(tmp_path):
    lst.write(tmp_path / "a.lst", listing(0))
    assert rows(lst.read(tmp_path / "a.lst")) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3 1 a.png", r"line 3: '3 1 a.png\\n'; a line is index, tab, label, tab, path"),
        ("11\t1\t2\ta.png", "line 3: .* a line is index"),
        ("", "line 3: .* a line is index"),
        ("11\t1\t", "line 3: .* a line is index"),
        ("-1\t1\ta.png", "line 3: index '-1'"),
        ("eleven\t1\ta.png", "line 3: index 'eleven'"),
        ("11\t1.5\ta.png", "line 3: label '1.5'; a label is a class"),
        ("11\tnan\ta.png", "line 3: label 'nan'"),
        ("11\t-1\ta.png", "line 3: label '-1'"),
        ("10\t1\ta.png", "line 3: index 10 after 10"),
        ("9\t1\ta.png", "line 3: index 9 after 10"),
        ("11\t1\ttrain/7/11.png", "line 3: label 1, but other images in train/7/ have 7"),
        ("11\t1\ttrain/1/12.png", "line 3: index 11, but the path is train/1/12.png"),
        ("11\t1\ta\0.png", "line 3: .* a line is index"),
        ("11\t1\ta.png\r12\t1\tb.png", "line 3: .* a line is index"),
        ("11\t0\ttest/12.png", "line 3: index 11, but the path is test/12.png"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    (tmp_path / "a.lst").write_text(f"{TEXT}{line}\n")
    with pytest.raises(FormatError, match=rf"a\.lst: {message}"):
        lst.read(tmp_path / "a.lst")


def test_a_list_that_ends_within_a_line_is_refused(tmp_path):
    for length in {*range(1, len(TEXT))} - {TEXT.index("\n") + 1}:
        (tmp_path / "a.lst").write_text(TEXT[:length])
        with pytest.raises(FormatError, match="has no line end: a truncated list"):
            lst.read(tmp_path / "a.lst")


def test_a_flipped_bit_of_an_index_or_a_label_is_found(tmp_path):
    text = "1\t3.000000\ttrain/3/1.png\n2\t3.000000\ttrain/3/2.png\n"
    for byte in (0, 2):
        for bit in range(8):
            damaged = bytearray(text.encode())
            damaged[byte] ^= 1 << bit
            (tmp_path / "a.lst").write_bytes(damaged)
            with pytest.raises(FormatError, match=r"a\.lst: (line [12]|not a list)"):
                lst.read(tmp_path / "a.lst")


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.lst: cannot be opened: No such file"):
        lst.read(tmp_path / "a.lst")


def test_a_recordio_file_is_no_list(tmp_path):
    (tmp_path / "a.lst").write_bytes(b"\x0a\x23\xd7\xce")
    with pytest.raises(FormatError, match=r"a\.lst: "):
        lst.read(tmp_path / "a.lst")


@pytest.mark.parametrize(("n", "parts"), [(0, 3), (2, 3), (10, 1), (10, 3), (10, 10)])
def test_shards_are_contiguous_and_together_the_whole(n, parts):
    shards = [lst.shard(listing(n), k, parts) for k in range(parts)]
    assert [row for part in shards for row in rows(part)] == rows(listing(n))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


PIECES = st.sampled_from(
    [
        *"0127",
        "10",
        "\t",
        "\t",
        "\n",
        "\r\n",
        ".",
        ".000000",
        "/",
        "a/",
        "1/",
        ".png",
        ".png\n",
        "x",
        "\x1f",
        "é",
    ]
)
ENDS = st.just("\n") | PIECES
LINES = st.builds("{1}\t{0}.000000\t{2}{1}.png{3}".format, *([st.integers(0, 12)] * 2), PIECES, ENDS)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES | st.lists(PIECES).map("".join), max_size=6).map("".join))
def test_common_lines_are_read_as_all_others_are(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.lst"
    path.write_text(text, encoding="utf-8", newline="")

    def outcome():
        try:
            read = lst.read(path)
        except FormatError as error:
            return str(error)
        return read.index.tolist(), read.label.tolist(), read.path

    as_it_is = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lst, "COMMON_LINE", re.compile("(?!)"))
        assert outcome() == as_it_is


def test_a_list_of_many_lines_is_read_in_pieces(tmp_path):
    rows = 2 * lst.LINES + 1
    index = np.arange(1, rows + 1)
    paths = [f"train/7/{number:05}.png" for number in index.tolist()]
    lst.write(tmp_path / "a.lst", lst.Listing(index, np.full(rows, 7), paths))
    read = lst.read(tmp_path / "a.lst")
    assert read.index.tolist() == index.tolist()
    assert read.path == paths
    damaged = (tmp_path / "a.lst").read_text().replace("\n5000\t7", "\n5000\t8")
    (tmp_path / "a.lst").write_text(damaged)
    with pytest.raises(FormatError, match=r"line 5000: label 8, but other images in train/7/ have 7"):
        lst.read(tmp_path / "a.lst")
    (tmp_path / "a.lst").write_text(
        damaged.replace("\n5000\t8.000000\ttrain/7/05000", "\n4999\t7.000000\ttrain/7/04999")
    )
    with pytest.raises(FormatError, match=r"line 5000: index 4999 after 4999"):
        lst.read(tmp_path / "a.lst")
