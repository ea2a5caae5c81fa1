"""Which rows train and which validate: stratified, seeded, fixed by the row's id."""

import hashlib
from collections.abc import Iterable

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(value: np.ndarray) -> np.ndarray:
    """One step of splitmix64 on uint64 (Steele, Lea, Flood: Fast Splittable PRNGs, 2014)."""
    value = value + GOLDEN
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def first_of_equal(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """For each image the place, int64 (n,), from 0, of the first one with the same pixels: often its own.

    `blocks` are uint8 (k, ...), one after the other. Only a digest of each image is kept.
    """
    places: dict[bytes, int] = {}
    first: list[int] = []
    for block in blocks:
        for image in np.ascontiguousarray(block):
            digest = hashlib.blake2b(image, digest_size=16).digest()
            first.append(places.setdefault(digest, len(first)))
    return np.array(first, np.int64)


def validation_mask(
    index: np.ndarray, label: np.ndarray, fraction: float, seed: int, first: np.ndarray | None = None
) -> np.ndarray:
    """Choose `fraction` of every class for validation: bool (n,) for ids and labels, int (n,).

    Every id has a pseudo-random key that depends on the seed and itself only, and a class gives its ids of
    lowest key. So a row that the user relabels or deletes changes the place of at most a couple of others.

    `first` int (n,): for each row the id of the first row with an equal image, where there are any. Equal
    images stay together: the first one's key is that of all, and the class of the lowest id that is left
    gives them all or none. What no longer fits is passed over, so a class may give a little less.
    """
    first = index if first is None else first
    keys = _mix(_mix(np.array([seed], np.uint64)) ^ first.astype(np.uint64))
    order = np.lexsort((index, first, keys))
    starts = np.flatnonzero(np.diff(first[order], prepend=-1))  # of the groups of equal images
    sizes = np.diff(starts, append=len(order))
    group_label = label[order[starts]]
    chosen = np.zeros(len(starts), bool)
    for value in {*group_label.tolist()}:  # np.unique would import numpy.ma, for longer than it takes
        members = np.flatnonzero(group_label == value)
        chosen[members] = _fill(sizes[members], int(fraction * sizes[members].sum() + 0.5))
    mask = np.empty(len(index), bool)
    mask[order] = np.repeat(chosen, sizes)
    return mask


def _fill(sizes: np.ndarray, room: int) -> np.ndarray:
    """Which of the groups, in their order, are taken until `room` rows are full: bool (n,)."""
    taken = np.zeros(len(sizes), bool)
    for place, size in enumerate(sizes.tolist()):
        if size <= room:
            taken[place] = True
            room -= size
        if not room:
            break
    return taken
