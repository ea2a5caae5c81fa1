"""RecordIO files of PNG images, byte for byte those of MXNet's `im2rec.py --pass-through`.

A record is a magic number, a word of flag (3 bits) and length (29 bits), and data padded with zeros to four
bytes. The writer takes every magic number at a multiple of four bytes out of the data and begins a new part
there, so that a reader can find a record from anywhere; the reader puts them back. The format: dmlc-core,
include/dmlc/recordio.h. An image's data begin with a header `IfQQ`: flag, float32 label, id and its upper
half; flag > 0 says how many float32 labels follow.
"""

import itertools
import os
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import PathLike, atomic_open, open_to_read
from digitflow.base.progress import Progress
from digitflow.formats import png

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
WHOLE, FIRST, MIDDLE, LAST = range(4)
MAX_LENGTH = 1 << 29
FRAME = struct.Struct("<II")
HEADER = struct.Struct("<IfQQ")
BATCH = 1024  # records written at a time: few enough to stay in the processor's cache


class Record(NamedTuple):
    """One image: its index, labels float32 (k,), file contents, and the byte at which its record begins."""

    index: int
    labels: np.ndarray
    payload: bytes
    offset: int


def write(
    rec_path: PathLike, idx_path: PathLike, rows: Iterable[tuple[int, int, bytes]], total: int | None = None
) -> None:
    """Write records of (index, label, file contents), and their offsets to `idx_path`.

    `total` is how many there will be, if known.
    """
    rows, offset = iter(rows), 0
    with (
        atomic_open(rec_path) as rec,
        atomic_open(idx_path, "w") as offsets,
        Progress(f"{rec_path}: RecordIO", total, "images") as progress,
    ):
        while batch := list(itertools.islice(rows, BATCH)):
            framed = [frame(HEADER.pack(0, label, index, 0) + data) for index, label, data in batch]
            rec.write(b"".join(framed))
            for (index, _, _), record in zip(batch, framed, strict=True):
                offsets.write(f"{index}\t{offset}\n")
                offset += len(record)
            progress.advance(len(batch))


def join_indices(parts: Sequence[tuple[PathLike, PathLike]], idx_path: PathLike) -> None:
    """Write one index of several (.rec, .idx) files, with the offsets that their records have when joined."""
    start = 0
    with atomic_open(idx_path, "w") as file:
        for rec_part, idx_part in parts:
            file.writelines(f"{index}\t{start + offset}\n" for index, offset in _read_offsets(idx_part))
            start += Path(rec_part).stat().st_size


def frame(data: bytes) -> bytes:
    """Make a record of less than 2^29 bytes: split at aligned magic numbers, padded to four bytes."""
    padding = bytes(-len(data) % 4)
    if MAGIC_BYTES not in data:
        return FRAME.pack(MAGIC, len(data)) + data + padding
    parts = list(_split(data))
    flags = [FIRST, *[MIDDLE] * (len(parts) - 2), LAST] if len(parts) > 1 else [WHOLE]
    return (
        b"".join(FRAME.pack(MAGIC, f << 29 | len(p)) + p for f, p in zip(flags, parts, strict=True)) + padding
    )


def _split(data: bytes) -> Iterator[bytes]:
    """Yield what lies between the magic numbers at multiples of four bytes."""
    start = found = 0
    while (found := data.find(MAGIC_BYTES, found)) >= 0:
        if found % 4:
            found += 1
        else:
            yield data[start:found]
            start = found = found + 4
    yield data[start:]


def read(rec_path: PathLike) -> Iterator[Record]:
    """Yield the records of a file. FormatError names the record, from 1, its offset and what is wrong."""
    name = str(rec_path)  # once: turning a path into text takes time
    with open_to_read(rec_path, buffering=1 << 20) as file:
        size, offset = os.fstat(file.fileno()).st_size, 0
        for number in itertools.count(1):
            if offset == size:
                return
            where = f"{name}: record {number} at byte {offset}"
            data, end = _read_parts(file, offset, size, where)
            yield _parse(data, offset, where)
            offset = end


def _read_parts(file: IO[bytes], at: int, size: int, where: str) -> tuple[bytes, int]:
    """Read one record and put its magic numbers back; return it and the offset of the next."""
    parts, flag = [], FIRST
    while flag in (FIRST, MIDDLE):
        if at + FRAME.size > size:
            raise FormatError(f"{where}: truncated: the file ends at byte {size}")
        magic, word = FRAME.unpack(file.read(FRAME.size))
        flag, length = word >> 29, word % MAX_LENGTH
        if magic != MAGIC or flag not in ((MIDDLE, LAST) if parts else (WHOLE, FIRST)):
            raise FormatError(
                f"{where}: damaged: {magic:#010x} with flag {flag} at byte {at}, not {MAGIC:#x}"
            )
        padded = length + -length % 4
        at += FRAME.size + padded
        if at > size:
            raise FormatError(f"{where}: truncated or damaged: it ends at byte {at}, the file at {size}")
        data = file.read(padded)
        if any(data[length:]):
            raise FormatError(f"{where}: damaged: its padding is {data[length:].hex(' ')}, not zeros")
        parts.append(data[:length])
    return MAGIC_BYTES.join(parts), at


def _parse(data: bytes, offset: int, where: str) -> Record:
    if len(data) < HEADER.size:
        raise FormatError(f"{where}: damaged: {len(data)} bytes; an image's header has {HEADER.size}")
    flag, label, index, upper = HEADER.unpack_from(data)
    start = HEADER.size + 4 * flag
    if upper or start > len(data):
        raise FormatError(
            f"{where}: damaged: index {index}, upper half {upper}, {flag} labels in {len(data)} bytes"
        )
    labels = np.frombuffer(data, "<f4", flag, HEADER.size) if flag else np.array([label], "<f4")
    return Record(index, labels, data[start:], offset)


def read_verified(rec_path: PathLike, idx_path: PathLike) -> Iterator[tuple[Record, tuple[int, ...]]]:
    """Yield the records of a file, each after a full check: its PNG to the last pixel, its line of offsets.

    Each comes with the shape of its image, (h, w), or (h, w, 3) in RGB. Read them all before MXNet reads the
    file: in its iterator, a damaged record ends the whole process. FormatError as `read`, and if the two
    files do not belong together.
    """
    name = str(rec_path)
    lines = itertools.zip_longest(read(rec_path), _read_offsets(idx_path))
    for number, (record, line) in enumerate(lines, start=1):
        if record is None or line is None:
            short, more = (rec_path, idx_path) if record is None else (idx_path, rec_path)
            raise FormatError(f"{short}: {number - 1} records; {more} has more")
        where = f"{name}: record {number} at byte {record.offset}, index {record.index}"
        if line != (record.index, record.offset):
            raise FormatError(f"{idx_path}: line {number}: index {line[0]} at byte {line[1]}, but {where}")
        shape, _ = png.read_rows(record.payload, where)
        yield record, shape


def _read_offsets(idx_path: PathLike) -> Iterator[tuple[int, int]]:
    with open_to_read(idx_path, "r", encoding="ascii", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            match = re.fullmatch("(0|[1-9][0-9]*)\t(0|[1-9][0-9]*)\n", line)
            if not match:
                raise FormatError(f"{idx_path}: line {number}: {line!r}; a line is index, tab, offset")
            yield int(match[1]), int(match[2])
