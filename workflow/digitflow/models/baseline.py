"""Models that do not look at the pixels: how good is guessing, and how good is the luckiest of many?"""

import logging
import os

import numpy as np

from digitflow.base import files
from digitflow.models.saved import saved_arrays

log = logging.getLogger("digitflow")

Seed = tuple[int, int]  # the training's seed, and the number of the try


def random_guess(input_shape: tuple[int, ...], classes: int) -> "Guess":
    """Labels drawn uniformly with the training's seed: right for one image in `classes`."""
    return Guess(classes, searches=False)


def seed_search(input_shape: tuple[int, ...], classes: int) -> "Guess":
    """The luckiest of as many seeds as there are epochs, judged by the training labels.

    It has found only luck on these labels, which is worth nothing on others.
    """
    return Guess(classes, searches=True)


class Guess:
    """A label for each image, drawn from a seed and the image's row only."""

    blind = True  # it predicts rows, where other models predict images

    def __init__(self, classes: int, searches: bool):
        self.classes, self.searches = classes, searches
        self.seed: Seed = (0, 0)
        self.right = -1  # how many of the labels by which the seed was chosen

    def draw(self, seed: Seed, rows: np.ndarray) -> np.ndarray:
        """The labels int64 (n,) that `seed` draws for rows (n,); a row's does not depend on the others."""
        return np.random.default_rng(seed).integers(self.classes, size=rows.max(initial=-1) + 1)[rows]

    def consider(self, seed: Seed, rows: np.ndarray, labels: np.ndarray) -> None:
        """Keep `seed` if it gets more of the labels (n,) of rows (n,) right than the one kept so far."""
        right = np.count_nonzero(self.draw(seed, rows) == labels)
        if right > self.right:
            self.seed, self.right = seed, right
            if self.searches:
                log.info(f"seed {seed}: {right:,} of {len(rows):,} training labels right, the most so far")

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Rows float32 (n, classes): 1 at the label that the kept seed draws, 0 elsewhere."""
        return np.eye(self.classes, dtype=np.float32)[self.draw(self.seed, rows)]

    def save(self, path: str | os.PathLike) -> None:
        """Write the seed as .npz, with numbers only."""
        with files.atomic_open(path) as file:
            np.savez(file, seed=np.array(self.seed), classes=np.array(self.classes))


def load(path: str | os.PathLike) -> Guess:
    """The guess that `Guess.save` wrote. Raises as `saved_arrays`."""
    seed, classes = saved_arrays(path, "seed", "classes")
    guess = Guess(int(classes), searches=False)
    guess.seed = tuple(seed.tolist())
    return guess
