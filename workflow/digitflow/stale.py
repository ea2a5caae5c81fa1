"""What earlier configurations have left that the present one does not ask for."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from digitflow.config import models

SEED = re.compile(r"seed(\d+)")
FOLD = re.compile(r"fold(\d+)")
RECORDS = re.compile(r"(train|valid|test)(_\d{3})?\.(rec|idx)")


def find(config: Mapping[str, Any], folder: Path = Path()) -> list[Path]:
    """The files and folders below data/ and results/ that no rule of a valid configuration would make."""
    wanted = {name: model for name, model in models(config).items() if _used(name, config)}
    return sorted(
        [
            *_stale_trainings(folder / "results" / "models", wanted, config["validation"]["folds"]),
            *_stale_submissions(folder / "results" / "submissions", wanted),
            *_stale_records(folder / "data" / "rec", config["rec"]["shards"], config["validation"]["folds"]),
            *_stale_predictions(folder, set(config["predict"])),
        ]
    )


def _used(name: str, config: Mapping[str, Any]) -> bool:
    return name in config["merge"]["models"] or "/" in name


def _stale_trainings(results: Path, wanted: Mapping[str, Any], folds: int) -> Iterator[Path]:
    """Trainings of other models, seeds and folds; a study's points lie in folders of their own."""
    seeds = {f"{name}/seed{seed}" for name, model in wanted.items() for seed in model["seeds"]}
    for path in sorted(results.rglob("seed*")) if results.is_dir() else ():
        if not (path.is_dir() and SEED.fullmatch(path.name)):
            continue
        if str(path.relative_to(results)) not in seeds:
            yield path
            continue
        present = [fold for fold in path.glob("fold*") if FOLD.fullmatch(fold.name)]
        yield from (fold for fold in present if folds == 1 or int(fold.name[4:]) >= folds)


def _stale_submissions(submissions: Path, wanted: Mapping[str, Any]) -> Iterator[Path]:
    yield from (path for path in submissions.glob("*.csv") if path.stem not in wanted)


def _stale_records(rec: Path, shards: int, folds: int) -> Iterator[Path]:
    for path in rec.rglob("*") if rec.is_dir() else ():
        match = RECORDS.fullmatch(path.name)
        if (
            (match and (match[2] is None) != (shards == 1))
            or (match and match[2] and int(match[2][1:]) >= shards)
            or (path.is_dir() and FOLD.fullmatch(path.name) and (folds == 1 or int(path.name[4:]) >= folds))
        ):
            yield path


def _stale_predictions(folder: Path, names: set[str]) -> Iterator[Path]:
    for path in (folder / "results" / "predictions").glob("*.csv"):
        if path.stem not in names:
            yield path
