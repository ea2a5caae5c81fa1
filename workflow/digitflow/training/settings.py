"""How one model is trained: every hyper-parameter with its default, limits and meaning, stated once.

The configuration's schema and the table in config/README.md are made from these fields.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from digitflow.base.errors import ConfigError
from digitflow.training.schedule import SCHEDULES

# By their names in the configuration. Keras and MXNet have all of them, numpy has adam and sgd.
OPTIMIZERS = ("adam", "adamax", "nadam", "rmsprop", "adadelta", "adagrad", "sgd", "ftrl")

PRECISIONS = ("auto", "float32", "bfloat16")

REQUIRED = dataclasses.MISSING
NOT_MXNET = ("keras", "numpy")


def key(description: str, default: Any = REQUIRED, only: Sequence[str] = (), **schema: Any) -> Any:
    """A key of the configuration: its meaning, its default, and its limits in JSON Schema's terms.

    `only`: the frameworks that know it, if not all do; for others, another value than the default is refused.
    """
    metadata = {"schema": {"description": description, **schema}, "only": only}
    if isinstance(default, Mapping):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Augment:
    """How far a training image may be changed: see `augment_batch` in augment.py.

    Each of the first four amounts is drawn uniformly from -x to x.
    """

    rotate: float = key("Degrees; whole ones with MXNet.", 0, minimum=0, maximum=180)
    zoom: float = key("Fraction of the size.", 0, minimum=0, exclusiveMaximum=1)
    shift: float = key(
        "Fraction of the width and of the height; whole pixels with MXNet.", 0, minimum=0, maximum=0.5
    )
    shear: float = key("Horizontal shift from row to row, in pixels.", 0, minimum=0, maximum=1)
    part: float = key(
        "Fraction of the images that are warped; MXNet warps all.", 1, NOT_MXNET, minimum=0, maximum=1
    )
    cubic: bool = key("Resample by cubic convolution: sharper, slower.", False)
    elastic: float = key(
        "How far strokes are bent, in pixels; never with MXNet.", 0, NOT_MXNET, minimum=0, maximum=10
    )
    erase: int = key(
        "Side of the square that is erased, in pixels; never with MXNet.", 0, NOT_MXNET, minimum=0
    )


@dataclasses.dataclass(frozen=True)
class Prune:
    """Give up a training whose validation accuracy is below `accuracy` after `epoch` epochs."""

    epoch: int = key("The epoch after which to look.", minimum=1)
    accuracy: float = key("The lowest validation accuracy that is not given up.", minimum=0, maximum=1)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train one model."""

    architecture: str = key("The network, by its name in workflow/digitflow/models/.")
    module: str  # in models/, with the network: looked up by config/models.py, not a key of the configuration
    epochs: int = key("Passes over the training rows.", minimum=1)
    batch_size: int = key("Images per step.", minimum=1)
    learning_rate: float = key("The peak, if the schedule has one.", exclusiveMinimum=0)
    network: Mapping[str, Any] = key(
        "Arguments of the architecture, for example its hidden layers.",
        {},
        additionalProperties={"type": ["number", "string", "boolean", "array"]},
    )
    optimizer: str = key("The optimizer.", "adam", enum=list(OPTIMIZERS))
    optimizer_options: Mapping[str, Any] = key(
        "Arguments of the framework's optimizer, under its own names.",
        {},
        additionalProperties={"type": ["number", "boolean"]},
    )
    schedule: str = key("How the learning rate changes over the steps.", "one_cycle", enum=list(SCHEDULES))
    schedule_options: Mapping[str, float] = key(
        "Arguments of the schedule, for example min_lr, or a cycle in epochs.",
        {},
        additionalProperties={"type": "number"},
    )
    weight_decay: float = key("Decoupled weight decay.", 0, minimum=0)
    label_smoothing: float = key(
        "Fraction of the target that is spread over all classes.", 0, minimum=0, exclusiveMaximum=1
    )
    weight_average: float = key(
        "Decay per step of a running average of the weights; 0 is off.", 0, minimum=0, exclusiveMaximum=1
    )
    test_shifts: int = key(
        "Predictions averaged per image: 1, or 5 or 9 with shifts of a pixel. A change trains again, because "
        "a training ends by predicting the validation rows.",
        1,
        enum=[1, 5, 9],
    )
    augment: Augment = key("How far training images are warped.", Augment())
    precision: str = key(
        "Keras only: what it calculates in; auto is bfloat16 if the CPU has it, else float32.",
        "auto",
        enum=list(PRECISIONS),
    )
    deterministic: bool = key(
        "On a GPU: the same training gives the same bytes each time; false lets Keras and MXNet add in any "
        "order, which may be quicker. On a CPU the bytes are always the same.",
        True,
        only=("keras", "mxnet"),
    )
    raw_pixels: bool = key(
        "MXNet only: train on pixels 0..255 as they are, not on 0..1.", False, only=["mxnet"]
    )
    train_rows: int = key("Train on only this many training rows, the first ones; 0 is all.", 0, minimum=0)
    checkpoint_steps: int = key(
        "Where an epoch takes long: keep a checkpoint after this many steps of it, too, from which a killed "
        "training goes on; an epoch's steps should be a multiple of it. 0: only after each epoch. A change "
        "trains again.",
        0,
        minimum=0,
    )
    patience: int = key(
        "End a training after this many epochs without a lower validation loss, and keep its best weights. "
        "0: never.",
        0,
        minimum=0,
    )
    prune: Prune | None = key(
        "Give up a training whose validation accuracy is below a limit after some epochs: {epoch: 3, "
        "accuracy: 0.9}.",
        None,
    )
    keep_failures: bool = key("A diverged training is a result, marked as such, not an error.", False)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Settings":
        """Make settings from a section of the configuration. ConfigError names an unknown or missing key."""
        _check_keys(cls, values, "settings")
        values = {**values, "augment": values.get("augment") or {}}
        for name, kind in (("augment", Augment), ("prune", Prune)):
            if values.get(name) is not None:
                _check_keys(kind, values[name], f"settings.{name}")
                values[name] = kind(**values[name])
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON holds them, with every default filled in."""
        return dataclasses.asdict(self)

    @property
    def looks_at_validation(self) -> bool:
        """Whether the training depends on the validation rows, whose score is then too good."""
        return bool(self.patience or self.prune or self.schedule == "plateau")


JSON_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}


def json_schema(kind: type = Settings) -> dict[str, Any]:
    """The JSON Schema of a section: `properties`, with description, type and default, and `required`."""
    properties = {}
    for field in dataclasses.fields(kind):
        if "schema" not in field.metadata:
            continue
        schema = dict(field.metadata["schema"])
        nested = {Augment: Augment, Prune | None: Prune}.get(field.type)
        if nested:
            schema |= json_schema(nested) | {"type": ["object", "null"] if nested is Prune else "object"}
        else:
            schema.setdefault("type", JSON_TYPES.get(field.type, "object"))
        if field.default_factory is not REQUIRED:
            schema["default"] = field.default_factory()
        elif dataclasses.is_dataclass(field.default):
            schema["default"] = {}  # its keys have their own defaults
        elif field.default is not REQUIRED:
            schema["default"] = field.default
        properties[field.name] = schema
    required = [name for name, schema in properties.items() if "default" not in schema]
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def _check_keys(settings: type, values: Any, where: str) -> None:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected an object, found {values!r}")
    names = [field.name for field in dataclasses.fields(settings)]
    for name in values:
        if name not in names:
            raise ConfigError(f"{where}: {name!r} is not a key; the keys are {', '.join(names)}")
    for field in dataclasses.fields(settings):
        required = field.default is field.default_factory is REQUIRED
        if required and field.name not in values:
            raise ConfigError(f"{where}: the key {field.name!r} is missing")
