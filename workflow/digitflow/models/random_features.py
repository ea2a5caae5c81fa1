"""A linear layer on random features of an image's edges: its best weights follow from a system of equations.

Random cosines and sines of the edges stand for a kernel between images (Rahimi and Recht 2007, NIPS), so the
layer can tell apart what no linear function of the edges themselves could.
"""

import os

import numpy as np

from digitflow.base import files
from digitflow.models.edges import count_edges, edges
from digitflow.models.saved import saved_arrays

SIMILARITY = 1.0  # of images whose edges differ by x, each scaled to length 1: exp(-SIMILARITY * x ** 2)
RIDGE = 3e-5  # what a weight of 1 adds to the squared errors, for each row
SHARPNESS = 8.0  # of the softmax, for scores that should be 1 for the label and 0 for all others


def random_features(input_shape: tuple[int, ...], classes: int, features: int = 4000) -> "RandomFeatures":
    """As many cosines as sines: `features` in all, and as many weights for each class.

    Twice as many features take four times as long and are a little better.
    """
    if not isinstance(features, int) or features < 2 or features % 2:
        raise ValueError(f"features: {features!r}, should be an even number")
    return RandomFeatures((count_edges(input_shape), features // 2), classes)


class RandomFeatures:
    """The `projection` of edges, float32 (edges, features / 2), and `weights`, float32 (features, classes).

    They are 0 until `initialize` and `solve`. docs/numpy_network.md has the formulas.
    """

    def __init__(self, shape: tuple[int, int], classes: int):
        _, half = shape
        self.projection = np.zeros(shape, np.float32)
        self.weights = np.zeros((2 * half, classes), np.float32)
        self.classes = classes
        # Sums over all rows so far: of products of features, and of features and targets.
        self._squares = np.zeros((2 * half, 2 * half), np.float32)
        self._products = np.zeros_like(self.weights)
        self._rows = np.zeros(1, np.int64)

    def initialize(self, rng: np.random.Generator) -> None:
        """Draw the projection."""
        self.projection[...] = rng.normal(0, np.sqrt(2 * SIMILARITY), self.projection.shape)

    def add(self, images: np.ndarray, targets: np.ndarray) -> None:
        """Count in more images uint8 (n, h, w[, 3]) with their targets (n, classes), which sum to 1."""
        features = self._features(images)
        self._squares += features.T @ features
        self._products += features.T @ (targets - np.float32(1 / self.classes))
        self._rows += len(images)

    def solve(self) -> None:
        """Set the weights to those with the least squared error on all images so far."""
        cost = np.eye(len(self.weights), dtype=np.float32) * max(1, RIDGE * self._rows[0])
        self.weights[...] = np.linalg.solve(self._squares + cost, self._products)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Softmax rows float32 (n, classes) of images uint8 (n, h, w[, 3])."""
        scores = self._features(images) @ self.weights
        rows = np.exp(SHARPNESS * (scores - scores.max(axis=1, keepdims=True)))
        return rows / rows.sum(axis=1, keepdims=True)

    def state(self) -> dict[str, np.ndarray]:
        """All arrays that `add` and `solve` change."""
        sums = {"squares": self._squares, "products": self._products, "rows": self._rows}
        return {**sums, "weights": self.weights}

    def _features(self, images: np.ndarray) -> np.ndarray:
        angles = edges(images) @ self.projection
        return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)

    def save(self, path: str | os.PathLike) -> None:
        """Write projection and weights as .npz, with numbers only."""
        with files.atomic_open(path) as file:
            np.savez(file, projection=self.projection, weights=self.weights)


def load(path: str | os.PathLike) -> RandomFeatures:
    """What `RandomFeatures.save` wrote. Raises as `saved_arrays`."""
    projection, weights = saved_arrays(path, "projection", "weights")
    model = RandomFeatures(projection.shape, weights.shape[1])
    model.projection, model.weights = projection, weights
    return model
