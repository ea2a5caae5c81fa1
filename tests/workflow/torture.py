"""Kill the real workflow at many moments, resume it as the README says, compare every output: `make torture`.

A run is killed once in every rule, each time going on from what is there, and then has to end with the
outputs of a run that nobody disturbed. The moments come from a seeded generator: half of them lie anywhere in
a job, the other half just after a temporary file has appeared, for a job writes only for a few milliseconds.
"""

import contextlib
import csv
import datetime
import io
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tests.conftest import MNIST, PROJECT
from tests.workflow.conftest import Clone, make_clone

from digitflow.dataset.mnist import read_mnist

TRAIN_ROWS, TEST_ROWS = 3000, 1000
PAGE = PROJECT / "docs" / "reliability.md"
BEGIN, END = "<!-- torture: written by make torture -->\n", "<!-- end of torture -->\n"

RULES = [
    *("csv_to_idx", "idx_to_png", "write_lst", "pack_rec", "train_keras", "train_mxnet"),
    *("submit_model", "merge", "score", "score_table", "compare_models"),
]
SECONDS = {"train_keras": 6.0, "train_mxnet": 4.0}  # about how long a job takes, for a moment anywhere in it
SECONDS_OF_OTHERS = 0.4
SECONDS_OF_WRITING = 0.005
SECONDS_OF_HANGING = 20


class Kill(NamedTuple):
    """A way to be interrupted: a signal to "all" processes of a run, to "Snakemake" alone, or to a "job"."""

    name: str
    signal: signal.Signals
    target: str

    @property
    def crash(self) -> bool:
        """Whether Snakemake leaves its lock behind."""
        return self.signal == signal.SIGKILL and self.target != "job"

    def send(self, snakemake: int, job: int) -> None:
        """Send the signal; `snakemake` leads the group of all processes."""
        if self.target == "all":
            os.killpg(snakemake, self.signal)
        else:
            os.kill({"Snakemake": snakemake, "job": job}[self.target], self.signal)


KILLS = [
    Kill("SIGKILL to all, as in a crash or a power cut", signal.SIGKILL, "all"),
    Kill("SIGKILL to Snakemake alone: its jobs live on", signal.SIGKILL, "Snakemake"),
    Kill("SIGKILL to a job, as where memory runs out", signal.SIGKILL, "job"),
    Kill("SIGTERM to all, as in a shutdown", signal.SIGTERM, "all"),
    Kill("SIGTERM to Snakemake, as `kill` sends it", signal.SIGTERM, "Snakemake"),
    Kill("SIGINT to all, as Ctrl-C sends it", signal.SIGINT, "all"),
]


@dataclass(frozen=True)
class Interruption:
    """What a kill met and left."""

    rule: str  # that was running; "" between two jobs
    kill: str
    writing: bool  # a temporary file was left
    wrong: list[str]  # files under their final names that are not those of the undisturbed run
    hung: bool  # Snakemake did not end by itself


# What a run has made


def contents(clone: Clone, outputs: set[str]) -> dict[str, object]:
    """The outputs that are there, the files of trees one by one; those that hold times without these."""
    found = {}
    for output in outputs:
        path = clone.folder / output
        for file in path.rglob("*.png") if path.is_dir() else [path] * path.exists():
            found[str(file.relative_to(clone.folder))] = timeless(file)
    return found


def timeless(path: Path) -> object:
    """What is in a file, but for times and addresses in memory. An error where it is cut off."""
    data = path.read_bytes()
    if path.name in ("metrics.json", "score.json"):
        # The digests are those of files that are compared themselves, one of which holds times.
        return {key: value for key, value in json.loads(data).items() if key not in ("seconds", "sha256")}
    if path.name in ("history.csv", "scores.csv"):
        rows = csv.DictReader(io.StringIO(data.decode()), strict=True)
        return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    if path.suffix == ".keras":
        archive = zipfile.ZipFile(io.BytesIO(data))
        parts = {name: archive.read(name) for name in archive.namelist() if name != "metadata.json"}
        # Keras numbers what layers share by its address in memory.
        parts["config.json"] = re.sub(rb'"shared_object_id": \d+', b"", parts["config.json"])
        return parts
    return data


def differences(clone: Clone, outputs: set[str], expected: dict[str, object]) -> list[str]:
    """The files under a final name that are not as expected. A file that is not there is no difference."""
    try:
        found = contents(clone, outputs)
    except (ValueError, KeyError, csv.Error, zipfile.BadZipFile) as error:
        return [f"half-written: {error}"]
    return [name for name in found if found[name] != expected[name]]


