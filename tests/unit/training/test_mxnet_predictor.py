"""MXNet's set-up for a GPU: libraries that it does not find by itself, and GPUs on which it would abort."""

import ctypes
import importlib.machinery
import importlib.util
import logging
import os
import sys
import types

import pytest

from digitflow.base.errors import DeviceError
from digitflow.training import child, driver, mxnet_predictor

LIBRARIES = {
    "cublas": ["libcublas.so.11", "libcublasLt.so.11"],
    "cuda_runtime": ["libcudart.so.11.0"],
    "cudnn": ["libcudnn.so.8", "libcudnn_ops_infer.so.8"],
    "cusolver": ["libcusolver.so.11"],
    "cusparse": ["libcusparse.so.11"],
}


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """NVIDIA's wheels, as far as their files' names go."""
    for package, names in LIBRARIES.items():
        (tmp_path / package / "lib").mkdir(parents=True)
        for name in names:
            (tmp_path / package / "lib" / name).touch()
    spec = importlib.machinery.ModuleSpec("nvidia", None, is_package=True)
    spec.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", {"nvidia": spec}.get)


def test_libraries_are_loaded_for_all_in_the_order_in_which_they_need_each_other(wheels, monkeypatch):
    loaded = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name, mode=None: loaded.append((os.path.basename(name), mode)))  # noqa: PTH119
    mxnet_predictor.load_cuda()
    names = [
        "libcudart.so.11.0",
        "libcublas.so.11",
        "libcudnn.so.8",
        "libcusparse.so.11",
        "libcusolver.so.11",
    ]
    assert loaded == [(driver.LIBRARY, None), *((name, ctypes.RTLD_GLOBAL) for name in names)]


def test_the_cuda_build_without_a_driver_is_explained_with_the_way_back(wheels, monkeypatch):
    monkeypatch.setattr(driver, "LIBRARY", "libcuda-of-nobody.so.1")
    with pytest.raises(DeviceError, match=r"needs the NVIDIA driver: libcuda-of-nobody.* run `make cpu`"):
        mxnet_predictor.load_cuda()


def test_the_build_for_cpus_needs_no_library(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(ctypes, "CDLL", pytest.fail)
    mxnet_predictor.load_cuda()


class MXNetError(RuntimeError):
    pass


@pytest.fixture
def mxnet(monkeypatch):
    """A function that puts a pretended MXNet in place, which sees this many GPUs, or fails to count them."""

    def place(count):
        def num_gpus():
            if isinstance(count, Exception):
                raise count
            return count

        module = types.SimpleNamespace(
            gpu="gpu({})".format, context=types.SimpleNamespace(num_gpus=num_gpus), MXNetError=MXNetError
        )
        monkeypatch.setitem(sys.modules, "mxnet", module)

    return place


def test_a_gpu_that_can_be_calculated_on_is_used(mxnet, monkeypatch):
    mxnet(1)
    monkeypatch.setattr(child, "call", lambda function: "")
    assert mxnet_predictor.usable_gpus() == ["gpu(0)"]


def test_without_a_gpu_none_is_tried(mxnet, monkeypatch):
    mxnet(0)
    monkeypatch.setattr(child, "call", pytest.fail)
    assert mxnet_predictor.usable_gpus() == []


NO_CODE = (
    "Check failed: err == cudaSuccess (209 vs. 0) : no kernel image is available for execution on the device"
)


@pytest.mark.parametrize(
    ("count", "answer", "reason"),
    [
        (1, NO_CODE, "209 vs. 0"),
        (1, ChildProcessError("ended"), "a process that tried it was aborted"),
        (MXNetError("Traceback:\n  File x\nCUDA: driver too old (35 vs. 0)"), "", "CUDA: driver too old"),
    ],
)
def test_a_gpu_that_cannot_be_calculated_on_is_not_used_and_the_reason_is_told(
    mxnet, monkeypatch, caplog, count, answer, reason
):
    def call(function):
        if isinstance(answer, Exception):
            raise answer
        return answer

    mxnet(count)
    monkeypatch.setattr(child, "call", call)
    with caplog.at_level(logging.WARNING, "digitflow"):
        assert mxnet_predictor.usable_gpus() == []
    assert "warning: MXNet's CUDA build cannot calculate on this machine's GPU: " in caplog.text
    assert reason in caplog.text


@pytest.mark.parametrize(("deterministic", "told"), [(True, "1"), (False, "0")])
def test_mxnet_is_told_whether_it_must_give_the_same_bytes_twice(monkeypatch, deterministic, told):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    mxnet = types.ModuleType("mxnet")
    mxnet.__version__, mxnet.Context = "1.9.1", str
    mxnet.runtime = types.SimpleNamespace(
        Features=lambda: types.SimpleNamespace(is_enabled=lambda feature: False)
    )
    monkeypatch.setitem(sys.modules, "mxnet", mxnet)
    mxnet_predictor.prepare("cpu", 2, deterministic)
    assert os.environ["MXNET_ENFORCE_DETERMINISM"] == told
