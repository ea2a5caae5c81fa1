"""The merged models of the configuration, read from their files, and weights fitted for them."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import read_json, write_json
from digitflow.formats.probabilities import read_probabilities
from digitflow.merging import methods

log = logging.getLogger("digitflow")
STEPS = 20_000  # at most; a few hundred to a few thousand are usual
STILL = 1e-8  # how little every weight moves in a step at the end
SMALLEST = 1e-12  # of a probability, so that a row on which all models are wrong has a finite loss
AGREE = 1e-9  # how much two probabilities of a row differ, at most, to be the same


def of_each_model(paths: Sequence[Path], seeds: Sequence[tuple[str, int]]) -> list[list[Path]]:
    """The files of each model: `seeds` has each one's name and number of files, in order."""
    rest = iter(paths)
    return [[next(rest) for _ in range(count)] for _, count in seeds]


def read_models(
    probabilities: Sequence[Path], seeds: Sequence[tuple[str, int]], rows: int | None = None
) -> dict[str, np.ndarray]:
    """Read the probabilities of models, float64 (rows, classes), averaged over the files of each; `seeds` as
    for `of_each_model`.
    """
    groups = of_each_model(probabilities, seeds)
    found = {}
    for (name, _), paths in zip(seeds, groups, strict=True):
        arrays = [read_probabilities(path, rows) for path in paths]
        try:
            found[name] = methods.mean(arrays)
        except FormatError as error:
            raise FormatError(
                f"{' and '.join(map(str, paths))}: {error}; delete them and run again"
            ) from error
    return found


def merge_models(
    models: Mapping[str, np.ndarray], merge: Mapping[str, Any], weights: Path | None = None
) -> np.ndarray:
    """Merge what `read_models` has read as the section `merge` says: float64 (rows, classes).

    `merge` has `method`, `seeds` (each model's name and number of files) and `weights`; fitted ones are in
    `weights`.
    """
    chosen = read_json(weights)["weights"] if weights else merge["weights"]
    return methods.MERGE_METHODS[merge["method"]](list(models.values()), chosen)


def merge_files(
    probabilities: Sequence[Path],
    merge: Mapping[str, Any],
    weights: Path | None = None,
    rows: int | None = None,
) -> np.ndarray:
    """Merge models' files of probabilities; `merge` and `weights` as for `merge_models`."""
    return merge_models(read_models(probabilities, merge["seeds"], rows), merge, weights)


def fit_weights(models: Sequence[np.ndarray], labels: np.ndarray) -> list[float]:
    """The non-negative weights, adding up to 1, of the mean with the lowest log loss on labels int (n,).

    `models` are probabilities (n, classes). The log loss of a mixture is convex in its weights, and each step
    of expectation maximisation (Dempster, Laird, Rubin 1977) lowers it; they are rounded to six digits.
    Rows on which all models agree have the same loss whatever the weights, and would only shorten the steps.
    """
    given = np.array([array[np.arange(len(labels)), labels] for array in models], np.float64) + SMALLEST
    given = given[:, given.max(axis=0) > given.min(axis=0) * (1 + AGREE)]
    weights = np.full(len(models), 1 / len(models))
    for _ in range(STEPS if given.size else 0):
        before = weights
        mixed = np.einsum("m,mn->n", weights, given)  # unlike @, the same for any number of threads
        weights = weights * np.einsum("mn,n->m", given, 1 / mixed) / len(mixed)
        if np.abs(weights - before).max() <= STILL:
            break
    return [round(float(weight), 6) for weight in weights]


def write_weights(
    path: Path, probabilities: Sequence[Path], merge: Mapping[str, Any], labels: np.ndarray
) -> None:
    """Fit the weights of the merged models to the labels int (n,) of the rows that they did not see."""
    models = read_models(probabilities, merge["seeds"], len(labels))
    weights = fit_weights(list(models.values()), labels)
    write_json(path, {"models": list(models), "weights": weights, "rows": len(labels)})
    told = [f"{name} {weight:.3f}" for name, weight in zip(models, weights, strict=True)]
    log.info(f"weights of the merge: {', '.join(told)}")
