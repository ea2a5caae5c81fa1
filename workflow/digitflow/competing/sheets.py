"""Sheets of the images that flipped between two runs: fixed, broken, both wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from digitflow.base.checksums import of_images
from digitflow.base.files import atomic_open
from digitflow.competing.compare import KINDS, PART_OF, VALIDATION, Comparison, Flips
from digitflow.formats import idx
from digitflow.look.sheets import encode_sheet

COLUMNS = 12
MOST = 96  # images on a sheet; the JSON has all of them
SIDE = 56  # pixels: smaller images are enlarged by a whole factor
LINE = 13  # pixels of a line of text; above each image are two
CELL_WIDTH = 84  # room for an id of eight digits
GAP = 8
PAPER = 255


def draw_sheets(
    comparison: Comparison, test_images: str | Path, train_images: str | Path
) -> dict[str, bytes]:
    """Draw a sheet for each kind of flip that occurs: PNG files by kind.

    `test_images` and `train_images`: IDX files; the validation images are rows of the latter. There are no
    sheets if the file is missing, or has other images than those that were compared.
    """
    images = Path(train_images if comparison.rows == VALIDATION else test_images)
    if not (comparison.flips and images.exists() and _are_there(comparison, images)):
        return {}
    found = {}
    for kind, flips in comparison.flips.items():
        if len(flips):
            pixels = idx.open_memmap(images)[flips.ids[:MOST] - 1]
            title = f"{kind.replace('_', ' ')}: {len(flips)} {comparison.rows} images"
            found[kind] = encode_sheet(draw(pixels, flips, comparison.classes, title))
    return found


def _are_there(comparison: Comparison, images: Path) -> bool:
    """Whether an IDX file has the images that flipped, as far as its checksum and size tell."""
    part = PART_OF[comparison.rows]
    found = of_images([images.with_name(f"{part}.sfv")]).get(part)
    ids = [id_ for flips in comparison.flips.values() for id_ in flips.ids.tolist()]
    fits = max(ids, default=0) <= len(idx.open_memmap(images))
    return fits and (not (found and comparison.images) or found == comparison.images)


def write_sheets(folder: str | Path, sheets: Mapping[str, bytes]) -> None:
    """Write the sheets of `draw_sheets` into a folder as KIND.png, removing those of an earlier pair."""
    for kind in {*KINDS} - {*sheets}:
        Path(folder, f"{kind}.png").unlink(missing_ok=True)
    for kind, data in sheets.items():
        with atomic_open(Path(folder, f"{kind}.png")) as file:
            file.write(data)


def draw(images: np.ndarray, flips: Flips, classes: Sequence[str], title: str) -> np.ndarray:
    """Draw images uint8 (n, h, w) or (n, h, w, 3) in a grid, each below its row, true label and answers.

    Returns a picture uint8 (height, width) or (height, width, 3), dark ink on white.
    """
    factor = max(1, SIDE // max(images.shape[1:3]))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    height, width = images.shape[1:3]
    cell_height, cell_width = height + 2 * LINE + GAP, max(width + GAP, CELL_WIDTH)
    lines = -(-len(images) // COLUMNS)
    size = 2 * LINE + lines * cell_height, COLUMNS * cell_width
    picture = np.full((*size, *images.shape[3:]), PAPER, np.uint8)
    shown = f", the first {len(images)}" if len(images) < len(flips) else ""
    _say(picture, title + shown, GAP, LINE)
    for number, (image, row) in enumerate(zip(images, flips.as_rows(classes), strict=False)):
        top = 2 * LINE + number // COLUMNS * cell_height
        left = number % COLUMNS * cell_width + GAP // 2
        _say(picture, str(row["id"]), left, top + LINE - 3)
        _say(picture, f"{row['true']}: {row['first']} > {row['second']}", left, top + 2 * LINE - 4)
        picture[top + 2 * LINE : top + 2 * LINE + height, left : left + width] = image
    return picture


def _say(picture: np.ndarray, text: str, left: int, baseline: int) -> None:
    import cv2

    cv2.putText(picture, text, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
