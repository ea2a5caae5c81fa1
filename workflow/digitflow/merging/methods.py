"""Merge the probabilities of several models: averaged, or voted.

The configuration reads the names of the methods at every start of Snakemake, so numpy is imported by the
functions.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from digitflow.base.errors import FormatError

if TYPE_CHECKING:
    import numpy as np

TIE_WEIGHT = 1e-6


def mean(probabilities: "Sequence[np.ndarray]", weights: Sequence[float] | None = None) -> "np.ndarray":
    """The weighted mean of arrays of probabilities (n, classes), as float64; equal weights by default.

    FormatError: they differ in shape.
    """
    import numpy as np

    shapes = [array.shape for array in probabilities]
    if len({*shapes}) > 1:
        raise FormatError(f"the models' probabilities differ in shape: {shapes}")
    weights = [1.0] * len(probabilities) if weights is None else weights
    # Divided by a power of two, so that sums of huge weights are finite; no digit of the result changes.
    _, exponent = math.frexp(max(weights))
    weights = [math.ldexp(weight, -exponent) for weight in weights]
    total = np.zeros(probabilities[0].shape)
    # One after another: a stack of all would take as many times the memory.
    for array, weight in zip(probabilities, weights, strict=True):
        total += weight * array.astype(np.float64)
    return total / sum(weights)


def vote(probabilities: "Sequence[np.ndarray]", weights: Sequence[float] | None = None) -> "np.ndarray":
    """The weighted share of the models whose first choice is each class, float64 (n, classes).

    A tie is left to the mean probability: added with TIE_WEIGHT it decides nothing else, unless weights
    differ by less than that.
    """
    import numpy as np

    classes = np.eye(probabilities[0].shape[1])
    ballots = [classes[array.argmax(axis=1)] for array in probabilities]
    return (1 - TIE_WEIGHT) * mean(ballots, weights) + TIE_WEIGHT * mean(probabilities, weights)


MERGE_METHODS: dict[str, Callable] = {"mean": mean, "vote": vote}
