"""Images from any source: a CSV, a folder of PNG files, or IDX files."""

import logging
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.archives import open_csv, split_member
from digitflow.base.errors import DigitflowError, InputError
from digitflow.base.files import PathLike
from digitflow.base.progress import Progress
from digitflow.dataset import classes as class_names
from digitflow.dataset import conversion
from digitflow.dataset.classes import label_of_folder
from digitflow.dataset.columns import values_of
from digitflow.dataset.conversion import Source
from digitflow.dataset.image_size import AUTO, image_of
from digitflow.dataset.locations import LEFT_BEHIND, files_below, names_of_classes
from digitflow.formats import idx, pixelcsv
from digitflow.formats.layout import BLANKS, Block, abbreviated, label_of, size_in_words

log = logging.getLogger("digitflow")

BLOCK = 2048  # images at a time, fewer large ones
MODES = ("L", "RGB")
CONVERT = "mogrify -format png FILE, and move the originals away"
TO_8_BIT = (
    "convert a copy, with ImageMagick: mogrify -alpha remove -depth 8 -define png:color-type=0 FILE, or =2 "
    "for colour"
)
OTHER_PICTURES = re.compile(
    r".*\.(jpe?g|jpe|jp2|tiff?|bmp|gif|webp|hei[cf]|avif|p[bgpn]m|svg|pdf)", re.IGNORECASE | re.DOTALL
)


def open_source(
    path: PathLike, data: Mapping[str, Any], train: bool, labels_file: PathLike | None = None
) -> Source:
    """Images from what `data.source` says that `path` is: a CSV, a folder of PNG files, or an IDX file.

    `labels_file`: the IDX file of the labels.
    """
    match data.get("source"):
        case "folder":
            return as_told(read_pictures(path, train), data, train)
        case "idx":
            return as_told(read_idx(path, labels_file), data, train)
    return conversion.read_csv(path, data, train)


def convert_source(
    path: PathLike,
    data: Mapping[str, Any],
    images: PathLike,
    labels: PathLike | None = None,
    classes: PathLike | None = None,
    ids: PathLike | None = None,
    labels_file: PathLike | None = None,
    like: PathLike | None = None,
) -> int:
    """Write the images of a source as an IDX file, and whatever else has a path; return how many there are.

    `data`, `labels`, `classes`, `ids` as for `conversion.to_idx`; with `labels` it is a training source.
    `like`: the other one, of test or training images, whose size these must have. Raises InputError or
    ConfigError; then no file is written.
    """
    train = labels is not None
    source = open_source(path, data, train, labels_file)
    check_channels(source, data)
    if like is not None and (shape := _other_shape(like, data, not train)):
        check_like(source, shape, like)
    return conversion.to_idx(source, data, images, labels, classes, ids)


def _other_shape(path: PathLike, data: Mapping[str, Any], train: bool) -> tuple[int, ...] | None:
    """The shape of the other images; None: the test images cannot be read, as the job that does will say."""
    try:
        return open_source(path, data, train).shape
    except DigitflowError:
        if train:
            raise
        return None


def as_told(source: Source, data: Mapping[str, Any], train: bool, check: bool = True) -> Source:
    """Pictures or IDX files as the section `data` says they are meant: `image.transpose`, `values`.

    InputError, when the blocks are read: a pixel is beyond `values`; without them, as `pixelcsv.check_scale`,
    except for a few images (`check` False), which may well be dark. `train`: whether these are trained on.
    """
    values, transposed = values_of(data), image_of(data)["transpose"]
    height, width, *channels = source.shape
    shape = (width, height, *channels) if transposed else source.shape
    return Source(source.name, shape, _blocks_as_told(source, values, transposed, train, check))


def _blocks_as_told(
    source: Source, values: tuple[float, float] | None, transposed: bool, train: bool, check: bool
) -> Iterator[Block]:
    rows = highest = 0
    for block in source.blocks:
        images = block.images.swapaxes(1, 2) if transposed else block.images
        highest = max(highest, int(images.max(initial=0)))
        if values is not None:
            start, end = values
            beyond = (images < start) | (images > end)
            if beyond.any():
                row, value = rows + int(np.argwhere(beyond)[0][0]) + 1, images[beyond][0]
                how = "write there what their numbers mean" if train else "rescale these images to it"
                raise InputError(
                    f"{source.name}, image {row:,}: {value} is not a number from {start:g} to {end:g}, the "
                    f"range in data.values for all images: {how}"
                )
            images = pixelcsv.bytes_of_whole_numbers(start, end).take(images)
        rows += len(images)
        yield block._replace(images=images)
    if values is None and check:
        pixelcsv.check_scale(source.name, highest, train)


