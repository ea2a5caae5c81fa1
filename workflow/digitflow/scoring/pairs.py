"""Pairs of models on the same images: which differences may be chance."""

import csv
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.formats import labelscsv
from digitflow.merging import methods
from digitflow.scoring.measures import paired_difference
from digitflow.scoring.table import MERGED, read_models, valid_labels

PAIR_COLUMNS = ["first", "second", "rows", "images", "only_first", "only_second", "points", "p_value"]
SIGNIFICANT = 0.05
SHOWN_PAIRS = 6  # in the closing summary: the table of pairs has them all


def compare_models(
    method: str,
    names: Sequence[str],
    valid_probabilities: Sequence[Sequence[str | Path]],
    weights: Sequence[float] | None,
    submissions: Sequence[str | Path],
    submission_csv: str | Path,
    valid_lst: str | Path,
    solution: str | Path | None,
) -> list[dict]:
    """Compare all pairs of models, each with its seeds averaged, and of models and the merged one.

    On the test rows, by the models' submissions, where a solution is known; else on the validation rows, by
    the models' `valid_probabilities` as in `score_merged`. Rows with the fields of PAIR_COLUMNS.
    """
    valid = valid_labels(valid_lst)
    models = read_models(valid_probabilities, len(valid))
    names = [*names, MERGED]
    if solution is None:
        averaged = [*map(methods.mean, models), methods.merge(method, models, weights)]
        labels = [array.argmax(axis=1) for array in averaged]
        return compare_pairs(dict(zip(names, labels, strict=True)), valid, "validation")
    classes = models[0][0].shape[1]
    true = labelscsv.read(solution, classes)
    labels = [labelscsv.read(path, classes, len(true)) for path in [*submissions, submission_csv]]
    return compare_pairs(dict(zip(names, labels, strict=True)), true, "test")


def compare_pairs(labels: Mapping[str, np.ndarray], true: np.ndarray, rows: str) -> list[dict]:
    """Compare every two of several models' labels int (n,), by their names; `rows` says whose they are."""
    found = []
    for first, second in itertools.combinations(labels, 2):
        difference = paired_difference(labels[first], labels[second], true)
        found.append(
            {
                **{"first": first, "second": second, "rows": rows, "images": difference.n},
                **{"only_first": difference.only_first, "only_second": difference.only_second},
                **{"points": round(100 * difference.value, 4), "p_value": float(f"{difference.p_value:.4g}")},
            }
        )
    return found


def read_pairs(path: str | Path) -> list[dict]:
    """Read what `write_table` wrote of pairs. FormatError: it is damaged."""
    numbers = ("images", "only_first", "only_second", "points", "p_value")
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [row | {key: float(row[key]) for key in numbers} for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: damaged: {error}; delete it and run again") from error


def format_pairs(rows: Sequence[dict]) -> list[str]:
    """A line a pair of models whose difference is not significant at 5 %, smallest p first."""
    chance = sorted(
        (row for row in rows if row["p_value"] >= SIGNIFICANT and row["only_first"] + row["only_second"]),
        key=lambda row: row["p_value"],
    )
    lines = [
        f"{row['first']} and {row['second']}: a difference of {abs(row['points']):.2f} points, "
        f"p = {row['p_value']:.2g}: may be chance"
        for row in chance[:SHOWN_PAIRS]
    ]
    more = len(chance) - SHOWN_PAIRS
    return [*lines, f"{more} more such pairs"] if more > 0 else lines
