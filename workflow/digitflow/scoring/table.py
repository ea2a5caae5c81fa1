"""Scores: one row for each training and one for the merged submission. No training sees a solution."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow.base.checksums import check_digests
from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import CRLF, PathLike, atomic_open, bare_lines, read_json
from digitflow.formats import idx, labelscsv
from digitflow.formats.probabilities import read_probabilities
from digitflow.scoring.measures import accuracy

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]

MERGED = "merged"
LOOKED = "looked_at_validation"  # so that the validation accuracy is a little too good
FACTS = [
    *("model", "seed", "framework", "architecture", "parameters"),
    *("epochs", "status", "device", "seconds", LOOKED),
]
VALID = ["valid_accuracy", "valid_low", "valid_high"]
TEST = ["test_accuracy", "test_low", "test_high"]
COLUMNS = [*FACTS, *VALID, *TEST, "precision"]


def score(part: str, predicted: np.ndarray, true: np.ndarray | None) -> Row:
    """The accuracy of labels int (n,) with its 95 % interval, as columns of `part`: valid or test.

    Nothing if the true labels are not known, or there are no rows.
    """
    if true is None or not len(true):
        return {}
    result = accuracy(predicted, true)
    low, high = result.interval
    return {f"{part}_accuracy": result.value, f"{part}_low": low, f"{part}_high": high}


def score_training(
    model: str,
    metrics: Path,
    valid_labels: np.ndarray,
    test: Path | None = None,
    solution: PathLike | None = None,
) -> Row:
    """Score one training of `model`, whose metrics and validation probabilities are in one folder.

    `test` holds its test probabilities (m, classes), scored if there is a solution: an IDX file of labels.
    """
    check_digests(metrics)
    valid = read_probabilities(metrics.with_name("valid_probabilities.npy"), len(valid_labels))
    row = {"model": model, **read_metrics(metrics)} | score("valid", valid.argmax(axis=1), valid_labels)
    if test is None or solution is None:
        return row
    found = read_probabilities(test)
    return row | score("test", found.argmax(axis=1), idx.read_labels(solution, *found.shape))


def score_merged(
    method: str,
    valid: np.ndarray | None,
    valid_labels: np.ndarray,
    submission: PathLike | None,
    solution: PathLike | None,
    names: Sequence[str],
    trainings: Sequence[Row] = (),
    fitted: bool = False,
) -> Row:
    """Score the merged models: `valid` (n, classes) on the validation labels, the submission by the solution.

    `valid` is None if files are merged, too, which say nothing of the validation rows. `solution`: an IDX
    file of labels. `names`: those of the classes, which the submission has. `trainings`: the rows of the
    models. `fitted`: whether their weights were fitted to the validation rows.
    """
    row: Row = {"model": MERGED, "framework": method}
    if valid is not None:
        row |= score("valid", valid.argmax(axis=1), valid_labels)
        row[LOOKED] = fitted or any(training[LOOKED] for training in trainings)
    if submission is None or solution is None:
        return row
    (rows,) = idx.read_header(solution, ndim=1)
    true = idx.read_labels(solution, rows, len(names))
    return row | score("test", labelscsv.read_own(submission, names, rows), true)


def read_metrics(path: Path) -> Row:
    """What the table shows of how a training was made. FormatError: the file is damaged."""
    metrics = read_json(path)
    try:
        row = {key: metrics[key] for key in FACTS if key not in ("model", "architecture")}
        return row | {
            "architecture": metrics["settings"]["architecture"],
            "precision": metrics["precision"],
        }
    except (KeyError, TypeError) as error:
        raise FormatError(f"{path}: damaged: no {error} in it; delete it and run again") from error


def read_score(path: PathLike) -> Row:
    """Read the stored row of one training. FormatError: it is damaged, or no row of the table."""
    row = read_json(path)
    if not {*FACTS} <= {*row} <= {*COLUMNS}:  # there may be no validation rows, and no known solution
        raise FormatError(f"{path}: damaged: it has {', '.join(row)}; delete it and run again")
    return row


def write_table(path: PathLike, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> None:
    """Write rows as CSV with these columns; what is not known stays empty."""
    import pandas

    with atomic_open(path, "w") as file:
        # As objects: a column of whole numbers with a gap would become one of floats.
        pandas.DataFrame(list(rows), columns=list(columns), dtype=object).to_csv(
            bare_lines(file), index=False, lineterminator=CRLF
        )


def read_table(path: PathLike, **options: Any) -> "pandas.DataFrame":
    """Read a table that a run has written, in which a model or a class may be called NA.

    Empty cells count as missing; `options`: others of pandas. InputError: there is no such file; FormatError:
    it is damaged.
    """
    import pandas

    try:
        return pandas.read_csv(path, **{"na_values": [""], "keep_default_na": False} | options)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except (ValueError, OverflowError) as error:
        raise FormatError(f"{path}: damaged: {error}; delete it and run again") from error
