"""A finished tiny run of the real workflow: some hundred real digits, both frameworks."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import MXNET_PYTHON, PROJECT
from tests.workflow.forks import FORKS

from digitflow.dataset.mnist import write_csv
from digitflow.formats import labelscsv

TRAIN_ROWS, TEST_ROWS = 600, 200
TARGETS = {"all", "trees", "records", "figures", "fetch"}  # rules without a job of their own
SECRET = "never-to-be-seen-again"
SECRETS = dict.fromkeys(("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"), SECRET)


@dataclass(frozen=True)
class Job:
    """A job of a dry run: its rule, why it runs, what it takes, the files in and out, its log."""

    rule: str
    reason: str
    resources: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    log: str
    command: str  # with --printshellcmds

    @property
    def stage(self) -> str:
        """The first part of the log's path: the rule, or the one that it was made from."""
        return Path(self.log).parts[1].removesuffix(".log")


@dataclass(frozen=True)
class Clone:
    """A copy of the project in a folder of its own, with a tiny configuration: tiny.yaml."""

    folder: Path

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Run jobs on two cores; both output streams are in `stdout`."""
        return self.call("-j2", *arguments, **environment)

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Call Snakemake for anything."""
        snakemake = Path(sys.executable).with_name("snakemake")
        command = [snakemake, *arguments, "--configfile", "tiny.yaml"]
        # A training in this process, which other tests do, leaves there which backend Keras has.
        inherited = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
        added = SECRETS | {"PYTHONPATH": f"{self.folder}/workflow"} | environment
        return FORKS.run(command, self.folder, inherited | added)

    def planned(self, *arguments: str, **environment: str) -> list[Job]:
        """The jobs of a dry run, without the target rule itself."""
        finished = self.snakemake("--dry-run", "--verbose", *arguments, **environment)
        assert finished.returncode == 0, finished.stdout
        blocks = re.split(r"^(?:local)?rule (\w+):$", finished.stdout, flags=re.MULTILINE)[1:]

        def line(text: str, kind: str) -> str:
            found = re.search(rf"^    {kind}: (.*)$", text, re.MULTILINE)
            return found[1] if found else ""

        def files(text: str, kind: str) -> frozenset[str]:
            found = line(text, kind)
            return frozenset(found.replace(" (update)", "").split(", ")) if found else frozenset()

        def command(text: str) -> str:
            found = re.search(r"^Shell command: ((?:.*\\\n)*.*)$", text, re.MULTILINE)
            return found[1] if found else ""

        jobs = [
            Job(
                rule,
                line(text, "reason"),
                line(text, "resources"),
                files(text, "input"),
                files(text, "output"),
                line(text, "log"),
                command(text),
            )
            for rule, text in zip(blocks[::2], blocks[1::2], strict=True)
        ]
        return [job for job in jobs if job.rule not in TARGETS]

    def planned_rules(self, *arguments: str) -> Counter[str]:
        """How many jobs of each rule a dry run plans."""
        return Counter(job.rule for job in self.planned(*arguments))

    def configure(self, old: str, new: str) -> None:
        """Replace a piece of the tiny configuration."""
        self.edit("tiny.yaml", old, new)

    def picture(self, row: int) -> Path:
        """Where the tree has a training row's picture."""
        (path,) = (self.folder / "data" / "png" / "train").glob(f"*/{row:03d}.png")
        return path

    def move(self, row: int, label: int) -> None:
        """Move a training row's picture to the folder of a label, as a person does."""
        path = self.picture(row)
        path.rename(path.parents[1] / str(label) / path.name)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a piece of a file."""
        file = self.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


def make_clone(
    folder: Path,
    digits,
    train_rows: int = TRAIN_ROWS,
    test_rows: int = TEST_ROWS,
    configuration: str = "tiny.yaml",
) -> Clone:
    """Copy the project as it is in the working tree, and write tiny CSVs and a tiny configuration."""
    copy_code(folder)
    link_environment(folder / ".venvs" / "mxnet", MXNET_PYTHON)
    write_data(folder, digits, train_rows, test_rows, configuration)
    return Clone(folder)


def copy_code(folder: Path) -> None:
    """Copy what a clone has in git that runs, and the guard of its jobs.

    Also what Python has compiled, which the times of the sources, copied too, make valid; not what another
    process is writing.
    """
    folder.mkdir(parents=True)
    being_written = shutil.ignore_patterns("*.pyc.*", ".partial*")
    shutil.copy2(PROJECT / "Snakefile", folder)
    for name in ("rules", "workflow", "config", "profiles"):
        shutil.copytree(PROJECT / name, folder / name, ignore=being_written)
    shutil.copy2(PROJECT / "tests" / "no_network" / "sitecustomize.py", folder / "workflow")


def write_data(
    folder: Path, digits, train_rows: int = TRAIN_ROWS, test_rows: int = TEST_ROWS, configuration="tiny.yaml"
) -> None:
    """Write the CSVs and the configuration of a project."""
    shutil.copy2(PROJECT / "tests" / "workflow" / configuration, folder / "tiny.yaml")
    images, labels = digits
    images = images.reshape(len(images), -1)
    (folder / "own").mkdir()
    train, test = slice(0, train_rows), slice(60_000, 60_000 + test_rows)
    write_csv(folder / "own" / "train.csv", images[train], labels[train])
    write_csv(folder / "own" / "test.csv", images[test], None)
    labelscsv.write(folder / "own" / "solution.csv", labels[test])


def link_environment(environment: Path, python: Path) -> None:
    """Lend an environment of the project to a clone, as if just installed: its jobs never write in the
    project's.
    """
    environment.mkdir(parents=True)
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environment / name).symlink_to(python.parents[1] / name)
    (environment / "installed.txt").touch()
    shutil.copy2(python.parents[1] / "pins.txt", environment)
    if (choice := PROJECT / ".venvs" / "gpu.mk").exists():  # what `make gpu` has chosen: other pins
        shutil.copy2(choice, environment.parent)


def mount(*arguments: str | Path) -> None:
    """Mount, as only root can: others skip the test."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount; test_full_disks.py is also run in a user namespace")
    subprocess.run(["mount", *arguments], check=True)


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[None]:
    """Put a small disk in memory in the place of a folder, with what is in there."""
    others = folder.with_name("others")
    folder.rename(others)
    folder.mkdir()
    mount("-t", "tmpfs", "-o", options, "tmpfs", folder)
    try:
        shutil.copytree(others, folder, symlinks=True, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk: Path, room: int) -> Path:
    """Fill a disk but for some bytes; returns the file that does."""
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    os.truncate(filler, filler.stat().st_size - room)
    return filler


