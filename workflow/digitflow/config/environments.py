"""What is installed: versions that can change results, pins, and warnings about what is missing or unused."""

import ctypes.util
import functools
import hashlib
import os
import re
import sys
from pathlib import Path
from typing import Any

from digitflow.config.models import device_of
from digitflow.config.schema import CLONE
from digitflow.training import builds, device

ENVIRONMENTS = CLONE / "workflow" / "envs"
GPU_CHOICE = CLONE / ".venvs" / "gpu.mk"  # written by `make gpu`, and read by the Makefile, too


def may_use_gpu(config: dict[str, Any], model: dict[str, Any]) -> bool:
    """Whether a job of a model must claim the GPU: by default one job at a time uses it.

    With `device: gpu` it claims one even if this machine has none: the job may run on a node of a cluster.
    """
    requested = device_of(config, model)
    if not device.may_be_gpu(requested):
        return False
    if model["framework"] == "keras":
        return requested == "gpu" or _keras_may_use_gpu()
    return model["framework"] == "mxnet" and builds.read(GPU_CHOICE).mxnet != builds.MXNET_ON_CPUS


def _keras_may_use_gpu() -> bool:
    """Whether something is installed, or a backend was chosen, with which Keras may find a GPU."""
    if "KERAS_BACKEND" in os.environ or device.has_cuda_jax():
        return True
    # What TensorFlow takes, if it is a build for GPUs.
    return bool(ctypes.util.find_library("cudnn") or device.installed_version("nvidia-cudnn-cu12"))


def mxnet_lock() -> Path:
    """The pins of MXNet's environment: those for CPUs, or those that `make gpu` chose."""
    return ENVIRONMENTS / f"{builds.read(GPU_CHOICE).mxnet}.lock.txt"


def mxnet_versions() -> str:
    """The pinned versions in MXNet's environment that can change its trainings and predictions."""
    pins = re.findall(r"^(?:mxnet|numpy|opencv|nvidia)\S*==\S+", mxnet_lock().read_text(), re.MULTILINE)
    return ", ".join(pin.replace("==", " ") for pin in pins)


def keras_versions(requested: str) -> str:
    """The installed versions that can change Keras' trainings and predictions on a device, including that of
    its backend.
    """
    for_gpus = () if requested == "cpu" else tuple(device.cuda_builds())
    return _versions("keras", device.keras_backend(requested), "numpy", "opencv-python-headless", *for_gpus)


def numpy_versions() -> str:
    """The installed versions that can change numpy's trainings and predictions."""
    return _versions("numpy", "opencv-python-headless")


@functools.cache
def _versions(*packages: str) -> str:
    return ", ".join(
        f"{package} {device.installed_version(package) or 'not installed'}" for package in packages
    )


def stale_environment() -> str | None:
    """A line for the user if the installed packages are not the pinned ones; None if they are, or if that is
    not known.

    `make` keeps a copy of the pins that it installed in the environment.
    """
    installed = Path(sys.prefix, "main.installed")
    names = filter(None, ("main", builds.read(GPU_CHOICE).keras))
    pinned = b"".join((ENVIRONMENTS / f"{name}.lock.txt").read_bytes() for name in names)
    if not installed.exists() or installed.read_bytes() in (b"", pinned):
        return None
    return (
        "warning: the installed packages are not the pinned ones; to install those: make .venv/main.installed"
    )


def idle_gpu(config: dict[str, Any]) -> str | None:
    """A line for the user if there is a driver for a GPU, but nothing installed that could use it."""
    models = [config["models"][name] for name in config["merge"]["models"] if name in config["models"]]
    wanted = any(device_of(config, model) != "cpu" for model in models if model["framework"] != "numpy")
    if not wanted or not device.has_driver() or GPU_CHOICE.exists() or _keras_may_use_gpu():
        return None
    return (
        "warning: this machine has an NVIDIA driver, but nothing is installed that can use a GPU, so models "
        "train on the CPU; to use the GPU: make gpu; to train on the CPU without this warning: device: cpu"
    )


def clone_digest(path: str | os.PathLike) -> str:
    """A digest of a file of the clone, or of all files in a folder: a param of rules that depend on it."""
    files = sorted(Path(path).iterdir()) if Path(path).is_dir() else [Path(path)]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
