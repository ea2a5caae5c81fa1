"""The learning-rate finder's suggestion, on curves made by hand; tests/frameworks trains for them."""

import numpy as np
import pytest

from digitflow.base.errors import DigitflowError
from digitflow.training.learning_rate_finder import Curve

RATES = np.geomspace(1e-6, 10, 300)


def curve(losses):
    return Curve(RATES[: len(losses)], losses, losses)


def test_the_suggested_rate_is_where_the_loss_falls_fastest_not_where_it_is_smallest():
    position = np.log10(RATES)
    losses = 2.3 / (1 + np.exp(4 * (position + 3))) + 0.3 + np.exp(3 * (position + 0.5))  # steepest at 1e-3
    assert RATES[losses.argmin()] > 1e-2
    assert curve(losses).suggested == pytest.approx(1e-3, rel=0.1)


def test_the_noise_of_single_batches_moves_the_suggestion_by_less_than_a_factor_of_two():
    noise = np.random.default_rng(0).normal(0, 0.1, 300)
    losses = 2.3 / (1 + np.exp(4 * (np.log10(RATES) + 3))) + noise
    assert 0.5e-3 < curve(losses).suggested < 2e-3


@pytest.mark.parametrize("losses", [np.linspace(2.3, 9, 100), np.full(10, 2.3), np.zeros(0)])
def test_a_loss_that_never_falls_is_an_error_not_a_suggestion(losses):
    with pytest.raises(DigitflowError, match="the loss falls at no learning rate"):
        _ = curve(losses).suggested


def test_the_curve_is_written_as_a_row_a_step(tmp_path):
    curve(np.array([2.5, 2.25])).write(tmp_path / "curve.csv")
    assert (tmp_path / "curve.csv").read_text().splitlines() == [
        "step,learning_rate,loss,smoothed_loss",
        "0,1e-06,2.5,2.5",
        "1,1.05539e-06,2.25,2.25",
    ]
