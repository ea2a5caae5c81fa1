"""Fitted weights: a planted optimum is found, and they are weights."""

import numpy as np
import pytest

from digitflow.merging.merged import fit_weights

N, CLASSES = 4000, 3


def loss(models, weights, labels):
    mixed = sum(weight * rows for weight, rows in zip(weights, models, strict=True))
    return -np.log(mixed[np.arange(len(labels)), labels]).mean()


@pytest.fixture(scope="module")
def planted():
    """Three models, and labels drawn from 0.6 of the first and 0.4 of the second."""
    rng = np.random.default_rng(0)
    models = [rng.dirichlet(np.full(CLASSES, 0.5), N) for _ in range(3)]
    mixed = 0.6 * models[0] + 0.4 * models[1]
    labels = (rng.random((N, 1)) > mixed.cumsum(axis=1)).sum(axis=1)
    return models, labels


def test_the_mixture_that_the_labels_were_drawn_from_is_found(planted):
    assert fit_weights(*planted) == pytest.approx([0.6, 0.4, 0], abs=0.05)


def test_no_other_weights_have_a_lower_log_loss(planted):
    models, labels = planted
    best = loss(models, fit_weights(models, labels), labels)
    for other in np.random.default_rng(1).dirichlet(np.ones(3), 200):
        assert loss(models, other, labels) > best - 1e-6


def test_they_are_not_negative_and_add_up_to_1(planted):
    weights = fit_weights(*planted)
    assert min(weights) >= 0
    assert sum(weights) == pytest.approx(1, abs=1e-5)


def test_equal_models_share_alike_and_a_single_one_has_all(planted):
    models, labels = planted
    assert fit_weights([models[0], models[0]], labels) == [0.5, 0.5]
    assert fit_weights([models[2]], labels) == [1.0]


def test_a_row_on_which_all_models_are_sure_and_wrong_does_no_harm(planted):
    models, labels = ([rows.copy() for rows in planted[0]], planted[1])
    for rows in models:
        rows[0] = np.eye(CLASSES)[(labels[0] + 1) % CLASSES]
    assert fit_weights(models, labels) == pytest.approx(fit_weights(*planted), abs=0.01)


def test_models_that_are_almost_always_right_are_weighed_as_exactly():
    """Steps are short then: the third model is of no use, but its weight goes to 0 slowly."""
    rng = np.random.default_rng(2)
    hard = rng.normal(size=N)
    models = []
    for skill in (7.0, 7.0, 6.6):
        sure = 1 / (1 + np.exp(-skill - 2 * hard - 2 * rng.normal(size=N)))
        models.append(np.stack([sure, 1 - sure], axis=1))
    weights = fit_weights(models, np.zeros(N, int))
    right = np.array([rows[:, 0] for rows in models])
    slopes = (right / (weights @ right)).mean(axis=1)  # the largest bounds what other weights could gain
    assert slopes.max() == pytest.approx(1, abs=1e-6)
    assert weights == pytest.approx([0.7467, 0.2533, 0], abs=1e-4)


def test_models_that_agree_on_every_row_share_alike():
    rows = np.full((5, CLASSES), 1 / CLASSES)
    assert fit_weights([rows, rows.copy()], np.zeros(5, int)) == [0.5, 0.5]
