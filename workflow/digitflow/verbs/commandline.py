"""The command line of a verb, made from its signature: for people, and for the rules that call it.

A parameter's annotation says what it is. `Input` and `Output` are files, which a rule has under `input` and
`output`; a `list` of them takes any number. `threads` is Snakemake's own. A `Store` does not appear in a
rule: moving it makes nothing run again. All others are the rule's `params`: text, numbers, booleans, or
`Json` for a section of the configuration.

The first sentence of the docstring is the verb's line in the list of all verbs. A line `name: text`
describes a parameter; the lines that continue it are indented.
"""

import functools
import importlib
import inspect
import json
import os
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from digitflow.base.errors import InputError
from digitflow.verbs import MODULES

# Before any verb imports numpy, whose OpenBLAS would start a thread for each core: this takes 40 ms, and
# the threads busy-wait for each other. Trainings and predictions of numpy models set a number of their own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Each with what makes a value of a word of the command line.
Input = Annotated[Path, "input", Path]
Output = Annotated[Path, "output", Path]
Json = Annotated[Any, "params", json.loads]
Store = Annotated[Any, "store", str]  # a folder on the command line, `training.course.Store` for the verb

Verb = Callable[..., int | None]

# The verbs for people, from the module `tools`; all others are called by rules.
FOR_PEOPLE = {
    "Images and their labels": ("describe", "look", "adopt", "follow_corrections", "restore_corrections"),
    "Runs and what they leave": ("runs", "compare", "clean_stale"),
    "GPUs": ("choose_gpu", "show_device"),
    "The code": ("why",),
}
WIDTH = 80


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


LOG = Parameter("log", "params", str, False, None)  # that of every verb, a file for a copy of what is printed


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
    """The module of a verb, which has the name of its rule file."""
    return all_verbs()[name].__module__.rpartition(".")[2]


def parameters(verb: Verb) -> Iterator[Parameter]:
    """The parameters of a verb, as its signature has them."""
    hints = typing.get_type_hints(verb, include_extras=True)
    for name, parameter in inspect.signature(verb).parameters.items():
        hint, many = _without_none(hints[name]), False
        if typing.get_origin(hint) is list:
            (hint,), many = typing.get_args(hint), True
        kind, convert = "params", _boolean if hint is bool else hint
        if typing.get_origin(hint) is Annotated:
            kind, convert = hint.__metadata__
        yield Parameter(name, kind, convert, many, parameter.default)


def parse(verb: Verb, arguments: list[str]) -> tuple[dict[str, Any], str | None]:
    """Read a verb's arguments; return them by name, and the path of the log, if one was given.

    Words before any flag are the values of the required parameters, in order. A rule that lacks an optional
    file gives its flag without a value, which counts as left out; in a verb for people it is a mistake.
    """
    if {"-h", "--help"} & {*arguments}:
        print(help_on(verb))
        sys.exit(0)
    known = {one.flag: one for one in (*parameters(verb), LOG)}
    words, unknown = _words_by_flag(arguments, known)
    if unknown:
        _refuse(verb, f"unrecognized arguments: {' '.join(unknown)}")
    if missing := [one for flag, one in known.items() if one.required and flag not in words]:
        _refuse(verb, f"missing: {', '.join(_shown(verb, one) for one in missing)}")
    given = {}
    for flag, texts in words.items():
        one = known[flag]
        try:
            values = [one.type(text) for text in texts]
        except InputError as error:
            _refuse(verb, f"argument {flag}: {error}")
        except ValueError:
            _refuse(verb, f"argument {flag}: invalid {one.type.__name__} value: {texts[-1]!r}")
        if not values and _is_for_people(verb):
            _refuse(verb, f"{flag}: its value is missing")
        if values or one.many:
            given[one.name] = values if one.many else values[0]
        elif one.required:
            _refuse(verb, f"argument {flag}: expected one argument")
    log = given.pop(LOG.name, None)
    return {name: value for name, value in given.items() if value is not None}, log


def help_on(verb: Verb) -> str:
    """What `digitflow VERB --help` prints: how it is called, what it does, and each parameter."""
    about, texts = _docstring(verb)
    rows = []
    for one in parameters(verb):
        default = f" ({one.default})" if one.default and not one.required else ""
        rows.append((_shown(verb, one), texts.get(one.name, "") + default))
    if not _is_for_people(verb):
        rows += [("--log", "a file that gets a copy of what is printed")]
    about = [textwrap.fill(paragraph, WIDTH) for paragraph in about.split("\n\n")]
    return "\n\n".join([f"usage: {_usage(verb)}", *about, _rows(rows)])


