"""Scores: one model's, the merged one's, and the table of all. The only module that sees a solution."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from digitflow import lst, submission
from digitflow.errors import FormatError, InputError
from digitflow.files import atomic_open
from digitflow.metrics import accuracy

MERGED = "merged"
COLUMNS = [
    *("model", "seed", "framework", "architecture", "parameters", "epochs", "device", "seconds"),
    *("valid_accuracy", "valid_low", "valid_high", "test_accuracy", "test_low", "test_high"),
]


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


def read_json(path: str | Path) -> dict:
    """Read a file of metrics or scores. FormatError where it is damaged."""
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except ValueError as error:
        raise FormatError(f"{path}: not whole JSON: {error}") from error


def score_folder(folder: str | Path, valid_lst: str | Path, solution: str | Path | None) -> dict:
    """Score one training by its folder, results/models/<model>/seed<k>: a row with the fields of COLUMNS."""
    folder = Path(folder)
    metrics = read_json(folder / "metrics.json")
    row = {"model": folder.parent.name, "seed": metrics["seed"]}
    row |= {key: metrics[key] for key in ("framework", "device", "seconds", "parameters")}
    row |= {key: metrics["settings"][key] for key in ("architecture", "epochs")}
    valid = valid_labels(valid_lst)
    valid_rows = submission.read_probabilities(folder / "valid_probabilities.npy", len(valid))
    test_rows = submission.read_probabilities(folder / "test_probabilities.npy")
    true = test_labels(solution, len(test_rows), test_rows.shape[1])
    return row | score(valid_rows, valid, test_rows.argmax(axis=1), true)


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
    models = [
        [submission.read_probabilities(path, len(valid)) for path in seeds] for seeds in valid_probabilities
    ]
    merged = submission.merge(method, models, weights)
    predicted = submission.read(submission_csv, merged.shape[1])
    row = {"model": MERGED, "framework": method}
    return row | score(merged, valid, predicted, test_labels(solution, len(predicted), merged.shape[1]))


def write_table(path: str | Path, rows: Sequence[dict]) -> None:
    """Write rows as CSV with the columns COLUMNS; what is not known stays empty."""
    with atomic_open(path, "w") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
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
