"""Predict with a plain numpy model."""

from pathlib import Path

import numpy as np

from digitflow.models import baseline, neighbours, numpy_mlp, random_features
from digitflow.models.baseline import Guess
from digitflow.models.neighbours import Neighbours
from digitflow.models.numpy_mlp import MLP
from digitflow.models.random_features import RandomFeatures
from digitflow.training import device as devices
from digitflow.training.data import predict_shifted
from digitflow.training.settings import Settings

Model = MLP | RandomFeatures | Neighbours | Guess


def apply(model: Path, images: np.ndarray, settings: Settings) -> tuple[np.ndarray, str]:
    """Predict uint8 images (n, h, w[, 3]), of the size that a saved model learned from, with this model.

    Returns softmax rows float32 (n, classes), and the name of the device.
    """
    special = random_features.load(model) or neighbours.load(model) or baseline.load(model)
    network = special or numpy_mlp.load(model)
    rows = np.arange(len(images))
    return predict(network, images, rows, settings.test_shifts), f"cpu: {devices.cpu_name()}"


def predict(model: Model, images: np.ndarray, rows: np.ndarray, shifts: int = 1) -> np.ndarray:
    """Softmax rows float32 (n, classes) of `rows` of uint8 images, averaged over `shifts` moves."""
    if isinstance(model, Guess):
        return model.predict(rows)
    return predict_shifted(model.predict, images, rows, model.classes, shifts)
