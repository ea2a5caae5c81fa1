"""Which builds suit a driver and its GPUs, and what is said of it."""

import platform
import re

import pytest

from digitflow.base.errors import DeviceError
from digitflow.training import builds
from digitflow.training.driver import Driver, Gpu

NAMES = {
    (12, 0): "NVIDIA GeForce RTX 5090",
    (10, 0): "NVIDIA B200",
    (9, 0): "NVIDIA H100 80GB HBM3",
    (8, 9): "NVIDIA L4",
    (8, 6): "NVIDIA GeForce RTX 3090",
    (8, 0): "NVIDIA A100-SXM4-40GB",
    (7, 5): "Tesla T4",
    (7, 0): "Tesla V100-SXM2-16GB",
    (6, 1): "NVIDIA GeForce GTX 1080 Ti",
    (5, 2): "NVIDIA GeForce GTX 980",
    (5, 0): "NVIDIA GeForce GTX 750 Ti",
    (3, 7): "Tesla K80",
}


def machine(cuda, *capabilities):
    """A driver that knows this CUDA, and GPUs of these compute capabilities."""
    gpus = (Gpu(NAMES[one], one, f"GPU-{index}") for index, one in enumerate(capabilities))
    return Driver(cuda, tuple(gpus))


@pytest.fixture(autouse=True)
def linux(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


# CUDA 13.0 is what driver 580 knows, 12.8 driver 570, 12.0 driver 525, 11.8 driver 520.
@pytest.mark.parametrize(
    ("cuda", "capability", "keras", "mxnet"),
    [
        (13000, (12, 0), "jax-cuda13", "mxnet"),
        (13000, (10, 0), "jax-cuda13", "mxnet"),
        (13000, (9, 0), "jax-cuda13", "mxnet"),
        (13010, (8, 9), "jax-cuda13", "mxnet-cu117"),
        (13000, (8, 6), "jax-cuda13", "mxnet-cu117"),
        (13000, (7, 5), "jax-cuda13", "mxnet-cu117"),
        (13000, (7, 0), "jax-cuda12", "mxnet-cu117"),
        (13000, (6, 1), "jax-cuda12", "mxnet-cu117"),
        (13000, (5, 2), "jax-cuda12", "mxnet-cu117"),
        (13000, (5, 0), "", "mxnet-cu117"),
        (12080, (12, 0), "jax-cuda12", "mxnet"),
        (12080, (9, 0), "jax-cuda12", "mxnet"),
        (12080, (8, 6), "jax-cuda12", "mxnet-cu117"),
        (12000, (8, 0), "jax-cuda12", "mxnet-cu117"),
        (11080, (8, 6), "", "mxnet-cu117"),
    ],
)
def test_driver_and_compute_capability_decide_what_is_installed(cuda, capability, keras, mxnet):
    choice = builds.choose(machine(cuda, capability))
    assert (choice.keras, choice.mxnet) == (keras, mxnet)


@pytest.mark.parametrize(
    ("cuda", "capability", "message"),
    [
        (11080, (9, 0), r"JAX with CUDA 12 needs a driver that supports CUDA 12\.0: release 525 or newer"),
        (11040, (8, 6), r"MXNet with CUDA 11 needs a driver that supports CUDA 11\.8: release 520 or newer"),
        (12080, (3, 7), r"has code for compute capability 5\.2 or newer, and Tesla K80 has 3\.7"),
    ],
)
def test_where_no_build_suits_nothing_is_changed_and_each_build_says_why(cuda, capability, message):
    with pytest.raises(DeviceError, match=message) as caught:
        builds.choose(machine(cuda, capability))
    assert str(caught.value).startswith("no build suits this machine, and nothing was changed:\n")


def test_what_was_found_and_what_follows_is_told_in_plain_words():
    assert builds.choose(machine(13000, (9, 0))).reasons == (
        "the NVIDIA driver supports CUDA 13.0",
        "GPU 0: NVIDIA H100 80GB HBM3, compute capability 9.0",
        "Keras: trains on the GPU: JAX with CUDA 13 (2.6 GB to download)",
        "MXNet: trains on the CPU: MXNet with CUDA 11 has code for compute capability 5.0 up to, but not "
        "including, 9.0, and NVIDIA H100 80GB HBM3 has 9.0",
    )


def test_of_several_gpus_each_must_be_suited():
    assert builds.choose(machine(13000, (9, 0), (7, 0))).keras == "jax-cuda12"
    assert builds.choose(machine(13000, (9, 0), (7, 0))).mxnet == "mxnet"
    assert builds.choose(machine(13000, (8, 6), (7, 5)))[:2] == ("jax-cuda13", "mxnet-cu117")


def test_without_a_gpu_keras_gets_the_newest_build_and_mxnet_the_one_that_can_be_imported():
    choice = builds.choose(Driver(0, (), "no NVIDIA driver is installed (there is no libcuda.so.1)"))
    assert (choice.keras, choice.mxnet) == ("jax-cuda13", "mxnet")
    assert choice.reasons[0] == "no NVIDIA driver is installed (there is no libcuda.so.1)"
    assert any("until then Keras trains on the CPU" in line for line in choice.reasons)


def test_mxnets_build_is_for_one_kind_of_machine_only(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    choice = builds.choose(machine(13000, (8, 6)))
    assert (choice.keras, choice.mxnet) == ("jax-cuda13", "mxnet")
    assert "is for x86_64, and this is aarch64" in choice.reasons[-1]


def test_other_systems_than_linux_are_refused(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(DeviceError, match="for Linux, and this is Darwin"):
        builds.choose(Driver(0, (), "none"))


@pytest.mark.parametrize("capability", [(9, 0), (8, 6), (5, 0)])
def test_a_choice_is_read_as_it_was_written(tmp_path, capability):
    choice, path = builds.choose(machine(13000, capability)), tmp_path / "environments" / "gpu.mk"
    builds.write(choice, path)
    assert builds.read(path)[:2] == choice[:2]


def test_the_same_choice_again_leaves_the_file_as_it_is_and_installs_nothing(tmp_path):
    path, choice = tmp_path / "gpu.mk", builds.choose(machine(13000, (8, 6)))
    builds.write(choice, path)
    before = path.stat()
    builds.write(choice, path)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


def test_where_nothing_was_chosen_the_builds_are_those_for_cpus(tmp_path):
    assert builds.read(tmp_path / "gpu.mk")[:2] == ("", "mxnet")


def test_every_build_that_can_be_chosen_has_its_pins(pytestconfig):
    known = pytestconfig.rootpath / "workflow" / "envs"
    for build in (*builds.KERAS, *builds.MXNET):
        assert (known / f"{build.pins}.lock.txt").exists()
        assert re.search(
            r"^(jax-cuda1[23]-plugin|mxnet-cu117)==", (known / f"{build.pins}.lock.txt").read_text(), re.M
        )
