"""Where files are: those of a source, under their usual names, and those of a project."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from digitflow.base import checksums
from digitflow.base.archives import names_in_zip
from digitflow.base.errors import InputError
from digitflow.base.files import PathLike

TEST_NAMES = ("test", "t10k")
ENDINGS = {"images": "idx[34]-ubyte", "labels": "idx1-ubyte|idx2-int"}  # the last one is QMNIST's
# What systems leave in folders, and nobody put there.
SYSTEM_FILES = re.compile(
    r"\._.*|\.ds_store|(eh)?thumbs(_vista)?\.db|desktop\.ini|icon\r|@eadir|#recycle|\.directory|\.nfs.*",
    re.IGNORECASE,
)
LEFT_BEHIND = re.compile(rf"\..*|{SYSTEM_FILES.pattern}", re.IGNORECASE)  # beside images, all that is hidden


def enter_project(path: PathLike, place: str) -> Path:
    """Make the project that has `path` at `place` the working directory; return the path from there.

    If it is elsewhere, nothing changes.
    """
    parts, absolute = Path(place).parts, Path(path).absolute()
    if absolute.parts[-len(parts) :] != parts:
        return Path(path)
    os.chdir(absolute.parents[len(parts) - 1])
    return Path(place)


def find_csv(folder: PathLike, name: str) -> Path:
    """The CSV of that name in a folder as the competition's page gives it: plain, or packed in a zip archive.

    The archive may hold that file alone (train.csv.zip), or all of the competition (digit-recognizer.zip):
    then the path is ARCHIVE.zip/NAME. If there is none, it is FOLDER/NAME, and its reader says so.
    """
    folder = Path(folder)
    for path in (folder / name, folder / f"{name}.zip", folder / f"{name}.gz"):
        if path.exists():
            return path
    for path in sorted(folder.glob("*.zip")):
        if name in names_in_zip(path):
            return path / name
    return folder / name


def idx_files(folder: PathLike, part: str, kind: str) -> list[Path]:
    """All IDX files of a folder that may be those of `part`, train or test, and `kind`, images or labels."""
    names = "train" if part == "train" else "|".join(TEST_NAMES)
    usual = re.compile(rf"([^.].*-)?({names})-{kind}[-.]({ENDINGS[kind]})([.]gz)?")  # some unpack .idx
    return sorted(path for path in Path(folder).glob("*") if usual.fullmatch(path.name))


def find_idx(folder: PathLike, part: str) -> tuple[Path, Path | None]:
    """The IDX files of images and labels of `part`, train or test, under their usual names, .gz or not.

    A data set's own name may come first, as in emnist-letters-train-images-idx3-ubyte. InputError: there are
    no images, or several files of them.
    """
    found = {kind: idx_files(folder, part, kind) for kind in ENDINGS}
    for kind, paths in found.items():
        if len(paths) > 1:
            raise InputError(f"{folder}: has both {paths[0].name} and {paths[1].name}: keep one of them")
        if not paths and (kind == "images" or part == "train"):
            raise InputError(f"{folder}: no {part}-{kind}-idx{'3' if kind == 'images' else '1'}-ubyte[.gz]")
    return found["images"][0], found["labels"][0] if found["labels"] else None


def converted_images(folder: PathLike, part: str) -> Path | None:
    """The IDX file of a part's images, train or test, in the folder of a run; None if there is none.

    A change of data.image.channels leaves the one before: the checksums beside them name the last one.
    """
    found = sorted(Path(folder).glob(f"{part}-images-idx[34]-ubyte"))
    beside = Path(folder, f"{part}.sfv")
    known = checksums.read(beside) if beside.exists() else {}
    return next((path for path in found if path.name in known), found[0] if found else None)


def files_below(folder: PathLike) -> Iterator[tuple[str, os.DirEntry]]:
    """All files below a folder, by their paths from there; not those that systems leave. Links are followed.

    The order is that of the file system.
    """
    waiting, seen = [("", os.fspath(folder))], set()
    while waiting:
        above, path = waiting.pop()
        if (real := os.path.realpath(path)) in seen:  # a link to a folder that it is in
            continue
        seen.add(real)
        with os.scandir(path) as entries:
            for entry in entries:
                if LEFT_BEHIND.fullmatch(entry.name):
                    continue
                if entry.is_dir():
                    waiting.append((f"{above}{entry.name}/", entry.path))
                else:
                    yield above + entry.name, entry


def names_of_classes(folder: PathLike) -> Path | None:
    """The file beside IDX files that says what their labels are called, if there is one."""
    path = Path(folder, "classes.csv")
    return path if path.exists() else None
