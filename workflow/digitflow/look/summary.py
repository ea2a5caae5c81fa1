"""What images are like on the whole: classes, their mean and variance, histograms of pixels and ink."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from digitflow.base.files import atomic_open
from digitflow.look.lookdata import LookData

INK_BINS = 64  # of an image's mean pixel, 4 grey levels each
PIXEL_BINS = 32  # of pixels, 8 grey levels each
CLASS_COLUMNS = (
    "class",
    "images",
    "corrected",
    "dropped",
    "flagged",
    "wrongly_predicted",
    "predicted_in_test",
)
BLOCK = 4096  # images at a time: integers of 8 bytes would fill the memory


def write_class_table(path: str | Path, data: LookData) -> None:
    """Write a CSV with CLASS_COLUMNS, a line per class: the page's summary, for the report.

    `images` have the class after corrections; `corrected` are those of them that had another, `dropped` those
    that had this one; `wrongly_predicted` of `images`. What is not known is left empty.
    """
    classes, now, was = len(data.names), data.corrected, np.asarray(data.labels, np.int64)
    columns = {
        "images": _count(now, classes),
        "corrected": _count(now[now != was], classes),
        "dropped": _count(was[now < 0], classes),
    }
    if data.audit is not None:
        columns["flagged"] = _count(now[data.rows_of(data.audit.loc[data.audit["flagged"], "id"])], classes)
    if data.predictions is not None:
        given = now[data.predictions.rows]
        wrong = data.predictions.merged.argmax(axis=1) != given
        columns["wrongly_predicted"] = _count(given[wrong], classes)
    if data.test_merged is not None:
        columns["predicted_in_test"] = _count(data.test_merged.argmax(axis=1), classes)
    unknown = [""] * classes
    with atomic_open(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CLASS_COLUMNS)
        writer.writerows(
            zip(data.names, *(columns.get(name, unknown) for name in CLASS_COLUMNS[1:]), strict=True)
        )


def _count(labels: np.ndarray, classes: int) -> list[int]:
    """How many rows have each label; a negative one is none."""
    return np.bincount(labels[labels >= 0], minlength=classes).tolist()


def mean_and_variance(images: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each class's pixels: float64 (classes, *image), zeros for a class without images.

    Sums are of whole numbers: the same on every machine. Rows whose label is negative count for no class.
    """
    shape = (classes, *images.shape[1:])
    sums, squares = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for block, labels_of_block in _blocks(images, labels):
        for label in np.unique(labels_of_block[labels_of_block >= 0]):
            pixels = block[labels_of_block == label].astype(np.int32)
            sums[label] += pixels.sum(axis=0)
            squares[label] += (pixels * pixels).sum(axis=0, dtype=np.int64)
    n = np.maximum(_count(labels, classes), 1).reshape(-1, *[1] * (images.ndim - 1))
    mean = sums / n
    return mean, np.maximum(squares / n - mean * mean, 0)


def histograms(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many pixels lie in each of PIXEL_BINS, and how many images' means in each of INK_BINS: int64."""
    pixels, ink = np.zeros(256, np.int64), np.zeros(INK_BINS, np.int64)
    size = int(np.prod(images.shape[1:]))
    for block, _ in _blocks(images, images):
        flat = np.ascontiguousarray(block).reshape(len(block), -1)
        pixels += np.bincount(flat.reshape(-1), minlength=256)
        ink += np.bincount(flat.sum(axis=1, dtype=np.int64) * INK_BINS // (256 * size), minlength=INK_BINS)
    return pixels.reshape(PIXEL_BINS, -1).sum(axis=1), ink


def _blocks(images: np.ndarray, others: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(images), BLOCK):
        yield images[start : start + BLOCK], others[start : start + BLOCK]
