"""Curves of trainings, epoch by epoch, and of the learning-rate finder, step by step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitflow.look.canvas import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves_figure(path: str | Path, history: Sequence[Mapping[str, float]], title: str) -> None:
    """Draw a training: accuracy and loss, training against validation, and the learning rate.

    `history` has a row for each epoch, like history.csv; without validation rows there is one curve each.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    accuracy, loss, rate = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in history]
    mark = "o" if len(epochs) == 1 else None

    def draw(axes: "Axes", key: str, factor: float = 1, **style) -> None:
        axes.plot(epochs, [factor * row[key] for row in history], marker=mark, **style)

    validated = [row["valid_accuracy"] for row in history if np.isfinite(row["valid_accuracy"])]
    for axes, key, factor in ((accuracy, "accuracy", 100), (loss, "loss", 1)):
        draw(axes, key, factor, color="tab:orange", label="training")
        if validated:
            draw(axes, f"valid_{key}", factor, color="tab:blue", label="validation")
    draw(rate, "learning_rate", color="tab:grey")
    for axes in (accuracy, loss, rate):
        axes.set(xlabel="epoch", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    reached = 100 * min(max(validated, default=1), history[-1]["accuracy"])
    lowest = max(reached - max(12, 100 - reached), 0)  # or the first epochs would take all the room
    accuracy.set(ylabel="accuracy %", ylim=(lowest, min(accuracy.get_ylim()[1], 100.5)))
    accuracy.legend(frameon=False)
    rate.set(ylabel="learning rate", ylim=(0, None))
    rate.yaxis.set_major_formatter("{x:g}")
    loss.set(ylabel="loss")
    _scale_loss(loss, [row[key] for row in history for key in ("loss", "valid_loss")])
    save(figure, path)


def learning_rate_curve(
    path: str | Path,
    rates: np.ndarray,
    losses: np.ndarray,
    smoothed: np.ndarray,
    suggested: float,
    title: str,
) -> None:
    """Draw the loss of a training with a rising rate against the rate, marking the suggested one, as a PNG.

    The arrays are (steps,), one value per step.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="learning rate", ylabel="training loss", title=title)
    axes.plot(rates, losses, color="0.75", linewidth=1, label="one batch")
    axes.plot(rates, smoothed, color="tab:blue", linewidth=2, label="smoothed")
    axes.axvline(suggested, color="tab:red", linestyle="--", label=f"suggested: {suggested:.2g}")
    axes.set_ylim(0, 1.5 * smoothed[: max(len(smoothed) // 2, 1)].max())  # a huge loss would hide the rest
    axes.grid(color="0.92")
    axes.legend(frameon=False)
    save(figure, path)


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
