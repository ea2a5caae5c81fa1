"""What every training leaves: history, probabilities, and metrics that say how it was made."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from digitflow.base import files
from digitflow.base.checksums import check_digests, sha256
from digitflow.base.errors import ConfigError, FormatError
from digitflow.formats.probabilities import write_probabilities
from digitflow.training.history import History, accuracy_of
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")


class Store(Protocol):
    """What keeps the files of finished trainings, by their fingerprints (`checkpoint.fingerprint`)."""

    def bring_back(self, fingerprint: str) -> bool:
        """Put the files of this training into their places, if they are there."""

    def keep(self, fingerprint: str) -> None:
        """Keep the files of this training."""


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Where the results of a training go, beside the model itself, and a store that may have them already."""

    history: Path
    metrics: Path
    valid_probabilities: Path
    store: Store | None = None

    @property
    def checkpoint(self) -> Path:
        """Where a training that is not finished keeps how far it has come."""
        return self.history.with_name("checkpoint.npz")

    def are_brought_back(self, fingerprint: str) -> bool:
        """Bring all results of this training back, the model too, if the store has them."""
        return self.store is not None and self.store.bring_back(fingerprint)

    def keep(self, fingerprint: str) -> None:
        """Keep all results of this training, the model too, where there is a store."""
        if self.store is not None:
            self.store.keep(fingerprint)


def write_results(
    outputs: Outputs,
    history: History,
    valid: np.ndarray,
    valid_labels: np.ndarray,
    *,
    model_files: Sequence[Path],
    framework: str,
    seed: int,
    settings: Settings,
    precision: str = "float32",
    **facts: Any,
) -> None:
    """Write what every training leaves: history, validation probabilities, and metrics with `facts` about it.

    The metrics hold the SHA-256 of the others and of `model_files`, by which damage is found.

    `precision` is what the network calculated in. `valid` (n, classes) holds softmax rows, none where no rows
    validate; those of a training that diverged say nothing, and each class gets the same.
    """
    if history.status == "diverged":
        valid = np.full(valid.shape, 1 / valid.shape[1], np.float32)
    valid_accuracy = accuracy_of(valid, valid_labels) if len(valid) else None
    if len(valid):
        log.info(
            f"validation accuracy {valid_accuracy:.4f} of {len(valid):,} images, {history.seconds:.0f} s"
        )
    history.write(outputs.history)
    write_probabilities(outputs.valid_probabilities, valid)
    write_metrics(
        outputs.metrics,
        [*model_files, outputs.history, outputs.valid_probabilities],
        framework=framework,
        precision=precision,
        **facts,
        seed=seed,
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
    """Write facts as JSON, with the SHA-256 of the files that they are about, which lie beside it."""
    files.write_json(path, facts | {"sha256": {name.name: sha256(name) for name in described}})


def read_settings(metrics: Path, *model_files: Path) -> Settings:
    """The settings that a saved model was trained with, after a check that its files are undamaged."""
    check_digests(metrics, *(path.name for path in model_files))
    try:
        return Settings.from_dict(files.read_json(metrics)["settings"])
    except (KeyError, ConfigError) as error:
        raise FormatError(
            f"{metrics}: damaged, or of another version: {error}; delete it and run again"
        ) from error


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

    Those of a model whose training diverged, as `metrics` say, say nothing: each class gets the same.
    """
    if files.read_json(metrics).get("status") == "diverged":
        rows = np.full(rows.shape, 1 / rows.shape[1], np.float32)
    write_probabilities(probabilities, rows)
    made_from = {path.name: sha256(path) for path in [*model_files, images]}
    write_metrics(prediction, [probabilities], device=device, made_from=made_from)
    log.info(f"{probabilities}: {len(rows):,} images")
