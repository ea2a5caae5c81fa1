import math

import numpy as np
import pytest

from digitflow.scoring.measures import (
    Accuracy,
    PairedDifference,
    accuracy,
    confusion_matrix,
    most_confused,
    over_seeds,
    paired_difference,
    worst_mistakes,
)


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


@pytest.mark.parametrize(
    ("counts", "p"),
    [
        ((5, 0), 2 / 2**5),
        ((1, 7), 2 * (1 + 8) / 2**8),  # Bentur et al. (2009), as in Fagerland et al. (2013), table 1: 0.070
        ((2, 8), 2 * (1 + 10 + 45) / 2**10),
        ((150, 86), 3.716e-05),  # approval of a prime minister: Agresti, Categorical Data Analysis, 10.1
        ((12, 12), 1),
        ((0, 0), 1),
        ((1, 0), 1),
    ],
)
def test_the_p_value_is_the_exact_mcnemar_tests(counts, p):
    assert PairedDifference(*counts, 1600).p_value == pytest.approx(p, rel=1e-4)
    assert PairedDifference(*counts[::-1], 1600).p_value == pytest.approx(p, rel=1e-4)


@pytest.mark.parametrize("counts", [(3, 40), (700, 2), (1500, 1600)])
def test_the_p_value_agrees_with_whole_numbers_to_nine_digits(counts):
    total = sum(counts)
    tail = sum(math.comb(total, k) for k in range(min(counts) + 1))
    assert PairedDifference(*counts, 10**6).p_value == pytest.approx(2 * tail / 2**total, rel=1e-9)


def test_millions_of_images_have_a_p_value_too():
    # The normal approximation is good there: z = (2,000 - 1) / sqrt(10^7), with its continuity correction.
    z = 1999 / math.sqrt(10_000_000)
    assert PairedDifference(5_001_000, 4_999_000, 10**8).p_value == pytest.approx(
        math.erfc(z / math.sqrt(2)), rel=1e-6
    )
    assert PairedDifference(10**6, 0, 10**6).p_value == 0


def test_equally_good_models_are_told_apart_at_5_percent_in_no_more_than_one_of_twenty_cases():
    rng = np.random.default_rng(0)
    splits = rng.binomial(60, 0.5, 4000)
    assert np.mean([PairedDifference(int(k), 60 - int(k), 1000).p_value < 0.05 for k in splits]) < 0.05


def test_a_paired_difference_counts_the_images_that_only_one_model_got_right():
    true = np.array([0, 1, 2, 3, 4, 5])
    first = np.array([0, 1, 2, 3, 9, 9])
    second = np.array([0, 9, 9, 9, 4, 9])
    found = paired_difference(first, second, true)
    assert found == PairedDifference(only_first=3, only_second=1, n=6)
    assert found.value == pytest.approx(accuracy(first, true).value - accuracy(second, true).value)


def test_the_deviation_over_seeds_is_the_samples():
    assert over_seeds([0.90, 0.92, 0.94]) == pytest.approx((0.92, 0.02))


def test_a_confusion_matrix_has_a_row_a_true_label_and_a_column_a_label_given():
    true, given = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 2, 2, 1, 2, 0])
    np.testing.assert_array_equal(
        confusion_matrix(given, true, 4), [[1, 0, 2, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    )


def test_the_most_confused_pairs_leave_out_right_answers_and_what_never_happened():
    matrix = np.array([[90, 1, 5], [0, 80, 0], [7, 1, 70]])
    assert most_confused(matrix, 3) == [(2, 0, 7), (0, 2, 5), (0, 1, 1)]
    assert most_confused(matrix, 10) == [(2, 0, 7), (0, 2, 5), (0, 1, 1), (2, 1, 1)]
    assert most_confused(np.diag([5, 5]), 3) == []


def test_the_worst_mistakes_are_the_surest_ones():
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.8, 0.2], [0.99, 0.01], [0.2, 0.8]])
    true = np.array([1, 0, 1, 0, 0])
    assert worst_mistakes(probabilities, true, 3).tolist() == [1, 2, 4]
    assert worst_mistakes(probabilities, true, 40).tolist() == [1, 2, 4, 0]
    assert worst_mistakes(probabilities, probabilities.argmax(axis=1), 40).tolist() == []


@pytest.mark.parametrize("lengths", [(3, 2), (0, 0)])
def test_other_lengths_or_none_are_refused_in_pairs_and_matrices(lengths):
    predicted, true = np.zeros(lengths[0], int), np.zeros(lengths[1], int)
    with pytest.raises(ValueError, match="predictions for"):
        paired_difference(true, predicted, true)
    with pytest.raises(ValueError, match="predictions for"):
        confusion_matrix(predicted, true, 10)
