"""Repeat rows of the record table: seconds and test accuracy of whole runs on two cores.

Usage: record.py [ROW ...]: without names, all rows. Every run starts from CSVs in a folder of its own, with
the environments installed, nothing converted and nothing in a store. A row is run on three splits of the
70,000 digits (peers/split_csv.py) whose test rows no choice of networks or settings has seen. What was
measured goes into record.csv, and from there into the table of README.md.
"""

import argparse
import csv
import shutil
import statistics
import subprocess
from dataclasses import dataclass

from run import HERE, MAIN, PROJECT, machine, run, settle

SPLITS = (201, 202, 203)
CORES = 2
WORK = PROJECT / "benchmarks" / ".record"
TABLE = HERE / "record.csv"
README = PROJECT / "README.md"
MARKERS = ("<!-- record: written by make record -->", "<!-- end of record -->")
COLUMNS = ("row", "split", "seconds", "cpu_seconds", "accuracy", "commit", "machine")


@dataclass(frozen=True)
class Row:
    """A row of the table: what it aims at, its configuration, and the best known peer."""

    aim: str
    config: str
    peer: str


ROWS = {
    "fast": Row("99.0 %, the fastest", "config/fast.yaml", "none measured"),
    "short": Row("99.5 %", "config/short.yaml", "a CNN of 128 and 256 channels, some 100 epochs: 99.585 %"),
    "default": Row("the default", "config/config.yaml", "ResNet-18 with fastai, on a GPU: 99.657 %"),
}


def measure(name: str, split: int) -> dict[str, object]:
    """Run one row on one split, and give the line that record.csv keeps of it."""
    data, folder = WORK / f"split-{split}", WORK / f"{name}-{split}"
    if not (data / "solution.csv").exists():
        run(MAIN / "python", HERE / "peers" / "split_csv.py", str(split), data)
    shutil.rmtree(folder, ignore_errors=True)
    settle()  # a disk that is still busy with what was deleted keeps every job waiting that ends
    folder.mkdir()
    files = ", ".join(f"{part}_csv: {data / part}.csv" for part in ("train", "test", "solution"))
    (folder / "split.yaml").write_text(f"data: {{source: files, {files}}}\nstore: null\n")
    finished = run(
        *(MAIN / "snakemake", f"-j{CORES}", "-s", PROJECT / "Snakefile", "-d", folder),
        *("--configfile", PROJECT / ROWS[name].config, folder / "split.yaml"),
    )
    with (folder / "results" / "scores.csv").open() as file:
        merged = next(line for line in csv.DictReader(file) if line["model"] == "merged")
    return {
        "row": name,
        "split": split,
        "seconds": round(finished.seconds, 1),
        "cpu_seconds": round(finished.cpu_seconds, 1),
        "accuracy": merged["test_accuracy"],
        "commit": commit(),
        "machine": machine(),
    }


def commit() -> str:
    """The commit that runs, with a plus sign where the code or the configurations differ from it."""
    git = ("git", "-C", str(PROJECT))
    short = subprocess.check_output([*git, "rev-parse", "--short", "HEAD"], text=True).strip()
    changed = subprocess.check_output(
        [*git, "status", "--porcelain", "--", "Snakefile", "rules", "workflow", "config"], text=True
    )
    return short + "+" * bool(changed)


def keep(line: dict[str, object]) -> list[dict[str, str]]:
    """Put a line into record.csv in the place of the last one of its row and split; all lines."""
    lines = []
    if TABLE.exists():
        with TABLE.open(newline="") as file:
            lines = list(csv.DictReader(file))
    lines = [old for old in lines if (old["row"], old["split"]) != (line["row"], str(line["split"]))]
    lines.append({key: str(value) for key, value in line.items()})
    lines.sort(key=lambda old: (list(ROWS).index(old["row"]), old["split"]))
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return lines


def table(lines: list[dict[str, str]]) -> str:
    """The table of README.md: a row for each configuration that was run on every split."""
    text = ["| aim | seconds | test accuracy | command | best known peer |", "|---|---|---|---|---|"]
    for name, row in ROWS.items():
        runs = [line for line in lines if line["row"] == name]
        if len(runs) < len(SPLITS):
            continue
        seconds = [float(line["seconds"]) for line in runs]
        accuracies = [100 * float(line["accuracy"]) for line in runs]
        error = statistics.stdev(accuracies) / len(accuracies) ** 0.5
        text.append(
            f"| {row.aim} | {statistics.median(seconds):.0f} ({min(seconds):.0f} to {max(seconds):.0f}) "
            f"| {statistics.mean(accuracies):.2f} ± {error:.2f} % | `make record ROWS={name}` | {row.peer} |"
        )
    commits: dict[str, set[str]] = {}
    for line in lines:
        commits.setdefault(line["machine"], set()).add(line["commit"])
    where = [f"{name}; commit {', '.join(sorted(found))}." for name, found in commits.items()]
    return "\n".join([*text, "", *where])


def main() -> None:
    """Run rows, and write record.csv and the table of README.md after each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; default: all")
    seeds = " ".join(map(str, SPLITS))
    parser.add_argument("--splits", nargs="+", type=int, default=SPLITS, help=f"default: {seeds}")
    arguments = parser.parse_args()
    rows = arguments.rows or list(ROWS)
    unknown = [name for name in rows if name not in ROWS]
    if unknown:
        parser.error(f"{unknown[0]} is no row; the rows are {', '.join(ROWS)}")
    WORK.mkdir(exist_ok=True)
    for split in arguments.splits:
        for name in rows:
            line = measure(name, split)
            print(f"{name} on split {split}: {line['seconds']} s, {line['accuracy']}", flush=True)
            before, _, after = README.read_text().partition(MARKERS[0])
            after = after.partition(MARKERS[1])[2]
            README.write_text(f"{before}{MARKERS[0]}\n{table(keep(line))}\n{MARKERS[1]}{after}")


if __name__ == "__main__":
    main()
