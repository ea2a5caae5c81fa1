"""What the page says of all images, and which of them it picks out."""

import numpy as np
import pytest
from tests.browser.example import NO_DUPLICATES, NO_OUTLIERS, example

from digitflow.look import choices, summary
from digitflow.look.lookdata import LookData, Predictions


@pytest.fixture(scope="module")
def data(digits) -> LookData:
    images, labels = digits
    return example(images[:700], labels[:700], 600)


def test_mean_and_variance_are_numpys_class_by_class(digits):
    images, labels = digits
    images, labels = images[:9000], labels[:9000].astype(np.int64)
    labels[::7] = -1
    mean, variance = summary.mean_and_variance(images, labels, 11)
    for label in range(10):
        members = images[labels == label].astype(np.float64)
        assert np.allclose(mean[label], members.mean(axis=0))
        assert np.allclose(variance[label], members.var(axis=0))
    assert not mean[10].any()
    assert not variance[10].any()


def test_histograms_count_every_pixel_and_every_image_once(digits):
    images, _ = digits
    black, white = (np.full((1, 28, 28), grey, np.uint8) for grey in (0, 255))
    images = np.concatenate([images[:5000], black, white])
    pixels, ink = summary.histograms(images)
    assert np.array_equal(pixels, np.histogram(images, bins=32, range=(0, 256))[0])
    means = images.reshape(len(images), -1).mean(axis=1)
    assert np.array_equal(ink, np.histogram(means, bins=64, range=(0, 256))[0])


def test_colour_images_are_summed_up_too(digits):
    images, labels = digits
    colour = np.stack([images[:50]] * 3, axis=-1)
    mean, _ = summary.mean_and_variance(colour, labels[:50].astype(np.int64), 10)
    assert mean.shape == (10, 28, 28, 3)
    assert summary.histograms(colour)[0].sum() == colour.size


def two_models(first: list[int], second: list[int], merged: list[int], labels: list[int]) -> LookData:
    def sure(found: list[int]) -> np.ndarray:
        p = np.full((len(found), 3), 0.05)
        p[np.arange(len(found)), found] = 0.9 - 0.01 * np.arange(len(found))
        return p

    n = len(labels)
    predictions = Predictions(np.arange(n), {"one": sure(first), "two": sure(second)}, sure(merged))
    images, splits = np.zeros((n, 2, 2), np.uint8), np.array(["valid"] * n)
    rows = "abc", images, np.array(labels), splits
    return LookData(*rows, NO_DUPLICATES, NO_OUTLIERS, predictions=predictions)


def test_the_merge_helps_where_it_is_right_and_the_best_model_is_not():
    data = two_models(first=[0, 1, 2, 0], second=[0, 1, 0, 0], merged=[0, 1, 1, 2], labels=[0, 1, 1, 0])
    best, helps, hurts = choices.merge_against_best(data)
    assert (best, helps.tolist(), hurts.tolist()) == ("one", [2], [3])


def test_models_disagree_where_they_name_several_classes(data):
    rows = choices.disagreements(data.predictions)
    votes = np.stack([p.argmax(axis=1) for p in data.predictions.by_model.values()])
    divided = (votes != votes[0]).any(axis=0)
    assert set(rows) == set(np.flatnonzero(divided))
    kinds = [len(set(votes[:, row])) for row in rows]
    assert kinds == sorted(kinds, reverse=True)


def test_the_worst_mistakes_are_the_surest_wrong_answers(data):
    rows = choices.worst(data)
    merged = data.predictions.merged
    assert (merged[rows].argmax(axis=1) != data.labels[rows]).all()
    assert (np.diff(merged[rows].max(axis=1)) <= 0).all()


def test_the_sample_is_drawn_by_its_seed_without_repeats():
    one = choices.sample(1000, seed=3)
    assert len(set(one.tolist())) == choices.SAMPLE
    assert np.array_equal(one, choices.sample(1000, seed=3))
    assert not np.array_equal(one, choices.sample(1000, seed=4))
    assert sorted(choices.sample(5, seed=0)) == [0, 1, 2, 3, 4]
