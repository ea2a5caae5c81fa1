"""IDX files of unsigned bytes, the format of the official MNIST files, and of 32-bit numbers for many labels.

Layout (https://yann.lecun.org/exdb/mnist/): two zero bytes, the type (0x08: unsigned byte, 0x0c: int32), the
number of dimensions, each dimension as a big-endian uint32, then the values, big-endian, in row-major order.
"""

import contextlib
import gzip
import io
import math
import os
import shutil
import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import PathLike, atomic_open, open_to_read

UBYTE, INT = 0x08, 0x0C
DTYPES = {UBYTE: np.dtype(np.uint8), INT: np.dtype(">i4")}
TYPES = {0x08: "ubyte", 0x09: "byte", 0x0B: "short", 0x0C: "int", 0x0D: "float", 0x0E: "double"}
MAX_DIMENSIONS = 4  # rows, height, width, channels
INT_DIMENSIONS = 2  # of labels, or of QMNIST's labels with what else is known of a digit
IMAGES = (3, 4)  # the dimensions of images: grey, or with channels
BLOCK_BYTES = 4 << 20  # read at a time: small images come by thousands, large ones by few
Dimensions = int | tuple[int, ...] | None


def read_header(path: PathLike, ndim: Dimensions = None) -> tuple[int, ...]:
    """Return the shape of a file after checking its header and size.

    `ndim`: how many dimensions are wanted (labels 1, images 3, or 4 with colours; None: any).
    Raises FormatError for a wrong magic, type or number of dimensions, or a truncated or over-long file;
    InputError for a file that cannot be opened.
    """
    with open_to_read(path) as file:
        return _header(file, path, ndim)[1]


def read(path: PathLike, ndim: Dimensions = None) -> np.ndarray:
    """Read the whole file: uint8 or int32, the shape from the header. Raises as `read_header`."""
    with open_to_read(path) as file:
        return _read_array(file, path, *_header(file, path, ndim))


def parse_bytes(data: bytes, path: PathLike, ndim: Dimensions = None) -> np.ndarray:
    """The array in the bytes of an IDX file; `path` is for messages. Raises as `read_header`."""
    file = io.BytesIO(data)
    return _read_array(file, path, *_header(file, path, ndim))


def read_labels(path: PathLike, rows: int, classes: int) -> np.ndarray:
    """Read the labels, int64 (rows,), of images. FormatError: not that many labels, or one is no class."""
    labels = read(path, ndim=1)
    if len(labels) != rows:
        raise FormatError(f"{path}: {len(labels)} labels for {rows} images")
    if (wrong := (labels < 0) | (labels >= classes)).any():
        row = int(wrong.argmax())
        raise FormatError(f"{path}: row {row + 1}: label {labels[row]}; the classes are 0 to {classes - 1}")
    return labels.astype(np.int64)


def open_memmap(path: PathLike, ndim: Dimensions = None) -> np.memmap:
    """Map the file read-only: uint8 or big-endian int32, shaped by its header. Raises as `read_header`."""
    with open_to_read(path) as file:
        dtype, shape = _header(file, path, ndim)
        return np.memmap(file, dtype, mode="r", offset=file.tell(), shape=shape)


