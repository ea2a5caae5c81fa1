"""What corrections gain: the same models trained with and without them, compared on the same images."""

import logging

import numpy as np

from digitflow.base.errors import InputError
from digitflow.base.files import PathLike
from digitflow.look.audit import HeldOut
from digitflow.scoring.measures import accuracy, paired_difference
from digitflow.scoring.table import write_table

log = logging.getLogger("digitflow")


def write_effect(path: PathLike, without: HeldOut, corrected: HeldOut) -> None:
    """Compare models trained without and with corrections, on the images that neither learned from; write the
    comparison as CSV and to the log.

    There is one row for the given labels, and one for the corrected labels; images that the corrections drop
    are in neither. `points` are percentage points in favour of the corrections, and `p_value` is McNemar's.
    InputError: no image was held out from both.
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
        row = {
            "labels": name,
            "images": difference.n,
            "accuracy_without": accuracy(before, labels).value,
            "accuracy_with": accuracy(after, labels).value,
            "points": round(100 * difference.value, 4),
            "only_with": difference.only_first,
            "only_without": difference.only_second,
            "p_value": float(f"{difference.p_value:.4g}"),
        }
        rows.append(row)
        log.info(
            f"{path}: on {row['images']:,} labels as {name}, the corrections gain {row['points']:+.2f} "
            f"points, p = {row['p_value']:.2g}"
        )
    write_table(path, rows, list(rows[0]))
