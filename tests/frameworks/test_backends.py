"""Keras on JAX and on PyTorch, for CPUs: the same code learns there, and what it saves is the same model.

On a GPU Keras trains with JAX. Each is tested where it is installed, beside TensorFlow or by `make backends`.
"""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tests.conftest import PROJECT
from tests.training_files import write_training_files

from digitflow.dataset import classes
from digitflow.training import keras_predictor
from digitflow.training.results import open_for_model

TRAIN, VALID = slice(0, 1500), slice(1500, 2000)
SETTINGS = {
    "architecture": "lenet",
    "module": "keras_cnn",
    "epochs": 4,
    "batch_size": 50,
    "learning_rate": 0.003,
    "weight_average": 0.9,
    "test_shifts": 5,
    "augment": {"rotate": 5, "shift": 0.03},
}


def python_with(backend: str) -> str | None:
    """The Python that has Keras and a backend, this or that of `make backends`; None where neither has."""
    if importlib.util.find_spec(backend):
        return sys.executable
    path = PROJECT / ".venvs" / f"keras-{backend}" / "bin" / "python"
    return str(path) if path.exists() else None


class Backend:
    """Verbs of Keras, called with a backend."""

    def __init__(self, name, python, folder):
        self.name, self.python, self.folder = name, python, folder

    def call(self, verb, **flags):
        flags |= {"device": "cpu", "threads": 1}
        words = [
            word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}", str(value))
        ]
        environment = {**os.environ, "KERAS_BACKEND": self.name, "PYTHONPATH": str(PROJECT / "workflow")}
        command = [self.python, "-m", "digitflow", verb, *words, "--checksums"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def train(self, out):
        """Train; the folder with what a training leaves."""
        names = {"model": "model.keras", "history": "history.csv", "metrics": "metrics.json"}
        names["valid_probabilities"] = "valid_probabilities.npy"
        inputs = {"images": "images", "train_lst": "train.lst", "valid_lst": "valid.lst"}
        inputs["classes"] = "classes.csv"
        self.call(
            "train_keras",
            **{name: self.folder / file for name, file in inputs.items()},
            **{name: out / file for name, file in names.items()},
            settings=json.dumps(SETTINGS),
            seed=0,
            code="none",
        )
        return out

    def predict(self, out):
        """All images' probabilities, in another process than the training's."""
        self.call(
            "predict_keras",
            model=out / "model.keras",
            metrics=out / "metrics.json",
            images=self.folder / "images",
            probabilities=out / "probabilities.npy",
            prediction=out / "prediction.json",
        )
        return np.load(out / "probabilities.npy")


@pytest.fixture(scope="module", params=["jax", "torch"])
def backend(request, tmp_path_factory, digits):
    if not (python := python_with(request.param)):
        pytest.skip(f"Keras on {request.param} is not installed: make backends")
    folder = tmp_path_factory.mktemp(request.param)
    images, labels = (array[:2000] for array in digits)
    classes.write(folder / "classes.csv", "0123456789")
    write_training_files(folder, images, labels, train_rows=VALID.start)
    return Backend(request.param, python, folder)


@pytest.fixture(scope="module")
def trained(backend):
    return backend.train(backend.folder / "first")


def test_a_short_training_learns_and_says_which_backend_it_was(backend, trained, digits):
    right = np.load(trained / "valid_probabilities.npy").argmax(1) == digits[1][VALID]
    assert right.mean() > 0.9
    assert backend.name in json.loads((trained / "metrics.json").read_text())["versions"]


def test_a_saved_model_predicts_the_same_in_another_process(backend, trained):
    found = backend.predict(trained)[VALID]
    np.testing.assert_allclose(found, np.load(trained / "valid_probabilities.npy"), atol=1e-4)


def test_the_same_seed_gives_the_same_bytes(backend, trained):
    again, name = backend.train(backend.folder / "again"), "valid_probabilities.npy"
    assert (again / name).read_bytes() == (trained / name).read_bytes()


def test_what_was_trained_with_it_predicts_the_same_with_tensorflow(backend, trained):
    model = trained / "model.keras"
    images, settings = open_for_model(backend.folder / "images", trained / "metrics.json", model)
    rows, _ = keras_predictor.apply(model, images, settings, device="cpu", threads=1)
    np.testing.assert_allclose(rows[VALID], np.load(trained / "valid_probabilities.npy"), atol=1e-3)
