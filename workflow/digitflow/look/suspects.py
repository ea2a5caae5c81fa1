"""The sheet of suspects in the report: the images with the least probable labels, as one figure."""

from pathlib import Path

import numpy as np

from digitflow.look.canvas import save, short
from digitflow.look.lookdata import LookData

MOST = 100  # images
COLUMNS = 10
INCHES = 1.0  # width of an image
CAPTION = 0.45  # inches below it


def suspects_figure(path: str | Path, data: LookData) -> None:
    """Draw the first MOST rows of the audit, which may be None, with id, given and proposed label."""
    from matplotlib.figure import Figure

    first = [] if data.audit is None else data.audit.head(MOST).to_dict("records")
    lines = max(1, -(-len(first) // COLUMNS))
    height, width = data.images.shape[1:3]
    tall = height / width + CAPTION  # in widths of an image
    figure = Figure(figsize=(COLUMNS * INCHES, lines * tall * INCHES + 0.5))
    top = 1 - 0.4 / figure.get_figheight()
    axes = figure.add_axes((0.005, 0, 0.99, top))
    axes.set(xlim=(0, COLUMNS), ylim=(lines * tall, 0))
    axes.set_axis_off()
    figure.suptitle(_title(data, len(first)), fontsize="medium", y=1 - 0.12 / figure.get_figheight())
    images = data.images[data.rows_of([row["id"] for row in first])]
    for place, (row, image) in enumerate(zip(first, images, strict=True)):
        x, y = place % COLUMNS, place // COLUMNS * tall
        extent = (x + 0.04, x + 0.96, y + height / width - 0.04, y + 0.04)
        axes.imshow(image, cmap="grey", vmin=0, vmax=255, extent=extent, aspect="auto")
        caption = f"{row['id']}\n{short(row['given'])} → {short(row['proposed'])}"
        # A class may be called $x$, which is not a formula.
        axes.text(x + 0.5, y + height / width, caption, ha="center", va="top", fontsize=7, parse_math=False)
    save(figure, path)


def _title(data: LookData, shown: int) -> str:
    if data.audit is None:
        return f"No suspects: {data.missing['audit']}"
    flagged = int(np.count_nonzero(data.audit["flagged"]))
    return (
        f"The {shown} least probable of {len(data.audit):,} labels, given → proposed; {flagged:,} are flagged"
    )