def files_read(path: Path, data: Mapping[str, Any], labels_file: Path | None, train: bool) -> list[Path]:
    """The files from which images and labels come; none if that is a folder of pictures."""
    if data.get("source") == "folder":
        return []
    beside = names_of_classes(labels_file.parent) if labels_file else None
    labels = labels_file or (train and data.get("labels_csv"))
    return [path, *(split_member(name)[0] for name in (labels, beside) if name)]


def check_channels(source: Source, data: Mapping[str, Any]) -> None:
    """The name of an IDX file tells its dimensions, so colour is configured. InputError: it is not."""
    channels, written = (source.shape[2:] or (1,))[0], image_of(data)["channels"]
    if channels != (1 if written == AUTO else written):
        kind, other = ("grey", "RGB") if channels == 1 else ("in colour", "grey")
        raise InputError(
            f"{source.name}: the images are {kind}; if all images are, write image: {{channels: {channels}}} "
            f"under data: in the configuration; if only these are, convert them to {other}"
        )


def check_like(source: Source, shape: tuple[int, ...], like: PathLike) -> None:
    """All images must have one size. InputError: these have another than those in `like`."""
    if source.shape != shape:
        raise InputError(
            f"{source.name}: {size_in_words(source.shape)}, but {like} has {size_in_words(shape)}: a model "
            "for one size cannot label the other: use files of one data set, or scale the images of one"
        )


def read_pictures(folder: PathLike, labelled: bool) -> Source:
    """The PNG files of a folder, in the order of their paths.

    `labelled`: they are in folders named like their labels, as in data/png/train; else in `folder` itself.
    The ids of the test images are the files' names without .png. InputError names a file that is no PNG file
    in 8-bit grey or RGB, or has another size than the first, or a name that is not UTF-8.
    """
    paths = _png_files(Path(folder), labelled)
    labels = _labels_of_folders(paths) if labelled else None
    return _pictures(folder, paths, labels, None if labelled else [path.stem for path in paths])


def _labels_of_folders(paths: Sequence[Path]) -> list[str]:
    """The labels of pictures, which their folders are named after. InputError: two folders have one label."""
    folders: dict[str, str] = {}
    for folder in dict.fromkeys(path.parent for path in paths):
        label = label_of_folder(folder.name)
        if (other := folders.setdefault(label, folder.name)) != folder.name:
            raise InputError(
                f"{folder}: this and {other} beside it both mean the label {label}, as numbers like 07 and "
                "7.0 mean 7; give one a name that is not a number, or move its pictures into the other"
            )
    return [label_of_folder(path.parent.name) for path in paths]


def read_pictures_below(folder: PathLike) -> Source:
    """All PNG files below a folder, in the order of their paths, which are their ids.

    Pictures of other formats are refused, because they would get no row; a warning names other files.
    Raises as `read_pictures`.
    """
    names = sorted((name for name, _ in files_below(folder)), key=lambda name: name.split("/"))
    _check_names(folder, names)
    pictures = [name for name in names if name.lower().endswith(".png")]
    if other := [name for name in names if OTHER_PICTURES.fullmatch(name)]:
        raise InputError(
            f"{folder}: no PNG files: {abbreviated(other)}: convert them, with ImageMagick: {CONVERT}"
        )
    if not pictures:
        raise InputError(f"{folder}: there is no PNG file in it")
    if rest := [name for name in names if not name.lower().endswith(".png")]:
        log.warning("%s: skipped, because they are no PNG files: %s", folder, abbreviated(rest))
    return _pictures(folder, [Path(folder, name) for name in pictures], None, pictures)


def _pictures(folder: PathLike, paths: list[Path], labels: list[str] | None, ids: list[str] | None) -> Source:
    first = _read_png(paths[0])
    return Source(f"{folder}", first.shape, _folder_blocks(folder, paths, first, labels, ids))


