"""What a person sees before a submission is sent, and what is sent: a plan."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.checksums import sha256
from digitflow.base.errors import InputError
from digitflow.base.files import atomic_open
from digitflow.competing import receipts
from digitflow.competing.runs import Run
from digitflow.formats import labelscsv

LONGEST_MESSAGE = 200


def make_plan(
    submission_csv: str | Path,
    classes: int,
    competition: str,
    receipts_folder: str | Path,
    run: Run | None,
    message: str | None = None,
) -> dict[str, Any]:
    """Look at a submission: its rows, classes, what changed since the last one, its validation score.

    The message is the user's, or made from the run: commit, digest of the configuration, validation score.
    FormatError: it is no submission; InputError: the message is too long.
    """
    submission_csv = Path(submission_csv)
    labels = labelscsv.read(submission_csv, classes)
    message = " ".join((message or _message(run)).split())
    if len(message) > LONGEST_MESSAGE:
        raise InputError(f"the message of a submission has {len(message)} letters; at most {LONGEST_MESSAGE}")
    counts = np.bincount(labels, minlength=classes).tolist()
    return {
        "competition": competition,
        "file": str(submission_csv),
        "sha256": sha256(submission_csv),
        "rows": len(labels),
        "class_counts": {str(label): count for label, count in enumerate(counts)},
        "changed": _changed(labels, classes, competition, receipts_folder),
        "validation": None if run is None else run.validation,
        "message": message,
    }


def write_plan(path: str | Path, plan: Mapping[str, Any]) -> None:
    """Write a plan as JSON, for the process that sends it."""
    with atomic_open(path, "w") as file:
        json.dump(plan, file, indent=1)
        file.write("\n")


def _message(run: Run | None) -> str:
    if run is None:
        return "digitflow"
    changes = " with changes" if run.facts.get("changed") else ""
    commit = str(run.facts.get("commit") or "no commit")[:8]
    told = f"digitflow {commit}{changes}, configuration {run.configuration_digest[:8]}"
    if run.validation is None:
        return told
    return f"{told}, validation {100 * run.validation['accuracy']:.2f} %"


def _changed(labels: np.ndarray, classes: int, competition: str, folder: str | Path) -> dict[str, Any] | None:
    """How many labels differ from the last submission of this competition; None where there is none."""
    sent = [receipt for receipt in receipts.read_all(folder, competition) if receipt.ref]
    if not sent:
        return None
    last = sent[-1]
    copy = receipts.copy_of(folder, competition, last.sha256)
    if not copy.exists():
        return None
    before = labelscsv.read(copy, classes)
    if len(before) != len(labels):
        return None
    return {"ref": last.ref, "time": last.time, "labels": int(np.count_nonzero(before != labels))}
