"""Runs are remembered: one small JSON file per finished run, which git merges without conflicts."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.checksums import sha256
from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import atomic_open, read_json, write_json
from digitflow.competing import receipts
from digitflow.competing.store import digest_of_json
from digitflow.formats import lst
from digitflow.scoring.table import MERGED

DIGEST_DIGITS = 8
SCORES = ("validation", "test")
ORDERS = ("time", "score")
PARTS = ("configuration", "digests", "versions")  # of a run, compared key by key


@dataclass(frozen=True)
class Run:
    """One finished run.

    `facts`: its run.json. `scores`: the rows of its scores.csv. `validation` and `test`: the merged
    submission's accuracy, low and high, and n, where known; else None. `submission`: its SHA-256.
    """

    facts: Mapping[str, Any]
    scores: Sequence[Mapping[str, str]]
    validation: Mapping[str, float] | None
    test: Mapping[str, float] | None
    submission: str

    @property
    def configuration_digest(self) -> str:
        """The SHA-256 of the configuration, whatever the order of its keys."""
        return digest_of_json(self.facts.get("configuration"))


def read_run(
    run_json: str | Path,
    scores_csv: str | Path | None,
    submission_csv: str | Path,
    valid_rows: int | None = None,
    test_rows: int | None = None,
) -> Run:
    """Read what a run left. `valid_rows`, `test_rows`: how many images the scores rest on."""
    rows = read_scores(scores_csv) if scores_csv is not None and Path(scores_csv).exists() else []
    merged = next((row for row in rows if row["model"] == MERGED), {})
    return Run(
        read_json(run_json),
        rows,
        _accuracy(merged, "valid", valid_rows),
        _accuracy(merged, "test", test_rows),
        sha256(Path(submission_csv)),
    )


def read_scores(scores_csv: str | Path) -> list[dict[str, str]]:
    """Read a table of scores. FormatError: it is damaged."""
    with open(scores_csv, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not all(row.get("model") for row in rows):
        raise FormatError(f"{scores_csv}: damaged: no column model; delete it and run again")
    return rows


def remember(
    folder: str | Path, run: Run, submission_csv: str | Path, validation: np.ndarray | None = None
) -> Path:
    """Keep a run and its submission in a folder: its path. Scored anew, a run replaces its own record.

    `validation` int (n, 3): row from 1, true label and label given of each validation image, where known; by
    these two runs can be compared whose test labels nobody knows.
    """
    record = {
        "facts": run.facts,
        "scores": run.scores,
        "validation": run.validation,
        "test": run.test,
        "submission": run.submission,
    }
    time = str(run.facts["time"])[:19].replace(":", "")
    path = Path(folder) / f"{time}-{digest_of_json(run.facts)[:DIGEST_DIGITS]}.json"
    with atomic_open(path.with_suffix(".csv")) as file:
        file.write(Path(submission_csv).read_bytes())
    if validation is not None:
        with atomic_open(validation_beside(path), "w") as file:
            file.write("id,label,given\n")
            file.writelines(f"{row},{label},{given}\n" for row, label, given in validation.tolist())
    write_json(path, record)
    return path


def validation_beside(path: Path) -> Path:
    """The file with the validation answers of a run that was remembered."""
    return path.with_suffix(".valid.csv")


def read_validation(path: Path) -> np.ndarray | None:
    """The validation answers of a run that was remembered, int (n, 3). FormatError: they are damaged."""
    beside = validation_beside(path)
    if not beside.exists():
        return None
    try:
        return np.loadtxt(beside, dtype=np.int64, delimiter=",", skiprows=1, ndmin=2).reshape(-1, 3)
    except ValueError as error:
        raise FormatError(f"{beside}: damaged: {error}; delete it") from error


def validation_answers(valid_lst: str | Path, merged: np.ndarray) -> np.ndarray | None:
    """What merged probabilities (n, classes) say of validation rows, for `remember`; None without rows."""
    listing = lst.read(valid_lst)
    if not len(listing):
        return None
    return np.stack([listing.index, listing.label, merged.argmax(axis=1)], axis=1)


def recall(folder: str | Path) -> list[Run]:
    """All runs of a folder, the oldest first. FormatError: a file is damaged, or is no run."""
    found = [read_remembered(path) for path in sorted(Path(folder).glob("*.json"))]
    return sorted(found, key=lambda run: str(run.facts.get("time")))


def read_remembered(path: str | Path) -> Run:
    """Read one run that was remembered. FormatError: the file is damaged, or is no run."""
    try:
        return Run(**read_json(path))
    except TypeError as error:
        raise FormatError(f"{path}: no run that was remembered: {error}; move it away") from error


def tabulate(runs: Iterable[Run], receipts_folder: str | Path) -> list[dict[str, Any]]:
    """One flat row per run: time, commit, models, scores, Kaggle's reference and score, and all settings."""
    sent = {receipt.sha256: receipt for receipt in receipts.read_all(receipts_folder)}
    rows = []
    for run in runs:
        receipt = sent.get(run.submission)
        row = {"time": run.facts.get("time")}
        row |= {name: getattr(run, name) for name in SCORES}
        row["kaggle"] = None if receipt is None else receipt.public_score or receipt.status or "pending"
        row["ref"] = None if receipt is None else receipt.ref
        row["commit"] = commit_of(run.facts)
        models = {score["model"] for score in run.scores} - {MERGED}
        row["models"] = " ".join(sorted(models))
        rows.append(row | settings_of(run.facts))
    return rows


