"""The one place that decides between GPU and CPU, and counts the cores."""

import os
from collections.abc import Sequence
from pathlib import Path

from digitflow.base.errors import ConfigError, DeviceError

DRIVER = Path("/proc/driver/nvidia")  # there as soon as the kernel module is loaded
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


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
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return not BFLOAT16_FLAGS.isdisjoint(flags)


def _reason(driver: Path) -> str:
    if driver.exists():
        return (
            f"the NVIDIA driver is loaded ({driver}), so look at CUDA_VISIBLE_DEVICES and at whether "
            "the installed framework was built for CUDA; or set device: auto"
        )
    return f"no NVIDIA driver is loaded (looked for {driver}); set device: auto or cpu"
