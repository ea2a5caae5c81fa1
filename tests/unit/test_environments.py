"""The pins: hashed, without addresses, and one source of truth."""

import re
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
