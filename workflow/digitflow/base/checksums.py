"""Checksums of IDX files and lists, whose formats have no place for one: in .sfv files, lines of `name hex`.

Comment lines of the .sfv files, `; sha256 hex "path"`, name the user's files that those were made from.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import PathLike, atomic_open, open_to_read, read_json

MADE_FROM = "; sha256 "


def crc32(path: PathLike) -> int:
    """The CRC-32 of a file's bytes, as zlib computes it; ISA-L, if installed, does so at 10 GB a second.

    InputError: the file cannot be opened.
    """
    try:
        from isal.isal_zlib import crc32 as update
    except ImportError:  # in MXNet's environment
        from zlib import crc32 as update
    value = 0
    with open_to_read(path) as file:
        while block := file.read(1 << 20):
            value = update(block, value)
    return value


def write(path: PathLike, files: Sequence[PathLike], made_from: Mapping[str, str] | None = None) -> None:
    """Write the checksums of files to an .sfv file; `made_from`: the digests that `watched` took."""
    with atomic_open(path, "w") as file:
        file.writelines(f"{Path(name).name} {crc32(name):08X}\n" for name in files)
        # As JSON, which can represent every name that a file can have.
        file.writelines(f"{MADE_FROM}{hex} {json.dumps(name)}\n" for name, hex in (made_from or {}).items())


@contextlib.contextmanager
def watched(*paths: Path) -> Iterator[dict[str, str]]:
    """The SHA-256 of the files that a block reads, by their paths; filled in when the block has ended.

    InputError: a file was changed or replaced meanwhile, so that it is not known what was read.
    """
    digests: dict[str, str] = {}
    before = [_state(path) for path in paths]
    yield digests
    for path, state in zip(paths, before, strict=True):
        digests[str(path)] = sha256(path)
        if _state(path) != state:
            raise InputError(f"{path}: it was changed while it was read; run again")


def read_made_from(checksums: Sequence[PathLike]) -> dict[str, str]:
    """The SHA-256 of the user's files that the files of these .sfv files were made from, by their paths.

    FormatError: a line is damaged.
    """
    found = {}
    for path in checksums:
        for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(MADE_FROM):
                digest, _, name = line.removeprefix(MADE_FROM).partition(" ")
                try:
                    found[json.loads(name)] = digest
                except (ValueError, TypeError) as error:
                    raise FormatError(f"{path}: damaged: {line!r}; delete it and run again") from error
    return found


def read(path: PathLike) -> dict[str, str]:
    """The lines of an .sfv file by their first words: each file's CRC-32 by its name, and comments."""
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: value or "no checksum" for name, _, value in (line.partition(" ") for line in lines)}


def of_images(checksums: Sequence[PathLike]) -> dict[str, str]:
    """The CRC-32 of the IDX files of images, by their parts: train, test.

    `checksums`: the .sfv files beside them; missing ones are skipped.
    """
    found = {}
    for path in filter(Path.exists, map(Path, checksums)):
        for name, value in read(path).items():
            if name.startswith(f"{path.stem}-images"):
                found[path.stem] = value
    return found


def check(checksums: Sequence[PathLike], *files: PathLike) -> None:
    """Compare files with their lines in .sfv files; without .sfv files nothing is checked.

    FormatError names the file that differs, or that has no line.
    """
    if not checksums:
        return
    known = {name: value for path in checksums for name, value in read(path).items()}
    where = " and ".join(map(str, checksums))
    for path in files:
        expected, found = known.get(Path(path).name, "no line"), f"{crc32(path):08X}"
        if found != expected:
            raise FormatError(
                f"{path}: damaged: its CRC-32 is {found}, in {where}: {expected}; delete it and run again"
            )


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state(path: Path) -> tuple[int, ...] | None:
    """What differs when a file has changed; None if it is missing, which opening it will report."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_digests(metrics: Path, *names: str) -> None:
    """Compare the files of a training with the digests in its metrics: those named, else all.

    FormatError names the file that differs.
    """
    known = read_json(metrics).get("sha256", {})
    for name in names or known:
        path = metrics.with_name(name)
        if name in known and path.exists() and sha256(path) != known[name]:
            raise FormatError(
                f"{path}: damaged: its SHA-256 is not the one in {metrics}; delete it and run again"
            )
