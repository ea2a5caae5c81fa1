"""PNG files of 8-bit grey or RGB: encode, check and decode.

The format: W3C, Portable Network Graphics (PNG) Specification, https://www.w3.org/TR/png-3/.
"""

import functools
import io
import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from digitflow.base.errors import FormatError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {0: "greyscale", 2: "RGB", 3: "palette", 4: "greyscale with alpha", 6: "RGB with alpha"}
# Bit depth, colour type, compression, filter method, interlace: by the number of channels.
KINDS = {1: bytes([8, 0, 0, 0, 0]), 3: bytes([8, 2, 0, 0, 0])}
CHANNELS = {kind: channels for channels, kind in KINDS.items()}
NONE, PAETH = 0, 4  # the first and the last of the row filters
MAX_SIDE = 1 << 15  # OpenCV, with which MXNet reads, refuses more than 2^30 pixels
HEAD = 33  # bytes of signature and header
HEADER_BYTES = 13
MOST_ENLARGED = 16  # times; as in the schema
CHUNK = struct.Struct(">I4s")  # length and type, before the data


def _chunk(kind: bytes, data: bytes) -> bytes:
    return CHUNK.pack(len(data), kind) + data + zlib.crc32(kind + data).to_bytes(4)


def _head(header: bytes) -> bytes:
    return SIGNATURE + _chunk(b"IHDR", header)


IEND = _chunk(b"IEND", b"")
IDAT_CRC = zlib.crc32(b"IDAT")  # where the checksum of every IDAT chunk starts


def encode(images: np.ndarray) -> list[bytes]:
    """Encode uint8 (n, h, w) or (n, h, w, 3) images as n PNG files: grey or RGB, no row filter, one IDAT
    chunk.

    The bytes are the same on every run on one kind of processor. Another kind may find other matches (ISA-L
    hashes with the processor's own CRC instruction) and compress the same pixels to other bytes.
    """
    # Imported here, because MXNet's environment checks PNG files and has no isal.
    from isal.isal_zlib import compress, crc32

    n, height, width, *channels = images.shape
    row = width * math.prod(channels)
    rows = np.full((n, height, row + 1), NONE, np.uint8)  # each row begins with its filter
    rows[:, :, 1:] = images.reshape(n, height, row)
    head = _head(struct.pack(">II", width, height) + KINDS[math.prod(channels)])
    files = []
    for pixels in rows.reshape(n, height * (row + 1)):
        # ASSUME: quick beats small: a file takes some 40 us to create and a disk block of 4 KiB anyway.
        # ISA-L's level 0: 2.2 us a digit, 351 bytes. Its level 1: 11.6 us, 218 bytes. zlib's level 1: 19 us,
        # 206 bytes.
        data = compress(pixels, 0)
        crc = crc32(data, IDAT_CRC)
        files.append(b"%b%bIDAT%b%b%b" % (head, len(data).to_bytes(4), data, crc.to_bytes(4), IEND))
    return files


def encode_enlarged(images: np.ndarray, times: int) -> list[bytes]:
    """As `encode`, of pictures in which each pixel is a square of `times` pixels a side."""
    if times == 1:
        return encode(images)
    # One image at a time: a block of them would take `times` squared as much memory.
    return [file for image in images for file in encode(image.repeat(times, 0).repeat(times, 1)[np.newaxis])]


def beginning(height: int, width: int) -> bytes:
    """The first bytes of any PNG file of this size, by which it differs from one of another size."""
    return SIGNATURE + CHUNK.pack(HEADER_BYTES, b"IHDR") + struct.pack(">II", width, height)


def reductions(picture: np.ndarray) -> Iterator[np.ndarray]:
    """A picture, (h, w) or (h, w, 3), and each that it may have been before it was enlarged."""
    height, width = picture.shape[:2]
    for times in range(1, MOST_ENLARGED + 1):
        if height % times == width % times == 0:
            small = picture[::times, ::times]
            if times == 1 or np.array_equal(small.repeat(times, 0).repeat(times, 1), picture):
                yield small


