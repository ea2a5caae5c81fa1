"""What a study left, as a ranked table, a figure and a section of a page."""

import csv
import json
import re
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digitflow import score as scoring
from digitflow import submission
from digitflow.errors import FormatError
from digitflow.files import atomic_open, read_json
from digitflow.study import Point, points
from digitflow.training.common import check_digests
from digitflow.trees import atomic_tree

MEASURES = ("valid", "test")
INTRODUCTION = """# Experiments

Written by `make experiments` from what its trainings left; no figure here was typed by hand. Behind an
accuracy stands its 95 % Wilson interval, or with several seeds their standard deviation. Tables are ranked by
validation accuracy. Training accuracy is the mean over the last epoch, while the weights still changed, on
warped images where the model has them. Test labels were used for nothing but test columns, marks and pairs.
"""
SHOWN = 12  # rows of a table on the page: the whole one lies beside it


@dataclass(frozen=True)
class Result:
    """A point and its trainings, one a seed: the rows of their scores, metrics and histories."""

    point: Point
    folders: list[Path]
    scores: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    histories: list[list[dict[str, float]]]

    def mean(self, key: str) -> float | None:
        """The mean of a score over the seeds; None where it is not known."""
        values = [score[key] for score in self.scores if key in score]
        return statistics.fmean(values) if values else None

    def row(self) -> dict[str, Any]:
        """The row of this point: accuracies with a 95 % interval, or with more seeds their std."""
        row = {
            **self.point.values,
            "seeds": len(self.scores),
            "parameters": self.metrics[0]["parameters"],
            "trained_epochs": statistics.fmean(metrics["epochs"] for metrics in self.metrics),
            "seconds": round(statistics.fmean(metrics["seconds"] for metrics in self.metrics), 1),
            "train_accuracy": round(statistics.fmean(rows[-1]["accuracy"] for rows in self.histories), 6),
            "status": " ".join(sorted({metrics["status"] for metrics in self.metrics})),
        }
        for measure in MEASURES:
            mean = self.mean(f"{measure}_accuracy")
            if mean is None:
                continue
            row[f"{measure}_accuracy"] = round(mean, 6)
            if len(self.scores) > 1:
                values = [score[f"{measure}_accuracy"] for score in self.scores]
                row[f"{measure}_std"] = round(statistics.stdev(values), 6)
            else:
                ends = (f"{measure}_low", f"{measure}_high")
                row |= {end: round(self.scores[0][end], 6) for end in ends}
        return row


def read(study: Mapping[str, Any], models: str | Path) -> list[Result]:
    """The results of a study's points below the folder `models`, best validation accuracy first."""
    found = []
    for point in points(study):
        seeds = point.model.get("seeds", [0])
        folders = [Path(models, point.name, f"seed{seed}") for seed in seeds]
        for folder in folders:
            check_digests(folder / "metrics.json")
        found.append(
            Result(
                point,
                folders,
                [read_json(folder / "score.json") for folder in folders],
                [read_json(folder / "metrics.json") for folder in folders],
                [read_history(folder / "history.csv") for folder in folders],
            )
        )
    return sorted(found, key=lambda result: -result.mean("valid_accuracy"))


def read_history(path: Path) -> list[dict[str, float]]:
    """The epochs of a history.csv. FormatError: it is damaged."""
    try:
        with open(path, newline="") as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    except (ValueError, TypeError, csv.Error) as error:
        raise FormatError(f"{path}: damaged: {error}; delete it and run again") from error
    if not rows:
        raise FormatError(f"{path}: damaged: no epoch in it; delete it and run again")
    return rows


def write_table(path: str | Path, results: Sequence[Result]) -> None:
    """Write the ranked table: a row a point; what is not known stays empty."""
    rows = [result.row() for result in results]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_open(path, "w") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_pairs(
    path: str | Path, results: Sequence[Result], valid_lst: str | Path, solution: str | Path | None
) -> None:
    """Write the comparisons of every two of the best points, each with its seeds averaged.

    On the test rows where a solution is known, else on the validation rows.
    """
    rows, part = ("validation", "valid") if solution is None else ("test", "test")
    labels = {}
    for result in results[:SHOWN]:
        paths = [folder / f"{part}_probabilities.npy" for folder in result.folders]
        seeds = [submission.read_probabilities(path) for path in paths]
        labels[" ".join(result.point.values.values())] = submission.mean(seeds).argmax(axis=1)
    if solution is None:
        true = scoring.valid_labels(valid_lst)
    else:
        classes = submission.read_probabilities(results[0].folders[0] / "test_probabilities.npy").shape[1]
        true = submission.read(solution, classes)
    scoring.write_table(path, scoring.pairs(labels, true, rows), scoring.PAIR_COLUMNS)


