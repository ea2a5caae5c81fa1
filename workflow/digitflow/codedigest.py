"""Which code of this package the results of a verb depend on: found by following imports, never listed.

A module counts as its syntax tree, without comments, docstrings and layout. A verb's digest covers the verb
itself, the top level of its module, and every module that its imports lead to, including those inside
functions. So a comment reruns nothing, and a changed constant reruns exactly the rules whose verbs can
depend on it.

The command line between rules and verbs (`__main__`, `verbs.commandline`) does not count: it only passes
values on. Modules that are looked up by name at run time, such as a network's, are named by the rule.

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
FORM = 2  # of the cache; raise it when the meaning of what is kept changes


class Code(NamedTuple):
    """A module or a verb: the digest of its syntax tree, and the modules of this package that it imports."""

    digest: str
    imports: list[str]


def of_verb(stage: str, verb: str, *looked_up: str) -> str:
    """The digest of a verb of `verbs/<stage>.py`, with the modules that it looks up by name at run time.

    InputError: there is no such module, or one is not Python.
    """
    for name in looked_up:
        check_module(name)
    code = _modules()[f"verbs.{stage}:{verb}"]
    found = [code.digest]
    for name in sorted(closure(stage, verb, *looked_up)):
        found.append(f"{name} {_modules()[name].digest}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


def closure(stage: str, verb: str, *looked_up: str) -> dict[str, str]:
    """The modules that a verb's imports lead to, without the package's name in front.

    Each with the module that imports it on the shortest way from the verb; the verb itself is "".
    """
    named = {module for name in looked_up for module in _with_packages(name)}
    importers = dict.fromkeys([*_modules()[f"verbs.{stage}:{verb}"].imports, *sorted(named)], "")
    waiting = [*importers]
    for importer in waiting:  # which grows during the loop: breadth first
        new = [name for name in _modules()[importer].imports if name not in importers]
        importers |= dict.fromkeys(new, importer)
        waiting += new
    return importers


def explain(stage: str, verb: str, module: str) -> list[str]:
    """How a verb comes to depend on a module: the shortest chain of imports; empty if it does not."""
    importers, chain = closure(stage, verb), []
    while module in importers:
        chain.insert(0, module)
        module = importers[module]
    return chain


def reasons(name: str, stages: Mapping[str, str]) -> list[str]:
    """A line for each verb that runs again after an edit of a module: how it comes to depend on the module.

    `stages`: the module of each verb. InputError: the package has no such module.
    """
    check_module(name)
    lines = []
    for verb, stage in stages.items():
        if name == f"verbs.{stage}":
            lines.append(f"{verb}: defined there; edits of other verbs in the module do not count")
        elif chain := explain(stage, verb, name):
            lines.append(f"{verb}: {' -> '.join(chain)}")
    if name.startswith("models."):
        lines.append(
            "the trainings of every model whose network is in it, or in a module that imports it; if it is a "
            "numpy model, also its predictions"
        )
    return lines or [f"no verb depends on {name}: after an edit of it nothing runs again"]


def check_module(name: str) -> None:
    """InputError: the package has no such module."""
    if name not in _modules():
        known = [module for module in sorted(_modules()) if module and ":" not in module]
        close = [module for module in known if module.rpartition(".")[2] == name.rpartition(".")[2]]
        close = close or difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "name a file of workflow/digitflow"
        raise InputError(f"there is no module {name!r}; {hint}")


@functools.cache
def _modules() -> dict[str, Code]:
    """Every module of the package, `verbs.<stage>:<verb>` for each verb."""
    paths = {_name(path): path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts}
    kept = _read_cache()
    if kept.keys() != paths.keys():  # what a module imports depends on which modules exist
        kept = {}
    fresh = {}
    for name, path in paths.items():
        stamp = [path.stat().st_mtime_ns, path.stat().st_size]
        same = name in kept and kept[name]["stamp"] == stamp
        fresh[name] = kept[name] if same else {"stamp": stamp, "code": _read(path, name, {*paths})}
    if fresh != kept:
        _write_cache(fresh)
    return {key: Code(*code) for module in fresh.values() for key, code in module["code"].items()}


def _name(path: Path) -> str:
    """`formats.png` for formats/png.py, `models` for models/__init__.py, "" for the package's own."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _read(path: Path, name: str, known: set[str]) -> dict[str, Code]:
    """The code of a module; for a module of verbs, also that of each verb. InputError: it is not Python."""
    try:
        tree = _without_docstrings(ast.parse(path.read_bytes()))
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise InputError(f"{path}{line}: not Python: {error.msg}") from error
    except ValueError as error:  # before Python 3.11.4, of null bytes
        raise InputError(f"{path}: not Python: {error}") from error
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
    """A syntax tree as lists, the same in every version of Python.

    Empty parts are left out: newer versions have fields that older ones lack, and 3.12 has empty pieces of
    text in f-strings' formats.
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
            package, _, rest = name.partition(".")
            if package == "digitflow" and rest:
                found |= _with_packages(rest) & known
    return sorted(found)


def _with_packages(name: str) -> set[str]:
    """A module and the packages above it, which are imported with it."""
    parts = name.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts) + 1)}


def _running(tree: ast.AST):
    """All nodes except those that only a type checker reads."""
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
    """Keep the digests; if the package's folder cannot be written, they are computed at each start."""
    partial = CACHE.with_name(f".partial.{os.getpid()}.{CACHE.name}")
    with contextlib.suppress(OSError):
        CACHE.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps({"form": FORM, "modules": modules}))
        partial.replace(CACHE)
