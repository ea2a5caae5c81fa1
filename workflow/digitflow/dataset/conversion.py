"""Convert any source of images to IDX files, the names of the classes, and ids."""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from digitflow.base.errors import InputError
from digitflow.base.files import PathLike
from digitflow.base.progress import Progress
from digitflow.dataset import classes as class_names
from digitflow.dataset import columns
from digitflow.formats import idx, labelscsv, pixelcsv
from digitflow.formats.layout import Block, Layout, size_in_words

log = logging.getLogger("digitflow")

RARE = 20  # images; if the largest class has more, a class of a single image is named
DARK = 64  # of 255: images without a pixel that light are hardly meant so


class Source(NamedTuple):
    """Where images come from: the name for messages, the shape of an image, and the rows."""

    name: str
    shape: tuple[int, ...]
    blocks: Iterable[Block]


def read_csv(path: PathLike, data: Mapping[str, Any], train: bool, labels: bool = True) -> Source:
    """The rows of a pixel CSV; without `labels`, its labels are ignored.

    What was decided about it goes into the log. Raises as `columns.decide`.
    """
    layout = columns.decide(path, data, train)
    if not labels:
        layout = replace(layout, label=None, one_hot=(), unfilled=None)
    for reason in layout.reasons:
        log.debug("%s: %s", path, reason)
    return Source(f"{path}", layout.shape, _blocks(layout))


def _blocks(layout: Layout) -> Iterator[Block]:
    with Progress(f"{layout.path}", None) as progress:
        yield from warned_of_planes(pixelcsv.read_blocks(layout, progress), layout)


def warned_of_planes(blocks: Iterable[Block], layout: Layout) -> Iterator[Block]:
    """The blocks of a CSV, with a warning if its colours look as if they came in another order."""
    read_as_pixels = len(layout.shape) == 3 and not layout.planar
    for number, block in enumerate(blocks):
        if number == 0 and read_as_pixels and looks_planar(block.images, layout.transposed):
            log.warning(
                f"{layout.path}: the colours look like planes, all red, then all green, then all blue: if "
                "they are, write image: {channels: 3, planar: true} under data: in the configuration"
            )
        yield block


def looks_planar(images: np.ndarray, transposed: bool = False) -> bool:
    """Whether images uint8 (n, h, w, 3) that were read pixel by pixel look like planes of colour instead.

    In planes, a value is closer to the one a row's length further on, in the next row, than to the one three
    times as far on. In pixels, the former belongs to another pixel, perhaps to another colour, and the latter
    is the same colour in the next row.
    """
    images = images.swapaxes(1, 2) if transposed else images
    if not len(images) or images.shape[1] < 4:  # too little to tell
        return False
    flat = images.reshape(len(images), -1).astype(np.int16)
    row = images.shape[2]
    near, far = (np.abs(flat[:, step:] - flat[:, :-step]).mean() for step in (row, 3 * row))
    return bool(near < 0.9 * far)


def to_idx(
    source: Source,
    data: Mapping[str, Any],
    images: PathLike,
    labels: PathLike | None = None,
    classes: PathLike | None = None,
    ids: PathLike | None = None,
) -> int:
    """Write the rows of a source as an IDX file, and whatever else has a path; return how many there are.

    `data`: that section of the configuration. With `labels` and `classes` it is a train file: its labels
    become an IDX file of indices and classes.csv; those of `data.labels_csv` are matched by ids if both files
    have some. `ids` gets the ids, an empty list if there are none; in a test file, none may be there twice.
    Raises InputError or ConfigError; then no file is written.
    """
    found_labels, found_ids, invert, lightest = [], [], data.get("invert", False), 0
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(idx.open_writer(images, source.shape))
        for block in source.blocks:
            writer.append(~block.images if invert else block.images)
            lightest = max(lightest, int(block.images.max(initial=0)))
            found_labels += block.labels or []
            found_ids += block.ids or []
        if not writer.count:
            raise InputError(f"{source.name}: no images: one at least is needed; is this the right file?")
        if labels is not None:
            told = columns.classes_of(data)
            if data.get("labels_csv"):
                found_labels = labelscsv.read_list(
                    data["labels_csv"], writer.count, found_ids, source.name, told
                )
            names = told or class_names.in_natural_order(found_labels)
            indices = _indices(found_labels, names, writer.count, source.name)
            label_writer = stack.enter_context(idx.open_writer(labels, (), indices.dtype))
            label_writer.append(indices)
            if classes is not None:
                class_names.write(classes, names)
        elif ids is not None:
            labelscsv.check_unique(found_ids, source.name)
        if ids is not None:
            labelscsv.write_ids(ids, found_ids)
    if lightest < DARK:
        log.warning(
            f"{source.name}: no pixel is above {lightest} of 255: nearly black; data.values is one scale for "
            "all files: if this file has another one, rescale it"
        )
    kinds = f", {len(names):,} classes" if labels is not None else ""
    log.info(f"{source.name}: {writer.count:,} {size_in_words(source.shape)}{kinds}")
    return writer.count


def _indices(labels: list[str], classes: Sequence[str], rows: int, where: str) -> np.ndarray:
    """The indices of the rows' labels. InputError: there are none, or one is no class."""
    if len(labels) != rows:
        raise InputError(f"{where}: {len(labels):,} labels for {rows:,} images")
    indices = class_names.indices(labels, classes, where)
    counts = np.bincount(indices, minlength=len(classes))
    for k in np.flatnonzero(counts == 0):
        log.warning("%s: no image has the label %s", where, classes[k])
    for k in np.flatnonzero(counts == 1) if counts.max() > RARE else ():
        row = int(np.argmax(indices == k)) + 1
        log.warning("%s: only one image, row %d, has the label %s: is it a typo?", where, row, classes[k])
    return indices
