"""Where the default CSVs come from: the 70,000 official MNIST images, as a Kaggle-style competition."""

import gzip
import hashlib
from pathlib import Path

import numpy as np

from digitflow.base.errors import InputError
from digitflow.base.files import atomic_open
from digitflow.base.progress import Progress
from digitflow.formats import idx, labelscsv

PICKLE_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
# How many images each part has, and at which bytes of the pickle its pixels (float32, value/256) and its
# labels (int64) begin. Taken from there, nothing is unpickled, which could run code.
PARTS = ((50_000, 133, 156_800_199), (10_000, 157_200_236, 188_560_267), (10_000, 188_640_304, 220_000_335))
PIXELS = 784

# ASSUME: a fixed seed of our own; any would do, but another one makes another competition.
KAGGLE_SEED = 20120725
KAGGLE_TRAIN_ROWS = 42_000
STANDARD_TRAIN_ROWS = 60_000
ROWS_A_BLOCK = 2_000


def read_mnist(archive: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read `mnist.pkl.gz`: images uint8 (70000, 784) and labels uint8 (70000,), in the official order.

    InputError: it is another file.
    """
    packed = Path(archive).read_bytes()
    found = hashlib.sha256(packed).hexdigest()
    if found != PICKLE_SHA256:
        raise InputError(
            f"{archive}: sha256 is {found}, should be {PICKLE_SHA256}; delete the file and run again"
        )
    data = gzip.decompress(packed)
    images = [
        (np.frombuffer(data, "<f4", rows * PIXELS, start) * np.float32(256)).astype(np.uint8)
        for rows, start, _ in PARTS
    ]
    labels = [np.frombuffer(data, "<i8", rows, start).astype(np.uint8) for rows, _, start in PARTS]
    return np.concatenate(images).reshape(-1, PIXELS), np.concatenate(labels)


def write_csv(path: str | Path, images: np.ndarray, labels: np.ndarray | None) -> None:
    """Write images uint8 (n, pixels), with labels uint8 (n,) or without, in Kaggle's form."""
    names = [f"pixel{i}" for i in range(images.shape[1])]
    text = [str(value) for value in range(256)]
    with atomic_open(path, "w") as file, Progress(f"writing {path}", len(images)) as progress:
        file.write(",".join(names if labels is None else ["label", *names]) + "\n")
        for start in range(0, len(images), ROWS_A_BLOCK):
            block = images[start : start + ROWS_A_BLOCK]
            if labels is not None:
                block = np.column_stack([labels[start : start + ROWS_A_BLOCK], block])
            file.writelines(",".join([text[value] for value in row]) + "\n" for row in block.tolist())
            progress.advance(len(block))


def mnist_csv(archive: str | Path, layout: str, train_csv: str, test_csv: str, solution_csv: str) -> None:
    """Write MNIST as a competition: a labelled train CSV, a test CSV, and the test labels as a solution.

    `layout` "kaggle": 42,000 + 28,000 rows, shuffled by a fixed seed; "standard": the official
    60,000 + 10,000.
    """
    images, labels = read_mnist(archive)
    split = STANDARD_TRAIN_ROWS
    if layout == "kaggle":
        order = np.random.default_rng(KAGGLE_SEED).permutation(len(images))
        images, labels, split = images[order], labels[order], KAGGLE_TRAIN_ROWS
    write_csv(train_csv, images[:split], labels[:split])
    write_csv(test_csv, images[split:], None)
    labelscsv.write(solution_csv, labels[split:])


def official_idx(
    archive: str | Path, train_images: str, train_labels: str, test_images: str, solution_csv: str
) -> None:
    """Write the official 60,000 + 10,000 images as the official IDX files, the test labels as a solution."""
    images, labels = read_mnist(archive)
    images = images.reshape(-1, 28, 28)
    idx.write(train_images, images[:STANDARD_TRAIN_ROWS])
    idx.write(train_labels, labels[:STANDARD_TRAIN_ROWS])
    idx.write(test_images, images[STANDARD_TRAIN_ROWS:])
    labelscsv.write(solution_csv, labels[STANDARD_TRAIN_ROWS:])
