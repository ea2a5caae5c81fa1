"""Measure digitflow against its peers, in one run on the same CSVs: medians, ratios, and the bars.

Run by `make bench` in the peers' environment; writes benchmarks/results.md and benchmarks/growth.png. Exit
status 1 if a bar was missed. All 70,000 MNIST images unless stated otherwise. Every round runs every
contestant once, so that a slow minute of the machine slows all of them.
"""

import argparse
import filecmp
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from forms import FORMS
from measure import HERE, MAIN, PROJECT, Finished, Page, copy_code, in_rounds, run, run_verb, settle, table

PEERS = PROJECT / ".venvs" / "bench" / "bin" / "python"
MXNET = PROJECT / ".venvs" / "mxnet" / "bin" / "python"
TRAIN_CSV, TEST_CSV = PROJECT / "data" / "mnist" / "train.csv", PROJECT / "data" / "mnist" / "test.csv"
SHARDS = 8
ALL_FORMATS = ("records", "trees")  # targets: lists and RecordIO files, and the PNG trees
GROWTH_ROWS = (42_000, 200_000, 1_000_000)
RELABELLED = 10
VERB_BAR = 2.0  # times as long as Python takes to start and to import numpy
SMALL_VERB = (
    *("--images", "data/idx/test-images-idx3-ubyte"),
    *("--test-lst", "other.lst", "--list-checksums", "other.sfv"),
)
CLEAN_FORM = "clean, as Kaggle has it"

# Contestants that are named twice: when they are timed, and when they are compared.
OURS_CSV, POLARS = "digitflow csv_to_idx", "polars read to numpy"
MAKE, FLOOR = "digitflow write_tree x 2", "files of the same sizes x 2"
RERUN, RELABEL = (
    "digitflow write_tree x 2, nothing changed",
    f"digitflow write_tree, {RELABELLED} labels changed",
)
CHAIN, BY_HAND = "digitflow, snakemake -j2", "pandas, Pillow, im2rec.py by hand"
PACK, IM2REC = "digitflow write_lst, pack_rec x 3", "im2rec.py list + pass-through"
DRY, EMPTY = "digitflow, dry run of a finished run", "empty Snakefile, dry run"
VERB, HELP, NUMPY = "digitflow write_test_lst", "digitflow --help", "python -c 'import numpy'"


def side_by_side(*commands: Sequence[str | Path]) -> list[Finished]:
    """Run commands at the same time, as Snakemake's -j2 does."""
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda command: run(*command), commands))


def compare_reading(times: dict, folder: Path) -> None:
    """CSV -> IDX against the quickest readers' CSV -> numpy; all without imports and Python's start."""
    times[OURS_CSV].append(
        run(MAIN / "python", HERE / "ours.py", "csv_to_idx", TRAIN_CSV, TEST_CSV, folder).printed[0]
    )
    for library in ("polars", "pyarrow", "pandas"):
        command = (PEERS, HERE / "peers" / "read_csv.py", library, TRAIN_CSV, TEST_CSV)
        times[f"{library} read to numpy"].append(run(*command).printed[0])


def write_forms(folder: Path) -> dict[str, Path]:
    """Write the training CSV in every form that people's files have."""
    paths = {CLEAN_FORM: TRAIN_CSV}
    for number, (name, form) in enumerate(FORMS.items()):
        paths[name] = folder / f"form-{number}.csv"
        form.write(TRAIN_CSV, paths[name])
    return paths


def compare_forms(times: dict, folder: Path, paths: dict[str, Path]) -> None:
    """CSV -> IDX of the same digits in each form. RuntimeError: a form gave other images."""
    for name, path in paths.items():
        out = folder / path.stem
        out.mkdir()
        data = FORMS[name].data if name in FORMS else "{}"
        times[name].append(run(MAIN / "python", HERE / "ours.py", "read_form", path, data, out).printed[0])
        if not filecmp.cmp(folder / TRAIN_CSV.stem / "images", out / "images", shallow=False):
            raise RuntimeError(f"{name}: read as other images than the clean file")


