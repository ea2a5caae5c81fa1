"""The batches of a training on IDX images: which rows, in which order, and changed at random.

The changes are one warp, affine and elastic at once, and an erased square.
"""

import functools

import cv2
import numpy as np

from digitflow.base.errors import ConfigError
from digitflow.training.settings import Augment, Settings

# The number of places along each side at which an elastic warp draws a displacement. Four are a stroke's
# length apart in a digit: fewer do little more than another affine map, more tear strokes.
ELASTIC_GRID = 4


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
        self._augment = settings.augment
        self.per_epoch = len(rows) // self._size  # the few left-over rows differ from epoch to epoch
        self.num_batches = self.per_epoch * settings.epochs
        self._order = functools.lru_cache(maxsize=2)(self._draw)  # reading ahead crosses into the next epoch

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The images uint8 (b, h, w) or (b, h, w, 3) and the targets (b, ...) of a step, counted from 0."""
        epoch, batch = divmod(step, self.per_epoch)
        chosen = self._order(epoch)[batch * self._size : (batch + 1) * self._size]
        rng = np.random.default_rng((self._seed, epoch, batch))
        return augment_batch(self._images[self._rows[chosen]], rng, self._augment), self._targets[chosen]

    def _draw(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self._seed, epoch)).permutation(len(self._rows))


def augment_batch(images: np.ndarray, rng: np.random.Generator, augment: Augment) -> np.ndarray:
    """Change each image at random; pixels that come from outside are 0, the background.

    `images` is uint8 (n, h, w) or (n, h, w, 3), and so is the result, a new array: a pure function of the
    images, `augment` and the state of `rng`. Four amounts are drawn uniformly from -x..x: `rotate` in
    degrees, `zoom` as a fraction of the size, `shift` as a fraction of the width and of the height, `shear`
    in pixels sideways per row. `elastic` is the standard deviation, in pixels, of how far each of 4 x 4
    places moves down and sideways; the pixels between them move smoothly with them (Simard et al. 2003,
    ICDAR). A random `part` of the images is warped; `cubic` resamples by cubic convolution. Last, a square of
    `erase` pixels per side becomes 0 in each image (DeVries and Taylor 2017, arXiv:1708.04552).

    Mirroring is left out: a mirrored 2 is not a digit. All effects share one warp, because each resampling
    costs time and blurs.
    """
    if any((augment.rotate, augment.zoom, augment.shift, augment.shear, augment.elastic)):
        images = _warp(images, rng, augment)
    else:
        images = images.copy()
    if augment.erase:
        _erase(images, rng, augment.erase)
    return images


def _warp(images: np.ndarray, rng: np.random.Generator, augment: Augment) -> np.ndarray:
    n, height, width = images.shape[:3]
    maps = _maps(rng, images.shape, augment)
    left_alone = rng.random(n) >= augment.part if augment.part < 1 else np.zeros(n, bool)
    maps[left_alone] = np.eye(2, 3)
    kernel = cv2.INTER_CUBIC if augment.cubic else cv2.INTER_LINEAR
    warped = np.empty_like(images)
    if not augment.elastic:
        flags = kernel | cv2.WARP_INVERSE_MAP  # a random map's inverse is as random: skip inverting it
        for image, matrix, target in zip(images, maps, warped, strict=True):
            cv2.warpAffine(image, matrix, (width, height), dst=target, flags=flags)
        return warped
    moves = rng.normal(0.0, augment.elastic, (n, ELASTIC_GRID, ELASTIC_GRID, 2)).astype(np.float32)
    moves[left_alone] = 0
    rows, columns = np.mgrid[:height, :width]
    places = np.stack([columns, rows, np.ones_like(rows)], axis=-1).reshape(-1, 3)
    sources = (places @ maps.transpose(0, 2, 1)).astype(np.float32).reshape(n, height, width, 2)
    for image, source, move, target in zip(images, sources, moves, warped, strict=True):
        source += cv2.resize(move, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.remap(image, source, None, kernel, dst=target)
    return warped


def _erase(images: np.ndarray, rng: np.random.Generator, side: int) -> None:
    """Set a square in each image to 0, wherever it fits. ConfigError: it would be the whole image."""
    n, height, width = images.shape[:3]
    if side >= max(height, width):
        raise ConfigError(f"augment.erase: {side} erases all of {height} x {width} pixels; set a smaller one")
    tops, lefts = (rng.integers(0, max(size - side, 0) + 1, n) for size in (height, width))
    for image, top, left in zip(images, tops, lefts, strict=True):
        image[top : top + side, left : left + side] = 0


def _maps(rng: np.random.Generator, shape: tuple[int, ...], augment: Augment) -> np.ndarray:
    """Affine maps (n, 2, 3) that rotate, scale and shear about the centre, and then shift."""
    n, height, width = shape[:3]
    draw = rng.uniform(-1.0, 1.0, (5, n))  # always five: one effect's setting does not change another's draws
    angle = np.deg2rad(augment.rotate) * draw[0]
    scale, slant = 1.0 + augment.zoom * draw[1], augment.shear * draw[2]
    cos, sin = np.cos(angle), np.sin(angle)
    maps = np.empty((n, 2, 3))
    maps[:, :, 0] = np.stack([scale * cos, scale * sin], axis=1)
    maps[:, :, 1] = np.stack([scale * (slant * cos - sin), scale * (slant * sin + cos)], axis=1)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    move = augment.shift * draw[3:].T * [width, height]
    maps[:, :, 2] = centre - maps[:, :, :2] @ centre + move
    return maps
