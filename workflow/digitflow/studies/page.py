"""All studies on one Markdown page, made from their files, with tables and figures beside it."""

import csv
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from digitflow.base.errors import how_many
from digitflow.base.files import atomic_open
from digitflow.dataset.trees import atomic_tree, check_own
from digitflow.look.mistakes import read_confusion
from digitflow.scoring.measures import most_confused
from digitflow.scoring.pairs import format_chance, read_pairs
from digitflow.scoring.table import LOOKED
from digitflow.studies.points import Point, points
from digitflow.studies.table import BEST, is_table

INTRODUCTION = """# Experiments

Written by digitflow from the results of the trainings; no figure here was typed by hand.

- Tables are ranked by validation accuracy. Each accuracy is followed by its 95 % Wilson interval; with
  several seeds it is their mean, with ± their standard deviation. A star marks a validation accuracy that is
  a little too good, because early stopping, pruning or the schedule looked at these rows.
- Training accuracy is the mean over the last epoch, while the weights still changed, on warped images if the
  model has them.
- Test labels were used only for test columns, marks, pairs and mistakes.
- Pairs are tested with McNemar's exact test; a model with several seeds takes part with their averaged
  probabilities, and so often does better there than in its row. Of twenty pairs of equally good models, one
  is expected to look different.
- Each study's settings give its size: `train_rows`, unless it has all training rows.
"""
FOLDER = "experiments"  # beside the page, with the files that it links to
OWN = re.compile(r"(\w+)(\.csv|-pairs\.csv|\.png|-learning_rate\.png|-.+-(confusion|mistakes)\.png)")  # in it
CONFUSED = 3  # pairs of classes per model
DATA = {"own": "the configuration's data", "official": "the official 60,000 + 10,000 images"}


@dataclass(frozen=True)
class Study:
    """A study, its keys as in the configuration, and its files."""

    name: str
    keys: Mapping[str, Any]
    table: Path
    pairs: Path
    figure: Path

    @cached_property
    def points(self) -> list[Point]:
        """Its points, in the order of the configuration."""
        return points(self.keys)

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The table, best validation accuracy first."""
        with open(self.table, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    @cached_property
    def axes(self) -> list[str]:
        """The axes along which its points differ; all of them if there is one point."""
        axes = list(self.points[0].values)
        return [axis for axis in axes if len({row[axis] for row in self.rows}) > 1] or axes


def read(
    studies: Mapping[str, Mapping[str, Any]],
    tables: Sequence[Path],
    pairs: Sequence[Path],
    figures: Sequence[Path],
) -> list[Study]:
    """The studies of the configuration with their files, in the same order."""
    left = zip(tables, pairs, figures, strict=True)
    return [Study(name, keys, *files) for (name, keys), files in zip(studies.items(), left, strict=True)]


def write(page: str | Path, studies: Sequence[Study], models: str | Path, learning_rates: str | Path) -> None:
    """Write the page; tables and figures go to FOLDER beside it, with names that begin with their study's.

    `models` and `learning_rates` are the folders with what a study's key `figures` asks for. InputError:
    FOLDER holds files that are not a page's.
    """
    contents, sections = [], []
    check_own(Path(page).with_name(FOLDER), _is_own)
    with atomic_tree(Path(page).with_name(FOLDER)) as temporary:
        for study in studies:
            shutil.copyfile(study.table, temporary / f"{study.name}.csv")
            shutil.copyfile(study.pairs, temporary / f"{study.name}-pairs.csv")
            shutil.copyfile(study.figure, temporary / f"{study.name}.png")
            parts = [section(study)]
            if "mistakes" in study.keys["figures"]:
                parts.append(mistakes(study, Path(models), temporary))
            if "learning_rate" in study.keys["figures"]:
                parts.append(learning_rate(study, Path(learning_rates), temporary))
            contents.append(entry(study))
            sections.append("\n".join(parts))
    with atomic_open(page, "w") as file:
        file.write("\n".join([INTRODUCTION, *contents, "", *sections]))


def _is_own(path: Path) -> bool:
    """Whether `write` put a file into the folder: a table of the study in its name is beside it."""
    own = OWN.fullmatch(path.name)
    return own is not None and is_table(path.with_name(f"{own[1]}.csv"))


def entry(study: Study) -> str:
    """A study's line in the contents: its title, and the best point of its table."""
    title, best = study.keys["title"], study.rows[0]
    anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")  # GitHub's of the heading
    values = ", ".join(f"{axis} {best[axis]}" for axis in study.axes)
    return f"- [{title}](#{anchor}) Best on validation: {values}; test %: {_percent(best, 'test')}."


