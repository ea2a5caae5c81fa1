"""Digits in colour, each in a shade that depends on its row, are learned by Keras and by numpy."""

import numpy as np
import pytest

from digitflow.training import keras_trainer, numpy_trainer
from digitflow.training.settings import Settings

AUGMENT = {"rotate": 5.0, "shift": 0.05}


@pytest.fixture(scope="module")
def coloured(digits):
    """1,800 digits uint8 (n, 28, 28, 3), inks and grounds of many colours, and their labels."""
    images, labels = (part[:1800] for part in digits)
    rng = np.random.default_rng(20)
    ground, ink = (rng.integers(*ends, (len(images), 1, 1, 3)) for ends in ((0, 96), (128, 256)))
    return np.rint(ground + (ink - ground) * (images[..., None] / 255)).astype(np.uint8), labels.astype(int)


def settings(**changes):
    return Settings.from_dict({"batch_size": 32, "learning_rate": 0.002, "augment": AUGMENT, **changes})


def split(labels):
    rows = np.arange(len(labels))
    return (rows[:1500], labels[:1500]), (rows[1500:], labels[1500:])


def test_numpy_learns_digits_in_colour(coloured):
    images, labels = coloured
    chosen = settings(architecture="mlp", module="numpy_mlp", epochs=8)
    learner, history = numpy_trainer.fit(images, *split(labels), 10, chosen, seed=0)
    assert history.rows[-1]["valid_accuracy"] > 0.82
    assert learner.predict(images, np.arange(5), 5).shape == (5, 10)


@pytest.mark.parametrize(
    ("architecture", "module"),
    [("lenet", "keras_cnn"), ("sequential_cnn", "keras_styles"), ("subclassed_cnn", "keras_styles")],
)
def test_keras_learns_digits_in_colour(coloured, architecture, module):
    images, labels = coloured
    chosen = settings(architecture=architecture, module=module, epochs=2)
    model, history = keras_trainer.fit(images, *split(labels), 10, chosen, seed=0)
    assert keras_trainer.plain(model, (28, 28, 3)).input_shape[1:] == (28, 28, 3)
    assert history.rows[-1]["valid_accuracy"] > 0.8
