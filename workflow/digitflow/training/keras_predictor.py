"""Set Keras up, and predict with a Keras model.

Keras is imported inside the functions, because a backend reads its environment variables only once, on
import.
"""

import contextlib
import importlib.metadata
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from digitflow.training import device as devices
from digitflow.training.data import predict_shifted
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")

XLA_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def apply(
    model: Path, images: np.ndarray, settings: Settings, device: str, threads: int
) -> tuple[np.ndarray, str]:
    """Predict uint8 images (n, h, w[, 3]), of the size that a saved model learned from, with this model.

    Returns softmax rows float32 (n, classes), and the name of the device.
    """
    where = prepare(device, threads, settings.deterministic)
    import keras

    network = keras.saving.load_model(model, compile=False, safe_mode=True)
    rows, classes = np.arange(len(images)), network.output_shape[-1]
    return predict_shifted(network.predict_on_batch, images, rows, classes, settings.test_shifts), where


def prepare(device: str, threads: int | None = None, deterministic: bool = True) -> str:
    """Set Keras up for `device` (auto, cpu or gpu) and name what it will run on. Raises DeviceError.

    `threads` are limited to the available cores; None leaves their number to the backend. `deterministic`
    matters on GPUs: on CPUs everything used here gives the same bytes each time anyway.
    """
    device = devices.settled(device)
    os.environ.setdefault("KERAS_BACKEND", devices.keras_backend(device))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # a missing GPU is no error
    # With oneDNN, which TensorFlow leaves off on AMD CPUs, convolutions take a third of the time or less.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if threads is not None:
        used = str(min(threads, devices.cores()))
        os.environ.update(TF_NUM_INTRAOP_THREADS=used, OMP_NUM_THREADS=used)
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    elif devices.has_driver():
        devices.take_gpu()
        if os.environ["KERAS_BACKEND"] == "jax":
            # JAX would take most of the GPU's memory at once.
            os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
            if deterministic:  # the order in which it adds would vary from run to run
                os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {XLA_DETERMINISTIC}".strip()
    with quiet(), hidden("matplotlib", "pandas"):  # Keras would import both, which takes a second
        import keras

        keras.config.set_image_data_format("channels_last")
        backend, gpus = keras.config.backend(), gpus_seen()
        chosen = devices.choose_device(device, f"{backend} {versions()[backend]}{_build(backend)}", gpus)
    if device == "auto" and backend == "jax" and not gpus and devices.has_driver():
        log.warning(
            f"warning: JAX{_build(backend)} sees no GPU, although there is an NVIDIA driver; `make gpu` "
            "looks at it and installs what suits it"
        )
    if chosen == "gpu" and deterministic:
        _same_bytes_twice(backend)
    return devices.announce(chosen, gpus, versions())


def _same_bytes_twice(backend: str) -> None:
    """Allow a backend on a GPU only operations that add in a fixed order; JAX is told before its import."""
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or its matrix products are refused
        torch.use_deterministic_algorithms(True)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what libraries write to standard error past Python; show it only if the block fails.

    TensorFlow says at each start that it uses oneDNN and that there is no GPU, and has no switch to turn that
    off; if a GPU should be found and is not, the same lines say why.
    """
    with tempfile.TemporaryFile() as held:
        standard_error = os.dup(2)
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(standard_error, held.read())
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


@contextlib.contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Let optional packages appear not to be installed, unless they are imported already."""
    absent = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for package in absent:
            del sys.modules[package]


def gpus_seen() -> list[str]:
    import keras

    if keras.config.backend() == "torch":  # the only backend for which Keras does not list devices
        import torch

        return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if keras.config.backend() == "jax":
        import jax

        try:
            return [gpu.device_kind for gpu in jax.devices("gpu")]
        except RuntimeError:  # for a missing kind of device JAX raises, instead of giving an empty list
            return []
    return keras.distribution.list_devices("gpu")


def _build(backend: str) -> str:
    """A remark on a backend's build, or ""."""
    return ", a build for CPUs," if backend == "jax" and not devices.has_cuda_jax() else ""


def versions() -> dict[str, str]:
    import keras

    backend = keras.config.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        backend: importlib.metadata.version(backend),
        "numpy": np.__version__,
    }
