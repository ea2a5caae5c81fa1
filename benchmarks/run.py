"""Measure digitflow beside its peers, in one run on the same CSVs: medians, ratios, and the bars.

Run by `make bench` in the peers' environment; writes benchmarks/results.md and benchmarks/growth.png. All
70,000 MNIST images unless said otherwise. Every round runs every contestant once, so that a slow minute of
the machine slows all of them.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
HERE = Path(__file__).parent
MAIN = PROJECT / ".venv" / "bin"
PEERS = PROJECT / ".venvs" / "bench" / "bin" / "python"
MXNET = PROJECT / ".venvs" / "mxnet" / "bin" / "python"
TRAIN_CSV, TEST_CSV = PROJECT / "data" / "mnist" / "train.csv", PROJECT / "data" / "mnist" / "test.csv"
SHARDS = 8
ALL_FORMATS = ("records", "trees")  # targets: lists and RecordIO files, and the trees beside them
GROWTH_ROWS = (42_000, 200_000, 1_000_000)


@dataclass(frozen=True)
class Finished:
    """A finished process: wall and CPU seconds, the numbers that it printed, and its peak memory."""

    seconds: float
    cpu_seconds: float
    printed: list[float]
    megabytes: float


@dataclass(frozen=True)
class Growth:
    """What a number of rows took: wall seconds, and peak memory of any one process."""

    rows: int
    seconds: float
    megabytes: float


def run(*command: str | Path, cwd: Path | None = None) -> Finished:
    """Run a command to its end. Raises RuntimeError with its output if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
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


def settle() -> None:
    """Wait until all that was written is on the disk: no contestant waits for what another left in memory."""
    os.sync()


def side_by_side(*commands: Sequence[str | Path]) -> list[Finished]:
    """Run commands at the same time, as Snakemake's -j2 does."""
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda command: run(*command), commands))


class Contest:
    """Times of contestants by name, over rounds."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)

    def median(self, name: str) -> float:
        return statistics.median(self.times[name])

    def only(self, *names: str) -> "Contest":
        """Some of the contestants."""
        part = Contest()
        part.times = {name: self.times[name] for name in names}
        return part

    def spread(self, name: str) -> str:
        return f"{min(self.times[name]):.2f} to {max(self.times[name]):.2f}"


def compare_reading(times: dict, folder: Path) -> None:
    """CSV -> IDX against the quickest readers' CSV -> numpy; imports and Python's start left out for all."""
    times["digitflow csv_to_idx"].append(
        run(MAIN / "python", HERE / "ours.py", "csv_to_idx", TRAIN_CSV, TEST_CSV, folder).printed[0]
    )
    for library in ("polars", "pyarrow", "pandas"):
        command = (PEERS, HERE / "peers" / "read_csv.py", library, TRAIN_CSV, TEST_CSV)
        times[f"{library} read to numpy"].append(run(*command).printed[0])


def compare_trees(times: dict, folder: Path) -> None:
    """IDX -> PNG trees, two processes, against creating files of the same sizes with two processes."""
    ours, floor = folder / "ours", folder / "floor"
    images, labels, test = (folder / name for name in ("train-images", "train-labels", "test-images"))
    run(MAIN / "python", HERE / "ours.py", "csv_to_idx", TRAIN_CSV, TEST_CSV, folder)
    script = (MAIN / "python", HERE / "ours.py", "write_tree")
    settle()
    both = side_by_side((*script, images, ours / "train", labels), (*script, test, ours / "test"))
    times["digitflow write_tree x 2"].append(max(finished.printed[0] for finished in both))
    script = (MAIN / "python", HERE / "peers" / "file_floor.py")
    pairs = (ours / "train", floor / "train", ours / "test", floor / "test")
    settle()
    times["files of the same sizes x 2"].append(run(*script, *pairs).printed[0])
    script = (PEERS, HERE / "peers" / "opencv_tree.py", images, labels, test, folder / "opencv")
    settle()
    times["OpenCV imwrite loop"].append(run(*script).printed[0])


def im2rec(prefix: Path, root: Path, recursive: bool) -> float:
    """im2rec.py's list and pass-through of one tree; the seconds."""
    script = (MXNET, "-m", "mxnet.tools.im2rec")
    flags = ["--recursive"] if recursive else []
    listed = run(*script, "--list", *flags, prefix, root).seconds
    return listed + run(*script, "--pass-through", "--num-thread", "2", prefix, root).seconds


