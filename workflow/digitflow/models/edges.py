"""Edges of images, by which people recognised digits before networks learned what to look for.

Dalal and Triggs 2005 (CVPR): how strong the edges of each direction are in each part of an image.
"""

from collections.abc import Iterator

import numpy as np

DIRECTIONS = 8
PART = 5  # pixels from the centre of one part of an image to that of the next
SPREAD = 3.0  # pixels: the standard deviation of the weights with which the edges of a part are summed
BLOCK = 256  # images at once: they stay in the cache


def edges(images: np.ndarray) -> np.ndarray:
    """How strong the edges of each direction are where: float32 (n, `count_edges`), of uint8 (n, h, w[, c]).

    The square root lets faint edges count, and rows of length 1 do not depend on how dark the ink is.
    """
    found = np.empty((len(images), count_edges(images.shape[1:])), np.float32)
    for start in range(0, len(images), BLOCK):
        part = slice(start, start + BLOCK)
        rows = np.sqrt(np.concatenate([*_sums_of_directions(gradients(images[part]))], axis=1))
        found[part] = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + np.float32(1e-6))
    return found


def count_edges(shape: tuple[int, ...]) -> int:
    """How many numbers `edges` gives for an image of `shape`, (h, w) or (h, w, c)."""
    height, width, *channels = shape
    return int(np.prod([DIRECTIONS, len(_centres(height)), len(_centres(width)), *channels]))


def gradients(images: np.ndarray) -> np.ndarray:
    """Sobel's gradients float32 (n, 2 * c, h + 2, w + 2) of images uint8 (n, h, w[, c]).

    First those across, of each channel, then those down. The frame is background, so that strokes that touch
    the border have edges there, too.
    """
    planes = np.moveaxis(images.reshape(*images.shape[:3], -1), 3, 1).astype(np.float32)
    framed = np.pad(planes, ((0, 0), (0, 0), (2, 2), (2, 2))) * np.float32(1 / 1020)
    down = framed[:, :, :-2] + 2 * framed[:, :, 1:-1] + framed[:, :, 2:]
    across = framed[..., :-2] + 2 * framed[..., 1:-1] + framed[..., 2:]
    return np.concatenate([down[..., 2:] - down[..., :-2], across[:, :, 2:] - across[:, :, :-2]], axis=1)


def _sums_of_directions(found: np.ndarray) -> Iterator[np.ndarray]:
    """For each direction, float32 (n, sums): the gradients along it, in each part of each channel."""
    x, y = np.split(found, 2, axis=1)
    strength = np.hypot(x, y) + np.float32(1e-3)
    rows, columns = (_weights(side) for side in found.shape[2:])
    for angle in np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS):
        along = np.maximum(x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)), 0)
        along *= along
        along /= strength
        yield (rows @ along @ columns.T).reshape(len(found), -1)


def _weights(side: int) -> np.ndarray:
    """Float32 (parts, side): the weight of each row, or column, of the gradients in each part."""
    distances = np.arange(side) - _centres(side - 2)[:, None]
    weights = np.exp(-((distances / SPREAD) ** 2) / 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _centres(side: int) -> np.ndarray:
    """The centres of the parts along one side of an image."""
    return np.arange(1, side + 2, PART)
