"""One affine warp an image: rotation, zoom, shift and shear in a single resampling."""

import cv2
import numpy as np


def affine_batch(
    images: np.ndarray,
    rng: np.random.Generator,
    rotate: float = 0.0,
    zoom: float = 0.0,
    shift: float = 0.0,
    shear: float = 0.0,
    part: float = 1.0,
    cubic: bool = False,
) -> np.ndarray:
    """Warp each image by its own random affine map; what comes from outside is 0, the background.

    `images` is uint8 (n, h, w), and so is the result, a new array. Each of these is drawn evenly from -x..x:
    `rotate` in degrees, `zoom` as a part of the size, `shift` as a part of the width and of the height,
    `shear` in pixels sideways a row. `part` of the images are warped, drawn at random; `cubic` resamples by
    cubic convolution. Mirroring is left out: a mirrored 2 is not a digit.
    One warp, not one an effect: each resampling costs time and blurs.
    """
    if not any((rotate, zoom, shift, shear)):
        return images.copy()
    maps = _maps(rng, len(images), images.shape[1:], rotate, zoom, shift, shear)
    size = images.shape[2], images.shape[1]
    if part < 1:
        maps[rng.random(len(images)) >= part] = np.eye(2, 3)
    kernel = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    flags = kernel | cv2.WARP_INVERSE_MAP  # a random map's inverse is as random: skip inverting it
    warped = np.empty_like(images)
    for image, matrix, target in zip(images, maps, warped, strict=True):
        cv2.warpAffine(image, matrix, size, dst=target, flags=flags)
    return warped


def _maps(
    rng: np.random.Generator,
    n: int,
    shape: tuple[int, ...],
    rotate: float,
    zoom: float,
    shift: float,
    shear: float,
) -> np.ndarray:
    """Affine maps (n, 2, 3) that turn, scale and shear about the centre, and then move."""
    draw = rng.uniform(-1.0, 1.0, (5, n))  # always five: one effect's setting does not change another's draws
    angle, scale, slant = np.deg2rad(rotate) * draw[0], 1.0 + zoom * draw[1], shear * draw[2]
    cos, sin = np.cos(angle), np.sin(angle)
    maps = np.empty((n, 2, 3))
    maps[:, :, 0] = np.stack([scale * cos, scale * sin], axis=1)
    maps[:, :, 1] = np.stack([scale * (slant * cos - sin), scale * (slant * sin + cos)], axis=1)
    height, width = shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    move = shift * draw[3:].T * [width, height]
    maps[:, :, 2] = centre - maps[:, :, :2] @ centre + move
    return maps
