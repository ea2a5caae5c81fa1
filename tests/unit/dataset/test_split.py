"""The train/valid split: stratified, seeded, fixed by the row's id."""

import numpy as np
import pytest

from digitflow.dataset.split import _mix, validation_mask

INDEX = np.arange(1, 2001)
LABEL = INDEX**2 % 11 % 5


def chosen(index=INDEX, label=LABEL, fraction=0.1, seed=0):
    return set(index[validation_mask(index, label, fraction, seed)].tolist())


def test_keys_are_those_of_splitmix64():
    state = np.array([1234567], np.uint64)
    first, second = _mix(state), _mix(state + np.uint64(0x9E3779B97F4A7C15))
    assert (int(first[0]), int(second[0])) == (6457827717110365317, 3203168211198807973)


@pytest.mark.parametrize("fraction", [0, 0.1, 0.25, 0.999])
def test_every_class_gives_its_fraction_rounded(fraction):
    mask = validation_mask(INDEX, LABEL, fraction, 0)
    for label in range(5):
        assert abs(mask[label == LABEL].sum() - fraction * (label == LABEL).sum()) <= 0.5


def test_the_choice_is_the_same_on_every_machine():
    assert sorted(chosen(INDEX[:100], LABEL[:100])) == [1, 18, 25, 27, 38, 43, 47, 58, 73, 75, 84]


def test_another_seed_chooses_others():
    assert len(chosen() & chosen(seed=1)) < 0.2 * len(chosen())


def test_neighbours_are_chosen_independently():
    chance = (
        np.bincount(np.convolve(validation_mask(INDEX, 0 * LABEL, 0.5, 0), [1, 1], "valid"), minlength=3)
        / 1999
    )
    assert np.abs(chance - [0.25, 0.5, 0.25]).max() < 0.05


def test_the_order_of_the_rows_does_not_matter():
    order = np.random.default_rng(0).permutation(len(INDEX))
    assert chosen(INDEX[order], LABEL[order]) == chosen()


@pytest.mark.parametrize("row", range(0, 2000, 97))
def test_relabelling_an_image_moves_at_most_two_others(row):
    label = LABEL.copy()
    label[row] = (label[row] + 1) % 5
    assert len(chosen(label=label) ^ chosen()) <= 3


@pytest.mark.parametrize("row", range(0, 2000, 97))
def test_deleting_an_image_moves_at_most_one_other(row):
    kept = INDEX[row] != INDEX
    assert len((chosen(INDEX[kept], LABEL[kept]) ^ chosen()) - {INDEX[row]}) <= 1
