"""The audit of labels: which rows look mislabelled to models that did not learn from them.

The ranking finds wrong labels; the flag is only a hint. See Northcutt, Jiang and Chuang, "Confident
Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import atomic_open
from digitflow.formats import lst
from digitflow.formats.probabilities import read_probabilities
from digitflow.merging import methods

if TYPE_CHECKING:
    import pandas

log = logging.getLogger("digitflow")

PathLike = str | os.PathLike
Training = tuple[PathLike, PathLike]  # the .lst of the rows that were held out, and their probabilities .npy

AUDIT_COLUMNS = ["id", "given", "proposed", "self_confidence", "margin", "flagged", "split"]
SLACK = 1e-6  # so that rounding errors decide nothing: the same as in the authors' own program


@dataclass(frozen=True)
class HeldOut:
    """What models say about rows that they did not learn from.

    `index` int64 (n,), ascending; `given` labels int64 (n,); `probabilities` float64 (n, classes).
    """

    index: np.ndarray
    given: np.ndarray
    probabilities: np.ndarray


def confident_flags(probabilities: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Whether each row confidently belongs to another class than the given one: bool (n,).

    `probabilities` (n, classes) of rows that the models did not learn from, `given` labels int (n,). A row
    confidently belongs to a class if its probability reaches the mean over that class's own rows; if there
    are several such classes, the row's first choice counts. A row whose first choice is the given label is
    never flagged.
    """
    rows, classes = np.arange(len(given)), probabilities.shape[1]
    present = np.isin(np.arange(classes), given)
    thresholds = [probabilities[given == k, k].mean() if present[k] else np.inf for k in range(classes)]
    confident = probabilities >= np.maximum(thresholds, 2 * SLACK) - SLACK
    first = probabilities.argmax(axis=1)
    guess = np.where(confident.sum(axis=1) > 1, first, confident.argmax(axis=1))
    prefers_other = probabilities.max(axis=1) > probabilities[rows, given] + SLACK
    return confident.any(axis=1) & (guess != given) & prefers_other


def rank_rows(held_out: HeldOut, split: np.ndarray) -> "pandas.DataFrame":
    """Order rows by how little the models believe the given label; equal ones by their ids.

    `split` str (n,) says which list each row is in. Returns AUDIT_COLUMNS, with labels by their numbers.
    `proposed`: the models' first choice. `self_confidence`: the probability of the given label. `margin`:
    that less the highest of any other label, so -1..1 and negative if the models would choose another.
    """
    import pandas

    probabilities, given = held_out.probabilities, held_out.given
    rows = np.arange(len(given))
    self_confidence = probabilities[rows, given]
    others = probabilities.copy()
    others[rows, given] = -np.inf
    columns = (
        *(held_out.index, given, probabilities.argmax(axis=1)),
        *(self_confidence, self_confidence - others.max(axis=1)),
        *(confident_flags(probabilities, given), split),
    )
    audit = pandas.DataFrame(dict(zip(AUDIT_COLUMNS, columns, strict=True)))
    return audit.sort_values(["self_confidence", "id"], ignore_index=True)


def combine(models: Sequence[Sequence[Training]]) -> HeldOut:
    """Average the held-out probabilities of several models, row by row.

    Each model has one list and one file of probabilities per training, whatever the folds and seeds. First a
    model's trainings are averaged for each row, then the models, each with the same weight. FormatError:
    probabilities that do not fit their list. InputError: lists that disagree on a label, or models that did
    not hold out the same rows.
    """
    averaged = [_average(trainings) for trainings in models]
    first = averaged[0]
    for trainings, model in zip(models, averaged, strict=True):
        where = f"{trainings[0][1]} and the like"
        if not np.array_equal(model.index, first.index):
            raise InputError(
                f"{where}: holds out {len(model.index)} rows, the first model {len(first.index)}, and not "
                "the same ones; train all models with the same validation.folds and run again"
            )
        _check_same_labels(where, model.index, first.given, model.given)
    return HeldOut(first.index, first.given, methods.mean([model.probabilities for model in averaged]))


def _average(trainings: Sequence[Training]) -> HeldOut:
    listings = [lst.read(listing) for listing, _ in trainings]
    arrays = [
        read_probabilities(path, len(rows)) for (_, path), rows in zip(trainings, listings, strict=True)
    ]
    labels = np.concatenate([listing.label for listing in listings])
    where = " and ".join(str(path) for _, path in trainings)
    if len(shapes := {array.shape[1] for array in arrays}) > 1 or labels.max(initial=0) >= min(shapes):
        raise FormatError(
            f"{where}: probabilities of {' and '.join(map(str, sorted(shapes)))} classes, "
            f"labels up to {labels.max(initial=0)}; delete them and run again"
        )
    index, place = np.unique(np.concatenate([listing.index for listing in listings]), return_inverse=True)
    given = np.zeros(len(index), np.int64)
    given[place] = labels
    _check_same_labels(where, index[place], given[place], labels)
    total = np.zeros((len(index), *shapes))
    np.add.at(total, place, np.concatenate(arrays))
    return HeldOut(index, given, total / np.bincount(place)[:, None])


def _check_same_labels(where: str, index: np.ndarray, expected: np.ndarray, found: np.ndarray) -> None:
    for row in np.flatnonzero(expected != found):
        raise InputError(
            f"{where}: row {index[row]} was held out with the label {found[row]}, but elsewhere with "
            f"{expected[row]}; one of the lists is older: run again"
        )


def split_names(index: np.ndarray, lists: Mapping[str, PathLike]) -> np.ndarray:
    """The name of the list, str (n,), that each row of `index` int64 (n,) is in. InputError if in none."""
    found = np.full(len(index), "", f"<U{max(map(len, lists))}")
    for name, path in lists.items():
        found[np.isin(index, lst.read(path).index)] = name
    for row in np.flatnonzero(found == ""):
        raise InputError(
            f"{' and '.join(map(str, lists.values()))}: row {index[row]} is in none of them, but has "
            "probabilities, which are older than the lists: run again"
        )
    return found


def audit_labels(
    path: PathLike, models: Sequence[Sequence[Training]], lists: Mapping[str, PathLike], names: Sequence[str]
) -> None:
    """Write the audit of the rows that `models`, as in `combine`, held out.

    `lists`: the .lst of each split of the training rows, by its name; `names`: the classes, by their index.
    The log says how many rows are audited, and out of how many.
    """
    held_out = combine(models)
    audit = rank_rows(held_out, split_names(held_out.index, lists))
    write(path, audit, names)
    rows = sum(len(lst.read(listing)) for listing in lists.values())
    flagged = np.count_nonzero(audit["flagged"])
    log.info(f"{path}: {len(audit):,} rows, the most suspicious first; flagged: {flagged:,}")
    if len(audit) < rows:
        log.info(
            f"{path}: {rows - len(audit):,} of {rows:,} rows are not in it, because models learned from "
            "them; set validation.folds: 5 to audit them all"
        )


def write(path: PathLike, audit: "pandas.DataFrame", names: Sequence[str]) -> None:
    """Write the audit as CSV; `names` are the labels' names, by their index."""
    named = {column: [names[label] for label in audit[column]] for column in ("given", "proposed")}
    with atomic_open(path, "w") as file:
        audit.assign(**named).to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
