"""The pins: hashed, without addresses, and one source of truth."""

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


# GPUs

PROJECT = ENVS.parents[1]


@pytest.mark.parametrize("lock", ["jax-cuda12", "jax-cuda13"])
def test_what_a_gpu_adds_to_the_main_environment_changes_nothing_there(lock):
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


def plan(folder: Path, *targets: str) -> str:
    """What make would do in a clone that has only its Makefile, its pins and an environment."""
    shutil.copytree(ENVS, folder / "workflow" / "envs", dirs_exist_ok=True)
    shutil.copy2(PROJECT / "Makefile", folder)
    (folder / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    (folder / ".venv" / "bin" / "python").touch()
    return subprocess.run(
        ["make", "--dry-run", *targets], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def synchronised(planned: str) -> list[list[str]]:
    """The lock files of each environment that make brings up to date."""
    lines = [line for line in planned.splitlines() if " pip sync " in line]
    return [re.findall(r"([\w-]+)\.lock\.txt", line) for line in lines]


def test_what_make_gpu_has_chosen_is_kept_by_every_later_make(tmp_path):
    assert synchronised(plan(tmp_path, "unit")) == [["main"], ["dev"]]
    (tmp_path / ".venvs").mkdir()
    (tmp_path / ".venvs" / "gpu.mk").write_text("GPU_PINS = jax-cuda13\nMXNET_PINS = mxnet\n")
    assert synchronised(plan(tmp_path, "unit")) == [["main", "jax-cuda13"], ["dev", "jax-cuda13"]]
    assert synchronised(plan(tmp_path, "submission")) == [["main", "jax-cuda13"]]


def test_a_choice_that_only_mxnet_has_a_build_for_leaves_the_main_environment(tmp_path):
    (tmp_path / ".venvs").mkdir()
    (tmp_path / ".venvs" / "gpu.mk").write_text("GPU_PINS = \nMXNET_PINS = mxnet-cu117\n")
    assert synchronised(plan(tmp_path, "unit")) == [["main"], ["dev"]]
