"""Read the configuration: from files, and from the command line as it was typed."""

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from digitflow.base.errors import ConfigError
from digitflow.config.checks import validate
from digitflow.config.schema import CLONE, join_key, mapped, suggest

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # six times as fast, where it is there


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
        raise ConfigError(f"{path}: there is no such file{suggest(path.name, others, 'files')}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        raise ConfigError(_explain_yaml(path, error)) from None
    except ValueError as error:  # 2024-13-01 looks like a date to YAML
        raise ConfigError(f"{path}: a value that looks like a date: {error}; write it in quotes") from None
    if not isinstance(found, dict):
        raise ConfigError(
            f"{path}: no keys at the top level; write those that differ from the defaults, such as "
            "data: {source: kaggle}"
        )
    _check_keys(path, yaml.compose(text, Loader=LOADER))
    return found


def check_keys(files: Sequence[str | os.PathLike]) -> None:
    """ConfigError: a key is twice in one place of a file; Snakemake would use only the last of them."""
    for path in files:
        # Snakemake has read them and reported what is not YAML; its files may be JSON, too.
        with contextlib.suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
            _check_keys(path, yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=LOADER))


def _check_keys(path: str | os.PathLike, node: yaml.Node | None, place: str = "") -> None:
    """ConfigError: a mapping of the document has a key twice. `place`: where in the document the node is."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            name, line = join_key(place, key.value), key.start_mark.line + 1
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


def typed(config: dict[str, Any], arguments: Sequence[str] = ()) -> dict[str, Any]:
    """The values of Snakemake's --config with their types: within braces and brackets it hands on only text.

    A message is the text that was typed. Snakemake takes 1.10 for a number, and `fix: two` for a mapping, so
    the message is looked up in the command line's `arguments`. ConfigError: another text is not YAML.
    """
    found = {key: mapped(value, _typed) for key, value in config.items() if key != "message"}
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
    except ValueError as error:  # 2024-13-01 looks like a date to YAML
        raise ConfigError(f"--config, {value!r}: looks like a date: {error}; write it in quotes") from None


def _message(value: Any) -> Any:
    """A message as text, without quotes around all of it: the shell keeps those within its own quotes."""
    if value is None or value in ("", "null", "~"):
        return None
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return _typed(value)
    return value
