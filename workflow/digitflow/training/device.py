"""The one place that decides between GPU and CPU, which GPU a job has, and how many cores there are."""

import functools
import importlib.metadata
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from digitflow.base.errors import DeviceError
from digitflow.training.driver import Driver, ask_in_child

log = logging.getLogger("digitflow")

DRIVER = Path("/proc/driver/nvidia")  # exists as soon as the kernel module is loaded
WINDOWS_DRIVER = Path("/usr/lib/wsl/lib/libcuda.so.1")  # in a Linux inside Windows
GPUS = Path("/proc/driver/nvidia/gpus")  # a folder for each
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
# Variables by which libraries choose how to compute, with the values that this process was given: the
# functions that prepare a framework set some of them. Which GPU of a machine a job gets is none of them: a
# cluster gives it another one each time. What GPUs they are, and Keras' backend, is recorded beside these.
VARIABLES = (
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "TF_ENABLE_ONEDNN_OPTS",
    "XLA_FLAGS",
)
GIVEN = {name: os.environ.get(name) for name in VARIABLES}
AUTO = "DIGITFLOW_AUTO"  # the variable that tells jobs on a cluster's nodes what `device: auto` means there
MOST_THREADS = 4  # for one training; small networks gain little from more
JAX_PLUGINS = ("jax-cuda13-plugin", "jax-cuda12-plugin")
# The same version of JAX or MXNet is built for several versions of CUDA.
CUDA_BUILDS = (*JAX_PLUGINS, "mxnet-cu117", "nvidia-cudnn-cu11", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")

_taken: list[socket.socket] = []  # the GPUs of this process: they are free again once it has ended


def choose_device(requested: str, framework: str, gpus: Sequence[str], driver: Path = DRIVER) -> str:
    """Decide "gpu" or "cpu".

    `requested` is auto, cpu or gpu; `framework` is its name, its version and a remark on its build, if any;
    `gpus` are those that it sees. Raises DeviceError if gpu is requested and none is seen.
    """
    if requested == "gpu" and not gpus:
        raise DeviceError(f"device: gpu was requested, but {framework} sees none: {_reason(driver)}")
    return "gpu" if gpus and requested != "cpu" else "cpu"


def announce(chosen: str, gpus: Sequence[str], versions: Mapping[str, str]) -> str:
    """Log the device and the versions; return the device for the records: "cpu: " or "gpu: " and a name."""
    where = f"{chosen}: {', '.join(gpus) if chosen == 'gpu' else cpu_name()}"
    log.info(f"device {where}; " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    return where


def has_driver() -> bool:
    """Whether an NVIDIA driver is loaded, so that a training may use a GPU."""
    return DRIVER.exists() or WINDOWS_DRIVER.exists()


def settled(requested: str) -> str:
    """The requested device, auto, cpu or gpu. On a node of a cluster, auto is cpu if no GPU was asked for."""
    return os.environ.get(AUTO, requested) if requested == "auto" else requested


def may_be_gpu(requested: str) -> bool:
    """Whether a training on a requested device may use a GPU: one of this machine or, with "gpu", of the one
    that will run the job.
    """
    wanted = settled(requested)
    return wanted == "gpu" or (wanted == "auto" and has_driver())


def keras_backend(requested: str) -> str:
    """The backend that Keras trains with on a device: JAX if a GPU may be used and JAX's CUDA build is
    installed, else TensorFlow. KERAS_BACKEND, if it is set, takes precedence.
    """
    if backend := os.environ.get("KERAS_BACKEND"):
        return backend
    return "jax" if may_be_gpu(requested) and has_cuda_jax() else "tensorflow"


def has_cuda_jax() -> bool:
    """Whether JAX's CUDA build is installed."""
    return any(installed_version(name) for name in JAX_PLUGINS)


def take_gpu(gpus: Path = GPUS, ask: Callable[[], Driver] = ask_in_child) -> None:
    """If there are several GPUs, take one that no other job has, for as long as this process lives.

    Call it before a framework is imported: CUDA_VISIBLE_DEVICES then shows it only that GPU. If all are
    taken, for example by another project's run, the first is shared.
    """
    if not gpus.is_dir() or len(list(gpus.iterdir())) < 2:
        return
    seen = ask().gpus
    if len(seen) < 2:
        return
    chosen = next((gpu for gpu in seen if _take(gpu.uuid)), None)
    if chosen is None:
        log.info(f"all {len(seen)} GPUs are taken by other jobs: {seen[0].name} is shared with one of them")
    os.environ["CUDA_VISIBLE_DEVICES"] = (chosen or seen[0]).uuid


def _take(uuid: str) -> bool:
    """Take a GPU unless another process has it, by a socket's name: the system gives a name to one process at
    a time, and takes it back when that process ends, however it ends. No file can be left behind.
    """
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0digitflow {uuid}")
    except OSError:
        name.close()
        return False
    _taken.append(name)
    return True


def cores() -> int:
    """How many cores this process may use: fewer than the machine has, if it was given only some of them."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def share_of_cores(trainings: int, most: int | None = None) -> int:
    """How many threads each of `trainings` gets, so that together they use all cores.

    `most`: the cores that the run may use, if fewer than there are.
    """
    available = min(cores(), most or cores())
    return min(max(available // max(trainings, 1), 1), MOST_THREADS)


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What the CPU calls itself, for the records; "CPU" if the system does not say."""
    return _told(cpuinfo, "model name") or "CPU"


def has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies bfloat16 itself (AVX-512 BF16, AMX); False if the system does not say."""
    return not BFLOAT16_FLAGS.isdisjoint(cpu_flags(cpuinfo))


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """What the CPU can do, by which libraries choose their code; empty if the system does not say."""
    return sorted(_told(cpuinfo, "flags", "Features").split())


def _told(cpuinfo: Path, *names: str) -> str:
    """What the system says of the CPU under one of these names; "" if it does not say."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(names)), "")


def surroundings(
    cpuinfo: Path = Path("/proc/cpuinfo"), driver: Path = DRIVER, variables: Mapping[str, str | None] = GIVEN
) -> dict[str, Any]:
    """What can change the bits that a training computes, besides its device, threads and framework.

    Builds for GPUs are named only if some are installed, so that on other machines nothing changes.
    """
    models = [path.read_text().partition("\n")[0] for path in driver.glob("gpus/*/information")]
    found = {
        "flags": cpu_flags(cpuinfo),
        "gpus": sorted(models),  # frameworks call them gpu:0, whatever they are
        "variables": dict(variables),
        "opencv": installed_version("opencv-python-headless"),  # it warps the images
    }
    return found | ({"cuda": builds} if (builds := cuda_builds()) else {})


@functools.cache
def cuda_builds() -> dict[str, str]:
    """The versions of the packages that are installed only for GPUs and can change what they compute."""
    return {name: version for name in CUDA_BUILDS if (version := installed_version(name))}


def installed_version(package: str) -> str | None:
    """The version of a package installed in this environment; None if it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _reason(driver: Path) -> str:
    if found := next((path for path in (driver, WINDOWS_DRIVER) if path.exists()), None):
        return (
            f"the NVIDIA driver is loaded ({found}), so check CUDA_VISIBLE_DEVICES and whether "
            "the installed framework was built for CUDA: `make gpu` installs what suits this machine, or "
            "says why nothing does; or set device: auto, or cpu for this model"
        )
    return f"no NVIDIA driver is loaded (looked for {driver}); set device: auto or cpu"
