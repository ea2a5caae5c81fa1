"""Probabilities to labels: submissions, and predictions of further images."""

import csv
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import atomic_open
from digitflow.formats import labelscsv

log = logging.getLogger("digitflow")
PathLike = str | os.PathLike


def write(path: PathLike, probabilities: np.ndarray, classes: Sequence[str]) -> None:
    """Write the most probable class of each row (n, classes) as a submission."""
    _check_width(path, probabilities, classes)
    labels = probabilities.argmax(axis=1)
    labelscsv.write(path, labels)
    log.info(f"{path}: {len(labels):,} rows")


def write_predictions(
    path: PathLike, probabilities: np.ndarray, classes: Sequence[str], names: PathLike
) -> None:
    """Write id, label and probability of each image; `names` is a file with one id per line, in order."""
    _check_width(path, probabilities, classes)
    ids = Path(names).read_text(encoding="utf-8").splitlines()
    if len(ids) != len(probabilities):
        raise FormatError(
            f"{names}: {len(ids)} names for {len(probabilities)} images; delete it and run again"
        )
    best = probabilities.argmax(axis=1)
    with atomic_open(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "label", "probability"])
        for name, label, row in zip(ids, best.tolist(), probabilities, strict=True):
            writer.writerow([name, classes[label], f"{row[label]:.6f}"])
    log.info(f"{path}: {len(ids):,} images")


def say_weights(weights: Mapping[str, float]) -> None:
    """Log the fitted weights."""
    log.info("weights of the merge: " + ", ".join(f"{name} {weight:.3f}" for name, weight in weights.items()))


def _check_width(path: PathLike, probabilities: np.ndarray, classes: Sequence[str]) -> None:
    if probabilities.shape[1] != len(classes):
        raise FormatError(
            f"{path}: probabilities of {probabilities.shape[1]} classes; the data have {len(classes)}"
        )
