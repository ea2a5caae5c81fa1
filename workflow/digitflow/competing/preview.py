"""The plan of a submission: what is sent, and what a person sees before it is."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.checksums import sha256
from digitflow.base.errors import InputError
from digitflow.competing import receipts
from digitflow.competing.runs import Run
from digitflow.formats import labelscsv
from digitflow.scoring.summary import LOOKED_NOTE
from digitflow.scoring.table import MERGED

LONGEST_MESSAGE = 200


def make_plan(
    submission_csv: Path,
    classes: Sequence[str],
    competition: str,
    receipts_folder: str | Path,
    run: Run,
    message: str | None = None,
) -> dict[str, Any]:
    """Describe a submission: its rows, classes, what changed since the last one, its validation score, with a
    note if that is a little too good.

    `classes`: the labels' names. The message is the user's, or is made from the run: commit, digest of the
    configuration, validation score.
    FormatError: it is not a submission; InputError: the message is too long.
    """
    read = functools.partial(labelscsv.read, classes=classes, form=labelscsv.read_sample(submission_csv))
    labels = read(submission_csv)
    message = " ".join((message or _message(run)).split())
    if len(message) > LONGEST_MESSAGE:
        raise InputError(
            f"the message of a submission has {len(message)} characters; at most {LONGEST_MESSAGE} are "
            "allowed"
        )
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    return {
        "competition": competition,
        "file": str(submission_csv),
        "sha256": sha256(submission_csv),
        "rows": len(labels),
        "class_counts": dict(zip(classes, counts, strict=True)),
        "changed": _changed(labels, read, competition, receipts_folder),
        "validation": run.validation,
        "note": LOOKED_NOTE if MERGED in run.looked else None,
        "message": message,
    }


def _message(run: Run) -> str:
    changes = " with changes" if run.facts.get("changed") else ""
    commit = (run.facts.get("commit") or "")[:8] or "no commit"
    message = f"digitflow {commit}{changes}, configuration {run.configuration_digest[:8]}"
    if run.validation is None:
        return message
    looked = ", a little too good" if MERGED in run.looked else ""
    return f"{message}, validation {100 * run.validation['accuracy']:.2f} %{looked}"


def _changed(
    labels: np.ndarray, read: Callable[[Path], np.ndarray], competition: str, folder: str | Path
) -> dict[str, Any] | None:
    """How many labels differ from the last submission to this competition; None: none is of these images."""
    sent = [receipt for receipt in receipts.read_all(folder, competition) if receipt.ref]
    if not sent:
        return None
    last = sent[-1]
    try:
        before = read(last.path(folder, ".csv"))
    except InputError:
        return None
    return {"ref": last.ref, "time": last.time, "labels": int(np.count_nonzero(before != labels))}
