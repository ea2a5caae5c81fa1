"""The command line of a verb, made from its signature: for people, and for the rules that call it.

A parameter's annotation says what it is. `Input` and `Output` are files, which a rule has under `input` and
`output`; `list` of them takes any number. `threads` is Snakemake's own. A `Store` is no part of what a rule
says: where it lies makes nothing run again. All others are the rule's `params`: text, numbers, booleans, or
`Json` for a section of the configuration.
"""

import argparse
import functools
import importlib
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from digitflow.verbs import MODULES

Input = Annotated[Path, "input"]
Output = Annotated[Path, "output"]
Json = Annotated[Any, "json"]
Store = Annotated[Any, "store"]  # a folder on the command line, `training.results.Store` for the verb

Verb = Callable[..., int | None]


class Parameter(NamedTuple):
    """One parameter of a verb: `kind` is input, output, params or store; `many` for a list of values."""

    name: str
    kind: str
    type: Callable[[str], Any]
    many: bool
    default: Any

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@functools.cache
def all_verbs() -> dict[str, Verb]:
    """Every verb by its name: the public functions of the verbs' modules."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"digitflow.verbs.{name}")
        functions = inspect.getmembers(module, inspect.isfunction)
        found |= {
            verb: function
            for verb, function in functions
            if function.__module__ == module.__name__ and not verb.startswith("_")
        }
    return found


def module_of(name: str) -> str:
    """The verbs' module, and so the rule file, that a verb stands in."""
    return all_verbs()[name].__module__.rpartition(".")[2]


def parameters(verb: Verb) -> Iterator[Parameter]:
    """The parameters of a verb, as its signature has them."""
    hints = typing.get_type_hints(verb, include_extras=True)
    for name, parameter in inspect.signature(verb).parameters.items():
        hint, many = _without_none(hints[name]), False
        if typing.get_origin(hint) is list:
            (hint,), many = typing.get_args(hint), True
        kind, convert = "params", hint
        if typing.get_origin(hint) is Annotated:
            convert, kind = hint.__origin__, hint.__metadata__[0]
        if kind == "json":
            kind, convert = "params", json.loads
        elif kind == "store":
            convert = str
        elif convert is bool:
            convert = _boolean
        yield Parameter(name, kind, convert, many, parameter.default)


def parse(verb: Verb, arguments: list[str]) -> tuple[dict[str, Any], str | None]:
    """Read a verb's arguments; return them by name, and the path of the log, if one is asked for.

    Words before any flag are those of the required parameters, in order. An optional flag without a value, as
    a rule gives it where it has no such file, is a flag left out.
    """
    parser = argparse.ArgumentParser(
        prog=f"digitflow {verb.__name__}", description=inspect.getdoc(verb), allow_abbrev=False
    )
    parser.add_argument("--log", help="a file that gets a copy of what is printed")
    known = list(parameters(verb))
    for one in known:
        nargs = None if one.required and not one.many else "?"
        action = "append" if one.many else "store"
        parser.add_argument(
            one.flag,
            type=one.type,
            required=one.required,
            nargs=nargs,
            action=action,
            default=argparse.SUPPRESS,
        )
    words = _flags_with_values_joined(_places_named(arguments, known), known)
    given = vars(parser.parse_args(words))
    log = given.pop("log")
    for one in known:
        if one.many and one.name in given:
            given[one.name] = [value for value in given[one.name] if value is not None]
    return {name: value for name, value in given.items() if value is not None}, log


def template(name: str) -> str:
    """The shell text with which a rule calls a verb: `--flag {input.flag:q}` for each of its parameters."""
    verb = all_verbs()[name]
    words = [f"digitflow {name} --log {{log:q}}"]
    for one in parameters(verb):
        if one.kind == "store":
            continue
        value = "threads" if one.name == "threads" else f"{one.kind}.{one.name}:q"
        words.append(f"{one.flag} {{{value}}}")
    return " \\\n    ".join(words)


def outputs(verb: Verb, given: dict[str, Any]) -> list[Path]:
    """The files that a call of a verb is to write."""
    found = []
    for one in parameters(verb):
        if one.kind == "output" and one.name in given:
            found += given[one.name] if one.many else [given[one.name]]
    return found


def _places_named(arguments: list[str], known: list[Parameter]) -> list[str]:
    """The words before the first flag, each behind the flag of a required parameter; a list takes all."""
    end = next((place for place, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    required = [one for one in known if one.required] or known[:1]
    if not end or required[0].many:
        return [required[0].flag, *arguments] if end else arguments
    named = [word for one, word in zip(required, arguments[:end], strict=False) for word in (one.flag, word)]
    return named + arguments[min(end, len(required)) :]


def _flags_with_values_joined(arguments: list[str], known: list[Parameter]) -> list[str]:
    """`--flag value` as `--flag=value`, so that a value may begin with a hyphen, as a file's name can.

    The flag of a list is repeated for each of its values.
    """
    many = {one.flag for one in known if one.many}
    flags = {one.flag for one in known} | {"--log"}
    joined, flag = [], ""
    for word in arguments:
        if word.partition("=")[0] in {*flags, "--help", "-h"}:
            joined.append(word)
            flag = word if word in flags else ""
        elif flag:
            if joined[-1] == flag:
                joined.pop()
            joined.append(f"{flag}={word}")
            flag = flag if flag in many else ""
        else:
            joined.append(word)
    return joined


def _without_none(hint: Any) -> Any:
    """The type of an optional parameter: `Path` of `Path | None`."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        (hint,) = (one for one in typing.get_args(hint) if one is not types.NoneType)
    return hint


def _boolean(text: str) -> bool:
    if text not in ("True", "False", "true", "false"):
        raise ValueError(text)
    return text.lower() == "true"
