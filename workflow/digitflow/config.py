"""The configuration: checked against its schema, completed with defaults, cross-references followed.

The Snakefile imports this module on every run, so it imports nothing that Snakemake has not imported itself.
"""

import difflib
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from digitflow.base.archives import check_readable
from digitflow.base.errors import ConfigError, InputError
from digitflow.models import FRAMEWORKS
from digitflow.studies.points import points
from digitflow.training import schedule

SCHEMA = Path(__file__).parents[1] / "schemas" / "config.schema.yaml"
EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
# Of a study's table, beside its axes.
COLUMNS = {"seeds", "parameters", "trained_epochs", "seconds", "status", "device"} | {
    f"{part}_accuracy" for part in ("train", "valid", "test")
}
FOLDER = re.compile(r"[\w.+-]+")

KAGGLE_HOW_TO = """The Digit Recognizer's CSVs are not in data/kaggle/. To get them:
  1. sign in at kaggle.com, open the competition "Digit Recognizer" (digit-recognizer) and accept its rules;
  2. download train.csv and test.csv from its Data page (or: kaggle competitions download digit-recognizer);
  3. put both into data/kaggle/ and run again.
Without an account, leave data.source at mnist: the same digits, with the test labels known."""


def validate(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with every default filled in.

    Raises ConfigError, naming key, value and what would be right, for all mistakes found at once.
    """
    schema = _schema()
    config = _numbers(config)
    validator = jsonschema.Draft202012Validator(schema)
    mistakes = [_explain(error) for error in validator.iter_errors(config)]
    if mistakes:
        raise ConfigError(_listed(mistakes))
    complete = _with_defaults(config, schema, schema["$defs"])
    mistakes = [
        *_cross_references(complete),
        *_missing_files(complete["data"]),
        *_wrong_points(complete, schema),
    ]
    if mistakes:
        raise ConfigError(_listed(mistakes))
    return complete


def models(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All models of a valid configuration by name, the points of studies as `<study>/<point>`.

    Each has a key more, `data`: own or official.
    """
    definitions = _schema()["$defs"]
    found = {name: {**model, "data": "own"} for name, model in config["models"].items()}
    for name, study in config["studies"].items():
        for point in points(study):
            model = _with_defaults(point.model, definitions["model"], definitions)
            found[f"{name}/{point.name}"] = {**model, "data": study["data"]}
    return found


def typed(value: Any) -> Any:
    """What Snakemake's --config gave, with its types: inside of braces and brackets all comes as text."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


@functools.cache
def _schema() -> dict:
    return yaml.safe_load(SCHEMA.read_text())


def _numbers(value: Any) -> Any:
    """The same with 1e-5 as a number: YAML 1.1, which PyYAML reads, wants 1.0e-5, and takes it for text."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value


def _listed(mistakes: list[str]) -> str:
    return "the configuration is wrong:\n" + "\n".join(f"  {mistake}" for mistake in mistakes)


def _explain(error: jsonschema.ValidationError) -> str:
    """Say in one line which key is wrong, what was found and what would be right."""
    key = ".".join(map(str, error.absolute_path))
    found = error.instance
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            unknown = [name for name in found if name not in known]
            return "; ".join(f"{_join(key, name)}: unknown key{_suggest(name, known)}" for name in unknown)
        case "required":
            missing = [name for name in error.validator_value if name not in found]
            return "; ".join(f"{_join(key, name)}: this key is missing" for name in missing)
        case "type":
            wanted = error.validator_value
            wanted = wanted if isinstance(wanted, str) else " or ".join(wanted)
            return f"{key}: {found!r}, should be of type {wanted}"
        case "enum":
            return f"{key}: {found!r}, should be one of {', '.join(map(str, error.validator_value))}"
        case "pattern":
            return f"{key}: the name {found!r} should be letters, digits and _, beginning with a letter"
        case _:
            return f"{key}: {error.message} ({error.schema.get('description', error.validator)})"


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else str(name)


def _suggest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; the keys here are {', '.join(known)}"


def _with_defaults(value: Any, schema: dict, definitions: dict) -> Any:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    complete = {name: sub["default"] for name, sub in properties.items() if "default" in sub} | value
    other = schema.get("additionalProperties")
    other = other if isinstance(other, dict) else {}
    return {
        name: _with_defaults(item, properties.get(name, other), definitions)
        for name, item in complete.items()
    }


def _wrong_architecture(model: dict[str, Any]) -> Iterator[str]:
    framework, architecture = model["framework"], model["architecture"]
    known = FRAMEWORKS[framework]
    if architecture not in known:
        yield f"architecture: {architecture!r} is not one of {framework}'s: {', '.join(known)}"


def _ignored(model: dict[str, Any]) -> Iterator[str]:
    """What a model's framework would pass over in silence, or refuse only when its training begins."""
    framework, augment = model["framework"], model.get("augment", {})
    if framework == "mxnet" and (augment.get("part", 1) != 1 or augment.get("cubic")):
        yield "augment: part and cubic are for keras and numpy; MXNet warps all images, linearly"
    if framework != "mxnet" and model.get("raw_pixels"):
        yield "raw_pixels: true is for mxnet only"
    try:
        schedule.make(model.get("schedule", "one_cycle"), 1, 1, 1.0, **model.get("schedule_options", {}))
    except ConfigError as error:
        yield str(error)
    if framework == "numpy" and model.get("optimizer", "adam") not in ("adam", "sgd"):
        yield f"optimizer: {model['optimizer']!r}, for numpy it should be adam or sgd"


def _wrong_points(config: dict[str, Any], schema: dict) -> Iterator[str]:
    """What is wrong with the models that studies combine; of a study the first such point."""
    validator = jsonschema.Draft202012Validator({**schema["$defs"]["model"], "$defs": schema["$defs"]})
    for name, study in config["studies"].items():
        if name in config["models"]:
            yield f"studies.{name}: a model has this name; choose another"
        names = [point.name for point in points(study)]
        axes = [key.rpartition(".")[2] for key in study["vary"]]
        if len({*names}) < len(names) or len({*axes}) < len(axes):
            yield f"studies.{name}.vary: two axes, or two values of one, have the same name"
            continue
        first = points(study)[0]
        if "learning_rate" in study["figures"] and first.model.get("framework") != "keras":
            yield f"studies.{name}.figures: learning_rate is for keras only, and {first.name} is not"
        for point in points(study):
            mistakes = [_explain(error) for error in validator.iter_errors(point.model)]
            mistakes = mistakes or [*_wrong_architecture(point.model), *_ignored(point.model)]
            mistakes += [
                f"{axis}: {value!r} becomes a folder: letters, digits and ._+- only"
                for axis, value in point.values.items()
                if not FOLDER.fullmatch(value)
            ]
            mistakes += [f"{axis}: the axis has the name of a column" for axis in {*point.values} & COLUMNS]
            if study["data"] == "official" and point.model.get("framework") == "mxnet":
                mistakes.append("data: official is for keras and numpy only")
            if mistakes:
                yield f"studies.{name}: {point.name}: {'; '.join(mistakes)}"
                break


def _cross_references(config: dict[str, Any]) -> Iterator[str]:
    merge, models = config["merge"], config["models"]
    for name, model in models.items():
        yield from (f"models.{name}.{mistake}" for mistake in _wrong_architecture(model))
        yield from (f"models.{name}.{mistake}" for mistake in _ignored(model))
    for name in merge["models"]:
        if name not in models:
            yield f"merge.models: {name!r} is not defined{_suggest(name, list(models))}"
    weights = merge["weights"]
    if weights is not None and len(weights) != len(merge["models"]):
        yield f"merge.weights: {len(weights)} weights for {len(merge['models'])} models; give each its own"
    if "merged" in models:
        yield "models.merged: this name is taken by the merged submission; choose another"


def csv_paths(data: dict[str, Any]) -> tuple[str, str, str | None]:
    """The paths of the train CSV, the test CSV and, where one is known, the solution."""
    if data["source"] == "files":
        return data["train_csv"], data["test_csv"], data["solution_csv"]
    folder = f"data/{data['source']}"
    solution_csv = f"{folder}/solution.csv" if data["source"] == "mnist" else data["solution_csv"]
    return f"{folder}/train.csv", f"{folder}/test.csv", solution_csv


def _missing_files(data: dict[str, Any]) -> Iterator[str]:
    train_csv, test_csv, solution_csv = csv_paths(data)
    if data["source"] == "kaggle" and not (Path(train_csv).exists() and Path(test_csv).exists()):
        yield KAGGLE_HOW_TO
        return
    if data["source"] == "mnist":
        return
    wanted = {"data.train_csv": train_csv, "data.test_csv": test_csv}
    if solution_csv:
        wanted["data.solution_csv"] = solution_csv
    for key, path in wanted.items():
        if path is None:
            yield f"{key}: null, should be the path of a CSV, for data.source is files"
        elif not os.path.lexists(path):
            yield f"{key}: there is no file {path!r}"
        elif {*path} & {*"{}"}:
            yield f"{key}: {path!r}: Snakemake takes braces for wildcards; give the file a name without them"
        else:
            try:
                check_readable(path)
            except InputError as error:
                yield f"{key}: {error}"
