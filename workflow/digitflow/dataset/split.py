"""Which rows train and which validate: stratified, seeded, fixed by the row's id."""

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
    keys = _mix(_mix(np.array([seed], np.uint64)) ^ index.astype(np.uint64))
    order = np.lexsort((index, keys))
    mask = np.zeros(len(index), bool)
    for value in {*label.tolist()}:  # np.unique would import numpy.ma, for longer than it takes
        members = order[label[order] == value]
        mask[members[: int(fraction * len(members) + 0.5)]] = True
    return mask
