"""A comparison as a page: one self-contained file, with sheets of the images that flipped."""

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.checksums import of_images
from digitflow.base.errors import how_many
from digitflow.base.files import atomic_open, write_json
from digitflow.competing.compare import KINDS, Comparison, Pair, as_json
from digitflow.competing.sides import PART_OF
from digitflow.dataset.locations import converted_images
from digitflow.dataset.trees import check_own
from digitflow.formats import idx
from digitflow.look.sheets import encode_sheet

PAGE, COMPARISON = "index.html", "comparison.json"
OWN = {PAGE, COMPARISON, *(f"{kind}.png" for kind in KINDS)}
PARTIAL = re.compile(rf"\.partial\.\d+\.({'|'.join(map(re.escape, sorted(OWN)))})")
COLUMNS = 12
MOST = 96  # images on a sheet; the JSON has all of them
SIDE = 56  # pixels: smaller images are enlarged by a whole factor
LINE = 13  # pixels of a line of text; above each image are two
CELL_WIDTH = 84  # room for an id of eight digits; cells are wider, and fewer side by side, if captions are
MOST_LETTERS = 14  # of a class in a caption; the JSON has its whole name
GAP = 8
FONT = 0.38  # of OpenCV's own size
PAPER = 255
STYLE = """
:root { color-scheme: light dark; --paper: #fbfbfa; --line: #e2e2de; --ink: #1d1d1b; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #191a1c; --line: #36383c; --ink: #ececea; }
}
body {
  margin: 1.5rem auto; max-width: 70rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 14px/1.4 system-ui, sans-serif;
}
table { border-collapse: collapse; margin-bottom: 1.5rem; }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.8rem 0.25rem 0; text-align: left; }
img { background: #fff; max-width: 100%; margin-bottom: 1rem; }
"""


def write_comparison_folder(folder: str | Path, comparison: Comparison, images: str | Path) -> None:
    """Write a comparison into a folder: comparison.json, the sheets of images that flipped, index.html.

    `images`: the folder with the IDX files of the images, which may be in colour. InputError: `folder` holds
    something else.
    """
    folder = Path(folder)
    check_own(folder, lambda path: _is_own(path, folder))
    drawn = draw_sheets(comparison, images)
    write_json(folder / COMPARISON, as_json(comparison))
    for kind in KINDS:
        if kind in drawn:
            with atomic_open(folder / f"{kind}.png") as file:
                file.write(drawn[kind])
        else:  # an earlier pair may have had such images
            (folder / f"{kind}.png").unlink(missing_ok=True)
    write_comparison(folder / PAGE, comparison, drawn)


def _is_own(path: Path, folder: Path) -> bool:
    """Whether `write_comparison_folder` put a file into a folder, or left it there half-written."""
    if PARTIAL.fullmatch(path.name):
        return True
    return path.name in OWN and (folder / COMPARISON).is_file()


def draw_sheets(comparison: Comparison, images: str | Path) -> dict[str, bytes]:
    """Draw a sheet for each kind of flip that occurs: PNG files by kind.

    There are no sheets if the IDX file in the folder `images` is missing, or has other images than those that
    were compared, as far as its checksum and size tell.
    """
    flips = {kind: rows for kind, rows in comparison.flips.items() if rows}
    if not flips:
        return {}
    part = PART_OF[comparison.rows]
    path, known = converted_images(images, part), of_images([Path(images, f"{part}.sfv")]).get(part)
    if path is None or (known and comparison.images and known != comparison.images):
        return {}
    pixels = idx.open_memmap(path)
    if max(row["id"] for rows in flips.values() for row in rows) > len(pixels):
        return {}
    found = {}
    for kind, rows in flips.items():
        title = f"{kind.replace('_', ' ')}: {how_many(len(rows), f'{comparison.rows} image')}"
        shown = pixels[[row["id"] - 1 for row in rows[:MOST]]]
        found[kind] = encode_sheet(_draw(shown, rows, title))
    return found


