"""What corrections gain: the same models trained with and without them, compared on the same images."""

import logging

import numpy as np

from digitflow.base.errors import InputError
from digitflow.base.files import PathLike
from digitflow.look.audit import HeldOut
from digitflow.scoring.measures import accuracy, paired_difference
from digitflow.scoring.table import write_table

log = logging.getLogger("digitflow")

COLUMNS = [
    *("labels", "images", "accuracy_without", "accuracy_with"),
    *("points", "only_with", "only_without", "p_value"),
]


def compare_trainings(without: HeldOut, corrected: HeldOut) -> list[dict]:
    """Compare models trained without and with corrections, on the images that neither learned from.

    There is one row with the fields of COLUMNS for the given labels, and one for the corrected labels; images
    that the corrections drop are in neither. `points` are percentage points in favour of the corrections, and
    `p_value` is McNemar's. InputError: no image was held out from both.
    """
    _, first, second = np.intersect1d(without.index, corrected.index, return_indices=True)
    if not len(first):
        raise InputError(
            "the trainings with and without corrections have no validation image in common; give both the "
            "same validation.seed and validation.fraction"
        )
    before = without.probabilities[first].argmax(axis=1)
    after = corrected.probabilities[second].argmax(axis=1)
    rows = []
    for name, labels in (("given", without.given[first]), ("corrected", corrected.given[second])):
        difference = paired_difference(after, before, labels)
        rows.append(
            {
                "labels": name,
                "images": difference.n,
                "accuracy_without": accuracy(before, labels).value,
                "accuracy_with": accuracy(after, labels).value,
                "points": round(100 * difference.value, 4),
                "only_with": difference.only_first,
                "only_without": difference.only_second,
                "p_value": float(f"{difference.p_value:.4g}"),
            }
        )
    return rows


def write_effect(path: PathLike, without: HeldOut, corrected: HeldOut) -> None:
    """Write the comparison as CSV and to the log."""
    rows = compare_trainings(without, corrected)
    write_table(path, rows, COLUMNS)
    for row in rows:
        log.info(
            f"{path}: on {row['images']:,} labels as {row['labels']}, the corrections gain "
            f"{row['points']:+.2f} points, p = {row['p_value']:.2g}"
        )
