"""Weights of merged models, fitted to labels that none of them has seen."""

from collections.abc import Sequence

import numpy as np

STEPS = 500
SMALLEST = 1e-12  # of a probability, so that a row on which all models are wrong has a finite loss


def fit_weights(models: Sequence[np.ndarray], labels: np.ndarray) -> list[float]:
    """The non-negative weights, adding up to 1, of the mean with the lowest log loss on labels int (n,).

    `models` are probabilities (n, classes). The log loss of a mixture is convex in its weights, and each step
    of expectation maximisation (Dempster, Laird, Rubin 1977) lowers it; they are rounded to six digits.
    """
    given = np.array([array[np.arange(len(labels)), labels] for array in models], np.float64) + SMALLEST
    weights = np.full(len(models), 1 / len(models))
    for _ in range(STEPS):
        shares = weights[:, None] * given
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
    return [round(float(weight), 6) for weight in weights]
