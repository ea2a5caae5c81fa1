"""Who gets the GPU."""

import os
import subprocess
import sys

import pytest
from tests.conftest import PROJECT

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


@pytest.fixture
def machine(tmp_path):
    """What a system tells of its CPU and its GPU."""
    (tmp_path / "cpuinfo").write_text("model name\t: Abacus 9\nflags\t\t: fma avx2\nflags\t\t: fma avx2\n")
    information = tmp_path / "driver" / "gpus" / "0000:01:00.0" / "information"
    information.parent.mkdir(parents=True)
    information.write_text("Model: \t\t NVIDIA One\nIRQ:   \t\t 17\n")
    return tmp_path


def surroundings(machine, **variables):
    return device.surroundings(machine / "cpuinfo", machine / "driver", variables)


def test_what_can_change_bits_is_told_and_no_more(machine):
    before = surroundings(machine, KERAS_BACKEND="jax")
    assert before["flags"] == ["avx2", "fma"]
    assert "NVIDIA One" in before["gpus"][0]
    (machine / "driver/gpus/0000:01:00.0/information").write_text("Model: \t\t NVIDIA One\nIRQ:   \t\t 18\n")
    assert surroundings(machine, KERAS_BACKEND="jax") == before
    assert device.surroundings(machine / "absent", machine / "absent")["flags"] == []


def another_cpu(machine, monkeypatch):
    (machine / "cpuinfo").write_text("model name\t: Abacus 9\nflags\t\t: fma avx2 avx512_bf16\n")


def another_gpu(machine, monkeypatch):
    (machine / "driver/gpus/0000:01:00.0/information").write_text("Model: \t\t NVIDIA Two\n")


def another_opencv(machine, monkeypatch):
    monkeypatch.setattr(device.importlib.metadata, "version", lambda package: "9")


@pytest.mark.parametrize("change", [another_cpu, another_gpu, another_opencv])
def test_another_cpu_gpu_or_opencv_are_other_surroundings(machine, monkeypatch, change):
    before = surroundings(machine)
    change(machine, monkeypatch)
    assert surroundings(machine) != before


@pytest.mark.parametrize("name", device.VARIABLES)
def test_a_variable_by_which_libraries_choose_how_to_compute_is_told_as_it_was_given(name):
    code = (
        "from digitflow.training import device; import os; os.environ.clear(); print(device.surroundings())"
    )
    command, told = [sys.executable, "-c", code], set()
    for value in (None, "0", "1"):
        environment = {key: text for key, text in os.environ.items() if key != name}
        environment |= {"PYTHONPATH": str(PROJECT / "workflow")} | ({name: value} if value else {})
        told.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(told) == 3
