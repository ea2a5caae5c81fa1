"""One small network in Keras' three styles: the same layers, the same number of parameters.

Two convolutions, pooling and a hidden layer, with dropout; 1,199,882 parameters for 28x28 and 10 classes.
"""

import keras
from keras import layers

from digitflow.models.keras_parts import classifier, pixels, probabilities, with_channels


def sequential_cnn(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A list of layers: the shortest style, for networks without branches."""
    return keras.Sequential(
        [
            keras.Input(input_shape, name="pixels"),
            layers.Rescaling(1 / 255),
            layers.Reshape(with_channels(input_shape)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            probabilities(classes),
        ],
        name="sequential_cnn",
    )


def functional_cnn(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A graph of layers, each called on the one before: allows branches, and shapes are known early."""
    raw, x = pixels(input_shape)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    return classifier(raw, x, classes, "functional_cnn")


def subclassed_cnn(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A class with a `call` in plain Python: anything goes, but a saved one needs its class to load."""
    model = SubclassedCNN(classes)
    model.build((None, *input_shape))  # until then it has no weights
    return model


class SubclassedCNN(keras.Model):
    """See `subclassed_cnn`."""

    def __init__(self, classes: int):
        super().__init__(name="subclassed_cnn")
        self.scale = layers.Rescaling(1 / 255)
        self.first = layers.Conv2D(32, 3, activation="relu")
        self.second = layers.Conv2D(64, 3, activation="relu")
        self.pool = layers.MaxPooling2D()
        self.pool_dropout = layers.Dropout(0.25)
        self.flatten = layers.Flatten()
        self.hidden = layers.Dense(128, activation="relu")
        self.hidden_dropout = layers.Dropout(0.5)
        self.probabilities = probabilities(classes)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights: a call does that, layer by layer."""
        self.call(keras.Input(batch_shape=input_shape))

    def call(self, pixels, training=None):
        """Softmax rows (n, classes) of pixels 0..255 (n, h, w) or (n, h, w, 3)."""
        x = self.scale(pixels)
        x = x if len(x.shape) == 4 else keras.ops.expand_dims(x, -1)
        x = self.pool(self.second(self.first(x)))
        x = self.flatten(self.pool_dropout(x, training=training))
        x = self.hidden_dropout(self.hidden(x), training=training)
        return self.probabilities(x)
