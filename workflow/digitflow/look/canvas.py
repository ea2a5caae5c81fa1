"""What all figures share: Matplotlib saves them as PNG, without a screen; equal results give equal bytes."""

from pathlib import Path
from typing import TYPE_CHECKING

from digitflow.base.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST = 12  # characters of a label in a figure


def short(name: object) -> str:
    """A label, cut to the room that a figure has for it."""
    name = str(name)
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def save(figure: "Figure", path: str | Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})  # or the bytes contain a version
