"""What the benchmarks share: timed processes, rounds, and pages of figures with their bars."""

import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

PROJECT = Path(__file__).parents[1]
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


def run(*command: str | Path, cwd: Path | None = None) -> Finished:
    """Run a command to its end. Raises RuntimeError with its output if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
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


def copy_code(clone: Path, folder: Path) -> None:
    """Copy what a clone has that runs into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(clone / "Snakefile", folder)
    for name in ("rules", "workflow", "config", "profiles"):
        shutil.copytree(clone / name, folder / name)


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

    def spread(self, name: str) -> str:
        return f"{min(self.times[name]):.2f} to {max(self.times[name]):.2f}"

    def table(self, *names: str) -> str:
        """Medians and ranges of all contestants, or of the named ones."""
        lines = ["| what | median s | range s |", "|---|---|---|"]
        lines += [
            f"| {name} | {self.median(name):.2f} | {self.spread(name)} |" for name in names or self.times
        ]
        return "\n".join([*lines, ""])


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
        noise = f"rounds {min(rounds):.2f} to {max(rounds):.2f}"
        self.bar(f"{ours} / {peer}", contest.median(ours) / contest.median(peer), limit, noise=noise)

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


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    header = [*header]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join([*("| " + " | ".join(map(str, line)) + " |" for line in lines), ""])


def machine() -> str:
    """The machine that this ran on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "CPU")
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {system}"
