"""Well-known networks in Keras that need a GPU, or patience."""

import keras
from keras import layers

from digitflow.models.keras_parts import batch_norm, classifier, conv_norm, padding, pixels, residual


def cnn_128_256(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Two wide convolutions and two hidden layers: 21,670,282 parameters for 28x28 and 10 classes.

    Nearly all of them are in the first hidden layer.
    """
    raw, x = pixels(input_shape)
    x = layers.Conv2D(128, 5, padding=padding(x, 5), activation="elu")(x)
    x = layers.MaxPooling2D(3, 2, padding=padding(x, 3))(x)
    x = layers.Conv2D(256, 3, padding=padding(x, 3), activation="relu")(x)
    x = layers.Flatten()(x)
    x = batch_norm()(layers.Dense(1024, activation="elu")(x))
    x = batch_norm()(layers.Dense(128, activation="relu")(x))
    return classifier(raw, x, classes, "cnn_128_256")


def deotte(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """One of the fifteen networks of Deotte's "25 Million Images!" (Kaggle, 2018).

    Strided convolutions instead of pooling, and normalisation after ReLU. 327,242 parameters for 28x28 and
    10 classes.
    """
    raw, x = pixels(input_shape)
    for channels in (32, 64):
        x = _relu_norm(x, channels, 3)
        x = _relu_norm(x, channels, 3)
        x = batch_norm()(layers.Conv2D(channels, 5, strides=2, padding="same", activation="relu")(x))
        x = layers.Dropout(0.4)(x)
    x = _relu_norm(x, 128, 4)
    x = layers.Dropout(0.4)(layers.Flatten()(x))
    return classifier(raw, x, classes, "deotte")


def resnet18(input_shape: tuple[int, ...], classes: int, width: int = 64) -> keras.Model:
    """Eight residual blocks in four stages: He et al. 2015, arXiv:1512.03385, for small images.

    The first convolution is 3x3 and not pooled, as in theirs for CIFAR-10. The stages have `width` channels,
    then twice, four and eight times as many; 11,182,410 parameters for 10 classes and a width of 64, and
    177,458 for a width of 8. With 8 channels TensorFlow 2.21's oneDNN crashes at some batch sizes (at 25; not
    at 32 or 128): multiples of 16 are safe.
    """
    raw, x = pixels(input_shape)
    x = layers.Activation("relu")(conv_norm(x, width))
    for stage in range(4):
        for block in range(2):
            x = residual(x, width * 2**stage, strides=2 if stage > 0 and block == 0 else 1)
    return classifier(raw, layers.GlobalAveragePooling2D()(x), classes, "resnet18")


def _relu_norm(x: keras.KerasTensor, channels: int, size: int) -> keras.KerasTensor:
    """Convolution without padding, ReLU, normalisation."""
    return batch_norm()(layers.Conv2D(channels, size, padding=padding(x, size), activation="relu")(x))