def leftovers(clone: Clone) -> list[str]:
    """Temporary files and folders."""
    found = (path for top in ("data", "results") for path in (clone.folder / top).rglob(".*"))
    return [str(path) for path in found if path.name != ".snakemake_timestamp"]


# Processes


def jobs_of(session: int) -> dict[str, int]:
    """The rules whose jobs are running in a session, each with a process."""
    found = {}
    for process in [int(path.name) for path in Path("/proc").glob("[0-9]*")]:
        with contextlib.suppress(OSError):  # it has just ended
            if os.getsid(process) == session:
                arguments = Path(f"/proc/{process}/cmdline").read_text().split("\0")
                if arguments[1:3] == ["-m", "digitflow"] and "--log" in arguments:
                    log = Path(arguments[arguments.index("--log") + 1])
                    found[log.parts[1].removesuffix(".log")] = process
    return found


def start(clone: Clone, *targets: str) -> subprocess.Popen:
    """Start Snakemake in a session of its own, so that a signal can reach it and all its jobs."""
    command = [Path(sys.executable).with_name("snakemake"), "-j2", *targets, "--configfile", "tiny.yaml"]
    with open(clone.folder / "snakemake.out", "w") as out:
        return subprocess.Popen(
            command, cwd=clone.folder, start_new_session=True, stdout=out, stderr=subprocess.STDOUT
        )


def is_writing(folders: set[Path]) -> bool:
    """Whether an output is being written in one of the folders; a training's checkpoint is none."""
    names = (path.name for folder in folders if folder.exists() for path in folder.iterdir())
    return any("partial" in name and "checkpoint" not in name for name in names)


class Torture:
    """A run that is killed again and again."""

    def __init__(self, clone: Clone, expected: dict[str, object], rng: random.Random):
        self.clone, self.expected, self.rng = clone, expected, rng
        jobs = clone.planned("--forceall")
        self.outputs = {output for job in jobs for output in job.outputs}
        self.folders: dict[str, set[Path]] = {}
        for job in jobs:
            parents = {clone.folder / Path(output).parent for output in job.outputs}
            self.folders.setdefault(job.rule, set()).update(parents)
        self.sessions: list[int] = []
        self.failed = 0  # runs that got in the way of a job which had outlived its Snakemake

    def interruptions(self, kills: dict[str, Kill], writing: bool) -> Iterator[Interruption]:
        """Run again and again, each time killed in one more of these rules; see `interrupt`."""
        failed = -1
        while kills and failed < self.failed:
            failed = self.failed
            while kills and (one := self.interrupt(kills, writing)):
                yield one

    def interrupt(self, kills: dict[str, Kill], writing: bool) -> Interruption | None:
        """Run until a job of one of these rules is met, and kill it; None where the run ends before.

        The rule is taken out of `kills`.
        """
        disturbed = self.orphans()
        process = start(self.clone)
        self.sessions.append(process.pid)
        while True:
            while not (met := jobs_of(process.pid).keys() & kills):
                if process.poll() is not None:
                    assert process.returncode == 0 or disturbed, self.printed()
                    self.failed += process.returncode != 0
                    return None
                time.sleep(0.01)
            rule = met.pop()
            kill = kills.pop(rule)
            self.wait(process.pid, rule, writing)
            running = jobs_of(process.pid)
            if running or kill.target != "job":  # a job that has just ended cannot be killed
                break
        with contextlib.suppress(ProcessLookupError):
            kill.send(process.pid, running.get(rule) or next(iter(running.values()), 0))
        hung = self.end(process)
        while kill.target == "all" and jobs_of(process.pid):
            time.sleep(0.01)
        wrong, writes = differences(self.clone, self.outputs, self.expected), bool(leftovers(self.clone))
        if kill.crash:
            assert self.clone.call("--unlock").returncode == 0
        hit = rule if rule in running else next(iter(running), "")
        return Interruption(hit, kill.name, writes, wrong, hung)

    def end(self, process: subprocess.Popen) -> bool:
        """Wait until Snakemake ends; where it hangs without a job, help with Ctrl-C, and return True."""
        busy, hung = time.monotonic(), False
        while process.poll() is None:
            if jobs_of(process.pid):
                busy = time.monotonic()
            elif time.monotonic() - busy > SECONDS_OF_HANGING:
                hung, busy = True, time.monotonic()
                process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        return hung

    def wait(self, session: int, rule: str, writing: bool) -> None:
        """Wait for the moment of a kill: soon after the job begins to write, or any."""
        if not writing:
            time.sleep(self.rng.uniform(0, SECONDS.get(rule, SECONDS_OF_OTHERS)))
            return
        while not is_writing(self.folders[rule]) and rule in jobs_of(session):
            time.sleep(0.0005)
        time.sleep(self.rng.uniform(0, SECONDS_OF_WRITING))

    def orphans(self) -> list[int]:
        """The sessions in which a job outlived its Snakemake."""
        return [session for session in self.sessions if jobs_of(session)]

    def printed(self) -> str:
        """What the last run printed."""
        return (self.clone.folder / "snakemake.out").read_text()

    def finish(self) -> list[str]:
        """Run to the end; return what is not as in the undisturbed run."""
        while self.orphans():
            time.sleep(0.1)
        returncode = start(self.clone).wait()
        assert returncode == 0, self.printed()
        missing = self.expected.keys() - contents(self.clone, self.outputs).keys()
        return [
            *sorted(missing), *differences(self.clone, self.outputs, self.expected), *leftovers(self.clone)
        ]  # fmt: skip


