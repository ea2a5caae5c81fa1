"""PNG files of digits: 8-bit greyscale; encode, check and decode.

The format: W3C, Portable Network Graphics (PNG) Specification, https://www.w3.org/TR/png-3/.
"""

import functools
import io
import struct
import zlib

import numpy as np

from digitflow.base.errors import FormatError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {0: "greyscale", 2: "RGB", 3: "palette", 4: "greyscale with alpha", 6: "RGB with alpha"}
GREY_8_BIT = bytes([8, 0, 0, 0, 0])  # bit depth, colour type, compression, filter method, interlace
NONE, PAETH = 0, 4  # the first and the last of the row filters
MAX_SIDE = 1 << 15  # OpenCV, with which MXNet reads, refuses more than 2^30 pixels
HEAD = 33  # bytes of signature and header
CHUNK = struct.Struct(">I4s")  # length and type, before the data


def _chunk(kind: bytes, data: bytes) -> bytes:
    return CHUNK.pack(len(data), kind) + data + zlib.crc32(kind + data).to_bytes(4)


def _head(header: bytes) -> bytes:
    return SIGNATURE + _chunk(b"IHDR", header)


IEND = _chunk(b"IEND", b"")
IDAT_CRC = zlib.crc32(b"IDAT")  # where the checksum of every IDAT chunk starts


def encode(images: np.ndarray) -> list[bytes]:
    """Encode uint8 (n, h, w) images as n PNG files: 8-bit greyscale, no row filter, one IDAT chunk.

    The bytes are the same on every run on one kind of processor. Another kind may find other matches (ISA-L
    hashes with the processor's own CRC instruction) and compress the same pixels to other bytes.
    """
    # Here, for MXNet's environment checks PNG files and has no isal.
    from isal.isal_zlib import compress, crc32

    n, height, width = images.shape
    rows = np.full((n, height, width + 1), NONE, np.uint8)  # each row begins with its filter
    rows[:, :, 1:] = images
    head = _head(struct.pack(">II", width, height) + GREY_8_BIT)
    files = []
    for pixels in rows.reshape(n, height * (width + 1)):
        # ASSUME: quick beats small, for a file takes some 40 us to create and a disk block of 4 KiB anyway.
        # ISA-L's level 0: 2.2 us a digit, 351 bytes. Its level 1: 11.6 us, 218 bytes. zlib's level 1: 19 us,
        # 206 bytes.
        data = compress(pixels, 0)
        crc = crc32(data, IDAT_CRC)
        files.append(b"%b%bIDAT%b%b%b" % (head, len(data).to_bytes(4), data, crc.to_bytes(4), IEND))
    return files


def decode(data: bytes, where: str) -> np.ndarray:
    """Decode an 8-bit greyscale PNG file to uint8 (h, w). FormatError names `where` and what is wrong."""
    height, width, raw = read_rows(data, where)
    rows = np.frombuffer(raw, np.uint8).reshape(height, width + 1)
    if (rows[:, 0] == NONE).all():
        return rows[:, 1:]
    # Another program's file, with filtered rows.
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def read_picture(data: bytes) -> np.ndarray | None:
    """What a picture of any format shows, in grey: uint8 (h, w). None: it is no picture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.verify()  # checksums, too; reading alone passes over some
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("L"))
    except Image.DecompressionBombError:
        return np.zeros((0, 0), np.uint8)  # a picture, and none that needs to be looked at
    except Exception:  # Pillow's readers raise whatever a damaged file leads them to
        return None


def check(data: bytes, where: str) -> tuple[int, int, bytes]:
    """Check a PNG file's chunks, checksums and kind; return height, width and the compressed rows.

    FormatError names `where`, and what the file is if it is not 8-bit greyscale without interlacing.
    """
    try:
        return *_read_header(data[:HEAD]), _read_chunks(data)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None


def read_rows(data: bytes, where: str) -> tuple[int, int, bytes]:
    """Check all of a PNG file; return height, width and the rows, each of its filter and filtered pixels.

    What passes can be decoded, by libpng as well: MXNet's iterator ends the process at a file that cannot.
    It takes twice the time of `check`, which is enough for files that are read again. FormatError as there.
    """
    height, width, compressed = check(data, where)
    try:
        return height, width, _inflate(compressed, height, width)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None


@functools.lru_cache  # the images of a tree have one size, and so one header
def _read_header(start: bytes) -> tuple[int, int]:
    """Height and width from the first bytes of a file."""
    if start[:8] != SIGNATURE:
        raise FormatError(f"not a PNG file: it begins with {start[:8]!r}" if start else "empty")
    if len(start) < HEAD:
        raise FormatError(f"truncated PNG file: {len(start)} bytes")
    width, height, depth, colour, *_, interlace = struct.unpack_from(">II5B", start, 16)
    if start != _head(start[16:29]):
        raise FormatError("damaged PNG file: wrong length, type or checksum of its header")
    if start[24:29] != GREY_8_BIT:
        found = f"{depth}-bit {COLOUR_TYPES.get(colour, f'colour type {colour}')}{', interlaced' * interlace}"
        raise FormatError(
            f"a PNG file in {found}; digits are 8-bit greyscale, not interlaced: save it so again, for "
            "example with mogrify -colorspace Gray -depth 8 -interlace none -define png:color-type=0"
        )
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise FormatError(f"damaged PNG file: {width} x {height} pixels, not 1 to {MAX_SIDE:,} a side")
    return height, width


def _read_chunks(data: bytes) -> bytes:
    """The contents of the IDAT chunks, every chunk's checksum verified."""
    if not data.endswith(IEND):
        raise FormatError(f"truncated PNG file: {len(data)} bytes, the last of them no IEND chunk")
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
            raise FormatError(f"damaged PNG file: chunk {kind!r} at byte {at} is not one of a greyscale file")
        at = crc + 4
    if not rows:
        raise FormatError("damaged PNG file: no IDAT chunk")
    return b"".join(rows)


def _inflate(compressed: bytes, height: int, width: int) -> bytes:
    """The rows, exactly as many as the pixels need, each with a filter that there is."""
    size = height * (width + 1)
    # ASSUME: zlib, as libpng has it. ISA-L takes a quarter of the time (2.6 us a digit, zlib 10), and takes
    # codes for right that libpng refuses.
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(compressed, size + 1)
    except zlib.error as error:
        raise FormatError(f"damaged PNG file: {error}") from None
    if len(rows) != size or not inflater.eof or inflater.unused_data:
        raise FormatError(f"damaged PNG file: its data do not fill {width} x {height} pixels exactly")
    if (filter_ := max(rows[:: width + 1])) > PAETH:
        raise FormatError(f"damaged PNG file: row filter {filter_}; there are 0 to {PAETH}")
    return rows
