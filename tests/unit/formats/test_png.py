"""PNG files: what is in one, what is refused, and the tree that an IDX file becomes."""

import io
import resource
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from digitflow.base.errors import DigitflowError, FormatError
from digitflow.formats import idx, png

RNG = np.random.default_rng(0)
SMALL = np.array([[0, 127, 255], [1, 2, 3]], np.uint8)
IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 30), st.integers(1, 30)))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(header, rows):
    return png.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def grey_header(height, width):
    return struct.pack(">II5B", width, height, 8, 0, 0, 0, 0)


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def test_a_file_is_signature_header_one_data_chunk_and_end():
    [data] = png.encode(SMALL[None])
    header = bytes.fromhex("00000003 00000002 08 00 00 00 00")  # 3 columns, 2 rows, 8 bits, greyscale, ...
    assert data[:33] == b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + header + bytes.fromhex("b81f39c6")
    length = int.from_bytes(data[33:37])
    idat = data[37 : 41 + length]
    assert idat[:4] == b"IDAT"
    assert zlib.decompress(idat[4:]) == bytes([0, 0, 127, 255, 0, 1, 2, 3])  # a row begins with filter 0
    assert data[41 + length :] == struct.pack(">I", zlib.crc32(idat)) + bytes.fromhex(
        "0000000049454e44ae426082"
    )


def test_the_same_images_give_the_same_bytes():
    images = RNG.integers(0, 256, (5, 28, 28), np.uint8)
    assert png.encode(images) == png.encode(images.copy()) == [png.encode(image[None])[0] for image in images]


@settings(deadline=None, derandomize=True)
@given(IMAGES)
def test_every_reader_sees_the_pixels_that_were_encoded(images):
    for image, data in zip(images, png.encode(images), strict=True):
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.mode == "L"
            assert np.array_equal(np.asarray(opened), image)
        assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), image)
        assert np.array_equal(png.decode(data, "it"), image)


@settings(deadline=None, derandomize=True)
@given(IMAGES)
def test_files_that_other_programs_saved_are_read(images):
    for image in images:
        assert np.array_equal(png.decode(saved(Image.fromarray(image), optimize=True), "it"), image)
        assert np.array_equal(png.decode(cv2.imencode(".png", image)[1].tobytes(), "it"), image)


def paeth(left, up, corner):
    """As the specification words it, in section 9.4."""
    p = left + up - corner
    pa, pb, pc = abs(p - left), abs(p - up), abs(p - corner)
    if pa <= pb and pa <= pc:
        return left
    return up if pb <= pc else corner


@pytest.mark.parametrize("kind", range(5))
def test_every_row_filter_is_undone(kind):
    image = RNG.integers(0, 256, (9, 11), np.uint8)
    image[4] = 0
    edged = np.pad(image.astype(int), ((1, 0), (1, 0)))
    guess = [lambda a, b, c: 0, lambda a, b, c: a, lambda a, b, c: b, lambda a, b, c: (a + b) // 2, paeth][
        kind
    ]
    rows = b"".join(
        bytes([kind, *((edged[y, x] - guess(edged[y, x - 1], edged[y - 1, x], edged[y - 1, x - 1])) % 256
                       for x in range(1, 12))])
        for y in range(1, 10)
    )  # fmt: skip
    data = png_file(grey_header(9, 11), rows)
    assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), image)
    assert np.array_equal(png.decode(data, "it"), image)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (Image.new("RGB", (3, 2)), "8-bit RGB"),
        (Image.new("RGBA", (3, 2)), "8-bit RGB with alpha"),
        (Image.new("LA", (3, 2)), "8-bit greyscale with alpha"),
        (Image.new("P", (3, 2)), "bit palette"),
        (Image.new("1", (3, 2)), "1-bit greyscale"),
        (Image.new("I;16", (3, 2)), "16-bit greyscale"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_kind_and_the_right_one(image, found):
    with pytest.raises(FormatError, match=rf"7\.png: a PNG file in .*{found}; digits are 8-bit greyscale"):
        png.decode(saved(image), "7.png")


def test_an_interlaced_file_is_refused():
    with pytest.raises(FormatError, match="8-bit greyscale, interlaced; digits are"):
        png.decode(png_file(struct.pack(">II5B", 1, 1, 8, 0, 0, 0, 1), b"\0\0"), "it")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "7.png: empty"),
        (b"GIF89a--", "7.png: not a PNG file: it begins with b'GIF89a--'"),
        (png.SIGNATURE, "truncated"),
        (png_file(grey_header(1, 1), b"\0\0") + b"?", "the last of them no IEND chunk"),
        (png_file(grey_header(1, 1), b"\0"), "do not fill 1 x 1 pixels"),
        (png_file(grey_header(1, 1), b"\0\0\0"), "do not fill 1 x 1 pixels"),
        (png_file(grey_header(0, 1), b""), "1 x 0 pixels"),
        (png_file(grey_header(1, 1), b"\5\0"), "row filter 5"),
        (
            png.SIGNATURE + chunk(b"tEXt", bytes(13)) + chunk(b"IEND", b""),
            "wrong length, type or checksum of its header",
        ),
        (png.SIGNATURE + chunk(b"IHDR", grey_header(1, 1)) + chunk(b"IEND", b""), "no IDAT chunk"),
        (
            png.SIGNATURE + chunk(b"IHDR", grey_header(1, 1)) + chunk(b"IDAT", b"junk") + chunk(b"IEND", b""),
            "damaged PNG file: Error -",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data, message):
    with pytest.raises(FormatError, match=message):
        png.decode(data, "7.png")


