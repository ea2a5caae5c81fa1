"""How one model is trained: its hyper-parameters, checked."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from digitflow.base.errors import ConfigError


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
