"""Training in bfloat16, on any CPU: those without instructions for it are slow, and as right."""

import numpy as np
import pytest

from digitflow.training import keras_trainer as training
from digitflow.training.course import fit
from digitflow.training.data import Data
from digitflow.training.history import accuracy_of
from digitflow.training.settings import PRECISIONS, Augment, Settings


def settings(precision):
    augment = Augment(rotate=5)
    return Settings("lenet", "keras_cnn", 3, 32, learning_rate=0.004, augment=augment, precision=precision)


@pytest.fixture(scope="module", autouse=True)
def keras():
    training.prepare("cpu")
    import keras

    return keras


def test_bfloat16_learns_and_keeps_weights_and_the_last_layer_in_float32(keras, digits, tmp_path):
    images, labels = digits
    train, valid = np.arange(1000), np.arange(1000, 1500)
    data = Data(images, (train, labels[train]), (valid, labels[valid]))
    learner = training.KerasLearner(data, 10, settings("bfloat16"), seed=0)
    fit(learner)
    model = learner.model
    kinds = [layer.compute_dtype for layer in model.layers if layer.weights]
    assert kinds == ["bfloat16"] * (len(kinds) - 1) + ["float32"]
    assert {weight.dtype for weight in model.weights} == {"float32"}
    rows = model.predict_on_batch(images[valid])
    assert accuracy_of(rows, labels[valid]) > 0.85

    learner.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert np.array_equal(loaded.predict_on_batch(images[valid]), rows)


def test_what_is_built_after_a_network_in_bfloat16_is_float32_again(keras):
    with training.keras_policy("bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    assert keras.layers.Dense(1).compute_dtype == "float32"


@pytest.mark.parametrize("has", [True, False])
def test_auto_takes_bfloat16_where_the_cpu_has_it(monkeypatch, has):
    monkeypatch.setattr(training.devices, "has_bfloat16", lambda: has)
    chosen = [training.precision(settings(name)) for name in PRECISIONS]
    assert chosen == ["bfloat16" if has else "float32", "float32", "bfloat16"]
