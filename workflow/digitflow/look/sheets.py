"""Sprite sheets: many images of the same size in one PNG file, for the page and the report."""

import io
import zlib
from pathlib import Path

import numpy as np

SIDE = 1024  # pixels: some 1,300 digits; a browser shows the first of them after a few milliseconds


def columns_and_rows(height: int, width: int) -> tuple[int, int]:
    """How many images of a size fit side by side and below each other within SIDE pixels, at least one."""
    return max(1, SIDE // width), max(1, SIDE // height)


def arrange(images: np.ndarray, columns: int) -> np.ndarray:
    """Lay out uint8 images (n, h, w) or (n, h, w, c) in rows of `columns`, the last row filled up with 0.

    There must be at least one. Returns uint8 (rows * h, columns * w) or (rows * h, columns * w, c).
    """
    n, height, width, *channels = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, height, width, *channels), np.uint8)
    cells[:n] = images
    grid = cells.reshape(rows, columns, height, width, *channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, *channels)


def encode_sheet(pixels: np.ndarray) -> bytes:
    """Encode uint8 pixels (h, w), grey, or (h, w, 1, 3 or 4) as a PNG file; equal pixels give equal bytes."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).save(data, "png")
    return data.getvalue()


def write(folder: Path, stem: str, images: np.ndarray, columns: int) -> str:
    """Write images, as `arrange` takes them, as one sheet in rows of `columns`; return the file's name.

    The name ends with a checksum, so that a page that is still open never gets a sheet of other images.
    """
    data = encode_sheet(arrange(images, columns))
    name = f"{stem}-{zlib.crc32(data):08x}.png"
    (folder / name).write_bytes(data)
    return name
