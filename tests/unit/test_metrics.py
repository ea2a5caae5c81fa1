import numpy as np
import pytest

from digitflow.metrics import Accuracy, accuracy


def test_accuracy_counts_right_labels():
    result = accuracy(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4]))
    assert (result.right, result.n, result.value) == (3, 4, 0.75)


def test_the_interval_is_wilsons():
    # Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662.
    low, high = Accuracy(81, 263).interval
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize("right", [0, 1000])
def test_the_interval_stays_within_0_and_1_and_has_a_width(right):
    low, high = Accuracy(right, 1000).interval
    assert 0 <= low < high <= 1


def test_the_interval_covers_the_truth_19_times_in_20():
    rng = np.random.default_rng(0)
    intervals = [Accuracy(int(right), 4200).interval for right in rng.binomial(4200, 0.994, 2000)]
    assert 0.93 < np.mean([low <= 0.994 <= high for low, high in intervals]) < 0.97


@pytest.mark.parametrize("lengths", [(3, 2), (0, 0)])
def test_other_lengths_or_none_are_refused(lengths):
    with pytest.raises(ValueError, match="predictions for"):
        accuracy(np.zeros(lengths[0]), np.zeros(lengths[1]))
