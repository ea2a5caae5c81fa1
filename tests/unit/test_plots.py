"""Figures: drawn for all that a training can leave, and with the same bytes each time."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from tests.conftest import PROJECT

from digitflow import plots, score

EPOCH = {"loss": 0.5, "accuracy": 0.8, "valid_loss": 0.4, "valid_accuracy": 0.9, "learning_rate": 0.01}
LOST = {**EPOCH, "loss": math.nan, "valid_loss": math.inf, "valid_accuracy": 0.1}
HISTORIES = {
    "whole": [EPOCH, {**EPOCH, "loss": 0.3, "valid_loss": 0.001}, EPOCH],
    "one epoch": [EPOCH],
    "diverged at last": [EPOCH, EPOCH, LOST],
    "diverged at once": [LOST],
}


def found(wrong, rows=60):
    """The mistakes of a model that got `wrong` of the rows wrong, as Mistakes."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(10), rows).astype(np.float32)
    true = probabilities.argmax(axis=1)
    true[:wrong] = (true[:wrong] + 1) % 10
    return score.mistakes(probabilities, true, 40)


def draw_curves(path, history):
    rows = [{"epoch": epoch, **row} for epoch, row in enumerate(history, start=1)]
    plots.curves_figure(path, rows, "a, seed 0")


def draw_mistakes(path, mistakes):
    images = np.random.default_rng(1).integers(0, 256, (len(mistakes.rows), 28, 28), np.uint8)
    plots.mistakes_figure(path, images, [f"{row:05d}" for row in mistakes.rows], mistakes, "a, seed 0")


def draw_confusion(path, mistakes):
    plots.confusion_figure(path, mistakes.matrix, "a, seed 0: " + "long " * 30)


DRAWINGS = [
    *((draw_curves, history, name) for name, history in HISTORIES.items()),
    *((draw_mistakes, found(wrong), f"{wrong} mistakes") for wrong in (0, 3, 60)),
    *((draw_confusion, found(wrong), f"{wrong} confused") for wrong in (0, 60)),
]


@pytest.mark.filterwarnings("error::UserWarning")  # Matplotlib's way of saying that something does not fit
@pytest.mark.parametrize(
    ("draw", "what"), [case[:2] for case in DRAWINGS], ids=[case[2] for case in DRAWINGS]
)
def test_a_figure_is_drawn_without_a_warning_and_with_the_same_bytes_each_time(tmp_path, draw, what):
    for name in ("first.png", "second.png"):
        draw(tmp_path / name, what)
    first, second = ((tmp_path / name).read_bytes() for name in ("first.png", "second.png"))
    assert first == second
    assert len(first) > 1000
    assert b"matplotlib" not in first.lower()


def test_matplotlib_is_not_imported_before_a_figure_is_drawn():
    program = "import sys, digitflow.plots; sys.exit('matplotlib' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0
