"""Predict with a plain numpy model."""

import math
from pathlib import Path

import numpy as np

from digitflow.base.errors import InputError
from digitflow.formats import idx
from digitflow.models import baseline, numpy_mlp
from digitflow.models.baseline import Guess
from digitflow.models.numpy_mlp import MLP
from digitflow.training import device as devices
from digitflow.training.data import predict_shifted, wrong_shape
from digitflow.training.settings import Settings


def apply(model: Path, images: Path, *, settings: Settings) -> tuple[np.ndarray, str]:
    """Predict all images of an IDX file with a saved model.

    Returns softmax rows float32 (n, classes), and the name of the device. Raises InputError if the images
    are of another size than those that the model learned from.
    """
    pixels = idx.open_memmap(images, idx.IMAGES)
    network = baseline.load(model) or numpy_mlp.load(model)
    if isinstance(network, MLP) and network.sizes[0] != math.prod(pixels.shape[1:]):
        raise InputError(wrong_shape(images, pixels.shape[1:], model, network.sizes[:1]))
    rows = np.arange(len(pixels))
    return predict(network, pixels, rows, settings.test_shifts), f"cpu: {devices.cpu_name()}"


def predict(model: MLP | Guess, images: np.ndarray, rows: np.ndarray, shifts: int = 1) -> np.ndarray:
    """Softmax rows float32 (n, classes) of `rows` of uint8 images, averaged over `shifts` moves."""
    if isinstance(model, Guess):
        return model.predict(rows)
    return predict_shifted(model.predict, images, rows, model.sizes[-1], shifts)
