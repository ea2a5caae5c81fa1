"""What the Keras networks have in common: raw pixels 0..255 (n, h, w) or (n, h, w, 3) in, softmax rows out.

Pixels are scaled inside, so that users of a saved model need not know how.
"""

import keras
from keras import layers


def pixels(shape: tuple[int, ...]) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input, pixels (n, h, w) or (n, h, w, 3), 0..255, and the same as (n, h, w, 1 or 3), 0..1."""
    raw = keras.Input(shape, name="pixels")
    return raw, layers.Reshape(with_channels(shape))(layers.Rescaling(1 / 255)(raw))


def with_channels(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an image with its channels: (h, w, 1) for grey."""
    return shape if len(shape) == 3 else (*shape, 1)


def padding(x: keras.KerasTensor, size: int) -> str:
    """For a window that is not meant to be padded: "valid", but "same" if x (n, h, w, c) is smaller."""
    return "valid" if min(x.shape[1:3]) >= size else "same"


def batch_norm() -> layers.Layer:
    """Batch normalisation that settles within a short training.

    With the default momentum of 0.99 it takes hundreds of steps to forget its start.
    """
    return layers.BatchNormalization(momentum=0.9)


def conv_norm(
    x: keras.KerasTensor, channels: int, size: int = 3, strides: int = 1, padding: str = "same"
) -> keras.KerasTensor:
    """Convolution of x (n, h, w, c) without a bias, then normalisation."""
    conv = layers.Conv2D(
        channels, size, strides, padding=padding, use_bias=False, kernel_initializer="he_normal"
    )
    return batch_norm()(conv(x))


def residual(x: keras.KerasTensor, channels: int, strides: int = 1) -> keras.KerasTensor:
    """Two convolutions, added to x (n, h, w, c), which is projected if its shape differs."""
    y = layers.Activation("relu")(conv_norm(x, channels, strides=strides))
    y = conv_norm(y, channels)
    if x.shape != y.shape:
        x = conv_norm(x, channels, 1, strides)
    return layers.Activation("relu")(layers.add([x, y]))


def classifier(raw: keras.KerasTensor, x: keras.KerasTensor, classes: int, name: str) -> keras.Model:
    """The model called `name`, from the input `raw` through features x (n, any) to softmax rows."""
    return keras.Model(raw, probabilities(classes)(x), name=name)


def probabilities(classes: int) -> layers.Layer:
    """The last layer of all networks: always float32, because bfloat16 has fewer than three digits."""
    return layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")
