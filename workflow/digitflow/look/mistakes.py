"""What a model gets wrong: its confusion matrix and its worst mistakes."""

import csv
import logging
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import write_rows
from digitflow.formats import idx, lst
from digitflow.look.canvas import arrow, save, short
from digitflow.scoring.measures import confusion_matrix, most_confused, worst_mistakes

log = logging.getLogger("digitflow")
WORST = 40  # mistakes in a figure
COLUMNS = 8  # images in a row of mistakes
ROOM = 21  # characters of average width that are as wide as one of these
MOST_CLASSES = 100  # in a confusion matrix that is drawn
MOST_BARS = 40  # bars, one for a pair of labels, that are drawn instead
CONFUSED = 10  # pairs of labels that are logged


def show_mistakes(
    probabilities: np.ndarray,
    images: Path,
    listing: lst.Listing,
    true: np.ndarray,
    names: Sequence[str],
    title: str,
    confusion: Path,
    confusion_png: Path,
    mistakes_png: Path,
) -> None:
    """Log, write and draw what `probabilities` (n, classes) get wrong among the images of a listing.

    `images` is the IDX file, `true` holds the labels int (n,), `names` the classes' names.
    """
    given = probabilities.argmax(axis=1)
    matrix = confusion_matrix(given, true, probabilities.shape[1])
    rows = worst_mistakes(probabilities, true, WORST)
    wrong = np.count_nonzero(given != true)
    title = f"{title}: {wrong:,} of {len(listing):,} images wrong"
    log.info(title)
    for label, other, count in most_confused(matrix, CONFUSED):
        log.info(f"{names[label]} taken for {names[other]}: {count:,}")
    write_confusion(confusion, matrix, names)
    confusion_figure(confusion_png, matrix, names, title)
    captions = [
        f"{Path(listing.path[row]).stem}\n"
        + arrow(names[true[row]], names[given[row]], ROOM, f"   {probabilities[row, given[row]]:.2f}")
        for row in rows
    ]
    if len(rows) < wrong:
        title += f"; the {len(rows)} with the highest probability"
    pixels = idx.open_memmap(images, idx.IMAGES)[listing.index[rows] - 1]
    mistakes_figure(mistakes_png, pixels, captions, title)


def write_confusion(path: str | Path, matrix: np.ndarray, names: Sequence[str]) -> None:
    """Write a confusion matrix as CSV: one row per true label, one column per given label, by name."""
    rows = ([name, *counts] for name, counts in zip(names, matrix.tolist(), strict=True))
    write_rows(path, [["true", *names], *rows])


def read_confusion(path: str | Path) -> tuple[np.ndarray, list[str]]:
    """Read what `write_confusion` wrote: int64 (classes, classes), and the classes' names.

    FormatError: it is damaged.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            (_, *names), *rows = csv.reader(file)
        matrix = np.array([row[1:] for row in rows], np.int64)
        return matrix.reshape(len(names), len(names)), names
    except (ValueError, csv.Error) as error:
        raise FormatError(f"{path}: damaged: {error}; delete it and run again") from error


def confusion_figure(path: str | Path, matrix: np.ndarray, names: Sequence[str], title: str) -> None:
    """Draw a confusion matrix int (classes, classes): right answers in grey, mistakes in colour.

    `names`: the classes' names. If there are more than MOST_CLASSES, the most frequent mistakes are drawn as
    bars.
    """
    from matplotlib.figure import Figure

    classes = len(matrix)
    if classes > MOST_CLASSES:
        _most_confused_figure(path, matrix, names, title)
        return
    right = np.eye(classes, dtype=bool)
    size = min(max(4.5, 0.48 * classes), 24)
    figure = Figure(figsize=(size, size + 0.5), layout="constrained")
    axes = figure.subplots()
    wrong = np.where(right, 0, matrix)
    axes.imshow(np.ma.masked_equal(wrong, 0), cmap="Blues", vmin=0, vmax=max(wrong.max(), 1))
    for (y, x), count in np.ndenumerate(matrix):
        if count and classes <= 50:  # there is no room for more numbers
            colour = "tab:grey" if right[y, x] else "white" if 2 * count > wrong.max() else "black"
            axes.text(x, y, count, ha="center", va="center", color=colour, fontsize=8)
    axes.set(xlabel="label given", ylabel="true label")
    shown = [short(name) for name in names]
    turned = 90 if max(map(len, shown)) > 2 else 0
    axes.set_xticks(range(classes), shown, rotation=turned, parse_math=False)
    axes.set_yticks(range(classes), shown, parse_math=False)
    axes.set_title(textwrap.fill(title, int(11 * size)), fontsize="medium")
    axes.tick_params(length=0)
    save(figure, path)


def _most_confused_figure(path: str | Path, matrix: np.ndarray, names: Sequence[str], title: str) -> None:
    from matplotlib.figure import Figure

    pairs = most_confused(matrix, MOST_BARS)
    labels = [f"{short(names[true])} → {short(names[given])}" for true, given, _ in pairs]
    figure = Figure(figsize=(8, 0.22 * len(pairs) + 1.5), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(range(len(pairs)), [count for *_, count in pairs], color="tab:blue")
    axes.bar_label(bars, padding=3, fontsize=8)
    axes.set_yticks(range(len(pairs)), labels, fontsize=8, parse_math=False)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set(xlabel="images", ylabel="true label → label given")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(textwrap.fill(f"{title}; the most frequent mistakes", 88), fontsize="medium")
    save(figure, path)


def mistakes_figure(path: str | Path, images: np.ndarray, captions: Sequence[str], title: str) -> None:
    """Draw images uint8 (k, h, w) or (k, h, w, 3), each with its caption."""
    from matplotlib.figure import Figure

    lines = max(1, -(-len(images) // COLUMNS))
    figure = Figure(figsize=(1.25 * COLUMNS, 1.62 * lines + 0.4), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    grid = figure.subplots(lines, COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, image, caption in zip(grid.flat, images, captions, strict=False):
        axes.imshow(image, cmap="grey", vmin=0, vmax=255)
        axes.set_title(caption, fontsize=8, parse_math=False)
    save(figure, path)
