"""What the configuration may say: its schema, its defaults, and mistakes told in YAML's words.

The schema is workflow/schemas/config.schema.yaml; its model part and its lists of names come from the code:
from the fields of `Settings` and from the registries of networks and merge methods.
"""

import difflib
import functools
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from digitflow.base import answers
from digitflow.merging.methods import MERGE_METHODS
from digitflow.models.registry import FRAMEWORKS, WITHOUT_STEPS
from digitflow.training.settings import json_schema

if TYPE_CHECKING:
    import jsonschema

CLONE = Path(__file__).parents[3]
SCHEMA = CLONE / "workflow" / "schemas" / "config.schema.yaml"
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


@functools.cache
def schema() -> dict:
    """The JSON Schema of the configuration, its model part and lists of names filled in from the code."""
    rules = yaml.load(SCHEMA.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    rules["properties"]["merge"]["properties"]["method"]["enum"] = list(MERGE_METHODS)
    model = rules["$defs"]["model"]
    model["properties"]["framework"]["enum"] = list(FRAMEWORKS)
    settings = json_schema()
    model["properties"] |= settings["properties"]
    for about in model["properties"].values():  # or what is not in a list would be told twice: also as a type
        if "enum" in about:
            about.pop("type", None)
    of_steps = {"batch_size", "learning_rate"}
    model["required"] += [name for name in settings["required"] if name not in of_steps]
    model["if"] = {"properties": {"architecture": {"enum": [*WITHOUT_STEPS]}}}
    model["else"] = {"required": [name for name in settings["required"] if name in of_steps]}
    return rules


def against_schema(config: dict[str, Any]) -> list[str]:
    """What is wrong with a configuration according to the schema.

    What it allowed before is remembered: loading jsonschema takes longer than all other checks at the start.
    """
    rules = schema()
    question = [config, rules]
    if answers.known_answer("configuration-allowed", question):
        return []
    # No line twice: if several keys are missing, each error names them all.
    mistakes = [*dict.fromkeys(mistake_of(error) for error in make_validator(rules).iter_errors(config))]
    if not mistakes:
        answers.keep_answer("configuration-allowed", question, True)
    return mistakes


def make_validator(rules: dict) -> "jsonschema.Draft202012Validator":
    """A validator of JSON Schema. Loading jsonschema takes longer than all other checks at the start."""
    import jsonschema

    return jsonschema.Draft202012Validator(rules)


def mistake_of(error: "jsonschema.ValidationError") -> str:
    """Say in one line which key is wrong, what was found and what would be right."""
    key = ".".join(map(str, error.absolute_path))
    found = error.instance
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            unknown = [name for name in found if name not in known]
            return "; ".join(f"{join_key(key, name)}: unknown key{suggest(name, known)}" for name in unknown)
        case "required":
            missing = [name for name in error.validator_value if name not in found]
            return "; ".join(f"{join_key(key, name)}: this key is missing" for name in missing)
        case "type":
            wanted = error.validator_value
            kinds = [KINDS[kind] for kind in ([wanted] if isinstance(wanted, str) else wanted)]
            quotes = '; write text in quotes: message: "fix: two"' if key == "message" else ""
            return f"{key}: {in_yaml(found)}, should be {' or '.join(kinds)}{quotes}"
        case "anyOf":
            inside = max(error.context, key=lambda one: len(one.absolute_path))
            if len(inside.absolute_path) > len(error.absolute_path):  # one item of a list or section
                return mistake_of(inside)
            return f"{key}: {in_yaml(found)} is not allowed here ({error.schema.get('description')})"
        case "exclusiveMinimum":
            return f"{key}: {in_yaml(found)}, should be above {error.validator_value}"
        case "enum":
            known = [one if isinstance(one, str) else in_yaml(one) for one in error.validator_value]
            return f"{key}: {in_yaml(found)}, should be one of {', '.join(known)}"
        case "pattern":
            return (
                f"{key}: the name {found!r} should consist of letters, digits and _, and begin with a letter"
            )
        case _:
            return f"{key}: {error.message} ({error.schema.get('description', error.validator)})"


def in_yaml(value: Any) -> str:
    """A value as it can be written in YAML: null and true, not None and True."""
    if isinstance(value, str):
        return repr(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:  # a date, for example, which YAML has and JSON has not
        return str(value)


def join_key(key: str, name: str) -> str:
    """A name within a section as people write it: merge.weights."""
    return f"{key}.{name}" if key else str(name)


def suggest(name: str, known: list[str], kind: str = "keys") -> str:
    """The end of a message about an unknown name: the one that was probably meant, or all known ones."""
    close = difflib.get_close_matches(str(name), known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; the {kind} here are {', '.join(known)}" if known else f"; there are no {kind} here"


def with_defaults(value: Any, rules: dict) -> Any:
    """A value with the defaults of all keys that it leaves out; `rules`: the part of the schema about it."""
    if "$ref" in rules:
        rules = schema()["$defs"][rules["$ref"].rpartition("/")[2]]
    if not isinstance(value, dict):
        return value
    properties = rules.get("properties", {})
    complete = {name: sub["default"] for name, sub in properties.items() if "default" in sub} | value
    other = rules.get("additionalProperties")
    other = other if isinstance(other, dict) else {}
    return {name: with_defaults(item, properties.get(name, other)) for name, item in complete.items()}


def without_defaults(value: Any, rules: dict) -> Any:
    """A value without the keys, at any depth, that have their default's value; `rules` as above."""
    properties = rules.get("properties")
    if not properties or not isinstance(value, dict):
        return value
    changed = {}
    for name, item in value.items():
        sub = properties.get(name, {})
        item = without_defaults(item, sub)
        if "default" not in sub or canonical(item) != canonical(sub["default"]):
            changed[name] = item
    return changed


def canonical(value: Any, ordered: bool = False) -> str:
    """A value as JSON, the same however it was written: keys sorted (unless `ordered`), 1.0 as 1."""
    return json.dumps(mapped(value, whole), sort_keys=not ordered, ensure_ascii=False)


def mapped(value: Any, change: Callable[[Any], Any], but: Collection[str] = ()) -> Any:
    """A value with `change` applied to all items of its mappings and lists, `but` those under these keys."""
    if isinstance(value, dict):
        return {key: item if key in but else mapped(item, change, but) for key, item in value.items()}
    if isinstance(value, list):
        return [mapped(item, change, but) for item in value]
    return change(value)


def whole(value: Any) -> Any:
    """A whole number as an int: JSON Schema accepts 5.0 as an integer; Python's range does not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