BLACK = zlib.compress(b"\0\0")
START = png.SIGNATURE + chunk(b"IHDR", grey_header(1, 1))
FOR_NO_READER = {  # every checksum is right, and libpng gives up: MXNet's iterator ends the process there
    "another header": (chunk(b"IHDR", grey_header(1, 1)) + chunk(b"IDAT", BLACK), "chunk b'IHDR' at byte 33"),
    "a critical chunk": (chunk(b"DATA", b"") + chunk(b"IDAT", BLACK), "chunk b'DATA' at byte 33"),
    "a name of no letters": (
        chunk(b"a\0.\xff", b"") + chunk(b"IDAT", BLACK),
        "at byte 33 is not one of a grey",
    ),
    "a palette": (chunk(b"PLTE", bytes(3)) + chunk(b"IDAT", BLACK), "chunk b'PLTE' at byte 33"),
    "an early end": (chunk(b"IEND", b"") + chunk(b"IDAT", BLACK), "chunk b'IEND' at byte 33"),
    "a gap in the data": (
        chunk(b"IDAT", BLACK[:4]) + chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", BLACK[4:]),
        "another chunk before chunk b'IDAT' at byte 64",
    ),
    "cut data": (chunk(b"IDAT", BLACK[:-1]), "do not fill 1 x 1 pixels exactly"),
    "data that go on": (chunk(b"IDAT", BLACK + b"x"), "do not fill 1 x 1 pixels exactly"),
    "a wrong checksum of the data": (chunk(b"IDAT", BLACK[:-1] + b"\xff"), "damaged PNG file: Error -"),
}


@pytest.mark.parametrize("name", FOR_NO_READER)
def test_a_file_that_no_reader_can_decode_is_refused_even_if_its_checksums_are_right(name):
    chunks, message = FOR_NO_READER[name]
    data = START + chunks + chunk(b"IEND", b"")
    with pytest.raises(FormatError, match=message):
        png.read_rows(data, "7.png")


def test_chunks_that_a_reader_may_pass_over_are_passed_over():
    data = START + chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", BLACK[:4]) + chunk(b"IDAT", BLACK[4:])
    data += chunk(b"tIME", bytes(7)) + chunk(b"IEND", b"")
    assert np.array_equal(png.decode(data, "it"), [[0]])


def test_every_flipped_bit_is_found():
    [data] = png.encode(SMALL[None])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError, match=r"^7\.png: "):
            png.decode(bytes(damaged), "7.png")


def test_every_truncation_is_found():
    [data] = png.encode(SMALL[None])
    for length in range(len(data)):
        with pytest.raises(FormatError, match=r"^7\.png: "):
            png.decode(data[:length], "7.png")


@pytest.fixture
def dataset(tmp_path):
    """Twelve images and their labels, of which 3 is missing."""
    images = RNG.integers(0, 256, (12, 28, 28), np.uint8)
    labels = np.array([0, 1, 2, 4, 4, 2, 1, 0, 0, 1, 2, 4], np.uint8)
    idx.write(tmp_path / "images", images)
    idx.write(tmp_path / "labels", labels)
    return images, labels


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_labelled_tree_has_a_folder_for_every_class_and_padded_row_numbers(tmp_path, dataset):
    images, labels = dataset
    assert (
        png.write_tree(tmp_path / "images", tmp_path / "png" / "train", tmp_path / "labels", classes=5) == 12
    )
    assert sorted(path.name for path in (tmp_path / "png" / "train").iterdir()) == ["0", "1", "2", "3", "4"]
    assert files_below(tmp_path / "png") == sorted(
        f"train/{y}/{row:02}.png" for row, y in enumerate(labels, start=1)
    )
    for row, (image, label) in enumerate(zip(images, labels, strict=True), start=1):
        data = (tmp_path / "png" / "train" / str(label) / f"{row:02}.png").read_bytes()
        assert np.array_equal(png.decode(data, "it"), image)


def test_alphabetical_order_of_an_unlabelled_tree_is_row_order(tmp_path, dataset):
    images, _ = dataset
    png.write_tree(tmp_path / "images", tmp_path / "test")
    names = sorted(path.name for path in (tmp_path / "test").iterdir())
    read = [png.decode((tmp_path / "test" / name).read_bytes(), name) for name in names]
    assert np.array_equal(read, images)


def test_more_images_than_one_block_are_all_written(tmp_path):
    images = np.arange(png.BLOCK + 2, dtype=np.uint16).view(np.uint8).reshape(-1, 1, 2)
    idx.write(tmp_path / "images", images)
    png.write_tree(tmp_path / "images", tmp_path / "test")
    last = tmp_path / "test" / f"{len(images)}.png"
    assert len(files_below(tmp_path / "test")) == len(images)
    assert np.array_equal(png.decode(last.read_bytes(), "it"), images[-1])


def test_a_label_that_is_no_class_is_refused_with_its_row(tmp_path, dataset):
    with pytest.raises(FormatError, match="labels: row 4: label 4; classes are 0 to 3"):
        png.write_tree(tmp_path / "images", tmp_path / "train", tmp_path / "labels", classes=4)


def test_labels_of_another_number_than_images_are_refused(tmp_path, dataset):
    idx.write(tmp_path / "labels", np.zeros(11, np.uint8))
    with pytest.raises(FormatError, match="labels: 11 labels for 12 images"):
        png.write_tree(tmp_path / "images", tmp_path / "train", tmp_path / "labels", classes=10)


def test_a_disk_that_takes_no_more_leaves_the_old_tree_and_nothing_else(tmp_path, dataset):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "old.png").touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))  # a file of random pixels has more bytes
    try:
        with pytest.raises(DigitflowError, match=r"test: cannot be written: File too large"):
            png.write_tree(tmp_path / "images", tmp_path / "test")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_below(tmp_path) == ["images", "labels", "test/old.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "labels", "test"]