def compare_trees(times: dict, folder: Path) -> None:
    """IDX -> PNG trees with two processes, against creating files of the same sizes with two processes.

    Then the same again with nothing changed, and the training tree with some labels changed. RuntimeError:
    other pictures were written than the changed ones.
    """
    ours, floor = folder / "ours", folder / "floor"
    images, labels, test = (folder / name for name in ("train-images", "train-labels", "test-images"))
    run(MAIN / "python", HERE / "ours.py", "csv_to_idx", TRAIN_CSV, TEST_CSV, folder)
    script = (MAIN / "python", HERE / "ours.py", "write_tree")
    trees = ((*script, images, ours / "train", labels), (*script, test, ours / "test"))
    settle()
    times[MAKE].append(max(finished.printed[0] for finished in side_by_side(*trees)))
    made = pictures(ours)
    settle()
    times[RERUN].append(max(finished.printed[0] for finished in side_by_side(*trees)))
    if pictures(ours) != made:
        raise RuntimeError("a rerun with nothing changed wrote pictures")
    settle()
    relabelled = run(*script, images, ours / "train", relabel(labels), labels)
    times[RELABEL].append(relabelled.printed[0])
    if len(pictures(ours) - made) != RELABELLED:
        raise RuntimeError(f"{RELABELLED} changed labels wrote {len(pictures(ours) - made)} pictures")
    script = (MAIN / "python", HERE / "peers" / "file_floor.py")
    pairs = (ours / "train", floor / "train", ours / "test", floor / "test")
    settle()
    times[FLOOR].append(run(*script, *pairs).printed[0])
    script = (PEERS, HERE / "peers" / "opencv_tree.py", images, labels, test, folder / "opencv")
    settle()
    times["OpenCV imwrite loop"].append(run(*script).printed[0])


def pictures(tree: Path) -> set[tuple[Path, int]]:
    """All pictures in a tree, each with the time of its last change."""
    return {(path, path.stat().st_ctime_ns) for path in tree.rglob("*.png")}


def relabel(labels: Path) -> Path:
    """Write an IDX file of labels beside another, with the first RELABELLED changed to the next digit."""
    data, begin = bytearray(labels.read_bytes()), 8  # behind the header
    first = data[begin : begin + RELABELLED]
    data[begin : begin + RELABELLED] = bytes((label + 1) % 10 for label in first)
    path = labels.with_name("other-labels")
    path.write_bytes(data)
    return path


def im2rec(prefix: Path, root: Path, recursive: bool) -> float:
    """Run im2rec.py's list and pass-through on one tree; return the seconds."""
    script = (MXNET, "-m", "mxnet.tools.im2rec")
    flags = ["--recursive"] if recursive else []
    listed = run(*script, "--list", *flags, prefix, root).seconds
    return listed + run(*script, "--pass-through", "--num-thread", "2", prefix, root).seconds


def compare_chain(times: dict, folder: Path) -> None:
    """All conversions, by Snakemake with -j2, including start-up, against doing them by hand."""
    hand = folder / "hand"
    (hand / "rec").mkdir(parents=True)
    settle()
    start = time.perf_counter()
    run(PEERS, HERE / "peers" / "by_hand.py", TRAIN_CSV, TEST_CSV, hand)
    packing = im2rec(hand / "rec" / "train", hand / "train", True) + im2rec(
        hand / "rec" / "test", hand / "test", False
    )
    times[BY_HAND].append(time.perf_counter() - start)
    times[IM2REC].append(packing)

    clone = copy_project(folder / "clone", TRAIN_CSV, TEST_CSV)
    settle()
    times[CHAIN].append(snakemake(clone, "-j2", *ALL_FORMATS).seconds)
    times[PACK].append(list_and_pack(clone))


def list_and_pack(clone: Path) -> float:
    """Write lists, then records, two verbs at a time, as Snakemake's -j2 runs them; return the seconds."""

    def pack(part: str) -> None:
        tree, sums = ("test", "test") if part == "test" else ("train", "lists")
        flags = {
            "lst": f"data/rec/{part}.lst",
            "images": f"data/idx/{tree}-images-idx3-ubyte",
            "checksums": [f"data/idx/{tree}.sfv", f"data/rec/{sums}.sfv"],
            "rec": f"data/rec/{part}.rec",
            "idx": f"data/rec/{part}.idx",
            "shard": "0",
            "shards": "1",
        }
        run_verb("pack_rec", flags, clone)

    train_lists = {
        "images": "data/idx/train-images-idx3-ubyte",
        "labels": "data/idx/train-labels-idx1-ubyte",
        "classes": "data/idx/classes.csv",
        "checksums": "data/idx/train.sfv",
        "list-checksums": "data/rec/lists.sfv",
        "train-lst": "data/rec/train.lst",
        "valid-lst": "data/rec/valid.lst",
        "validation": '{"folds": 1, "fraction": 0.1, "seed": 0}',
    }
    test_list = {
        "images": "data/idx/test-images-idx3-ubyte",
        "test-lst": "data/rec/test.lst",
        "list-checksums": "data/rec/test.sfv",
    }
    settle()
    start = time.perf_counter()
    run_verb("write_lst", train_lists, clone)
    run_verb("write_test_lst", test_list, clone)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(pack, ("train", "test", "valid")))
    return time.perf_counter() - start


