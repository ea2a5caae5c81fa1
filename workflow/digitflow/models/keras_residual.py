"""Residual networks in Keras that two cores can train."""

import keras
from keras import layers

from digitflow.models.keras_parts import batch_norm, classifier, conv_norm, padding, pixels, residual


def residual_cnn(
    input_shape: tuple[int, ...], classes: int, channels: int = 32, dropout: float = 0.2
) -> keras.Model:
    """One large window, pooled at once, then residual blocks (He et al. 2015, arXiv:1512.03385).

    As in `small_cnn`, the full resolution has one layer, without padding, and all others work on a quarter of
    the places or fewer; the blocks between them make it better. The last layer sees all places, not their
    average, which does not tell where a stroke is. 207,274 parameters for 28x28 and 10 classes.
    """
    raw, x = pixels(input_shape)
    x = layers.Conv2D(channels, 5, padding=padding(x, 5), use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Activation("relu")(batch_norm()(x))
    x = residual(x, channels)
    x = layers.Activation("relu")(conv_norm(x, 2 * channels, strides=2))
    x = residual(x, 2 * channels)
    x = layers.Activation("relu")(conv_norm(x, 4 * channels, padding=padding(x, 3)))
    x = layers.Dropout(dropout)(layers.Flatten()(x))
    return classifier(raw, x, classes, "residual_cnn")
