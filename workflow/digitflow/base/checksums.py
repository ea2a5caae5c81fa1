"""Checksums of files that have no room for one, IDX files and lists: in .sfv files, `name hex` a line."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import atomic_open, read_json

PathLike = str | os.PathLike


def crc32(path: PathLike) -> int:
    """The CRC-32 of a file's bytes, as zlib computes it; ISA-L, where it is installed, does so at 10 GB a
    second. InputError: it cannot be read.
    """
    try:
        from isal.isal_zlib import crc32 as update
    except ImportError:  # in MXNet's environment
        from zlib import crc32 as update
    value = 0
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                value = update(block, value)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return value


def write(path: PathLike, files: Sequence[PathLike]) -> None:
    """Write the checksums of files as an .sfv file."""
    with atomic_open(path, "w") as file:
        file.writelines(f"{Path(name).name} {crc32(name):08X}\n" for name in files)


def check(checksums: Sequence[PathLike], *files: PathLike) -> None:
    """Compare files with their lines in .sfv files; where there are none of these, nothing is known.

    FormatError names the file that differs, or that has no line.
    """
    if not checksums:
        return
    known = {}
    for path in checksums:
        for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(" ")
            known[name] = value or "no checksum"
    where = " and ".join(map(str, checksums))
    for path in files:
        expected, found = known.get(Path(path).name, "no line"), f"{crc32(path):08X}"
        if found != expected:
            raise FormatError(
                f"{path}: damaged: its CRC-32 is {found}, {where} has {expected}; delete it and run again"
            )


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digests(metrics: Path, *names: str) -> None:
    """Compare the files that a training left with the digests in its metrics; all of them, unless named.

    FormatError names the one that differs.
    """
    known = read_json(metrics).get("sha256", {})
    for name in names or known:
        path = metrics.with_name(name)
        if name in known and path.exists() and sha256(path) != known[name]:
            raise FormatError(
                f"{path}: damaged: its SHA-256 is not the one in {metrics}; delete it and run again"
            )
