"""PNG files: what is in one, and what is refused."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from digitflow.base.errors import FormatError
from digitflow.formats import png

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


@given(IMAGES)
def test_every_reader_sees_the_pixels_that_were_encoded(images):
    for image, data in zip(images, png.encode(images), strict=True):
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.mode == "L"
            assert np.array_equal(np.asarray(opened), image)
        assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), image)
        assert np.array_equal(png.decode(data, "it"), image)


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
        (Image.new("RGBA", (3, 2)), "8-bit RGB with alpha"),
        (Image.new("LA", (3, 2)), "8-bit greyscale with alpha"),
        (Image.new("P", (3, 2)), "bit palette"),
        (Image.new("1", (3, 2)), "1-bit greyscale"),
        (Image.new("I;16", (3, 2)), "16-bit greyscale"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_kind_and_the_right_one(image, found):
    with pytest.raises(
        FormatError, match=rf"7\.png: a PNG file in .*{found}; images must be 8-bit grey or RGB"
    ):
        png.decode(saved(image), "7.png")


def test_a_refusal_names_a_command_that_makes_the_file_right():
    with pytest.raises(FormatError, match="convert it, for example with mogrify -alpha remove -depth 8"):
        png.decode(saved(Image.new("RGBA", (3, 2))), "7.png")


def test_colours_are_what_pillow_and_opencv_see_and_come_back():
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 3), np.uint8)
    for image, data in zip(images, png.encode(images), strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), image)
        assert np.array_equal(
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1], image
        )
        assert np.array_equal(png.decode(data, "it"), image)
        assert np.array_equal(png.read_picture(data, colour=True), image)
        assert np.array_equal(png.decode(saved(Image.fromarray(image), optimize=True), "it"), image)


@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 5, 4, 3)])
def test_in_an_enlarged_picture_each_pixel_is_a_square_and_it_shows_the_same(shape):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert png.encode_enlarged(images, 1) == png.encode(images)
    for image, data in zip(images, png.encode_enlarged(images, 3), strict=True):
        assert data.startswith(png.beginning(15, 12))
        large = np.asarray(Image.open(io.BytesIO(data)))
        squares = large.reshape(5, 3, 4, 3, *shape[3:])
        assert (squares == image[:, np.newaxis, :, np.newaxis]).all()
        whole, reduced = png.reductions(large)
        assert np.array_equal(whole, large)
        assert np.array_equal(reduced, image)


def test_a_picture_may_be_an_enlargement_in_each_size_in_which_its_pixels_are_squares():
    large = SMALL.repeat(4, 0).repeat(4, 1)
    assert [image.shape for image in png.reductions(large)] == [(8, 12), (4, 6), (2, 3)]
    large[5, 6] ^= 1
    assert [image.shape for image in png.reductions(large)] == [(8, 12)]
    assert [image.shape for image in png.reductions(SMALL)] == [(2, 3)]
    assert [image.shape for image in png.reductions(np.zeros((6, 4, 3), np.uint8))] == [(6, 4, 3), (3, 2, 3)]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_picture_in_any_format_is_seen_in_grey(kind, mode):
    file = io.BytesIO()
    Image.fromarray(SMALL).convert(mode).save(file, kind)
    assert np.array_equal(png.read_picture(file.getvalue()), SMALL)


@pytest.mark.parametrize("data", [b"", b"no picture", png.encode(SMALL[None])[0][:-20], bytes(1000)])
def test_what_is_no_picture_shows_nothing(data):
    assert png.read_picture(data) is None


def test_every_flipped_bit_makes_a_picture_damaged_and_not_another():
    [data] = png.encode(SMALL[None])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        shown = png.read_picture(bytes(damaged))
        assert shown is None or np.array_equal(shown, SMALL)


def test_a_picture_too_large_to_look_at_is_a_picture_all_the_same():
    data = png_file(struct.pack(">II5B", 1 << 15, 1 << 15, 8, 0, 0, 0, 0), b"")
    assert png.read_picture(data).size == 0


def test_an_interlaced_file_is_refused():
    with pytest.raises(FormatError, match="8-bit greyscale, interlaced; images must be"):
        png.decode(png_file(struct.pack(">II5B", 1, 1, 8, 0, 0, 0, 1), b"\0\0"), "it")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "7.png: empty"),
        (b"GIF89a--", "7.png: not a PNG file: it begins with b'GIF89a--'"),
        (png.SIGNATURE, "truncated"),
        (png_file(grey_header(1, 1), b"\0\0") + b"?", "with no IEND chunk at the end"),
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
        "at byte 33 does not belong in a grey",
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