def settings_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was made from, flat: configuration without its prefix, digests and versions with theirs."""
    flat = {}
    for part in PARTS:
        prefix = "" if part == "configuration" else f"{part}."
        flat |= {f"{prefix}{key}": value for key, value in flatten(facts.get(part) or {}).items()}
    flat.pop("digests.submission", None)  # what came out
    return flat


def commit_of(facts: Mapping[str, Any]) -> str:
    """The commit of a run, shortened, and whether files differed from it."""
    commit = str(facts.get("commit") or "")[:DIGEST_DIGITS]
    return f"{commit}, changed" if commit and facts.get("changed") else commit


def flatten(value: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as one, with dotted keys; lists stay values."""
    flat = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            flat |= {f"{key}.{name}": leaf for name, leaf in flatten(inner).items()}
        else:
            flat[str(key)] = inner
    return flat


def format_runs(rows: Sequence[Mapping[str, Any]], by: str = "time") -> str:
    """Runs as a table for people: what is always asked for, then only the settings that differ.

    `by` time: the newest last; `by` score: the best validation score first. InputError: by anything else.
    """
    if by not in ORDERS:
        raise InputError(f"--by {by}: should be one of {', '.join(ORDERS)}")
    if not rows:
        return "no run is remembered yet"
    if by == "score":
        rows = sorted(rows, key=lambda row: -(row["validation"] or {"accuracy": 0})["accuracy"])
    always = ["time", *SCORES, "kaggle"]
    keys = dict.fromkeys(key for row in rows for key in row)
    first = rows[0]
    differing = [key for key in keys if any(row.get(key) != first.get(key) for row in rows)]
    columns = [key for key in always if any(row.get(key) is not None for row in rows)]
    columns += [key for key in differing if key not in always]
    table = [columns, *([_cell(key, row.get(key)) for key in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    return "\n".join(line.rstrip() for line in lines)


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key in SCORES:
        accuracy, low, high = (100 * value[name] for name in ("accuracy", "low", "high"))
        rows = f", n {value['n']}" if value.get("n") else ""
        return f"{accuracy:.2f} % ({low:.2f}-{high:.2f}{rows})"
    if key.startswith("digests."):
        return str(value)[:DIGEST_DIGITS]
    return value if isinstance(value, str) else json.dumps(value)


def _accuracy(row: Mapping[str, str], part: str, rows: int | None) -> dict[str, Any] | None:
    if not row.get(f"{part}_accuracy"):
        return None
    told = {name: float(row[f"{part}_{name}"]) for name in ("accuracy", "low", "high")}
    return told | {"n": rows}