def _png_files(folder: Path, labelled: bool) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder: data.folder needs train/LABEL/*.png and test/*.png")
    what = "a folder for each label" if labelled else "PNG files"
    nothing_else = f"{folder} should hold {what} and nothing else: move this away"
    parents = _entries(folder) if labelled else [folder]
    if strays := [path for path in parents if not path.is_dir()]:
        raise InputError(f"{strays[0]}: {nothing_else}")
    files = [path for parent in parents for path in _entries(parent)]
    for path in files:
        if OTHER_PICTURES.fullmatch(path.name) and not path.is_dir():
            raise InputError(f"{path}: no PNG file; convert all such files, with ImageMagick: {CONVERT}")
        if path.suffix.lower() != ".png" or path.is_dir():
            raise InputError(f"{path}: {nothing_else}")
    if not files:
        raise InputError(f"{folder}: no PNG files{' in folders named like their labels' * labelled}")
    return files


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name, without what systems leave there."""
    found = sorted(path for path in folder.iterdir() if not LEFT_BEHIND.fullmatch(path.name))
    _check_names(folder, [path.name for path in found])
    return found


def _check_names(folder: PathLike, names: Iterable[str]) -> None:
    """InputError: a name is not UTF-8; it would be a label or an id, or stand in a message."""
    for name in names:
        shown = os.fsencode(name).decode(errors="backslashreplace")
        if shown != name:
            raise InputError(f"{folder}: the name of {shown} in it is not UTF-8: rename it")


def _read_png(path: Path) -> np.ndarray:
    """Read a PNG file: uint8 (h, w), or (h, w, 3) in RGB."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.mode not in MODES:
                raise InputError(
                    f"{path}: a PNG file of Pillow's mode {image.mode}, not 8-bit grey (L) or RGB: {TO_8_BIT}"
                )
            return np.asarray(image)
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a whole PNG file: {error}") from error


def _folder_blocks(
    folder: PathLike, paths: list[Path], first: np.ndarray, labels: list[str] | None, ids: list[str] | None
) -> Iterator[Block]:
    with Progress(f"{folder}: PNG", len(paths), "images") as progress:
        rows = idx.rows_at_a_time(BLOCK, first.nbytes)
        for start in range(0, len(paths), rows):
            part = slice(start, start + rows)
            images = np.empty((len(paths[part]), *first.shape), np.uint8)
            for image, path in zip(images, paths[part], strict=True):
                found = _read_png(path)
                if found.shape != first.shape:
                    raise InputError(
                        f"{path}: {size_in_words(found.shape)}, but {paths[0]} is one of "
                        f"{size_in_words(first.shape)}: convert this one, or move it away"
                    )
                image[:] = found
            yield Block(images, labels and labels[part], ids and ids[part])
            progress.advance(len(images))


def read_idx(images: PathLike, labels: PathLike | None = None) -> Source:
    """IDX files of images and labels, plain or packed; a packed one is read into memory whole.

    Images have three dimensions, or four in RGB. Labels have one; of two, as QMNIST's, the first column
    counts. FormatError or InputError: a file is damaged, or they do not fit together.
    """
    pixels = _array(images, idx.IMAGES)
    if pixels.dtype != np.uint8 or pixels.shape[3:] not in ((), (3,)):
        raise InputError(f"{images}: {pixels.dtype} {pixels.shape}: images must be bytes, in grey or in RGB")
    texts = None
    if labels is not None:
        texts = read_idx_labels(labels)
        if len(texts) != len(pixels):
            raise InputError(f"{labels}: {len(texts):,} labels, but {images} has {len(pixels):,} images")
    rows = idx.rows_at_a_time(BLOCK, math.prod(pixels.shape[1:]))
    # A mapped file is read in blocks: pages of a mapping would count as this process's memory.
    mapped = isinstance(pixels, np.memmap)
    starts = range(0, len(pixels), rows)
    parts = idx.read_blocks(images, rows) if mapped else (pixels[at : at + rows] for at in starts)
    blocks = (
        Block(part, texts and texts[at : at + rows], None) for at, part in zip(starts, parts, strict=True)
    )
    return Source(f"{images}", pixels.shape[1:], blocks)


def read_idx_shape(path: PathLike) -> tuple[int, ...]:
    """The shape of an IDX file, plain or packed. Raises as `idx.read_header`."""
    return _array(path).shape


def read_idx_labels(path: PathLike) -> list[str]:
    """The labels of an IDX file, called as a classes.csv beside it says. Raises as `read_idx`."""
    numbers = _array(path, (1, 2))
    numbers = (numbers if numbers.ndim == 1 else numbers[:, 0]).tolist()
    names = names_of_classes(Path(path).parent)
    if names is None:
        return [*map(str, numbers)]
    classes = _labels_of_classes(class_names.read(names), path)
    if wrong := [number for number in numbers if not 0 <= number < len(classes)]:
        raise InputError(
            f"{path}: label {wrong[0]}, but the classes.csv beside it has {len(classes)} classes"
        )
    return [classes[number] for number in numbers]


def _labels_of_classes(classes: Sequence[str], where: PathLike) -> list[str]:
    """The names of classes as labels are used from then on. InputError: two are one label."""
    first: dict[str, str] = {}
    for name in classes:
        label = label_of(name.strip(BLANKS))
        if first.setdefault(label, name) != name:
            raise InputError(
                f"{where}: in the classes.csv beside it, {first[label]!r} and {name!r} both mean the label "
                f"{label}; give them names that differ"
            )
    return [*first]


def _array(path: PathLike, ndim: idx.Dimensions = None) -> np.ndarray:
    """The array of an IDX file: mapped, or unpacked into memory."""
    with open_csv(path) as stream:
        if stream.size is not None:
            return idx.open_memmap(path, ndim)
        return idx.parse_bytes(stream.read_all(), path, ndim)