def entry(study: Mapping[str, Any], table: str | Path) -> str:
    """A study's line in the contents of the page, as Markdown: its title, and the best of its table."""
    rows, shown = _read_table(study, table)
    best = ", ".join(f"{axis} {rows[0][axis]}" for axis in shown)
    anchor = re.sub(r"[^\w -]", "", study["title"].lower()).replace(" ", "-")  # GitHub's of the heading
    return f"- [{study['title']}](#{anchor}) Best on validation: {best}; test %: {_percent(rows[0], 'test')}."


def section(name: str, study: Mapping[str, Any], table: str | Path, pairs: str | Path) -> str:
    """A study's part of the page, as Markdown: what it asks, its figure, the best of its table, its pairs."""
    rows, shown = _read_table(study, table)
    header = [*shown, "training %", "validation %", "test %", "parameters", "epochs trained", "seconds"]
    lines = [" | ".join(header), "|".join(["---"] * len(header))]
    for row in rows[:SHOWN]:
        cells = [row[axis] for axis in shown]
        cells += [f"{100 * float(row['train_accuracy']):.2f}", *(_percent(row, name) for name in MEASURES)]
        if row["status"] != "finished":
            cells[-2] += f", {row['status']}"
        epochs = f"{float(row['trained_epochs']):g}"
        cells += [f"{int(row['parameters']):,}", epochs, f"{float(row['seconds']):.0f}"]
        lines.append(" | ".join(cells))
    body = "\n".join(f"| {line} |" for line in lines)
    more = len(rows) - SHOWN
    rest = f"\n{more} more points are in [the whole table](experiments/{name}.csv).\n" if more > 0 else ""
    chance = "\n".join(f"- {line}" for line in scoring.format_pairs(scoring.read_pairs(pairs)))
    if chance:
        all_pairs = f"[all pairs](experiments/{name}-pairs.csv)"
        rest += f"\nBy McNemar's exact test on the same images ({all_pairs}):\n\n{chance}\n"
    about = study["about"].strip()
    return (
        f"## {study['title']}\n\n{about}\n\n{_settings(study)}\n\n{body}\n{rest}\n"
        f"![{study['title']}](experiments/{name}.png)\n"
    )


def _read_table(study: Mapping[str, Any], table: str | Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a study's table, and those axes by which they differ; all where none does."""
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    axes = list(points(study)[0].values)
    return rows, [name for name in axes if len({row[name] for row in rows}) > 1] or axes


def write_page(
    page: str | Path,
    folder: str | Path,
    studies: Mapping[str, Mapping[str, Any]],
    tables: Sequence[str | Path],
    figures: Sequence[str | Path],
    pairs: Sequence[str | Path],
) -> None:
    """Write all studies as one Markdown page; tables and figures go to `folder`, named after the studies."""
    contents, sections = [], []
    with atomic_tree(folder) as temporary:
        for (name, study), table, figure, compared in zip(
            studies.items(), tables, figures, pairs, strict=True
        ):
            shutil.copyfile(table, temporary / f"{name}.csv")
            shutil.copyfile(figure, temporary / f"{name}.png")
            shutil.copyfile(compared, temporary / f"{name}-pairs.csv")
            contents.append(entry(study, table))
            sections.append(section(name, study, table, compared))
    with atomic_open(page, "w") as file:
        file.write("\n".join([INTRODUCTION, *contents, "", *sections]))


def _percent(row: Mapping[str, str], measure: str) -> str:
    if not row.get(f"{measure}_accuracy"):
        return "not known"
    value = f"{100 * float(row[f'{measure}_accuracy']):.2f}"
    if row.get(f"{measure}_std"):
        return f"{value} ± {100 * float(row[f'{measure}_std']):.2f} ({row['seeds']} seeds)"
    return f"{value} ({100 * float(row[f'{measure}_low']):.2f}-{100 * float(row[f'{measure}_high']):.2f})"


def _settings(study: Mapping[str, Any]) -> str:
    """What all points share, in a line."""
    models = [point.model for point in points(study)]
    same = [key for key, value in study["model"].items() if all(model.get(key) == value for model in models)]
    shared = ", ".join(f"{key} {json.dumps(study['model'][key])}" for key in same)
    data = {"own": "the configuration's data", "official": "the official 60,000 + 10,000 images"}
    text = f"On {data[study['data']]}" + (f"; `{shared}`." if shared else ".")
    return text.replace('"', "")
