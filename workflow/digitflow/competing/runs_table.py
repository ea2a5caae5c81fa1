"""The table of remembered runs: one row each, with only those settings that differ."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from digitflow.base.errors import InputError
from digitflow.competing import receipts
from digitflow.competing.runs import DIGEST_DIGITS, Run, commit_of, settings_of
from digitflow.scoring.summary import LOOKED_NOTE
from digitflow.scoring.table import LOOKED, MERGED

SCORES = ("validation", "test")
ORDERS = ("time", "score")


def tabulate(runs: Iterable[Run], receipts_folder: str | Path) -> list[dict[str, Any]]:
    """One flat row per run: time, commit, models, scores, Kaggle's reference and score, and all settings."""
    sent = {receipt.sha256: receipt for receipt in receipts.read_all(receipts_folder) if receipt.ref}
    rows = []
    for run in runs:
        receipt = sent.get(run.submission)
        answer = (run.kaggle or {}) if receipt is None else receipt.answer
        row = {"time": run.facts.get("time")}
        row |= {name: getattr(run, name) for name in SCORES}
        if run.validation is not None and MERGED in run.looked:
            row["validation"] = {**run.validation, LOOKED: True}
        row |= {"kaggle": answer.get("public_score") or answer.get("status"), "ref": answer.get("ref")}
        row |= {"commit": commit_of(run.facts), "configuration": run.configuration_digest[:DIGEST_DIGITS]}
        rows.append(row | settings_of(run.facts))
    return rows


def format_runs(rows: Sequence[Mapping[str, Any]], by: str = "time") -> str:
    """Runs as a table for people: the columns everyone wants, then only the settings that differ.

    `by` time: newest last; `by` score: best validation score first. InputError for anything else.
    """
    if by not in ORDERS:
        raise InputError(f"--by {by}: should be one of {', '.join(ORDERS)}")
    if not rows:
        return "no run is remembered yet"
    if by == "score":
        rows = sorted(rows, key=lambda row: -(row["validation"] or {"accuracy": 0})["accuracy"])
    always = ["time", *SCORES, "kaggle"]
    columns = [key for key in always if any(row.get(key) is not None for row in rows)]
    for key in dict.fromkeys(key for row in rows for key in row):
        if key not in always and any(row.get(key) != rows[0].get(key) for row in rows):
            columns.append(key)
    table = [columns, *([_cell(key, row.get(key)) for key in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    if any((row["validation"] or {}).get(LOOKED) for row in rows):
        lines.append(LOOKED_NOTE)
    return "\n".join(line.rstrip() for line in lines)


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key in SCORES:
        accuracy, low, high = (100 * value[name] for name in ("accuracy", "low", "high"))
        rows = f", n {value['n']}" if value.get("n") else ""
        mark = "*" if value.get(LOOKED) else ""
        return f"{accuracy:.2f} % ({low:.2f}-{high:.2f}{rows}){mark}"
    if key.startswith("digests."):
        return str(value)[:DIGEST_DIGITS]
    return value if isinstance(value, str) else json.dumps(value)
