"""Which rows train and which validate: stratified, seeded, fixed by the row's id."""

from collections.abc import Callable, Iterable

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

    `blocks` are uint8 (k, ...), one after the other. Images are compared by a 64-bit sum of products, in a
    tenth of the time of a digest of each: in a million images, two different ones are taken for equal once in
    10^7 data sets.
    """
    sums = [_sums(np.ascontiguousarray(block).reshape(len(block), -1)) for block in blocks]
    _, first, group = np.unique(
        np.concatenate([np.empty(0, np.uint64), *sums]), return_index=True, return_inverse=True
    )
    return first[group].astype(np.int64)


def _sums(pixels: np.ndarray) -> np.ndarray:
    """A number, uint64 (n,), for each row of uint8 (n, k); equal rows have the same one."""
    words = np.pad(pixels, ((0, 0), (0, -pixels.shape[1] % 8))).view(np.uint64)
    factors = _mix(np.arange(words.shape[1], dtype=np.uint64)) | np.uint64(1)
    return _mix((_mix(words) * factors).sum(axis=1, dtype=np.uint64))


def validation_mask(
    index: np.ndarray, label: np.ndarray, fraction: float, seed: int, first: np.ndarray | None = None
) -> np.ndarray:
    """Choose `fraction` of every class for validation: bool (n,) for ids and labels, int (n,).

    Every id has a pseudo-random key that depends only on the seed and itself, and a class gives its ids with
    the lowest keys. So a row that the user relabels or deletes changes the place of at most a few others.

    `first` int (n,): the id of the first row with an equal image, if images may be equal. These share its key
    and stay together, with the class of the lowest id among them. What no longer fits is skipped.
    """

    def fill(sizes: np.ndarray) -> np.ndarray:
        room = int(fraction * sizes.sum() + 0.5)
        taken = np.zeros(len(sizes), bool)
        for place, size in enumerate(sizes.tolist()):
            if size <= room:
                taken[place] = True
                room -= size
        return taken

    return _by_class(index, label, seed, first, fill).astype(bool)


def fold_of(
    index: np.ndarray, label: np.ndarray, folds: int, seed: int, first: np.ndarray | None = None
) -> np.ndarray:
    """Deal out every class to `folds` folds of almost equal size: 0..folds-1, int64 (n,).

    By the keys of `validation_mask`, with the same meaning of `first`: fold 0 of five leaves out the rows
    that a fraction of 0.2 chooses.
    """

    def deal(sizes: np.ndarray) -> np.ndarray:
        ends = [int(part * sizes.sum() / folds + 0.5) for part in range(1, folds + 1)]
        return np.searchsorted(ends, np.cumsum(sizes) - sizes, side="right")

    return _by_class(index, label, seed, first, deal)


def _by_class(
    index: np.ndarray,
    label: np.ndarray,
    seed: int,
    first: np.ndarray | None,
    decide: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """What `decide` says of each row (n,): it is given the sizes of a class's groups in the order of keys."""
    first = index if first is None else first
    keys = _mix(_mix(np.array([seed], np.uint64)) ^ first.astype(np.uint64))
    order = np.lexsort((index, first, keys))
    starts = np.flatnonzero(np.diff(first[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    labels = label[order[starts]]
    by_class = np.argsort(labels, kind="stable")
    of_groups = np.zeros(len(sizes), np.int64)
    for groups in np.split(by_class, np.flatnonzero(np.diff(labels[by_class])) + 1):
        of_groups[groups] = decide(sizes[groups])
    decided = np.empty(len(index), np.int64)
    decided[order] = np.repeat(of_groups, sizes)
    return decided