def compare_chain(times: dict, folder: Path) -> None:
    """All conversions, by Snakemake with -j2, start-up included, against doing them by hand."""
    hand = folder / "hand"
    (hand / "rec").mkdir(parents=True)
    settle()
    start = time.perf_counter()
    run(PEERS, HERE / "peers" / "by_hand.py", TRAIN_CSV, TEST_CSV, hand)
    packing = im2rec(hand / "rec" / "train", hand / "train", True) + im2rec(
        hand / "rec" / "test", hand / "test", False
    )
    times["pandas, Pillow, im2rec.py by hand"].append(time.perf_counter() - start)
    times["im2rec.py list + pass-through"].append(packing)

    clone = copy_project(folder / "clone", TRAIN_CSV, TEST_CSV)
    settle()
    times["digitflow, snakemake -j2"].append(snakemake(clone, "-j2", *ALL_FORMATS).seconds)
    times["digitflow write_lst, pack_rec x 3"].append(list_and_pack(clone))


def list_and_pack(clone: Path) -> float:
    """Lists, then records, two verbs at a time, as Snakemake's -j2 runs them; the seconds."""
    verb = (MAIN / "python", "-m", "digitflow")

    def pack(part: str) -> None:
        tree = "test" if part == "test" else "train"
        flags = {
            "lst": f"data/rec/{part}.lst",
            "images": f"data/idx/{tree}-images-idx3-ubyte",
            "rec": f"data/rec/{part}.rec",
            "idx": f"data/rec/{part}.idx",
            "shard": 0,
            "shards": 1,
        }
        sums = [
            "--checksums",
            f"data/idx/{tree}.sfv",
            f"data/rec/{'test' if part == 'test' else 'lists'}.sfv",
        ]
        run(
            *verb,
            "pack_rec",
            *(str(word) for name in flags for word in (f"--{name}", flags[name])),
            *sums,
            cwd=clone,
        )

    settle()
    start = time.perf_counter()
    run(
        *(*verb, "write_lst", "--images", "data/idx/train-images-idx3-ubyte"),
        *("--labels", "data/idx/train-labels-idx1-ubyte", "--classes", "data/idx/classes.csv"),
        *("--checksums", "data/idx/train.sfv", "--list-checksums", "data/rec/lists.sfv"),
        *("--train-lst", "data/rec/train.lst", "--valid-lst", "data/rec/valid.lst"),
        *("--validation", '{"folds": 1, "fraction": 0.1, "seed": 0}'),
        cwd=clone,
    )
    run(
        *(*verb, "write_test_lst", "--images", "data/idx/test-images-idx3-ubyte"),
        *("--test-lst", "data/rec/test.lst", "--list-checksums", "data/rec/test.sfv"),
        cwd=clone,
    )
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(pack, ("train", "test", "valid")))
    return time.perf_counter() - start


def copy_project(folder: Path, train_csv: Path, test_csv: Path) -> Path:
    """A copy of the workflow that converts the given CSVs."""
    folder.mkdir(parents=True)
    shutil.copy(PROJECT / "Snakefile", folder)
    for name in ("rules", "workflow", "config", "profiles"):
        shutil.copytree(PROJECT / name, folder / name)
    (folder / ".venvs").symlink_to(PROJECT / ".venvs")
    (folder / "own.yaml").write_text(
        f"data: {{source: files, train_csv: {train_csv}, test_csv: {test_csv}}}\n"
        "models: {keras_cnn: {architecture: small_cnn, epochs: 1}, mxnet_cnn: {epochs: 1}}\n"
        "merge: {models: [keras_cnn, mxnet_cnn]}\n"
    )
    return folder


