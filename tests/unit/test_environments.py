"""The pins: hashed, without addresses, and one source of truth."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ENVS = Path(__file__).parents[2] / "workflow" / "envs"
LOCKS = sorted(ENVS.glob("*.lock.txt"))


def pins(lock: str) -> dict[str, str]:
    text = (ENVS / f"{lock}.lock.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_pin_is_exact_hashed_and_without_an_address(path):
    text = path.read_text()
    assert "://" not in text
    requirements = re.split(r"\n(?=\S)", text.strip())
    for requirement in requirements:
        assert re.match(r"[a-z0-9-]+==\S+.*--hash=sha256:[0-9a-f]{64}", requirement, re.DOTALL), requirement


def test_the_development_environment_adds_to_the_main_one_and_changes_nothing():
    assert pins("main").items() <= pins("dev").items()


def test_conda_users_get_the_same_pins():
    environment = yaml.safe_load((ENVS.parents[1] / "environment.yml").read_text())
    *packages, pip = environment["dependencies"]
    assert "python=3.11" in packages
    assert "uv" in packages
    assert pip == {"pip": ["-r workflow/envs/main.lock.txt"]}


def test_mxnet_has_the_numpy_of_its_day():
    assert pins("mxnet")["mxnet"] == "1.9.1"
    assert tuple(map(int, pins("mxnet")["numpy"].split("."))) < (1, 24)


# What the rule installs

UV = """#!/bin/bash
echo "$1 $2" >> "$CALLS"
for place; do :; done  # the last argument
case "$1 $2" in
    "venv --quiet") rm -rf "$place"; sleep 0.5; mkdir -p "$place/bin"; cp "$0" "$place/bin/python" ;;
    "pip sync") sleep 0.5 ;;
