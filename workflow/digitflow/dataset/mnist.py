"""Where the default CSVs come from: the 70,000 official MNIST images, as a Kaggle-style competition."""

import gzip
import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.errors import InputError
from digitflow.base.files import atomic_open
from digitflow.base.progress import Progress
from digitflow.formats import idx, labelscsv

PICKLE_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"

# ASSUME: a fixed seed of our own; any would do, but another one makes another competition.
KAGGLE_SEED = 20120725
KAGGLE_TRAIN_ROWS = 42_000
STANDARD_TRAIN_ROWS = 60_000
ROWS_A_BLOCK = 2_000


class _ArrayUnpickler(pickle.Unpickler):
    """Admits numpy arrays and nothing else: any other name in a pickle could run code."""

    ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),  # how Python 3 pickles bytes for protocol 2
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise InputError(f"the pickle asks for {module}.{name}; only numpy arrays are admitted")
        return super().find_class(module, name)


def load_arrays(data: bytes) -> Any:
    """Unpickle numpy arrays in tuples and lists. Raises InputError for anything else."""
    try:
        return _ArrayUnpickler(io.BytesIO(data), encoding="latin1").load()
    except InputError:
        raise
    except Exception as error:  # the unpickler raises whatever damaged bytes lead to
        raise InputError(f"the pickle is damaged: {error}") from error


def read_mnist(archive: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read `mnist.pkl.gz`: images uint8 (70000, 784) and labels uint8 (70000,), in the official order.

    The file holds three (images, labels) pairs of 50,000, 10,000 and 10,000; a pixel is float32 of value/256.
    """
    data = Path(archive).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != PICKLE_SHA256:
        raise InputError(
            f"{archive}: sha256 is {found}, should be {PICKLE_SHA256}; delete the file and run again"
        )
    parts = load_arrays(gzip.decompress(data))
    pixels = np.concatenate([images for images, _ in parts]) * np.float32(256)
    images = pixels.astype(np.uint8)
    if not np.array_equal(images, pixels):
        raise InputError(f"{archive}: some pixels are not multiples of 1/256")
    return images, np.concatenate([labels for _, labels in parts]).astype(np.uint8)


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
    if layout == "kaggle":
        order = np.random.default_rng(KAGGLE_SEED).permutation(len(images))
        images, labels = images[order], labels[order]
    split = KAGGLE_TRAIN_ROWS if layout == "kaggle" else STANDARD_TRAIN_ROWS
    write_csv(train_csv, images[:split], labels[:split])
    write_csv(test_csv, images[split:], None)
    labelscsv.write(solution_csv, labels[split:])


def official_idx(
    archive: str | Path, train_images: str, train_labels: str, test_images: str, solution_csv: str
) -> None:
    """Write the official 60,000 + 10,000 images as the official IDX files, the test labels as a solution."""
    images, labels = read_mnist(archive)
    images = images.reshape(-1, 28, 28)
    split = STANDARD_TRAIN_ROWS
    idx.write(train_images, images[:split])
    idx.write(train_labels, labels[:split])
    idx.write(test_images, images[split:])
    labelscsv.write(solution_csv, labels[split:])
