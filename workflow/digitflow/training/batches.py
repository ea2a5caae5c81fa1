"""The batches of a training on IDX images: which rows, in which order, and changed how."""

import dataclasses
import functools

import numpy as np

from digitflow.training.augment import augment_batch
from digitflow.training.settings import Settings


class Batches:
    """All batches of a training, by step; each is a pure function of the seed and its step.

    So it does not matter in which thread, how far ahead or how often one is made. `images` are uint8
    (n, h, w) or (n, h, w, 3), `rows` those to train on, `targets` (k, ...) one for each of these rows.
    """

    def __init__(
        self, images: np.ndarray, rows: np.ndarray, targets: np.ndarray, settings: Settings, seed: int
    ):
        self._images, self._rows, self._targets, self._seed = images, rows, targets, seed
        self._size = min(settings.batch_size, len(rows))
        self._warp = dataclasses.asdict(settings.augment)
        self.per_epoch = len(rows) // self._size  # the few left-over rows differ from epoch to epoch
        self.num_batches = self.per_epoch * settings.epochs
        self._order = functools.lru_cache(maxsize=2)(self._draw)  # reading ahead crosses into the next epoch

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The images uint8 (b, h, w) or (b, h, w, 3) and the targets (b, ...) of a step, counted from 0."""
        epoch, batch = divmod(step, self.per_epoch)
        chosen = self._order(epoch)[batch * self._size : (batch + 1) * self._size]
        rng = np.random.default_rng((self._seed, epoch, batch))
        return augment_batch(self._images[self._rows[chosen]], rng, **self._warp), self._targets[chosen]

    def _draw(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self._seed, epoch)).permutation(len(self._rows))