esac
"""


@pytest.fixture
def uv(tmp_path) -> Path:
    """A stand-in for uv, that notes its calls and takes its time."""
    path = tmp_path / "tools" / "uv"
    path.parent.mkdir()
    path.write_text(UV)
    path.chmod(0o755)
    return path


def run_installations(tmp_path: Path, search: str, folders: list[str], digest: str = "0123") -> list[str]:
    """Install one environment for runs that start at the same time; what uv was called for."""
    environment, calls = tmp_path / "a clone" / ".venvs" / "mxnet", tmp_path / "calls"
    calls.write_text("")
    script = ["bash", ENVS / "install.sh", environment, "mxnet.lock.txt", digest]
    started = [
        subprocess.Popen(
            [*script, tmp_path / name / "log"], env=os.environ | {"PATH": search, "CALLS": str(calls)}
        )
        for name in folders
    ]
    assert [process.wait(60) for process in started] == [0] * len(folders)
    assert (environment / "pins.txt").read_text() == f"{digest}\n"
    return calls.read_text().splitlines()


@pytest.mark.skipif(not shutil.which("flock"), reason="there is no flock")
def test_runs_that_start_at_the_same_time_install_an_environment_once(tmp_path, uv):
    search = f"{uv.parent}:{os.environ['PATH']}"
    folders = ["first", "second", "third"]
    assert run_installations(tmp_path, search, folders) == ["venv --quiet", "pip sync"]
    logs = [path.read_text() for path in tmp_path.glob("*/log")]
    assert sum("installing mxnet.lock.txt" in text for text in logs) == 1
    assert run_installations(tmp_path, search, folders) == []
    assert run_installations(tmp_path, search, ["first"], "other pins") == ["venv --quiet", "pip sync"]


def test_without_flock_an_environment_is_installed_all_the_same(tmp_path, uv):
    for name in ("basename", "bash", "cat", "cp", "dirname", "mkdir", "rm", "sleep", "tee"):
        (uv.parent / name).symlink_to(shutil.which(name))
    assert run_installations(tmp_path, str(uv.parent), ["first"]) == ["venv --quiet", "pip sync"]


def test_on_a_disk_without_locks_an_environment_is_installed_all_the_same(tmp_path, uv):
    (uv.parent / "flock").write_text("#!/bin/sh\necho 'flock: 9: Function not implemented' >&2\nexit 71\n")
    (uv.parent / "flock").chmod(0o755)
    search = f"{uv.parent}:{os.environ['PATH']}"
    assert run_installations(tmp_path, search, ["first"]) == ["venv --quiet", "pip sync"]
    assert (tmp_path / "first" / "log").read_text().endswith(".venvs/mxnet: installing mxnet.lock.txt\n")


def test_where_an_environment_cannot_be_installed_the_log_says_who_can(tmp_path):
    (tmp_path / ".venvs").touch()  # no folder can be made there, not even by root
    log = tmp_path / "log"
    environment = tmp_path / ".venvs" / "mxnet"
    script = ["bash", ENVS / "install.sh", environment, "mxnet.lock.txt", "0123", log]
    assert subprocess.run(script, check=False).returncode == 1
    assert log.read_text().startswith(f"error: {environment}: is not installed from the present pins")
    assert log.read_text().endswith("whoever owns the clone installs it there: make fetch\n")


# GPUs

PROJECT = ENVS.parents[1]


@pytest.mark.parametrize("lock", ["jax-cuda12", "jax-cuda13", "slurm"])
def test_what_gpus_and_clusters_add_to_the_main_environment_changes_nothing_there(lock):
    added, main = pins(lock), pins("dev")
    assert {name: added[name] for name in added.keys() & main.keys()} == {
        name: main[name] for name in added.keys() & main.keys()
    }
    assert "tensorflow" not in added


def test_each_build_is_held_to_what_its_oldest_driver_and_gpu_can_run():
    assert pins("jax-cuda13")["cuda-toolkit"].startswith("13.0.")
    assert tuple(map(int, pins("jax-cuda12")["nvidia-cudnn-cu12"].split(".")[:2])) < (9, 11)
    assert pins("mxnet-cu117")["nvidia-cuda-nvrtc-cu11"].startswith("11.8.")
    assert pins("mxnet-cu117")["numpy"] == pins("mxnet")["numpy"]


LONG_AGO, BEFORE, LATELY = 1_000_000_000, 1_100_000_000, 1_200_000_000  # seconds since 1970


@pytest.fixture
def clone(tmp_path):
    """A clone that has only its Makefile, its pins and an environment."""
    shutil.copytree(ENVS, tmp_path / "workflow" / "envs")
    shutil.copy2(PROJECT / "Makefile", tmp_path)
    for folder in (".venv/bin", ".venvs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    return tmp_path


def choose(clone: Path, keras: str, mxnet: str) -> None:
    """What `make gpu` leaves."""
    (clone / ".venvs" / "gpu.mk").write_text(f"GPU_PINS = {keras}\nMXNET_PINS = {mxnet}\n")


def install(clone: Path) -> None:
    """All is as old as the clone, but what says that the environment is up to date, which is younger."""
    for path in clone.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    for name in ("main", "dev"):
        path = clone / ".venv" / f"{name}.installed"
        path.touch()
        os.utime(path, (BEFORE, BEFORE))


def change(clone: Path, lock: str) -> None:
    path = clone / "workflow" / "envs" / f"{lock}.lock.txt"
    os.utime(path, (LATELY, LATELY))


def plan(clone: Path, *targets: str) -> str:
    """What make would do."""
    return subprocess.run(
        ["make", "--dry-run", *targets], cwd=clone, capture_output=True, text=True, check=True
    ).stdout


def synchronised(planned: str) -> list[list[str]]:
    """The lock files of each environment that make brings up to date."""
    lines = [line for line in planned.splitlines() if " pip sync " in line]
    return [re.findall(r"([\w-]+)\.lock\.txt", line) for line in lines]


def test_what_make_gpu_has_chosen_is_kept_by_every_later_make(clone):
    assert synchronised(plan(clone, "unit")) == [["main"], ["dev"]]
    choose(clone, "jax-cuda13", "mxnet")
    assert synchronised(plan(clone, "unit")) == [["main", "jax-cuda13"], ["dev", "jax-cuda13"]]
    assert synchronised(plan(clone, "submission")) == [["main", "jax-cuda13"]]


def test_a_choice_that_only_mxnet_has_a_build_for_leaves_the_main_environment(clone):
    choose(clone, "", "mxnet-cu117")
    assert synchronised(plan(clone, "unit")) == [["main"], ["dev"]]


@pytest.mark.parametrize(
    ("lock", "installed"),
    [
        (None, []),
        ("main", [["main", "jax-cuda13"], ["dev", "jax-cuda13"]]),
        ("jax-cuda13", [["main", "jax-cuda13"], ["dev", "jax-cuda13"]]),
        ("dev", [["dev", "jax-cuda13"]]),
        ("jax-cuda12", []),
    ],
)
def test_pins_that_change_after_make_gpu_are_installed_with_its_choice(clone, lock, installed):
    choose(clone, "jax-cuda13", "mxnet")
    install(clone)
    if lock:
        change(clone, lock)
    assert synchronised(plan(clone, "unit")) == installed


def test_make_cpu_forgets_the_choice_and_installs_the_main_environment_alone(clone):
    choose(clone, "jax-cuda13", "mxnet-cu117")
    install(clone)
    removed = plan(clone, "cpu").splitlines()[0].split()
    assert removed == ["rm", "-f", ".venvs/gpu.mk", ".venv/main.installed"]
    for name in removed[2:]:  # a dry run removes nothing, and plans what comes after as if it were there
        (clone / name).unlink()
    assert synchronised(plan(clone, "devices")) == [["main"]]
    assert synchronised(plan(clone, "unit")) == [["main"], ["dev"]]


# Clusters


def test_what_make_slurm_adds_is_kept_by_every_later_make(clone):
    assert plan(clone, "slurm").splitlines()[1:3] == ["touch .venvs/slurm", "rm -f .venv/main.installed"]
    (clone / ".venvs" / "slurm").touch()
    assert synchronised(plan(clone, "unit")) == [["main", "slurm"], ["dev", "slurm"]]
    choose(clone, "jax-cuda13", "mxnet")
    planned = plan(clone, "unit")
    assert synchronised(planned) == [["main", "jax-cuda13", "slurm"], ["dev", "jax-cuda13", "slurm"]]
    # A run compares this with the pins of what is computed with; the cluster's are none of these.
    locks = "workflow/envs/main.lock.txt workflow/envs/jax-cuda13.lock.txt"
    assert f"cat {locks} > .venv/main.installed" in planned.splitlines()
