"""Submission files from anywhere, never changed: checked, scored, compared with ours, and blended."""

import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.errors import ConfigError, InputError
from digitflow.base.files import atomic_open
from digitflow.formats import idx, labelscsv
from digitflow.formats.labelscsv import Form
from digitflow.formats.layout import shown
from digitflow.formats.probabilities import read_probabilities
from digitflow.merging import merged as merging
from digitflow.merging import methods
from digitflow.scoring.table import score

log = logging.getLogger("digitflow")


@dataclass(frozen=True)
class Submission:
    """Labels int (n,) under a name, and probabilities float (n, classes) if they are known."""

    name: str
    labels: np.ndarray
    probabilities: np.ndarray | None = None


def read_submission(
    name: str, path: str | Path, classes: Sequence[str], form: Form | None = None
) -> Submission:
    """Read a submission file, with NAME_probabilities.npy beside it, if there is one.

    `classes` and `form` as in `labelscsv.read`. The probabilities may be in the order of the file or of the
    images. InputError or FormatError: the file does not fit, or its probabilities choose other labels.
    """
    path = Path(path)
    labels, lines = labelscsv.read_with_lines(path, classes, form)
    beside = path.with_name(f"{path.stem}_probabilities.npy")
    if not beside.exists():
        return Submission(name, labels)
    probabilities = read_probabilities(beside, len(labels))
    if probabilities.shape[1] != len(classes):
        raise InputError(f"{beside}: {probabilities.shape[1]} classes, should be {len(classes)}")
    as_file, as_images = lines - 2, np.arange(len(labels))
    chosen = probabilities.argmax(axis=1)
    rows = min((as_images, as_file), key=lambda rows: np.count_nonzero(chosen[rows] != labels))
    differ = np.flatnonzero(chosen[rows] != labels)
    if len(differ):
        at = differ[np.argmin(lines[differ])]
        prefers, has = shown(classes[chosen[rows[at]]]), shown(classes[labels[at]])
        raise InputError(
            f"{beside}: row {rows[at] + 1:,} prefers {prefers}, but {path}, line {lines[at]:,}, has {has}: "
            f"these are not this submission's probabilities; move {beside.name} away to vote by labels"
        )
    if not np.array_equal(rows, as_images):
        log.info(
            "%s: its rows are in the order of %s and were put into the order of the images", beside, path
        )
    return Submission(name, labels, probabilities[rows])


def read_submissions(
    paths: Sequence[str | Path], classes: Sequence[str], form: Form | None = None
) -> tuple[dict[str, Submission], dict[str, str]]:
    """Read submission files: those that fit, by name, and why each of the others is left out.

    `classes` and `form` as in `labelscsv.read`.
    """
    found, left_out = {}, {}
    for path in map(Path, paths):
        try:
            found[path.stem] = read_submission(path.stem, path, classes, form)
        except InputError as error:
            left_out[path.stem] = str(error)
    return found, left_out


def read_merged(
    files: Sequence[Path],
    classes: Sequence[str],
    test_images: Path,
    ids: Path,
    form: Mapping[str, Any],
) -> tuple[Form, dict[str, Submission]]:
    """The form that a submission has, and the files to merge, by name.

    `test_images` and `ids` are those of the test set; `form` is the section `submission` of the
    configuration. ConfigError: a file does not fit.
    """
    rows, *_ = idx.read_header(test_images)
    wanted = labelscsv.submission_form(form, rows, ids, ids)
    found, left_out = read_submissions(files, classes, wanted)
    for name, reason in left_out.items():
        raise ConfigError(f"merge.models: {name} cannot be merged: {reason}")
    return wanted, found


def blend_with_models(
    submission_csv: Path,
    files: Sequence[Path],
    probabilities: Sequence[Path],
    merge: Mapping[str, Any],
    classes: Sequence[str],
    test_images: Path,
    ids: Path,
    form: Mapping[str, Any],
) -> None:
    """Write the blend of files and models as the section `merge` says, whose `order` names both.

    `probabilities` are the models' files, one for each seed; the other arguments and what it raises are as in
    `read_merged`.
    """
    wanted, found = read_merged(files, classes, test_images, ids, form)
    for name, averaged in merging.read_models(probabilities, merge["seeds"]).items():
        found[name] = Submission(name, averaged.argmax(axis=1), averaged)
    chosen = [found[name] for name in merge["order"]]
    labels = blend(merge["method"], chosen, len(classes), merge["weights"])
    labelscsv.write(submission_csv, labels, classes, wanted)
    log.info(f"{submission_csv}: {len(labels):,} rows")


