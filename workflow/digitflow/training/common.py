"""What the frameworks' training has in common. Numpy and the standard library only."""

import csv
import dataclasses
import hashlib
import io
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from digitflow import files, idx, lst
from digitflow.errors import ConfigError, DigitflowError, FormatError, InputError

log = logging.getLogger("digitflow")

ROW_SUM_TOLERANCE = 1e-3  # float32 softmax rows, averaged over shifts, are within 1e-6
SMALLEST = 1e-7  # probability in a logarithm, as in Keras: a wrong guess costs 16, not infinity


@dataclasses.dataclass(frozen=True)
class Augment:
    """How far a training image may be warped, each drawn evenly from -x..x. Zero is off."""

    rotate: float = 0.0  # degrees
    zoom: float = 0.0  # part of the size
    shift: float = 0.0  # part of the width and of the height
    shear: float = 0.0  # horizontal shift a row, in pixels
    part: float = 1.0  # of the images that are warped, drawn afresh each time
    cubic: bool = False  # resample by cubic convolution: sharper and slower than linear


@dataclasses.dataclass(frozen=True)
class Prune:
    """Give a training up whose validation accuracy is below `accuracy` after `epoch` epochs."""

    epoch: int
    accuracy: float


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train one model. What has a default here is off, or plain, where it is left out."""

    architecture: str
    epochs: int
    batch_size: int
    learning_rate: float  # the peak, where the schedule has one
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # arguments of the architecture
    optimizer: str = "adam"
    optimizer_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    schedule: str = "constant"
    schedule_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    weight_average: float = 0.0  # decay of the running average of the weights, a step
    # Predictions averaged: 1 the image, 5 and its neighbours by a pixel, 9 and the diagonal ones.
    test_shifts: int = 1
    augment: Augment = Augment()
    raw_pixels: bool = False  # MXNet only: train on 0..255 as they are, not on 0..1
    train_rows: int = 0  # train on the first so many rows of the list only; 0 is all
    patience: int = 0  # epochs without a lower validation loss after which training stops; 0 is never
    prune: Prune | None = None
    keep_failures: bool = False  # a training that diverges is a result, marked as such, not an error

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """Read settings. Raises ConfigError naming a key that is unknown or missing."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"settings: not JSON: {error}") from error
        _check_keys(cls, values, "settings")
        values = {**values, "augment": values.get("augment") or {}}
        for key, kind in (("augment", Augment), ("prune", Prune)):
            if values.get(key) is not None:
                _check_keys(kind, values[key], f"settings.{key}")
                values[key] = kind(**values[key])
        return cls(**values)

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

    @property
    def checkpoint(self) -> Path:
        """Where a training that is not finished keeps how far it has come."""
        return self.history.with_name("checkpoint.npz")


def one_hot(labels: np.ndarray, classes: int, smoothing: float = 0.0) -> np.ndarray:
    """Targets float32 (n, classes) of labels (n,), with `smoothing` of each spread over all classes."""
    return np.eye(classes, dtype=np.float32)[labels] * np.float32(1 - smoothing) + np.float32(
        smoothing / classes
    )


def cross_entropy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The mean over rows (n, classes) of -sum(target * log(probability))."""
    logarithms = np.log(np.clip(probabilities, SMALLEST, 1))
    return float(-(targets * logarithms).sum(axis=1).mean())


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


class Checkpoint:
    """A file with a training's state after its last whole epoch; one that was killed goes on from there.

    `circumstances` is all that the training depends on, as text: a file that was left by another training, or
    is damaged, is not used.
    """

    def __init__(self, path: Path, circumstances: str):
        self.path, self._circumstances = path, hashlib.sha256(circumstances.encode()).hexdigest()

    def save(self, arrays: Mapping[str, np.ndarray], history: History) -> None:
        """Keep the arrays and the epochs so far."""
        told = json.dumps(
            {"circumstances": self._circumstances, "history": history.rows, "names": sorted(arrays)}
        )
        with files.atomic_open(self.path) as file:
            np.savez(file, told=np.array(told), **arrays)

    def load(self) -> tuple[dict[str, np.ndarray], list[dict[str, float]]] | None:
        """The arrays and the rows of the history that were kept, or None."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            told = json.loads(str(arrays.pop("told")))
            found, rows = told["circumstances"], told["history"]
            if sorted(arrays) != told["names"]:  # all but the names has a checksum in the archive
                raise ValueError(f"its arrays are {', '.join(sorted(arrays))}")
        except FileNotFoundError:
            return None
        except Exception as error:  # numpy, zipfile and json raise whatever damaged bytes lead to
            log.info(f"{self.path}: damaged ({error}): the training starts anew")
            return None
        if found != self._circumstances:
            log.info(f"{self.path}: from another training: this one starts anew")
            return None
        log.info(f"{self.path}: going on after epoch {len(rows)}")
        return arrays, rows

    def remove(self) -> None:
        """The training is finished: forget how it got there."""
        self.path.unlink(missing_ok=True)