def rows_at_a_time(most: int, row_bytes: int) -> int:
    """How many rows of so many bytes to read at a time: `most`, or as many as BLOCK_BYTES hold."""
    return max(1, min(most, BLOCK_BYTES // max(1, row_bytes)))


def read_blocks(path: PathLike, rows: int = 4096, ndim: Dimensions = None) -> Iterator[np.ndarray]:
    """Yield the file in blocks of up to `rows` items, uint8 or int32 (n, ...), fewer if items are large.

    Raises as `read_header`. Plain reads, because mapped pages would count as this process's memory.
    """
    with open_to_read(path) as file:
        dtype, (count, *item_shape) = _header(file, path, ndim)
        rows = rows_at_a_time(rows, dtype.itemsize * math.prod(item_shape))
        for start in range(0, count, rows):
            yield _read_array(file, path, dtype, (min(rows, count - start), *item_shape))


class Writer:
    """An IDX file that `open_writer` opened."""

    def __init__(self, path: PathLike, file: BinaryIO, item_shape: tuple[int, ...], dtype: np.dtype):
        self.path, self.item_shape, self.dtype = path, item_shape, dtype
        self.count = 0
        self._file, self._type = file, {"uint8": UBYTE, "int32": INT}[dtype.name]

    def append(self, block: np.ndarray) -> None:
        """Add the items of `block`, uint8 or int32 (n, *item_shape)."""
        if block.dtype != self.dtype or block.shape[1:] != self.item_shape:
            raise ValueError(
                f"{self.path}: {block.dtype} {block.shape} is not {self.dtype} (n, *{self.item_shape})"
            )
        self._file.write(np.ascontiguousarray(block, DTYPES[self._type]).data)
        self.count += len(block)

    def write_header(self) -> None:
        """Write that there are as many items as there are now."""
        shape = self.count, *self.item_shape
        self._file.seek(0)
        self._file.write(struct.pack(f">4B{len(shape)}I", 0, 0, self._type, len(shape), *shape))


@contextlib.contextmanager
def open_writer(path: PathLike, item_shape: tuple[int, ...], dtype: type = np.uint8) -> Iterator[Writer]:
    """Write an IDX file block by block; it takes its final name when the `with` block ends without an error.

    `item_shape`: the shape of one item, (28, 28) for images, () for labels. `dtype`: uint8, or int32 if there
    are more than 256 labels.
    """
    with atomic_open(path) as file:
        writer = Writer(path, file, tuple(item_shape), np.dtype(dtype))
        writer.write_header()
        yield writer
        writer.write_header()


def write(path: PathLike, array: np.ndarray) -> None:
    """Write a uint8 or int32 array of 1 to 4 dimensions as one IDX file."""
    with open_writer(path, array.shape[1:], array.dtype) as writer:
        writer.append(array)


def write_gz(source: PathLike, target: PathLike) -> None:
    """Compress `source` into `target`; equal contents give equal bytes (no time stamp, no name).

    Raises as `read_header`.
    """
    read_header(source)
    with (
        open_to_read(source) as file,
        atomic_open(target) as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
    ):
        shutil.copyfileobj(file, packed)


def _header(file: BinaryIO, path: PathLike, ndim: Dimensions) -> tuple[np.dtype, tuple[int, ...]]:
    """Read and check the header; the file is left at the first value."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    magic = file.read(4)
    if len(magic) < 4:
        raise FormatError(f"{path}: truncated: {size} bytes; an IDX file has at least 8")
    if magic[:2] == b"\x1f\x8b":
        raise FormatError(f"{path}: a gzip file, but an IDX file starts with 00 00 08: unpack it first")
    if magic[:2] != b"\0\0":
        raise FormatError(f"{path}: not an IDX file: it starts with {magic.hex(' ')}, not with 00 00 08")
    if magic[2] not in DTYPES or (magic[2] == INT and magic[3] > INT_DIMENSIONS):
        found = TYPES.get(magic[2], "unknown")
        raise FormatError(f"{path}: values of type {magic[2]:#04x} ({found}), not {UBYTE:#04x} (ubyte)")
    wanted = range(1, MAX_DIMENSIONS + 1) if ndim is None else (ndim,) if isinstance(ndim, int) else ndim
    if magic[3] not in wanted:
        listed = f"1 to {MAX_DIMENSIONS}" if ndim is None else " or ".join(map(str, wanted))
        raise FormatError(
            f"{path}: dimensions: {magic[3]}, not {listed} (labels have 1, images 3, or 4 with colours)"
        )
    dimensions = file.read(4 * magic[3])
    if len(dimensions) < 4 * magic[3]:
        raise FormatError(f"{path}: truncated: {size} bytes; the header alone has {4 + 4 * magic[3]}")
    shape = struct.unpack(f">{magic[3]}I", dimensions)
    values = f"{' x '.join(map(str, shape))} values"
    if 0 in shape[1:]:
        raise FormatError(f"{path}: {values}: its items are empty")
    dtype = DTYPES[magic[2]]
    expected = file.tell() + dtype.itemsize * math.prod(shape)
    if size != expected:
        what = "truncated" if size < expected else "over-long"
        raise FormatError(f"{path}: {what}: {size:,} bytes, but {values} take {expected:,}")
    if dtype.itemsize * math.prod(shape[1:]) > sys.maxsize:  # without items, the file's size cannot tell
        raise FormatError(f"{path}: {values}: more than an array holds")
    return dtype, shape


def _read_array(file: BinaryIO, path: PathLike, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(shape, dtype)
    if file.readinto(array) != array.nbytes:
        raise FormatError(f"{path}: truncated while it was being read")
    return array.astype(dtype.newbyteorder("="), copy=False)
