"""Who gets the GPU."""

import pytest

from digitflow.base.errors import ConfigError, DeviceError
from digitflow.training import device


@pytest.mark.parametrize(
    ("requested", "gpus", "chosen"),
    [
        ("auto", ["gpu:0"], "gpu"),
        ("auto", [], "cpu"),
        ("cpu", ["gpu:0"], "cpu"),
        ("cpu", [], "cpu"),
        ("gpu", ["gpu:0"], "gpu"),
    ],
)
def test_auto_takes_a_gpu_that_is_seen_and_cpu_never_does(requested, gpus, chosen):
    assert device.choose_device(requested, "Net 1.0", gpus) == chosen


def test_gpu_without_one_says_what_was_looked_for(tmp_path):
    with pytest.raises(DeviceError, match=r"Net 1\.0 sees none: no NVIDIA driver is loaded .*/absent"):
        device.choose_device("gpu", "Net 1.0", [], driver=tmp_path / "absent")


def test_gpu_with_a_driver_but_blind_framework_points_at_its_build(tmp_path):
    with pytest.raises(DeviceError, match=r"CUDA_VISIBLE_DEVICES .* built for CUDA"):
        device.choose_device("gpu", "Net 1.0", [], driver=tmp_path)


def test_another_device_is_refused():
    with pytest.raises(ConfigError, match="'tpu' is not one of auto, cpu, gpu"):
        device.choose_device("tpu", "Net 1.0", [])


def test_the_cpu_has_the_name_that_the_system_gives(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Abacus 9\nmodel name\t: Abacus 9\n")
    assert device.cpu_name(tmp_path / "cpuinfo") == "Abacus 9"
    assert device.cpu_name(tmp_path / "absent") == "CPU"


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("fpu avx2 avx512f avx512_bf16", True),
        ("fpu amx_tile amx_bf16", True),
        ("fpu avx2 avx512f avx512_vnni", False),
        ("", False),
    ],
)
def test_bfloat16_is_known_by_the_flags_of_the_cpu(tmp_path, flags, found):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: amx_bf16\nflags\t\t: {flags}\n")
    assert device.has_bfloat16(tmp_path / "cpuinfo") is found
    assert device.has_bfloat16(tmp_path / "absent") is False
