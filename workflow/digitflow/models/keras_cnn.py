"""Convolutional networks in Keras: raw pixels 0..255 (n, h, w) in, softmax rows (n, classes) out.

Pixels are scaled inside, so that a saved model can be used without this package. For other sizes of image
only the flattened part grows; convolutions are padded where a small image would be used up.
"""

import keras
from keras import layers


def small_cnn(input_shape: tuple[int, int], classes: int) -> keras.Model:
    """Three convolutions with batch normalisation and no hidden dense layer.

    In the manner of An et al. 2020 (arXiv:2008.10400): large windows, and no padding, for the border of a
    digit is empty. The full resolution would cost most: it has one layer, pooled before it is normalised.
    131,754 parameters for 28x28 and 10 classes.
    """
    pixels, x = _input(input_shape)
    x = _conv(x, 32, 5, pool=True)
    x = _conv(x, 64, 5, pool=True)
    x = _conv(x, 128, 3)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    return _classifier(pixels, x, classes, "small_cnn")


def lenet(input_shape: tuple[int, int], classes: int) -> keras.Model:
    """Twice convolution and pooling, one hidden layer: LeCun et al. 1998, with ReLU and max pooling.

    The quickest one, for a first look. 411,802 parameters for 28x28 and 10 classes.
    """
    pixels, x = _input(input_shape)
    for channels, size in ((24, 5), (32, 3)):
        x = layers.Conv2D(channels, size, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dense(256, activation="relu")(layers.Flatten()(x))
    return _classifier(pixels, x, classes, "lenet")


def _input(shape: tuple[int, int]) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The pixels (n, h, w), 0..255, and the same as (n, h, w, 1), 0..1."""
    pixels = keras.Input(shape, name="pixels")
    return pixels, layers.Reshape((*shape, 1))(layers.Rescaling(1 / 255)(pixels))


def _conv(x: keras.KerasTensor, channels: int, size: int, pool: bool = False) -> keras.KerasTensor:
    """Convolution, 2x2 pooling if `pool`, normalisation, ReLU."""
    padding = "valid" if min(x.shape[1:3]) > size else "same"
    x = layers.Conv2D(channels, size, padding=padding, use_bias=False)(x)
    if pool:
        x = layers.MaxPooling2D(padding="same")(x)
    # The default momentum of 0.99 takes hundreds of steps to forget its start: too many for a short training.
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.Activation("relu")(x)


def _classifier(pixels: keras.KerasTensor, x: keras.KerasTensor, classes: int, name: str) -> keras.Model:
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return keras.Model(pixels, probabilities, name=name)
