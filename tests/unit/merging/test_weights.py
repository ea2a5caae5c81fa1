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
