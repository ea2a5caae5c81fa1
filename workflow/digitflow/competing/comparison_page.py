"""A comparison as a page: one self-contained file, with the sheets in it."""

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from digitflow.base.files import atomic_open, write_json
from digitflow.competing import sheets
from digitflow.competing.compare import KINDS, Comparison, Pair, as_json
from digitflow.dataset import locations
from digitflow.dataset.trees import check_own

PAGE, COMPARISON = "index.html", "comparison.json"
OWN = {PAGE, COMPARISON, *(f"{kind}.png" for kind in KINDS)}
PARTIAL = re.compile(rf"\.partial\.\d+\.({'|'.join(map(re.escape, sorted(OWN)))})")
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
    test_images, train_images = (
        locations.converted_images(images, part) or Path(images, part) for part in ("test", "train")
    )
    drawn = sheets.draw_sheets(comparison, test_images, train_images)
    write_json(folder / COMPARISON, as_json(comparison))
    sheets.write_sheets(folder, drawn)
    write_comparison(folder / PAGE, comparison, drawn)


def _is_own(path: Path, folder: Path) -> bool:
    """Whether `write_comparison_folder` put a file into a folder, or left it there half-written."""
    if PARTIAL.fullmatch(path.name):
        return True
    return path.name in OWN and (folder / COMPARISON).is_file()


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
        *(f"<p>{html.escape(line)}</p>" for line in comparison.left_out),
    ]
    for kind, data in drawn.items():
        title = kind.replace("_", " ")
        source = base64.b64encode(data).decode()
        parts.append(f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{source}">')
    classes = comparison.classes
    cells = [(classes[true], classes[given], f"{more:+d}") for true, given, more in comparison.cells]
    parts.append(_table("Confusions that changed most", ("true", "given", "more"), cells))
    with atomic_open(path, "w") as file:
        file.write("\n".join(filter(None, [*parts, "</body></html>"])) + "\n")


def _cells(pair: Pair) -> Sequence[str]:
    images = f"{pair.rows} {pair.model}, {pair.n}"
    if pair.first is None or pair.second is None:
        return images, "", "", "", f"{pair.changed} labels differ"
    scores = (f"{100 * side.value:.2f} %" for side in (pair.first, pair.second))
    return images, *scores, f"{pair.points:+.2f}", pair.verdict


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a heading; nothing if there are no rows."""
    body = ["".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in rows]
    if not body:
        return ""
    lines = "\n".join(f"<tr>{cells}</tr>" for cells in body)
    names = "".join(f"<th>{name}</th>" for name in head)
    return f"<h2>{title}</h2>\n<table><tr>{names}</tr>\n{lines}</table>"
