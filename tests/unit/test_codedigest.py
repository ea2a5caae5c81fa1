"""The digest of a verb's code: what changes it, whose it changes, and that it misses no import."""

import ast
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import PROJECT

from digitflow import codedigest
from digitflow.base.errors import InputError
from digitflow.verbs import commandline

# The verbs that rules call; those for people depend on the command line itself.
STAGES = {name: commandline.module_of(name) for name in commandline.all_verbs()}
VERBS = {name: stage for name, stage in STAGES.items() if stage != "tools"}


@pytest.fixture
def package(tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of the package, which codedigest reads in the place of itself."""
    yield from copied_package(tmp_path / "digitflow", monkeypatch)


def copied_package(copy: Path, monkeypatch) -> Iterator[Path]:
    """A copy, with the digests that are kept beside it: reading all modules anew takes a second each time."""
    codedigest._modules()  # keeps them
    shutil.copytree(codedigest.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    cache = copy / "__pycache__" / codedigest.CACHE.name
    cache.parent.mkdir()
    shutil.copy(codedigest.CACHE, cache)
    monkeypatch.setattr(codedigest, "PACKAGE", copy)
    monkeypatch.setattr(codedigest, "CACHE", cache)
    codedigest._modules.cache_clear()
    yield copy
    codedigest._modules.cache_clear()


def digests() -> dict[str, str]:
    """The digest of every verb, as a new start of Snakemake finds it."""
    codedigest._modules.cache_clear()
    return {verb: codedigest.of_verb(stage, verb) for verb, stage in VERBS.items()}


def closures() -> dict[str, set[str]]:
    return {verb: {*codedigest.closure(stage, verb)} for verb, stage in VERBS.items()}


def edit(path: Path, old: str, new: str) -> None:
    """Replace a piece of a file that is there once; its time changes, whatever the clock's grain."""
    text = path.read_text()
    assert text.count(old) == 1, (path, old, text.count(old))
    path.write_text(text.replace(old, new))
    later = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))


def changed(package: Path, name: str, old: str, new: str) -> set[str]:
    """The verbs whose digest an edit of a module changes."""
    before = digests()
    edit(package / name, old, new)
    after = digests()
    return {verb for verb in VERBS if after[verb] != before[verb]}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("formats/idx.py", "import os\n", "# why this is so\n\n\nimport os\n"),
        ("merging/merged.py", "STILL = 1e-8  # how", "STILL = 1e-8  # so: how"),
        ("merging/merged.py", '"""The merged models', '"""Merged models'),
        ("merging/merged.py", '    """The non-negative weights', '    """Non-negative weights'),
        ("merging/merged.py", "[round(float(weight), 6)", "[\n        round(float(weight), 6)"),
        ("verbs/submit.py", '    """Fit the weights', '    """Find the weights'),
    ],
)
def test_comments_docstrings_and_layout_change_nothing(package, name, old, new):
    assert changed(package, name, old, new) == set()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("merging/merged.py", "STEPS = 20_000 ", "STEPS = 20_001 "),
        ("formats/recordio.py", "MAX_LENGTH = 1 << 29", "MAX_LENGTH = 1 << 28"),
        ("look/mistakes.py", "WORST = 40", "WORST = 41"),
        ("training/numpy_trainer.py", "BLOCK = 16_384", "BLOCK = 16_383"),
        ("training/data.py", "PREDICT_ROWS = 1024", "PREDICT_ROWS = 1023"),
        ("training/schedule.py", "import math\n", "import math\nimport cmath\n"),
        ("base/errors.py", "class DigitflowError(Exception):", "class DigitflowError(BaseException):"),
    ],
)
def test_a_constant_or_a_call_changes_exactly_the_verbs_that_reach_its_module(package, name, old, new):
    module = name.removesuffix(".py").replace("/", ".")
    reach = {verb for verb, found in closures().items() if module in found}
    assert reach
    assert changed(package, name, old, new) == reach


# Every module


