"""Merge the probabilities of several models: averaged, or voted."""

from collections.abc import Sequence

import numpy as np

from digitflow.base.errors import FormatError

TIE_WEIGHT = 1e-6


def mean(probabilities: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """The weighted mean of arrays of probabilities (n, classes), as float64; equal weights by default."""
    return np.average(np.stack(probabilities).astype(np.float64), axis=0, weights=weights)


def vote(probabilities: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """The weighted share of the models whose first choice is each class, float64 (n, classes).

    A tie is left to the mean probability: added with TIE_WEIGHT it decides nothing else, unless weights
    differ by less than that.
    """
    classes = probabilities[0].shape[1]
    ballots = [np.eye(classes)[array.argmax(axis=1)] for array in probabilities]
    return (1 - TIE_WEIGHT) * mean(ballots, weights) + TIE_WEIGHT * mean(probabilities, weights)


MERGE_METHODS = {"mean": mean, "vote": vote}


def merge(
    method: str, models: Sequence[Sequence[np.ndarray]], weights: Sequence[float] | None = None
) -> np.ndarray:
    """Merge models, each a sequence of its seeds' probabilities (n, classes), into one array (n, classes)."""
    shapes = [array.shape for seeds in models for array in seeds]
    if len({*shapes}) > 1:
        raise FormatError(f"the models' probabilities differ in shape: {shapes}")
    averaged = [mean(seeds) for seeds in models]
    return MERGE_METHODS[method](averaged, weights)
