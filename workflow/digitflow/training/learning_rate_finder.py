"""Find a learning rate for a Keras model: train with a rising one, and see where the loss falls fastest.

The range test of Smith 2015, arXiv:1506.01186, with the exponential rise, smoothing and stop of fastai's
`lr_find`.
"""

import dataclasses
import logging
import math
from pathlib import Path

import numpy as np

from digitflow.base import files
from digitflow.base.errors import DigitflowError
from digitflow.formats import idx
from digitflow.training import keras_trainer as training
from digitflow.training.augment import Batches
from digitflow.training.data import read_rows
from digitflow.training.history import one_hot
from digitflow.training.keras_predictor import prepare
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")

LOWEST, HIGHEST = 1e-6, 10.0
STEPS = 300
SMOOTHING = 0.9  # how much of the running average of the loss is kept at each step
EXPLODED = 4.0  # times the smallest smoothed loss: later steps add nothing
# Steps, about a decade of rates: over fewer, the noise of single batches is steeper than the fall.
WINDOW = 41


@dataclasses.dataclass(frozen=True)
class Curve:
    """The loss, raw and smoothed, at each rate of a training with a rising rate: float64 (steps,)."""

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray

    @property
    def suggested(self) -> float:
        """The rate around which the loss falls fastest over the logarithm of the rate.

        fastai's rule "steep", with the slope of a straight line through WINDOW losses (least squares). The
        rate of the smallest loss would be on the edge of diverging. Raises DigitflowError if the loss falls
        nowhere.
        """
        offsets = np.arange(WINDOW) - WINDOW // 2
        slopes = np.correlate(self.losses, offsets, "valid") if len(self.losses) >= WINDOW else np.zeros(1)
        if slopes.min() >= 0:
            raise DigitflowError(
                "the loss falls at no learning rate: this network, on these rows, does not learn"
            )
        return float(self.rates[slopes.argmin() + WINDOW // 2])

    def write(self, path: str | Path) -> None:
        """Write a CSV: a header and one row for each step, numbers with six digits."""
        rows = [["step", "learning_rate", "loss", "smoothed_loss"]]
        for step, values in enumerate(zip(self.rates, self.losses, self.smoothed, strict=True)):
            rows.append([step, *(f"{value:.6g}" for value in values)])
        files.write_rows(path, rows)


def find(
    images: Path,
    train_lst: Path,
    *,
    classes: int,
    settings: Settings,
    seed: int,
    device: str,
    threads: int,
) -> Curve:
    """Train as `keras_trainer.train` does, with rates from LOWEST to HIGHEST, and log the suggested one.

    It ends as soon as the smoothed loss has exploded. Raises what `train` raises, and DigitflowError if the
    loss falls at no rate.
    """
    pixels = idx.open_memmap(images, idx.IMAGES)
    rows, labels = read_rows(train_lst, len(pixels), classes, settings.train_rows)
    prepare(device, threads, settings.deterministic)
    import keras

    model = training.build_network(pixels.shape[1:], classes, settings, seed)
    rates = LOWEST * (HIGHEST / LOWEST) ** (np.arange(STEPS) / (STEPS - 1))
    settings = dataclasses.replace(settings, weight_average=0.0)  # costs time and does not affect the loss
    model.compile(
        training.make_optimizer(settings, rates.__getitem__, STEPS),
        keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
    )
    batches = Batches(pixels, rows, one_hot(labels, classes), settings, seed)
    losses, smoothed, average = [], [], 0.0
    for step in range(STEPS):
        model.reset_metrics()  # a step returns the mean of all steps since the last reset
        loss = float(model.train_on_batch(*batches[step]))
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        losses.append(loss)
        smoothed.append(average / (1 - SMOOTHING ** (step + 1)))  # as if it had not begun at zero
        if not smoothed[-1] <= EXPLODED * min(smoothed):  # or NaN
            break
    trained = slice(len(losses) if math.isfinite(losses[-1]) else -1)
    curve = Curve(rates[: len(losses)][trained], np.array(losses)[trained], np.array(smoothed)[trained])
    log.info(
        f"{settings.architecture}: suggested learning rate {curve.suggested:.2g}, where the loss falls "
        f"fastest; the loss is smallest at {curve.rates[curve.smoothed.argmin()]:.2g}"
    )
    return curve
