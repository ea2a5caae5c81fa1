"""The models of the configuration and of its studies: their settings, and what is wrong with them."""

import ast
import contextlib
import dataclasses
import functools
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from digitflow.base.errors import ConfigError
from digitflow.config.optimizers import CLIPS, KEYS_INSTEAD, OPTIMIZER_OPTIONS, what_is_wanted
from digitflow.config.schema import (
    canonical,
    in_yaml,
    make_validator,
    mapped,
    mistake_of,
    schema,
    suggest,
    whole,
    with_defaults,
    without_defaults,
)
from digitflow.models.registry import FRAMEWORKS, WITHOUT_STEPS
from digitflow.studies.points import points
from digitflow.training import schedule
from digitflow.training.settings import Augment, Settings, json_schema

# The columns of a study's table beside its axes.
COLUMNS = {
    "seeds",
    "parameters",
    "trained_epochs",
    "seconds",
    "status",
    "device",
    "looked_at_validation",
    "train_accuracy",
}
COLUMNS |= {f"{part}_{end}" for part in ("valid", "test") for end in ("accuracy", "low", "high", "std")}
GUESSING = ("random_guess", "seed_search")
# Keys that only a training with steps reads; what all have, such as patience, is not among them.
OF_STEPS = (
    *("optimizer", "optimizer_options", "schedule", "schedule_options"),
    *("weight_decay", "weight_average"),
)
MODEL = {"$ref": "#/$defs/model"}  # what the schema says of a model
FOLDER = re.compile(r"[\w.+-]+")
LONGEST = 180  # bytes of a point's name with its study's: names of files add to it, and have at most 255


def models(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All models of a valid configuration by name, the points of studies as `<study>/<point>`.

    Each has two more keys: `data`, own or official, and `module`, the module of models/ with its network.
    """
    found = {name: {**model, "data": "own"} for name, model in config["models"].items()}
    for name, study in config["studies"].items():
        for point in points(study):
            found[f"{name}/{point.name}"] = {**with_defaults(point.model, MODEL), "data": study["data"]}
    for model in found.values():
        if model["architecture"] in WITHOUT_STEPS:
            model.update({"batch_size": 1, "learning_rate": 1} | model)
        model["module"] = FRAMEWORKS[model["framework"]][model["architecture"]]
    return found


def settings_text(model: dict[str, Any]) -> str:
    """The hyper-parameters of a model that differ from their defaults, as JSON in one canonical form.

    So a default that is written out, a key that is new in the schema, or another order of keys trains
    nothing again.
    """
    properties = json_schema()["properties"]
    parameters = inspect.signature(schedule.SCHEDULES[model["schedule"]]).parameters
    options = [*parameters.values()][3:]  # behind steps, per_epoch and peak
    about = {"default": {}, "properties": {one.name: {"default": one.default} for one in options}}
    given = {name: value for name, value in model.items() if name in properties or name == "module"}
    return canonical(without_defaults(given, {"properties": properties | {"schedule_options": about}}))


def device_of(config: dict[str, Any], model: dict[str, Any]) -> str:
    """What a model should be trained on, auto, cpu or gpu: its own choice, else that of the configuration."""
    return model["device"] or config["device"]


def wrong_model(model: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a complete model that the schema allows, one of `models` or a point of a study."""
    framework, architecture = model["framework"], model["architecture"]
    known = FRAMEWORKS[framework]
    if architecture not in known:
        yield f"architecture: {architecture!r} is not one of {framework}'s: {', '.join(known)}"
    elif (options := network_options(known[architecture], architecture)) is not None:
        for option in {*model["network"]}.difference(options):
            yield f"network.{option}: unknown key{suggest(option, options)}"
        if "dropout" in options:
            yield from _wrong_dropout(model["network"].get("dropout", 0))
    hidden = model["network"].get("hidden", []) if architecture == "mlp" else []
    if not isinstance(hidden, list) or not all(type(whole(units)) is int and units > 0 for units in hidden):
        yield f"network.hidden: {in_yaml(hidden)}, should be a list of numbers of units, such as [800]"
    yield from _wrong_options(model)
    yield from _ignored(model)


def _wrong_dropout(value: Any) -> Iterator[str]:
    """What is wrong with a network's dropout: MXNet takes -1 for none, and 1 for all."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        yield f"network.dropout: {in_yaml(value)}, should be a number from 0 to less than 1"


def _wrong_options(model: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the options of a model's optimizer."""
    known = OPTIMIZER_OPTIONS[model["framework"]].get(model["optimizer"])
    clips = [option for option in CLIPS if model["optimizer_options"].get(option)]
    if len(clips) > 1 and model["framework"] == "keras":
        yield f"optimizer_options.{clips[1]}: Keras takes only one of {' and '.join(clips)}"
    for option, value in model["optimizer_options"].items() if known else ():
        where = f"optimizer_options.{option}"
        if option in model:
            yield f"{where}: a key of the model itself; write it beside optimizer_options"
        elif option in KEYS_INSTEAD:
            yield f"{where}: write {KEYS_INSTEAD[option]} beside optimizer_options instead"
        elif option not in known:
            yield f"{where}: unknown key{suggest(option, sorted(known))}"
        elif wanted := what_is_wanted(option, value):
            yield f"{where}: {in_yaml(value)}, should be {wanted}"


@functools.cache
def network_options(module: str, architecture: str) -> list[str] | None:
    """The options of a network, from the text of its module, because importing that takes its framework.

    None: they are not told by a function of its name there.
    """
    path = Path(__file__).parents[1] / "models" / f"{module}.py"
    with contextlib.suppress(OSError, SyntaxError, ValueError):  # the training says what is wrong
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.FunctionDef) and node.name == architecture and not node.args.kwarg:
                named = [*node.args.posonlyargs, *node.args.args][2:]  # behind input_shape and classes
                return [argument.arg for argument in (*named, *node.args.kwonlyargs)]
    return None


