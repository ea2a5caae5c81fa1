"""The train/valid split: stratified, seeded, fixed by the row's id."""

import numpy as np
import pytest

from digitflow.dataset.split import _mix, first_of_equal, fold_of, validation_mask

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


def test_the_first_of_equal_images_is_found_across_blocks():
    images = np.array([[[1, 2]], [[3, 4]], [[1, 2]], [[2, 1]], [[3, 4]], [[1, 2]]], np.uint8)
    blocks = [images[:2], images[2:3], images[3:]]
    assert first_of_equal(blocks).tolist() == [0, 1, 0, 3, 1, 0]
    assert first_of_equal(iter(())).tolist() == []
    assert first_of_equal([np.asfortranarray(images.transpose(0, 2, 1))]).tolist() == [0, 1, 0, 3, 1, 0]


SPLITS = {"validation": lambda *rows: validation_mask(*rows[:2], 0.1, 0, *rows[2:])}
SPLITS |= {"folds": lambda *rows: fold_of(*rows[:2], 5, 0, *rows[2:])}


@pytest.mark.parametrize("split", SPLITS)
def test_without_equal_images_nothing_changes(split):
    assert np.array_equal(SPLITS[split](INDEX, LABEL, INDEX), SPLITS[split](INDEX, LABEL))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("count", [2, 3, 40, 900])
def test_equal_images_stay_together_whatever_their_labels(split, count):
    first = INDEX.copy()
    copies = np.random.default_rng(count).permutation(2000)[: 2000 // count * count].reshape(-1, count)
    first[copies] = INDEX[copies].min(axis=1)[:, None]
    sides = SPLITS[split](INDEX, LABEL, first)
    assert (sides[copies] == sides[copies[:, :1]]).all()


def test_a_class_of_pairs_gives_its_fraction_all_the_same():
    first = (INDEX - 1) // 2 * 2 + 1
    label = first % 5
    mask = validation_mask(INDEX, label, 0.1, 0, first)
    for value in range(5):
        assert abs(mask[label == value].sum() - 0.1 * (label == value).sum()) <= 1


def test_a_group_too_large_for_validation_does_not_keep_others_out():
    first = np.where(INDEX <= 1500, 1, INDEX)
    mask = validation_mask(INDEX, 0 * LABEL, 0.1, 0, first)
    assert not mask[:1500].any()
    assert mask.sum() == 200


def test_dropping_the_first_of_equal_images_moves_none_of_the_others():
    first = np.where(np.isin(INDEX, (10, 700, 1500)), 10, INDEX)
    left = INDEX != 10
    mask = validation_mask(INDEX, LABEL, 0.1, 0, first)
    again = validation_mask(INDEX[left], LABEL[left], 0.1, 0, first[left])
    assert (mask[left] != again).sum() <= 2
    assert again[INDEX[left] == 700] == again[INDEX[left] == 1500]


@pytest.mark.parametrize("folds", [1, 2, 5, 10])
def test_folds_share_every_class_evenly(folds):
    fold = fold_of(INDEX, LABEL, folds, 0)
    counts = np.array([np.bincount(fold[label == LABEL], minlength=folds) for label in range(5)])
    assert counts.shape == (5, folds)
    assert (np.ptp(counts, axis=1) <= 1).all()


def test_the_first_of_ten_folds_is_the_tenth_that_validates():
    rest = validation_mask(INDEX, LABEL, 0.1, 0) ^ (fold_of(INDEX, LABEL, 10, 0) == 0)
    assert rest.sum() <= 5


def test_relabelling_an_image_moves_hardly_any_other_to_another_fold():
    label = LABEL.copy()
    label[500] = (label[500] + 1) % 5
    assert (fold_of(INDEX, label, 5, 0) != fold_of(INDEX, LABEL, 5, 0)).sum() <= 2 * 4 + 1


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_each_row_is_in_one_fold_and_each_class_is_divided_equally(folds):
    fold = fold_of(INDEX, LABEL, folds, 0)
    for label in range(5):
        sizes = np.bincount(fold[label == LABEL], minlength=folds)
        assert len(sizes) == folds
        assert sizes.max() - sizes.min() <= 1


def test_the_first_of_five_folds_is_the_split_of_a_fifth():
    assert np.array_equal(fold_of(INDEX, LABEL, 5, 3) == 0, validation_mask(INDEX, LABEL, 0.2, 3))


def test_another_seed_has_other_folds_and_the_same_one_the_same():
    fold = fold_of(INDEX, LABEL, 5, 0)
    assert np.array_equal(fold_of(INDEX, LABEL, 5, 0), fold)
    assert (fold_of(INDEX, LABEL, 5, 1) == fold).mean() < 0.3


@pytest.mark.parametrize("row", range(0, 2000, 97))
def test_relabelling_an_image_moves_at_most_a_row_of_each_fold(row):
    label = LABEL.copy()
    label[row] = (label[row] + 1) % 5
    assert (fold_of(INDEX, label, 5, 0) != fold_of(INDEX, LABEL, 5, 0)).sum() <= 2 * 5


def test_a_class_of_fewer_rows_than_folds_is_spread_over_some_of_them():
    fold = fold_of(np.arange(1, 4), np.zeros(3, int), 5, 0)
    assert len({*fold.tolist()}) == 3
    assert fold.max() < 5
