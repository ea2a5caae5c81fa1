"""Accuracy with its uncertainty, whether a difference is more than chance, and which classes are confused."""

import math
from collections.abc import Sequence
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
    """Compare labels int (n,) with the true ones. Raises ValueError if lengths differ or are zero."""
    _check_lengths(true, predicted)
    return Accuracy(int(np.count_nonzero(predicted == true)), len(true))


def over_seeds(accuracies: Sequence[float]) -> tuple[float, float]:
    """The mean of several trainings' accuracies, and their sample standard deviation (n - 1)."""
    return float(np.mean(accuracies)), float(np.std(accuracies, ddof=1))


@dataclass(frozen=True)
class PairedDifference:
    """Two models on the same n images: how many of them only the first got right, and only the second."""

    only_first: int
    only_second: int
    n: int

    @property
    def value(self) -> float:
        """The first one's accuracy minus the second one's."""
        return (self.only_first - self.only_second) / self.n

    @property
    def p_value(self) -> float:
        """McNemar's test (1947) in its exact form, two-sided.

        If the models were equally good, each image that only one got right would be a coin toss between them:
        p is the chance of a split at least as uneven. Images that both got right, or both wrong, say nothing
        about which is better.
        """
        fewer, total = min(self.only_first, self.only_second), self.only_first + self.only_second
        # The tail's last and largest term; each before it is smaller by k / (total - k + 1), k = fewer ... 1.
        log_choose = math.lgamma(total + 1) - math.lgamma(fewer + 1) - math.lgamma(total - fewer + 1)
        k = np.arange(fewer, 0, -1)
        tail = math.exp(log_choose - total * math.log(2)) * (1 + np.cumprod(k / (total - k + 1)).sum())
        return min(1.0, 2 * float(tail))


def paired_difference(first: np.ndarray, second: np.ndarray, true: np.ndarray) -> PairedDifference:
    """Compare two models' labels int (n,) for the same images. Raises ValueError as `accuracy`."""
    _check_lengths(true, first, second)
    first_right, second_right = first == true, second == true
    return PairedDifference(
        int(np.count_nonzero(first_right & ~second_right)),
        int(np.count_nonzero(second_right & ~first_right)),
        len(true),
    )


def confusion_matrix(predicted: np.ndarray, true: np.ndarray, classes: int) -> np.ndarray:
    """How often each true label (row) was given each label (column): int64 (classes, classes).

    Labels are int (n,), 0..classes-1. Raises ValueError as `accuracy`.
    """
    _check_lengths(true, predicted)
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def most_confused(matrix: np.ndarray, count: int) -> list[tuple[int, int, int]]:
    """The `count` most frequent mistakes of a confusion matrix: (true label, label given, images)."""
    rows, columns = np.nonzero(matrix)
    pairs = np.stack([rows, columns, matrix[rows, columns]], axis=1)[rows != columns]
    order = np.argsort(-pairs[:, 2], kind="stable")[:count]
    return list(map(tuple, pairs[order].tolist()))


def worst_mistakes(probabilities: np.ndarray, true: np.ndarray, count: int) -> np.ndarray:
    """The up to `count` rows, int64, that were given a wrong label with the highest probability, worst first.

    `probabilities` (n, classes) against labels int (n,). Raises ValueError as `accuracy`.
    """
    predicted = probabilities.argmax(axis=1)
    _check_lengths(true, predicted)
    wrong = np.flatnonzero(predicted != true)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:count]


def _check_lengths(true: np.ndarray, *predictions: np.ndarray) -> None:
    for predicted in predictions:
        if len(predicted) != len(true) or len(true) == 0:
            raise ValueError(f"{len(predicted)} predictions for {len(true)} labels")
