"""How the house is built: imports go only downwards, without circles, and one name means one thing."""

import ast
import graphlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import digitflow
from digitflow.models.registry import FRAMEWORKS

PACKAGE = Path(digitflow.__file__).parent
WINGS = [
    "base",
    "formats",
    "dataset",
    "models",
    "training",
    "merging",
    "scoring",
    "look",
    "competing",
    "studies",
    "verbs",
    "config",
]
TOPMOST = ["stale", "verbs.tools", "__main__"]  # of verbs, only those for people stand so high
FLOORS = {name: floor for floor, name in enumerate([*WINGS, *TOPMOST])}
FLOORS["codedigest"] = FLOORS["config"]


def name_of(path: Path) -> str:
    """`formats.png` of formats/png.py, `models` of models/__init__.py, "" of the package's own."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
NAMED = sorted(MODULES.keys() - {""})


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of everything that a module imports, for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def own_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the name of every module of this package that is imported."""
    for line, target in imported(tree):
        package, _, rest = target.partition(".")
        if package == "digitflow" and rest:
            while rest not in MODULES:  # a name in a module
                rest = rest.rpartition(".")[0]
            yield line, rest


def floor(name: str) -> int:
    return FLOORS[name] if name in FLOORS else FLOORS[name.split(".")[0]]


def test_every_module_has_a_floor():
    assert {name.split(".")[0] for name in NAMED} == {name.split(".")[0] for name in FLOORS}


@pytest.mark.parametrize("name", NAMED)
def test_an_import_goes_only_downwards(name):
    upwards = [
        f"line {line}: {target}"
        for line, target in own_imports(MODULES[name])
        if floor(target) > floor(name)
        or (floor(target) == floor(name) and target.split(".")[0] != name.split(".")[0])
    ]
    assert upwards == []


def test_there_are_no_circles_within_a_wing():
    graph = {name: {target for _, target in own_imports(MODULES[name])} - {name} for name in MODULES}
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names the circle


@pytest.mark.parametrize("name", NAMED)
def test_no_module_has_the_name_of_a_package_that_it_imports(name):
    packages = {target.split(".")[0] for _, target in imported(MODULES[name])}
    assert name.rpartition(".")[2] not in packages


# What few jobs have a use for, and modules that need their framework at the top, and so are imported with it.
LAZY = [
    ("__main__", "competing.store"),
    ("training.keras_trainer", "training.keras_kernels"),
    ("training.mxnet_trainer", "training.mxnet_networks"),
]


def test_own_modules_are_imported_at_the_top_but_by_verbs():
    """A verb imports as it runs; elsewhere a lazy import would only hide what depends on what."""
    lazy = []
    for name in NAMED:
        if name.split(".")[0] != "verbs":
            functions = [node for node in ast.walk(MODULES[name]) if isinstance(node, ast.FunctionDef)]
            found = {target for node in functions for _, target in own_imports(node)}
            lazy += [(name, target) for target in sorted(found)]
    assert lazy == LAZY


# One idea for several things, told apart by their modules: `idx.write`, `lst.write`, `png.read_rows`.
METHODS = {"read", "write", "apply", "load", "read_rows", "read_blocks"} | {
    "write_table",
    "find",
}
# What every trainer has, and networks that have one name in several frameworks.
ALIKE = {"train", "prepare", "build", "make_optimizer", "versions"}
NETWORKS = {name for known in FRAMEWORKS.values() for name in known}
SEVERAL = {name for name in NETWORKS if sum(name in known for known in FRAMEWORKS.values()) > 1}
SHARED = METHODS | ALIKE | SEVERAL


def test_a_public_function_has_a_name_of_its_own():
    homes = defaultdict(list)
    for name, tree in MODULES.items():
        if name.split(".")[0] == "verbs":
            continue  # a verb may have the name of what it calls
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    shared = {name: modules for name, modules in homes.items() if len(modules) > 1}
    assert {name: modules for name, modules in shared.items() if name not in SHARED} == {}
    assert {name for name in SHARED if name not in shared} == set()  # an exception that nobody needs


def test_tests_have_names_of_their_own():
    """Without packages of tests, pytest tells two files of one name apart by nothing."""
    folders = [Path(__file__).parents[1] / name for name in ("unit", "frameworks", "workflow")]
    names = [path.name for folder in folders for path in folder.rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_every_folder_of_unit_tests_is_a_wing():
    folders = {path.name for path in Path(__file__).parent.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} <= {*WINGS}
