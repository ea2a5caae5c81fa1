"""A layer on random features: what it solves, that it learns, and that what is saved predicts the same."""

import numpy as np
import pytest

from digitflow import models
from digitflow.base.errors import ConfigError, FormatError
from digitflow.formats.probabilities import check_probabilities
from digitflow.models import numpy_mlp, random_features
from digitflow.models.edges import edges
from digitflow.training.history import accuracy_of, one_hot


def built(features=500, seed=0, shape=(28, 28)):
    model = models.build("random_features", "random_features", shape, 10, features=features)
    model.initialize(np.random.default_rng(seed))
    return model


@pytest.fixture(scope="module")
def solved(digits):
    images, labels = digits
    model = built()
    model.add(images[:2000], one_hot(labels[:2000], 10))
    model.solve()
    return model


def test_2_000_digits_are_enough_for_95_in_100(solved, digits):
    found = solved.predict(digits[0][2000:2500])
    check_probabilities(found, "random features")
    assert accuracy_of(found, digits[1][2000:2500]) > 0.95


def test_products_of_features_stand_for_the_similarity_of_images(digits):
    model = built(features=20_000)
    rows = edges(digits[0][:50])
    features = model._features(digits[0][:50])
    similar = np.exp(-((rows[:, None] - rows[None]) ** 2).sum(axis=2))
    assert features @ features.T / 10_000 == pytest.approx(similar, abs=0.04)


def test_the_weights_have_the_least_squared_error_by_numpys_own_least_squares(digits):
    images, labels = digits
    model = built(features=60)
    model.add(images[:2000], one_hot(labels[:2000], 10))
    model.solve()
    features, targets = model._features(images[:2000]).astype(float), one_hot(labels[:2000], 10) - 0.1
    # The cost of large weights as 60 more rows: 1 for each weight, as there are few rows.
    expected = np.linalg.lstsq(np.vstack([features, np.eye(60)]), np.vstack([targets, np.zeros((60, 10))]))[0]
    assert model.weights == pytest.approx(expected, abs=0.002)


def test_it_does_not_matter_in_how_many_parts_the_rows_come(digits, solved):
    images, labels = digits
    model = built()
    for start in range(0, 2000, 300):
        part = slice(start, min(start + 300, 2000))
        model.add(images[part], one_hot(labels[part], 10))
    model.solve()
    assert model.predict(images[2000:2100]) == pytest.approx(solved.predict(images[2000:2100]), abs=0.01)


def test_a_restored_state_goes_on_as_if_nothing_had_happened(digits):
    images, labels = digits
    targets = one_hot(labels[:600], 10)
    whole, first, second = built(60), built(60), built(60)
    whole.add(images[:300], targets[:300])
    first.add(images[:300], targets[:300])
    for name, array in first.state().items():
        second.state()[name][...] = array
    for model in (whole, second):
        model.add(images[300:600], targets[300:])
        model.solve()
    assert np.array_equal(whole.weights, second.weights)


def test_what_is_loaded_predicts_what_was_saved_and_other_models_are_refused(tmp_path, solved, digits):
    solved.save(tmp_path / "model.npz")
    loaded = random_features.load(tmp_path / "model.npz")
    assert np.array_equal(loaded.predict(digits[0][:100]), solved.predict(digits[0][:100]))
    numpy_mlp.MLP((4, 2)).save(tmp_path / "network.npz")
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 and no more")
    for name in ("network.npz", "damaged.npz"):
        with pytest.raises(FormatError, match=f"{name}: not a saved model"):
            random_features.load(tmp_path / name)


@pytest.mark.parametrize("shape", [(9, 7), (28, 28, 3)])
def test_other_sizes_and_colour_are_learned_too(shape):
    rng = np.random.default_rng(4)
    labels = np.arange(200) % 10
    ideal = rng.integers(256, size=(10, *shape))
    images = np.clip(ideal[labels] + rng.normal(0, 20, (200, *shape)), 0, 255).astype(np.uint8)
    model = built(200, shape=shape)
    model.add(images[:100], one_hot(labels[:100], 10))
    model.solve()
    assert accuracy_of(model.predict(images[100:]), labels[100:]) > 0.95


@pytest.mark.parametrize("features", [0, 7, 2.5, "many"])
def test_a_wrong_number_of_features_is_refused(features):
    with pytest.raises(ConfigError, match=r"features: .*should be an even number"):
        built(features)
