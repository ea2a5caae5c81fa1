"""What the report shows of the page: its summary as one HTML file, and the suspects as one figure."""

import base64
import html
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from digitflow.base.files import atomic_open
from digitflow.look import sheets
from digitflow.look.canvas import arrow, save
from digitflow.look.lookdata import LookData
from digitflow.look.summary import count_labels

MOST = 100  # suspects in the figure
COLUMNS = 10  # each an inch wide
CAPTION = 0.45  # inches below an image
ROOM = 17  # characters of average width that are as wide as an image
STYLE = """
body { margin: 1rem; background: #fff; color: #1d1d1b; font: 14px/1.4 system-ui, sans-serif; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #e2e2de; padding: 0.2rem 0.9rem 0.2rem 0; text-align: right; }
th:first-child { text-align: left; }
img { display: block; height: 28px; image-rendering: pixelated; }
"""


def write_summary(path: str | Path, data: LookData) -> None:
    """Write how many images there are, in all and per class, what is flagged, and what is missing."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Look: the summary</title>',
        f'<link rel="icon" href="data:,"><style>{STYLE}</style></head><body>',
        f"<p>{' · '.join(_facts(data))}</p>",
        "<table>",
        *_lines(data),
        "</table>",
        *(f"<p>Not looked at: {html.escape(reason)}</p>" for reason in dict.fromkeys(data.missing.values())),
        "</body></html>",
    ]
    with atomic_open(path, "w") as file:
        file.write("\n".join(parts) + "\n")


def _facts(data: LookData) -> Iterator[str]:
    yield f"{len(data.ids):,} training images"
    if data.test_images is not None:
        yield f"{len(data.test_images):,} test images"
    yield f"{len(data.names):,} classes"
    if data.audit is not None:
        yield f"{np.count_nonzero(data.audit['flagged']):,} labels flagged"
    yield f"{len(data.duplicates):,} pairs of duplicates"
    yield f"{len(data.outliers):,} outliers"
    yield f"{len(data.corrections):,} lines in the file of corrections"


def _lines(data: LookData) -> Iterator[str]:
    """The table: a head, and one line per class."""
    classes = len(data.names)
    counts = count_labels(data.corrected, classes)
    columns = {"training images": counts, "%": _percentages(counts)}
    if data.test_merged is not None:
        predicted = count_labels(data.test_merged.argmax(axis=1), classes)
        columns["predicted for test %"] = _percentages(predicted)
    if data.audit is not None:
        flagged = data.rows_of(data.audit["id"][data.audit["flagged"].to_numpy(bool)])
        columns["flagged"] = count_labels(data.corrected[flagged], classes)
    columns["given by the CSV"] = count_labels(data.labels, classes)
    yield "".join(f"<th>{name}</th>" for name in ("class", "mean", *columns))
    means, _ = data.mean_and_variance
    pictures = np.rint(means).astype(np.uint8)
    for name, picture, *cells in zip(data.names, pictures, *columns.values(), strict=True):
        source = base64.b64encode(sheets.encode_sheet(picture)).decode()
        mean = f'<td><img alt="" src="data:image/png;base64,{source}"></td>'
        body = "".join(
            f"<td>{cell:,}</td>" if isinstance(cell, int) else f"<td>{cell}</td>" for cell in cells
        )
        yield f"<tr><th>{html.escape(name)}</th>{mean}{body}</tr>"


def _percentages(counts: list[int]) -> list[str]:
    total = max(sum(counts), 1)
    return [f"{100 * count / total:.1f}" for count in counts]


def suspects_figure(path: str | Path, data: LookData) -> None:
    """Draw the first MOST rows of the audit, which may be None, with id, given and proposed label."""
    from matplotlib.figure import Figure

    first = [] if data.audit is None else data.audit.head(MOST).to_dict("records")
    lines = max(1, -(-len(first) // COLUMNS))
    height, width = data.images.shape[1:3]
    tall = height / width + CAPTION  # in widths of an image
    figure = Figure(figsize=(COLUMNS, lines * tall + 0.5))
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
        caption = f"{row['id']}\n{arrow(row['given'], row['proposed'], ROOM)}"
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
