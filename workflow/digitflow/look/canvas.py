"""What all figures share: Matplotlib saves them as PNG, without a screen; equal results give equal bytes."""

import logging
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from digitflow.base.files import atomic_path
from digitflow.formats.layout import abbreviated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("digitflow")

LONGEST = 12  # characters of a label in a figure


def short(name: object) -> str:
    """A label, cut to the room that a figure has for it."""
    name = str(name)
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def arrow(label: object, other: object, room: int, rest: str = "") -> str:
    """`label → other` and the rest: on two lines if there is room only for fewer characters."""
    before, after = short(label), short(other) + rest
    line = f"{before} → {after}"
    return line if len(line) <= room else f"{before}\n→ {after}"


def save(figure: "Figure", path: str | Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary, warnings.catch_warnings(record=True) as caught:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})  # or the bytes contain a version
    boxes = {}
    for warning in caught:
        if glyph := re.match(r"Glyph (\d+) .*missing from", str(warning.message)):
            boxes[chr(int(glyph[1]))] = None
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if boxes:
        log.warning(
            f"{path}: Matplotlib's font lacks {abbreviated([*boxes])}, drawn as boxes: install one that has "
            "them, write font.family: DejaVu Sans, NAME OF THAT FONT into a file matplotlibrc in the "
            "project's folder, delete the figure, and run again"
        )
