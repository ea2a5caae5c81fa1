"""Open a CSV that is plain, gzipped or in a zip archive: told apart by the first bytes, not by the name.

A path such as `digit-recognizer.zip/train.csv` is one of several files in an archive.
"""

import contextlib
import gzip
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, BinaryIO

from digitflow.base.errors import InputError

# MNIST as CSV shrinks to an eighth. Blank images reach deflate's limit of about 1000, so a small file may
# have any ratio; only a file that also unpacks to many bytes is taken for a decompression bomb.
MAX_RATIO = 200
RATIO_FLOOR = 1 << 28  # 256 MiB take only seconds to parse, and no more memory
MAX_UNPACKED = 1 << 34  # 16 GiB: nine million MNIST images


class Stream:
    """Bytes of a CSV, packed or not; any failure while reading is an InputError.

    `size`: bytes in all, None for a packed file. `total`: bytes read so far.
    """

    def __init__(self, path: Path, file: IO[bytes], kind: str, packed_size: int):
        self._path, self._file, self._kind, self._packed_size = path, file, kind, packed_size
        self.size = packed_size if kind == "file" else None
        self.total = 0

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        with _damage_is_an_input_error(self._path, self._kind):
            data = self._file.read(size)
        self.total += len(data)
        if self.size is None:
            self._refuse_bomb()
        return data

    def read_all(self) -> bytes:
        """Return the rest, read in pieces, so that a file that unpacks to too many bytes is refused early."""
        return b"".join(iter(lambda: self.read(1 << 20), b""))

    def _refuse_bomb(self) -> None:
        if self.total > MAX_UNPACKED:
            limit = f"{MAX_UNPACKED >> 30} GiB"
        elif self.total > max(RATIO_FLOOR, MAX_RATIO * self._packed_size):
            limit = f"{MAX_RATIO} times its size"
        else:
            return
        raise InputError(
            f"{self._path}: unpacks to more than {limit}, like a decompression bomb; if it is none, unpack it"
        )


@contextlib.contextmanager
def open_csv(path: str | os.PathLike) -> Iterator[Stream]:
    """Open a CSV, plain, gzipped or in a zip archive. Raises InputError, also while reading."""
    path, name = split_member(path)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_open_file(path))
        size = os.fstat(file.fileno()).st_size
        with _damage_is_an_input_error(path, "file"):
            magic = file.peek(4)[:4]
        if magic[:2] == b"\x1f\x8b":
            packed = stack.enter_context(gzip.GzipFile(fileobj=file))
            yield Stream(path, packed, "gzip file", size)
        elif magic in (b"PK\x03\x04", b"PK\x05\x06"):
            with _damage_is_an_input_error(path, "zip archive"):
                archive = stack.enter_context(zipfile.ZipFile(file))
                packed = stack.enter_context(archive.open(_csv_member(path, archive.infolist(), name)))
            yield Stream(path, packed, "zip archive", size)
        else:
            yield Stream(path, file, "file", size)


def split_member(path: str | os.PathLike) -> tuple[Path, str | None]:
    """The file of a path and, if that file is a zip archive, the name of the member in it, else None."""
    path = Path(path)
    with contextlib.suppress(OSError):  # opening the file will report what is wrong
        for parent in path.parents:
            if parent.is_file() and zipfile.is_zipfile(parent):
                return parent, path.relative_to(parent).as_posix()
    return path, None


def check_readable(path: str | os.PathLike) -> None:
    """Raise InputError unless `path` is a regular file that may be read."""
    _open_file(split_member(path)[0]).close()


def _open_file(path: Path) -> BinaryIO:
    try:
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path}: a link to {path.readlink()}, which does not exist")
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{path}: a folder, not a CSV file")
        if not stat.S_ISREG(mode):
            raise InputError(f"{path}: a pipe or device, not a regular file")
        return open(path, "rb")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read it") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from error


def names_in_zip(path: str | os.PathLike) -> list[str]:
    """The names in a zip archive, except those that macOS adds; none for other files. InputError: damaged."""
    path = Path(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        return []
    with _damage_is_an_input_error(path, "zip archive"), zipfile.ZipFile(path) as archive:
        return [name for name in archive.namelist() if not name.startswith("__MACOSX/")]


@contextlib.contextmanager
def _damage_is_an_input_error(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    # gzip, zipfile, zlib, lzma and struct raise a dozen unrelated types for damaged bytes.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{path}: a damaged or unreadable {kind}: {reason}") from error


def _csv_member(path: Path, members: list[zipfile.ZipInfo], wanted: str | None) -> str:
    """The member of an archive with the name that is wanted or, if none is, its only CSV."""
    for member in members:
        _refuse_unsafe(path, member)
    # macOS adds a __MACOSX/._train.csv to each train.csv.
    names = [m.filename for m in members if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    listed = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    if wanted is not None:
        found = [name for name in names if name == wanted] or [
            name for name in names if PurePosixPath(name).name == wanted
        ]
        if len(found) > 1:
            raise InputError(f"{path}: which of {', '.join(map(repr, found))}? Write {path.name}/{found[0]}")
        if not found:
            raise InputError(f"{path}: this archive has no {wanted!r}, only [{listed}]")
        return found[0]
    if looks := _other_archive(names):
        raise InputError(f"{path}: this looks like {looks}")
    tables = [name for name in names if name.lower().endswith(".csv")]
    if len(tables) != 1:
        choice = f"; name the one you mean, such as {path.name}/{tables[0]}" if tables else ""
        raise InputError(
            f"{path}: a zip archive must hold one .csv file, not {len(tables)}: [{listed}]{choice}"
        )
    return tables[0]


def _other_archive(names: list[str]) -> str | None:
    """Say what a zip archive with these members is, if it is not one of CSVs."""
    if names and all(name.endswith(".npy") for name in names):
        return "numpy arrays (npz): load them with numpy.load and save them as CSV, one row per image"
    if "xl/workbook.xml" in names:
        return "an Excel workbook (xlsx): save the sheet as CSV"
    if "content.xml" in names and "mimetype" in names:
        return "an OpenDocument spreadsheet: save the sheet as CSV"
    if names and all(name.lower().endswith(".png") for name in names):
        return "a zip archive of PNG files: unpack it and set data.source to folder"
    return None


def _refuse_unsafe(path: Path, member: zipfile.ZipInfo) -> None:
    """Refuse members made to do harm (even though nothing is unpacked to disk) or that cannot be read."""
    name = member.filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or PureWindowsPath(name).drive:
        raise InputError(f"{path}: {name!r} points outside the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(f"{path}: {name!r} is a link, not a file")
    if member.flag_bits & 1:
        raise InputError(f"{path}: {name!r} is encrypted: unpack it yourself")
