"""The plain numpy network against the same one in Keras: forward, optimizers, batches, a whole training."""

import dataclasses

import numpy as np
import pytest

from digitflow.models import numpy_mlp
from digitflow.training import keras_trainer as keras_training
from digitflow.training import numpy_trainer as training
from digitflow.training import schedule
from digitflow.training.augment import Batches
from digitflow.training.data import Data
from digitflow.training.history import one_hot
from digitflow.training.settings import Augment, Settings

SETTINGS = Settings(
    architecture="mlp",
    module="numpy_mlp",
    epochs=3,
    batch_size=50,
    learning_rate=0.01,
    augment=Augment(rotate=10, zoom=0.1, shift=0.07, shear=0.1),
)
ROWS = np.arange(1000)
SIZES = (784, 100, 30, 10)
OPTIMIZERS = [
    {"optimizer": "sgd", "optimizer_options": {"momentum": 0.0}},
    {"optimizer": "sgd", "optimizer_options": {"nesterov": False}},
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "optimizer_options": {"momentum": 0.5}, "schedule": "one_cycle"},
    {"optimizer": "adam", "learning_rate": 0.001},
    {"optimizer": "adam", "optimizer_options": {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-3}},
]
AROUND_THEM = [
    {"optimizer": "sgd", "weight_decay": 0.1, "label_smoothing": 0.1, "schedule": "cosine"},
    {"optimizer": "sgd", "weight_average": 0.9},
]


@pytest.fixture(scope="module", autouse=True)
def _keras():
    keras_training.prepare("cpu")


def keras_twin(network):
    """The same network in Keras, with the same weights."""
    import keras
    from keras import layers

    dense = [layers.Dense(size, activation="relu") for size in network.sizes[1:-1]]
    dense.append(layers.Dense(network.sizes[-1], activation="softmax"))
    twin = keras.Sequential([keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten(), *dense])
    twin.set_weights([array for layer in network.layers for array in layer])
    return twin


def initialized():
    network = numpy_mlp.MLP(SIZES)
    network.initialize(np.random.default_rng(0))
    return network


def weights(twin):
    return np.concatenate([array.ravel() for array in twin.get_weights()])


def test_equal_weights_give_equal_probabilities(digits):
    network = initialized()
    mine, theirs = network.predict(digits[0][:500]), keras_twin(network).predict_on_batch(digits[0][:500])
    np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("change", OPTIMIZERS)
def test_equal_gradients_give_equal_steps(change):
    import keras

    settings = dataclasses.replace(SETTINGS, **change)
    rates = schedule.make(settings.schedule, 60, 20, settings.learning_rate)
    theirs = keras_training.make_optimizer(settings, rates, 60)
    rng = np.random.default_rng(1)
    parameters = rng.normal(size=500).astype(np.float32)
    variable = keras.Variable(parameters)
    mine = training.make_optimizer(settings, parameters)
    for step in range(60):
        gradients = rng.normal(0, 0.1, 500).astype(np.float32)
        theirs.apply([keras.ops.convert_to_tensor(gradients)], [variable])
        mine.step(parameters, gradients, rates(step), step + 1)
    np.testing.assert_allclose(parameters, variable.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("change", [*OPTIMIZERS, *AROUND_THEM])
def test_a_training_from_equal_weights_ends_in_equal_weights(digits, change):
    import keras

    settings = dataclasses.replace(SETTINGS, **change)
    images, labels = digits[0], digits[1][ROWS]
    data = Data(images, (ROWS, labels), (ROWS[:0], labels[:0]))
    learner = training.GradientLearner(numpy_mlp.MLP(SIZES), data, settings, seed=0)
    twin = keras_twin(learner.network)
    batches = Batches(images, ROWS, one_hot(labels, 10), settings, seed=0)
    rates = schedule.make(settings.schedule, batches.num_batches, batches.per_epoch, settings.learning_rate)
    twin.compile(
        keras_training.make_optimizer(settings, rates, batches.num_batches),
        keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
    )
    start = weights(twin)
    options = {"epochs": settings.epochs, "steps_per_epoch": batches.per_epoch, "verbose": 0}
    with keras_training.read_ahead(batches, 0, batches.num_batches) as ready:
        history = twin.fit(ready, shuffle=False, **options).history
    for epoch in range(settings.epochs):
        loss, accuracy = learner.learn(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        assert loss == pytest.approx(history["loss"][epoch], rel=1e-3)
        assert accuracy == pytest.approx(history["accuracy"][epoch], abs=0.0021)  # two of 1,000
    moved, apart = weights(twin) - start, learner.model.parameters - weights(twin)
    assert np.linalg.norm(apart) < 2e-3 * np.linalg.norm(moved)