def decode(data: bytes, where: str) -> np.ndarray:
    """Decode a PNG file to uint8 (h, w), or (h, w, 3) in RGB. FormatError names `where` and what is wrong."""
    shape, raw = read_rows(data, where)
    rows = np.frombuffer(raw, np.uint8).reshape(shape[0], -1)
    if (rows[:, 0] == NONE).all():
        return rows[:, 1:].reshape(shape)
    # Another program's file, with filtered rows.
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def read_picture(data: bytes, colour: bool = False) -> np.ndarray | None:
    """What a picture of any format shows: uint8 (h, w) in grey, or (h, w, 3) in colour. None: it is no
    picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.verify()  # checksums, too; reading skips some
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB" if colour else "L"))
    except Image.DecompressionBombError:
        return np.zeros((0, 0), np.uint8)  # a picture, and none that needs to be looked at
    except Exception:  # Pillow's readers raise whatever a damaged file leads them to
        return None


def read_rows(data: bytes, where: str) -> tuple[tuple[int, ...], bytes]:
    """Check all of a PNG file; return its shape and the rows, each its filter and filtered pixels.

    What passes can be decoded, also by libpng; at a file that cannot, MXNet's iterator ends the process.
    FormatError names `where`, and what the file is if it is not 8-bit grey or RGB without interlacing.
    """
    try:
        shape = _read_header(data[:HEAD])
        return shape, _inflate(_read_chunks(data), shape)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None


@functools.lru_cache  # the images of a tree have one size, and so one header
def _read_header(start: bytes) -> tuple[int, ...]:
    """The shape, (h, w) or (h, w, 3), from the first bytes of a file."""
    if start[:8] != SIGNATURE:
        raise FormatError(f"not a PNG file: it begins with {start[:8]!r}" if start else "empty")
    if len(start) < HEAD:
        raise FormatError(f"truncated PNG file: {len(start)} bytes")
    width, height, depth, colour, *_, interlace = struct.unpack_from(">II5B", start, 16)
    if start != _head(start[16:29]):
        raise FormatError("damaged PNG file: wrong length, type or checksum of its header")
    channels = CHANNELS.get(start[24:29])
    if channels is None:
        found = f"{depth}-bit {COLOUR_TYPES.get(colour, f'colour type {colour}')}{', interlaced' * interlace}"
        raise FormatError(
            f"a PNG file in {found}; images must be 8-bit grey or RGB, not interlaced: convert it, for "
            "example with mogrify -alpha remove -depth 8 -interlace none -define png:color-type=0, or =2 for "
            "colour"
        )
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise FormatError(f"damaged PNG file: {width} x {height} pixels, not 1 to {MAX_SIDE:,} a side")
    return (height, width) if channels == 1 else (height, width, channels)


def _read_chunks(data: bytes) -> bytes:
    """The contents of the IDAT chunks, every chunk's checksum verified."""
    if not data.endswith(IEND):
        raise FormatError(f"truncated PNG file: {len(data)} bytes, with no IEND chunk at the end")
    rows, at, end, follows = [], HEAD, len(data) - len(IEND), None
    while at < end:
        length, kind = CHUNK.unpack_from(data, at)
        crc = at + CHUNK.size + length
        if crc + 4 > end:
            raise FormatError(f"damaged PNG file: chunk {kind!r} at byte {at} is longer than the file")
        if zlib.crc32(data[at + 4 : crc]) != int.from_bytes(data[crc : crc + 4]):
            raise FormatError(f"damaged PNG file: wrong checksum of chunk {kind!r} at byte {at}")
        if kind == b"IDAT":
            if follows not in (None, at):
                raise FormatError(f"damaged PNG file: another chunk before chunk {kind!r} at byte {at}")
            rows.append(data[at + CHUNK.size : crc])
            follows = crc + 4
        elif not (kind.isalpha() and kind[:1].islower()):  # chunks that a reader may pass over
            raise FormatError(
                f"damaged PNG file: chunk {kind!r} at byte {at} does not belong in a grey or RGB file"
            )
        at = crc + 4
    if not rows:
        raise FormatError("damaged PNG file: no IDAT chunk")
    return b"".join(rows)


def _inflate(compressed: bytes, shape: tuple[int, ...]) -> bytes:
    """The rows, exactly as many as the pixels need, each with a valid filter."""
    height, width, *channels = shape
    row = width * math.prod(channels) + 1
    size = height * row
    # ASSUME: zlib, as libpng has it. ISA-L takes a quarter of the time (2.6 us a digit, zlib 10), but accepts
    # codes that libpng refuses.
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(compressed, size + 1)
    except zlib.error as error:
        raise FormatError(f"damaged PNG file: {error}") from None
    if len(rows) != size or not inflater.eof or inflater.unused_data:
        raise FormatError(f"damaged PNG file: its data do not fill {width} x {height} pixels exactly")
    if (filter_ := max(rows[::row])) > PAETH:
        raise FormatError(f"damaged PNG file: row filter {filter_}; there are 0 to {PAETH}")
    return rows
