"""What the benchmarks share: timed processes, rounds, and pages of figures with their bars."""

import compileall
import csv
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT / "workflow"))  # for benchmarks in the peers' environment, too
HERE = Path(__file__).parent
MAIN = PROJECT / ".venv" / "bin"
ARCHIVE = PROJECT / "data" / "mnist" / "mnist.pkl.gz"


@dataclass(frozen=True)
class Finished:
    """A finished process: wall and CPU seconds, the numbers it printed, and its peak memory."""

    seconds: float
    cpu_seconds: float
    printed: list[float]
    megabytes: float


def run(
    *command: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> Finished:
    """Run a command to its end. Raises RuntimeError with its output if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow"), **(environment or {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or every process would compile the package anew
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=environment, stdout=output, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (output, errors):
            file.seek(0)
        if status:
            raise RuntimeError(f"{command} failed:\n{output.read()}{errors.read()}")
        cpu_seconds = usage.ru_utime + usage.ru_stime
        return Finished(seconds, cpu_seconds, _numbers(output.read()), usage.ru_maxrss / 1024)


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        return []


def run_verb(verb: str, flags: Mapping[str, str | list[str]], cwd: Path) -> Finished:
    """Run a verb with these flags, as its rule does; a list is several words behind one flag."""
    words = []
    for flag, value in flags.items():
        words += [f"--{flag}", *([value] if isinstance(value, str) else value)]
    return run(MAIN / "python", "-m", "digitflow", verb, *words, cwd=cwd)


def commit(clone: Path = PROJECT) -> str:
    """The commit of a clone, with a plus sign if its code or configurations differ from it."""
    git = ("git", "-C", str(clone))
    short = subprocess.check_output([*git, "rev-parse", "--short", "HEAD"], text=True).strip()
    changed = subprocess.check_output(
        [*git, "status", "--porcelain", "--", "Snakefile", "rules", "workflow", "config"], text=True
    )
    return short + "+" * bool(changed)


def copy_code(clone: Path, folder: Path) -> None:
    """Copy what a clone has that runs into a folder, compiled, with its environments linked."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(clone / "Snakefile", folder)
    for name in ("rules", "workflow", "config", "profiles"):
        shutil.copytree(clone / name, folder / name)
    for name in (".venv", ".venvs", ".tools"):
        if (clone / name).exists():
            (folder / name).symlink_to((clone / name).resolve())
    compileall.compile_dir(folder / "workflow", quiet=1)


def shuffled_digits(seed: int) -> "tuple[np.ndarray, np.ndarray]":
    """MNIST's digits in random order: images uint8 (70000, 28, 28) and labels uint8 (70000,)."""
    import numpy as np

    from digitflow.dataset.mnist import read_mnist

    images, labels = read_mnist(ARCHIVE)
    order = np.random.default_rng(seed).permutation(len(images))
    return images[order].reshape(-1, 28, 28), labels[order]


def settle() -> None:
    """Wait until all writes are on the disk, so that no contestant waits for what another left in memory."""
    os.sync()


class Contest:
    """Times of contestants by name, over rounds."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)

    def median(self, name: str) -> float:
        return statistics.median(self.times[name])

    def table(self, *names: str) -> str:
        """Medians and ranges of all contestants, or of the named ones."""
        rows = [(name, f"{self.median(name):.2f}", spread(self.times[name])) for name in names or self.times]
        return table(("what", "median s", "range s"), rows)


def in_rounds(rounds: int, folder: Path, step: Callable[[dict, Path], None]) -> Contest:
    """Repeat a comparison, each time in a new folder; the first round warms caches and is not counted.

    Nothing is deleted before the end: ext4 creates files many times slower soon after a mass deletion.
    """
    contest = Contest()
    for times in [defaultdict(list), *[contest.times] * rounds]:
        step(times, Path(tempfile.mkdtemp(dir=folder)))
    return contest


class Page:
    """A Markdown page of measurements, with the machine, and with bars that are reached or missed."""

    def __init__(self, title: str, about: str) -> None:
        self._parts = [f"# {title}", "", about, "", f"Machine: {machine()}.", ""]
        self._missed: list[str] = []

    def add(self, *parts: str) -> None:
        """Add lines: paragraphs, tables or headings, with an empty line after each."""
        self._parts += parts

    def bar(
        self,
        what: str,
        found: float,
        limit: float | None,
        unit: str = "",
        least: bool = False,
        noise: str = "",
    ) -> None:
        """Add a figure and its bar: at most `limit`, or with `least` at least `limit`; None is no bar."""
        bar = ""
        if limit is not None:
            reached = found >= limit if least else found <= limit
            if not reached:
                self._missed.append(what)
            verdict = "reached" if reached else "**missed**"
            kind = "at least " if least else ""
            bar = f"bar {kind}{_figure(limit)}{unit}, {verdict}"
        self._parts += [f"{what}: **{_figure(found)}{unit}** ({'; '.join(filter(None, [noise, bar]))})", ""]

    def ratio(self, contest: Contest, ours: str, peer: str, limit: float | None) -> None:
        """Add the ratio of two contestants' medians, how it varied between rounds, and its bar."""
        pairs = zip(contest.times[ours], contest.times[peer], strict=True)
        rounds = [one / other for one, other in pairs]
        ratio = contest.median(ours) / contest.median(peer)
        self.bar(f"{ours} / {peer}", ratio, limit, noise=f"rounds {spread(rounds)}")

    def write(self, path: Path) -> int:
        """Write and print the page; return the exit status, 1 if a bar was missed."""
        text = "\n".join(self._parts).rstrip() + "\n"
        path.write_text(text)
        print(text)
        if self._missed:
            print(f"missed: {'; '.join(self._missed)}")
        return int(bool(self._missed))


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def spread(values: Collection[float], form: str = ".2f") -> str:
    """The smallest and the largest of some figures."""
    return f"{min(values):{form}} to {max(values):{form}}"


def table(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    first, *others = (f"| {' | '.join(map(str, line))} |" for line in (header, *rows))
    return "\n".join([first, "|" + "---|" * len(header), *others, ""])


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV with a header."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def machine() -> str:
    """The machine that this ran on."""
    from digitflow.training.device import cpu_name

    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{cpu_name()}, {os.cpu_count()} cores, {system}"
