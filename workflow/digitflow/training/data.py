"""The rows that a training sees: pixels from IDX files, labels and order from the lists."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digitflow.base.errors import InputError
from digitflow.formats import idx, lst

log = logging.getLogger("digitflow")

PREDICT_ROWS = 1024  # images per prediction step: memory stays flat whatever the size of the data


class Data(NamedTuple):
    """Images uint8 (n, h, w) or (n, h, w, 3), memory-mapped, and which are for training and which for
    validation: rows, from 0, and labels, int64 (k,).
    """

    images: np.ndarray
    training: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]


def open_data(images: Path, train_lst: Path, valid_lst: Path, classes: int, train_rows: int = 0) -> Data:
    """Open an IDX file and read the lists of its rows; a row is a list's index less one.

    `train_rows`: use only this many training rows, the first ones; 0 is all. There may be no validation rows.
    Raises InputError for a list that does not belong to these images, or if there are no training rows.
    """
    pixels = idx.open_memmap(images, idx.IMAGES)
    training = read_rows(train_lst, len(pixels), classes, train_rows)
    if not len(training[0]):
        raise InputError(f"{train_lst}: no rows; at least one training image is needed")
    return Data(pixels, training, read_rows(valid_lst, len(pixels), classes))


def read_rows(path: Path, count: int, classes: int, limit: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The image rows, from 0, and labels of a .lst, both int64 (n,); only the first `limit`, unless it is 0.

    `count` is the number of images. Raises InputError for an index or a label that is out of range.
    """
    listing = lst.read(path)
    for name, values, first, last in (
        ("index", listing.index, 1, count),
        ("label", listing.label, 0, classes - 1),
    ):
        wrong = np.flatnonzero((values < first) | (values > last))
        if len(wrong):
            raise InputError(
                f"{path}, line {wrong[0] + 1}: {name} {values[wrong[0]]}, expected {first} to {last}"
            )
    rows = slice(limit or None)
    if limit:
        warn_of_missing_classes(listing.label, limit)
    return listing.index[rows] - 1, listing.label[rows]


def warn_of_missing_classes(labels: np.ndarray, limit: int) -> None:
    """Warn if the first `limit` rows lack classes of the others, as where rows are sorted by class."""
    some, every = (len(np.unique(part)) for part in (labels[:limit], labels))
    if some < every:
        log.warning(
            f"warning: train_rows: the first {limit:,} rows have images of only {some} of {every} classes: "
            "raise it, or shuffle the rows"
        )


def predict_shifted(
    predict: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    rows: np.ndarray,
    classes: int,
    shifts: int = 1,
) -> np.ndarray:
    """Softmax rows float32 (n, classes) of `rows` of uint8 images, averaged over `shifts` moves.

    `predict` takes some images and returns their softmax rows.
    """
    probabilities = np.empty((len(rows), classes), np.float32)
    for start in range(0, len(rows), PREDICT_ROWS):
        block = images[rows[start : start + PREDICT_ROWS]]
        views = [predict(view) for view in shifted(block, shifts)]
        probabilities[start : start + len(block)] = np.mean(views, axis=0)
    return probabilities


def shifted(images: np.ndarray, count: int, axis: int = 1) -> Iterator[np.ndarray]:
    """Yield `count` (1, 5 or 9) copies of images, all but the first shifted by a pixel.

    The pixels that move in are 0. `axis` is the axis of the height, followed by that of the width: 1 for
    images (n, h, w) or (n, h, w, c), 2 for (n, c, h, w).
    """
    height, width = images.shape[axis : axis + 2]
    framed = np.pad(images, [(int(axis <= at <= axis + 1),) * 2 for at in range(images.ndim)])
    steps = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    for down, right in steps[:count]:
        rows, columns = slice(1 - down, 1 - down + height), slice(1 - right, 1 - right + width)
        yield framed[(slice(None),) * axis + (rows, columns)].copy()
