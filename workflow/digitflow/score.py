"""Scores: one model's, the merged one's, tables of all and of pairs. No training sees a solution."""

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digitflow import lst, submission
from digitflow.errors import FormatError
from digitflow.files import atomic_open, read_json
from digitflow.metrics import accuracy, confusion_matrix, over_seeds, paired_difference, worst_mistakes
from digitflow.training.common import check_digests

MERGED = "merged"
FACTS = ["model", "seed", "framework", "architecture", "parameters", "epochs", "status", "device", "seconds"]
VALID = ["valid_accuracy", "valid_low", "valid_high"]
TEST = ["test_accuracy", "test_low", "test_high"]
COLUMNS = [*FACTS, *VALID, *TEST]
PAIR_COLUMNS = ["first", "second", "rows", "images", "only_first", "only_second", "points", "p_value"]
SIGNIFICANT = 0.05
WORST = 40  # mistakes in a figure
CONFUSED = 10  # pairs of labels that are named
SHOWN_PAIRS = 6  # in the closing summary: the table of pairs has them all


def valid_labels(valid_lst: str | Path) -> np.ndarray:
    """Labels int64 (n,) of the validation split."""
    return lst.read(valid_lst).label


def test_labels(solution: str | Path | None, rows: int, classes: int) -> np.ndarray | None:
    """Labels int64 (rows,) of the test set, or None where no solution is known."""
    return None if solution is None else submission.read(solution, classes, rows)


def score(
    valid_probabilities: np.ndarray, valid: np.ndarray, test_labelled: np.ndarray, solution: np.ndarray | None
) -> dict:
    """Accuracies with 95 % intervals.

    `valid_probabilities` (n, classes) against the labels `valid` (n,); the labels `test_labelled` (m,)
    against `solution` (m,), where it is known.
    """
    if len(valid_probabilities) != len(valid):
        raise FormatError(
            f"{len(valid_probabilities)} rows of validation probabilities for {len(valid)} images"
        )
    row = {}
    for name, predicted, true in (
        ("valid", valid_probabilities.argmax(axis=1), valid),
        ("test", test_labelled, solution),
    ):
        if true is not None:
            result = accuracy(predicted, true)
            low, high = result.interval
            row |= {f"{name}_accuracy": result.value, f"{name}_low": low, f"{name}_high": high}
    return row


def score_folder(folder: str | Path, model: str, valid_lst: str | Path, solution: str | Path | None) -> dict:
    """Score one training of `model` by its folder: a row with the fields of COLUMNS."""
    folder = Path(folder)
    row = {"model": model, **read_metrics(folder / "metrics.json")}
    check_digests(folder / "metrics.json")
    valid = valid_labels(valid_lst)
    valid_rows = submission.read_probabilities(folder / "valid_probabilities.npy", len(valid))
    test_rows = submission.read_probabilities(folder / "test_probabilities.npy")
    true = test_labels(solution, len(test_rows), test_rows.shape[1])
    return row | score(valid_rows, valid, test_rows.argmax(axis=1), true)


def read_metrics(path: Path) -> dict:
    """What the table shows of a training's circumstances. FormatError: the file is damaged."""
    metrics = read_json(path)
    try:
        row = {key: metrics[key] for key in FACTS if key not in ("model", "architecture")}
        return row | {"architecture": metrics["settings"]["architecture"]}
    except (KeyError, TypeError) as error:
        raise FormatError(f"{path}: damaged: no {error} in it; delete it and run again") from error


def read_models(probabilities: Sequence[Sequence[str | Path]], rows: int) -> list[list[np.ndarray]]:
    """Read the probabilities (rows, classes) of several models, one file a seed."""
    return [[submission.read_probabilities(path, rows) for path in seeds] for seeds in probabilities]


def score_merged(
    method: str,
    valid_probabilities: Sequence[Sequence[str | Path]],
    weights: Sequence[float] | None,
    submission_csv: str | Path,
    valid_lst: str | Path,
    solution: str | Path | None,
) -> dict:
    """Score the merged submission; `valid_probabilities` holds each merged model's files, one a seed."""
    valid = valid_labels(valid_lst)
    models = read_models(valid_probabilities, len(valid))
    merged = submission.merge(method, models, weights)
    predicted = submission.read(submission_csv, merged.shape[1])
    true = None if solution is None else submission.read(solution, merged.shape[1])
    if true is not None and len(true) != len(predicted):
        raise FormatError(f"{submission_csv}: {len(predicted)} rows; {solution} has {len(true)}")
    return {"model": MERGED, "framework": method} | score(merged, valid, predicted, true)


