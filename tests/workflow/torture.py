"""Kill the real workflow at many moments, resume it as the README says, compare every output: `make torture`.

A run is killed once in every rule, each time going on from what is there, and then has to end with the
outputs of a run that nobody disturbed. What notices a change that a person made is killed at every one of its
writes: Snakemake, which adopts what was moved in the tree, and the job that brings the tree up to date. The
moments are told by what a program does, not by a clock: it stops itself before one of its writes
(tests/no_network/sitecustomize.py), and waits there for the kill. So nothing here depends on how fast the
machine is.
"""

import contextlib
import csv
import datetime
import io
import itertools
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tests.conftest import MNIST, PROJECT
from tests.workflow.conftest import Clone, Job, copy_of, make_clone

from digitflow.dataset.mnist import read_mnist
from digitflow.formats import idx

TRAIN_ROWS, TEST_ROWS = 3000, 1000
PAGE = PROJECT / "docs" / "reliability.md"
BEGIN, END = "<!-- torture: written by make torture -->\n", "<!-- end of torture -->\n"

# In an order in which each one's own files are made only after those of the ones before it.
RULES = [
    *("csv_to_idx", "write_lst", "write_test_lst", "idx_to_png", "pack_rec", "train_keras", "train_mxnet"),
    *("predict_keras", "predict_mxnet", "submit_model", "merge", "score", "score_table", "compare_models"),
]
LISTS = ["data/rec/train.lst", "data/rec/valid.lst"]
VIEWS = ["data/png/train.sfv", *LISTS]  # all that a correction changes, short of training
SECONDS_OF_HANGING = 20
PAUSE = 0.02  # seconds between two looks


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
        """Send the signal; `snakemake` leads the group of all processes. A stopped job goes on."""
        with contextlib.suppress(ProcessLookupError):
            if self.target == "all":
                os.killpg(snakemake, self.signal)
            else:
                os.kill({"Snakemake": snakemake, "job": job}[self.target], self.signal)
        with contextlib.suppress(ProcessLookupError):
            os.kill(job, signal.SIGCONT)


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

    rule: str  # that was running, or the name of a `Change`
    kill: str
    writing: bool  # a temporary file was left
    wrong: list[str]  # files under their final names that are not those of the undisturbed run
    hung: bool  # Snakemake did not end by itself


# What a run has made


def contents(clone: Clone, outputs: set[str]) -> dict[str, object]:
    """The outputs that are there, and the pictures of trees; those that hold times without these."""
    found = {}
    for output in outputs:
        path = clone.folder / output
        tree = path.with_suffix("")  # of which `path` is the manifest
        for file in [path, *(files_below(tree) if path.parent.name == "png" else ())]:
            with contextlib.suppress(FileNotFoundError):
                found[str(file.relative_to(clone.folder))] = timeless(file)
    return found


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder, which may change meanwhile: os.walk passes over what is gone."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def timeless(path: Path) -> object:
    """What is in a file, but for times and addresses in memory. An error where it is cut off."""
    data = path.read_bytes()
    if path.name in ("metrics.json", "score.json", "run.json") or path.name.endswith("_prediction.json"):
        # The digests are those of files that are compared themselves, one of which holds times.
        times = ("time", "seconds", "sha256", "made_from")
        return {key: value for key, value in json.loads(data).items() if key not in times}
    if path.name in ("history.csv", "scores.csv"):
        rows = csv.DictReader(io.StringIO(data.decode()), strict=True)
        return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    if path.name == "remembered.txt":  # it names a folder by the time
        return data.startswith(b"results/runs/") and data.endswith(b"\n")
    if path.suffix == ".keras":
        archive = zipfile.ZipFile(io.BytesIO(data))
        parts = {name: archive.read(name) for name in archive.namelist() if name != "metadata.json"}
        # Keras numbers what layers share by its address in memory.
        parts["config.json"] = re.sub(rb'"shared_object_id": \d+', b"", parts["config.json"])
        return parts
    return data


def differences(clone: Clone, outputs: set[str], *states: dict[str, object]) -> list[str]:
    """The files under a final name that are as in none of the states. A file that is not there is no
    difference.
    """
    try:
        found = contents(clone, outputs)
    except (ValueError, KeyError, csv.Error, zipfile.BadZipFile) as error:
        return [f"half-written: {error}"]
    return [name for name in found if all(found[name] != state.get(name) for state in states)]


