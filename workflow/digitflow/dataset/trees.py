"""Trees of many small files: written and read with the fewest system calls, whole or not at all."""

import contextlib
import errno
import glob
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from digitflow.base.errors import DigitflowError, InputError
from digitflow.dataset.inventory import some
from digitflow.dataset.locations import SYSTEM_FILES

MOST_OPEN = 100  # folders at a time: a process may have 1,024 open files, on macOS 256
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
READ_BYTES = 1 << 16  # a digit in one call, with room


@contextlib.contextmanager
def atomic_tree(tree: str | os.PathLike, replace: bool = True) -> Iterator[Path]:
    """Yield an empty folder beside `tree`; put it in place of `tree` on success, remove it on failure.

    With `replace` false, a `tree` that exists by then and is not empty is a failure. DigitflowError for that,
    a full disk and the like.
    """
    tree = Path(tree)
    old = tree.with_name(f".old.{os.getpid()}.{tree.name}")
    try:
        _remove(*tree.parent.glob(f".old.*.{glob.escape(tree.name)}"))
        with spare_folder(tree) as temporary:
            yield temporary
            if replace and tree.exists():
                tree.rename(old)
            temporary.rename(tree)
    except OSError as error:
        raise DigitflowError(f"{tree}: cannot be written: {reason(error)}") from error
    finally:
        _remove(old)


@contextlib.contextmanager
def spare_folder(tree: Path) -> Iterator[Path]:
    """Yield an empty folder beside `tree`, on its disk, that is removed in the end."""
    # This process's own name, as in files.py; what a killed one left is removed.
    folder = tree.with_name(f".partial.{os.getpid()}.{tree.name}")
    try:
        _remove(*tree.parent.glob(f".partial.*.{glob.escape(tree.name)}"))
        folder.mkdir(parents=True)
        yield folder
    finally:
        _remove(folder)


def check_own(folder: Path, is_own: Callable[[Path], bool]) -> None:
    """Make sure, before the folder of a page is replaced, that all in it is the page's own.

    `is_own` is asked about each file. What systems leave in folders does not count. InputError names
    everything else.
    """
    if not folder.exists():
        return
    found = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    strangers = [
        path.name
        for path in found
        if not SYSTEM_FILES.fullmatch(path.name) and not (path.is_file() and is_own(path))
    ]
    if strangers:
        raise InputError(
            f"{folder}: the page would replace something that is not its own: {some(strangers)}. "
            "Nothing was changed; move it away and run again"
        )


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def reason(error: OSError) -> str:
    """Why a tree cannot be written; of a full disk, also what to look at."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{error.strerror}; each file takes a disk block, often 4 KiB, and an inode: see df -h and df -i"
        )
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


@contextlib.contextmanager
def open_folders(*paths: Path, make: bool = False) -> Iterator[list[int | Path]]:
    """Yield the folders' descriptors: a name relative to one is looked up in one step.

    For those beyond MOST_OPEN, the paths.
    """
    with contextlib.ExitStack() as stack:
        folders = []
        for path in paths:
            if make:
                path.mkdir(exist_ok=True)
            if len(folders) >= MOST_OPEN:
                folders.append(path)
                continue
            folders.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
            stack.callback(os.close, folders[-1])
        yield folders


def _open(name: str, flags: int, folder: int | Path) -> int:
    if isinstance(folder, Path):
        return os.open(folder / name, flags, 0o666)
    return os.open(name, flags, 0o666, dir_fd=folder)


def write_files(contents: Iterable[bytes], names: Iterable[str], folders: Iterable[int | Path]) -> None:
    """Create files, each in its folder as `open_folders` has it."""
    # This loop is the cost of a tree: three calls a file, and nothing else.
    for data, name, folder in zip(contents, names, folders, strict=True):
        file = _open(name, CREATE, folder)
        try:
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)


def read_file(path: str, folder: int | Path) -> bytes:
    """The contents of a file below a folder as `open_folders` has it."""
    file = _open(path, os.O_RDONLY, folder)
    try:
        data = part = os.read(file, READ_BYTES)
        while len(part) == READ_BYTES:
            part = os.read(file, READ_BYTES)
            data += part
        return data
    finally:
        os.close(file)
