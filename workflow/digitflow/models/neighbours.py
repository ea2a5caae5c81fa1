"""Nearest neighbours that allow for bent strokes: they misread other images than networks do.

The distance of two images is that of Keysers et al. 2007 (IEEE TPAMI 29(8), "Deformation models for image
recognition"): each pixel of one is compared with all pixels of the other that are at most REACH away, and the
best of these counts. What is compared are the gradients around both. That takes long, so it is done only for
the CANDIDATES whose edges are most alike, and not at all if these agree on the label.
"""

import os

import numpy as np

from digitflow.base import files
from digitflow.models.edges import edges, gradients
from digitflow.models.saved import saved_arrays

CANDIDATES = 50
REACH = 1  # pixels; 2 take three times as long and gain nothing in a merge
LOOSENESS = 0.15  # a neighbour that is farther than the nearest by this part counts 1 / e of it
UNSEEN = 0.01  # how much each class counts that no neighbour has
TRUST = 0.5  # in a mean, neighbours count half as much as a network, which is wrong half as often
COMPARED = 1 << 24  # pairs of images whose edges are compared at once


def neighbours(input_shape: tuple[int, ...], classes: int, candidates: int = CANDIDATES) -> "Neighbours":
    """Compares an image with its `candidates`, of which more are slower and a little better."""
    if not isinstance(candidates, int) or candidates < 1:
        raise ValueError(f"candidates: {candidates!r}, should be a whole number above 0")
    return Neighbours(np.empty((0, *input_shape), np.uint8), np.empty(0, np.int64), classes, candidates)


class Neighbours:
    """Compares images with known ones, `images` uint8 (m, h, w[, 3]) with `labels` int64 (m,)."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, classes: int, candidates: int = CANDIDATES):
        self.images, self.labels, self.classes, self.candidates = images, labels, classes, candidates
        self._edges = edges(images)

    def predict(self, images: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
        """Rows float32 (n, classes), which sum to 1, of images uint8 (n, h, w[, 3]).

        `known` (n,): these are known images themselves, with these numbers, and not their own neighbours.
        """
        counts = np.zeros((len(images), self.classes), np.float32)
        step = max(1, COMPARED // len(self.images))
        for start in range(0, len(images), step):
            part = slice(start, start + step)
            # The squared distance of rows of length 1 is 2 less twice their product.
            alike = edges(images[part]) @ self._edges.T
            if known is not None:
                alike[np.arange(len(alike)), known[part]] = -np.inf
            others = alike.shape[1] - (known is not None)
            count = max(min(self.candidates, others), 1)
            nearest = np.argpartition(alike, -count, axis=1)[:, -count:]
            for row, image, near in zip(counts[part], gradients(images[part]), nearest, strict=True):
                row += np.bincount(self.labels[near], self._weights(image, near), self.classes)
        counts += UNSEEN
        shares = counts / counts.sum(axis=1, keepdims=True)
        return TRUST * shares + np.float32((1 - TRUST) / self.classes)

    def _weights(self, image: np.ndarray, near: np.ndarray) -> np.ndarray:
        """How much each of the known images counts for an image with these gradients."""
        if (self.labels[near] == self.labels[near[0]]).all():
            return np.ones(len(near))
        distances = deformed_distances(image, gradients(self.images[near]))
        nearest = max(distances.min(), 1e-6)  # 0 if the image itself is known
        return np.exp((1 - distances / nearest) / LOOSENESS)

    def save(self, path: str | os.PathLike) -> None:
        """Write the known images and their labels as .npz, with numbers only."""
        numbers = np.array([self.classes, self.candidates])
        with files.atomic_open(path) as file:
            np.savez_compressed(file, images=self.images, labels=self.labels, numbers=numbers)


def load(path: str | os.PathLike) -> Neighbours:
    """What `Neighbours.save` wrote. Raises as `saved_arrays`."""
    images, labels, numbers = saved_arrays(path, "images", "labels", "numbers")
    return Neighbours(images, labels, *numbers.tolist())


def deformed_distances(image: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The distances float32 (k,) of gradients (g, h, w) to others (k, g, h, w): see above.

    Pixel by pixel, the squared differences are summed over the pixel and the eight around it.
    """
    _, height, width = image.shape
    frame = (REACH, REACH)
    # The others last, so that all operations run along them: three times as fast.
    others = np.ascontiguousarray(np.pad(others, ((0, 0), (0, 0), frame, frame)).transpose(1, 2, 3, 0))
    best = np.full((height - 2, width - 2, others.shape[-1]), np.inf, np.float32)
    for down in range(2 * REACH + 1):
        for across in range(2 * REACH + 1):
            differences = others[:, down : down + height, across : across + width] - image[..., None]
            differences *= differences
            squares = differences.sum(axis=0)
            rows = squares[:-2] + squares[1:-1]
            rows += squares[2:]
            sums = rows[:, :-2] + rows[:, 1:-1]
            sums += rows[:, 2:]
            np.minimum(best, sums, out=best)
    return best.sum(axis=(0, 1))