def copy_project(folder: Path, train_csv: Path, test_csv: Path) -> Path:
    """Make a copy of the workflow that converts the given CSVs."""
    copy_code(PROJECT, folder)
    (folder / "own.yaml").write_text(
        f"data: {{source: files, train_csv: {train_csv}, test_csv: {test_csv}}}\n"
        "models: {keras_cnn: {architecture: small_cnn, epochs: 1}, mxnet_cnn: {epochs: 1}}\n"
        "merge: {models: [keras_cnn, mxnet_cnn]}\n"
    )
    return folder


def snakemake(folder: Path, *arguments: str) -> Finished:
    """Run Snakemake in a copy of the project."""
    return run(MAIN / "snakemake", *arguments, "--configfile", "own.yaml", cwd=folder)


def compare_starts(times: dict, finished: Path, empty: Path) -> None:
    """What starting costs: a dry run of a finished workflow, and a verb that has next to nothing to do.

    They run against a dry run of an empty Snakefile, and against Python with numpy.
    """
    commands = {
        DRY: ((MAIN / "snakemake", "-n", "--configfile", "own.yaml"), finished),
        EMPTY: ((MAIN / "snakemake", "-n"), empty),
        VERB: ((MAIN / "digitflow", "write_test_lst", *SMALL_VERB), finished),
        HELP: ((MAIN / "digitflow", "--help"), finished),
        NUMPY: ((MAIN / "python", "-c", "import numpy"), finished),
    }
    for name, (command, folder) in commands.items():
        done = run(*command, cwd=folder)
        times[name].append(done.seconds)
        times[f"{name}, CPU"].append(done.cpu_seconds)


def copy_rows(source: Path, rows: int, target: Path) -> None:
    """Copy the header and the first rows of a CSV; if there are fewer, but some, all of them again and again.

    Line by line: this process's memory would count as memory of the processes that it starts.
    """
    with open(source, "rb") as file, open(target, "wb") as copy:
        copy.write(file.readline())
        first = file.tell()
        while rows:
            file.seek(first)
            for line in itertools.islice(file, rows):
                copy.write(line.rstrip(b"\n") + b"\n")
                rows -= 1


def prepare_starts(folder: Path) -> tuple[Path, Path]:
    """Make a finished run on a few hundred rows, and a folder with an empty Snakefile."""
    small = []
    for path in (TRAIN_CSV, TEST_CSV):
        small.append(folder / f"small-{path.name}")
        copy_rows(path, 600, small[-1])
    finished, empty = copy_project(folder / "finished", *small), folder / "empty"
    empty.mkdir()
    (empty / "Snakefile").write_text("rule all:\n")
    snakemake(finished, "-j2")
    return finished, empty


def measure_growth(folder: Path, trees: bool) -> dict[int, Finished]:
    """CSV -> IDX -> (PNG trees ->) .lst -> .rec shards, by Snakemake with -j2, for each number of rows."""
    copy_rows(TEST_CSV, 1000, folder / "test.csv")
    curve = {}
    for rows in GROWTH_ROWS:
        train_csv = folder / "growth.csv"
        copy_rows(TRAIN_CSV, rows, train_csv)
        clone = copy_project(folder / f"growth-{rows}-{trees}", train_csv, folder / "test.csv")
        with open(clone / "own.yaml", "a") as config:
            config.write(f"rec: {{shards: {SHARDS}}}\npng: {{enabled: {str(trees).lower()}}}\n")
        targets = [f"data/rec/train_{shard:03d}.rec" for shard in range(SHARDS)]
        curve[rows] = snakemake(clone, "-j2", *targets, *(["data/png/train.sfv"] if trees else []))
    return curve