def write_comparison(path: str | Path, comparison: Comparison, drawn: Mapping[str, bytes]) -> None:
    """Write a comparison, with the PNG files of its sheets, as one HTML file."""
    first, second = map(html.escape, comparison.names)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Comparison: digitflow</title>',
        '<link rel="icon" href="data:,">',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{first} → {second}</h1>",
        "<p>same</p>" if comparison.same else "",
        _table("What differs", ("key", "first", "second"), comparison.settings),
        _table("Scores", ("images", "first", "second", "points", "verdict"), map(_cells, comparison.pairs)),
        f"<p>{html.escape(comparison.note)}</p>" if comparison.note else "",
        *(f"<p>{html.escape(line)}</p>" for line in comparison.left_out),
    ]
    for kind, data in drawn.items():
        title = kind.replace("_", " ")
        source = base64.b64encode(data).decode()
        parts.append(f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{source}">')
    cells = [(true, given, f"{more:+d}") for true, given, more in comparison.cells]
    parts.append(_table("Confusions that changed most", ("true", "given", "more"), cells))
    with atomic_open(path, "w") as file:
        file.write("\n".join(filter(None, [*parts, "</body></html>"])) + "\n")


def _cells(pair: Pair) -> Sequence[str]:
    images = f"{pair.rows} {pair.model}, {pair.n}"
    if pair.first is None:
        return images, "", "", "", f"{pair.changed} labels differ"
    scores = (f"{shown} %" for shown in pair.shown)
    return images, *scores, f"{pair.points:+.2f}", pair.verdict


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a heading; nothing if there are no rows."""
    body = ["".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in rows]
    if not body:
        return ""
    lines = "\n".join(f"<tr>{cells}</tr>" for cells in body)
    names = "".join(f"<th>{name}</th>" for name in head)
    return f"<h2>{title}</h2>\n<table><tr>{names}</tr>\n{lines}</table>"


def _draw(images: np.ndarray, flips: Sequence[Mapping[str, Any]], title: str) -> np.ndarray:
    """Draw images uint8 (n, h, w) or (n, h, w, 3) in a grid, each below its row, true label and answers.

    Returns a picture uint8 (height, width) or (height, width, 3), dark ink on white.
    """
    factor = max(1, SIDE // max(images.shape[1:3]))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    height, width = images.shape[1:3]
    captions = [_caption(row) for row in flips[: len(images)]]
    narrowest = max(width + GAP, CELL_WIDTH)
    cell_height, cell_width = height + 2 * LINE + GAP, max(narrowest, *map(_width_of, captions))
    columns = COLUMNS * narrowest // cell_width
    lines = -(-len(images) // columns)
    size = 2 * LINE + lines * cell_height, COLUMNS * narrowest
    picture = np.full((*size, *images.shape[3:]), PAPER, np.uint8)
    shown = f", the first {len(images)}" if len(images) < len(flips) else ""
    _say(picture, title + shown, GAP, LINE)
    for number, (image, row, caption) in enumerate(zip(images, flips, captions, strict=False)):
        top = 2 * LINE + number // columns * cell_height
        left = number % columns * cell_width + GAP // 2
        _say(picture, str(row["id"]), left, top + LINE - 3)
        _say(picture, caption, left, top + 2 * LINE - 4)
        picture[top + 2 * LINE : top + 2 * LINE + height, left : left + width] = image
    return picture


def _caption(row: Mapping[str, Any]) -> str:
    true, first, second = (_shorten(row[key]) for key in ("true", "first", "second"))
    return f"{true}: {first} > {second}"


def _shorten(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def _width_of(caption: str) -> int:
    """The pixels that a caption needs, with the gap to the next one."""
    import cv2

    (width, _), _ = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, FONT, 1)
    return width + GAP


def _say(picture: np.ndarray, text: str, left: int, baseline: int) -> None:
    import cv2

    cv2.putText(picture, text, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, FONT, (0, 0, 0), 1, cv2.LINE_AA)
