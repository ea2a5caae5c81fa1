"""Repeat rows of the record table: seconds and test accuracy of whole runs on two cores.

Usage: record.py [ROW ...]: without names, all rows; or record.py --against CLONE: the default and that of
another clone of this project, at an older commit with its environments installed, in turns.

Every run starts from CSVs in its own folder, with the environments installed, nothing converted and nothing
in a store. A row is run on three splits of the 70,000 digits (peers/split_csv.py). No test row is among the
20,000 digits by which networks and settings were chosen; nine in ten are also test rows of the splits 101 to
103, on which residual networks and five folds were scored, and split 201 was looked at when the default was
put together (training.md). The measurements go into record.csv, and from there into the table of README.md.
"""

import argparse
import csv
import json
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import (
    HERE,
    MAIN,
    PROJECT,
    Finished,
    commit,
    copy_code,
    machine,
    read_rows,
    run,
    settle,
    spread,
    table,
)

SPLITS = (201, 202, 203)
CORES = 2
WORK = PROJECT / "benchmarks" / ".record"
TABLE = HERE / "record.csv"
README = PROJECT / "README.md"
MARKERS = ("<!-- record: written by make record -->", "<!-- end of record -->")
COLUMNS = ("row", "split", "seconds", "cpu_seconds", "accuracy", "commit", "machine")


@dataclass(frozen=True)
class Row:
    """A row of the table: its aim, its configuration, and the best known peer."""

    aim: str
    config: str
    peer: str


ROWS = {
    "fast": Row("99.3 %, the fastest", "config/fast.yaml", "none measured"),
    "short": Row("99.5 %", "config/short.yaml", "a CNN of 128 and 256 channels, some 100 epochs: 99.585 %"),
    "default": Row("the default", "config/config.yaml", "ResNet-18 with fastai, on a GPU: 99.657 %"),
    "hour": Row(
        "the best within an hour", "config/hour.yaml", "fifteen networks, four hours on a GPU: 99.757 %"
    ),
}


def measure(name: str, split: int) -> dict[str, object]:
    """Run one row on one split, and return its line for record.csv."""
    folder = new_folder(f"{name}-{split}")
    (folder / "split.yaml").write_text(json.dumps({"data": split_csvs(split), "store": None}))
    settle()
    finished = run(
        *(MAIN / "snakemake", f"-j{CORES}", "-s", PROJECT / "Snakefile", "-d", folder),
        *("--configfile", PROJECT / ROWS[name].config, folder / "split.yaml"),
    )
    scores = read_rows(folder / "results" / "scores.csv")
    merged = next(line for line in scores if line["model"] == "merged")
    return {
        "row": name,
        "split": split,
        "seconds": round(finished.seconds, 1),
        "cpu_seconds": round(finished.cpu_seconds, 1),
        "accuracy": merged["test_accuracy"],
        "commit": commit(),
        "machine": machine(),
    }


def measure_and_keep(name: str, split: int) -> float:
    """Run one row on one split, and write the result into record.csv and README.md; return the seconds."""
    line = measure(name, split)
    print(f"{name} on split {split}: {line['seconds']} s, {line['accuracy']}", flush=True)
    before, _, after = README.read_text().partition(MARKERS[0])
    after = after.partition(MARKERS[1])[2]
    README.write_text(f"{before}{MARKERS[0]}\n{table_of_rows(keep(line))}\n{MARKERS[1]}{after}")
    return float(line["seconds"])


def measure_clone(clone: Path, split: int) -> Finished:
    """Run another clone's default configuration on one split, in a folder with a copy of its code."""
    folder = new_folder(f"against-{split}")
    copy_code(clone, folder)
    (folder / "split.yaml").write_text(json.dumps({"data": split_csvs(split)}))
    settle()
    return run(
        *("env", "-u", "PYTHONPATH", clone.resolve() / ".venv" / "bin" / "snakemake", f"-j{CORES}"),
        *("--configfile", "config/config.yaml", "split.yaml"),
        cwd=folder,
    )


