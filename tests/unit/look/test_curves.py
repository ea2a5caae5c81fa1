"""Curves of trainings and of the learning-rate finder: drawn for all that a training can leave."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from tests.conftest import PROJECT

from digitflow.look import curves

EPOCH = {"loss": 0.5, "accuracy": 0.8, "valid_loss": 0.4, "valid_accuracy": 0.9, "learning_rate": 0.01}
LOST = {**EPOCH, "loss": math.nan, "valid_loss": math.inf, "valid_accuracy": 0.1}
UNSEEN = {**EPOCH, "valid_loss": math.nan, "valid_accuracy": math.nan}
HISTORIES = {
    "whole": [EPOCH, {**EPOCH, "loss": 0.3, "valid_loss": 0.001}, EPOCH],
    "one epoch": [EPOCH],
    "no validation rows": [UNSEEN, UNSEEN],
    "diverged without validation rows": [{**UNSEEN, "loss": math.nan}],
    "diverged at last": [EPOCH, EPOCH, LOST],
    "diverged at once": [LOST],
}


@pytest.mark.filterwarnings("error::UserWarning")  # Matplotlib's way of saying that something does not fit
@pytest.mark.parametrize("what", HISTORIES)
def test_a_figure_is_drawn_without_a_warning_and_with_the_same_bytes_each_time(tmp_path, what):
    for name in ("first.png", "second.png"):
        rows = [{"epoch": epoch, **row} for epoch, row in enumerate(HISTORIES[what], start=1)]
        curves.curves_figure(tmp_path / name, rows, "a, seed 0")
    first, second = ((tmp_path / name).read_bytes() for name in ("first.png", "second.png"))
    assert first == second
    assert len(first) > 1000
    assert b"matplotlib" not in first.lower()


def test_the_finders_curve_is_drawn_with_the_same_bytes_each_time(tmp_path):
    rates = np.geomspace(1e-6, 10, 50)
    losses = 2.3 - np.linspace(0, 1, 50) ** 2
    for name in ("first.png", "second.png"):
        curves.learning_rate_curve(tmp_path / name, rates, losses, losses, 0.01, "lenet")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_matplotlib_is_not_imported_before_a_figure_is_drawn():
    program = "import sys, digitflow.look.curves; sys.exit('matplotlib' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0
