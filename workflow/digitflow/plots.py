"""Figures: a function each, from arrays to a PNG file."""

from pathlib import Path

import numpy as np

from digitflow.files import atomic_path


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

    figure = Figure(figsize=(7, 4.2), dpi=120, layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="learning rate", ylabel="training loss", title=title)
    axes.plot(rates, losses, color="0.75", linewidth=1, label="one batch")
    axes.plot(rates, smoothed, color="tab:blue", linewidth=2, label="smoothed")
    axes.axvline(suggested, color="tab:red", linestyle="--", label=f"suggested: {suggested:.2g}")
    axes.set_ylim(0, 1.5 * smoothed[: max(len(smoothed) // 2, 1)].max())  # what exploded would hide the rest
    axes.grid(color="0.92")
    axes.legend(frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
