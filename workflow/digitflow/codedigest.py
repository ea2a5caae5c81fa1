"""What the results of a verb depend on, of this package's own code: found by following imports, never listed.

A module counts as its syntax tree without comments, docstrings and layout. A verb's digest covers the verb
itself, what stands at the top of its module, and every module that its imports lead to, those inside
functions included. So a comment reruns nothing, and a changed constant reruns exactly the rules whose verbs
can feel it.

The command line between rules and verbs (`__main__`, `verbs.commandline`) does not count: it passes values
on. Modules that are looked up by name as the program runs, such as a network's, are named by the rule.

The Snakefile calls this at every start, so the trees' digests are kept beside the compiled modules.
"""

import ast
import contextlib
import difflib
import functools
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from digitflow.base.errors import InputError

PACKAGE = Path(__file__).parent
CACHE = PACKAGE / "__pycache__" / f"code_digests.{sys.implementation.cache_tag}.json"  # one for each Python
FORM = 2  # of the cache: to be raised when what is kept changes its meaning


class Code(NamedTuple):
    """A module, or one verb: the digest of its syntax tree, and which modules of this package it imports."""

    digest: str
    imports: list[str]


def of_verb(stage: str, verb: str, *looked_up: str) -> str:
    """The digest of a verb of `verbs/<stage>.py`, with the modules that it looks up by name as it runs."""
    code = _modules()[f"verbs.{stage}:{verb}"]
    found = [code.digest]
    for name in closure(stage, verb, *looked_up):
        found.append(f"{name} {_modules()[name].digest}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


def closure(stage: str, verb: str, *looked_up: str) -> list[str]:
    """The modules, without the package's name in front, that a verb's imports lead to; sorted."""
    waiting = [*_modules()[f"verbs.{stage}:{verb}"].imports, *looked_up]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _modules()[name].imports
    return sorted(found)


def explain(stage: str, verb: str, module: str) -> list[str]:
    """How a verb comes to depend on a module: the shortest chain of imports, or nothing."""
    chains = [[name] for name in _modules()[f"verbs.{stage}:{verb}"].imports]
    seen: set[str] = set()
    for chain in chains:  # grows as it is gone through: breadth first
        if chain[-1] == module:
            return chain
        if chain[-1] not in seen:
            seen.add(chain[-1])
            chains += [[*chain, name] for name in _modules()[chain[-1]].imports]
    return []


def reasons(name: str, stages: Mapping[str, str]) -> list[str]:
    """A line for each verb that an edit of a module makes run again: how it comes to depend on it.

    `stages` has the verbs' module of each verb. InputError: the package has no such module.
    """
    check_module(name)
    lines = []
    for verb, stage in stages.items():
        if name == f"verbs.{stage}":
            lines.append(f"{verb}: it stands there; another verb of the module does not count")
        elif chain := explain(stage, verb, name):
            lines.append(f"{verb}: {' -> '.join(chain)}")
    if name.startswith("models."):
        lines.append("the trainings of every model whose network is in it, or in a module that imports it")
    return lines or [f"no verb comes to {name}: an edit of it makes nothing run again"]


def check_module(name: str) -> None:
    """InputError: the package has no such module."""
    if name not in _modules():
        close = difflib.get_close_matches(name, _modules(), n=3)
        raise InputError(f"no module {name!r}; there are {', '.join(close or sorted(_modules()))}")


@functools.cache
def _modules() -> dict[str, Code]:
    """Every module of the package, `verbs.<stage>:<verb>` for each verb."""
    paths = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)
    stamps = {_name(path): [path.stat().st_mtime_ns, path.stat().st_size] for path in paths}
    kept = _read_cache()
    if kept.get("known") != sorted(stamps):  # what a module imports is told by which modules there are
        kept = {"known": sorted(stamps)}
    found, fresh = {}, {"known": sorted(stamps)}
    for path in paths:
        name = _name(path)
        entry = kept.get(name)
        if entry is None or entry["stamp"] != stamps[name]:
            entry = {"stamp": stamps[name], "code": _read(path, name, set(stamps))}
        fresh[name] = entry
        found |= {key: Code(*code) for key, code in entry["code"].items()}
    if fresh != kept:
        _write_cache(fresh)
    return found


def _name(path: Path) -> str:
    """`formats.png` of formats/png.py, `models` of models/__init__.py, "" of the package's own."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _read(path: Path, name: str, known: set[str]) -> dict[str, Code]:
    """The code of a module; of a verbs' module, also that of each verb."""
    tree = _without_docstrings(ast.parse(path.read_bytes()))
    whole = {name: Code(_digest(tree), _imports(tree, known))}
    if not name.startswith("verbs."):
        return whole
    verbs = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    shared = ast.Module([node for node in tree.body if node not in verbs], [])
    imports = [one for one in _imports(shared, known) if not one.startswith("verbs")]
    whole |= {
        f"{name}:{verb.name}": Code(_digest(shared, verb), sorted({*imports, *_imports(verb, known)}))
        for verb in verbs
    }
    return whole


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree


def _digest(*trees: ast.AST) -> str:
    text = json.dumps([_plain(tree) for tree in trees])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(part: object) -> object:
    """A syntax tree as lists, the same in each version of Python.

    What is empty is left out: newer versions have fields that older ones lack, and 3.12 empty pieces of text
    inside of formats.
    """
    if isinstance(part, ast.JoinedStr):
        part = ast.JoinedStr([one for one in part.values if getattr(one, "value", None) != ""])
    if isinstance(part, ast.AST):
        fields = [[name, _plain(value)] for name, value in ast.iter_fields(part) if value not in (None, [])]
        return [type(part).__name__, *fields]
    if isinstance(part, list):
        return [_plain(one) for one in part]
    return repr(part)


def _imports(tree: ast.AST, known: set[str]) -> list[str]:
    """The modules of this package that a tree imports; importing a module imports the packages above it."""
    found = set()
    for node in _running(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "digitflow":
                found |= {".".join(parts[1:end]) for end in range(2, len(parts) + 1)} & known
    return sorted(found)


def _running(tree: ast.AST):
    """All nodes but those that only a type checker reads."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _read_cache() -> dict:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(CACHE.read_text())
        if kept["form"] == FORM:
            return kept["modules"]
    return {}


def _write_cache(modules: dict) -> None:
    """Keep the digests; where the package's folder cannot be written they are made anew at each start."""
    partial = CACHE.with_name(f".partial.{os.getpid()}.{CACHE.name}")
    with contextlib.suppress(OSError):
        CACHE.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps({"form": FORM, "modules": modules}))
        partial.replace(CACHE)
