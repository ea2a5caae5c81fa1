"""What happens from epoch to epoch: loss, accuracy, and whether to go on."""

import csv
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digitflow.base import files
from digitflow.base.errors import DigitflowError, FormatError
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")
SMALLEST = 1e-7  # the least probability in a logarithm, as in Keras: a wrong guess costs 16, not infinity


def one_hot(labels: np.ndarray, classes: int, smoothing: float = 0.0) -> np.ndarray:
    """Targets float32 (n, classes) of labels (n,), a fraction `smoothing` of each spread over all classes."""
    return np.eye(classes, dtype=np.float32)[labels] * np.float32(1 - smoothing) + np.float32(
        smoothing / classes
    )


def cross_entropy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The mean over rows (n, classes) of -sum(target * log(probability))."""
    logarithms = np.log(np.clip(probabilities, SMALLEST, 1))
    return float(-(targets * logarithms).sum(axis=1).mean())


def accuracy_of(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The fraction of the rows whose largest probability is that of their label."""
    return float((probabilities.argmax(axis=1) == labels).mean())


class Begun(NamedTuple):
    """An epoch that has not ended: how many steps were taken, sums over them, and their wall time."""

    steps: int = 0
    loss: float = 0.0
    accuracy: float = 0.0
    seconds: float = 0.0


class History:
    """The epochs of a training: a log line as each ends, history.csv, and whether to go on.

    `rows` are the epochs that have ended, `begun` is what there is of the next one.
    `validates` is false if there are no validation rows: their loss and accuracy are then NaN. `status` is
    "finished", or says why the training ended before its last epoch: "stopped early", "pruned", "diverged".
    All of it follows from the rows, so that a resumed training decides like an uninterrupted one.
    """

    FIELDS = ("epoch", "loss", "accuracy", "valid_loss", "valid_accuracy", "learning_rate", "seconds")

    def __init__(
        self,
        settings: Settings,
        rows: Sequence[Mapping[str, float]] = (),
        validates: bool = True,
        begun: Begun | None = None,
    ):
        self.settings = settings
        self.rows = [dict(row) for row in rows]
        self.begun = begun or Begun()
        self.validates = validates
        self.status = "finished"
        self._started = len(self.rows)
        self._start = self._last = time.monotonic() - self.begun.seconds
        if self.rows:
            # The others would fill the screen; history.csv has them all.
            log.info(f"before the interruption: {self._line(self.rows[-1])}")
            self._judge()

    def add_steps(self, steps: int, loss: float, accuracy: float) -> None:
        """Record some steps of an epoch, with their mean loss and accuracy."""
        before, seconds = self.begun, time.monotonic() - self._last
        self.begun = Begun(
            before.steps + steps, before.loss + steps * loss, before.accuracy + steps * accuracy, seconds
        )

    def add(
        self, loss: float, accuracy: float, valid_loss: float, valid_accuracy: float, learning_rate: float
    ) -> None:
        """Record and log the epoch that just ended.

        Raises DigitflowError if the loss is not finite, unless the settings keep failures.
        """
        now = time.monotonic()
        epoch, epochs = len(self.rows) + 1, self.settings.epochs
        values = (epoch, loss, accuracy, valid_loss, valid_accuracy, learning_rate, now - self._last)
        self.rows.append(dict(zip(self.FIELDS, values, strict=True)))
        left = (now - self._start) / (epoch - self._started) * (epochs - epoch)
        log.info(f"{self._line(self.rows[-1])}, {left:.0f} s left")
        self._last, self.begun = now, Begun()
        self._judge()
        if self.status != "finished":
            log.info(f"{self.status} after epoch {epoch} of {epochs}")

    def _line(self, row: Mapping[str, float]) -> str:
        validation = f", validation accuracy {row['valid_accuracy']:.4f}" if self.validates else ""
        return (
            f"epoch {row['epoch']}/{self.settings.epochs}: loss {row['loss']:.4f}, "
            f"accuracy {row['accuracy']:.4f}{validation}, {row['seconds']:.1f} s"
        )

    def _judge(self) -> None:
        """Set `status` from the last row and those before it."""
        settings, last = self.settings, self.rows[-1]
        losses = [row["valid_loss"] for row in self.rows]
        # If only the last step of an epoch diverges, only the validation loss shows it.
        validated = math.isfinite(last["valid_loss"]) or not self.validates
        if not (math.isfinite(last["loss"]) and validated):
            if not settings.keep_failures:
                raise DigitflowError(
                    f"the loss is {last['loss']}, the validation loss {last['valid_loss']}, after epoch "
                    f"{last['epoch']} of {settings.epochs}: it diverged; lower learning_rate"
                )
            self.status = "diverged"
        elif last["epoch"] == settings.epochs or not self.validates:
            return  # it has run to its end, or nothing can end it before
        elif (
            settings.prune
            and last["epoch"] == settings.prune.epoch
            and last["valid_accuracy"] < settings.prune.accuracy
        ):
            self.status = "pruned"
        elif settings.patience and len(losses) - self.best_epoch >= settings.patience:
            self.status = "stopped early"

    @property
    def best_epoch(self) -> int:
        """The first epoch, counted from 1, with the lowest validation loss."""
        losses = [row["valid_loss"] for row in self.rows]
        return losses.index(min(losses)) + 1

    @property
    def keeps(self) -> bool:
        """Whether the weights after the last epoch are the best so far and must be kept (`patience`)."""
        return bool(self.settings.patience) and self.validates and self.best_epoch == len(self.rows)

    @property
    def over(self) -> bool:
        """Whether the training has ended."""
        return self.status != "finished" or len(self.rows) >= self.settings.epochs

    @property
    def seconds(self) -> float:
        """Wall time of all epochs, including those before an interruption."""
        return sum(row["seconds"] for row in self.rows)

    def write(self, path: Path) -> None:
        """Write history.csv: a header and one row per epoch, numbers with six digits, NaN left empty."""

        def written(value: float) -> str:
            return f"{value:.6g}" if math.isfinite(value) or self.validates else ""

        rows = ([written(row[key]) for key in self.FIELDS] for row in self.rows)
        files.write_rows(path, [self.FIELDS, *rows])


def read_history(path: Path) -> list[dict[str, float]]:
    """The epochs of a history.csv. FormatError: it is damaged."""
    try:
        with open(path, newline="") as file:
            rows = [
                {key: float(value or "nan") for key, value in row.items()} for row in csv.DictReader(file)
            ]
    except (ValueError, TypeError, csv.Error) as error:
        raise FormatError(f"{path}: damaged: {error}; delete it and run again") from error
    if not rows:
        raise FormatError(f"{path}: damaged: no epoch in it; delete it and run again")
    return rows
