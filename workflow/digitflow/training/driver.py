"""What the NVIDIA driver says about itself and the GPUs."""

import ctypes
import uuid
from typing import NamedTuple

from digitflow.training import child

LIBRARY = "libcuda.so.1"
MAJOR, MINOR = 75, 76  # attributes of a device: its compute capability


class Gpu(NamedTuple):
    name: str
    capability: tuple[int, int]
    uuid: str  # in the form that CUDA_VISIBLE_DEVICES takes


class Driver(NamedTuple):
    """`cuda` is the newest CUDA that it supports, 12080 for 12.8, or 0; `trouble`: why it shows no GPU."""

    cuda: int
    gpus: tuple[Gpu, ...]
    trouble: str = ""


def ask(library: str = LIBRARY) -> Driver:
    """Ask the driver for its version and its GPUs, limited to those in CUDA_VISIBLE_DEVICES."""
    try:
        cuda = ctypes.CDLL(library)
    except OSError:
        return Driver(0, (), f"no NVIDIA driver is installed (there is no {library})")
    number = ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(number))
    version = number.value
    if status := cuda.cuInit(0):
        return Driver(version, (), f"the NVIDIA driver shows no GPU: {_error(cuda, status)}")
    cuda.cuDeviceGetCount(ctypes.byref(number))
    gpus = tuple(_describe(cuda, index) for index in range(number.value))
    return Driver(version, gpus, "" if gpus else "the NVIDIA driver shows no GPU")


def ask_in_child() -> Driver:
    """`ask` in a process of its own, because asking fixes for good which GPUs a process sees."""
    return child.call(ask)


def _describe(cuda: ctypes.CDLL, index: int) -> Gpu:
    device, name, raw = ctypes.c_int(), ctypes.create_string_buffer(256), (ctypes.c_ubyte * 16)()
    cuda.cuDeviceGet(ctypes.byref(device), index)
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceGetUuid(raw, device)
    capability = []
    for attribute in (MAJOR, MINOR):
        number = ctypes.c_int()
        cuda.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
        capability.append(number.value)
    return Gpu(name.value.decode(), tuple(capability), f"GPU-{uuid.UUID(bytes=bytes(raw))}")


def _error(cuda: ctypes.CDLL, status: int) -> str:
    text = ctypes.c_char_p()
    cuda.cuGetErrorString(status, ctypes.byref(text))
    return f"{(text.value or b'unknown error').decode()} (error {status} of cuInit)"