# The long run


def rounds() -> Iterator[tuple[dict[str, Kill], bool]]:
    """Which kill meets which rule: over all rounds every rule meets every kill, at both kinds of moment."""
    for shift in range(len(KILLS)):
        for writing in (True, False):
            yield {rule: KILLS[(at + shift) % len(KILLS)] for at, rule in enumerate(RULES)}, writing


def table(met: list[Interruption], column: str, names: list[str]) -> str:
    """Count the interruptions by a column."""
    lines = []
    for name in names:
        some = [one for one in met if getattr(one, column) == name]
        counts = len(some), sum(one.writing for one in some), sum(len(one.wrong) for one in some)
        lines.append(" | ".join(["", name or "none: between two jobs", *map(str, counts), ""]).strip())
    return "\n".join(lines)


def report(met: list[Interruption], runs: int, outputs: int, different: int, in_the_way: int) -> str:
    """The text between the markers of the page."""
    head = "kills | with a temporary file left | files half-written or wrong under a final name |\n"
    rule = "|---|--:|--:|--:|\n"
    rules = [name for name in [*RULES, ""] if any(one.rule == name for one in met)]
    return (
        f"{len(met)} kills in {runs} runs over {TRAIN_ROWS:,} + {TEST_ROWS:,} digits, "
        f"{datetime.date.today():%d %B %Y}: Snakemake {version('snakemake')}, Keras {version('keras')}, "
        f"Linux {platform.release().partition('-')[0]}, {os.cpu_count()} cores.\n"
        f"After the last resumption of each run, {different} of {runs} x {outputs:,} output files were "
        "missing, unlike the undisturbed run's,\nor temporary files left over. Resumed runs that failed "
        f"because a job that had outlived its Snakemake was in the way: {in_the_way}.\n"
        f"Hangs of Snakemake after SIGTERM, ended by Ctrl-C: {sum(one.hung for one in met)}.\n\n"
        f"| killed while it ran | {head}{rule}{table(met, 'rule', rules)}\n\n"
        f"| how | {head}{rule}{table(met, 'kill', [kill.name for kill in KILLS])}\n"
    )


def write_page(text: str) -> None:
    """Put the text between the markers of the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + text + END + rest.partition(END)[2])


def main() -> int:
    """Kill, compare, and write the page; returns 1 where an output differed."""
    rng = random.Random(0)
    pixels, labels = read_mnist(MNIST)
    met, different, in_the_way = [], [], 0
    with tempfile.TemporaryDirectory() as folder:

        def clone_of(name: str) -> Clone:
            clone = make_clone(Path(folder, name), (pixels, labels), TRAIN_ROWS, TEST_ROWS)
            for model in ("keras_cnn", "mxnet_lenet"):
                clone.configure(f"{model}: {{epochs: 8, batch_size: 32}}", f"{model}: {{epochs: 2}}")
            return clone

        undisturbed = Torture(clone_of("undisturbed"), {}, rng)
        finished = undisturbed.clone.snakemake()
        assert finished.returncode == 0, finished.stdout
        expected = contents(undisturbed.clone, undisturbed.outputs)
        for number, (kills, writing) in enumerate(rounds(), 1):
            torture = Torture(clone_of(f"round{number}"), expected, rng)
            for one in torture.interruptions(kills, writing):
                print(f"round {number}: {one}", flush=True)
                met.append(one)
            wrong = torture.finish()
            print(f"round {number}: {len(wrong)} differ {wrong[:5]}; not met: {[*kills]}", flush=True)
            different += wrong
            in_the_way += torture.failed
            write_page(report(met, number, len(expected), len(different), in_the_way))
    return int(bool(different) or any(one.wrong for one in met))


if __name__ == "__main__":
    sys.exit(main())