def snakemake(folder: Path, *arguments: str) -> Finished:
    """Run Snakemake in a copy of the project."""
    return run(MAIN / "snakemake", *arguments, "--configfile", "own.yaml", cwd=folder)


def compare_dry_runs(times: dict, finished: Path, empty: Path) -> None:
    """A dry run of a finished workflow against one of an empty Snakefile: what parsing and checking cost."""
    times["digitflow, dry run of a finished run"].append(
        snakemake(finished, "-n", "results/submission.csv").seconds
    )
    times["empty Snakefile, dry run"].append(run(MAIN / "snakemake", "-n", cwd=empty).seconds)


def prepare_dry_runs(folder: Path) -> tuple[Path, Path]:
    """A finished run on a few hundred rows, and a folder with an empty Snakefile."""
    small = []
    for path in (TRAIN_CSV, TEST_CSV):
        small.append(folder / f"small-{path.name}")
        with open(path) as source:
            small[-1].write_text("".join(next(source) for _ in range(601)))
    finished, empty = copy_project(folder / "finished", *small), folder / "empty"
    empty.mkdir()
    (empty / "Snakefile").write_text("rule all:\n")
    snakemake(finished, "-j2", "results/submission.csv")
    return finished, empty


def measure_growth(folder: Path, trees: bool) -> list[Growth]:
    """CSV -> IDX -> (PNG trees ->) .lst -> .rec shards, by Snakemake with -j2, for more and more rows."""
    with open(TEST_CSV) as source:
        (folder / "test.csv").write_text("".join(next(source) for _ in range(1001)))
    curve = []
    for rows in GROWTH_ROWS:
        train_csv = folder / "growth.csv"
        run(MAIN / "python", HERE / "make_csv.py", TRAIN_CSV, str(rows), train_csv)
        clone = copy_project(folder / f"growth-{rows}-{trees}", train_csv, folder / "test.csv")
        with open(clone / "own.yaml", "a") as config:
            config.write(f"rec: {{shards: {SHARDS}}}\npng: {{enabled: {str(trees).lower()}}}\n")
        targets = [f"data/rec/train_{shard:03d}.rec" for shard in range(SHARDS)]
        done = snakemake(clone, "-j2", *targets, *(["data/png/train.sfv"] if trees else []))
        curve.append(Growth(rows, done.seconds, done.megabytes))
    return curve


def in_rounds(rounds: int, folder: Path, step: Callable[[dict, Path], None]) -> Contest:
    """Repeat a comparison, each time in a new folder; the first round warms caches and is not counted.

    Nothing is deleted before the end: ext4 creates files many times slower soon after a mass deletion.
    """
    contest = Contest()
    for times in [defaultdict(list), *[contest.times] * rounds]:
        step(times, Path(tempfile.mkdtemp(dir=folder)))
    return contest


def section(title: str, contest: Contest, ours: str, peer: str, bar: float) -> str:
    """A table of medians, and our ratio to the peer beside the bar that it should stay under."""
    lines = [f"## {title}", "", "| what | median s | range s |", "|---|---|---|"]
    lines += [f"| {name} | {contest.median(name):.2f} | {contest.spread(name)} |" for name in contest.times]
    ratio = contest.median(ours) / contest.median(peer)
    verdict = "reached" if ratio <= bar else "**missed**"
    return "\n".join([*lines, "", f"{ours} / {peer}: **{ratio:.2f}** (bar {bar:.2f}, {verdict})", ""])


