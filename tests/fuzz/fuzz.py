"""Fuzz the readers with atheris, a time a target, and write what came out into docs/fuzzing.md.

    make fuzz                                     # all targets, five minutes each, two at a time
    make fuzz SECONDS=60 TARGETS="csv rec"        # some of them; the page stays as it is

An input that fails is kept in tests/fuzz/crashers/<target>/, where a test runs it from then on.
"""

import argparse
import logging
import os
import platform
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).parents[2]
CRASHERS = Path(__file__).with_name("crashers")
PAGE = PROJECT / "docs" / "fuzzing.md"
START, END = "<!-- what follows is written by tests/fuzz/fuzz.py -->\n", "<!-- end -->\n"
OPTIONS = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1", "-verbosity=0"]
COUNTED = 256  # inputs between two notes of how many were accepted

sys.path[:0] = [str(PROJECT), str(PROJECT / "workflow")]


@dataclass
class Outcome:
    """What fuzzing one target came to."""

    target: str
    inputs: int
    accepted: int
    corpus: int
    crashers: list[str]

    def row(self) -> str:
        """A row of the page's table."""
        found = ", ".join(f"`{name}`" for name in self.crashers) or "nothing"
        return f"| {self.target} | {self.inputs:,} | {self.accepted:,} | {self.corpus:,} | {found} |"


def fuzz_one(name: str, folder: Path, seconds: int) -> None:
    """Fuzz a target in this process, which ends with it; `folder` has a corpus and room for files."""
    import atheris

    with atheris.instrument_imports(include=["digitflow"]):
        from tests.fuzz.targets import TARGETS

    logging.getLogger("digitflow").disabled = True
    target, seeds = TARGETS[name]
    corpus, scratch, counter = folder / "corpus", folder / "scratch", folder / "accepted"
    for made in (corpus, scratch, CRASHERS / name):
        made.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    counts = [0, 0]

    def one_input(data: bytes) -> None:
        counts[1] += target(data, scratch)
        counts[0] += 1
        if counts[0] % COUNTED == 0:
            counter.write_text(str(counts[1]))

    prefix = f"-artifact_prefix={CRASHERS / name}/"
    atheris.Setup([sys.argv[0], str(corpus), f"-max_total_time={seconds}", prefix, *OPTIONS], one_input)
    atheris.Fuzz()


def fuzz(name: str, seconds: int) -> Outcome:
    """Fuzz a target in a process of its own, and read off what it came to."""
    memory = Path("/dev/shm")  # the targets write small files all the time
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        before = {*(CRASHERS / name).glob("*")}
        command = [sys.executable, __file__, "--one", name, "--folder", folder, "--seconds", str(seconds)]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        inputs = re.search(r"number_of_executed_units: *([0-9]+)", done.stderr)
        crashers = sorted(path.name for path in {*(CRASHERS / name).glob("*")} - before)
        if crashers or not inputs:
            print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
        counter = Path(folder, "accepted")
        return Outcome(
            name,
            int(inputs[1]) if inputs else 0,
            int(counter.read_text()) if counter.exists() else 0,
            len(list(Path(folder, "corpus").iterdir())),
            crashers,
        )


def write_page(outcomes: list[Outcome], seconds: int) -> None:
    """Replace the table between the page's markers."""
    head, tail = PAGE.read_text().split(START)[0], PAGE.read_text().split(END)[-1]
    lines = [
        f"{seconds} seconds for each target, {sum(o.inputs for o in outcomes):,} inputs in all; "
        f"atheris {version('atheris')}, Python {platform.python_version()}.",
        "",
        "| target | inputs | of them accepted | kept for reaching new code, seeds included | found |",
        "|---|---|---|---|---|",
        *(outcome.row() for outcome in outcomes),
    ]
    PAGE.write_text(f"{head}{START}\n" + "\n".join(lines) + f"\n\n{END}{tail}")


def main() -> None:
    """Fuzz all targets, or those asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        fuzz_one(args.one, args.folder, args.seconds)
        return
    from tests.fuzz.targets import TARGETS

    with ThreadPoolExecutor(args.jobs) as pool:
        names = args.targets or list(TARGETS)
        outcomes = []
        for outcome in pool.map(lambda name: fuzz(name, args.seconds), names):
            print(outcome.row(), flush=True)
            outcomes.append(outcome)
    if not args.targets:
        write_page(outcomes, args.seconds)
    sys.exit(any(outcome.crashers for outcome in outcomes))


if __name__ == "__main__":
    main()
