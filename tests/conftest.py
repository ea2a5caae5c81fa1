"""What all tests share: real digits, and where the project and MXNet's Python are."""

import csv
import logging
import os
import signal
from pathlib import Path

# Before numpy is loaded: threads of its BLAS wait for each other by spinning, for seconds on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

from digitflow.base import logs
from digitflow.dataset.mnist import read_mnist

PROJECT = Path(__file__).parents[1]
MNIST = PROJECT / "data" / "mnist" / "mnist.pkl.gz"
MXNET_PYTHON = PROJECT / ".venvs" / "mxnet" / "bin" / "python"
NOWHERE = "http://127.0.0.1:9"  # the discard port, on which nothing listens

# pytest-socket stops a test itself. What a test starts inherits proxies that are not there, and an installer
# that stays offline; tests/workflow adds a guard to every Python of a run.
os.environ.update({f"{scheme}_proxy": NOWHERE for scheme in ("http", "https", "ftp", "all")})
os.environ.update({f"{scheme}_PROXY": NOWHERE for scheme in ("HTTP", "HTTPS", "FTP", "ALL")})
os.environ.update(no_proxy="", NO_PROXY="", UV_OFFLINE="1", PIP_NO_INDEX="1")

# Whoever calls the tests, often a `make` that another has called, is nobody to what they call.
FROM_OUTSIDE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "SNAKEMAKE_PROFILE")
for name in (*FROM_OUTSIDE, "PYTHONDONTWRITEBYTECODE"):  # each job of a clone would compile the package anew
    os.environ.pop(name, None)
# A shell starts what runs in its background with Ctrl-C switched off, and so would be what a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def read_rows(path: str | os.PathLike) -> list[dict[str, str]]:
    """The rows of a CSV with a header."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def messages_go_nowhere_yet(monkeypatch):
    """A verb that is called in this process says where messages go; each test begins as if none had been."""
    monkeypatch.setattr(logs, "job", None)
    monkeypatch.setattr(logs, "_process", None)
    monkeypatch.setattr(logs.log, "handlers", [])
    monkeypatch.setattr(logging, "raiseExceptions", True)
    level = logs.log.level
    logs.log.setLevel(logging.NOTSET)
    yield
    logs.log.setLevel(level)


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """All MNIST images, uint8 (70000, 28, 28), and their labels, uint8 (70000,), in the official order."""
    images, labels = read_mnist(MNIST)
    return images.reshape(-1, 28, 28), labels


@pytest.fixture(scope="session")
def mxnet_python() -> Path:
    """The interpreter of MXNet's environment, which has no pytest: tests run scripts with it."""
    assert MXNET_PYTHON.exists(), f"{MXNET_PYTHON} is missing: `make test` builds it"
    return MXNET_PYTHON
