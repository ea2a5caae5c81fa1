"""Batch normalisation by TensorFlow's own kernel: what it trains is what Keras' own layer trains."""

import numpy as np
import pytest

from digitflow.training import keras_predictor


@pytest.fixture(scope="module", autouse=True)
def keras():
    keras_predictor.prepare("cpu")
    import keras

    return keras


@pytest.fixture
def fused():
    from digitflow.training.keras_batch_norm import fused_batch_norm

    return fused_batch_norm


def network(keras):
    """Images are normalised twice, the second time in a model inside the model, and numbers once."""
    keras.utils.set_random_seed(3)
    inside = keras.Sequential([keras.layers.Conv2D(3, 3), keras.layers.BatchNormalization(momentum=0.7)])
    parts = [keras.Input((8, 9, 2)), keras.layers.BatchNormalization(), inside, keras.layers.Flatten()]
    return keras.Sequential([*parts, keras.layers.Dense(5), keras.layers.BatchNormalization()])


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 0.02)])
def test_weights_statistics_and_losses_are_those_of_keras_own_layer(keras, fused, policy, tolerance):
    rng = np.random.default_rng(0)
    images, targets = rng.normal(2, 3, (16, 8, 9, 2)).astype(np.float32), rng.normal(size=(16, 5))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        own, replaced = network(keras), network(keras)
        for model in (own, replaced):
            model.compile("sgd", "mse")
        expected = [own.train_on_batch(images, targets) for _ in range(3)]
        with fused(replaced):
            losses = [replaced.train_on_batch(images, targets) for _ in range(3)]
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_allclose(losses, expected, rtol=tolerance)
    for found, expected in zip(replaced.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_only_in_the_block_are_images_normalised_by_the_kernel(keras, fused):
    model = network(keras)

    def kernels():
        import tensorflow as tf

        step = tf.function(lambda x: model(x, training=True))
        graph = step.get_concrete_function(tf.TensorSpec((4, 8, 9, 2))).graph
        return sum(operation.type == "FusedBatchNormV3" for operation in graph.get_operations())

    assert kernels() == 0
    with pytest.raises(KeyError), fused(model):
        assert kernels() == 2
        raise KeyError
    assert kernels() == 0


def test_a_layer_with_options_of_its_own_stays_keras_own(keras, fused):
    rows = np.random.default_rng(0).normal(size=(4, 3, 3, 2)).astype(np.float32)
    for options in ({"scale": False}, {"center": False}, {"axis": 1}, {"renorm": True}):
        model = keras.Sequential([keras.Input(rows.shape[1:]), keras.layers.BatchNormalization(**options)])
        expected = keras.ops.convert_to_numpy(model(rows, training=True))
        again = keras.Sequential([keras.Input(rows.shape[1:]), keras.layers.BatchNormalization(**options)])
        with fused(again):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(rows, training=True)), expected)
