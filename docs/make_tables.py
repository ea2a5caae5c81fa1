"""Write the tables of config/README.md, and the map in CONTRIBUTING.md, from the code: `make docs`."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from digitflow.config.schema import schema
from digitflow.merging.methods import MERGE_METHODS
from digitflow.models.registry import FRAMEWORKS
from digitflow.training.schedule import SCHEDULES

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "workflow" / "digitflow"
# From the top floor down: a module imports only from its own wing and the floors below.
WINGS = (
    *("config", "verbs", "studies", "competing", "look", "scoring", "merging"),
    *("training", "models", "dataset", "formats", "base"),
)
TOP = ("device", "predict", "store", "submit", "message")  # keys that are not sections
BEGIN, END = "<!-- {}: written by make docs -->", "<!-- end of {} -->"


def rows(properties: Mapping[str, Any], prefix: str = "") -> Iterator[list[str]]:
    """Key, default and meaning of each key of a section; keys of sections within it have a dot."""
    for name, keys in properties.items():
        if "properties" in keys and keys.get("type") == "object":
            yield from rows(keys["properties"], f"{prefix}{name}.")
            continue
        default = written(keys["default"]) if "default" in keys else ""
        choices = f" One of {', '.join(map(written, keys['enum']))}." if "enum" in keys else ""
        yield [f"`{prefix}{name}`", default, keys.get("description", "") + choices]


def written(value: Any) -> str:
    """A default as it is written in YAML."""
    if value is None or isinstance(value, bool):
        return {None: "`null`", True: "`true`", False: "`false`"}[value]
    return f"`{value}`" if value != {} else "none"


def table(*lines: list[str]) -> str:
    """Lines of cells as a Markdown table; the first line is its header."""
    header, *body = lines
    cells = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in cells)


def tables() -> Iterator[tuple[str, str]]:
    """Every table of the page, with its name."""
    sections = schema()
    header = ["key", "default", "meaning"]
    for name in ("data", "submission", "png", "rec", "validation", "merge"):
        yield name, table(header, *rows(sections["properties"][name]["properties"]))
    yield "top", table(header, *rows({name: sections["properties"][name] for name in TOP}))
    yield "models", table(header, *rows(sections["$defs"]["model"]["properties"]))
    yield "studies", table(header, *rows(sections["$defs"]["study"]["properties"]))
    known = [
        [f"`{framework}`", ", ".join(f"`{name}`" for name in names)]
        for framework, names in FRAMEWORKS.items()
    ]
    yield "architectures", table(["framework", "architectures"], *known)
    methods = [[f"`{name}`", meaning(method)] for name, method in MERGE_METHODS.items()]
    yield "methods", table(["method", "what it does"], *methods)
    yield (
        "schedules",
        table(["schedule", "the learning rate", "options and their defaults"], *map(schedule_row, SCHEDULES)),
    )


def schedule_row(name: str) -> list[str]:
    """A schedule, the first line of its docstring, and its options."""
    options = list(inspect.signature(SCHEDULES[name]).parameters.values())[3:]
    shown = ", ".join(f"`{option.name}: {option.default:g}`" for option in options)
    return [f"`{name}`", meaning(SCHEDULES[name]), shown]


def meaning(function: Any) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0]


def house() -> Iterator[tuple[str, str]]:
    """The map: each module and each rule file, with the first line of what it says about itself."""
    lines = [
        f"- `{path.name}`: {first_line(path)}" for path in sorted(PACKAGE.glob("*.py")) if path.name[0] != "_"
    ]
    for wing in WINGS:
        lines.append(f"- **`{wing}/`**: {first_line(PACKAGE / wing / '__init__.py')}")
        modules = (path for path in sorted((PACKAGE / wing).glob("*.py")) if path.name != "__init__.py")
        lines += [f"  - `{path.name}`: {first_line(path)}" for path in modules]
    yield "house", "\n".join(lines)
    rules = sorted((PROJECT / "rules").glob("*.smk"))
    yield "rules", "\n".join(f"- `{path.name}`: {first_comment(path)}" for path in rules)


def first_comment(path: Path) -> str:
    """The comment at the beginning of a rule file."""
    return path.read_text().partition("\n")[0].lstrip("# ")


def first_line(path: Path) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def filled(page: str, parts: Iterator[tuple[str, str]]) -> str:
    """A page in which each part between markers is written anew."""
    for name, text in parts:
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"
    return page


PAGES = {PROJECT / "config" / "README.md": tables, PROJECT / "CONTRIBUTING.md": house}

if __name__ == "__main__":
    for page, parts in PAGES.items():
        page.write_text(filled(page.read_text(), parts()))
