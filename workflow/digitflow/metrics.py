"""Accuracy with its uncertainty."""

import math
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959964  # the normal quantile of a two-sided 95 % interval


@dataclass(frozen=True)
class Accuracy:
    """Right answers out of n, with the Wilson score interval at 95 %.

    Wilson (1927): unlike p +- 1.96 sd it stays within 0..1 and holds for an accuracy close to 1.
    """

    right: int
    n: int

    @property
    def value(self) -> float:
        return self.right / self.n

    @property
    def interval(self) -> tuple[float, float]:
        p, n, z2 = self.value, self.n, Z_95**2
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z_95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)


def accuracy(predicted: np.ndarray, true: np.ndarray) -> Accuracy:
    """Compare labels int (n,) with the true ones. Raises ValueError for other lengths or none at all."""
    if len(predicted) != len(true) or len(true) == 0:
        raise ValueError(f"{len(predicted)} predictions for {len(true)} labels")
    return Accuracy(int(np.count_nonzero(predicted == true)), len(true))
