"""Pairs of models on the same images: which differences are significant, and which may be chance."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow.base.errors import FormatError, how_many
from digitflow.base.files import PathLike
from digitflow.formats import idx, labelscsv
from digitflow.scoring.measures import paired_difference
from digitflow.scoring.table import MERGED, read_table

if TYPE_CHECKING:
    import pandas

PAIR_COLUMNS = ["first", "second", "rows", "images", "only_first", "only_second", "points", "p_value"]
SIGNIFICANT = 0.05
SHOWN_PAIRS = 6  # in the closing summary: the table of pairs has them all


def compare_models(
    models: Mapping[str, np.ndarray],
    valid_labels: np.ndarray,
    submissions: Mapping[str, PathLike | np.ndarray] | None = None,
    solution: PathLike | None = None,
    names: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Compare every two of the models, the merged one among them.

    If there is a `solution`, an IDX file of labels, on the test rows, by their `submissions`, files or
    labels, with the `names` of classes; else on the validation rows, by their probabilities (n, classes).
    Returns rows with the fields of PAIR_COLUMNS.
    """
    if solution is None:
        labels = {name: probabilities.argmax(axis=1) for name, probabilities in models.items()}
        return compare_pairs(labels, valid_labels, "validation") if len(valid_labels) else []
    (rows,) = idx.read_header(solution, ndim=1)
    true = idx.read_labels(solution, rows, len(names))
    labels = {
        name: given if isinstance(given, np.ndarray) else labelscsv.read_own(given, names, rows)
        for name, given in submissions.items()
    }
    return compare_pairs(labels, true, "test")


def compare_pairs(labels: Mapping[str, np.ndarray], true: np.ndarray, rows: str) -> list[dict[str, Any]]:
    """Compare every two of several models' labels int (n,), by their names; `rows` says whose they are."""
    found = []
    for first, second in itertools.combinations(labels, 2):
        difference = paired_difference(labels[first], labels[second], true)
        found.append(
            {
                "first": first,
                "second": second,
                "rows": rows,
                "images": difference.n,
                "only_first": difference.only_first,
                "only_second": difference.only_second,
                "points": round(100 * difference.value, 4),
                "p_value": float(f"{difference.p_value:.4g}"),
            }
        )
    return found


def read_pairs(path: PathLike) -> "pandas.DataFrame":
    """Read what `write_table` wrote of pairs. FormatError: it is damaged."""
    table = read_table(path, dtype=dict.fromkeys(("first", "second"), str))  # a name may be 01 or 1.0
    numbers = {*table.select_dtypes("number").columns}
    if list(table.columns) != PAIR_COLUMNS or (len(table) and not {*PAIR_COLUMNS[3:]} <= numbers):
        raise FormatError(
            f"{path}: damaged: expected the columns {', '.join(PAIR_COLUMNS)}, with numbers from images on; "
            "delete it and run again"
        )
    return table


def format_pairs(table: "pandas.DataFrame") -> list[str]:
    """A sentence for each pair of models that differ: the significant ones first, then what may be chance."""
    differ = table[table["only_first"] + table["only_second"] > 0].sort_values("p_value", kind="stable")
    lines = [_sentence(pair) for pair in differ.head(SHOWN_PAIRS).itertuples()]
    rest = differ["p_value"].iloc[SHOWN_PAIRS:]
    if len(rest):
        chance = int((rest >= SIGNIFICANT).sum())
        lines.append(f"{how_many(len(rest), 'more pair')}, of which {chance} may be chance")
    return lines


def format_chance(table: "pandas.DataFrame") -> list[str]:
    """A sentence for each pair of models whose difference may be chance, the most equal ones first."""
    equal = table[table["p_value"] >= SIGNIFICANT].sort_values("p_value", ascending=False, kind="stable")
    lines = [_sentence(pair) for pair in equal.head(SHOWN_PAIRS).itertuples()]
    more = len(equal) - SHOWN_PAIRS
    return [*lines, how_many(more, "more such pair")] if more > 0 else lines


def format_worse_merge(table: "pandas.DataFrame") -> list[str]:
    """A warning for each model that is significantly better than the merge of all.

    What to do about it is said only of validation rows: test labels are for scores, not for choices.
    """
    worse = table[(table["second"] == MERGED) & (table["points"] > 0) & (table["p_value"] < SIGNIFICANT)]
    lines = []
    for pair in worse.itertuples():
        where, way = "", f": use {pair.first} alone (merge.models), or give it more weight (merge.weights)"
        if pair.rows == "test":
            where, way = " on the test rows", "; if you choose by them, the test score becomes too good"
        difference = f"by {pair.points:.2f} points (p = {pair.p_value:.2g})"
        lines.append(f"The merge is worse than {pair.first} alone{where}, {difference}{way}")
    return lines


def _sentence(pair: Any) -> str:
    digits = 2 if abs(pair.points) >= 0.01 else 4
    images = f"{abs(pair.only_first - pair.only_second):,} of {pair.images:,} {pair.rows} images"
    if pair.p_value < SIGNIFICANT:
        better, worse = (pair.first, pair.second) if pair.points > 0 else (pair.second, pair.first)
        points = f"{abs(pair.points):.{digits}f} points"
        return f"{better} is better than {worse}: {points}, {images}, p = {pair.p_value:.2g}"
    if pair.only_first + pair.only_second == 0:
        return f"{pair.first} and {pair.second} are right on the same images"
    if pair.points == 0:
        return f"{pair.first} and {pair.second} are right equally often, on different images"
    return (
        f"{pair.first} and {pair.second} differ by {abs(pair.points):.{digits}f} points, {images}, "
        f"p = {pair.p_value:.2g}: may be chance"
    )
