"""Figures, drawn with Matplotlib without a screen; equal results give equal bytes."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitflow.files import atomic_path
from digitflow.study_report import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from digitflow.score import Mistakes

CURVES = 8  # of a study's points: more cannot be told apart
BELOW = 12  # points below the best, where a study's axis of accuracy ends at the latest
COLUMNS = 8  # of images a row of the mistakes


def study_figure(path: str | Path, results: Sequence[Result]) -> None:
    """Draw a study: how accuracy depends on its axes, and the curves of its best points.

    `results` are ranked. One axis with several values: a mark a point; more: a heat map of the first two, the
    best over the others.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    overview, accuracy, loss = figure.subplots(1, 3, width_ratios=[1.25, 1, 1])
    axes = list(results[0].point.values)
    varied = [axis for axis in axes if len({result.point.values[axis] for result in results}) > 1]
    if len(varied) < 2:
        _draw_marks(overview, results, (varied or axes)[0])
    else:
        _draw_heat_map(overview, results, *varied[:2])
    _draw_curves(accuracy, loss, results[:CURVES], varied)
    _save(figure, path)


def _draw_marks(axes: "Axes", results: Sequence[Result], axis: str) -> None:
    """A mark a point and measure, with its 95 % interval; with several seeds the means of both."""
    order = sorted(results, key=lambda result: _sort_key(result.point.values[axis]), reverse=True)
    edge = 100 * max(result.mean("valid_accuracy") for result in results) - BELOW
    left_out = []
    for measure, colour, offset in (("valid", "tab:blue", 0.12), ("test", "tab:orange", -0.12)):
        for place, result in enumerate(order):
            mean = result.mean(f"{measure}_accuracy")
            if mean is None:
                continue
            low, high = (result.mean(f"{measure}_{end}") for end in ("low", "high"))
            label = {"valid": "validation", "test": "test"}[measure] if result is results[0] else None
            if 100 * high < edge:
                left_out.append((place + offset, f" ← {100 * mean:.1f}", colour))
                continue
            axes.plot([100 * low, 100 * high], [place + offset] * 2, color=colour, linewidth=2, alpha=0.5)
            axes.plot(100 * mean, place + offset, "o", color=colour, markersize=5, label=label)
    for place, text, colour in left_out:  # now that the axis has its range
        axes.text(axes.get_xlim()[0], place, text, color=colour, va="center", fontsize=8).set_in_layout(False)
    axes.set_yticks(range(len(order)), [result.point.values[axis] for result in order])
    axes.set(xlabel="accuracy %", ylabel=axis.replace("_", " "), ylim=(-0.6, len(order) - 0.4))
    axes.grid(axis="x", alpha=0.3)
    axes.legend(frameon=False)


def _draw_heat_map(axes: "Axes", results: Sequence[Result], down: str, across: str) -> None:
    """Validation accuracy over two axes, the best over all others; the numbers are in the cells."""
    rows, columns = (
        sorted({result.point.values[axis] for result in results}, key=_sort_key) for axis in (down, across)
    )
    best = np.full((len(rows), len(columns)), np.nan)
    for result in reversed(results):  # the best comes last and stays
        at = rows.index(result.point.values[down]), columns.index(result.point.values[across])
        best[at] = 100 * result.mean("valid_accuracy")
    low = max(np.nanmin(best), np.nanmax(best) - 10)  # a point that failed must not take all the colour
    axes.imshow(best, cmap="viridis", vmin=low, aspect="auto")
    middle = (low + np.nanmax(best)) / 2
    for (y, x), value in np.ndenumerate(best):
        if np.isfinite(value):
            colour = "black" if value > middle else "white"
            axes.text(x, y, f"{value:.1f}", ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel=across.replace("_", " "), ylabel=down.replace("_", " "), title="validation accuracy %")


def _draw_curves(accuracy: "Axes", loss: "Axes", results: Sequence[Result], varied: Sequence[str]) -> None:
    """Accuracy and loss an epoch of each point's first seed: validation in full lines, training dashed."""
    for number, result in enumerate(results):
        history, colour = result.histories[0], f"C{number}"
        epochs = [row["epoch"] for row in history]
        label = " ".join(result.point.values[axis] for axis in varied) or "validation"
        mark = "." if len(epochs) == 1 else None
        for axes, key, factor in ((accuracy, "accuracy", 100), (loss, "loss", 1)):
            valid, train = ([factor * row[name] for row in history] for name in (f"valid_{key}", key))
            axes.plot(epochs, valid, color=colour, label=label, marker=mark, linewidth=1.4)
            axes.plot(epochs, train, color=colour, linestyle="--", marker=mark, linewidth=0.9, alpha=0.6)
    best = max(row["valid_accuracy"] for result in results for row in result.histories[0])
    lowest = max(100 * best - 12, 0)  # the first epochs would take all the room
    accuracy.set(xlabel="epoch", ylabel="accuracy % (dashed: training)")
    accuracy.set_ylim(lowest, min(accuracy.get_ylim()[1], 100.5))
    loss.set(xlabel="epoch", ylabel="loss", yscale="log")
    accuracy.legend(frameon=False, fontsize=8, loc="lower right")
    for axes in (accuracy, loss):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)


