"""Time one conversion of this project without Python's start, and print the seconds.

Usage: ours.py csv_to_idx TRAIN_CSV TEST_CSV FOLDER | ours.py read_form TRAIN_CSV DATA FOLDER, where DATA is
the section of the configuration as JSON | ours.py write_tree IMAGES TREE [LABELS [GIVEN]],
where GIVEN are the labels of the CSV before corrections, if they differ.
"""

import json
import sys
import time
from pathlib import Path

from digitflow.dataset.sources import convert_source
from digitflow.dataset.views import update_tree
from digitflow.formats import idx


def convert(train_csv: str, test_csv: str, folder: str) -> None:
    """Convert both CSVs to IDX files, as the rule does."""
    out = Path(folder)
    convert_source(train_csv, {}, out / "train-images", out / "train-labels", out / "classes.csv")
    convert_source(test_csv, {}, out / "test-images", ids=out / "test-ids.csv")


def read_form(train_csv: str, data: str, folder: str) -> None:
    """Convert a labelled CSV of any form to IDX files, as the rule does."""
    out = Path(folder)
    convert_source(train_csv, json.loads(data), out / "images", out / "labels", out / "classes.csv")


def tree(images: str, target: str, labels: str | None = None, given: str | None = None) -> None:
    """Write one tree, as the rule does."""
    if labels is None:
        update_tree(images, target, f"{target}.sfv")
    else:
        corrected, in_csv = (idx.read(path, ndim=1) for path in (labels, given or labels))
        digits = [str(digit) for digit in range(10)]
        update_tree(images, target, f"{target}.sfv", None, corrected, in_csv, digits)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    start = time.perf_counter()
    {"csv_to_idx": convert, "read_form": read_form, "write_tree": tree}[what](*arguments)
    print(time.perf_counter() - start)