def leftovers(clone: Clone) -> list[str]:
    """Temporary files and folders."""
    below = [
        str(Path(parent, name))
        for top in ("data", "results")
        for parent, folders, names in os.walk(clone.folder / top)
        for name in (*folders, *names)
        if name.startswith(".")
    ]
    return [*below, *map(str, clone.folder.glob(".partial.*"))]  # those beside corrections.csv


# Processes


def jobs_of(session: int) -> list[int]:
    """The processes of the jobs that are running in a session."""
    found = []
    for process in [int(path.name) for path in Path("/proc").glob("[0-9]*")]:
        with contextlib.suppress(OSError):  # it has just ended
            if os.getsid(process) == session:
                arguments = Path(f"/proc/{process}/cmdline").read_text().split("\0")
                if arguments[1:3] == ["-m", "digitflow"]:
                    found.append(process)
    return found


def start(clone: Clone, *targets: str, stop: str = "") -> subprocess.Popen:
    """Start Snakemake in a session of its own, so that a signal can reach it and all its jobs.

    `stop` is a verb, or "snakemake", and a moment: the number of its write, from 1, before which it is to
    stop, or "end".
    """
    stops = clone.folder / "stops"
    stops.mkdir(exist_ok=True)
    for left in stops.iterdir():
        left.unlink()
    command = [Path(sys.executable).with_name("snakemake"), "-j2", *targets, "--configfile", "tiny.yaml"]
    environment = {"PYTHONPATH": f"{clone.folder}/workflow", "DIGITFLOW_STOP": stop}
    with open(clone.folder / "snakemake.out", "w") as out:
        return subprocess.Popen(
            command,
            cwd=clone.folder,
            env=os.environ | environment,
            start_new_session=True,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def stopped_job(clone: Clone, process: subprocess.Popen) -> int | None:
    """Wait until a job of a run, or Snakemake, has stopped, and return its process; None where the run ends
    without.
    """
    while process.poll() is None:
        for mark in (clone.folder / "stops").iterdir():
            if state_of(int(mark.name)) == "T":
                return int(mark.name)
        time.sleep(PAUSE)
    return None


def state_of(process: int) -> str:
    """What a process does, in the kernel's letters: T, it is stopped; none, it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def wait_for_jobs(session: int) -> None:
    """Wait until no job of a session is running: one may outlive its Snakemake."""
    while jobs_of(session):
        time.sleep(PAUSE)


def printed(clone: Clone) -> str:
    """What the last run that was started has printed."""
    return (clone.folder / "snakemake.out").read_text()


class Torture:
    """A run that is killed again and again."""

    def __init__(self, clone: Clone, expected: dict[str, object]):
        self.clone, self.expected = clone, expected
        jobs = clone.planned("--forceall")
        self.outputs = {output for job in jobs for output in job.outputs}
        self.jobs: dict[str, Job] = {}
        for job in jobs:
            self.jobs.setdefault(job.stage, job)

    def interrupt(self, rule: str, kill: Kill, write: int) -> Interruption | None:
        """Run until a job of a rule has come to one of its writes, and kill; None where it has fewer writes.

        Only what the job needs runs before it, so that rules that come later find their work undone.
        """
        process = start(self.clone, min(self.jobs[rule].outputs), stop=f"{rule}:{write}")
        job = stopped_job(self.clone, process)
        if job is None:
            assert process.returncode == 0, printed(self.clone)
            return None
        kill.send(process.pid, job)
        hung = self.end(process)
        wait_for_jobs(process.pid)
        wrong, writes = differences(self.clone, self.outputs, self.expected), bool(leftovers(self.clone))
        if kill.crash:
            assert self.clone.call("--unlock").returncode == 0
        return Interruption(rule, kill.name, writes, wrong, hung)

    def end(self, process: subprocess.Popen) -> bool:
        """Wait until Snakemake ends; where it hangs without a job, help with Ctrl-C, and return True."""
        busy, hung = time.monotonic(), False
        while process.poll() is None:
            if jobs_of(process.pid):
                busy = time.monotonic()
            elif time.monotonic() - busy > SECONDS_OF_HANGING:
                hung, busy = True, time.monotonic()
                process.send_signal(signal.SIGINT)
            time.sleep(PAUSE)
        return hung

    def finish(self) -> list[str]:
        """Run to the end; return what is not as in the undisturbed run."""
        returncode = start(self.clone).wait()
        assert returncode == 0, printed(self.clone)
        missing = self.expected.keys() - contents(self.clone, self.outputs).keys()
        return [
            *sorted(missing), *differences(self.clone, self.outputs, self.expected), *leftovers(self.clone)
        ]  # fmt: skip


# What a person has done, and what notices it


class Change(NamedTuple):
    """What a person does in a finished run; the program that notices it, a target, and ways to kill it."""

    name: str
    do: Callable[[Clone], None]
    program: str
    target: str
    kills: Sequence[Kill]


def given_labels(clone: Clone) -> dict[int, int]:
    """The labels that the training CSV gives its first rows."""
    return dict(
        enumerate(idx.read(clone.folder / "data/idx/train-labels-idx1-ubyte", ndim=1)[:10].tolist(), 1)
    )


def correct(clone: Clone, *, moved: Iterable[int], dropped: Iterable[int]) -> None:
    """Type corrections of these rows, in the place of those that the file had."""
    labels = given_labels(clone)
    lines = [f"{row},{labels[row]},{(labels[row] + 1) % 10},,typed\n" for row in moved]
    lines += [f"{row},{labels[row]},drop,,\n" for row in dropped]
    (clone.folder / "corrections.csv").write_text("# Mine.\nid,was,now,crc,note\n" + "".join(lines))


def move_and_delete(clone: Clone) -> None:
    """Move pictures to other labels, one of them back to its own, and delete one."""
    labels = given_labels(clone)
    for row in (3, 4):
        clone.move(row, (labels[row] + 1) % 10)
    clone.move(1, labels[1])
    clone.picture(5).unlink()


def type_others(clone: Clone) -> None:
    """Correct other rows: pictures have to be moved, moved back, removed, and written again."""
    correct(clone, moved=(6, 7), dropped=(8,))


CHANGES = [
    Change(
        "Snakemake, adopting moves by hand", move_and_delete, "snakemake", "data/idx/classes.csv", KILLS[:1]
    ),
    Change("idx_to_png, updating a tree", type_others, "idx_to_png", VIEWS[0], KILLS[:3]),
]


def make_corrected(clone: Clone) -> Clone:
    """Make the tree and the lists of a fresh clone, with a correction of each kind."""
    assert clone.snakemake("data/idx/classes.csv").returncode == 0
    correct(clone, moved=(1,), dropped=(2,))
    finished = clone.snakemake(*VIEWS)
    assert finished.returncode == 0, finished.stdout
    return clone


def kill_at_writes(
    change: Change, corrected: Clone, folder: Path, writes: Iterable[int]
) -> Iterator[tuple[Interruption, list[str]]]:
    """Kill what notices a change at its writes, each time in a copy of a run, and resume.

    Yields what each kill met, and what differs in the end from a run that nobody disturbed. It ends where the
    program has fewer writes.
    """
    outputs = {*VIEWS, "corrections.csv", "data/rec/corrections.json"}
    done, undisturbed = (copy_of(corrected, folder / name) for name in ("done", "undisturbed"))
    change.do(done)
    change.do(undisturbed)
    assert undisturbed.snakemake(*VIEWS).returncode == 0
    before, after = contents(done, outputs), contents(undisturbed, outputs)
    for write in writes:
        clone, kill = copy_of(done, folder / f"write{write}"), change.kills[write % len(change.kills)]
        process = start(clone, change.target, stop=f"{change.program}:{write}")
        stopped = stopped_job(clone, process)
        if stopped is None:
            assert process.returncode == 0, printed(clone)
            return
        kill.send(process.pid, stopped)
        process.wait()
        wait_for_jobs(process.pid)
        wrong, writing = differences(clone, outputs, before, after), bool(leftovers(clone))
        if kill.crash and stopped != process.pid:  # Snakemake takes its lock when it has read the Snakefile
            assert clone.call("--unlock").returncode == 0
        resumed = clone.snakemake(*VIEWS)
        assert resumed.returncode == 0, resumed.stdout
        missing = sorted(after.keys() - contents(clone, outputs).keys())
        left = [*missing, *differences(clone, outputs, after), *leftovers(clone)]
        yield Interruption(change.name, kill.name, writing, wrong, hung=False), left


# The long run


def rounds() -> Iterator[dict[str, Kill]]:
    """Which kill meets which rule: over all rounds every rule meets every kill, twice."""
    for shift in range(2 * len(KILLS)):
        yield {rule: KILLS[(at + shift) % len(KILLS)] for at, rule in enumerate(RULES)}


def writes_of(trace: Path) -> dict[str, int]:
    """How often each verb of a run has written, by what its jobs have left; the least of several."""
    found: dict[str, int] = {}
    for path in trace.glob("writes-*"):
        verb, count = path.read_text().split(" writes\n")
        found[verb] = min(int(count), found.get(verb, int(count)))
    return found


def table(met: list[Interruption], column: str, names: Sequence[str]) -> str:
    """Count the interruptions by a column."""
    lines = []
    for name in names:
        some = [one for one in met if getattr(one, column) == name]
        counts = len(some), sum(one.writing for one in some), sum(len(one.wrong) for one in some)
        lines.append(" | ".join(["", name, *map(str, counts), ""]).strip())
    return "\n".join(lines)


def report(
    noticed: list[Interruption], differ: int, met: list[Interruption], runs: int, outputs: int, different: int
) -> str:
    """The text between the markers of the page: of kills after a person's changes, and of those in runs."""
    head = "kills | with a temporary file left | files half-written or wrong under a final name |\n"
    rule = "|---|--:|--:|--:|\n"
    names = [*RULES, *(change.name for change in CHANGES)]
    return (
        f"{len(met)} kills in {runs} runs over {TRAIN_ROWS:,} + {TEST_ROWS:,} digits, "
        f"{datetime.date.today():%d %B %Y}: digitflow {version('digitflow')}, "
        f"Snakemake {version('snakemake')}, Keras {version('keras')}, "
        f"Linux {platform.release().partition('-')[0]}, {os.cpu_count()} cores.\n"
        f"After the last resumption of each run, {different} of {runs} x {outputs:,} output files were "
        "missing, unlike the undisturbed run's,\nor temporary files left over.\n"
        f"Hangs of Snakemake after SIGTERM, ended by Ctrl-C: {sum(one.hung for one in met)}.\n\n"
        f"{len(noticed)} kills at every write of what notices a person's changes. After each resumption, "
        f"{differ} files in all were\nmissing, unlike the undisturbed run's, or temporary files left over: "
        "`corrections.csv`, lists, the tree.\n\n"
        f"| killed while it ran | {head}{rule}{table([*met, *noticed], 'rule', names)}\n\n"
        f"| how | {head}{rule}{table([*met, *noticed], 'kill', [kill.name for kill in KILLS])}\n"
    )


def write_page(text: str) -> None:
    """Put the text between the markers of the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + text + END + rest.partition(END)[2])


def main() -> int:
    """Kill, compare, and write the page; returns 1 where an output differed."""
    rng = random.Random(0)
    digits = read_mnist(MNIST)
    noticed, differ, met, different = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        corrected = make_corrected(make_clone(Path(folder, "corrected"), digits, configuration="numpy.yaml"))
        for number, change in enumerate(CHANGES):
            for one, wrong in kill_at_writes(
                change, corrected, Path(folder, f"change{number}"), itertools.count(1)
            ):
                print(f"{one}: {len(wrong)} differ {wrong[:5]}", flush=True)
                noticed.append(one)
                differ += wrong

        def clone_of(name: str) -> Clone:
            clone = make_clone(Path(folder, name), digits, TRAIN_ROWS, TEST_ROWS)
            for model in ("keras_cnn", "mxnet_cnn"):
                clone.configure(f"{model}: {{epochs: 5, batch_size: 32}}", f"{model}: {{epochs: 2}}")
            return clone

        undisturbed = Torture(clone_of("undisturbed"), {})
        trace = undisturbed.clone.folder / "trace"
        trace.mkdir()
        finished = undisturbed.clone.snakemake(DIGITFLOW_TRACE=str(trace))
        assert finished.returncode == 0, finished.stdout
        expected, writes = contents(undisturbed.clone, undisturbed.outputs), writes_of(trace)
        for number, kills in enumerate(rounds(), 1):
            torture = Torture(clone_of(f"round{number}"), expected)
            for rule, kill in kills.items():
                if one := torture.interrupt(rule, kill, rng.randint(1, writes[rule])):
                    print(f"round {number}: {one}", flush=True)
                    met.append(one)
            wrong = torture.finish()
            print(f"round {number}: {len(wrong)} differ {wrong[:5]}", flush=True)
            different += wrong
            write_page(report(noticed, len(differ), met, number, len(expected), len(different)))
    return int(bool(differ or different) or any(one.wrong for one in (*noticed, *met)))


if __name__ == "__main__":
    sys.exit(main())
