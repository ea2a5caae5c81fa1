"""What `make gpu` and `make devices` call."""

import platform

import pytest

from digitflow import __main__
from digitflow.training import driver
from digitflow.training.driver import Driver, Gpu


@pytest.fixture
def says(monkeypatch):
    """A function that lets the driver of a Linux machine say something."""

    def say(cuda, *gpus):
        trouble = "" if gpus else "no NVIDIA driver is installed (there is no libcuda.so.1)"
        monkeypatch.setattr(driver, "ask", lambda: Driver(cuda, gpus, trouble))
        monkeypatch.setattr(platform, "system", lambda: "Linux")
        monkeypatch.setattr(platform, "machine", lambda: "x86_64")

    return say


def test_a_choice_is_told_and_written_down(says, tmp_path, capsys):
    says(13000, Gpu("Tesla T4", (7, 5), "GPU-0"))
    assert __main__.main(["choose_gpu", str(tmp_path / "gpu.mk")]) == 0
    assert "GPU 0: Tesla T4, compute capability 7.5" in capsys.readouterr().out
    assert "GPU_PINS = jax-cuda13\nMXNET_PINS = mxnet-cu117\n" in (tmp_path / "gpu.mk").read_text()


def test_without_a_gpu_that_is_told_first(says, tmp_path, capsys):
    says(0)
    assert __main__.main(["choose_gpu", str(tmp_path / "gpu.mk")]) == 0
    assert capsys.readouterr().out.startswith("no NVIDIA driver is installed (there is no libcuda.so.1)\n")


def test_where_nothing_suits_an_earlier_choice_stays(says, tmp_path, capsys):
    (tmp_path / "gpu.mk").write_text("GPU_PINS = jax-cuda13\n")
    says(11040, Gpu("Tesla K80", (3, 7), "GPU-0"))
    assert __main__.main(["choose_gpu", str(tmp_path / "gpu.mk")]) == 1
    assert "no build suits this machine, and nothing was changed" in capsys.readouterr().err
    assert (tmp_path / "gpu.mk").read_text() == "GPU_PINS = jax-cuda13\n"


def test_a_framework_that_is_in_another_environment_is_asked_there(capsys):
    assert __main__.main(["show_device", "mxnet"]) == 1
    assert (
        "mxnet is not installed in the environment of this command; type make devices"
        in capsys.readouterr().err
    )


def test_a_framework_that_has_no_devices_is_refused_by_name(capsys):
    assert __main__.main(["show_device", "numpy"]) == 1
    assert "'numpy' is not one of keras, mxnet" in capsys.readouterr().err
