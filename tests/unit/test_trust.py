"""Nothing that is read can run code: the package's own text shows it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import digitflow

PACKAGE = Path(digitflow.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

NEVER = {
    *(
        "eval",
        "exec",
        "__import__",
        "os.system",
        "os.popen",
        "yaml.load",
        "yaml.unsafe_load",
        "yaml.full_load",
    ),
    *("pickle.load", "pickle.loads", "marshal.load", "marshal.loads", "shelve.open", "runpy.run_path"),
    *("torch.load", "joblib.load", "load_states", "enable_unsafe_deserialization"),
}
SAFE_YAML = "getattr(yaml, 'CSafeLoader', yaml.SafeLoader)"
ONLY_WITH = {
    "load": ("allow_pickle", False),  # numpy's, the only one that is not in NEVER
    "read_array": ("allow_pickle", False),
    "load_model": ("safe_mode", True),
}
# Own functions that read by np.load or YAML's safe way, and MXNet's numbers.
OWN_LOADS = {
    "module.load",  # that of a numpy model's module
    "checkpoint.load",
    "loading.load",
    "mx.nd.load",
    "KaggleCredentials.load",
}


def calls(path: Path) -> Iterator[tuple[int, str, dict[str, object]]]:
    """Line, dotted name and keyword arguments of every call in a file; as text, where not constant."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            keywords = {
                word.arg: word.value.value
                if isinstance(word.value, ast.Constant)
                else ast.unparse(word.value)
                for word in node.keywords
            }
            yield node.lineno, ast.unparse(node.func), keywords


def wrong(path: Path) -> list[str]:
    """The calls of a file that could run what they read."""
    found = []
    for line, name, keywords in calls(path):
        last = name.rpartition(".")[2]
        if name == "yaml.load" and keywords.get("Loader") == SAFE_YAML:
            continue
        if name in NEVER or last in NEVER:
            found.append(f"line {line}: {name}")
            continue
        key, value = ONLY_WITH.get(last, (None, None))
        if key and keywords.get(key, "missing") is not value and name not in OWN_LOADS:
            found.append(f"line {line}: {name} without {key}={value}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_call_runs_what_it_reads(path):
    assert wrong(path) == []


@pytest.mark.parametrize(
    "text",
    [
        "pickle.loads(data)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.load(text, Loader=getattr(yaml, 'CLoader', yaml.Loader))",
        "keras.saving.load_model(path)",
        "keras.saving.load_model(path, safe_mode=False)",
        "trainer.load_states(path)",
        "pickle.Unpickler(file).load()",
        "eval(text)",
    ],
)
def test_a_call_that_could_would_be_seen(tmp_path, text):
    (tmp_path / "some.py").write_text(text)
    assert len(wrong(tmp_path / "some.py")) == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_knows_pickle(path):
    names = {
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert names.isdisjoint({"pickle", "marshal", "shelve", "dill", "joblib"})
