"""The audit of labels: which rows look mislabelled to models that did not learn from them.

The ranking finds wrong labels; the flag is only a hint. See Northcutt, Jiang and Chuang, "Confident
Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import CRLF, PathLike, atomic_open, bare_lines
from digitflow.formats import lst
from digitflow.merging import methods
from digitflow.merging.merged import read_models

if TYPE_CHECKING:
    import pandas

log = logging.getLogger("digitflow")

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


def rank_rows(held_out: HeldOut, split: str) -> "pandas.DataFrame":
    """Order rows by how little the models believe the given label; equal ones by their ids.

    Returns AUDIT_COLUMNS, with labels by their numbers and the same `split` for all rows.
    `proposed`: the models' first choice. `self_confidence`: the probability of the given label. `margin`:
    that less the highest of any other label, so -1..1 and negative if the models would choose another.
    """
    import pandas

    probabilities, given = held_out.probabilities, held_out.given
    rows = np.arange(len(given))
    self_confidence = probabilities[rows, given]
    others = probabilities.copy()
    others[rows, given] = -np.inf
    margin, flagged = self_confidence - others.max(axis=1), confident_flags(probabilities, given)
    proposed = probabilities.argmax(axis=1)
    columns = (held_out.index, given, proposed, self_confidence, margin, flagged, split)
    audit = pandas.DataFrame(dict(zip(AUDIT_COLUMNS, columns, strict=True)))
    return audit.sort_values(["self_confidence", "id"], ignore_index=True)


def read_held_out(
    lists: Sequence[PathLike], probabilities: Sequence[Path], seeds: Sequence[tuple[str, int]]
) -> HeldOut:
    """Read what models say about the rows of `lists`, none of which is in two of them.

    `probabilities`: each training's files, one for each list; `seeds` has each model's name and number of
    trainings, in order. A model's trainings are averaged first, then the models, each with the same weight.
    FormatError: probabilities that do not fit their list.
    """
    listings = [lst.read(path) for path in lists]
    models = [
        read_models(probabilities[number :: len(lists)], seeds, len(listing))
        for number, listing in enumerate(listings)
    ]
    index = np.concatenate([listing.index for listing in listings])
    given = np.concatenate([listing.label for listing in listings])
    classes = {rows.shape[1] for one in models for rows in one.values()}
    if len(classes) > 1 or given.max(initial=0) >= min(classes):
        raise FormatError(
            f"{' and '.join(map(str, probabilities))}: probabilities of "
            f"{' and '.join(map(str, sorted(classes)))} classes, labels up to {given.max(initial=0)}; delete "
            "them and run again"
        )
    found = [methods.mean([*one.values()]) for one in models]
    order = np.argsort(index)
    return HeldOut(index[order], given[order], np.concatenate(found)[order])


def audit_labels(
    path: PathLike,
    probabilities: Sequence[Path],
    seeds: Sequence[tuple[str, int]],
    valid_lst: PathLike,
    train_lst: PathLike,
    names: Sequence[str],
    split: str,
) -> None:
    """Write the audit of the rows of `valid_lst`, and log how many rows of `train_lst` are not in it.

    `probabilities` and `seeds` as for `read_held_out`; `names`: the classes, by their index; `split`: what
    the rows belong to.
    """
    held_out = read_held_out([valid_lst], probabilities, seeds)
    audit = rank_rows(held_out, split)
    write(path, audit, names)
    flagged = np.count_nonzero(audit["flagged"])
    log.info(f"{path}: {len(audit):,} rows, the most suspicious first; flagged: {flagged:,}")
    # With folds, every row is in both lists.
    learned = len(np.setdiff1d(lst.read(train_lst).index, held_out.index))
    if learned:
        log.info(
            f"{path}: {learned:,} of {learned + len(audit):,} rows are not in it, because models learned "
            "from them; set validation.folds: 5 to audit them all"
        )


def write(path: PathLike, audit: "pandas.DataFrame", names: Sequence[str]) -> None:
    """Write the audit as CSV; `names` are the labels' names, by their index."""
    named = {column: [names[label] for label in audit[column]] for column in ("given", "proposed")}
    with atomic_open(path, "w") as file:
        named = audit.assign(**named)
        named.to_csv(bare_lines(file), index=False, float_format="%.6g", lineterminator=CRLF)
