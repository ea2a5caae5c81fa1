"""Networks of dense layers only, which do not know which pixels of an image are next to each other."""

from collections.abc import Sequence

import keras
from keras import layers

from digitflow.models.keras_parts import classifier, pixels, probabilities


def mlp(input_shape: tuple[int, ...], classes: int, hidden: Sequence[int] = (800,)) -> keras.Model:
    """A hidden ReLU layer for each width in `hidden`: 784-800-10 for 28x28, 636,010 parameters."""
    raw, x = pixels(input_shape)
    x = layers.Flatten()(x)
    for width in hidden:
        x = layers.Dense(width, activation="relu")(x)
    return classifier(raw, x, classes, "mlp")


def dense_net(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Two hidden layers of 128 with dropout between them, as a subclass: 118,282 parameters for 28x28."""
    model = DenseNet(classes)
    model.build((None, *input_shape))  # until then it has no weights
    return model


class DenseNet(keras.Model):
    """See `dense_net`."""

    def __init__(self, classes: int):
        super().__init__(name="dense_net")
        self.scale = layers.Rescaling(1 / 255)
        self.flatten = layers.Flatten()
        self.first = layers.Dense(128, activation="relu")
        self.dropout = layers.Dropout(0.2)
        self.second = layers.Dense(128, activation="relu")
        self.probabilities = probabilities(classes)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights: a call does that, layer by layer."""
        self.call(keras.Input(batch_shape=input_shape))

    def call(self, pixels, training=None):
        """Softmax rows (n, classes) of pixels 0..255 (n, h, w) or (n, h, w, 3)."""
        x = self.first(self.flatten(self.scale(pixels)))
        x = self.second(self.dropout(x, training=training))
        return self.probabilities(x)
