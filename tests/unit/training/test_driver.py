"""What NVIDIA's driver says: asked through its library, here a pretended one."""

import ctypes

import pytest

from digitflow.training import driver
from digitflow.training.driver import Driver, Gpu

NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE


class Library:
    """libcuda.so.1 with GPUs of a name and a compute capability; it fills what it gets by reference."""

    def __init__(self, cuda=13000, gpus=(), status=0):
        self.cuda, self.gpus, self.status = cuda, gpus, status

    def cuDriverGetVersion(self, version):
        version._obj.value = self.cuda

    def cuInit(self, flags):
        return self.status

    def cuGetErrorString(self, status, text):
        text._obj.value = b"no CUDA-capable device is detected"

    def cuDeviceGetCount(self, count):
        count._obj.value = len(self.gpus)

    def cuDeviceGet(self, device, index):
        device._obj.value = index

    def cuDeviceGetName(self, name, size, device):
        name.value = self.gpus[device.value][0].encode()

    def cuDeviceGetUuid(self, raw, device):
        raw[:] = bytes([device.value] * 16)

    def cuDeviceGetAttribute(self, number, attribute, device):
        number._obj.value = self.gpus[device.value][1][{75: 0, 76: 1}[attribute]]


@pytest.fixture
def installed(monkeypatch):
    """A function that puts a pretended library where the driver's is looked for."""

    def install(**said):
        monkeypatch.setattr(ctypes, "CDLL", {driver.LIBRARY: Library(**said)}.__getitem__)

    return install


def test_the_driver_tells_its_cuda_and_the_gpus_names_capabilities_and_uuids(installed):
    installed(cuda=12080, gpus=[("NVIDIA L4", (8, 9)), ("Tesla T4", (7, 5))])
    first, second = "GPU-00000000-0000-0000-0000-000000000000", "GPU-01010101-0101-0101-0101-010101010101"
    assert driver.ask() == Driver(
        12080, (Gpu("NVIDIA L4", (8, 9), first), Gpu("Tesla T4", (7, 5), second)), trouble=""
    )


def test_without_a_driver_its_library_is_named():
    absent = "libcuda-of-nobody.so.1"
    assert driver.ask(absent) == Driver(0, (), f"no NVIDIA driver is installed (there is no {absent})")


def test_a_driver_without_a_gpu_says_why_in_its_own_words(installed):
    installed(status=NO_DEVICE)
    assert driver.ask().trouble == (
        "the NVIDIA driver shows no GPU: no CUDA-capable device is detected (error 100 of cuInit)"
    )


def test_gpus_that_are_all_hidden_are_no_gpus(installed):
    installed(gpus=[])
    assert driver.ask() == Driver(13000, (), "the NVIDIA driver shows no GPU")