def curves_figure(path: str | Path, history: Sequence[Mapping[str, float]], title: str) -> None:
    """Draw a training: accuracy and loss, training against validation, and the learning rate.

    `history` has a row an epoch, as history.csv.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    accuracy, loss, rate = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in history]
    mark = "o" if len(epochs) == 1 else None

    def draw(axes: "Axes", key: str, factor: float = 1, **style) -> None:
        axes.plot(epochs, [factor * row[key] for row in history], marker=mark, **style)

    for axes, key, factor in ((accuracy, "accuracy", 100), (loss, "loss", 1)):
        draw(axes, key, factor, color="tab:orange", label="training")
        draw(axes, f"valid_{key}", factor, color="tab:blue", label="validation")
    draw(rate, "learning_rate", color="tab:grey")
    for axes in (accuracy, loss, rate):
        axes.set(xlabel="epoch", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    reached = 100 * min(max(row["valid_accuracy"] for row in history), history[-1]["accuracy"])
    lowest = max(reached - max(12, 100 - reached), 0)  # the first epochs would take all the room
    accuracy.set(ylabel="accuracy %", ylim=(lowest, min(accuracy.get_ylim()[1], 100.5)))
    accuracy.legend(frameon=False)
    rate.set(ylabel="learning rate", ylim=(0, None))
    rate.yaxis.set_major_formatter("{x:g}")
    loss.set(ylabel="loss")
    _scale_loss(loss, [row[key] for row in history for key in ("loss", "valid_loss")])
    _save(figure, path)


def _scale_loss(axes: "Axes", losses: Sequence[float]) -> None:
    """Scale an axis logarithmically, with as many plain numbers as there is room for."""
    from matplotlib.ticker import LogLocator, NullLocator

    finite = [loss for loss in losses if np.isfinite(loss) and loss > 0]
    if not finite:  # it diverged in its first epoch
        return
    span = max(finite) / min(finite)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(
        LogLocator(subs=range(1, 10) if span < 10 else (1, 2, 5) if span < 1000 else (1,))
    )
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


def confusion_figure(path: str | Path, matrix: np.ndarray, title: str) -> None:
    """Draw a confusion matrix int (classes, classes): right answers in grey, mistakes in colour."""
    from matplotlib.figure import Figure

    classes = len(matrix)
    right = np.eye(classes, dtype=bool)
    size = min(max(4.5, 0.48 * classes), 24)
    figure = Figure(figsize=(size, size + 0.5), layout="constrained")
    axes = figure.subplots()
    wrong = np.where(right, 0, matrix)
    axes.imshow(np.ma.masked_equal(wrong, 0), cmap="Blues", vmin=0, vmax=max(wrong.max(), 1))
    for (y, x), count in np.ndenumerate(matrix):
        if count and classes <= 50:  # more numbers have no room
            colour = "tab:grey" if right[y, x] else "white" if 2 * count > wrong.max() else "black"
            axes.text(x, y, count, ha="center", va="center", color=colour, fontsize=8)
    axes.set(xlabel="label given", ylabel="true label", xticks=range(classes), yticks=range(classes))
    axes.set_title(textwrap.fill(title, int(11 * size)), fontsize="medium")
    axes.tick_params(length=0)
    _save(figure, path)


def mistakes_figure(
    path: str | Path, images: np.ndarray, names: Sequence[str], mistakes: "Mistakes", title: str
) -> None:
    """Draw the worst mistakes: images uint8 (k, h, w) and their names, as `mistakes` orders them."""
    from matplotlib.figure import Figure

    lines = max(1, -(-len(images) // COLUMNS))
    figure = Figure(figsize=(1.25 * COLUMNS, 1.62 * lines + 0.4), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    grid = figure.subplots(lines, COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    facts = zip(mistakes.true, mistakes.given, mistakes.probability, strict=True)
    for axes, image, name, (true, given, probability) in zip(grid.flat, images, names, facts, strict=False):
        axes.imshow(image, cmap="grey", vmin=0, vmax=255)
        axes.set_title(f"{name}\n{true} → {given}   {probability:.2f}", fontsize=8)
    _save(figure, path)


def learning_rate_curve(
    path: str | Path,
    rates: np.ndarray,
    losses: np.ndarray,
    smoothed: np.ndarray,
    suggested: float,
    title: str,
) -> None:
    """Draw the loss of a training with a rising rate against the rate, the suggested one marked, as a PNG.

    The arrays are (steps,), one value a step.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="learning rate", ylabel="training loss", title=title)
    axes.plot(rates, losses, color="0.75", linewidth=1, label="one batch")
    axes.plot(rates, smoothed, color="tab:blue", linewidth=2, label="smoothed")
    axes.axvline(suggested, color="tab:red", linestyle="--", label=f"suggested: {suggested:.2g}")
    axes.set_ylim(0, 1.5 * smoothed[: max(len(smoothed) // 2, 1)].max())  # what exploded would hide the rest
    axes.grid(color="0.92")
    axes.legend(frameon=False)
    _save(figure, path)


def _sort_key(text: str) -> tuple[float, list[str | int]]:
    """Numbers by their size, before other texts; in those, too, 800-500 before 800-1200."""
    try:
        return float(text), []
    except ValueError:
        parts = re.split(r"([0-9]+)", text)  # every second one is a number
        return float("inf"), [int(part) if part.isdecimal() else part for part in parts]


def _save(figure: "Figure", path: str | Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})  # else the bytes hold a version