def section(study: Study) -> str:
    """A study's question, its settings, the best of its table, which pairs may be equal, and its figure."""
    name, title, rows = study.name, study.keys["title"], study.rows
    parts = [f"## {title}", study.keys["about"].strip(), _settings(study), *_variants(study), _results(study)]
    more = len(rows) - BEST
    if more > 0:
        parts.append(f"[The whole table]({FOLDER}/{name}.csv) has {how_many(more, 'more point')}.")
    pairs = read_pairs(study.pairs)
    lines = format_chance(pairs)
    if lines:
        compared = f"pairs of the best {BEST}" if len(rows) > BEST else "all pairs"
        images = f"{pairs['images'][0]:,} {pairs['rows'][0]} images"
        where = f"[{compared}]({FOLDER}/{name}-pairs.csv), on the {images}"
        parts.append(f"Of {where}, these may be equally good:")
        parts.append("\n".join(f"- {line}" for line in lines))
    parts.append(f"![{title}]({FOLDER}/{name}.png)")
    return "\n\n".join(parts) + "\n"


def mistakes(study: Study, models: Path, folder: Path) -> str:
    """What the first seed of each of the best points confuses, with links to figures copied to `folder`."""
    lines = []
    for row in study.rows[:BEST]:
        point = next(point for point in study.points if point.values.items() <= row.items())
        training = models / study.name / point.name / f"seed{point.model.get('seeds', [0])[0]}"
        links = []
        for figure, text in (("confusion", "confusion matrix"), ("mistakes", "worst mistakes")):
            file = "-".join([study.name, *point.name.split("/"), figure]) + ".png"
            shutil.copyfile(training / f"{figure}.png", folder / file)
            links.append(f"[{text}]({FOLDER}/{file})")
        matrix, names = read_confusion(training / "confusion.csv")
        names = [name.replace("|", r"\|") for name in names]  # else a cell of the table would end there
        pairs = most_confused(matrix, CONFUSED)
        confused = ", ".join(f"{names[true]} → {names[given]} ({count:,})" for true, given, count in pairs)
        lines.append([*(row[axis] for axis in study.axes), confused, *links])
    table = _table([*study.axes, "most confused: true → given (images)", "", ""], lines)
    best = "\n".join(f"!{link}" for link in lines[0][-2:])
    return (
        "Which classes the best points' first seeds take for which, with the best one's figures below:\n\n"
        f"{table}\n\n{best}\n"
    )


def learning_rate(study: Study, learning_rates: Path, folder: Path) -> str:
    """The learning-rate finder's curve for a study's first point, copied to `folder`."""
    file = f"{study.name}-learning_rate.png"
    shutil.copyfile(learning_rates / study.name / f"{study.points[0].name}.png", folder / file)
    return f"![What the learning-rate finder saw]({FOLDER}/{file})\n"


def _results(study: Study) -> str:
    """The best of a study's table, for people."""
    rows = study.rows
    several = len({row["framework"] for row in rows}) > 1
    columns = list(dict.fromkeys([*study.axes, *(["framework"] if several else [])]))
    header = [*columns, "training %", "validation %", "test %", "parameters", "epochs trained", "seconds"]
    lines = []
    for row in rows[:BEST]:
        status = "" if row["status"] == "finished" else f"; {row['status']}"
        lines.append(
            [
                *(row[column] for column in columns),
                f"{100 * float(row['train_accuracy']):.2f}",
                _percent(row, "valid") + status,
                _percent(row, "test"),
                f"{int(row['parameters']):,}",
                f"{round(float(row['trained_epochs']), 1):g}",
                f"{float(row['seconds']):.0f}",
            ]
        )
    return _table(header, lines)


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *lines))


def _percent(row: Mapping[str, str], measure: str) -> str:
    if not row.get(f"{measure}_accuracy"):
        return "not known"
    keys = (f"{measure}_{part}" for part in ("accuracy", "low", "high"))
    value, low, high = (f"{100 * float(row[key]):.2f}" for key in keys)
    deviation = row.get(f"{measure}_std")
    seeds = f" ± {100 * float(deviation):.2f} over {row['seeds']} seeds" if deviation else ""
    mark = "*" if measure == "valid" and row.get(LOOKED) == "True" else ""
    return f"{value} ({low}-{high}){mark}{seeds}"


def _settings(study: Study) -> str:
    """What all points share, and what they ran on, in one line."""
    shared = {
        key: value
        for key, value in study.keys["model"].items()
        if all(point.model.get(key) == value for point in study.points)
    }
    told = _told(shared)
    devices = ", ".join(dict.fromkeys(row["device"] for row in study.rows))
    return f"On {DATA[study.keys['data']]}, with {devices}" + (f"; {told}." if told else ".")


def _variants(study: Study) -> Iterator[str]:
    """What each named variant sets, as a collapsed list."""
    for axis, variants in study.keys["vary"].items():
        if isinstance(variants, Mapping):
            lines = "\n".join(f"- {name}: {_told(keys) or 'as above'}" for name, keys in variants.items())
            yield f"<details><summary>What each value of {axis} sets</summary>\n\n{lines}\n\n</details>"


def _told(keys: Mapping[str, Any]) -> str:
    """Keys and values as one line of code."""
    told = ", ".join(f"{key} {json.dumps(value)}" for key, value in keys.items()).replace('"', "")
    return told and f"`{told}`"