def add_growth(page: Page, curves: dict[str, dict[int, Finished]]) -> None:
    """Add a table of the curves, and the bars that they should stay under."""
    page.add("## Growth", "")
    lines = []
    for name, curve in curves.items():
        for rows, done in curve.items():
            each = 1e6 * done.seconds / rows
            lines.append((name, f"{rows:,}", f"{done.seconds:.1f}", f"{each:.0f}", f"{done.megabytes:.0f}"))
    page.add(table(("how", "rows", "s", "us per row", "peak MB of a process"), lines))
    first, last = GROWTH_ROWS[0], GROWTH_ROWS[-1]
    for name, curve in curves.items():
        ratio = (curve[last].seconds / last) / (curve[first].seconds / first)
        page.bar(f"{name}: time per row at {last:,} rows / at {first:,}", ratio, 1.2)
        page.bar(f"{name}: peak memory", round(max(done.megabytes for done in curve.values())), 400, " MB")
    page.add("![growth](growth.png)", "")


def draw_growth(curves: dict[str, dict[int, Finished]], path: Path) -> None:
    """Draw seconds and peak memory against the number of rows, side by side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (time_axes, memory_axes) = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for name, curve in curves.items():
        millions = [rows / 1e6 for rows in curve]
        time_axes.plot(millions, [done.seconds for done in curve.values()], "o-", label=name)
        memory_axes.plot(millions, [done.megabytes for done in curve.values()], "o-", label=name)
    memory_axes.axhline(400, color="grey", linestyle=":", label="bar")
    for axes, what in ((time_axes, "seconds"), (memory_axes, "peak MB of a process")):
        axes.set(xlabel="million rows", ylabel=what, ylim=(0, None), xlim=(0, None))
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main() -> int:
    """Run every comparison and write benchmarks/results.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each contestant")
    with tempfile.TemporaryDirectory() as folder:
        return write_results(parser.parse_args().rounds, Path(folder))


def write_results(rounds: int, folder: Path) -> int:
    """Run every comparison in `folder`; write and print benchmarks/results.md, draw growth.png."""
    finished, empty = prepare_starts(folder)
    paths = write_forms(folder)
    reading = in_rounds(rounds, folder, compare_reading)
    forms = in_rounds(rounds, folder, lambda times, part: compare_forms(times, part, paths))
    starts = in_rounds(rounds, folder, lambda times, _: compare_starts(times, finished, empty))
    trees = in_rounds(rounds, folder, compare_trees)
    chain = in_rounds(rounds, folder, compare_chain)
    curves = {"without trees": measure_growth(folder, False), "with PNG trees": measure_growth(folder, True)}
    page = Page(
        "Benchmarks",
        f"Written by `make bench`. Medians of {rounds} rounds, after one that is not counted; a round runs "
        "every contestant once, each after all earlier writes are on the disk. Growth is one run per point. "
        "All 70,000 MNIST images (42,000 + 28,000 rows) unless stated otherwise. Wall seconds unless marked "
        "CPU; compare ratios, not seconds.",
    )
    page.add("## CSV to IDX", "", reading.table())
    page.ratio(reading, OURS_CSV, POLARS, 1.0)
    page.add("## The forms of CSVs", "", "The 42,000 rows in each form; all give the same images.", "")
    page.add(forms.table())
    for name in FORMS:
        page.ratio(forms, name, CLEAN_FORM, 5.0)
    page.add(
        "## PNG trees", "", "Nothing changed: no file is written. Labels changed: only their files are.", ""
    )
    page.add(trees.table())
    page.ratio(trees, MAKE, FLOOR, 1.3)
    page.ratio(trees, RERUN, MAKE, 0.5)
    page.ratio(trees, RELABEL, MAKE, 0.5)
    page.add("## Start", "", starts.table())
    for what in ("", ", CPU"):
        page.ratio(starts, DRY + what, EMPTY + what, 1.25)
        page.ratio(starts, VERB + what, NUMPY + what, VERB_BAR)
    page.add("## Lists and RecordIO", "", chain.table(PACK, IM2REC))
    page.ratio(chain, PACK, IM2REC, 0.2)
    page.add("## The chain", "", chain.table(CHAIN, BY_HAND))
    page.ratio(chain, CHAIN, BY_HAND, 0.2)
    add_growth(page, curves)
    draw_growth(curves, HERE / "growth.png")
    return page.write(HERE / "results.md")


if __name__ == "__main__":
    sys.exit(main())
