"""Nearest neighbours with bent strokes: the distance by hand, what it forgives, and what counts how much."""

import itertools

import numpy as np
import pytest

from digitflow import models
from digitflow.base.errors import ConfigError, FormatError
from digitflow.formats.probabilities import check_probabilities
from digitflow.models import neighbours, numpy_mlp
from digitflow.models.edges import gradients
from digitflow.models.neighbours import REACH, TRUST, Neighbours, deformed_distances
from digitflow.training.history import accuracy_of


@pytest.fixture(scope="module")
def known(digits):
    return Neighbours(digits[0][:2000], digits[1][:2000].astype(np.int64), 10)


def test_2_000_digits_are_enough_for_95_in_100(known, digits):
    found = known.predict(digits[0][2000:2500])
    check_probabilities(found, "neighbours")
    assert accuracy_of(found, digits[1][2000:2500]) > 0.95


def distance_by_hand(image, other):
    """As the module's docstring says it, pixel by pixel."""
    _, height, width = image.shape
    others = np.pad(other, ((0, 0), (REACH, REACH), (REACH, REACH)))
    total = 0.0
    for row, column in itertools.product(range(1, height - 1), range(1, width - 1)):
        window = image[:, row - 1 : row + 2, column - 1 : column + 2]
        moves = itertools.product(range(2 * REACH + 1), repeat=2)
        total += min(
            (
                (
                    others[:, row + down - 1 : row + down + 2, column + across - 1 : column + across + 2]
                    - window
                )
                ** 2
            ).sum()
            for down, across in moves
        )
    return total


def test_the_distance_is_the_one_of_the_docstring(digits):
    image, *others = gradients(digits[0][:4])
    expected = [distance_by_hand(image, other) for other in others]
    assert deformed_distances(image, np.stack(others)) == pytest.approx(expected, rel=1e-4)


def test_an_image_moved_by_a_pixel_is_the_same_one_and_another_digit_is_far(digits):
    image = digits[0][0]
    moved = np.stack([np.roll(image, (1, -1), axis=(0, 1)), digits[0][1]])
    same, other = deformed_distances(gradients(image[None])[0], gradients(moved))
    assert same == pytest.approx(0, abs=1e-4)
    assert other > 1


def test_a_known_image_is_not_its_own_neighbour(digits):
    images, labels = digits[0][:400], digits[1][:400].astype(np.int64)
    wrong = labels.copy()
    wrong[:20] = (labels[:20] + 1) % 10
    known = Neighbours(images, wrong, 10)
    rows = np.arange(20)
    assert (known.predict(images[:20]).argmax(axis=1) == wrong[:20]).mean() > 0.5  # itself
    assert (known.predict(images[:20], known=rows).argmax(axis=1) == wrong[:20]).mean() < 0.2
    assert accuracy_of(known.predict(images[:20], known=rows), labels[:20]) > 0.8


def test_nor_is_it_where_there_are_fewer_images_than_candidates(digits):
    images, labels = digits[0][:30], np.arange(30) % 10  # by chance, whatever the images show
    found = Neighbours(images, labels, 10).predict(images, known=np.arange(30))
    assert accuracy_of(found, labels) < 0.5
    alone = Neighbours(images[:1], labels[:1], 10).predict(images[:1], known=np.arange(1))
    check_probabilities(alone, "neighbours")


def test_candidates_that_agree_decide_and_no_class_is_impossible():
    images = np.random.default_rng(5).integers(256, size=(30, 9, 9), dtype=np.uint8)
    found = Neighbours(images, np.full(30, 2), 4).predict(images[:1] // 2)
    assert found.argmax() == 2
    assert found[0, 2] == pytest.approx(TRUST + (1 - TRUST) / 4, abs=0.001)
    assert 0 < found[0, 0] == found[0, 1] == found[0, 3]


def test_the_rows_do_not_depend_on_how_many_are_asked_for_at_once(known, digits, monkeypatch):
    whole = known.predict(digits[0][2000:2020])
    monkeypatch.setattr(neighbours, "COMPARED", 3 * 2000)
    assert known.predict(digits[0][2000:2020]) == pytest.approx(whole, abs=1e-5)


def test_few_known_images_and_colour_are_compared_too():
    images = np.random.default_rng(6).integers(256, size=(3, 12, 9, 3), dtype=np.uint8)
    labels = np.array([0, 1, 2])
    assert Neighbours(images, labels, 3).predict(images).argmax(axis=1).tolist() == [0, 1, 2]


def test_what_is_loaded_predicts_what_was_saved_and_other_models_are_refused(tmp_path, known, digits):
    known.save(tmp_path / "model.npz")
    loaded = neighbours.load(tmp_path / "model.npz")
    assert np.array_equal(loaded.predict(digits[0][2000:2020]), known.predict(digits[0][2000:2020]))
    numpy_mlp.MLP((4, 2)).save(tmp_path / "network.npz")
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 and no more")
    for name in ("network.npz", "damaged.npz"):
        with pytest.raises(FormatError, match=f"{name}: not a saved model"):
            neighbours.load(tmp_path / name)


@pytest.mark.parametrize("candidates", [0, 2.5, "all"])
def test_a_wrong_number_of_candidates_is_refused(candidates):
    with pytest.raises(ConfigError, match=r"candidates: .*should be a whole number above 0"):
        models.build("neighbours", "neighbours", (28, 28), 10, candidates=candidates)