def circumstances(settings: Settings, seed: int, machine: Mapping[str, Any], inputs: Sequence[Path]) -> str:
    """All that a training depends on, as text: settings, seed, `machine` (versions, device, threads), the
    contents of its input files, and the package's own code.
    """
    code = sorted(Path(__file__).parents[1].rglob("*.py"))
    digests = [_sha256(path) for path in [*inputs, *code]]
    return json.dumps([settings.as_dict(), seed, dict(machine), digests], sort_keys=True)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_results(
    outputs: Outputs,
    history: History,
    valid: np.ndarray,
    test: np.ndarray,
    valid_labels: np.ndarray,
    *,
    model_files: Sequence[Path],
    framework: str,
    seed: int,
    settings: Settings,
    **facts: Any,
) -> None:
    """Write what every training leaves: history, probabilities, and metrics with `facts` about it.

    The metrics hold the SHA-256 of the others and of `model_files`, by which damage is found.

    `valid` (n, classes) and `test` (m, classes) are softmax rows; those of a training that diverged say
    nothing, and each class gets the same.
    """
    if history.status == "diverged":
        valid, test = (np.full(array.shape, 1 / array.shape[1], np.float32) for array in (valid, test))
    valid_accuracy = accuracy(valid, valid_labels)
    log.info(f"validation accuracy {valid_accuracy:.4f} of {len(valid):,} images, {history.seconds:.0f} s")
    history.write(outputs.history)
    write_probabilities(outputs.valid_probabilities, valid)
    write_probabilities(outputs.test_probabilities, test)
    metrics = {
        "framework": framework,
        **facts,
        "seed": seed,
        "settings": settings.as_dict(),
        "valid_images": len(valid),
        "valid_accuracy": valid_accuracy,
        "status": history.status,
        "epochs": len(history.rows),
        "seconds": round(history.seconds, 1),
        "sha256": {
            path.name: _sha256(path)
            for path in [
                *model_files,
                outputs.history,
                outputs.valid_probabilities,
                outputs.test_probabilities,
            ]
        },
    }
    with files.atomic_open(outputs.metrics, "w") as file:
        file.write(json.dumps(metrics, indent=2) + "\n")


def check_digests(metrics: Path, *names: str) -> None:
    """Compare the files that a training left with the digests in its metrics; all of them, unless named.

    FormatError names the one that differs.
    """
    known = files.read_json(metrics).get("sha256", {})
    for name in names or known:
        path = metrics.with_name(name)
        if name in known and path.exists() and _sha256(path) != known[name]:
            raise FormatError(
                f"{path}: damaged: its SHA-256 is not the one in {metrics}; delete it and run again"
            )


def write_probabilities(path: Path, probabilities: np.ndarray) -> None:
    """Write checked float32 softmax rows, shape (n, classes), as .npy."""
    check_probabilities(probabilities, str(path))
    data = io.BytesIO()  # to a file of the disk, numpy writes in a way that does not say why it failed
    np.save(data, probabilities.astype(np.float32))
    with files.atomic_open(path) as file:
        file.write(data.getbuffer())


def read_rows(path: Path, count: int, classes: int, limit: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The image rows, from 0, and labels of a .lst, both int64 (n,); of the first `limit`, unless it is 0.

    `count` is how many images there are. Raises InputError for an index or a label that is out of range.
    """
    listing = lst.read(path)
    if not len(listing):
        raise InputError(f"{path}: no rows; at least one image is needed")
    for name, values, first, last in (
        ("index", listing.index, 1, count),
        ("label", listing.label, 0, classes - 1),
    ):
        wrong = np.flatnonzero((values < first) | (values > last))
        if len(wrong):
            raise InputError(
                f"{path}, line {wrong[0] + 1}: {name} {values[wrong[0]]}, expected {first} to {last}"
            )
    rows = slice(limit or None)
    return listing.index[rows] - 1, listing.label[rows]


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


class Data(NamedTuple):
    """Images uint8 (n, h, w), mapped, and who may use which: rows, from 0, and labels, int64 (k,)."""

    images: np.ndarray
    test_images: np.ndarray
    training: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test_rows: np.ndarray


def open_data(
    images: Path,
    test_images: Path,
    train_lst: Path,
    valid_lst: Path,
    test_lst: Path,
    classes: int,
    train_rows: int,
) -> Data:
    """Open IDX files and read the lists of their rows; a row is a list's index less one.

    `train_rows`: use the first so many training rows only, unless it is 0. Raises InputError for a list that
    is not of these images, and for test images that are not like the others or not all in their list.
    """
    pixels, test_pixels = idx.open_memmap(images, ndim=3), idx.open_memmap(test_images, ndim=3)
    if pixels.shape[1:] != test_pixels.shape[1:]:
        sizes = [" x ".join(map(str, array.shape[1:])) for array in (pixels, test_pixels)]
        raise InputError(f"{test_images}: images of {sizes[1]} pixels; {images} has {sizes[0]}")
    training = read_rows(train_lst, len(pixels), classes, train_rows)
    validation = read_rows(valid_lst, len(pixels), classes)
    test_rows, _ = read_rows(test_lst, len(test_pixels), classes)
    if len(test_rows) != len(test_pixels):
        raise InputError(f"{test_lst}: {len(test_rows)} images of the {len(test_pixels)} of {test_images}")
    return Data(pixels, test_pixels, training, validation, test_rows)


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
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise ConfigError(f"{where}: the key {field.name!r} is missing")
