"""RecordIO files: their bytes, magic numbers inside the data, and damage."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitflow.base.errors import FormatError, InputError
from digitflow.formats import recordio

MAGIC = recordio.MAGIC_BYTES
START = "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a4944415478"
END = "0000000049454e44ae426082"
BLACK = bytes.fromhex(f"{START}9c636000000002000148afa471{END}")  # a PNG of one black pixel, 67 bytes
WHITE = bytes.fromhex(f"{START}9c63f80f0001010100b138f614{END}")
RECORD = 8 + 24 + 67 + 1  # frame, header, PNG, padding

PAYLOADS = st.lists(st.one_of(st.binary(max_size=9), st.just(MAGIC), st.just(MAGIC * 2))).map(b"".join)


@pytest.fixture
def packed(tmp_path):
    """A folder with a file of two images of one pixel."""
    recordio.write(tmp_path / "a.rec", tmp_path / "a.idx", [(3, 5, BLACK), (12, 0, WHITE)])
    return tmp_path


def read_back(path, *datas):
    path.write_bytes(b"".join(recordio.frame(struct.pack("<IfQQ", 0, 1, 2, 0) + data) for data in datas))
    return [record.payload for record in recordio.read(path)]


def test_a_record_is_magic_length_header_data_and_padding(packed):
    first = "0a23d7ce 5b000000  00000000 0000a040 0300000000000000 0000000000000000" + BLACK.hex() + "00"
    second = "0a23d7ce 5b000000  00000000 00000000 0c00000000000000 0000000000000000" + WHITE.hex() + "00"
    assert (packed / "a.rec").read_bytes() == bytes.fromhex(first + second)
    assert (packed / "a.idx").read_text() == f"3\t0\n12\t{RECORD}\n"


def test_records_are_read_back(packed):
    records = list(recordio.read(packed / "a.rec"))
    assert [(r.index, r.labels.tolist(), r.payload, r.offset) for r in records] == [
        (3, [5], BLACK, 0),
        (12, [0], WHITE, RECORD),
    ]
    verified = recordio.read_verified(packed / "a.rec", packed / "a.idx")
    assert [(record.payload, shape) for record, shape in verified] == [(BLACK, (1, 1)), (WHITE, (1, 1))]


def test_no_rows_make_empty_files(tmp_path):
    recordio.write(tmp_path / "a.rec", tmp_path / "a.idx", [])
    assert (tmp_path / "a.rec").read_bytes() == (tmp_path / "a.idx").read_bytes() == b""
    assert len(list(recordio.read_verified(tmp_path / "a.rec", tmp_path / "a.idx"))) == 0


def test_parts_together_are_the_whole_file_and_so_are_their_indices(tmp_path):
    rows = [(index, index % 3, BLACK if index % 2 else WHITE) for index in range(1, 8)]
    recordio.write(tmp_path / "whole.rec", tmp_path / "whole.idx", rows)
    parts = [(tmp_path / f"{k}.rec", tmp_path / f"{k}.idx") for k in range(3)]
    for k, part in enumerate(parts):
        recordio.write(*part, rows[7 * k // 3 : 7 * (k + 1) // 3])
        assert len(list(recordio.read_verified(*part))) in (2, 3)
    assert b"".join(rec.read_bytes() for rec, _ in parts) == (tmp_path / "whole.rec").read_bytes()
    recordio.join_indices(parts, tmp_path / "joined.idx")
    assert (tmp_path / "joined.idx").read_bytes() == (tmp_path / "whole.idx").read_bytes()


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_more_rows_than_are_written_at_a_time_are_all_there(tmp_path, monkeypatch, extra):
    monkeypatch.setattr(recordio, "BATCH", 4)
    rows = [(index, 0, BLACK) for index in range(1, 9 + extra)]
    recordio.write(tmp_path / "a.rec", tmp_path / "a.idx", iter(rows), len(rows))
    assert [record.index for record in recordio.read(tmp_path / "a.rec")] == [index for index, *_ in rows]
    assert len(list(recordio.read_verified(tmp_path / "a.rec", tmp_path / "a.idx"))) == len(rows)


def test_rows_that_fail_half_way_leave_no_file(tmp_path):
    def rows():
        yield 1, 0, BLACK
        raise FormatError("the second")

    with pytest.raises(FormatError, match="the second"):
        recordio.write(tmp_path / "a.rec", tmp_path / "a.idx", rows())
    assert not list(tmp_path.iterdir())


def words(*parts):
    """Frames as (flag, data) pairs, and padding."""
    return b"".join(MAGIC + struct.pack("<I", flag << 29 | len(data)) + data for flag, data in parts)


@pytest.mark.parametrize(
    ("data", "framed"),
    [
        (b"", words((0, b""))),
        (b"abcd", words((0, b"abcd"))),
        (b"abcde", words((0, b"abcde")) + b"\0\0\0"),
        (MAGIC, words((1, b""), (3, b""))),
        (MAGIC + MAGIC, words((1, b""), (2, b""), (3, b""))),
        (b"abcd" + MAGIC + b"efghi", words((1, b"abcd"), (3, b"efghi")) + b"\0\0\0"),
        (b"abcd" + MAGIC + b"efgh" + MAGIC + b"ij", words((1, b"abcd"), (2, b"efgh"), (3, b"ij")) + b"\0\0"),
        (b"abcd" + MAGIC, words((1, b"abcd"), (3, b""))),
        (b"ab" + MAGIC + b"cd", words((0, b"ab" + MAGIC + b"cd"))),
        (b"ab" + MAGIC, words((0, b"ab" + MAGIC)) + b"\0\0"),
        (b"ab" + MAGIC + b"cd" + MAGIC, words((1, b"ab" + MAGIC + b"cd"), (3, b""))),
        (b"abcd" + MAGIC[:3], words((0, b"abcd" + MAGIC[:3])) + b"\0"),
    ],
)
def test_a_record_is_split_at_magic_numbers_at_multiples_of_four(tmp_path, data, framed):
    assert recordio.frame(data) == framed
    assert read_back(tmp_path / "a.rec", data, b"next") == [data, b"next"]


@given(data=PAYLOADS, following=PAYLOADS)
def test_any_data_come_back(tmp_path_factory, data, following):
    path = tmp_path_factory.getbasetemp() / "any.rec"
    assert read_back(path, data, following) == [data, following]


def test_an_index_that_looks_like_the_magic_number_comes_back(tmp_path):
    (tmp_path / "a.rec").write_bytes(recordio.frame(struct.pack("<IfQQ", 0, 1, recordio.MAGIC, 0) + b"data"))
    [record] = recordio.read(tmp_path / "a.rec")
    assert (record.index, record.payload) == (recordio.MAGIC, b"data")


def test_a_header_may_be_followed_by_several_labels(tmp_path):
    data = struct.pack("<IfQQ3f", 3, 0, 9, 0, 0.5, 1, 2) + b"data"
    (tmp_path / "a.rec").write_bytes(recordio.frame(data))
    [record] = recordio.read(tmp_path / "a.rec")
    assert (record.labels.tolist(), record.payload) == ([0.5, 1, 2], b"data")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data[:-1],
            "record 2 at byte 100: truncated or damaged: it ends at byte 200, the file at 199",
        ),
        (lambda data: data[:107], "record 2 at byte 100: truncated: the file ends at byte 107"),
        (lambda data: data + b"\0", "record 3 at byte 200: truncated"),
        (lambda data: b"\0" + data, "record 1 at byte 0: damaged: 0xd7230a00 .* not 0xced7230a"),
        (lambda data: words((3, data)), "record 1 at byte 0: damaged: 0xced7230a with flag 3"),
        (lambda data: data[:7] + b"\x20" + data[8:], "record 1 at byte 0: damaged: .* flag 0 at byte 100"),
        (lambda data: data + words((0, b"short")) + b"\0\0\0", "record 3 at byte 200: damaged: 5 bytes"),
        (
            lambda data: data[:8] + b"\x60" + data[9:],
            "record 1 at byte 0: damaged: index 3, .* 96 labels in 91 bytes",
        ),
        (lambda data: data[:24] + b"\1" + data[25:], "record 1 at byte 0: damaged: index 3, upper half 1"),
        (lambda data: data[:-1] + b"\1", "record 2 at byte 100: damaged: its padding is 01"),
        (
            lambda data: data[:180] + b"?" + data[181:],
            "record 2 at byte 100, index 12: damaged PNG file: wrong checksum",
        ),
        (lambda data: data[:100], "a.rec: 1 records; .*a.idx has more"),
        (lambda data: data + data[:100], "a.idx: 2 records; .*a.rec has more"),
        (
            lambda data: data[100:] + data[:100],
            "a.idx: line 1: index 3 at byte 0, but .* record 1 at byte 0, index 12",
        ),
    ],
)
def test_a_damaged_file_is_refused_with_record_and_offset(packed, change, message):
    (packed / "a.rec").write_bytes(change((packed / "a.rec").read_bytes()))
    with pytest.raises(FormatError, match=message):
        list(recordio.read_verified(packed / "a.rec", packed / "a.idx"))


def flipped_bits(data):
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bit // 8, damaged


def test_every_flipped_bit_is_found_but_those_of_labels_that_only_the_list_knows(packed):
    for byte, damaged in flipped_bits((packed / "a.rec").read_bytes()):
        (packed / "a.rec").write_bytes(damaged)
        if 12 <= byte % RECORD < 16:
            assert len(list(recordio.read_verified(packed / "a.rec", packed / "a.idx"))) == 2
        else:
            with pytest.raises(FormatError, match=r"record [12] at byte"):
                list(recordio.read_verified(packed / "a.rec", packed / "a.idx"))


def test_every_flipped_bit_of_the_offsets_is_found(packed):
    for _, damaged in flipped_bits((packed / "a.idx").read_bytes()):
        (packed / "a.idx").write_bytes(damaged)
        with pytest.raises(FormatError, match=r"a\.idx: line [12]|a\.idx: 1 records"):
            list(recordio.read_verified(packed / "a.rec", packed / "a.idx"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.rec: cannot be opened: No such file"):
        list(recordio.read(tmp_path / "a.rec"))
