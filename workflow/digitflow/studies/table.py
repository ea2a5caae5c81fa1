"""A study's results as a ranked table, and the comparisons of its best points."""

import csv
import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digitflow.base.checksums import check_digests
from digitflow.base.errors import how_many
from digitflow.formats import idx, lst
from digitflow.formats.probabilities import read_probabilities
from digitflow.merging import methods
from digitflow.scoring import table as scoring
from digitflow.scoring.measures import over_seeds
from digitflow.scoring.pairs import PAIR_COLUMNS, compare_pairs
from digitflow.scoring.summary import LOOKED_NOTE
from digitflow.studies.points import Point, points
from digitflow.training.history import read_history

log = logging.getLogger("digitflow")
MEASURES = ("valid", "test")
COLUMNS = {"seeds", "parameters", "trained_epochs"}  # in every table
BEST = 12  # points that are compared with each other


@dataclass(frozen=True)
class Result:
    """A point and its trainings, one per seed: the rows of their scores, and their histories."""

    point: Point
    folders: list[Path]
    scores: list[dict[str, Any]]
    histories: list[list[dict[str, float]]]

    @property
    def looked(self) -> bool:
        """Whether a training looked at the validation rows, so that its score there is a little too good."""
        return any(score[scoring.LOOKED] for score in self.scores)

    def mean(self, key: str) -> float | None:
        """The mean of a score over the seeds; None if it is not known."""
        values = [score[key] for score in self.scores if key in score]
        return statistics.fmean(values) if values else None

    def row(self) -> dict[str, Any]:
        """The point's row: accuracies with a 95 % interval; with several seeds, the means and the std."""
        row = {
            **self.point.values,
            "seeds": len(self.scores),
            "parameters": self.scores[0]["parameters"],
            "trained_epochs": self.mean("epochs"),
            "seconds": round(self.mean("seconds"), 1),
            "train_accuracy": round(statistics.fmean(rows[-1]["accuracy"] for rows in self.histories), 6),
            "status": ", ".join(sorted({score["status"] for score in self.scores})),
            "device": ", ".join(sorted({score["device"] for score in self.scores})),
            scoring.LOOKED: self.looked,
        }
        row.setdefault("framework", self.point.model["framework"])  # which may be what the study varies
        for measure in MEASURES:
            mean = self.mean(f"{measure}_accuracy")
            if mean is None:
                continue
            row[f"{measure}_accuracy"] = round(mean, 6)
            row |= {end: round(self.mean(end), 6) for end in (f"{measure}_low", f"{measure}_high")}
            if len(self.scores) > 1:
                values = [score[f"{measure}_accuracy"] for score in self.scores]
                row[f"{measure}_std"] = round(over_seeds(values)[1], 6)
        return row


def read(study: Mapping[str, Any], models: str | Path) -> list[Result]:
    """The results of a study's points below the folder `models`, best validation accuracy first."""
    found = []
    for point in points(study):
        seeds = point.model.get("seeds", [0])
        folders = [Path(models, point.name, f"seed{seed}") for seed in seeds]
        for folder in folders:
            check_digests(folder / "metrics.json")
        scores = [scoring.read_score(folder / "score.json") for folder in folders]
        histories = [read_history(folder / "history.csv") for folder in folders]
        found.append(Result(point, folders, scores, histories))
    return sorted(found, key=lambda result: -result.mean("valid_accuracy"))


def write_table(path: str | Path, results: Sequence[Result]) -> None:
    """Write the ranked table, one row for each point; unknown values stay empty."""
    rows = [result.row() for result in results]
    scoring.write_table(path, rows, list(dict.fromkeys(key for row in rows for key in row)))


def is_table(path: str | Path) -> bool:
    """Whether a file exists and is the table of a study."""
    try:
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            return COLUMNS.issubset(next(csv.reader(file), ()))
    except (OSError, csv.Error):
        return False


def write_pairs(
    path: str | Path, results: Sequence[Result], valid_lst: str | Path, solution: str | Path | None
) -> None:
    """Write the comparisons of all pairs of the best points, each point with its seeds averaged.

    They are compared on the test rows if a solution, an IDX file of labels, is known, else on the validation
    rows.
    """
    part, rows = ("valid", "validation") if solution is None else ("test", "test")
    labels = {}
    for result in results[:BEST]:
        seeds = [read_probabilities(folder / f"{part}_probabilities.npy") for folder in result.folders]
        mean = methods.mean(seeds)
        labels[" ".join(result.point.values.values())] = mean.argmax(axis=1)
    true = lst.read(valid_lst).label if solution is None else idx.read_labels(solution, *mean.shape)
    scoring.write_table(path, compare_pairs(labels, true, rows), PAIR_COLUMNS)


def say_ranking(title: str, results: Sequence[Result], table: str | Path) -> None:
    """Log the answer of a study: its best points, ranked by validation accuracy, and the table's path."""
    lines = [
        f"{place:3}. {result.point.name}: validation {100 * result.mean('valid_accuracy'):.2f} %"
        + "*" * result.looked
        for place, result in enumerate(results[:BEST], 1)
    ]
    lines += [LOOKED_NOTE] * any(result.looked for result in results[:BEST])
    more = f", {how_many(len(results) - BEST, 'more point')}" if len(results) > BEST else ""
    log.info("\n".join([title, *lines, f"the whole ranking{more}: {table}"]))
