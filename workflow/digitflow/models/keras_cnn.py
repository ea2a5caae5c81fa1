"""Small convolutional networks in Keras, designed to be quick."""

import keras
from keras import layers

from digitflow.models.keras_parts import batch_norm, classifier, padding, pixels


def small_cnn(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Three convolutions with batch normalisation and no hidden dense layer.

    In the manner of An et al. 2020 (arXiv:2008.10400): large windows and no padding, because the border of a
    digit is empty. The full resolution would cost most, so it has only one layer, pooled before it is
    normalised. 131,754 parameters for 28x28 and 10 classes.
    """
    raw, x = pixels(input_shape)
    x = _conv(x, 32, 5, pool=True)
    x = _conv(x, 64, 5, pool=True)
    x = _conv(x, 128, 3)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    return classifier(raw, x, classes, "small_cnn")


def lenet(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Convolution and pooling, twice, and one hidden layer: LeCun et al. 1998, with ReLU and max pooling.

    The quickest network, for a first look. 411,802 parameters for 28x28 and 10 classes.
    """
    raw, x = pixels(input_shape)
    for channels, size in ((24, 5), (32, 3)):
        x = layers.Conv2D(channels, size, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dense(256, activation="relu")(layers.Flatten()(x))
    return classifier(raw, x, classes, "lenet")


def _conv(x: keras.KerasTensor, channels: int, size: int, pool: bool = False) -> keras.KerasTensor:
    """Convolution, 2x2 pooling if `pool`, normalisation, ReLU."""
    x = layers.Conv2D(channels, size, padding=padding(x, size), use_bias=False)(x)
    if pool:
        x = layers.MaxPooling2D(padding="same")(x)
    return layers.Activation("relu")(batch_norm()(x))
