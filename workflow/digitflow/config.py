"""The configuration: checked against its schema, completed with defaults, cross-references followed.

The schema is workflow/schemas/config.schema.yaml; its model part and its lists of names come from the code:
from the fields of `Settings` and from the registries of networks and merge methods. The Snakefile imports
this module on every run, so it imports nothing large that Snakemake has not imported already.
"""

import contextlib
import ctypes.util
import difflib
import fnmatch
import functools
import hashlib
import inspect
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from digitflow.base import answers
from digitflow.base.archives import check_readable, split_member
from digitflow.base.errors import ConfigError, InputError
from digitflow.competing import competition
from digitflow.dataset import applied, locations
from digitflow.formats.corrections import HEADER
from digitflow.merging.methods import MERGE_METHODS
from digitflow.models.registry import FRAMEWORKS
from digitflow.studies.points import points
from digitflow.training import builds, device, schedule
from digitflow.training.settings import json_schema

if TYPE_CHECKING:
    import jsonschema

SCHEMA = Path(__file__).parents[1] / "schemas" / "config.schema.yaml"
ENVIRONMENTS = SCHEMA.parents[1] / "envs"
CLONE = SCHEMA.parents[2]
GPU_CHOICE = CLONE / ".venvs" / "gpu.mk"  # written by `make gpu`, and read by the Makefile, too
EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
# The columns of a study's table beside its axes.
COLUMNS = {"seeds", "parameters", "trained_epochs", "seconds", "status", "device"} | {
    f"{part}_accuracy" for part in ("train", "valid", "test")
}
FOLDER = re.compile(r"[\w.+-]+")
# Files in submissions/ that look like submissions but are not read.
LIKE_SUBMISSIONS = re.compile(r"[^.].*\.(csv|csv\.\w+|zip|tsv|xlsx)", re.IGNORECASE)
# Files of labels that models have predicted.
MADE_LABELS = (
    *("results/submission.csv", "results/submissions/*.csv", "results/predictions/*.csv"),
    *("results/runs/*", "results/kaggle/*"),
)
PATHS_OF_DATA = ("train_csv", "test_csv", "solution_csv", "labels_csv", "folder", "corrections")
NAMES_OF_DATA = ("classes", "columns")  # keys of `data` whose values are names in a file: 1e5 may be one
# What the schema's types are called in YAML, by people.
KINDS = {
    "object": "a section",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
DIGITS, DIGIT_RECOGNIZER = 10, "digit-recognizer"
KAGGLE_FOLDER = "data/kaggle"


def validate(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with every default filled in.

    Raises ConfigError, naming key, value and what would be right, for all mistakes found at once.
    """
    rules = schema()
    if mistakes := [*_names_that_are_no_text(config)]:
        raise ConfigError(_listed(mistakes))
    config = {
        key: value if key == "message" else _mapped(value, _number, NAMES_OF_DATA)
        for key, value in config.items()
    }
    if mistakes := [*_not_finite(config)]:  # .nan is neither above nor below any limit of the schema
        raise ConfigError(_listed(mistakes))
    if mistakes := _against_schema(config, rules):
        raise ConfigError(_listed(mistakes))
    complete = _with_home(_with_defaults(config, rules, rules["$defs"]))
    mistakes = [
        *_cross_references(complete),
        *_braces(complete),
        *_forgotten_source(complete["data"]),
        *_same_columns(complete["data"]),
        *_missing_files(complete["data"]),
        *_unreadable_predictions(complete["predict"]),
        *_wrong_corrections(complete["data"]["corrections"]),
        *_wrong_points(complete, rules),
    ]
    if mistakes:
        raise ConfigError(_listed(mistakes))
    return _mapped(complete, _plain)  # JSON Schema accepts 5.0 as an integer; Python's range does not


def load(files: Sequence[str | os.PathLike] = ()) -> dict[str, Any]:
    """The configuration without Snakemake: the defaults with files laid over them. Raises ConfigError like
    `validate`.
    """
    from snakemake.utils import update_config

    config = yaml.safe_load((CLONE / "config" / "config.yaml").read_text())
    for path in files:
        update_config(config, load_file(path))
    return validate(config)


def load_file(path: str | os.PathLike) -> dict[str, Any]:
    """The keys and values of a configuration file. ConfigError says what is wrong with it, and where."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        found = yaml.safe_load(text)
    except FileNotFoundError:
        others = sorted(other.name for other in path.parent.glob("*.y*ml"))
        raise ConfigError(f"{path}: there is no such file{_suggest(path.name, others, 'files')}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        raise ConfigError(_explain_yaml(path, error)) from None
    if not isinstance(found, dict):
        raise ConfigError(
            f"{path}: no keys at the top level; write those that differ from the defaults, such as "
            "data: {source: kaggle}"
        )
    _check_keys(path, yaml.compose(text, Loader=yaml.SafeLoader))
    return found


def check_keys(files: Sequence[str | os.PathLike]) -> None:
    """ConfigError: a key is twice in one place of a file; Snakemake would use only the last of them."""
    for path in files:
        # Snakemake has read them and reported what is not YAML; its files may be JSON, too.
        with contextlib.suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
            _check_keys(path, yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader))


def _check_keys(path: str | os.PathLike, node: yaml.Node | None, place: str = "") -> None:
    """ConfigError: a mapping of the document has a key twice. `place`: where in the document the node is."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            name, line = _join(place, key.value), key.start_mark.line + 1
            if key.value in lines:
                raise ConfigError(
                    f"{path}, line {line}: {name} is written a second time, after line "
                    f"{lines[key.value]}, and only the last one would count; keep the one that you mean"
                )
            lines[key.value] = line
            _check_keys(path, value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(path, item, place)


def models(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All models of a valid configuration by name, the points of studies as `<study>/<point>`.

    Each has two more keys: `data`, own or official, and `module`, the module of models/ with its network.
    """
    definitions = schema()["$defs"]
    found = {name: {**model, "data": "own"} for name, model in config["models"].items()}
    for name, study in config["studies"].items():
        for point in points(study):
            model = _with_defaults(point.model, definitions["model"], definitions)
            found[f"{name}/{point.name}"] = {**model, "data": study["data"]}
    for model in found.values():
        model["module"] = FRAMEWORKS[model["framework"]][model["architecture"]]
    return found


def settings_text(model: dict[str, Any]) -> str:
    """The hyper-parameters of a model that differ from their defaults, as JSON in one canonical form.

    So a default that is written out, a key that is new in the schema, or another order of keys trains
    nothing again.
    """
    properties = json_schema()["properties"]
    given = {name: value for name, value in model.items() if name in properties or name == "module"}
    if options := given.get("schedule_options"):
        defaults = _schedule_defaults(given.get("schedule", properties["schedule"]["default"]))
        given["schedule_options"] = {
            name: value
            for name, value in options.items()
            if canonical(value) != canonical(defaults.get(name))
        }
    changed = {
        name: _without_defaults(value, properties.get(name, {}))
        for name, value in given.items()
        if canonical(value) != canonical(properties.get(name, {}).get("default"))
    }
    return canonical({name: value for name, value in changed.items() if value != {} or name == "prune"})


def _schedule_defaults(name: str) -> dict[str, float]:
    """The options of the schedule of that name with their defaults."""
    options = list(inspect.signature(schedule.SCHEDULES[name]).parameters.values())[3:]
    return {option.name: option.default for option in options}


def canonical(value: Any, ordered: bool = False) -> str:
    """A value as JSON, the same however it was written: keys sorted (unless `ordered`), 1.0 as 1."""
    return json.dumps(_mapped(value, _plain), sort_keys=not ordered, ensure_ascii=False)


def literal(text: str) -> str:
    """A text escaped for Snakemake's shell commands, which take single braces for a placeholder."""
    return text.replace("{", "{{").replace("}", "}}")


def clone_digest(path: str | os.PathLike) -> str:
    """A digest of a file of the clone, or of all files in a folder: a param of rules that depend on it."""
    files = sorted(Path(path).iterdir()) if Path(path).is_dir() else [Path(path)]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def check_folder(clone: str | os.PathLike, data: dict[str, Any], configured: bool = True) -> None:
    """Refuse a clone in a folder from which no job could be started, and a project without its configuration:
    `configured` says whether one was given. `data`: that section of it. ConfigError says why.
    """
    elsewhere = Path.cwd() != Path(clone).resolve()
    # Without it, MNIST would be converted and trained on instead of the project's own data.
    if elsewhere and not configured:
        if found := _files_with(".", ".yaml", ".yml"):
            raise ConfigError(
                f"{found[0]} is in this folder, but no configuration is given; add --configfile "
                f"{shlex.quote(found[0])} after the targets, if there are any"
            )
        if data["source"] == "mnist" and (own := _own_images()):
            path, lines = own
            raise ConfigError(
                f"{path} is in this folder, but no configuration is given; write data: {lines} into "
                "mine.yaml, and add --configfile mine.yaml after the targets, if there are any; or, if you "
                "mean MNIST, --config 'data={source: mnist}'"
            )
    if ":" in str(clone):
        raise ConfigError(
            f"{clone}: this path has a colon, which separates the folders of PATH; move the clone to a path "
            "without one"
        )


def unread_competition(data: dict[str, Any], given: dict[str, Any]) -> str | None:
    """A line for the user if the competition's files are present, but MNIST is trained, because nothing else
    was `given`: what the command line and its files say.
    """
    section = given.get("data")
    if data["source"] != "mnist" or (isinstance(section, dict) and "source" in section):
        return None
    if not (path := _competition_csv()):
        return None
    return (
        f"warning: {path} is not read, because data.source is mnist; to read it, write "
        "data: {source: kaggle} into a file that --configfile names; to train on MNIST without this warning, "
        "data: {source: mnist}"
    )


def _own_images() -> tuple[str, str] | None:
    """A CSV in the project's folder that is named like training data, and the section `data` that reads it.

    Any other CSV may be a table of results, or a file downloaded from the page to look at images.
    """
    names = _files_with(".", ".csv")
    if trains := [name for name in names if "train" in name.lower()]:
        named = f", train_csv: {json.dumps(trains[0], ensure_ascii=False)}"
        if tests := [name for name in names if "test" in name.lower() and name not in trains]:
            named += f", test_csv: {json.dumps(tests[0], ensure_ascii=False)}"
        return trains[0], f"{{source: files{named}}}"
    if path := _competition_csv():
        return str(path), "{source: kaggle}"
    return None


def _competition_csv() -> Path | None:
    """The competition's training CSV, put there by a person or a download; None if it is missing."""
    try:
        path = Path(locations.find_csv(KAGGLE_FOLDER, "train.csv"))
    except InputError:  # a damaged archive
        return None
    return path if _exists(str(path)) else None


def _files_with(folder: str | os.PathLike, *endings: str) -> list[str]:
    """The names in a folder, except hidden ones, that have one of these endings in upper or lower case."""
    return sorted(path.name for path in Path(folder).glob("[!.]*") if path.suffix.lower() in endings)


def device_of(config: dict[str, Any], model: dict[str, Any]) -> str:
    """What a model should be trained on, auto, cpu or gpu: its own choice, else that of the configuration."""
    return model["device"] or config["device"]


def may_use_gpu(config: dict[str, Any], model: dict[str, Any]) -> bool:
    """Whether a job of a model must claim the GPU: by default one job at a time uses it."""
    builds_for_gpu = {"keras": True, "mxnet": builds.read(GPU_CHOICE).mxnet != builds.MXNET_ON_CPUS}
    wanted = device_of(config, model) != "cpu" and builds_for_gpu.get(model["framework"], False)
    return wanted and device.has_driver()


def mxnet_lock() -> Path:
    """The pins of MXNet's environment: those for CPUs, or those that `make gpu` chose."""
    return ENVIRONMENTS / f"{builds.read(GPU_CHOICE).mxnet}.lock.txt"


def mxnet_versions() -> str:
    """The pinned versions in MXNet's environment that can change its trainings and predictions."""
    pins = re.findall(r"^(?:mxnet|numpy|opencv|nvidia)\S*==\S+", mxnet_lock().read_text(), re.MULTILINE)
    return ", ".join(pin.replace("==", " ") for pin in pins)


def keras_versions(requested: str) -> str:
    """The installed versions that can change Keras' trainings and predictions on a device, including that of
    its backend.
    """
    for_gpus = () if requested == "cpu" else tuple(device.cuda_builds())
    return _versions("keras", device.keras_backend(requested), "numpy", "opencv-python-headless", *for_gpus)


def numpy_versions() -> str:
    """The installed versions that can change numpy's trainings and predictions."""
    return _versions("numpy", "opencv-python-headless")


@functools.cache
def _versions(*packages: str) -> str:
    return ", ".join(
        f"{package} {device.installed_version(package) or 'not installed'}" for package in packages
    )


def stale_environment() -> str | None:
    """A line for the user if the installed packages are not the pinned ones; None if they are, or if that is
    not known.

    `make` keeps a copy of the pins that it installed in the environment.
    """
    installed = Path(sys.prefix, "main.installed")
    names = filter(None, ("main", builds.read(GPU_CHOICE).keras))
    pinned = b"".join((ENVIRONMENTS / f"{name}.lock.txt").read_bytes() for name in names)
    if not installed.exists() or installed.read_bytes() in (b"", pinned):
        return None
    return (
        "warning: the installed packages are not the pinned ones; to install those: make .venv/main.installed"
    )


def idle_gpu(config: dict[str, Any]) -> str | None:
    """A line for the user if there is a driver for a GPU, but nothing installed that could use it."""
    wanted = any(device_of(config, model) != "cpu" for model in config["models"].values())
    if not wanted or not device.has_driver() or GPU_CHOICE.exists() or "KERAS_BACKEND" in os.environ:
        return None
    cudnn = ctypes.util.find_library("cudnn") or device.installed_version("nvidia-cudnn-cu12")
    if device.has_cuda_jax() or cudnn:  # which TensorFlow may use
        return None
    return (
        "warning: this machine has an NVIDIA driver, but nothing is installed that can use a GPU, so models "
        "train on the CPU; to use the GPU: make gpu; to train on the CPU without this warning: device: cpu"
    )


def _mapped(value: Any, change: Callable[[Any], Any], but: Collection[str] = ()) -> Any:
    """A value with `change` applied to all items of its mappings and lists, `but` those under these keys."""
    if isinstance(value, dict):
        return {key: item if key in but else _mapped(item, change, but) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, change, but) for item in value]
    return change(value)


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_defaults(value: Any, schema: dict) -> Any:
    """An object without the keys that have their default's value; anything else as it is."""
    properties = schema.get("properties")
    if not properties or not isinstance(value, dict):
        return value
    return {
        name: item
        for name, item in value.items()
        if "default" not in properties.get(name, {})
        or canonical(item) != canonical(properties[name]["default"])
    }


def typed(config: dict[str, Any], arguments: Sequence[str] = ()) -> dict[str, Any]:
    """The values of Snakemake's --config with their types: within braces and brackets it hands on only text.

    A message is the text that was typed. Snakemake takes 1.10 for a number, and `fix: two` for a mapping, so
    the message is looked up in the command line's `arguments`. ConfigError: another text is not YAML.
    """
    found = {key: _mapped(value, _typed) for key, value in config.items() if key != "message"}
    if "message" in config:
        words = [word.removeprefix("--config=") for word in arguments]
        texts = [word.removeprefix("message=") for word in words if word.startswith("message=")]
        found["message"] = _message(texts[-1]) if texts else _message(config["message"])
    return found


def check_wish_is_typed(config: dict[str, Any], arguments: Sequence[str]) -> None:
    """ConfigError: a file, and not the command line's `arguments`, asks for a submission."""
    if config["submit"] and not any(re.match(r"(--config=|-C=?)?submit=", word) for word in arguments):
        raise ConfigError(
            "submit: a configuration file or a profile asks for a submission; only the command line may, so "
            "that none is sent by accident; delete that line, and type --config submit=yes to submit"
        )


def _typed(value: Any) -> Any:
    try:
        return yaml.safe_load(value) if isinstance(value, str) else value
    except yaml.YAMLError as error:
        raise ConfigError(_explain_yaml(f"--config, {value!r}", error)) from None


def _message(value: Any) -> Any:
    """A message as text, without quotes around all of it: the shell keeps those within its own quotes."""
    if value is None or value in ("", "null", "~"):
        return None
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return _typed(value)
    return value


@functools.cache
def schema() -> dict:
    """The JSON Schema of the configuration, its model part and lists of names filled in from the code."""
    rules = yaml.load(SCHEMA.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    rules["properties"]["merge"]["properties"]["method"]["enum"] = list(MERGE_METHODS)
    model = rules["$defs"]["model"]
    model["properties"]["framework"]["enum"] = list(FRAMEWORKS)
    settings = json_schema()
    model["properties"] |= settings["properties"]
    model["required"] += settings["required"]
    return rules


def _number(value: Any) -> Any:
    """1e-5 as a number: PyYAML reads YAML 1.1, which takes 1e-5 for text and wants 1.0e-5."""
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value


def _names_that_are_no_text(value: Any, key: str = "") -> Iterator[str]:
    """YAML 1.1 takes yes, no, on and off for truth values, and 7 for a number, even as names of keys."""
    if isinstance(value, list):
        for item in value:
            yield from _names_that_are_no_text(item, key)
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(name, str):
                yield from _names_that_are_no_text(item, _join(key, name))
            else:
                yield f"{_join(key, name)}: YAML reads this name as {_as_yaml(name)}; write it in quotes"


def _not_finite(value: Any, key: str = "") -> Iterator[str]:
    """Numbers that are not finite: YAML has .nan and .inf."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{key}: {value}, should be a finite number"
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from _not_finite(item, _join(key, str(name)))


def _against_schema(config: dict[str, Any], rules: dict) -> list[str]:
    """What is wrong with a configuration according to the schema.

    What it allowed before is remembered: loading jsonschema takes longer than all other checks at the start.
    """
    question = [config, rules]
    if answers.known_answer("configuration-allowed", question):
        return []
    # No line twice: if several keys are missing, each error names them all.
    mistakes = [*dict.fromkeys(_explain(error) for error in _validator(rules).iter_errors(config))]
    if not mistakes:
        answers.keep_answer("configuration-allowed", question, True)
    return mistakes


def _validator(rules: dict) -> "jsonschema.Draft202012Validator":
    import jsonschema

    return jsonschema.Draft202012Validator(rules)


def _listed(mistakes: list[str]) -> str:
    return "the configuration is wrong:\n" + "\n".join(f"  {mistake}" for mistake in mistakes)


def _explain(error: "jsonschema.ValidationError") -> str:
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
            kinds = [KINDS[kind] for kind in ([wanted] if isinstance(wanted, str) else wanted)]
            quotes = '; write text in quotes: message: "fix: two"' if key == "message" else ""
            return f"{key}: {_as_yaml(found)}, should be {' or '.join(kinds)}{quotes}"
        case "anyOf":
            inside = max(error.context, key=lambda one: len(one.absolute_path))
            if len(inside.absolute_path) > len(error.absolute_path):  # one item of a list or section
                return _explain(inside)
            return f"{key}: {_as_yaml(found)} is not allowed here ({error.schema.get('description')})"
        case "exclusiveMinimum":
            return f"{key}: {_as_yaml(found)}, should be above {error.validator_value}"
        case "enum":
            known = [one if isinstance(one, str) else _as_yaml(one) for one in error.validator_value]
            return f"{key}: {_as_yaml(found)}, should be one of {', '.join(known)}"
        case "pattern":
            return (
                f"{key}: the name {found!r} should consist of letters, digits and _, and begin with a letter"
            )
        case _:
            return f"{key}: {error.message} ({error.schema.get('description', error.validator)})"


def _as_yaml(value: Any) -> str:
    """A value as it can be written in YAML: null and true, not None and True."""
    if isinstance(value, str):
        return repr(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:  # a date, for example, which YAML has and JSON has not
        return str(value)


def _explain_yaml(what: str | os.PathLike, error: yaml.YAMLError) -> str:
    """Say in one line at which place a text is not valid YAML, and what to look for."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"{what}: not valid YAML: {' '.join(str(error).split())}"
    begin, place = error.context_mark, error.problem_mark
    since = f", {error.context} that begins on line {begin.line + 1}" if begin else ""
    return (
        f"{what}, line {place.line + 1}, column {place.column + 1}: not valid YAML: {error.problem}{since}; "
        "indent with spaces, not tabs, and close every bracket and quote"
    )


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else str(name)


def _suggest(name: str, known: list[str], kind: str = "keys") -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; the {kind} here are {', '.join(known) or 'none'}"


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


def _with_home(config: dict[str, Any]) -> dict[str, Any]:
    """A complete configuration with ~ at the start of its paths replaced by the home directory."""

    def expanded(path: str | None) -> str | None:
        return str(Path(path).expanduser()) if path and path.startswith("~/") else path

    data, submission = config["data"], config["submission"]
    return config | {
        "data": data | {key: expanded(data[key]) for key in PATHS_OF_DATA},
        "submission": submission | {"sample": expanded(submission["sample"])},
        "predict": {name: expanded(path) for name, path in config["predict"].items()},
    }


def _wrong_model(model: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a model that the schema allows, be it one of `models` or a point of a study."""
    yield from _wrong_architecture(model)
    yield from _wrong_hidden(model)
    yield from _ignored(model)


def _wrong_architecture(model: dict[str, Any]) -> Iterator[str]:
    framework, architecture = model["framework"], model["architecture"]
    known = FRAMEWORKS[framework]
    if architecture not in known:
        yield f"architecture: {architecture!r} is not one of {framework}'s: {', '.join(known)}"


def _comes_to_0(name: str, options: dict[str, Any]) -> bool:
    """Whether a schedule's rate is 0 at some step; mistakes in its options are reported elsewhere."""
    steps = 100
    try:
        rate = schedule.make(name, steps, steps // 10, 1.0, **options)
    except ConfigError:
        return False
    return any(rate(step) == 0 for step in range(steps))


def _wrong_hidden(model: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the hidden layers of `mlp`: numbers of units, for numpy and Keras alike."""
    hidden = model.get("network", {}).get("hidden", []) if model.get("architecture") == "mlp" else []
    if not isinstance(hidden, list) or not all(type(_plain(units)) is int and units > 0 for units in hidden):
        yield f"network.hidden: {_as_yaml(hidden)}, should be a list of numbers of units, such as [800]"


def _ignored(model: dict[str, Any]) -> Iterator[str]:
    """What a model's framework would silently ignore, or refuse only when the training begins."""
    framework, augment = model["framework"], model.get("augment", {})
    if framework == "mxnet" and augment.get("part", 1) != 1:
        yield "augment: part is for keras and numpy; MXNet warps all images"
    if framework == "mxnet" and (augment.get("elastic") or augment.get("erase")):
        yield "augment: elastic and erase are for keras and numpy"
    if (
        framework == "mxnet"
        and model.get("optimizer") == "ftrl"
        and model.get("schedule", "one_cycle") not in ("constant", "plateau")
    ):
        yield "optimizer: ftrl divides by the rate, and this schedule takes it to 0: set schedule: constant"
    if (
        framework == "keras"
        and model.get("optimizer") == "ftrl"
        and _comes_to_0(model.get("schedule", "one_cycle"), model.get("schedule_options", {}))
    ):
        yield (
            "optimizer: ftrl divides by the rate, and this schedule takes it to 0: set schedule: constant, "
            "or schedule_options: {min_lr: 0.0001}"
        )
    if framework == "mxnet" and model.get("architecture") == "mlp_module" and model.get("label_smoothing"):
        yield "label_smoothing: mlp_module has its own loss, without smoothing; set it to 0"
    if framework != "keras" and model.get("precision", "auto") == "bfloat16":
        yield "precision: bfloat16 is for keras only"
    if framework == "numpy" and model.get("device") == "gpu":
        yield "device: gpu is for keras and mxnet; numpy computes on the CPU"
    if framework == "numpy" and not model.get("deterministic", True):
        yield "deterministic: false is for keras and mxnet; numpy always gives the same bytes"
    if framework != "mxnet" and model.get("raw_pixels"):
        yield "raw_pixels: true is for mxnet only"
    try:
        schedule.make(model.get("schedule", "one_cycle"), 1, 1, 1.0, **model.get("schedule_options", {}))
    except ConfigError as error:
        yield str(error)
    if framework == "numpy" and model.get("optimizer", "adam") not in ("adam", "sgd"):
        yield f"optimizer: {model['optimizer']!r}, should be adam or sgd for numpy"


def _wrong_points(config: dict[str, Any], schema: dict) -> Iterator[str]:
    """What is wrong with the models that studies combine; for each study, its first wrong point."""
    if not config["studies"]:  # loading jsonschema takes longer than all other checks
        return
    validator = _validator({**schema["$defs"]["model"], "$defs": schema["$defs"]})
    for name, study in config["studies"].items():
        if name in config["models"]:
            yield f"studies.{name}: a model has this name, too; choose another"
        variants = points(study)
        names = [point.name for point in variants]
        axes = [key.rpartition(".")[2] for key in study["vary"]]
        if len({*names}) < len(names) or len({*axes}) < len(axes):
            yield f"studies.{name}.vary: two axes, or two values of one, have the same name"
            continue
        first = variants[0]
        if "learning_rate" in study["figures"] and first.model.get("framework") != "keras":
            yield f"studies.{name}.figures: learning_rate is for keras only, and {first.name} is not keras"
        for point in variants:
            mistakes = [*dict.fromkeys(_explain(error) for error in validator.iter_errors(point.model))]
            mistakes = mistakes or [*_wrong_model(point.model)]
            mistakes += [
                f"{axis}: {value!r} becomes the name of a folder; use only letters, digits and ._+-"
                for axis, value in point.values.items()
                if not FOLDER.fullmatch(value)
            ]
            mistakes += [f"{axis}: the table has a column of this name" for axis in {*point.values} & COLUMNS]
            if study["data"] == "official" and point.model.get("framework") == "mxnet":
                mistakes.append("data: official is for keras and numpy only")
            if mistakes:
                yield f"studies.{name}: {point.name}: {'; '.join(mistakes)}"
                break


def _cross_references(config: dict[str, Any]) -> Iterator[str]:
    merge, models = config["merge"], config["models"]
    for name, model in models.items():
        yield from (f"models.{name}.{mistake}" for mistake in _wrong_model(model))
    files = submission_files()
    for name in merge["models"]:
        path = f"submissions/{name}.csv"
        if name not in models and name not in files and os.path.lexists(path):
            yield from _unreadable("merge.models", path)
        elif name not in models and name not in files:
            yield f"merge.models: {name!r} is not defined{_suggest(name, [*models, *files])}"
    yield from _wrong_files(config, files)
    weights = merge["weights"]
    if isinstance(weights, list) and len(weights) != len(merge["models"]):
        yield f"merge.weights: {len(weights)} weights for {len(merge['models'])} models; give one for each"
    for name in merge["models"]:
        if name in models and (mistake := without_validation(config["validation"], models[name])):
            yield f"models.{name}: {mistake}"
    fraction, folds = (config["validation"][key] for key in ("fraction", "folds"))
    if weights == "auto" and not fraction and folds == 1:
        yield "merge.weights: auto needs validation rows: set validation.folds to 5, or validation.fraction"
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
    told += ["columns"] if _without_defaults(data["columns"], properties["columns"]) else []
    for key in told if not config["predict"] else ():
        yield f"data.{key}: the source {source} has no columns, and images of known size; leave this key out"


def without_validation(validation: dict[str, Any], model: dict[str, Any]) -> str | None:
    """What is wrong with a model that looks at validation rows if there are none; None: nothing."""
    looks = model.get("patience") or model.get("prune") or model.get("schedule") == "plateau"
    if validation["fraction"] or validation["folds"] > 1 or not looks:
        return None
    return (
        "patience, prune and the schedule plateau need validation rows, but validation.fraction is 0; set it "
        "above 0, or leave them out"
    )


def submission_files() -> dict[str, str]:
    """The user's submission files by name: the CSVs in submissions/ that can be read."""
    paths = sorted(Path("submissions").glob("*.csv"))
    return {path.stem: str(path) for path in paths if not _fault_of_file(path)}


def ignored_submissions() -> Iterator[str]:
    """The files in submissions/ that look like submissions but are not read, each with the reason."""
    for path in sorted(Path("submissions").glob("*")):
        if path.suffix == ".csv":
            if fault := _fault_of_file(path):
                yield fault
        elif LIKE_SUBMISSIONS.fullmatch(path.name):
            yield f"{path}: only files named NAME.csv are read"


def _wrong_files(config: dict[str, Any], files: dict[str, str]) -> Iterator[str]:
    """What is wrong with the files that merge.models names."""
    merge = config["merge"]
    for name in files:
        if name in (*config["models"], "merged"):
            whose = "of the merge" if name == "merged" else "of a model"
            yield f"{files[name]}: {name} is the name {whose}; give the file another name"
    named = [name for name in merge["models"] if name in files and name not in config["models"]]
    if not named:
        return
    bare = [name for name in named if not Path("submissions", f"{name}_probabilities.npy").exists()]
    if bare and merge["method"] != "vote":
        yield (
            f"merge.method: {merge['method']} needs probabilities, but {', '.join(bare)} has only labels; "
            f"write `method: vote`, or add submissions/{bare[0]}_probabilities.npy"
        )
    if merge["weights"] == "auto":
        yield (
            f"merge.weights: auto needs predictions of validation rows, but {', '.join(named)} has none; "
            "give each model a weight"
        )
    if config["predict"]:
        yield (
            f"predict: {', '.join(named)} in merge.models has no labels for further images; leave it out of "
            "merge.models, or leave out predict"
        )


def csv_paths(data: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """The paths of the training images, of the test images if there are any, and of the solution if it is
    known.

    For the source folder the images' paths are folders; for idx they are IDX files, and the solution that of
    the test images' labels. A path may be ARCHIVE.zip/NAME.
    """
    folder = data["folder"] if data["source"] in ("folder", "idx") else f"data/{data['source']}"
    match data["source"]:
        case "files":
            return data["train_csv"], data["test_csv"], data["solution_csv"]
        case "kaggle":
            train, test = (str(locations.find_csv(folder, f"{part}.csv")) for part in ("train", "test"))
            return train, test, data["solution_csv"]
        case "folder":
            test = f"{folder}/test" if Path(folder, "test").is_dir() else None
            return f"{folder}/train", test, data["solution_csv"]
        case "idx":
            train, _ = locations.find_idx(folder, "train")
            has_test = locations.idx_files(folder, "test", "images")
            test, labels = locations.find_idx(folder, "test") if has_test else (None, None)
            solution = data["solution_csv"] or labels
            return tuple(path and str(path) for path in (train, test, solution))
    return f"{folder}/train.csv", f"{folder}/test.csv", f"{folder}/solution.csv"


def no_test_set(data: dict[str, Any]) -> str:
    """What to say if something needs a test set, but the data have none: what was looked for, and what is
    there instead.
    """
    folder = data["folder"]
    match data["source"]:
        case "folder":
            there = [path.name for path in Path(folder).iterdir() if path.is_dir() and path.name != "train"]
            why = f"{folder} has no folder test{_beside(there)}; put its images into {folder}/test"
        case "idx":
            names = " or ".join(f"{name}-images-idx3-ubyte" for name in locations.TEST_NAMES)
            files = (path.name for path in Path(folder).iterdir())
            there = [name for name in files if any(part in name.lower() for part in locations.TEST_NAMES)]
            way = "rename its file" if there else "put the file there"
            why = f"{folder} has no {names}, packed with gzip or not{_beside(there)}; {way}"
        case _:
            why = "set data.test_csv to the path of its CSV"
    return f"there is no test set to predict: {why}"


def _beside(names: list[str]) -> str:
    """What is there instead of what was looked for, in brackets."""
    names = [name for name in sorted(names) if not locations.LEFT_BEHIND.fullmatch(name)]
    return f" (there is {', '.join(names)})" if names else ""


def labels_path(data: dict[str, Any]) -> str | None:
    """The file of the training labels, if they are not in that of the images; else None."""
    if data["source"] == "idx":
        return str(locations.find_idx(data["folder"], "train")[1])
    return data["labels_csv"]


def packed(path: str | None) -> tuple[str | None, str]:
    """The file of a path and, if that file is an archive, the name of the member in it, else ""."""
    file, name = split_member(path) if path else (None, None)
    return file and str(file), name or ""


def reading(data: dict[str, Any]) -> str:
    """The keys of `data` that say how images are read, if they differ from their defaults, as JSON."""
    properties = schema()["properties"]["data"]["properties"]
    changed = {}
    for key in ("image", "columns", "values", "invert", "classes", "labels_csv"):
        value = _without_defaults(data[key], properties[key])
        if canonical(value) != canonical(properties[key]["default"]):
            changed[key] = value
    if data["source"] in ("folder", "idx"):
        changed["source"] = data["source"]
    if data["classes"] == "auto" and _has_digits(data):
        changed["classes"] = DIGITS
    return canonical(changed)


def _braces(config: dict[str, Any]) -> Iterator[str]:
    """Paths that Snakemake would take for patterns: braces in its input files cannot be escaped."""
    paths = {f"data.{key}": value for key, value in config["data"].items() if isinstance(value, str)}
    paths |= {f"predict.{name}": path for name, path in config["predict"].items()}
    paths["submission.sample"] = config["submission"]["sample"] or ""
    paths |= {f"submissions: {name}": path for name, path in submission_files().items()}
    for key, path in paths.items():
        if {*"{}"} & {*path}:
            yield f"{key}: {path!r}: Snakemake takes braces for a pattern; rename the file, or link to it"


def _has_digits(data: dict[str, Any]) -> bool:
    """Whether the images are known to be the ten digits, even if one digit does not occur in a part."""
    return data["source"] == "mnist" or (data["source"], data["competition"]) == ("kaggle", DIGIT_RECOGNIZER)


def _forgotten_source(data: dict[str, Any]) -> Iterator[str]:
    """Catch someone who names files but forgets `source`, before they wait for models of MNIST."""
    for key, sources in (
        *((key, ["files"]) for key in ("train_csv", "test_csv")),
        ("folder", ["folder", "idx"]),
        *((key, ["files", "kaggle", "folder", "idx"]) for key in ("solution_csv", "labels_csv")),
    ):
        if data[key] is not None and data["source"] not in sources:
            yield (
                f"data.{key}: {data[key]!r} is not read, because data.source is {data['source']}; write "
                f"source: {sources[0]} beside it, or leave {key} out"
            )


def _same_columns(data: dict[str, Any]) -> Iterator[str]:
    """One column or one file used for two things."""
    label, id_ = (data["columns"][key] for key in ("label", "id"))
    if label == id_ and isinstance(label, str) and label != "auto":
        yield f"data.columns: label and id are both {label!r}; one column cannot be both; leave one out"
    if data["source"] == "files" and data["test_csv"] and data["test_csv"] == data["train_csv"]:
        yield (
            f"data.test_csv: {data['test_csv']!r} is the training CSV, too: the models would be scored on "
            "images that they have learned; leave it out, because validation has rows of its own"
        )
    solution = data["solution_csv"]
    if solution and any(fnmatch.fnmatch(os.path.relpath(solution), made) for made in MADE_LABELS):
        yield (
            f"data.solution_csv: {solution!r} is made by the models, which would be scored against their own "
            "answers; name a file of labels that are known to be right, or leave it out"
        )


def _missing_files(data: dict[str, Any]) -> Iterator[str]:
    if data["source"] in ("folder", "idx") and not (data["folder"] and Path(data["folder"]).is_dir()):
        folder = _as_yaml(data["folder"])
        yield f"data.folder: {folder}, should be a folder, because data.source is {data['source']}"
        return
    if data["source"] == "folder" and not Path(data["folder"], "train").is_dir():
        above = Path(data["folder"]).name == "train"
        there = [path.name for path in Path(data["folder"]).iterdir() if path.name.lower() == "train"]
        way = f"write {Path(data['folder']).parent}" if above else "rename it" if there else "make one"
        yield (
            f"data.folder: {data['folder']!r} has no folder train{_beside(there)}, for train/LABEL/*.png; "
            f"{way}"
        )
        return
    try:
        train_csv, test_csv, solution_csv = csv_paths(data)
    except InputError as error:
        yield f"data.folder: {error}"
        return
    if data["source"] == "mnist":
        return
    if data["source"] == "folder":
        train_csv = test_csv = ""
    if data["source"] == "kaggle":  # what is missing is downloaded
        train_csv, test_csv = (path if _exists(path) else "" for path in (train_csv, test_csv))
    wanted = {"data.train_csv": train_csv} if train_csv != "" else {}
    optional = {"test_csv": test_csv, "solution_csv": solution_csv, "labels_csv": data["labels_csv"]}
    wanted |= {f"data.{key}": path for key, path in optional.items() if path}
    for key, path in wanted.items():
        if path is None:
            yield f"{key}: null, should be the path of a CSV, because data.source is files"
        else:
            yield from _unreadable(key, path)


def _unreadable_predictions(predict: dict[str, str]) -> Iterator[str]:
    """Paths of further images that are neither a folder nor a readable file."""
    for name, path in predict.items():
        if not Path(path).is_dir():
            yield from _unreadable(f"predict.{name}", path)


def _unreadable(key: str, path: str) -> Iterator[str]:
    if not _exists(path):
        yield f"{key}: there is no file {path!r}"
    elif fault := _fault_of_file(path):
        yield f"{key}: {fault}"


def _fault_of_file(path: str | os.PathLike) -> str | None:
    """Why a file cannot be read; None if it can."""
    try:
        check_readable(path)
    except InputError as error:
        return str(error)
    return None


def _wrong_corrections(path: str) -> Iterator[str]:
    """A file of corrections that cannot be read would undo them all; the default one need not exist."""
    key, start = "data.corrections", f"echo {','.join(HEADER)} > {shlex.quote(path)}"
    if os.path.lexists(path):
        if fault := _fault_of_file(path):
            yield f"{key}: {fault}; move it away, or name the file with the corrections"
    elif not applied.same_file(path, applied.DEFAULT):
        yield (
            f"{key}: there is no file {path!r}; to restore one that was lost: "
            f"digitflow restore_corrections{applied.flag(path)}; to begin one: {start}"
        )


def _exists(path: str) -> bool:
    return os.path.lexists(split_member(path)[0])
