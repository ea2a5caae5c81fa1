"""What every training leaves: history, probabilities, and metrics that say how it was made."""

import dataclasses
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base import files
from digitflow.base.checksums import sha256
from digitflow.formats.probabilities import write_probabilities
from digitflow.training.history import History, accuracy_of
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Where the results of a training go, beside the model itself."""

    history: Path
    metrics: Path
    valid_probabilities: Path
    test_probabilities: Path

    @property
    def checkpoint(self) -> Path:
        """Where a training that is not finished keeps how far it has come."""
        return self.history.with_name("checkpoint.npz")


def write_results(
    outputs: Outputs,
    history: History,
    valid: np.ndarray,
    test: np.ndarray,
    valid_labels: np.ndarray,
    *,
    model_files: Sequence[Path],
    framework: str,
    seed: int,
    settings: Settings,
    **facts: Any,
) -> None:
    """Write what every training leaves: history, probabilities, and metrics with `facts` about it.

    The metrics hold the SHA-256 of the others and of `model_files`, by which damage is found.

    `valid` (n, classes) and `test` (m, classes) are softmax rows; those of a training that diverged say
    nothing, and each class gets the same.
    """
    if history.status == "diverged":
        valid, test = (np.full(array.shape, 1 / array.shape[1], np.float32) for array in (valid, test))
    valid_accuracy = accuracy_of(valid, valid_labels)
    log.info(f"validation accuracy {valid_accuracy:.4f} of {len(valid):,} images, {history.seconds:.0f} s")
    history.write(outputs.history)
    write_probabilities(outputs.valid_probabilities, valid)
    write_probabilities(outputs.test_probabilities, test)
    metrics = {
        "framework": framework,
        **facts,
        "seed": seed,
        "settings": settings.as_dict(),
        "valid_images": len(valid),
        "valid_accuracy": valid_accuracy,
        "status": history.status,
        "epochs": len(history.rows),
        "seconds": round(history.seconds, 1),
        "sha256": {
            path.name: sha256(path)
            for path in [
                *model_files,
                outputs.history,
                outputs.valid_probabilities,
                outputs.test_probabilities,
            ]
        },
    }
    with files.atomic_open(outputs.metrics, "w") as file:
        file.write(json.dumps(metrics, indent=2) + "\n")
