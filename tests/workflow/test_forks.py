"""Most tests start Snakemake as a fork: what that does is what Snakemake does when it is started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.workflow.forks import FORKS

SNAKEMAKE = Path(sys.executable).with_name("snakemake")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--dry-run", "--printshellcmds"),
        ("--dry-run", "--config", "device=abacus"),
        ("data/rec/train.lst",),
        ("nothing_like_it",),
    ],
    ids=["dry run", "wrong configuration", "jobs", "wrong target"],
)
def test_a_fork_says_does_and_ends_as_snakemake_does(fresh_numpy, arguments):
    command = [SNAKEMAKE, "-j1", *arguments, "--configfile", "tiny.yaml"]
    environment = os.environ | {"PYTHONPATH": f"{fresh_numpy.folder}/workflow"}
    with (fresh_numpy.folder / "workflow" / "sitecustomize.py").open("a") as file:
        file.write("if SNAKEMAKE: print('the guard of this clone')\n")
    with (fresh_numpy.folder / "rules" / "kaggle.smk").open("a") as file:
        file.write("\n\nprint('the rules of this clone')\n")
    ended = []
    for start in (FORKS.run, run):
        finished = start(command, fresh_numpy.folder, environment)
        made = sorted(path.name for path in fresh_numpy.folder.glob("data/*/*"))
        ended.append((finished.returncode, in_one_order(finished.stdout), made))
        for folder in ("data/idx", "data/rec", ".snakemake"):
            shutil.rmtree(fresh_numpy.folder / folder, ignore_errors=True)
    assert ended[0] == ended[1]
    said = ended[0][1]
    assert "the guard of this clone" in said
    # With a wrong configuration the run ends before it comes to that file.
    assert ("the rules of this clone" in said) == ("device=abacus" not in arguments)


def run(command: list, folder: Path, environment: dict) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def in_one_order(said: str) -> list[str]:
    """The lines, sorted: which of several jobs comes first, and how long each takes, is another each time."""
    return sorted(line for line in said.splitlines() if " s  [" not in line and "done in" not in line)
