"""Sheets of the images that flipped between two runs: fixed, broken, both wrong."""

from pathlib import Path

import numpy as np

from digitflow.competing.compare import VALIDATION, Comparison, Flips
from digitflow.formats import idx
from digitflow.look.canvas import save

COLUMNS = 12
MOST = 96  # images on a sheet: the JSON has all of them
GAP = 14  # grey rows above each image, for what is said of it
INK = 255


def write_sheets(
    folder: str | Path, comparison: Comparison, test_images: str | Path, train_images: str | Path
) -> list[Path]:
    """Draw a sheet for each kind of flip that there is, as PNG: the files' paths.

    `test_images` and `train_images`: IDX files; the validation images are rows of the latter.
    """
    images = train_images if comparison.rows == VALIDATION else test_images
    written = []
    for kind, flips in comparison.flips.items():
        if len(flips):
            path = Path(folder) / f"{kind}.png"
            pixels = idx.open_memmap(images)
            title = f"{kind.replace('_', ' ')}: {len(flips)} {comparison.rows} images"
            _draw(path, pixels[flips.ids[:MOST] - 1], flips, title)
            written.append(path)
    return written


def _draw(path: Path, images: np.ndarray, flips: Flips, title: str) -> None:
    """Draw images uint8 (n, h, w) or (n, h, w, 3) in a grid, above each its row, true label and answers."""
    from matplotlib.figure import Figure

    height, width = images.shape[1:3]
    columns = min(COLUMNS, len(images))
    lines = -(-len(images) // columns)
    canvas = np.full((lines * (height + GAP), columns * (width + GAP), *images.shape[3:]), INK, np.uint8)
    places = [divmod(number, columns) for number in range(len(images))]
    for image, (line, column) in zip(images, places, strict=True):
        top, left = line * (height + GAP) + GAP, column * (width + GAP) + GAP // 2
        canvas[top : top + height, left : left + width] = image
    figure = Figure(figsize=(max(1.05 * columns, 4), 1.05 * lines * (height + GAP) / (width + GAP) + 0.5))
    axes = figure.add_axes((0, 0, 1, 1 - 0.4 / figure.get_figheight()))
    axes.set_axis_off()
    axes.imshow(canvas, cmap="grey", vmin=0, vmax=255)
    for (line, column), row in zip(places, flips.as_rows(), strict=False):
        told = f"{row['id']}\n{row['true']}: {row['first']} → {row['second']}"
        where = column * (width + GAP) + (width + GAP) / 2, line * (height + GAP) + GAP - 1
        axes.text(*where, told, ha="center", va="bottom", fontsize=6, linespacing=1.0)
    shown = f", the first {len(images)}" if len(images) < len(flips) else ""
    figure.text(0.5, 1 - 0.25 / figure.get_figheight(), title + shown, ha="center", va="center", fontsize=9)
    save(figure, path)
