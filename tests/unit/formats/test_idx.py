"""IDX files: the layout of the official MNIST files, written whole or not at all, refused when damaged."""

import gzip
import struct

import idx2numpy
import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.formats import idx

IMAGES = np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3)
HEADER = b"\0\0\x08\x03" + struct.pack(">3I", 4, 2, 3)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "images-idx3-ubyte"
    idx.write(path, IMAGES)
    return path


def test_a_file_is_the_header_and_the_values_in_row_major_order(file):
    assert file.read_bytes() == HEADER + bytes(range(24))


def test_labels_have_one_dimension(tmp_path):
    idx.write(tmp_path / "labels", np.array([7, 2, 1], np.uint8))
    assert (tmp_path / "labels").read_bytes() == b"\0\0\x08\x01\0\0\0\x03\x07\x02\x01"


def test_another_reader_understands_the_file(file):
    assert np.array_equal(idx2numpy.convert_from_file(str(file)), IMAGES)


@pytest.mark.parametrize("shape", [(0,), (5,), (0, 2, 3), (4, 2, 3), (3, 5)])
def test_every_reader_gives_what_was_written(tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    path = tmp_path / "some"
    idx.write(path, array)
    assert idx.read_header(path) == shape
    for found in (idx.read(path), idx.open_memmap(path)):
        assert found.dtype == np.uint8
        assert found.shape == shape
        assert np.array_equal(found, array)


def test_blocks_hold_all_items_in_order_and_the_last_one_the_rest(file):
    blocks = list(idx.read_blocks(file, rows=3))
    assert [len(block) for block in blocks] == [3, 1]
    assert np.array_equal(np.concatenate(blocks), IMAGES)


def test_blocks_of_large_items_hold_fewer_of_them_and_at_least_one(file, monkeypatch):
    assert idx.rows_at_a_time(4096, 28 * 28) == 4096
    assert idx.rows_at_a_time(4096, 224 * 224 * 3) == 27
    for block_bytes, lengths in ((12, [2, 2]), (17, [2, 2]), (5, [1, 1, 1, 1])):
        monkeypatch.setattr(idx, "BLOCK_BYTES", block_bytes)
        blocks = list(idx.read_blocks(file))
        assert [len(block) for block in blocks] == lengths
        assert np.array_equal(np.concatenate(blocks), IMAGES)


def test_a_memmap_cannot_change_the_file(file):
    with pytest.raises(ValueError, match="read-only"):
        idx.open_memmap(file)[0] = 1


def test_a_writer_takes_blocks_of_any_length_and_views(tmp_path):
    path = tmp_path / "images"
    with idx.open_writer(path, (2, 3)) as writer:
        writer.append(IMAGES[:0])
        writer.append(IMAGES[::-1][:3])
        writer.append(IMAGES[:1])
    assert writer.count == 4
    assert np.array_equal(idx.read(path), IMAGES[::-1])


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(file):
    before = file.read_bytes()
    with pytest.raises(RuntimeError), idx.open_writer(file, (2, 3)) as writer:
        writer.append(IMAGES[:1])
        raise RuntimeError
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("block", [IMAGES.astype(int), IMAGES[:, :, :2], IMAGES[0]])
def test_a_writer_refuses_items_of_another_shape_or_type(tmp_path, block):
    with (
        pytest.raises(ValueError, match="is not uint8"),
        idx.open_writer(tmp_path / "images", (2, 3)) as writer,
    ):
        writer.append(block)


def test_a_compressed_file_holds_no_time_stamp_and_no_name(file, tmp_path):
    idx.write_gz(file, tmp_path / "images.gz")
    packed = (tmp_path / "images.gz").read_bytes()
    assert packed[:8] == b"\x1f\x8b\x08\0\0\0\0\0"  # magic, deflate, no flags, time 0 (RFC 1952)
    assert gzip.decompress(packed) == file.read_bytes()


DAMAGED = {
    b"": "truncated: 0 bytes",
    b"\0\0\x08": "truncated: 3 bytes",
    HEADER[:10]: "truncated: 10 bytes; the header alone has 16",
    HEADER + bytes(23): "truncated: 39 bytes, but 4 x 2 x 3 values take 40",
    HEADER + bytes(25): "over-long: 41 bytes, but 4 x 2 x 3 values take 40",
    b"\x1f\x8b\x08\0" + bytes(40): "an IDX file starts with 00 00 08: unpack it",
    b"\x89PNG" + bytes(40): "starts with 89 50 4e 47, not with 00 00 08",
    b"\0\0\x0d\x03" + HEADER[4:] + bytes(24): r"type 0x0d \(float\), not 0x08 \(ubyte\)",
    b"\0\0\x07\x03" + HEADER[4:] + bytes(24): r"type 0x07 \(unknown\)",
    b"\0\0\x08\0": "dimensions: 0, not 1 to 4",
    b"\0\0\x08\xff" + bytes(4 * 255): "dimensions: 255, not 1 to 4",
    b"\0\0\x08\x02\xff\xff\xff\xff\0\0\0\0": "4294967295 x 0 values: its items are empty",
    b"\0\0\x08\x03" + b"\xff" * 12 + bytes(24): "truncated: 40 bytes, but 4294967295 x 4294967295 x",
}


@pytest.mark.parametrize("data", DAMAGED)
@pytest.mark.parametrize(
    "reader", [idx.read_header, idx.read, idx.open_memmap, lambda path: list(idx.read_blocks(path))]
)
def test_a_damaged_file_is_refused_with_its_name_and_what_would_be_right(tmp_path, data, reader):
    path = tmp_path / "damaged"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=DAMAGED[data]) as error:
        reader(path)
    assert str(error.value).startswith(f"{path}: ")


def test_labels_given_for_images_are_refused(file, tmp_path):
    assert idx.read(file, ndim=3).shape == (4, 2, 3)
    with pytest.raises(FormatError, match=r"dimensions: 3, not 1 \(labels have 1, images 3, or 4"):
        idx.read(file, ndim=1)


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file"), ("", "Is a directory")])
def test_a_file_that_cannot_be_opened_is_an_input_error(tmp_path, name, reason):
    with pytest.raises(InputError, match=reason):
        idx.read(tmp_path / name)
