"""Other ways to train the same Keras net, each a change to Keras or to digitflow's training with it.

A try is made after Keras has been set up and before the net is built.
"""

import itertools
from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from digitflow import models


class ReshapedPooling(layers.Layer):
    """2x2 max pooling as the maximum over two axes of a reshaped array."""

    def call(self, x):
        """Images (n, 2h, 2w, c) become (n, h, w, c)."""
        height, width, channels = x.shape[1:]
        return ops.max(ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels)), axis=(2, 4))


class SlicedPooling(layers.Layer):
    """2x2 max pooling as the maximum of four slices."""

    def call(self, x):
        """Images (n, 2h, 2w, c) become (n, h, w, c)."""
        rows = ops.maximum(x[:, ::2], x[:, 1::2])
        return ops.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def rebuild(replace: Callable[[layers.Layer], layers.Layer | None]) -> None:
    """Let every net be built with other layers: `replace` returns one, or None to keep a layer."""
    build = models.build

    def clone(layer: layers.Layer) -> layers.Layer:
        return replace(layer) or type(layer).from_config(layer.get_config())

    def rebuilt(*arguments, **options) -> keras.Model:
        return keras.models.clone_model(build(*arguments, **options), clone_function=clone)

    models.build = rebuilt


def pool(kind: Callable[[], layers.Layer]) -> None:
    """Pool with layers of another kind."""
    rebuild(lambda layer: kind() if isinstance(layer, layers.MaxPooling2D) else None)


def channels_first() -> None:
    """Lay images out as (n, c, h, w)."""
    keras.config.set_image_data_format("channels_first")
    rebuild(lambda layer: layers.Reshape((1, 28, 28)) if isinstance(layer, layers.Reshape) else None)


def use_xla() -> None:
    """Compile every net with XLA."""
    compile_model = keras.Model.compile
    keras.Model.compile = lambda *args, **options: compile_model(*args, **options, jit_compile=True)


def feed_arrays() -> None:
    """Give `fit` arrays, from which it takes batches in its own way, instead of digitflow's batches."""
    fit = keras.Model.fit

    def fit_arrays(model, batches, *, steps_per_epoch, shuffle, **options):
        steps = itertools.islice(batches, steps_per_epoch)
        images, targets = (np.concatenate(arrays) for arrays in zip(*steps, strict=True))
        return fit(model, images, targets, batch_size=len(images) // steps_per_epoch, **options)

    keras.Model.fit = fit_arrays


TRIES: dict[str, Callable[[], None]] = {
    "XLA": use_xla,
    "channels first": channels_first,
    "max pooling by reshaping": lambda: pool(ReshapedPooling),
    "max pooling by slices": lambda: pool(SlicedPooling),
    "average pooling (another net)": lambda: pool(lambda: layers.AveragePooling2D(2)),
    "batches by Keras, from arrays": feed_arrays,
}
