"""Networks by name: every name of the registry is a function of its module; options are checked."""

import ast
import sys
from pathlib import Path

import pytest

from digitflow import models
from digitflow.base.errors import ConfigError
from digitflow.config.models import network_options
from digitflow.models.registry import FRAMEWORKS, NUMPY
from digitflow.training.numpy_trainer import LEARNERS

NAMES = [(framework, name) for framework, known in FRAMEWORKS.items() for name in known]
MODELS = Path(models.__file__).parent


@pytest.mark.parametrize(("framework", "name"), NAMES)
def test_every_name_is_a_function_of_its_module(framework, name):
    tree = ast.parse(
        (MODELS / f"{FRAMEWORKS[framework][name]}.py").read_text()
    )  # MXNet is not here to import
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    parameters = [argument.arg for argument in functions[name].args.args]
    assert parameters[:2] == ["input_shape", "classes"]
    assert network_options(FRAMEWORKS[framework][name], name) == parameters[2:]


def test_an_option_that_a_network_does_not_take_is_refused_with_those_that_it_takes():
    with pytest.raises(ConfigError, match="mlp does not take 'units'; its options are hidden"):
        models.build("numpy_mlp", "mlp", (28, 28), 10, units=3)
    with pytest.raises(ConfigError, match="mlp does not take 'classes'; its options are hidden"):
        models.build("numpy_mlp", "mlp", (28, 28), 10, classes=3)
    with pytest.raises(ConfigError, match="random_guess does not take 'units'; it has no options"):
        models.build("baseline", "random_guess", (28, 28), 10, units=3)


def test_a_network_that_its_module_does_not_have_is_refused_by_both_names():
    with pytest.raises(ConfigError, match=r"architecture: models/baseline\.py has no function 'random_gues'"):
        models.build("baseline", "random_gues", (28, 28), 10)


@pytest.mark.parametrize(
    "line", ["def tiny(shape, classes): return layrs", "import math; math.layrs", "from math import layrs"]
)
def test_a_typing_error_in_a_network_is_told_with_its_file_and_line(tmp_path, monkeypatch, line):
    (tmp_path / "tiny_numpy.py").write_text(f'"""A network of one\'s own."""\n{line}\n')
    monkeypatch.setattr(models, "__path__", [str(tmp_path)])
    monkeypatch.setattr(models, "__file__", str(tmp_path / "__init__.py"))
    # Set before they are removed, so that what is imported is removed again.
    monkeypatch.setitem(sys.modules, "digitflow.models.tiny_numpy", None)
    monkeypatch.setattr(models, "tiny_numpy", None, raising=False)
    del sys.modules["digitflow.models.tiny_numpy"]
    with pytest.raises(ConfigError, match=r"tiny_numpy\.py, line 2: (Name|Attribute|Import)Error: .*'layrs'"):
        models.build("tiny_numpy", "tiny", (28, 28), 10)


def test_every_module_of_numpy_models_has_its_learner():
    assert {*NUMPY.values()} == {*LEARNERS}


@pytest.mark.parametrize("text", [None, b"def tiny(\n", bytes(9), b"# \xff\n", b"x = 1\n"])
def test_a_module_that_cannot_be_read_has_no_options_to_check(tmp_path, text):
    if text is not None:
        (tmp_path / "tiny.py").write_bytes(text)
    assert network_options(str(tmp_path / "tiny"), "tiny") is None  # its training says what is wrong
