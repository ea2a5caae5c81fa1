"""Submission files from anywhere, never changed: checked, scored, compared with ours, and blended."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow.base.errors import ConfigError, InputError
from digitflow.base.files import CRLF, atomic_open, bare_lines
from digitflow.formats import idx, labelscsv
from digitflow.formats.labelscsv import Form
from digitflow.formats.layout import shown
from digitflow.formats.probabilities import read_probabilities
from digitflow.merging import merged as merging
from digitflow.merging import methods
from digitflow.scoring.table import score

if TYPE_CHECKING:
    import pandas

log = logging.getLogger("digitflow")


@dataclass(frozen=True)
class Submission:
    """Labels int (n,), and probabilities float (n, classes) if they are known."""

    labels: np.ndarray
    probabilities: np.ndarray | None = None


def read_submission(path: Path, classes: Sequence[str], form: Form | None = None) -> Submission:
    """Read a submission file NAME.csv, with NAME_probabilities.npy beside it, if there is one.

    `classes` and `form` as in `labelscsv.read`. The probabilities may be in the order of the file or of the
    images. InputError or FormatError: the file does not fit, or its probabilities choose other labels.
    """
    labels, lines = labelscsv.read_with_lines(path, classes, form)
    beside = path.with_name(f"{path.stem}_probabilities.npy")
    if not beside.exists():
        return Submission(labels)
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
    return Submission(labels, probabilities[rows])


def read_fitting(files: Sequence[Path], classes: Sequence[str], form: Form) -> dict[str, Submission]:
    """Read submission files, by name; those that do not fit are left out, and the log says why.

    `classes` and `form` as in `labelscsv.read`.
    """
    found = {}
    for path in files:
        try:
            found[path.stem] = read_submission(path, classes, form)
        except InputError as error:
            log.warning(f"left out: {error}")
    return found


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
    found = {}
    for path in files:
        try:
            found[path.stem] = read_submission(path, classes, wanted)
        except InputError as error:
            raise ConfigError(f"merge.models: {path.stem} cannot be merged: {error}") from error
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
        found[name] = Submission(averaged.argmax(axis=1), averaged)
    chosen = {name: found[name] for name in merge["order"]}
    labels = blend(merge["method"], chosen, len(classes), merge["weights"])
    labelscsv.write(submission_csv, labels, classes, wanted)
    log.info(f"{submission_csv}: {len(labels):,} rows")


def labels_of_files(
    files: Sequence[Path], classes: Sequence[str], submission_csv: Path | None
) -> dict[str, np.ndarray]:
    """The labels of the files that fit our own submission, by name; the others are logged with the reason."""
    if not files:
        return {}
    found = read_fitting(files, classes, labelscsv.read_sample(submission_csv))
    return {name: submission.labels for name, submission in found.items()}


def score_files(
    files: Sequence[Path], classes: Sequence[str], submission_csv: Path | None, solution: Path | None
) -> list[dict[str, Any]]:
    """Rows for the table of scores, one for each of `labels_of_files`, with its test accuracy if there is a
    `solution`, an IDX file.
    """
    rows = []
    for name, given in labels_of_files(files, classes, submission_csv).items():
        true = None if solution is None else idx.read_labels(solution, len(given), len(classes))
        rows.append({"model": name, "framework": "file", **score("test", given, true)})
    return rows


def agreement(found: Mapping[str, Submission]) -> "pandas.DataFrame":
    """The share of images, 0..1, on which two submissions agree: a row and a column for each."""
    import pandas

    labels = [submission.labels for submission in found.values()]
    return pandas.DataFrame([[np.mean(a == b) for b in labels] for a in labels], [*found], [*found])


def write_agreement(path: str | Path, found: Mapping[str, Submission]) -> None:
    """Write the agreement of submissions as CSV, and log it in per cent."""
    shares = agreement(found)
    with atomic_open(path, "w") as file:
        shares.round(6).to_csv(bare_lines(file), index_label="model", lineterminator=CRLF)
    log.info((100 * shares).to_string(float_format="{:.2f}".format))


def blend(
    method: str,
    submissions: Mapping[str, Submission],
    classes: int,
    weights: Sequence[float] | None = None,
) -> np.ndarray:
    """Blend submissions into labels int64 (n,) by a method of merging.

    A submission without probabilities is taken to be certain of its labels. In a tie, the first submission
    that names one of the tied labels decides. ConfigError: `mean` needs probabilities.
    """
    bare = [name for name, submission in submissions.items() if submission.probabilities is None]
    if bare and method != "vote":
        raise ConfigError(
            f"merge.method {method} needs probabilities, but {', '.join(bare)} has only labels: write "
            f"`method: vote`, or put {bare[0]}_probabilities.npy beside {bare[0]}.csv"
        )
    certain = np.eye(classes)
    arrays = [
        certain[submission.labels] if submission.probabilities is None else submission.probabilities
        for submission in submissions.values()
    ]
    merged = methods.MERGE_METHODS[method](arrays, weights)
    best = np.isclose(merged, merged.max(axis=1, keepdims=True), rtol=0, atol=1e-12)
    rows = np.arange(len(merged))
    chosen = merged.argmax(axis=1)
    for submission in reversed(submissions.values()):
        chosen = np.where(best[rows, submission.labels], submission.labels, chosen)
    return chosen
