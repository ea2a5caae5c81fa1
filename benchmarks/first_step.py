"""From `snakemake` to the first finished training batches of a default run: this clone and another.

Usage: first_step.py OTHER [ROUNDS]. OTHER is the path of a clone at another commit with its environments
installed; the bar is for 69797d7, from before version 0.2.0 changed the flow. Each round starts both clones
for each of TARGETS, in new folders, from the default CSVs, with nothing converted. Writes
benchmarks/first_step.md; exit status 1 if the run's first batch, of whichever framework, came too late.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from measure import HERE, PROJECT, Contest, Page, commit, copy_code, settle

PROBE = HERE / "first_step_probe.py"
TARGETS = {"the run": None, "Keras": "keras", "MXNet": "mxnet"}  # the framework, if one model is asked for
BAR = 0.5
PATIENCE = 300  # seconds
CONFIG = "data: {source: files, train_csv: train.csv, test_csv: test.csv}\n"


def copy_checkout(checkout: Path, folder: Path) -> None:
    """Copy a checkout's code, with the probe in it, and the CSVs."""
    copy_code(checkout, folder)
    shutil.copy(PROBE, folder / "workflow" / "sitecustomize.py")
    for name in ("train.csv", "test.csv"):
        shutil.copy(PROJECT / "data" / "mnist" / name, folder)
    (folder / "own.yaml").write_text(CONFIG)


def target_of(folder: Path, framework: str | None) -> str:
    """What to ask for: a whole default run, or its model of one framework, by the copy's configuration."""
    if framework is None:
        return "results/submission.csv"
    config = yaml.safe_load((folder / "config" / "config.yaml").read_text())
    [name] = (name for name in config["merge"]["models"] if config["models"][name]["framework"] == framework)
    return f"results/models/{name}/seed0/metrics.json"


def seconds_to_first_step(folder: Path, target: str) -> float:
    """Make `target` in a copy, and kill it after the first training batch. RuntimeError if none came."""
    told, output = folder / "first_step", folder / "output.txt"
    environment = {**os.environ, "FIRST_STEP": str(told), "PYTHONPATH": str(folder / "workflow")}
    command = [folder / ".venv" / "bin" / "snakemake", "-j2", target]
    command += ["--configfile", "config/config.yaml", "own.yaml"]
    settle()
    with open(output, "w") as file:
        start = time.time()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=file, stderr=file, start_new_session=True
        )
        try:
            while not told.exists():
                if process.poll() is not None or time.time() > start + PATIENCE:
                    raise RuntimeError(f"no batch was trained in {folder}:\n{output.read_text()}")
                time.sleep(0.02)
        finally:
            with contextlib.suppress(ProcessLookupError):  # it has already ended, and its jobs with it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return float(told.read_text()) - start


def main(other: str, rounds: str = "5") -> int:
    """Run both in turn, and write the page."""
    checkouts = {"this checkout": PROJECT, f"commit {commit(Path(other))}": Path(other)}
    contest = Contest()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(int(rounds)):
            for what, framework in TARGETS.items():
                for name, checkout in checkouts.items():
                    copy = Path(folder, f"{number} {what} {name}")
                    copy_checkout(checkout, copy)
                    contest.times[f"first batch of {what}, {name}"].append(
                        seconds_to_first_step(copy, target_of(copy, framework))
                    )
    page = Page(
        "The first training step",
        "Written by `python benchmarks/first_step.py`: seconds from `snakemake -j2` in a folder with two "
        "CSVs to the end of the first training batch: of a default run, whichever framework has it, and if "
        f"only the model of Keras or of MXNet is asked for. Medians of {rounds} rounds.",
    )
    page.add(contest.table())
    for what, framework in TARGETS.items():
        bar = BAR if framework is None else None
        page.ratio(contest, *(f"first batch of {what}, {name}" for name in checkouts), bar)
    return page.write(HERE / "first_step.md")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
