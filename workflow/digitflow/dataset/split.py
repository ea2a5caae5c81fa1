"""Which rows train and which validate: stratified, seeded, fixed by the row's id."""

from collections.abc import Iterator

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(value: np.ndarray) -> np.ndarray:
    """One step of splitmix64 on uint64 (Steele, Lea, Flood: Fast Splittable PRNGs, 2014)."""
    value = value + GOLDEN
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def validation_mask(index: np.ndarray, label: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Choose `fraction` of every class for validation: bool (n,) for ids and labels, int (n,).

    Every id has a pseudo-random key that depends on the seed and itself only, and a class gives its ids of
    lowest key. So a row that the user relabels or deletes changes the place of at most a couple of others.
    """
    mask = np.zeros(len(index), bool)
    for members in _by_class(index, label, seed):
        mask[members[: int(fraction * len(members) + 0.5)]] = True
    return mask


def fold_of(index: np.ndarray, label: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold, int (n,) from 0, that leaves each row out: equal parts of every class, by the same keys.

    So fold 0 of five leaves out the rows that a `validation_mask` of 0.2 chooses.
    """
    fold = np.zeros(len(index), np.int64)
    for members in _by_class(index, label, seed):
        ends = [int(part * len(members) / folds + 0.5) for part in range(1, folds + 1)]
        fold[members] = np.searchsorted(ends, np.arange(len(members)), side="right")
    return fold


def _by_class(index: np.ndarray, label: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """The places of each class's rows, in the order of their keys."""
    keys = _mix(_mix(np.array([seed], np.uint64)) ^ index.astype(np.uint64))
    order = np.lexsort((index, keys))
    for value in {*label.tolist()}:  # np.unique would import numpy.ma, for longer than it takes
        yield order[label[order] == value]