def overview(every: bool = False) -> str:
    """What `digitflow --help` prints: the verbs for people; with `every`, also the others by rule file."""
    groups: dict[str, list[str]] = {title: [*names] for title, names in FOR_PEOPLE.items()}
    if every:
        for name, verb in all_verbs().items():
            if not _is_for_people(verb):
                groups.setdefault(f"rules/{module_of(name)}.smk", []).append(name)
    parts = ["usage: digitflow VERB ..."]
    for title, names in groups.items():
        rows = [(name, re.split(r"(?<=\.)\s", _docstring(all_verbs()[name])[0])[0]) for name in names]
        parts.append(f"{title}\n{_rows(rows)}")
    more = "" if every else "digitflow --help all: also the verbs that rules call\n"
    return "\n\n".join([*parts, f"digitflow VERB --help: what a verb takes\n{more}".rstrip()])


def template(name: str) -> str:
    """The shell command by which a rule calls a verb: `--flag {input.flag:q}` for each of its parameters."""
    verb = all_verbs()[name]
    words = [f"digitflow {name} --log {{log:q}}"]
    for one in parameters(verb):
        if one.kind == "store":
            continue
        value = "threads" if one.name == "threads" else f"{one.kind}.{one.name}:q"
        words.append(f"{one.flag} {{{value}}}")
    return " \\\n    ".join(words)


def literal(text: str) -> str:
    """A text escaped for Snakemake's shell commands, which take single braces for a placeholder."""
    return text.replace("{", "{{").replace("}", "}}")


def outputs(verb: Verb, given: dict[str, Any]) -> list[Path]:
    """The files that a call of a verb should write."""
    found = []
    for one in parameters(verb):
        if one.kind == "output" and one.name in given:
            found += given[one.name] if one.many else [given[one.name]]
    return found


def _words_by_flag(
    arguments: list[str], known: dict[str, Parameter]
) -> tuple[dict[str, list[str]], list[str]]:
    """The words behind each flag, and those that no flag takes.

    A word that is no flag of the verb is a value, even if it begins with a hyphen, as a file name can. A flag
    may be typed with its parameter's underscores, such as --by_id, and in one word with its value.
    """
    found: dict[str, list[str]] = {}
    unknown = []
    places = [flag for flag, one in known.items() if one.required] or [*known][:1]
    flag = ""  # which takes the next word
    for word in arguments:
        if word.startswith("-"):
            places = []
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        if name in known:
            if name not in found or not known[name].many:
                found[name] = []
            if equals:
                found[name].append(value)
            flag = "" if equals else name
            continue
        if places and not (flag and known[flag].many):
            flag = places.pop(0)
            found[flag] = []
        takes_more = flag and (known[flag].many or not found[flag])
        (found[flag] if takes_more else unknown).append(word)
    return found, unknown


def _without_none(hint: Any) -> Any:
    """The type of an optional parameter: `Path` of `Path | None`."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        (hint,) = (one for one in typing.get_args(hint) if one is not types.NoneType)
    return hint


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "yes", "false", "no"):
        raise InputError(f"{text!r} should be true or false")
    return text.lower() in ("true", "yes")


def _refuse(verb: Verb, mistake: str) -> typing.NoReturn:
    """Report a mistake as a verb does: the message last, and exit status 1."""
    print(f"usage: {_usage(verb)}", file=sys.stderr)
    print(f"error: {mistake}; digitflow {verb.__name__} --help says more", file=sys.stderr)
    sys.exit(1)


def _is_for_people(verb: Verb) -> bool:
    return verb.__module__.endswith(".tools")


def _docstring(verb: Verb) -> tuple[str, dict[str, str]]:
    """What a verb does, a line for each paragraph, and its docstring's texts on its parameters by name."""
    text = re.sub(r"(?<=\S)\n *(?=\S)(?!\w+: )", " ", inspect.getdoc(verb) or "")
    names = inspect.signature(verb).parameters
    found = {}
    for line in text.splitlines():
        name, colon, about = line.partition(": ")
        if colon and name in names:
            found[name] = about
    about = [line for line in text.splitlines() if line.partition(": ")[0] not in found]
    return "\n".join(about).strip(), found


def _shown(verb: Verb, one: Parameter) -> str:
    """How a parameter is shown in help: a word in its place, or a flag."""
    places = _is_for_people(verb) and one.required
    return f"{one.name.upper()}{' ...' * one.many}" if places else one.flag


def _usage(verb: Verb) -> str:
    known = [*parameters(verb)]
    required = [_shown(verb, one) for one in known if one.required]
    words = [word if not word.startswith("-") else f"{word} ..." for word in required]
    return " ".join([f"digitflow {verb.__name__}", *words, *["[--flag ...]"] * (len(words) < len(known))])


def _rows(rows: list[tuple[str, str]]) -> str:
    """Names and texts in two columns, the texts wrapped."""
    indent = max((len(name) for name, _ in rows), default=0) + 4
    return "\n".join(
        textwrap.fill(
            f"  {name:{indent - 2}}{text}".rstrip(),
            WIDTH,
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )
        for name, text in rows
    )
