"""Scores: a row for each training and one for the merged submission. No training sees a solution."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from digitflow.base.checksums import check_digests
from digitflow.base.errors import FormatError
from digitflow.base.files import atomic_open, read_json
from digitflow.formats import labelscsv, lst
from digitflow.formats.probabilities import read_probabilities
from digitflow.merging import methods
from digitflow.scoring.measures import accuracy, over_seeds

MERGED = "merged"
FACTS = ["model", "seed", "framework", "architecture", "parameters", "epochs", "status", "device", "seconds"]
VALID = ["valid_accuracy", "valid_low", "valid_high"]
TEST = ["test_accuracy", "test_low", "test_high"]
COLUMNS = [*FACTS, *VALID, *TEST]


def valid_labels(valid_lst: str | Path) -> np.ndarray:
    """Labels int64 (n,) of the validation split."""
    return lst.read(valid_lst).label


def test_labels(solution: str | Path | None, rows: int, classes: int) -> np.ndarray | None:
    """Labels int64 (rows,) of the test set, or None where no solution is known."""
    return None if solution is None else labelscsv.read(solution, classes, rows)


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
    valid_rows = read_probabilities(folder / "valid_probabilities.npy", len(valid))
    test_rows = read_probabilities(folder / "test_probabilities.npy")
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
    return [[read_probabilities(path, rows) for path in seeds] for seeds in probabilities]


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
    merged = methods.merge(method, models, weights)
    predicted = labelscsv.read(submission_csv, merged.shape[1])
    true = None if solution is None else labelscsv.read(solution, merged.shape[1])
    if true is not None and len(true) != len(predicted):
        raise FormatError(f"{submission_csv}: {len(predicted)} rows; {solution} has {len(true)}")
    return {"model": MERGED, "framework": method} | score(merged, valid, predicted, true)


def read_score(path: str | Path) -> dict:
    """Read the row that was kept of one training. FormatError: it is damaged, or no row of the table."""
    row = read_json(path)
    if {*row} not in ({*FACTS, *VALID}, {*COLUMNS}):  # a solution may be unknown
        raise FormatError(f"{path}: damaged: it has {', '.join(row)}; delete it and run again")
    return row


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
