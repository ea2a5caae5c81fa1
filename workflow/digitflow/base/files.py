"""Files that appear whole or not at all."""

import contextlib
import csv
import glob
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from digitflow.base.errors import DigitflowError, FormatError, InputError

PathLike = str | os.PathLike
CRLF = "\r\n"
ROOM = 4 << 10  # bytes that must be free on the disk before long work begins


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it to `path` on success, remove it on failure.

    The temporary name ends like the final one, for libraries that choose a format by the suffix. It holds
    this process's id, so that a job that outlived its Snakemake cannot move another job's half-written file
    into place; what killed jobs left is removed. DigitflowError for a full disk and the like.
    """
    path = Path(path)
    temporary = path.with_name(f".partial.{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".partial.*.{glob.escape(path.name)}"):
            left.unlink(missing_ok=True)
        yield temporary
        # The data must be on disk before the name is: a rename can survive a power cut that the data do not.
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # If another file is written within this block, its error is left to its own block.
        if error.filename not in (None, str(temporary), str(path.parent)):
            raise
        raise DigitflowError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_open(path: PathLike, mode: str = "wb") -> Iterator[IO]:
    """Open a file that takes its final name only when the block ends without an error; `mode` is wb or w.

    Text is UTF-8 with bare newlines, whatever the locale.
    """
    with atomic_path(path) as temporary, io.BufferedWriter(_NamedFile(str(temporary), "w")) as file:
        if "b" in mode:
            yield file
        else:
            with io.TextIOWrapper(file, encoding="utf-8", newline="\n") as text:
                yield text


def open_to_read(path: PathLike, mode: str = "rb", **options) -> IO:
    """Open an existing file; `options` are those of `open`. InputError: it cannot be opened."""
    try:
        return open(path, mode, **options)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from error


def check_writable(path: PathLike) -> None:
    """Find out before long work whether its result can be written: DigitflowError if it cannot.

    This leaves nothing behind, so it does not make a missing folder.
    """
    if not Path(path).parent.is_dir():
        return
    with contextlib.suppress(_WrittenError), atomic_open(path) as file:
        file.write(bytes(ROOM))
        file.flush()
        raise _WrittenError


class _WrittenError(Exception):
    """Ends a block of `atomic_open` that leaves nothing."""


class _NamedFile(io.FileIO):
    """A file whose errors hold its name, because several files are written at a time."""

    def write(self, data) -> int | None:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = self.name
            raise


def remove_whole(paths: Iterable[PathLike]) -> None:
    """Remove files, and folders with all their contents."""
    for path in map(Path, paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_rows(path: PathLike, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows, the header first, as CSV, whole or not at all."""
    with atomic_open(path, "w") as file:
        csv.writer(bare_lines(file), lineterminator=CRLF).writerows(rows)


def bare_lines(file: IO[str]) -> Any:
    """A file for a CSV writer whose lines end in CRLF: they end in a bare newline in `file`.

    A writer quotes a cell only for the characters that end its own lines, but a lone CR without quotes ends a
    line for those who read it.
    """
    return SimpleNamespace(write=lambda line: file.write(line.removesuffix(CRLF) + "\n"))


def write_json(path: PathLike, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    with atomic_open(path, "w") as file:
        file.write(json.dumps(value, indent=2) + "\n")


def read_json(path: PathLike) -> dict[str, Any]:
    """Read a file that holds one JSON object. FormatError names the file and what is wrong with it."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: damaged: {error}; delete it and run again") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path}: damaged: not a JSON object; delete it and run again")
    return value


def digest_of_json(value: Any) -> str:
    """The SHA-256 of a JSON value in any order of keys; values unknown to JSON count by their repr."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()
