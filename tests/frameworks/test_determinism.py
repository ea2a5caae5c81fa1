"""The key `deterministic`: what the backends are told where a GPU trains. The GPU is pretended."""

import os

import pytest

from digitflow.training import keras_predictor
from digitflow.training.keras_predictor import XLA_DETERMINISTIC


@pytest.fixture(autouse=True)
def gpu(monkeypatch):
    """A driver, and a GPU that Keras sees; what the process is told is forgotten afterwards."""
    keras_predictor.prepare("cpu")  # the backend is chosen by the first import of Keras
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(keras_predictor.devices, "has_driver", lambda: True)
    monkeypatch.setattr(keras_predictor.devices, "take_gpu", lambda: None)
    monkeypatch.setattr(keras_predictor, "gpus_seen", lambda: ["Pretender"])


@pytest.mark.parametrize(
    ("given", "deterministic", "told"),
    [
        ("", True, XLA_DETERMINISTIC),
        ("--xla_gpu_autotune_level=0", True, f"--xla_gpu_autotune_level=0 {XLA_DETERMINISTIC}"),
        ("--xla_gpu_autotune_level=0", False, "--xla_gpu_autotune_level=0"),
    ],
)
def test_jax_is_told_beside_what_the_user_tells_it(given, deterministic, told):
    os.environ |= {"KERAS_BACKEND": "jax", "XLA_FLAGS": given}
    keras_predictor.prepare("auto", 1, deterministic)
    assert os.environ["XLA_FLAGS"] == told


@pytest.mark.parametrize("deterministic", [True, False])
def test_tensorflow_is_told_where_it_trains_on_a_gpu(monkeypatch, deterministic):
    import tensorflow as tf

    told = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: told.append(True))
    keras_predictor.prepare("gpu", 1, deterministic)
    assert told == [True] * deterministic
