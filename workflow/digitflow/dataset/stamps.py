"""Stamps of what people own: texts that change with a file or a folder, by which rules know another one.

Snakemake asks only whether an input is newer than an output. A file that was replaced by an older one (mv,
unzip, cp -p) is not, and of a folder it sees no more than its own time. Every start of Snakemake makes these
stamps, so this module imports nothing large, and no large file is read.
"""

import hashlib
import os

from digitflow.base.archives import split_member
from digitflow.dataset.locations import files_below

PathLike = str | os.PathLike
DIGITS = 20  # of a stamp: by their number the console tells it from a digest of code, which has 16
SMALL = 1_000_000  # bytes up to which Snakemake compares contents, too, so that a touch changes nothing


def of(*paths: PathLike | None) -> str:
    """The stamp of files and folders together, in hexadecimal; None and empty paths are passed over.

    A small file counts by its contents, a larger one by its size and time, a folder by the paths, sizes and
    times of all files below it. A file of an archive counts as the archive.
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
    except OSError:  # the job that reads it says what is wrong
        return b"unreadable"
    return _told_by(status)


def _of_folder(folder: PathLike) -> bytes:
    lines = []
    for name, entry in files_below(folder):
        try:
            lines.append(os.fsencode(name) + b"\0" + _told_by(entry.stat()))
        except OSError:  # a link to nowhere
            lines.append(os.fsencode(name))
    return hashlib.sha256(b"\n".join(sorted(lines))).digest()


def _told_by(status: os.stat_result) -> bytes:
    """Size and time in whole seconds, which is all that tar and many file systems keep."""
    return b"%d %d" % (status.st_size, int(status.st_mtime))