def growth_section(curves: dict[str, list[Growth]]) -> str:
    """A table of the curves, and the bars that they should stay under."""
    lines = ["## Growth", "", "| how | rows | s | us a row | peak MB of a process |", "|---|---|---|---|---|"]
    for name, curve in curves.items():
        for point in curve:
            each = 1e6 * point.seconds / point.rows
            lines.append(
                f"| {name} | {point.rows:,} | {point.seconds:.1f} | {each:.0f} | {point.megabytes:.0f} |"
            )
    lines.append("")
    for name, curve in curves.items():
        first, last = curve[0], curve[-1]
        ratio = (last.seconds / last.rows) / (first.seconds / first.rows)
        peak = max(point.megabytes for point in curve)
        lines.append(
            f"{name}: time a row at {last.rows:,} rows / at {first.rows:,}: **{ratio:.2f}** (bar 1.20); "
        )
        lines.append(f"peak memory **{peak:.0f} MB** (bar 400).")
        lines.append("")
    return "\n".join([*lines, "![growth](growth.png)", ""])


def draw_growth(curves: dict[str, list[Growth]], path: Path) -> None:
    """Rows against seconds and against peak memory, side by side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (time_axes, memory_axes) = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for name, curve in curves.items():
        rows = [point.rows / 1e6 for point in curve]
        time_axes.plot(rows, [point.seconds for point in curve], "o-", label=name)
        memory_axes.plot(rows, [point.megabytes for point in curve], "o-", label=name)
    memory_axes.axhline(400, color="grey", linestyle=":", label="bar")
    for axes, what in ((time_axes, "seconds"), (memory_axes, "peak MB of a process")):
        axes.set(xlabel="million rows", ylabel=what, ylim=(0, None), xlim=(0, None))
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def machine() -> str:
    """What this ran on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "CPU")
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {system}"


def main() -> None:
    """Run every comparison and write benchmarks/results.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each contestant")
    with tempfile.TemporaryDirectory() as folder:
        write_results(parser.parse_args().rounds, Path(folder))


def write_results(rounds: int, folder: Path) -> None:
    """Run every comparison below `folder`; write and print benchmarks/results.md, draw growth.png."""
    dry = prepare_dry_runs(folder)
    reading = in_rounds(rounds, folder, compare_reading)
    dry_runs = in_rounds(rounds, folder, lambda times, _: compare_dry_runs(times, *dry))
    trees = in_rounds(rounds, folder, compare_trees)
    chain = in_rounds(rounds, folder, compare_chain)
    curves = {"without trees": measure_growth(folder, False), "with PNG trees": measure_growth(folder, True)}
    chain_ours, chain_hand = "digitflow, snakemake -j2", "pandas, Pillow, im2rec.py by hand"
    packing_ours, packing_peer = "digitflow write_lst, pack_rec x 3", "im2rec.py list + pass-through"
    text = [
        "# Benchmarks",
        "",
        f"Written by `make bench`. Medians of {rounds} rounds, after one that is not counted; a round runs "
        "every contestant once, each on a disk that has written all before. Growth is one run a point. "
        "All 70,000 MNIST images (42,000 + 28,000 rows) unless said otherwise. Wall seconds; compare "
        "ratios, not seconds.",
        "",
        f"Machine: {machine()}.",
        "",
        section("CSV to IDX", reading, "digitflow csv_to_idx", "polars read to numpy", 1.3),
        section("PNG trees", trees, "digitflow write_tree x 2", "files of the same sizes x 2", 1.3),
        section("Start", dry_runs, "digitflow, dry run of a finished run", "empty Snakefile, dry run", 1.25),
        section(
            "Lists and RecordIO", chain.only(packing_ours, packing_peer), packing_ours, packing_peer, 0.2
        ),
        section("The chain", chain.only(chain_ours, chain_hand), chain_ours, chain_hand, 0.2),
        growth_section(curves),
    ]
    (HERE / "results.md").write_text("\n".join(text))
    draw_growth(curves, HERE / "growth.png")
    print((HERE / "results.md").read_text())


if __name__ == "__main__":
    main()
