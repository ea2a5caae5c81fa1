"""Predict with a plain numpy model.

The models' own modules are looked up by name, so that an edit of one concerns no model of another.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.training import device as devices
from digitflow.training.data import predict_shifted
from digitflow.training.settings import Settings


@np.errstate(all="ignore")  # what is not a number is reported as it is written
def apply(model: Path, images: np.ndarray, settings: Settings) -> tuple[np.ndarray, str]:
    """Predict uint8 images (n, h, w[, 3]), of the size that a saved model learned from, with this model.

    Returns softmax rows float32 (n, classes), and the name of the device. FormatError: the file is damaged,
    or its model is none of this version.
    """
    try:
        module = importlib.import_module(f"digitflow.models.{settings.module}")
    except ModuleNotFoundError as error:
        raise FormatError(
            f"{model}: a model of models/{settings.module}.py, which this version does not have; delete it "
            "and run again"
        ) from error
    rows = np.arange(len(images))
    found = predict(module.load(model), images, rows, settings.test_shifts)
    return found, f"cpu: {devices.cpu_name()}"


def predict(model: Any, images: np.ndarray, rows: np.ndarray, shifts: int = 1) -> np.ndarray:
    """Softmax rows float32 (n, classes) of `rows` of uint8 images, averaged over `shifts` moves."""
    if getattr(model, "blind", False):
        return model.predict(rows)
    return predict_shifted(model.predict, images, rows, model.classes, shifts)
