"""Metrics, which say how results were made, and predictions with saved models."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base import files
from digitflow.base.checksums import check_digests, sha256
from digitflow.base.errors import ConfigError, DigitflowError, FormatError, InputError
from digitflow.formats import idx
from digitflow.formats.probabilities import write_probabilities
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")


def write_metrics(path: Path, described: Sequence[Path], **facts: Any) -> None:
    """Write facts as JSON, with the SHA-256 of the files they describe, which lie in the same folder."""
    files.write_json(path, facts | {"sha256": {name.name: sha256(name) for name in described}})


def open_for_model(images: Path, metrics: Path, *model_files: Path) -> tuple[np.ndarray, Settings]:
    """The images of an IDX file, memory-mapped, for a saved model, and the settings of its training.

    Checks that the model's files are undamaged. Raises InputError if the images are of another size or colour
    than those that it learned from.
    """
    check_digests(metrics, *(path.name for path in model_files))
    try:
        facts = files.read_json(metrics)
        settings, learned = Settings.from_dict(facts["settings"]), tuple(facts["image_shape"])
    except (KeyError, TypeError, ConfigError) as error:
        raise FormatError(
            f"{metrics}: damaged, or of another version: {error}; delete it and run again"
        ) from error
    pixels = idx.open_memmap(images, idx.IMAGES)
    if pixels.shape[1:] != learned:
        found, known = (" x ".join(map(str, shape)) for shape in (pixels.shape[1:], learned))
        raise InputError(
            f"{images}: images of {found} pixels, but {model_files[-1]} learned from {known}: all images "
            "must have the same size, and be all grey or all in colour"
        )
    return pixels, settings


def write_prediction(
    probabilities: Path,
    prediction: Path,
    rows: np.ndarray,
    metrics: Path,
    model_files: Sequence[Path],
    images: Path,
    device: str,
) -> None:
    """Write softmax rows (n, classes) of all images of an IDX file, and what they were predicted from.

    If the training of the model diverged, according to `metrics`, they are meaningless: all classes get the
    same. DigitflowError: it did, but nobody noticed.
    """
    if files.read_json(metrics).get("status") == "diverged":
        rows = np.full(rows.shape, 1 / rows.shape[1], np.float32)
    elif np.isnan(rows).any():  # without validation rows, a training does not notice what its last step did
        raise DigitflowError(
            f"{model_files[-1]}: predicts what is not a number: its training diverged; lower learning_rate"
        )
    write_probabilities(probabilities, rows)
    made_from = {path.name: sha256(path) for path in [*model_files, images]}
    write_metrics(prediction, [probabilities], device=device, made_from=made_from)
    log.info(f"{probabilities}: {len(rows):,} images")
