"""Write the tables of config/README.md from the schema and the registries: `make docs`."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from digitflow.config import schema
from digitflow.merging.methods import MERGE_METHODS
from digitflow.models.registry import FRAMEWORKS
from digitflow.training.schedule import SCHEDULES

PAGE = Path(__file__).parents[1] / "config" / "README.md"
BEGIN, END = "<!-- {}: written by make docs -->", "<!-- end of {} -->"


def rows(properties: Mapping[str, Any], prefix: str = "") -> Iterator[list[str]]:
    """Key, default and meaning of each key of a section, those of sections in it with a dot."""
    for name, keys in properties.items():
        if "properties" in keys and keys.get("type") == "object":
            yield from rows(keys["properties"], f"{prefix}{name}.")
            continue
        default = written(keys["default"]) if "default" in keys else ""
        choices = f" One of {', '.join(f'`{one}`' for one in keys['enum'])}." if "enum" in keys else ""
        yield [f"`{prefix}{name}`", default, keys.get("description", "") + choices]


def written(value: Any) -> str:
    """A default as one writes it in YAML."""
    if value is None or isinstance(value, bool):
        return {None: "`null`", True: "`true`", False: "`false`"}[value]
    return f"`{value}`" if value != {} else "none"


def table(*lines: list[str]) -> str:
    """Lines of cells as a Markdown table, the first its header."""
    header, *body = lines
    cells = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in cells)


def tables() -> Iterator[tuple[str, str]]:
    """Every table of the page by its name."""
    sections = schema()
    header = ["key", "default", "meaning"]
    for name in ("data", "submission", "png", "rec", "validation", "merge"):
        yield name, table(header, *rows(sections["properties"][name]["properties"]))
    yield "top", table(header, *rows({name: sections["properties"][name] for name in ("device", "predict")}))
    yield "models", table(header, *rows(sections["$defs"]["model"]["properties"]))
    yield "studies", table(header, *rows(sections["$defs"]["study"]["properties"]))
    known = [[f"`{framework}`", ", ".join(f"`{name}`" for name in names)] for framework, names in FRAMEWORKS.items()]
    yield "architectures", table(["framework", "architectures"], *known)
    methods = [[f"`{name}`", meaning(method)] for name, method in MERGE_METHODS.items()]
    yield "methods", table(["method", "what it does"], *methods)
    yield "schedules", table(["schedule", "the learning rate", "options and their defaults"], *map(schedule_row, SCHEDULES))


def schedule_row(name: str) -> list[str]:
    """A schedule, what its docstring's first line says, and its options."""
    options = list(inspect.signature(SCHEDULES[name]).parameters.values())[3:]
    shown = ", ".join(f"`{option.name}: {option.default:g}`" for option in options)
    return [f"`{name}`", meaning(SCHEDULES[name]), shown]


def meaning(function: Any) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0]


def filled(page: str) -> str:
    """The page with each table between its markers made anew."""
    for name, text in tables():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
