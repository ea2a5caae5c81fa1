"""From probabilities to labels: submissions, and predictions of further images."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import PathLike, write_rows
from digitflow.formats import labelscsv

log = logging.getLogger("digitflow")


def write(
    path: PathLike,
    probabilities: np.ndarray,
    classes: Sequence[str],
    ids: PathLike,
    form: Mapping[str, Any],
) -> None:
    """Write the most probable class of each row (n, classes) as a submission.

    `ids`: the file of the test images' ids. `form`: the section `submission` of the configuration.
    """
    _check_width(path, probabilities, classes)
    labels = probabilities.argmax(axis=1)
    wanted = labelscsv.submission_form(form, len(labels), ids, ids)
    labelscsv.write(path, labels, classes, wanted)
    log.info(f"{path}: {len(labels):,} rows")


def write_predictions(
    path: PathLike, probabilities: np.ndarray, classes: Sequence[str], ids: PathLike
) -> None:
    """Write id, label and probability of each image; `ids`: the file of their ids; without any, 1, 2, ..."""
    _check_width(path, probabilities, classes)
    names = labelscsv.read_ids(ids, len(probabilities)) or range(1, len(probabilities) + 1)
    best = probabilities.argmax(axis=1)
    rows = (
        (name, classes[label], f"{row[label]:.6f}")
        for name, label, row in zip(names, best.tolist(), probabilities, strict=True)
    )
    write_rows(path, [("id", "label", "probability"), *rows])
    log.info(f"{path}: {len(names):,} images")


def _check_width(path: PathLike, probabilities: np.ndarray, classes: Sequence[str]) -> None:
    if probabilities.shape[1] != len(classes):
        raise FormatError(
            f"{path}: probabilities of {probabilities.shape[1]} classes, but the data have {len(classes)}"
        )
