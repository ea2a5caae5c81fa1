"""A killed run, resumed as the README says, ends like one that was never interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SECONDS_BEFORE_KILLS = (2, 4, 7)  # during conversions, and during trainings
COMPARED = ["data/rec/train.rec", "data/rec/valid.lst", "results/submission.csv"]


def test_a_run_that_was_killed_thrice_ends_with_the_same_bytes(finished_run, fresh):
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [snakemake, "-j2", "results/submission.csv", "--rerun-incomplete", "--configfile", "tiny.yaml"]
    for seconds in SECONDS_BEFORE_KILLS:
        # A session of its own: the kill takes Snakemake and all its jobs, as a crash would.
        process = subprocess.Popen(
            command,
            cwd=fresh.folder,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert fresh.call("--unlock").returncode == 0
    finished = fresh.snakemake("results/submission.csv", "--rerun-incomplete")
    assert finished.returncode == 0, finished.stdout
    for path in COMPARED:
        assert (fresh.folder / path).read_bytes() == (finished_run[0].folder / path).read_bytes()
    assert not list((fresh.folder / "data").rglob(".*partial*"))
