"""Stamps of what people own: texts that change with a file or a folder, by which rules notice another one.

Snakemake asks only whether an input is newer than an output. A file that was replaced by an older one (mv,
unzip, cp -p) is not, nor is one behind a link that now leads elsewhere, and of a folder it sees only its own
time. Every start of Snakemake makes these stamps, so this module imports nothing large, and reads only as
much of large files and folders as takes a few milliseconds. A copy of the project, even by tar, has the same
stamps: neither inodes nor absolute paths nor fractions of a second count.
"""

import hashlib
import os

from digitflow.base.archives import split_member
from digitflow.base.files import PathLike
from digitflow.dataset.locations import files_below

DIGITS = 20  # of a stamp: this tells the console that it is no digest of code, which has 16
SMALL = 1_000_000  # bytes up to which Snakemake compares contents, too, so that a touch changes nothing
SAMPLES, SAMPLE = 16, 1 << 16  # of a larger file: this many pieces of this many bytes, from start to end
FILES, END = 1000, 1 << 12  # of a folder: for up to this many of its files, this many of the last bytes


def of(*paths: PathLike | None) -> str:
    """The stamp of files and folders together, in hexadecimal; None and empty paths are skipped.

    A small file counts by its contents, a larger one by its size, its time and samples of its contents, a
    folder by the paths, sizes and times of all files below it and the ends of up to FILES of them. A file in
    an archive counts as the archive.
    """
    digest = hashlib.sha256()
    for path in filter(None, paths):
        digest.update(_of_one(path))
    return digest.hexdigest()[:DIGITS]


def _of_one(path: PathLike) -> bytes:
    path = split_member(path)[0]
    try:
        if path.is_dir():
            return _of_folder(path)
        status = path.stat()
        if status.st_size <= SMALL:
            return hashlib.sha256(path.read_bytes()).digest()
        return _told_by(status) + _samples_of(path, status.st_size)
    except OSError:  # the job that reads it says what is wrong
        return b"unreadable"


def _samples_of(path: PathLike, size: int) -> bytes:
    """The digest of pieces of a file, from its start to its end, where packed files have checksums of all."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        for number in range(SAMPLES):
            file.seek((size - SAMPLE) * number // (SAMPLES - 1))
            digest.update(file.read(SAMPLE))
    return digest.digest()


def _of_folder(folder: PathLike) -> bytes:
    lines = []
    for name, entry in files_below(folder):
        try:
            status = entry.stat()
            lines.append((os.fsencode(name) + b"\0" + _told_by(status), entry.path, status.st_size))
        except OSError:  # a link to nowhere
            lines.append((os.fsencode(name), entry.path, 0))
    lines.sort()
    digest = hashlib.sha256(b"\n".join([told for told, _, _ in lines]))
    # Of more files, every second or third one: if all are replaced, so are these.
    for _, path, size in lines[:: -(-len(lines) // FILES) or 1]:
        digest.update(_end_of(path, size))
    return digest.digest()


def _end_of(path: PathLike, size: int) -> bytes:
    """The last bytes of a file: there a PNG has a checksum of all its pixels."""
    if not size:  # what is no file, such as a pipe, has none either
        return b""
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(max(0, size - END))
            return file.read(END)
    except OSError:
        return b"unreadable"


def _told_by(status: os.stat_result) -> bytes:
    """Size and time in whole seconds, which is all that tar and many file systems keep."""
    return b"%d %d" % (status.st_size, int(status.st_mtime))