@pytest.fixture(scope="module")
def shared_package(tmp_path_factory) -> Iterator[Path]:
    """One copy of the package for all modules, each of which is put back as it was."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield from copied_package(tmp_path_factory.mktemp("package") / "digitflow", monkeypatch)


@pytest.fixture(scope="module")
def before(shared_package) -> dict[str, str]:
    """The digest of every verb, before any edit of that copy."""
    return digests()


@pytest.fixture(scope="module")
def reached(shared_package) -> dict[str, set[str]]:
    """The modules that every verb reaches, before any edit of that copy."""
    return closures()


@contextlib.contextmanager
def edited(path: Path, new: str) -> Iterator[None]:
    """A file with another text, and a later time, until the block ends; then what was kept is right again."""
    text, time, kept = path.read_text(), path.stat().st_mtime_ns, codedigest.CACHE.read_bytes()
    try:
        path.write_text(new)
        os.utime(path, ns=(time + 1_000_000, time + 1_000_000))
        yield
    finally:
        path.write_text(text)
        os.utime(path, ns=(time, time))
        codedigest.CACHE.write_bytes(kept)


PATHS = sorted(path.relative_to(codedigest.PACKAGE) for path in codedigest.PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize("path", PATHS, ids=str)


@each_module
def test_words_and_layout_of_no_module_change_anything(shared_package, before, path):
    text = (shared_package / path).read_text()
    docstring = ast.get_docstring(ast.parse(text), clean=False)
    if docstring:
        text = text.replace(docstring, f"{docstring} Said in other words.", 1)
    with edited(shared_package / path, f"# A comment.\n\n{text}\n\n\n# Another one.\n"):
        assert digests() == before


@each_module
def test_a_constant_of_any_module_changes_exactly_the_verbs_that_reach_it(
    shared_package, before, reached, path
):
    name = ".".join(path.with_suffix("").parts).removesuffix("__init__").rstrip(".")
    reach = {verb for verb, found in reached.items() if name in found or name == f"verbs.{VERBS[verb]}"}
    with edited(shared_package / path, (shared_package / path).read_text() + "\nNEW = 1\n"):
        after = digests()
    assert {verb for verb in VERBS if after[verb] != before[verb]} == reach


def test_the_verbs_that_train_are_not_reached_by_what_is_looked_at_or_submitted():
    for verb, found in closures().items():
        if verb.startswith(("train_", "predict_")):
            assert not [name for name in found if name.split(".")[0] in ("look", "merging", "scoring")], verb


def test_a_verb_changes_only_its_own_digest(package):
    assert changed(package, "verbs/submit.py", "merged = methods.mean([", "merged = methods.vote([") == {
        "submit_model"
    }


def test_what_stands_at_the_top_of_a_verbs_module_changes_all_of_its_verbs(package):
    ours = {verb for verb, stage in VERBS.items() if stage == "convert"}
    imports = "from digitflow.verbs.commandline import Input, Json, Output\n"
    assert changed(package, "verbs/convert.py", imports, f"import sys\n{imports}") == ours


def test_the_command_line_changes_no_verb(package):
    assert changed(package, "verbs/commandline.py", "WIDTH = 80", "WIDTH = 81") == set()
    assert changed(package, "__main__.py", "return 130", "return 131") == set()


def test_what_only_a_type_checker_imports_does_not_count(package):
    assert "studies.table" not in closures()["pack_rec"]
    path = package / "formats" / "recordio.py"
    edit(path, "import numpy as np\n", "import numpy as np\nfrom typing import TYPE_CHECKING\n"
         "if TYPE_CHECKING:\n    from digitflow.studies import table\n")  # fmt: skip
    digests()
    assert "studies.table" not in closures()["pack_rec"]
    edit(path, "if TYPE_CHECKING:\n", "if True:\n")
    digests()
    assert "studies.table" in closures()["pack_rec"]


def test_modules_that_are_looked_up_by_name_are_followed_too(package):
    plain = codedigest.of_verb("train", "train_keras")
    with_network = codedigest.of_verb("train", "train_keras", "models.keras_mlp")
    assert with_network != plain
    path = package / "models" / "keras_mlp.py"
    path.write_text(path.read_text() + "\nMORE = 1\n")
    codedigest._modules.cache_clear()
    assert codedigest.of_verb("train", "train_keras") == plain
    assert codedigest.of_verb("train", "train_keras", "models.keras_mlp") != with_network


def test_how_a_verb_depends_on_a_module_is_explained_by_the_shortest_chain():
    assert codedigest.explain("submit", "fit_weights", "merging.merged") == ["merging.merged"]
    chain = codedigest.explain("submit", "fit_weights", "merging.methods")
    assert chain == ["merging.merged", "merging.methods"]
    assert codedigest.explain("submit", "fit_weights", "look.curves") == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("png", "did you mean formats.png?"),
        ("look.png", "did you mean formats.png?"),
        ("formats.pgn", "did you mean formats.png"),
        ("xyzzy", "name a file of workflow/digitflow"),
    ],
)
def test_a_module_that_does_not_exist_is_refused_with_those_that_were_meant(name, told):
    with pytest.raises(InputError, match=re.escape(f"there is no module {name!r}; {told}")):
        codedigest.check_module(name)


def test_a_network_whose_module_is_missing_or_no_python_is_refused_with_the_modules_name(package):
    stage = STAGES["train_keras"]
    with pytest.raises(InputError, match=r"no module 'models\.keras_tiny'; did you mean models\.keras_"):
        codedigest.of_verb(stage, "train_keras", "models.keras_tiny")
    (package / "models" / "keras_tiny.py").write_text("def tiny(\n")
    codedigest._modules.cache_clear()
    with pytest.raises(InputError, match=r"models/keras_tiny\.py, line 1: not Python: '\(' was never closed"):
        codedigest.of_verb(stage, "train_keras", "models.keras_tiny")
    (package / "models" / "keras_tiny.py").write_bytes(bytes(9))  # as a power cut leaves it
    codedigest._modules.cache_clear()
    with pytest.raises(InputError, match=r"models/keras_tiny\.py: not Python: source code string cannot"):
        codedigest.of_verb(stage, "train_keras", "models.keras_tiny")


def test_what_older_pythons_say_of_null_bytes_is_told_in_the_same_words(package, monkeypatch):
    def parse(source):
        raise ValueError("source code string cannot contain null bytes")

    monkeypatch.setattr(codedigest.ast, "parse", parse)
    with pytest.raises(InputError, match=r"\.py: not Python: source code string cannot contain null bytes"):
        codedigest._read(package / "models" / "registry.py", "models.registry", set())


# What is kept


@pytest.fixture
def small_package(tmp_path, monkeypatch) -> Iterator[Path]:
    """A package of two modules, one of them with a verb, of which nothing is kept yet."""
    package = tmp_path / "digitflow"
    (package / "verbs").mkdir(parents=True)
    (package / "verbs" / "stage.py").write_text("from digitflow import tool\n\ndef work(): tool.use()\n")
    (package / "tool.py").write_text("def use():\n    print('used')\n")
    monkeypatch.setattr(codedigest, "PACKAGE", package)
    monkeypatch.setattr(codedigest, "CACHE", package / "__pycache__" / codedigest.CACHE.name)
    yield package
    codedigest._modules.cache_clear()


def digest_of_work() -> str:
    """The digest of its verb, as a new start of Snakemake finds it."""
    codedigest._modules.cache_clear()
    return codedigest.of_verb("stage", "work")


def test_a_kept_digest_is_the_one_that_is_made_anew(small_package):
    first = digest_of_work()
    assert codedigest.CACHE.exists()
    assert digest_of_work() == first
    codedigest.CACHE.unlink()
    assert digest_of_work() == first
    edit(small_package / "tool.py", "'used'", "'worn'")
    assert digest_of_work() != first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"form": 0, "modules": {}}', '{"form": 1}'])
def test_a_damaged_or_older_cache_is_made_anew(small_package, text):
    first = digest_of_work()
    codedigest.CACHE.write_text(text)
    assert digest_of_work() == first
    assert json.loads(codedigest.CACHE.read_text())["form"] == codedigest.FORM


def test_a_folder_that_cannot_be_written_is_no_error(small_package, monkeypatch):
    first = digest_of_work()
    monkeypatch.setattr(codedigest, "CACHE", small_package / "tool.py" / codedigest.CACHE.name)
    assert digest_of_work() == first


# The closure against the imports that Python itself makes

RUN = """
import json, sys
loaded = {}
for verb, statements in json.load(sys.stdin).items():
    for name in [name for name in sys.modules if name.partition(".")[0] == "digitflow"]:
        del sys.modules[name]
    for statement in statements:
        exec(statement)
    names = [name.partition(".")[2] for name in sys.modules if name.partition(".")[0] == "digitflow"]
    loaded[verb] = sorted(name for name in names if name)
