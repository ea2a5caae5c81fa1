"""Images that do not come as a CSV: a folder of PNG files, or IDX files."""

import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from digitflow.base.archives import open_csv
from digitflow.base.errors import InputError
from digitflow.base.progress import Progress
from digitflow.dataset.classes import label_of_folder
from digitflow.dataset.conversion import Source
from digitflow.formats import idx
from digitflow.formats.layout import Block

PathLike = str | os.PathLike
BLOCK = 2048  # images at a time
MODES = {"L": (), "RGB": (3,)}
# What systems leave in folders, and nobody put there.
LEFT_BEHIND = re.compile(r"\..*|@eaDir|#recycle|Thumbs\.db|ehthumbs\.db|desktop\.ini|Icon\r", re.IGNORECASE)


def read_folder(folder: PathLike, labelled: bool) -> Source:
    """The PNG files of a folder, in the order of their paths.

    `labelled`: they lie in folders named like their labels, as in data/png/train; else in `folder` itself.
    The ids of the test images are the files' names without .png. InputError names the file that is no PNG
    file in 8-bit grey or RGB, or of another size than the first.
    """
    paths = _png_files(Path(folder), labelled)
    first = _read_png(paths[0])
    return Source(f"{folder}", first.shape, _folder_blocks(folder, paths, first, labelled))


def _png_files(folder: Path, labelled: bool) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder: data.folder needs train/LABEL/*.png and test/*.png")
    parents = [path for path in _entries(folder) if path.is_dir()] if labelled else [folder]
    strays = [path for path in _entries(folder) if not path.is_dir()] if labelled else []
    files = [path for parent in parents for path in _entries(parent)]
    for path in chain(strays, files):
        if path.suffix.lower() != ".png" or path.is_dir() or path in strays:
            what = "a folder for each label" if labelled else "PNG files"
            raise InputError(f"{path}: {folder} should hold {what} and nothing else: move it away")
    if not files:
        raise InputError(f"{folder}: no PNG files{' in folders named like their labels' * labelled}")
    return files


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name, without what systems leave there."""
    return sorted(path for path in folder.iterdir() if not LEFT_BEHIND.fullmatch(path.name))


def _read_png(path: Path) -> np.ndarray:
    """Read a PNG file: uint8 (h, w), or (h, w, 3) in RGB."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.mode not in MODES:
                raise InputError(
                    f"{path}: a PNG file of Pillow's mode {image.mode}, not 8-bit grey (L) or RGB: convert "
                    "it, with ImageMagick: mogrify -colorspace Gray -depth 8 -alpha off FILE"
                )
            return np.asarray(image)
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a whole PNG file: {error}") from error


def _folder_blocks(folder: PathLike, paths: list[Path], first: np.ndarray, labelled: bool) -> Iterator[Block]:
    with Progress(f"{folder}: PNG", len(paths), "images") as progress:
        for start in range(0, len(paths), BLOCK):
            some = paths[start : start + BLOCK]
            images = np.empty((len(some), *first.shape), np.uint8)
            for image, path in zip(images, some, strict=True):
                found = _read_png(path)
                if found.shape != first.shape:
                    raise InputError(f"{path}: shape {found.shape}, {paths[0]} has {first.shape}")
                image[:] = found
            labels = [label_of_folder(path.parent.name) for path in some] if labelled else None
            yield Block(images, labels, None if labelled else [path.stem for path in some])
            progress.advance(len(some))


def read_idx(
    images: PathLike, labels: PathLike | None = None, classes: Sequence[str] | None = None
) -> Source:
    """IDX files of images and labels, plain or gzipped; they are read into memory whole.

    `classes`: what the labels are called, as classes.csv has it; None: their numbers.

    Images have three dimensions, or four in RGB. Labels have one; of two, as QMNIST's, the first column
    counts. FormatError or InputError: a file is damaged, or they do not fit together.
    """
    pixels = idx.parse(_unpacked(images), images, idx.IMAGES)
    if pixels.dtype != np.uint8 or pixels.shape[3:] not in ((), (3,)):
        raise InputError(f"{images}: {pixels.dtype} {pixels.shape}: images need bytes, in grey or in RGB")
    texts = None
    if labels is not None:
        numbers = idx.parse(_unpacked(labels), labels, (1, 2))
        numbers = numbers if numbers.ndim == 1 else numbers[:, 0]
        if len(numbers) != len(pixels):
            raise InputError(f"{labels}: {len(numbers):,} labels, {images} has {len(pixels):,} images")
        texts = [_called(number, classes, labels) for number in numbers.tolist()]
    blocks = (
        Block(pixels[at : at + BLOCK], texts and texts[at : at + BLOCK], None)
        for at in range(0, len(pixels), BLOCK)
    )
    return Source(f"{images}", pixels.shape[1:], blocks)


def _called(number: int, classes: Sequence[str] | None, where: PathLike) -> str:
    if classes is None:
        return str(number)
    if not 0 <= number < len(classes):
        raise InputError(f"{where}: label {number}; there are {len(classes)} classes")
    return classes[number]


def _unpacked(path: PathLike) -> bytes:
    with open_csv(path) as stream:
        return b"".join(iter(lambda: stream.read(1 << 20), b""))


def find_csv(folder: PathLike, name: str) -> Path:
    """The CSV of that name in a folder as the competition's page gives it: plain, or packed in a zip archive.

    The archive may hold that file alone (train.csv.zip), or all of the competition (digit-recognizer.zip):
    then the path is ARCHIVE.zip/NAME. Where there is nothing, it is FOLDER/NAME, of which the reader says so.
    """
    folder = Path(folder)
    for path in (folder / name, folder / f"{name}.zip", folder / f"{name}.gz"):
        if path.exists():
            return path
    for path in sorted(folder.glob("*.zip")):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if name in archive.namelist():
                    return path / name
    return folder / name


def find_idx(folder: PathLike, part: str) -> tuple[Path, Path | None]:
    """The IDX files of images and labels of `part`, train or test, under their usual names, .gz or not.

    InputError: there are no images, or several files of them.
    """
    names = ("train",) if part == "train" else ("test", "t10k")
    found = {
        kind: [
            path
            for name in names
            for dimensions in kinds
            for suffix in ("", ".gz")
            for separator in ("-", ".")  # unpacked by some programs: train-images.idx3-ubyte
            if (path := Path(folder, f"{name}-{kind}{separator}idx{dimensions}-ubyte{suffix}")).exists()
        ]
        for kind, kinds in (("images", (3, 4)), ("labels", (1,)))
    }
    for kind, paths in found.items():
        if len(paths) > 1:
            raise InputError(f"{folder}: {paths[0].name} and {paths[1].name}: keep one of them")
        if not paths and (kind == "images" or part == "train"):
            raise InputError(
                f"{folder}: no {names[0]}-{kind}-idx{'3' if kind == 'images' else '1'}-ubyte[.gz]"
            )
    return found["images"][0], found["labels"][0] if found["labels"] else None
