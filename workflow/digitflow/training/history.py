"""What happens from epoch to epoch: loss, accuracy, and whether to go on."""

import csv
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from digitflow.base import files
from digitflow.base.errors import DigitflowError
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")
SMALLEST = 1e-7  # probability in a logarithm, as in Keras: a wrong guess costs 16, not infinity


def one_hot(labels: np.ndarray, classes: int, smoothing: float = 0.0) -> np.ndarray:
    """Targets float32 (n, classes) of labels (n,), with `smoothing` of each spread over all classes."""
    return np.eye(classes, dtype=np.float32)[labels] * np.float32(1 - smoothing) + np.float32(
        smoothing / classes
    )


def cross_entropy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The mean over rows (n, classes) of -sum(target * log(probability))."""
    logarithms = np.log(np.clip(probabilities, SMALLEST, 1))
    return float(-(targets * logarithms).sum(axis=1).mean())


def accuracy_of(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The part of the rows whose largest probability is at the label."""
    return float((probabilities.argmax(axis=1) == labels).mean())


class History:
    """The epochs of a training: a log line each as they end, history.csv, and whether to go on.

    `status` is "finished" or why the training ended before its last epoch: "stopped early", "pruned",
    "diverged". All of it follows from the rows, so that a resumed training decides as an uninterrupted one.
    """

    FIELDS = ("epoch", "loss", "accuracy", "valid_loss", "valid_accuracy", "learning_rate", "seconds")

    def __init__(self, settings: Settings, rows: Sequence[Mapping[str, float]] = ()):
        self.settings = settings
        self.rows = [dict(row) for row in rows]
        self.status = "finished"
        self._started = len(self.rows)
        self._start = self._last = time.monotonic()
        if self.rows:
            self._judge()

    def add(
        self, loss: float, accuracy: float, valid_loss: float, valid_accuracy: float, learning_rate: float
    ) -> None:
        """Record and log the epoch that just ended.

        Raises DigitflowError where the loss is not finite, unless the settings keep failures.
        """
        now = time.monotonic()
        epoch, epochs = len(self.rows) + 1, self.settings.epochs
        values = (epoch, loss, accuracy, valid_loss, valid_accuracy, learning_rate, now - self._last)
        self.rows.append(dict(zip(self.FIELDS, values, strict=True)))
        left = (now - self._start) / (epoch - self._started) * (epochs - epoch)
        log.info(
            f"epoch {epoch}/{epochs}: loss {loss:.4f}, accuracy {accuracy:.4f}, "
            f"validation accuracy {valid_accuracy:.4f}, {now - self._last:.1f} s, {left:.0f} s left"
        )
        self._last = now
        self._judge()
        if self.status != "finished":
            log.info(f"{self.status} after epoch {epoch} of {epochs}")

    def _judge(self) -> None:
        """Set `status` by the last row and what came before it."""
        settings, last = self.settings, self.rows[-1]
        losses = [row["valid_loss"] for row in self.rows]
        # The last step of an epoch can be the one that diverges: only the validation loss shows it then.
        if not (math.isfinite(last["loss"]) and math.isfinite(last["valid_loss"])):
            if not settings.keep_failures:
                raise DigitflowError(
                    f"the loss is {last['loss']}, that of validation {last['valid_loss']}, after epoch "
                    f"{last['epoch']} of {settings.epochs}: "
                    "it diverged; lower learning_rate"
                )
            self.status = "diverged"
        elif last["epoch"] == settings.epochs:
            return  # it has ended by itself
        elif (
            settings.prune
            and last["epoch"] == settings.prune.epoch
            and last["valid_accuracy"] < settings.prune.accuracy
        ):
            self.status = "pruned"
        elif settings.patience and len(losses) - 1 - losses.index(min(losses)) >= settings.patience:
            self.status = "stopped early"

    @property
    def over(self) -> bool:
        """Whether no further epoch is to be trained."""
        return self.status != "finished" or len(self.rows) >= self.settings.epochs

    @property
    def seconds(self) -> float:
        """Wall time of all epochs, those before an interruption included."""
        return sum(row["seconds"] for row in self.rows)

    def write(self, path: Path) -> None:
        """Write history.csv: a header and a row an epoch, six digits a number."""
        with files.atomic_open(path, "w") as file:
            writer = csv.DictWriter(file, self.FIELDS, lineterminator="\n")
            writer.writeheader()
            for row in self.rows:
                writer.writerow({key: f"{value:.6g}" for key, value in row.items()})
