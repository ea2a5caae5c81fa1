"""Who gets the GPU, and which of several."""

import os
import signal
import subprocess
import sys

import pytest
from tests.conftest import PROJECT

from digitflow.base.errors import DeviceError
from digitflow.config import environments
from digitflow.training import device
from digitflow.training.driver import Driver, Gpu


def test_another_build_for_gpus_makes_other_surroundings_and_versions(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(device, "CUDA_BUILDS", ("nvidia-invented",))
    monkeypatch.syspath_prepend(tmp_path / "packages")
    folder = tmp_path / "packages" / "nvidia_invented.dist-info"
    folder.mkdir(parents=True)
    seen = {str(surroundings(machine))}
    for version in ("9.10", "9.28"):
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: invented\nVersion: {version}\n")
        device.cuda_builds.cache_clear()
        seen.add(str(surroundings(machine)))
        assert f"nvidia-invented {version}" in environments.keras_versions("auto")
        assert "invented" not in environments.keras_versions("cpu")
        environments._versions.cache_clear()
    device.cuda_builds.cache_clear()
    assert len(seen) == 3


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


def test_gpu_in_a_linux_inside_windows_points_at_the_build_too(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "WINDOWS_DRIVER", tmp_path)
    with pytest.raises(DeviceError, match=r"the NVIDIA driver is loaded .* built for CUDA"):
        device.choose_device("gpu", "Net 1.0", [], driver=tmp_path / "absent")


@pytest.mark.parametrize(
    ("requested", "driver", "cuda_build", "variable", "backend"),
    [
        ("auto", True, True, None, "jax"),
        ("gpu", True, True, None, "jax"),
        ("cpu", True, True, None, "tensorflow"),
        ("auto", True, False, None, "tensorflow"),
        ("auto", False, True, None, "tensorflow"),
        ("gpu", False, True, None, "jax"),  # it will be on another machine, or be missed
        ("gpu", False, False, None, "tensorflow"),
        ("auto", True, True, "torch", "torch"),
        ("cpu", False, False, "jax", "jax"),
    ],
)
def test_keras_trains_with_jax_where_it_may_use_a_gpu(
    monkeypatch, tmp_path, requested, driver, cuda_build, variable, backend
):
    monkeypatch.setattr(device, "DRIVER", tmp_path if driver else tmp_path / "absent")
    monkeypatch.setattr(device, "has_cuda_jax", lambda: cuda_build)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if variable:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    assert device.keras_backend(requested) == backend


def test_auto_is_the_cpu_on_a_node_where_no_gpu_was_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(device, "DRIVER", tmp_path)  # of a GPU that is not this job's
    assert [device.may_be_gpu(wanted) for wanted in ("auto", "gpu", "cpu")] == [True, True, False]
    monkeypatch.setenv(device.AUTO, "cpu")
    assert [device.settled(wanted) for wanted in ("auto", "gpu", "cpu")] == ["cpu", "gpu", "cpu"]
    assert [device.may_be_gpu(wanted) for wanted in ("auto", "gpu", "cpu")] == [False, True, False]


def test_a_driver_of_windows_is_a_driver(monkeypatch, tmp_path):
    monkeypatch.setattr(device, "DRIVER", tmp_path / "absent")
    assert not device.has_driver()
    monkeypatch.setattr(device, "WINDOWS_DRIVER", tmp_path)
    assert device.has_driver()


# Several GPUs

# A job that takes a GPU of those in argv, says which, and lives until its standard input is closed.
JOB = """
import os, sys, time
from pathlib import Path
from digitflow.training import device
from digitflow.training.driver import Driver, Gpu

folder, *uuids = sys.argv[1:]
gpus = tuple(Gpu("Pretender", (9, 0), uuid) for uuid in uuids)
device.take_gpu(Path(folder), lambda: Driver(13000, gpus))
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


class Jobs:
    """Jobs that run at the same time, each with the same pretended GPUs."""

    def __init__(self, folder, uuids):
        self.command = [sys.executable, "-c", JOB, folder, *uuids]
        self.running = []

    def start(self) -> str:
        """Start one more; the GPU that it has taken."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.running.append(subprocess.Popen(self.command, env=environment, **pipes))
        return self.running[-1].stdout.readline().strip()

    def kill(self, number: int) -> None:
        self.running[number].send_signal(signal.SIGKILL)
        self.running[number].wait()


@pytest.fixture
def jobs(tmp_path):
    """A function that makes jobs for a machine with this many GPUs."""
    made = []

    def make(count):
        folder = tmp_path / "gpus"
        uuids = [f"GPU-{os.getpid()}-{number}" for number in range(count)]
        for uuid in uuids:
            (folder / uuid).mkdir(parents=True)
        made.append(Jobs(folder, uuids))
        return made[-1], uuids

    yield make
    for number in range(len(made[-1].running)):
        made[-1].kill(number)


linux = pytest.mark.skipif(sys.platform != "linux", reason="names of sockets that are no files are Linux's")


@linux
def test_jobs_at_the_same_time_have_a_gpu_each(jobs):
    running, uuids = jobs(3)
    assert [running.start() for _ in uuids] == uuids


@linux
def test_the_gpu_of_a_killed_job_is_free_again(jobs):
    running, uuids = jobs(2)
    assert [running.start(), running.start()] == uuids
    running.kill(0)
    assert running.start() == uuids[0]


@linux
def test_more_jobs_than_gpus_share_the_first(jobs):
    running, uuids = jobs(2)
    assert [running.start() for _ in range(3)] == [*uuids, uuids[0]]


def test_a_single_gpu_is_left_as_it_is_and_the_driver_is_not_asked(jobs, tmp_path):
    running, _ = jobs(1)
    assert running.start() == "None"
    device.take_gpu(tmp_path / "absent", ask=pytest.fail)


@linux
def test_of_gpus_that_are_hidden_from_the_run_none_is_taken(monkeypatch, tmp_path):
    """The kernel lists both, and CUDA_VISIBLE_DEVICES, which the driver heeds, leaves one."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    for number in range(2):
        (tmp_path / str(number)).mkdir()
    device.take_gpu(tmp_path, lambda: Driver(13000, (Gpu("Pretender", (9, 0), "GPU-1"),)))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


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
    before = surroundings(machine)
    assert before["flags"] == ["avx2", "fma"]
    assert "NVIDIA One" in before["gpus"][0]
    (machine / "driver/gpus/0000:01:00.0/information").write_text("Model: \t\t NVIDIA One\nIRQ:   \t\t 18\n")
    assert surroundings(machine) == before
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


@pytest.mark.parametrize("name", ["CUDA_VISIBLE_DEVICES", "KERAS_BACKEND"])
def test_the_number_of_a_gpu_and_what_is_recorded_elsewhere_are_no_other_surroundings(name):
    """A cluster gives a job that it starts again another GPU of the same kind."""
    assert name not in device.GIVEN


@pytest.mark.parametrize(("counted", "cores"), [(12, 12), (None, 1)])
def test_where_the_system_does_not_tell_a_process_its_cores_all_of_the_machine_count(
    monkeypatch, counted, cores
):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert device.cores() == cores


@pytest.mark.parametrize(
    ("here", "most", "trainings", "threads"),
    [
        (2, None, 1, 2),
        (2, None, 2, 1),
        (2, 4, 2, 1),
        (8, 8, 2, 4),
        (32, 32, 1, 4),
        (32, 32, 8, 4),
        (32, 2, 2, 1),
        (4, None, 30, 1),
        (1, None, 1, 1),
        (2, None, 0, 2),
    ],
)
def test_trainings_share_the_cores_of_a_run_and_none_gets_more_than_serves_it(
    monkeypatch, here, most, trainings, threads
):
    monkeypatch.setattr(device, "cores", lambda: here)
    assert device.share_of_cores(trainings, most) == threads
