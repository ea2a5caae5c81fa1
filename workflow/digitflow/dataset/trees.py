"""Trees of many small files: written and read with the fewest system calls, whole or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from digitflow.base.errors import DigitflowError, FormatError

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
READ_BYTES = 1 << 16  # a digit in one call, with room


@contextlib.contextmanager
def atomic_tree(tree: str | os.PathLike) -> Iterator[Path]:
    """Yield an empty folder beside `tree`; put it in the place of `tree` on success, remove it on failure.

    DigitflowError for a full disk and the like.
    """
    tree = Path(tree)
    # This process's own names, as in files.py; what a killed one left is removed.
    temporary, old = (tree.with_name(f".{kind}.{os.getpid()}.{tree.name}") for kind in ("partial", "old"))
    try:
        _remove(*tree.parent.glob(f".partial.*.{tree.name}"), *tree.parent.glob(f".old.*.{tree.name}"))
        temporary.mkdir(parents=True)
        yield temporary
        if tree.exists():
            tree.rename(old)
        temporary.rename(tree)
    except OSError as error:
        raise DigitflowError(f"{tree}: cannot be written: {_reason(error)}") from error
    finally:
        _remove(temporary, old)


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{error.strerror}; each file takes a disk block, often 4 KiB, and an inode: see df -h and df -i"
        )
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


@contextlib.contextmanager
def open_folders(*paths: Path, make: bool = False) -> Iterator[list[int]]:
    """Yield the folders' descriptors: a name relative to one is looked up in one step."""
    with contextlib.ExitStack() as stack:
        folders = []
        for path in paths:
            if make:
                path.mkdir(exist_ok=True)
            folders.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
            stack.callback(os.close, folders[-1])
        yield folders


def write_files(contents: Iterable[bytes], names: Iterable[str], folders: Iterable[int]) -> None:
    """Create files, each relative to its folder's descriptor."""
    # This loop is the cost of a tree: three calls a file, and nothing else.
    for data, name, folder in zip(contents, names, folders, strict=True):
        file = os.open(name, CREATE, 0o666, dir_fd=folder)
        try:
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)


def read_files(paths: Iterable[str], root: str | os.PathLike) -> Iterator[bytes]:
    """Yield the contents of files below `root`. FormatError names the one that cannot be read."""
    path = "."
    try:
        with open_folders(Path(root)) as (folder,):
            for path in paths:
                yield _read_file(path, folder)
    except OSError as error:
        raise FormatError(f"{Path(root, path)}: cannot be read: {error.strerror}") from error


def _read_file(path: str, folder: int) -> bytes:
    file = os.open(path, os.O_RDONLY, dir_fd=folder)
    try:
        data = part = os.read(file, READ_BYTES)
        while len(part) == READ_BYTES:
            part = os.read(file, READ_BYTES)
            data += part
        return data
    finally:
        os.close(file)


def update(images, tree, lists, manifest):
    """Stub"""
    import shutil

    from digitflow.base import checksums
    from digitflow.formats import idx, lst, png

    shutil.rmtree(tree, ignore_errors=True)
    pixels = idx.read(images)
    names = []
    for name in lists:
        listing = lst.read(name)
        for index, path in zip(listing.index.tolist(), listing.path):
            p = Path("data/png", path)
            p.parent.mkdir(parents=True, exist_ok=True)
            p.write_bytes(png.encode(pixels[index - 1][None])[0])
            names.append(p)
    checksums.write(manifest, names)