def score_files(
    files: Sequence[Path], classes: Sequence[str], submission_csv: Path | None, solution: Path | None
) -> list[dict[str, Any]]:
    """Rows for the table of scores, one per file that fits our own submission, with its test accuracy if a
    `solution`, an IDX file, is known.

    Files that do not fit are logged, with the reason.
    """
    if not files or submission_csv is None:
        return []
    form = labelscsv.read_sample(submission_csv)
    true = None if solution is None else idx.read_labels(solution, len(form.ids), len(classes))
    return [
        {"model": name, "framework": "file", **score("test", submission.labels, true)}
        for name, submission in _read_fitting(files, classes, form).items()
    ]


def labels_of_files(
    files: Sequence[Path], classes: Sequence[str], submission_csv: Path
) -> dict[str, np.ndarray]:
    """The labels of the files that fit our own submission, by name; the others are logged with the reason."""
    if not files:
        return {}
    found = _read_fitting(files, classes, labelscsv.read_sample(submission_csv))
    return {name: submission.labels for name, submission in found.items()}


def agreement(found: Mapping[str, Submission]) -> np.ndarray:
    """The share of images on which two submissions agree: float64 (k, k), in the order of `found`."""
    labels = [submission.labels for submission in found.values()]
    return np.array([[np.mean(a == b) for b in labels] for a in labels])


def write_agreement(path: str | Path, found: Mapping[str, Submission]) -> None:
    """Write the pairwise agreement as CSV: a row and a column for each submission, shares from 0 to 1."""
    with atomic_open(path, "w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["model", *found])
        for name, shares in zip(found, agreement(found).tolist(), strict=True):
            rows.writerow([name, *(round(share, 6) for share in shares)])


def say_agreement(found: Mapping[str, Submission], left_out: Mapping[str, str]) -> None:
    """Log which files are left out, and the pairwise agreement of the others."""
    _say_left_out(left_out)
    log.info(format_agreement(found))


def format_agreement(found: Mapping[str, Submission]) -> str:
    """The pairwise agreement as a table for people, in per cent."""
    names = list(found)
    width = max(map(len, names), default=0)
    columns = [max(len(name), 6) for name in names]
    head = " " * width + "".join(f"  {name:>{size}}" for name, size in zip(names, columns, strict=True))
    lines = [
        f"{name:<{width}}"
        + "".join(f"  {100 * share:>{size}.2f}" for share, size in zip(row, columns, strict=True))
        for name, row in zip(names, agreement(found).tolist(), strict=True)
    ]
    return "\n".join([head, *lines])


def blend(
    method: str, submissions: Sequence[Submission], classes: int, weights: Sequence[float] | None = None
) -> np.ndarray:
    """Blend submissions into labels int64 (n,) by a method of merging.

    A submission without probabilities is taken to be certain of its labels. In a tie, the first submission
    that names one of the tied labels decides. ConfigError: `mean` needs probabilities.
    """
    bare = [submission.name for submission in submissions if submission.probabilities is None]
    if bare and method != "vote":
        raise ConfigError(
            f"merge.method {method} needs probabilities, but {', '.join(bare)} has only labels: write "
            f"`method: vote`, or put {bare[0]}_probabilities.npy beside {bare[0]}.csv"
        )
    certain = np.eye(classes)
    arrays = [
        certain[submission.labels] if submission.probabilities is None else submission.probabilities
        for submission in submissions
    ]
    merged = methods.merge(method, arrays, weights)
    best = np.isclose(merged, merged.max(axis=1, keepdims=True), rtol=0, atol=1e-12)
    rows = np.arange(len(merged))
    chosen = merged.argmax(axis=1)
    for submission in reversed(submissions):
        among = best[rows, submission.labels]
        chosen = np.where(among, submission.labels, chosen)
    return chosen


def _read_fitting(files: Sequence[Path], classes: Sequence[str], form: Form) -> dict[str, Submission]:
    found, left_out = read_submissions(files, classes, form)
    _say_left_out(left_out)
    return found


def _say_left_out(left_out: Mapping[str, str]) -> None:
    for reason in left_out.values():
        log.warning(f"left out: {reason}")
