"""What the images are like as a whole: each class's mean and variance, histograms of pixels and ink."""

import numpy as np

INK_BINS = 64  # for an image's mean pixel, 4 grey levels each
PIXEL_BINS = 32  # for pixels, 8 grey levels each
BLOCK = 4096  # images at a time: all of them as 8-byte integers would fill the memory


def count_labels(labels: np.ndarray, classes: int) -> list[int]:
    """How many of the labels, int (n,), are 0..classes-1, each; negative ones are not counted."""
    return np.bincount(labels[labels >= 0], minlength=classes).tolist()


def mean_and_variance(images: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each class's pixels: float64 (classes, *image), zeros for a class without images.

    The sums are of whole numbers, and so the same on every machine. Rows with a negative label do not count.
    """
    shape = (classes, *images.shape[1:])
    sums, squares = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for start in range(0, len(images), BLOCK):
        block, of_block = images[start : start + BLOCK], labels[start : start + BLOCK]
        for label in np.unique(of_block[of_block >= 0]):
            pixels = block[of_block == label].astype(np.int32)
            sums[label] += pixels.sum(axis=0)
            squares[label] += (pixels * pixels).sum(axis=0, dtype=np.int64)
    n = np.maximum(count_labels(labels, classes), 1).reshape(-1, *[1] * (images.ndim - 1))
    mean = sums / n
    return mean, np.maximum(squares / n - mean * mean, 0)


def histograms(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many pixels lie in each of PIXEL_BINS, and how many images' means in each of INK_BINS: int64."""
    pixels, ink = np.zeros(256, np.int64), np.zeros(INK_BINS, np.int64)
    size = int(np.prod(images.shape[1:]))
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        flat = np.ascontiguousarray(block).reshape(len(block), -1)
        pixels += np.bincount(flat.reshape(-1), minlength=256)
        ink += np.bincount(flat.sum(axis=1, dtype=np.int64) * INK_BINS // (256 * size), minlength=INK_BINS)
    return pixels.reshape(PIXEL_BINS, -1).sum(axis=1), ink
