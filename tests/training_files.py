"""The files that a training reads, of real digits."""

from pathlib import Path

import numpy as np

from digitflow.dataset.lists import of_rows
from digitflow.formats import idx, lst


def write_training_files(
    folder: Path, images: np.ndarray, labels: np.ndarray, train_rows: int
) -> dict[str, Path]:
    """Write an IDX file and its lists: the first rows train, the others validate.

    Returns their paths under the names that the trainers' functions have for them.
    """
    idx.write(folder / "images", images)
    listing, rows = of_rows("train", len(images), labels, "0123456789"), np.arange(len(images))
    lst.write(folder / "train.lst", listing.select(rows < train_rows))
    lst.write(folder / "valid.lst", listing.select(rows >= train_rows))
    return {"images": folder / "images"} | {
        f"{part}_lst": folder / f"{part}.lst" for part in ("train", "valid")
    }
