"""What every training writes: history, probabilities, and metrics that say how they were made."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base import files
from digitflow.base.checksums import check_digests, sha256
from digitflow.base.errors import ConfigError, FormatError, InputError
from digitflow.formats import idx
from digitflow.formats.probabilities import write_probabilities
from digitflow.training.history import History, accuracy_of
from digitflow.training.job import Job
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")


def write_results(
    job: Job,
    history: History,
    valid: np.ndarray,
    valid_labels: np.ndarray,
    *,
    framework: str,
    precision: str = "float32",
    **facts: Any,
) -> None:
    """Write a training's history, validation probabilities, and metrics with `facts` about it.

    `valid` (n, classes) holds softmax rows, none if there are no validation rows; if the training diverged
    they are meaningless, and all classes get the same. `precision` is what the network calculated in. The
    metrics hold the SHA-256 of the others and of the model, by which damage is found.
    """
    if history.status == "diverged":
        valid = np.full(valid.shape, 1 / valid.shape[1], np.float32)
    valid_accuracy = accuracy_of(valid, valid_labels) if len(valid) else None
    if len(valid):
        log.info(
            f"validation accuracy {valid_accuracy:.4f} of {len(valid):,} images, {history.seconds:.0f} s"
        )
    settings = job.settings
    history.write(job.history)
    write_probabilities(job.valid_probabilities, valid)
    write_metrics(
        job.metrics,
        [*job.model_files, job.history, job.valid_probabilities],
        framework=framework,
        precision=precision,
        **facts,
        seed=job.seed,
        settings=settings.as_dict(),
        valid_images=len(valid),
        valid_accuracy=valid_accuracy,
        looked_at_validation=settings.looks_at_validation,
        status=history.status,
        epochs=len(history.rows),
        best_epoch=history.best_epoch if settings.patience else None,
        seconds=round(history.seconds, 1),
    )


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
    same.
    """
    if files.read_json(metrics).get("status") == "diverged":
        rows = np.full(rows.shape, 1 / rows.shape[1], np.float32)
    write_probabilities(probabilities, rows)
    made_from = {path.name: sha256(path) for path in [*model_files, images]}
    write_metrics(prediction, [probabilities], device=device, made_from=made_from)
    log.info(f"{probabilities}: {len(rows):,} images")
