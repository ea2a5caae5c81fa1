"""What the frameworks' training has in common. Numpy and the standard library only."""

import csv
import dataclasses
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from digitflow import files
from digitflow.errors import ConfigError, DigitflowError, FormatError

log = logging.getLogger("digitflow")

ROW_SUM_TOLERANCE = 1e-3  # float32 softmax rows, averaged over shifts, are within 1e-6


@dataclasses.dataclass(frozen=True)
class Augment:
    """How far a training image may be warped, each drawn evenly from -x..x. Zero is off."""

    rotate: float = 0.0  # degrees
    zoom: float = 0.0  # part of the size
    shift: float = 0.0  # part of the width and of the height
    shear: float = 0.0  # horizontal shift a row, in pixels


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train one model. What has a default here is off, or plain, where it is left out."""

    architecture: str
    epochs: int
    batch_size: int
    learning_rate: float  # the peak, where the schedule has one
    optimizer: str = "adam"
    schedule: str = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    weight_average: float = 0.0  # decay of the running average of the weights, a step
    test_shifts: int = (
        1  # predictions averaged: 1 the image, 5 and its neighbours by a pixel, 9 and diagonals
    )
    augment: Augment = Augment()

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """Read settings. Raises ConfigError naming a key that is unknown or missing."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"settings: not JSON: {error}") from error
        _check_keys(cls, values, "settings")
        augment = values.get("augment") or {}
        _check_keys(Augment, augment, "settings.augment")
        return cls(**{**values, "augment": Augment(**augment)})

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON holds them."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Where the results of a training go, beside the model itself."""

    history: Path
    metrics: Path
    valid_probabilities: Path
    test_probabilities: Path


class History:
    """The epochs of a training: a log line each as they end, and history.csv."""

    FIELDS = ("epoch", "loss", "accuracy", "valid_loss", "valid_accuracy", "learning_rate", "seconds")

    def __init__(self, epochs: int):
        self.epochs = epochs
        self.rows: list[dict[str, float]] = []
        self._start = self._last = time.monotonic()

    def add(
        self, loss: float, accuracy: float, valid_loss: float, valid_accuracy: float, learning_rate: float
    ) -> None:
        """Record and log the epoch that just ended. Raises DigitflowError where the loss is not finite."""
        now = time.monotonic()
        epoch = len(self.rows) + 1
        if not math.isfinite(loss):
            raise DigitflowError(
                f"the loss is {loss} after epoch {epoch} of {self.epochs}: it diverged; lower learning_rate"
            )
        values = (epoch, loss, accuracy, valid_loss, valid_accuracy, learning_rate, now - self._last)
        self.rows.append(dict(zip(self.FIELDS, values, strict=True)))
        left = (now - self._start) / epoch * (self.epochs - epoch)
        log.info(
            f"epoch {epoch}/{self.epochs}: loss {loss:.4f}, accuracy {accuracy:.4f}, "
            f"validation accuracy {valid_accuracy:.4f}, {now - self._last:.1f} s, {left:.0f} s left"
        )
        self._last = now

    @property
    def seconds(self) -> float:
        """Wall time from the start of the training to the end of its last epoch."""
        return self._last - self._start

    def write(self, path: Path) -> None:
        """Write history.csv: a header and a row an epoch, six digits a number."""
        with files.atomic_open(path, "w") as file:
            writer = csv.DictWriter(file, self.FIELDS, lineterminator="\n")
            writer.writeheader()
            for row in self.rows:
                writer.writerow({key: f"{value:.6g}" for key, value in row.items()})


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics.json: indented, in the order given."""
    with files.atomic_open(path, "w") as file:
        file.write(json.dumps(metrics, indent=2) + "\n")


def write_probabilities(path: Path, probabilities: np.ndarray) -> None:
    """Write checked float32 softmax rows, shape (n, classes), as .npy."""
    check_probabilities(probabilities, str(path))
    with files.atomic_open(path) as file:
        np.save(file, probabilities.astype(np.float32))


def check_probabilities(probabilities: np.ndarray, where: str) -> None:
    """Check that each row is a distribution over the classes. Raises FormatError naming the first bad row."""
    if probabilities.ndim != 2 or probabilities.dtype.kind != "f":
        raise FormatError(
            f"{where}: expected float rows (n, classes), found {probabilities.dtype} {probabilities.shape}"
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    good = (probabilities >= 0).all(axis=1) & (np.abs(sums - 1) <= ROW_SUM_TOLERANCE)  # False for a NaN, too
    if not good.all():
        row = int(np.argmin(good))
        raise FormatError(
            f"{where}: row {row + 1} is not a softmax row: smallest {probabilities[row].min()}, "
            f"sum {sums[row]}; expected no negative value and the sum 1"
        )


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The part of the rows whose largest probability is at the label."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def shifted(images: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Yield `count` (1, 5, 9) copies of images (..., h, w): as they are, then moved by a pixel, 0 let in."""
    steps = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    for down, right in steps[:count]:
        moved = np.zeros_like(images)
        to_rows, from_rows = _overlap(down, images.shape[-2])
        to_columns, from_columns = _overlap(right, images.shape[-1])
        moved[..., to_rows, to_columns] = images[..., from_rows, from_columns]
        yield moved


def _overlap(move: int, size: int) -> tuple[slice, slice]:
    return slice(max(move, 0), size + min(move, 0)), slice(max(-move, 0), size - max(move, 0))


def _check_keys(settings: type, values: Any, where: str) -> None:
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: expected an object, found {values!r}")
    fields = dataclasses.fields(settings)
    names = [field.name for field in fields]
    for key in values:
        if key not in names:
            raise ConfigError(f"{where}: {key!r} is not a key; the keys are {', '.join(names)}")
    for field in fields:
        if field.name not in values and field.default is dataclasses.MISSING:
            raise ConfigError(f"{where}: the key {field.name!r} is missing")
