"""Batch normalisation and Adam by TensorFlow's own kernels: what they train is what Keras' own train."""

import contextlib

import numpy as np
import pytest

from digitflow.training import keras_predictor


@pytest.fixture(scope="module", autouse=True)
def keras():
    keras_predictor.prepare("cpu")
    import keras

    return keras


@pytest.fixture
def kernels():
    from digitflow.training.keras_kernels import tensorflow_kernels

    return tensorflow_kernels


def network(keras):
    """Images are normalised twice, the second time in a model inside the model, and numbers once."""
    keras.utils.set_random_seed(3)
    inside = keras.Sequential([keras.layers.Conv2D(3, 3), keras.layers.BatchNormalization(momentum=0.7)])
    parts = [keras.Input((8, 9, 2)), keras.layers.BatchNormalization(), inside, keras.layers.Flatten()]
    return keras.Sequential([*parts, keras.layers.Dense(5), keras.layers.BatchNormalization()])


def compiled(keras, optimizer="sgd"):
    model = network(keras)
    model.compile(optimizer, "mse")
    return model


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 0.02)])
def test_weights_statistics_and_losses_are_those_of_keras_own_layer(keras, kernels, policy, tolerance):
    rng = np.random.default_rng(0)
    images, targets = rng.normal(2, 3, (16, 8, 9, 2)).astype(np.float32), rng.normal(size=(16, 5))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        own, replaced = compiled(keras), compiled(keras)
        expected = [own.train_on_batch(images, targets) for _ in range(3)]
        with kernels(replaced):
            losses = [replaced.train_on_batch(images, targets) for _ in range(3)]
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_allclose(losses, expected, rtol=tolerance)
    for found, expected in zip(replaced.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_only_in_the_block_are_images_normalised_by_the_kernel(keras, kernels):
    model = compiled(keras)

    def found():
        import tensorflow as tf

        step = tf.function(lambda x: model(x, training=True))
        graph = step.get_concrete_function(tf.TensorSpec((4, 8, 9, 2))).graph
        return sum(operation.type == "FusedBatchNormV3" for operation in graph.get_operations())

    assert found() == 0
    with pytest.raises(KeyError), kernels(model):
        assert found() == 2
        raise KeyError
    assert found() == 0


def test_a_layer_with_options_of_its_own_stays_keras_own(keras, kernels):
    rows = np.random.default_rng(0).normal(size=(4, 3, 3, 2)).astype(np.float32)
    for options in ({"scale": False}, {"center": False}, {"axis": 1}, {"renorm": True}):
        model = keras.Sequential([keras.Input(rows.shape[1:]), keras.layers.BatchNormalization(**options)])
        expected = keras.ops.convert_to_numpy(model(rows, training=True))
        again = keras.Sequential([keras.Input(rows.shape[1:]), keras.layers.BatchNormalization(**options)])
        again.compile("sgd", "mse")
        with kernels(again):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(rows, training=True)), expected)


def adam(keras, **options):
    rates = keras.optimizers.schedules.ExponentialDecay(0.02, 2, 0.5)
    optimizer = keras.optimizers.Adam(rates, beta_1=0.8, beta_2=0.95, epsilon=1e-3, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


@pytest.mark.parametrize(
    "options",
    [{}, {"weight_decay": 0.1}, {"use_ema": True, "ema_momentum": 0.5}, {"clipnorm": 0.1}, {"amsgrad": True}],
)
def test_weights_and_the_state_of_adam_are_those_of_keras_own(keras, kernels, options):
    rng = np.random.default_rng(0)
    images, targets = rng.normal(2, 3, (16, 8, 9, 2)).astype(np.float32), rng.normal(size=(16, 5))
    own, replaced = (compiled(keras, adam(keras, **options)) for _ in range(2))
    for _ in range(4):
        own.train_on_batch(images, targets)
    with kernels(replaced):
        assert ("ResourceApplyAdam" in operations(replaced, images, targets)) != ("amsgrad" in options)
        for _ in range(4):
            replaced.train_on_batch(images, targets)
    assert type(replaced.optimizer) is keras.optimizers.Adam
    for found, expected in zip(replaced.optimizer.variables, own.optimizer.variables, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    for found, expected in zip(replaced.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def operations(model, images, targets):
    """The kinds of operations of a training step, which is not taken."""
    import tensorflow as tf

    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step).get_concrete_function((tf.constant(images), tf.constant(targets)))
    return {operation.type for operation in step.graph.get_operations()}


def test_the_gradient_of_an_embedding_is_left_to_keras(keras, kernels):
    """It names rows and has no number for the others."""

    def trained(replace):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Embedding(9, 4), keras.layers.Flatten()])
        model.compile(keras.optimizers.Adam(0.1), "mse")
        with kernels(model) if replace else contextlib.nullcontext():
            model.train_on_batch(np.array([[1, 2, 2], [7, 1, 0]]), np.zeros((2, 12)))
        return model.get_weights()

    np.testing.assert_array_equal(trained(True), trained(False))
