"""Which builds of the frameworks suit a machine's driver and GPUs: `make gpu`.

No GPU was at hand when this was written: the limits are those given by the builds' authors and in their
files.
"""

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from digitflow.base import files
from digitflow.base.errors import DeviceError
from digitflow.training.driver import LIBRARY, Driver

Capability = tuple[int, int]


class Build(NamedTuple):
    """A build of a framework for GPUs, and what it can run on."""

    pins: str  # the lock file in workflow/envs, without its ending
    title: str
    download: str
    cuda: int  # the oldest driver that will do, given as the newest CUDA that it supports
    release: str  # the release of that driver
    oldest: Capability
    below: Capability  # the first one that is too new
    machines: tuple[str, ...] = ("x86_64", "aarch64")


NEVER = (1000, 0)
# The best one first. The limits come from JAX's installation guide, from cuDNN's support matrix (the second
# build is held to 9.10, the last for GPUs older than 7.5), and from the machine code in MXNet's library.
KERAS = (
    Build("jax-cuda13", "JAX with CUDA 13", "2.6 GB", 13000, "580", (7, 5), NEVER),
    Build("jax-cuda12", "JAX with CUDA 12", "3.4 GB", 12000, "525", (5, 2), NEVER),
)
MXNET = (Build("mxnet-cu117", "MXNet with CUDA 11", "2.4 GB", 11080, "520", (5, 0), (9, 0), ("x86_64",)),)
MXNET_ON_CPUS = "mxnet"


class Choice(NamedTuple):
    """The lock files to install, and why, in lines for a person. `keras` is "" if nothing is added for it."""

    keras: str
    mxnet: str
    reasons: tuple[str, ...]


def choose(driver: Driver) -> Choice:
    """The builds that suit what the driver reports. Raises DeviceError if none does.

    Without a GPU it is the newest build of Keras' backend, ready for a future GPU. MXNet's CUDA build cannot
    even be imported without a driver, so its build for CPUs stays.
    """
    if platform.system() != "Linux":
        raise DeviceError(
            f"the CUDA builds are for Linux, and this is {platform.system()}; nothing was changed"
        )
    found = [driver.trouble] if driver.trouble else [*_found(driver)]
    if not driver.gpus:
        build = KERAS[0]
        return Choice(
            build.pins,
            MXNET_ON_CPUS,
            (
                *found,
                f"Keras: {build.title} ({build.download} to download), for a future GPU; until then Keras "
                "trains on the CPU, with TensorFlow",
                "MXNet: keeps the build for CPUs, because its CUDA build cannot be imported without "
                f"{LIBRARY}",
            ),
        )
    (keras, keras_why), (mxnet, mxnet_why) = (_first_that_suits(builds, driver) for builds in (KERAS, MXNET))
    reasons = (*found, f"Keras: {keras_why}", f"MXNet: {mxnet_why}")
    if not keras and not mxnet:
        raise DeviceError("\n".join(("no build suits this machine, and nothing was changed:", *reasons)))
    return Choice(keras, mxnet or MXNET_ON_CPUS, reasons)


def write(choice: Choice, path: Path) -> None:
    """Write a choice as make variables, unless the file has it already: a newer file would install again."""
    text = (
        "# Written by `make gpu`, removed by `make cpu`: this machine's pins, in addition to the main ones.\n"
        f"GPU_PINS = {choice.keras}\n"
        f"MXNET_PINS = {choice.mxnet}\n"
    )
    if not path.exists() or path.read_text() != text:
        with files.atomic_path(path) as temporary:
            temporary.write_text(text)


def read(path: Path) -> Choice:
    """The choice that `write` wrote; without such a file, that of a machine where `make gpu` never ran."""
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    return Choice(pairs.get("GPU_PINS", ""), pairs.get("MXNET_PINS", MXNET_ON_CPUS), ())


def _found(driver: Driver) -> Iterator[str]:
    yield f"the NVIDIA driver supports CUDA {_cuda(driver.cuda)}"
    for index, gpu in enumerate(driver.gpus):
        yield f"GPU {index}: {gpu.name}, compute capability {_dotted(gpu.capability)}"


def _first_that_suits(builds: tuple[Build, ...], driver: Driver) -> tuple[str, str]:
    """The pins of the first suitable build, or "", and a sentence about it."""
    mistakes = []
    for build in builds:
        mistake = _mistake(build, driver)
        if not mistake:
            return build.pins, f"trains on the GPU: {build.title} ({build.download} to download)"
        mistakes.append(f"{build.title} {mistake}")
    return "", "trains on the CPU: " + "; ".join(mistakes)


def _mistake(build: Build, driver: Driver) -> str:
    """Why a build cannot be used, or ""."""
    if platform.machine() not in build.machines:
        return f"is for {' and '.join(build.machines)}, and this is {platform.machine()}"
    if driver.cuda < build.cuda:
        return f"needs a driver that supports CUDA {_cuda(build.cuda)}: release {build.release} or newer"
    for gpu in driver.gpus:
        if not build.oldest <= gpu.capability < build.below:
            limits = f"{_dotted(build.oldest)} or newer"
            if build.below != NEVER:
                limits = f"{_dotted(build.oldest)} up to, but not including, {_dotted(build.below)}"
            return f"has code for compute capability {limits}, and {gpu.name} has {_dotted(gpu.capability)}"
    return ""


def _cuda(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _dotted(capability: Capability) -> str:
    return ".".join(map(str, capability))
