"""Predict with a plain numpy model."""

from pathlib import Path

import numpy as np

from digitflow.models import baseline, numpy_mlp
from digitflow.models.baseline import Guess
from digitflow.models.numpy_mlp import MLP
from digitflow.training import device as devices
from digitflow.training.data import predict_shifted
from digitflow.training.settings import Settings


def apply(model: Path, images: np.ndarray, settings: Settings) -> tuple[np.ndarray, str]:
    """Predict uint8 images (n, h, w[, 3]), of the size that a saved model learned from, with this model.

    Returns softmax rows float32 (n, classes), and the name of the device.
    """
    network = baseline.load(model) or numpy_mlp.load(model)
    rows = np.arange(len(images))
    return predict(network, images, rows, settings.test_shifts), f"cpu: {devices.cpu_name()}"


def predict(model: MLP | Guess, images: np.ndarray, rows: np.ndarray, shifts: int = 1) -> np.ndarray:
    """Softmax rows float32 (n, classes) of `rows` of uint8 images, averaged over `shifts` moves."""
    if isinstance(model, Guess):
        return model.predict(rows)
    return predict_shifted(model.predict, images, rows, model.sizes[-1], shifts)