print(json.dumps(loaded))
"""
# Imported as a training begins, for they need its framework; and the package above the networks.
LATER = {
    "train_mxnet": {"training.mxnet_networks", "models"},
    "train_keras": {"training.keras_kernels"},
    "find_learning_rate": {"training.keras_kernels"},
}


def import_statements(verb: str) -> list[str]:
    """Every import in a verb, and those at the top of its module, but for the command line's names."""
    path = codedigest.PACKAGE / "verbs" / f"{VERBS[verb]}.py"
    tree = ast.parse(path.read_text())
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == verb)
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    inside = [node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
    found = [ast.unparse(node) for node in [*top, *inside]]
    return [text for text in found if not text.startswith("from digitflow.verbs")]


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """The modules of this package that the imports of each verb load, in an interpreter that has none."""
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps({verb: import_statements(verb) for verb in VERBS}),
        env=os.environ | {"PYTHONPATH": str(PROJECT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("verb", VERBS)
def test_the_closure_has_exactly_the_modules_that_a_verbs_imports_load(verb, loaded):
    found = {*codedigest.closure(VERBS[verb], verb)}
    assert found - {*loaded[verb]} == LATER.get(verb, set())
    assert {*loaded[verb]} <= found


def test_every_python_gives_code_the_same_digest_and_keeps_digests_of_its_own():
    code = 'def f(x: int, *, wide=None) -> str:\n    return f"{x:>{3}}" if wide else ""\n'
    assert codedigest._digest(ast.parse(code)) == "86106a63dc3bf956"  # of 3.11, 3.12 and 3.13
    assert sys.implementation.cache_tag in codedigest.CACHE.name
