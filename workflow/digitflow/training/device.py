"""The one place that decides between GPU and CPU, and counts the cores."""

import importlib.metadata
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from digitflow.base.errors import ConfigError, DeviceError

DRIVER = Path("/proc/driver/nvidia")  # there as soon as the kernel module is loaded
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
# Variables by which libraries choose how to compute, as this process was given them: those that prepare a
# framework set some themselves.
VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "NVIDIA_TF32_OVERRIDE", "TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS"),
    *("ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE"),
)
GIVEN = {name: os.environ.get(name) for name in VARIABLES}


def choose_device(requested: str, framework: str, gpus: Sequence[str], driver: Path = DRIVER) -> str:
    """Decide "gpu" or "cpu".

    `requested` is auto, cpu or gpu; `framework` is its name and version; `gpus` are those that it sees.
    Raises DeviceError where gpu is requested and none is seen, ConfigError for another request.
    """
    if requested not in ("auto", "cpu", "gpu"):
        raise ConfigError(f"device: {requested!r} is not one of auto, cpu, gpu")
    if requested == "gpu" and not gpus:
        raise DeviceError(f"device: gpu was asked for, but {framework} sees none: {_reason(driver)}")
    return "gpu" if gpus and requested != "cpu" else "cpu"


def cores() -> int:
    """How many cores this process may use: fewer than the machine has where it was given some of them."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not tell
        return os.cpu_count() or 1


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What the CPU calls itself, for the records; "CPU" where the system does not tell."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return "CPU"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "CPU")


def has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies bfloat16 itself (AVX-512 BF16, AMX); False where the system does not say."""
    return not BFLOAT16_FLAGS.isdisjoint(cpu_flags(cpuinfo))


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """What the CPU can do, by which libraries choose their code; empty where the system does not say."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return []
    flags = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return sorted(next(flags, "").split())


def surroundings(
    cpuinfo: Path = Path("/proc/cpuinfo"), driver: Path = DRIVER, variables: Mapping[str, str | None] = GIVEN
) -> dict[str, Any]:
    """What can change the bits that a training computes, beside its device, threads and framework."""
    models = [path.read_text().partition("\n")[0] for path in driver.glob("gpus/*/information")]
    return {
        "flags": cpu_flags(cpuinfo),
        "gpus": sorted(models),  # frameworks call them gpu:0, whatever they are
        "variables": dict(variables),
        "opencv": _version("opencv-python-headless"),  # it warps the images
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _reason(driver: Path) -> str:
    if driver.exists():
        return (
            f"the NVIDIA driver is loaded ({driver}), so look at CUDA_VISIBLE_DEVICES and at whether "
            "the installed framework was built for CUDA; or set device: auto"
        )
    return f"no NVIDIA driver is loaded (looked for {driver}); set device: auto or cpu"
