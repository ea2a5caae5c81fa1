"""From any source of images to IDX files, the names of the classes, ids and a solution."""

import contextlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from digitflow.base.errors import InputError
from digitflow.base.progress import Progress
from digitflow.dataset import classes as class_names
from digitflow.dataset import columns
from digitflow.formats import idx, labelscsv, pixelcsv
from digitflow.formats.layout import Block

log = logging.getLogger("digitflow")

PathLike = str | os.PathLike


class Source(NamedTuple):
    """Where images come from: the name for messages, the shape of an image, and the rows."""

    name: str
    shape: tuple[int, ...]
    blocks: Iterable[Block]


def csv_to_idx(
    csv_path: PathLike,
    data: Mapping[str, Any],
    images: PathLike,
    labels: PathLike | None = None,
    classes: PathLike | None = None,
    ids: PathLike | None = None,
    solution: PathLike | None = None,
) -> int:
    """Convert a pixel CSV to an IDX file of images, and write what else has a path; return the rows.

    `data`: that section of the configuration. With `labels` and `classes` it is a train file: its labels
    become an IDX file of indices and classes.csv. Of a test file, `ids` gets the ids and `solution` the
    labels. Raises InputError or ConfigError; then no file is written.
    """
    layout = columns.decide(csv_path, data, train=labels is not None)
    for reason in layout.reasons:
        log.info("%s: %s", csv_path, reason)
    with Progress(f"{csv_path}", None) as progress:
        source = Source(f"{csv_path}", layout.shape, pixelcsv.read_blocks(layout, progress))
        return to_idx(source, data, images, labels, classes, ids, solution)


def to_idx(
    source: Source,
    data: Mapping[str, Any],
    images: PathLike,
    labels: PathLike | None = None,
    classes: PathLike | None = None,
    ids: PathLike | None = None,
    solution: PathLike | None = None,
) -> int:
    """Write the rows of a source as `csv_to_idx` does; return how many there are."""
    found_labels, found_ids, invert = [], [], data.get("invert", False)
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(idx.Writer(images, source.shape))
        for block in source.blocks:
            writer.append(~block.images if invert else block.images)
            found_labels += block.labels or []
            found_ids += block.ids or []
        if labels is not None and data.get("labels_csv"):
            found_labels = labelscsv.read_list(data["labels_csv"], writer.count)
        if ids is not None or solution is not None:
            found_ids = _checked_ids(found_ids, writer.count, source.name)
        if labels is not None:
            names = columns.classes_of(data) or class_names.in_natural_order(found_labels)
            indices = _indices(found_labels, names, writer.count, source.name)
            label_writer = stack.enter_context(idx.Writer(labels, (), indices.dtype))
            label_writer.append(indices)
            if classes is not None:
                class_names.write(classes, names)
        if ids is not None:
            labelscsv.write_ids(ids, found_ids)
        if solution is not None:
            if not found_labels:
                raise InputError(f"{source.name}: there are no labels of which to make a solution")
            labelscsv.write_rows(solution, labelscsv.HEADER, found_ids, found_labels)
    return writer.count


def _indices(labels: list[str], classes: Sequence[str], rows: int, where: str) -> np.ndarray:
    """The indices of the rows' labels. InputError: there are none, or one is no class."""
    if len(labels) != rows:
        raise InputError(f"{where}: {len(labels):,} labels for {rows:,} images")
    indices = class_names.indices(labels, classes, where)
    for k in np.flatnonzero(np.bincount(indices, minlength=len(classes)) == 0):
        log.warning("%s: no image has the label %s", where, classes[k])
    return indices


def _checked_ids(ids: list[str], rows: int, where: str) -> list[str]:
    """The ids of the rows, 1, 2, ... where there are none. InputError: one is there twice."""
    if not ids:
        return [*map(str, range(1, rows + 1))]
    seen = {}
    for row, text in enumerate(ids, start=1):
        if text in seen:
            raise InputError(f"{where}: the id {text!r} is there twice, in rows {seen[text]} and {row}")
        seen[text] = row
    return ids