def compare(clone: Path, splits: Sequence[int]) -> None:
    """Run the default and a clone's default in turn on each split, and print the ratios of their seconds.

    The default's result is kept, as when only its row is repeated.
    """
    ratios = []
    for split in splits:
        ours, theirs = measure_and_keep("default", split), measure_clone(clone, split).seconds
        ratios.append(ours / theirs)
        print(f"split {split}: {ours:.0f} s, {theirs:.0f} s: {ratios[-1]:.2f}", flush=True)
    print(f"{commit()} / {commit(clone)}: {statistics.median(ratios):.2f} ({spread(ratios)}); {machine()}")


def new_folder(name: str) -> Path:
    """An empty folder for a run."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    settle()  # while the disk is still busy with the deletion, every job that ends has to wait
    folder.mkdir(parents=True)
    return folder


def split_csvs(split: int) -> dict[str, str]:
    """A split's CSVs, made if they do not exist yet, as the section `data` of a configuration."""
    data = WORK / f"split-{split}"
    if not (data / "solution.csv").exists():
        run(MAIN / "python", HERE / "peers" / "split_csv.py", str(split), data)
    return {"source": "files"} | {
        f"{part}_csv": str(data / f"{part}.csv") for part in ("train", "test", "solution")
    }


def keep(line: dict[str, object]) -> list[dict[str, str]]:
    """Put a line into record.csv in place of the last one of its row and split; return all lines."""
    lines = read_rows(TABLE) if TABLE.exists() else []
    lines = [old for old in lines if (old["row"], old["split"]) != (line["row"], str(line["split"]))]
    lines.append({key: str(value) for key, value in line.items()})
    lines.sort(key=lambda old: (list(ROWS).index(old["row"]), old["split"]))
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return lines


def table_of_rows(lines: list[dict[str, str]]) -> str:
    """The table of README.md: a row for each configuration that was run on every split."""
    rows = []
    for name, row in ROWS.items():
        runs = [line for line in lines if line["row"] == name]
        if len(runs) < len(SPLITS):
            continue
        seconds = [float(line["seconds"]) for line in runs]
        accuracies = [100 * float(line["accuracy"]) for line in runs]
        error = statistics.stdev(accuracies) / len(accuracies) ** 0.5
        took = f"{statistics.median(seconds):.0f} ({spread(seconds, '.0f')})"
        accuracy = f"{statistics.mean(accuracies):.2f} ± {error:.2f} %"
        rows.append((row.aim, took, accuracy, f"`make record ROWS={name}`", row.peer))
    commits: dict[str, set[str]] = {}
    for line in lines:
        commits.setdefault(line["machine"], set()).add(line["commit"])
    where = [f"{name}; commit {', '.join(sorted(found))}." for name, found in commits.items()]
    header = ("aim", "seconds", "test accuracy", "command", "best known peer")
    return "\n".join([table(header, rows), *where])


def main() -> None:
    """Run rows, and write record.csv and the table of README.md after each run; or compare with a clone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; default: all")
    seeds = " ".join(map(str, SPLITS))
    parser.add_argument("--splits", nargs="+", type=int, default=SPLITS, help=f"default: {seeds}")
    parser.add_argument("--against", type=Path, metavar="CLONE", help="compare the default with a clone's")
    arguments = parser.parse_args()
    if arguments.against:
        if arguments.rows:
            parser.error("--against compares the default: name no rows")
        compare(arguments.against, arguments.splits)
        return
    rows = arguments.rows or list(ROWS)
    unknown = [name for name in rows if name not in ROWS]
    if unknown:
        parser.error(f"{unknown[0]} is not a row; the rows are {', '.join(ROWS)}")
    for split in arguments.splits:
        for name in rows:
            measure_and_keep(name, split)


if __name__ == "__main__":
    main()