def run_once(request, tmp_path_factory, name: str, make: Callable[[Path], Clone]) -> tuple[Clone, str]:
    """A run to the end, made once for all processes of pytest-xdist, and what it printed."""
    base = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # this is one process of several
        base = base.parent
    folder, printed = base / name / "clone", base / f"{name}.out"
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            clone = make(folder)
            (folder / "trace").mkdir()
            result = clone.snakemake(DIGITFLOW_TRACE=str(folder / "trace"))
            assert result.returncode == 0, result.stdout
            printed.write_text(result.stdout)
    return Clone(folder), printed.read_text()


@pytest.fixture(scope="session", autouse=True)
def forks():
    """What starts Snakemake ends with the tests."""
    yield
    FORKS.close()


@pytest.fixture(scope="session")
def finished_run(digits, mxnet_python, request, tmp_path_factory) -> tuple[Clone, str]:
    """A run to the end, and what it printed. For looking only: `finished` gives a copy to change."""
    return run_once(request, tmp_path_factory, "finished", lambda folder: make_clone(folder, digits))


@pytest.fixture
def finished(finished_run, tmp_path) -> Clone:
    """A copy of the finished run, times and all, that a test may change."""
    return copy_of(finished_run[0], tmp_path)


@pytest.fixture
def fresh(digits, mxnet_python, tmp_path) -> Clone:
    """A copy of the project in which nothing has run."""
    return make_clone(tmp_path / "clone", digits)


@pytest.fixture(scope="session")
def finished_numpy_run(digits, request, tmp_path_factory) -> tuple[Clone, str]:
    """A run of numpy models to the end, and what it printed: seconds, where frameworks take a minute."""
    return run_once(
        request,
        tmp_path_factory,
        "numpy",
        lambda folder: make_clone(folder, digits, configuration="numpy.yaml"),
    )


@pytest.fixture
def finished_numpy(finished_numpy_run, tmp_path) -> Clone:
    """A copy of the finished run of numpy models that a test may change."""
    return copy_of(finished_numpy_run[0], tmp_path)


@pytest.fixture
def fresh_numpy(digits, tmp_path) -> Clone:
    """A copy of the project, with numpy models, in which nothing has run."""
    return make_clone(tmp_path / "clone", digits, configuration="numpy.yaml")


def copy_of(clone: Clone, folder: Path) -> Clone:
    return Clone(shutil.copytree(clone.folder, folder / "clone", symlinks=True))
