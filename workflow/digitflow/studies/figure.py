"""The figure of a study: accuracy along its axes, and the curves of its best points."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitflow.look.canvas import save
from digitflow.studies.table import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
CURVES = 8  # one for each of the best points: more cannot be told apart
BELOW = 12  # percentage points below the best accuracy, at which the axis ends at the latest
LEGEND_WIDTH = 26  # characters: a longer line would cover the panel beside
NUMBERED = 16  # columns of a heat map; in more, numbers would overlap
# Measures, their names, and the colours and heights of their marks.
MARKS = (("valid", "validation", "tab:blue", 0.12), ("test", "test", "tab:orange", -0.12))


def study_figure(path: str | Path, results: Sequence[Result]) -> None:
    """Draw a study: how accuracy depends on its axes, and the curves of its best points.

    `results` are ranked. With one axis that varies there is one mark per point; with more, a heat map of the
    first two, with the best over the others.
    """
    from matplotlib.figure import Figure

    axes = list(results[0].point.values)
    found = {axis: {result.point.values[axis] for result in results} for axis in axes}
    varied = [axis for axis in axes if len(found[axis]) > 1]
    lines = len(found[(varied or axes)[0]])
    figure = Figure(figsize=(13, max(4.2, 0.2 * lines)), layout="constrained")
    overview, accuracy, loss = figure.subplots(1, 3, width_ratios=[1.25, 1, 1])
    if len(varied) < 2:
        _draw_marks(overview, results, (varied or axes)[0])
    else:
        _draw_heat_map(overview, results, *varied[:2])
    _draw_curves(accuracy, loss, results[:CURVES], varied)
    save(figure, path)


def _draw_marks(axes: "Axes", results: Sequence[Result], axis: str) -> None:
    """One mark per point and measure, with its 95 % interval; with several seeds, the means of both."""
    order = sorted(results, key=lambda result: _sort_key(result.point.values[axis]), reverse=True)
    edge = 100 * max(result.mean("valid_accuracy") for result in results) - BELOW
    left_out = []
    for measure, name, colour, offset in MARKS:
        if results[0].mean(f"{measure}_accuracy") is not None:
            # For the legend: all marks of a measure may be left out below.
            axes.plot([], [], "o", color=colour, markersize=5, label=name)
        for place, result in enumerate(order):
            mean = result.mean(f"{measure}_accuracy")
            if mean is None:
                continue
            low, high = (result.mean(f"{measure}_{end}") for end in ("low", "high"))
            if 100 * high < edge:
                left_out.append((place + offset, f" ← {100 * mean:.1f}", colour))
                continue
            axes.plot([100 * low, 100 * high], [place + offset] * 2, color=colour, linewidth=2, alpha=0.5)
            axes.plot(100 * mean, place + offset, "o", color=colour, markersize=5)
    for place, text, colour in left_out:  # now that the axis has its range
        axes.text(axes.get_xlim()[0], place, text, color=colour, va="center", fontsize=8).set_in_layout(False)
    axes.set_yticks(range(len(order)), [result.point.values[axis] for result in order])
    axes.set(xlabel="accuracy %", ylabel=axis.replace("_", " "), ylim=(-0.6, len(order) - 0.4))
    axes.grid(axis="x", alpha=0.3)
    axes.legend(frameon=False, loc="best")  # said, or Matplotlib warns where there are many points


def _draw_heat_map(axes: "Axes", results: Sequence[Result], down: str, across: str) -> None:
    """Validation accuracy over two axes, the best over all others; with numbers in the cells, if they fit."""
    rows, columns = (
        sorted({result.point.values[axis] for result in results}, key=_sort_key) for axis in (down, across)
    )
    best = np.full((len(rows), len(columns)), np.nan)
    for result in reversed(results):  # the best comes last and stays
        at = rows.index(result.point.values[down]), columns.index(result.point.values[across])
        best[at] = 100 * result.mean("valid_accuracy")
    low = max(np.nanmin(best), np.nanmax(best) - 10)  # a failed point must not take all the colour
    colours = axes.imshow(best, cmap="viridis", vmin=low, aspect="auto")
    if len(columns) > NUMBERED:
        axes.figure.colorbar(colours, ax=axes)
    middle = (low + np.nanmax(best)) / 2
    for (y, x), value in np.ndenumerate(best):
        if np.isfinite(value) and len(columns) <= NUMBERED:
            colour = "black" if value > middle else "white"
            axes.text(x, y, f"{value:.1f}", ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel=across.replace("_", " "), ylabel=down.replace("_", " "), title="validation accuracy %")


def _draw_curves(accuracy: "Axes", loss: "Axes", results: Sequence[Result], varied: Sequence[str]) -> None:
    """Accuracy and loss per epoch of each point's first seed: validation as solid lines, training dashed."""
    for number, result in enumerate(results):
        history, colour = result.histories[0], f"C{number}"
        epochs = [row["epoch"] for row in history]
        label = " ".join(result.point.values[axis] for axis in varied) or "validation"
        label = textwrap.fill(label, LEGEND_WIDTH)
        mark = "." if len(epochs) == 1 else None
        for axes, key, factor in ((accuracy, "accuracy", 100), (loss, "loss", 1)):
            valid, train = ([factor * row[name] for row in history] for name in (f"valid_{key}", key))
            axes.plot(epochs, valid, color=colour, label=label, marker=mark, linewidth=1.4)
            axes.plot(epochs, train, color=colour, linestyle="--", marker=mark, linewidth=0.9, alpha=0.6)
    best = max(row["valid_accuracy"] for result in results for row in result.histories[0])
    lowest = max(100 * best - BELOW, 0)  # or the first epochs would take all the room
    accuracy.set(xlabel="epoch", ylabel="accuracy % (dashed: training)")
    accuracy.set_ylim(lowest, min(accuracy.get_ylim()[1], 100.5))
    loss.set(xlabel="epoch", ylabel="loss", yscale="log")
    accuracy.legend(frameon=False, fontsize=8, loc="lower right")
    for axes in (accuracy, loss):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def _sort_key(text: str) -> tuple[float, list[str | int]]:
    """Numbers by size, before other texts; in those, numbers count by size, too: 800-500 before 800-1200."""
    try:
        return float(text), []
    except ValueError:
        parts = re.split(r"([0-9]+)", text)  # every second part is a number
        return float("inf"), [int(part) if part.isdecimal() else part for part in parts]