def _comes_to_0(name: str, options: dict[str, Any]) -> bool:
    """Whether a schedule's rate is 0 at some step; mistakes in its options are reported elsewhere."""
    steps = 100
    try:
        rate = schedule.make(name, steps, steps // 10, 1.0, **options)
    except ConfigError:
        return False
    return any(rate(step) == 0 for step in range(steps))


def _ignored(model: dict[str, Any]) -> Iterator[str]:
    """What a model's framework would silently ignore, or refuse only when the training begins."""
    framework, augment = model["framework"], model["augment"]
    for where, kind, values in (("", Settings, model), ("augment.", Augment, augment)):
        for field in dataclasses.fields(kind):
            only = field.metadata.get("only")
            if only and framework not in only and values[field.name] != field.default:
                found = in_yaml(values[field.name])
                yield f"{where}{field.name}: {found} is for {' and '.join(only)} only; leave it out"
    if model["architecture"] == "neighbours" and Augment(**augment) != Augment():
        yield "augment: neighbours compares with the training images as they are; remove it"
    if model["architecture"] in GUESSING and Augment(**augment) != Augment():
        yield f"augment: {model['architecture']} does not look at images; remove it"
    ftrl = model["optimizer"] == "ftrl"
    if framework == "mxnet" and ftrl and model["schedule"] not in ("constant", "plateau"):
        yield "optimizer: ftrl divides by the rate, and this schedule takes it to 0: set schedule: constant"
    if framework == "keras" and ftrl and _comes_to_0(model["schedule"], model["schedule_options"]):
        yield (
            "optimizer: ftrl divides by the rate, and this schedule takes it to 0: set schedule: constant, "
            "or schedule_options: {min_lr: 0.0001}"
        )
    if ftrl and model["optimizer_options"].get("initial_accumulator_value") == 0:
        yield "optimizer_options.initial_accumulator_value: 0, should be above 0: ftrl divides by it"
    if model["optimizer_options"].get("ema_overwrite_frequency") and not model["weight_average"]:
        yield "optimizer_options.ema_overwrite_frequency: needs a weight_average above 0; or leave it out"
    if model["architecture"] in WITHOUT_STEPS:
        if model["checkpoint_steps"]:
            yield f"checkpoint_steps: {model['architecture']} takes one step per epoch; leave it out"
        defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
        for name in OF_STEPS:
            if model[name] and model[name] != defaults[name]:
                yield f"{name}: {model['architecture']} takes no steps, and would ignore this; leave it out"
    if framework == "mxnet" and model["architecture"] == "mlp_module" and model["label_smoothing"]:
        yield "label_smoothing: mlp_module has its own loss, without smoothing; set it to 0"
    if framework != "keras" and model["precision"] == "bfloat16":
        yield "precision: bfloat16 is for keras only; leave it out"
    if (prune := model["prune"]) and prune["epoch"] >= model["epochs"]:
        yield (
            f"prune.epoch: {prune['epoch']}, should be below {model['epochs']}, the epochs after which the "
            "training ends by itself; or leave prune out"
        )
    if framework == "numpy" and model["device"] == "gpu":
        yield "device: gpu is for keras and mxnet, and numpy computes on the CPU; leave it out"
    try:
        schedule.make(model["schedule"], 1, 1, 1.0, **model["schedule_options"])
    except ConfigError as error:
        yield str(error)
    else:
        least, rate = model["schedule_options"].get("min_lr", 0), model.get("learning_rate")
        if rate is not None and least > rate:
            yield f"schedule_options.min_lr: {in_yaml(least)}, should be at most the learning_rate, {rate}"
    if framework == "numpy" and model["optimizer"] not in ("adam", "sgd"):
        yield f"optimizer: {model['optimizer']!r}, should be adam or sgd for numpy"


def without_validation(validation: dict[str, Any], model: dict[str, Any]) -> str | None:
    """What is wrong with a complete model that looks at validation rows if there are none; None: nothing."""
    looks = model["patience"] or model["prune"] or model["schedule"] == "plateau"
    if validation["fraction"] or validation["folds"] > 1 or not looks:
        return None
    return (
        "patience, prune and the schedule plateau need validation rows, but validation.fraction is 0; set it "
        "above 0, or leave them out"
    )


def wrong_points(config: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the models that studies combine; for each study, its first wrong point."""
    if not config["studies"]:  # loading jsonschema takes longer than all other checks
        return
    validator = make_validator(schema()["$defs"]["model"])
    for name, study in config["studies"].items():
        if name in config["models"]:
            yield f"studies.{name}: a model has this name, too; choose another"
        variants = points(mapped(study, whole))  # 1 and 1.0 are one point
        names = [point.name for point in variants]
        axes = [key.rpartition(".")[2] for key in study["vary"]]
        if len({*names}) < len(names) or len({*axes}) < len(axes):
            yield f"studies.{name}.vary: two axes, or two values of one, have the same name; rename one"
            continue
        first = variants[0]
        if "learning_rate" in study["figures"] and first.model.get("framework") != "keras":
            yield (
                f"studies.{name}.figures: learning_rate is for keras only, and {first.name} is not keras; "
                "leave it out"
            )
        for point in variants:
            mistakes = [*dict.fromkeys(mistake_of(error) for error in validator.iter_errors(point.model))]
            mistakes = mistakes or [*wrong_model(with_defaults(point.model, MODEL))]
            mistakes += [
                f"{axis}: {value!r} becomes the name of a folder; use only letters, digits and ._+-"
                for axis, value in point.values.items()
                if not FOLDER.fullmatch(value)
            ]
            mistakes += [
                f"{axis}: the table has a column of this name; give the axis another"
                for axis in {*point.values} & COLUMNS
            ]
            if (length := len(f"{name}/{point.name}".encode())) > LONGEST:
                mistakes.append(
                    f"vary: with its study's, this name has {length} bytes, should have at most {LONGEST}, "
                    "because files are named after it; move keys that have one value to the study's model"
                )
            if study["data"] == "official" and point.model.get("framework") == "mxnet":
                mistakes.append("data: official is for keras and numpy only; write data: own")
            if mistakes:
                yield f"studies.{name}: {point.name}: {'; '.join(mistakes)}"
                break
