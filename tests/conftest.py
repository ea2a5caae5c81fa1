"""What all tests share: real digits, and where the project and MXNet's Python are."""

from pathlib import Path

import numpy as np
import pytest

from digitflow.fetch import read_mnist

PROJECT = Path(__file__).parents[1]
MNIST = PROJECT / "data" / "mnist" / "mnist.pkl.gz"
MXNET_PYTHON = PROJECT / ".venvs" / "mxnet" / "bin" / "python"


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
