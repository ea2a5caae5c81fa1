"""The configuration, checked and completed with defaults: all mistakes are told at once.

The Snakefile imports these modules on every run, so they import nothing large that Snakemake has not imported
already.
"""

import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from digitflow.base.errors import ConfigError
from digitflow.competing import competition
from digitflow.config.input_checks import unreadable, wrong_inputs, wrong_submissions
from digitflow.config.inputs import submission_files
from digitflow.config.models import without_validation, wrong_model, wrong_points
from digitflow.config.schema import (
    against_schema,
    in_yaml,
    join_key,
    mapped,
    schema,
    suggest,
    whole,
    with_defaults,
    without_defaults,
)

EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
PATHS_OF_DATA = ("train_csv", "test_csv", "solution_csv", "labels_csv", "folder", "corrections")
NAMES_OF_DATA = ("classes", "columns")  # keys of `data` whose values are names in a file: 1e5 may be one


def validate(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with every default filled in.

    Raises ConfigError, naming key, value and what would be right, for all mistakes found at once.
    """
    _refuse(_names_that_are_no_text(config))
    config = {
        key: value if key == "message" else mapped(value, _number, NAMES_OF_DATA)
        for key, value in config.items()
    }
    _refuse(_not_finite(config))  # .nan is neither above nor below any limit of the schema
    _refuse(against_schema(config))
    complete = _with_plain_paths(with_defaults(config, schema()))
    _refuse([*_cross_references(complete), *wrong_inputs(complete), *wrong_points(complete)])
    merge = complete["merge"] | {"weights": _weights(complete)}
    return mapped(complete | {"merge": merge}, whole)


def _weights(config: dict[str, Any]) -> list[float] | str | None:
    """The weights of the merge; trainings as a list, or as null where it is the same."""
    merge = config["merge"]
    if merge["weights"] != "trainings":
        return merge["weights"]
    trainings = [len(config["models"].get(name, {"seeds": [0]})["seeds"]) for name in merge["models"]]
    return trainings if len({*trainings}) > 1 else None


def _number(value: Any) -> Any:
    """1e-5 as a number: PyYAML reads YAML 1.1, which takes 1e-5 for text and wants 1.0e-5."""
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value


def _refuse(mistakes: Iterable[str]) -> None:
    """ConfigError with all mistakes, if there are any."""
    if lines := [f"\n  {mistake}" for mistake in mistakes]:
        raise ConfigError(f"the configuration is wrong:{''.join(lines)}")


def _walk(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """A value and all that is in its mappings and lists, each behind its key as people write it."""
    yield key, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from _walk(item, join_key(key, str(name)))


def _names_that_are_no_text(config: dict[str, Any]) -> Iterator[str]:
    """YAML 1.1 takes yes, no, on and off for truth values, and 7 for a number, even as names of keys.

    After {dropout: 0,2} there is a name without a value, too.
    """
    for key, value in _walk(config):
        for name, item in value.items() if isinstance(value, dict) else ():
            if isinstance(name, str):
                continue
            way_on = "write it in quotes"
            if item is None and type(name) in (int, float):
                way_on += "; or, if it ends a number before it: decimals take a point, as in 0.2"
            yield f"{join_key(key, name)}: YAML reads this name as {in_yaml(name)}; {way_on}"


def _not_finite(config: dict[str, Any]) -> Iterator[str]:
    """Numbers that are not finite: YAML has .nan and .inf."""
    for key, value in _walk(config):
        if isinstance(value, float) and not math.isfinite(value):
            yield f"{key}: {value}, should be a finite number"


def _with_plain_paths(config: dict[str, Any]) -> dict[str, Any]:
    """A complete configuration whose paths have one spelling: without ./ in front, of which Snakemake warns,
    and with the home directory in the place of ~.
    """

    def plain(path: str | None) -> str | None:
        if not path:
            return path
        return str(Path(path).expanduser() if path.startswith("~/") else Path(path))

    data, submission = config["data"], config["submission"]
    return config | {
        "data": data | {key: plain(data[key]) for key in PATHS_OF_DATA},
        "submission": submission | {"sample": plain(submission["sample"])},
        "predict": {name: plain(path) for name, path in config["predict"].items()},
    }


def _cross_references(config: dict[str, Any]) -> Iterator[str]:
    merge, models = config["merge"], config["models"]
    for name, model in models.items():
        yield from (f"models.{name}.{mistake}" for mistake in wrong_model(model))
    files = submission_files()
    for name in merge["models"]:
        path = f"submissions/{name}.csv"
        if name in models:
            if mistake := without_validation(config["validation"], models[name]):
                yield f"models.{name}: {mistake}"
        elif name not in files and os.path.lexists(path):
            yield from unreadable("merge.models", path)
        elif name not in files:
            yield f"merge.models: {name!r} is not defined{suggest(name, [*models, *files])}"
    yield from wrong_submissions(config, files)
    weights = merge["weights"]
    if isinstance(weights, list) and len(weights) != len(merge["models"]):
        yield f"merge.weights: {len(weights)} weights for {len(merge['models'])} models; give one for each"
    fraction, folds = (config["validation"][key] for key in ("fraction", "folds"))
    if weights == "auto" and not fraction and folds == 1:
        yield (
            "merge.weights: auto needs validation rows: set validation.folds to 5, or validation.fraction "
            "above 0"
        )
    for name in config["predict"]:
        if name in ("train", "valid", "test", "oof"):
            yield f"predict.{name}: this name is taken; choose another"
    try:
        competition.check_name(config["data"]["competition"])
    except ConfigError as error:
        yield str(error)
    sample = config["submission"]["sample"]
    if sample and not os.path.lexists(sample):
        yield f"submission.sample: there is no file {sample!r}; if it is in an archive, unpack it"
    elif sample:
        yield from unreadable("submission.sample", sample)
    if config["submission"]["id"] == config["submission"]["label"]:
        yield (
            f"submission: id and label are both {config['submission']['id']!r}, but the header of a "
            "submission has a name for each; write the two that the competition wants"
        )
    if config["data"]["image"]["planar"] and config["data"]["image"]["channels"] != 3:
        yield "data.image.planar: only colour images have planes; write channels: 3 beside it, or remove it"
    yield from _meaningless(config)
    if "merged" in models:
        yield "models.merged: this name is taken by the merged submission; choose another"


def _meaningless(config: dict[str, Any]) -> Iterator[str]:
    """Keys about the columns of a CSV if none is read, neither as the source nor to predict."""
    data, source = config["data"], config["data"]["source"]
    if source not in ("folder", "idx"):
        return
    if data["labels_csv"]:
        yield f"data.labels_csv: the source {source} has labels of its own; leave this key out"
    told = [f"image.{side}" for side in ("height", "width") if data["image"][side] != "auto"]
    properties = schema()["properties"]["data"]["properties"]
    told += ["image.planar"] if data["image"]["planar"] else []
    told += ["columns"] if without_defaults(data["columns"], properties["columns"]) else []
    for key in told if not config["predict"] else ():
        yield f"data.{key}: the source {source} has no columns, and images of known size; leave this key out"