def read_score(path: str | Path) -> dict:
    """Read the row that was kept of one training. FormatError: it is damaged, or no row of the table."""
    row = read_json(path)
    if {*row} not in ({*FACTS, *VALID}, {*COLUMNS}):  # a solution may be unknown
        raise FormatError(f"{path}: damaged: it has {', '.join(row)}; delete it and run again")
    return row


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
        averaged = [*map(submission.mean, models), submission.merge(method, models, weights)]
        labels = [array.argmax(axis=1) for array in averaged]
        return pairs(dict(zip(names, labels, strict=True)), valid, "validation")
    classes = models[0][0].shape[1]
    true = submission.read(solution, classes)
    labels = [submission.read(path, classes, len(true)) for path in [*submissions, submission_csv]]
    return pairs(dict(zip(names, labels, strict=True)), true, "test")


def pairs(labels: Mapping[str, np.ndarray], true: np.ndarray, rows: str) -> list[dict]:
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


@dataclass(frozen=True)
class Mistakes:
    """What a model got wrong of n images: the confusion matrix, and the worst mistakes, worst first.

    `matrix` int64 (classes, classes) as `metrics.confusion_matrix`; `rows` int64 (k,), places in the list of
    images; `true` and `given` labels int64 (k,); `probability` (k,), that of the label given.
    """

    matrix: np.ndarray
    rows: np.ndarray
    true: np.ndarray
    given: np.ndarray
    probability: np.ndarray

    @property
    def wrong(self) -> int:
        """How many images in all got a wrong label."""
        return int(self.matrix.sum() - np.trace(self.matrix))


def mistakes(probabilities: np.ndarray, true: np.ndarray, count: int) -> Mistakes:
    """Find the mistakes of `probabilities` (n, classes) against labels int (n,), and the `count` worst."""
    given = probabilities.argmax(axis=1)
    rows = worst_mistakes(probabilities, true, count)
    matrix = confusion_matrix(given, true, probabilities.shape[1])
    return Mistakes(matrix, rows, true[rows], given[rows], probabilities[rows, given[rows]])


def write_confusion(path: str | Path, matrix: np.ndarray) -> None:
    """Write a confusion matrix as CSV: a row a true label, a column a label given."""
    with atomic_open(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["true", *range(len(matrix))])
        writer.writerows([label, *counts] for label, counts in enumerate(matrix.tolist()))


def read_confusion(path: str | Path) -> np.ndarray:
    """Read what `write_confusion` wrote: int64 (classes, classes). FormatError: it is damaged."""
    try:
        matrix = np.loadtxt(path, np.int64, delimiter=",", skiprows=1, ndmin=2)[:, 1:]
        return matrix.reshape(len(matrix), len(matrix))
    except ValueError as error:
        raise FormatError(f"{path}: damaged: {error}; delete it and run again") from error


def write_table(path: str | Path, rows: Sequence[dict], columns: Sequence[str] = COLUMNS) -> None:
    """Write rows as CSV with these columns; what is not known stays empty."""
    with atomic_open(path, "w") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def format_table(rows: Sequence[dict]) -> str:
    """The rows as text for people: accuracies in per cent, with their 95 % intervals."""

    def percent(row: dict, name: str) -> str:
        if f"{name}_accuracy" not in row:
            return "not known"
        value, low, high = (100 * row[f"{name}_{part}"] for part in ("accuracy", "low", "high"))
        return f"{value:.2f} ({low:.2f}-{high:.2f})"

    def cells(row: dict) -> list[str]:
        seconds = f"{row['seconds']:.0f}" if "seconds" in row else ""
        return [row["model"], str(row.get("seed", "")), percent(row, "valid"), percent(row, "test"), seconds]

    table = [["model", "seed", "validation %", "test %", "seconds"], *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def format_seeds(rows: Sequence[dict]) -> list[str]:
    """A line a model with several seeds: their mean accuracy +- standard deviation."""
    lines = []
    for name in dict.fromkeys(row["model"] for row in rows):
        seeds = [row for row in rows if row["model"] == name]
        told = []
        for part, known in (("valid_accuracy", "validation"), ("test_accuracy", "test")):
            if len(seeds) > 1 and part in seeds[0]:
                mean, deviation = over_seeds([row[part] for row in seeds])
                told.append(f"{known} {100 * mean:.2f} +- {100 * deviation:.2f} %")
        if told:
            lines.append(f"{name}, {len(seeds)} seeds: {', '.join(told)}")
    return lines


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
