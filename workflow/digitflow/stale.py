"""Files that earlier configurations left behind and the present one does not ask for.

They are recognised by their contents, only records by their names: files that somebody else put into our
folders are never listed, nor are studies of another configuration, which may have taken hours.
"""

import glob
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from digitflow.base import checksums
from digitflow.base.errors import FormatError
from digitflow.base.files import read_json
from digitflow.config.models import models

MODELS, SUBMISSIONS = Path("results/models"), Path("results/submissions")
RUN = Path("results/run.json")
SEED = re.compile(r"seed(\d+)")
FOLD = re.compile(r"fold(\d+)")
RECORDS = re.compile(r"(train|valid|test)(?P<shard>_\d{3})?\.(rec|idx)")
OF_A_FOLD = re.compile(rf"(train|valid)\.lst|lists\.sfv|{RECORDS.pattern}")
# The model of a training and its own course, which each fold has instead if there are folds.
ONE_MODEL = r"model\.(keras|npz)|model-symbol\.json|model-0000\.params|history\.csv|checkpoint\.npz"
# "partial" files are left by a killed training.
OF_ONE_MODEL = re.compile(rf"(\.partial\.\d+\.)?({ONE_MODEL})")
# The files of a training and those made from it.
OF_A_TRAINING = re.compile(
    rf"(\.partial\.\d+\.)?({ONE_MODEL}|(metrics|score)\.json|confusion\.csv|(confusion|mistakes|curves)\.png"
    r"|.+_probabilities\.npy|.+_prediction\.json)"
)
FACTS = {"framework", "settings", "sha256"}  # in the metrics of a training
STATE = {"fingerprint", "history", "names"}  # in the checkpoint of a killed training
PREDICTIONS = "id,label,probability"


def find(config: Mapping[str, Any]) -> list[Path]:
    """The files and folders below data/ and results/ that digitflow once made, but would not make now."""
    merged = config["merge"]["models"]
    wanted = {name: model for name, model in models(config).items() if name in merged or "/" in name}
    folds, names = config["validation"]["folds"], {"train", "test", *config["predict"]}
    found = {
        *_stale_trainings(wanted, config["studies"], folds, names),
        *_stale_submissions(wanted),
        *_stale_records(config["rec"]["shards"], folds),
        *_stale_predictions(names),
        *_stale_images(names, config["data"]["image"]["channels"] == 3),
    }
    return sorted(path for path in found if not found.intersection(path.parents))


def of_the_submission(paths: Iterable[Path]) -> list[Path]:
    """Those of some files and folders that belong to a model of the run that made results/submission.csv."""
    merged = _read(RUN).get("configuration", {}).get("merge", {}).get("models", [])
    places = [*(MODELS / name for name in merged), *(SUBMISSIONS / f"{name}.csv" for name in merged)]
    return [path for path in paths if any(path.is_relative_to(place) for place in places)]


def _stale_trainings(
    wanted: Mapping[str, Any], studies: Mapping[str, Any], folds: int, names: set[str]
) -> Iterator[Path]:
    """Trainings of other models, seeds and folds; of the wanted trainings, predictions of images that the
    configuration no longer names, and what only a training without folds has, or with them.
    """
    seeds = {f"{name}/seed{seed}" for name, model in wanted.items() for seed in model["seeds"]}
    for path in MODELS.rglob("seed*"):
        training = path.relative_to(MODELS)
        if not (path.is_dir() and SEED.fullmatch(path.name)) or len(training.parts) < 2:
            continue  # a model may be named like a seed
        if len(training.parts) > 2 and training.parts[0] not in studies:
            continue  # a point of another configuration's study
        if str(training) not in seeds:
            yield from _of_training(path)
            continue
        for fold in (*path.glob("fold*"), *path.glob("given/fold*")):
            if _is_left_out(fold, folds):
                yield from _of_training(fold)
        if len(training.parts) == 2:  # studies have no folds
            yield from _of_the_other_kind(path, folds)
        for prediction in path.rglob("*_prediction.json"):
            name = prediction.name.removesuffix("_prediction.json")
            probabilities = prediction.with_name(f"{name}_probabilities.npy")
            if name not in names and probabilities.name in _read(prediction).get("sha256", ()):
                yield from filter(Path.exists, (prediction, probabilities))


def _is_left_out(path: Path, folds: int) -> bool:
    """Whether a name is that of a fold which the configuration does not have."""
    match = FOLD.fullmatch(path.name)
    return bool(match) and (folds == 1 or int(match[1]) >= folds)


def _of_the_other_kind(seed: Path, folds: int) -> list[Path]:
    """What a training without folds has left in the folder of a seed that has folds now, or the other way
    round; nothing if it is no training's.
    """
    if folds == 1:
        left = [*seed.glob("oof_probabilities.npy")]
    else:
        left = [path for path in seed.glob("*") if OF_ONE_MODEL.fullmatch(path.name)]
        left += [path for path in seed.glob("given/*") if OF_A_TRAINING.fullmatch(path.name)]
    return left if left and _is_training(seed) else []


def _of_training(folder: Path) -> list[Path]:
    """The folder of a training, or only its files if it holds others; nothing if it is no training's."""
    return _own(folder, OF_A_TRAINING) if _is_training(folder) else []


def _own(folder: Path, names: re.Pattern) -> list[Path]:
    """A folder, or only its files with such names if it holds others, too."""
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    own = [path for path in files if names.fullmatch(path.name)]
    return [folder] if len(own) == len(files) else own


def _is_training(folder: Path) -> bool:
    """Whether a folder's files hold the metrics of a training, or the checkpoint of a killed one."""
    metrics = map(_read, folder.rglob("metrics.json"))
    states = map(_read_state, folder.rglob("checkpoint.npz"))
    return any(found.keys() >= FACTS for found in metrics) or any(found.keys() >= STATE for found in states)


def _read_state(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint says about its training; empty if the file is no checkpoint."""
    import numpy as np

    try:
        with np.load(checkpoint, allow_pickle=False) as arrays:
            return dict(json.loads(str(arrays["stored"])))
    except Exception:  # for other bytes numpy, zipfile and json raise all kinds of errors
        return {}


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (FormatError, OSError):
        return {}


def _stale_submissions(wanted: Mapping[str, Any]) -> Iterator[Path]:
    """Submissions of other models whose trainings still exist."""
    for path in SUBMISSIONS.glob("*.csv"):
        if path.stem not in wanted and any(map(_is_training, (MODELS / path.stem).glob("seed*"))):
            yield path


def _stale_records(shards: int, folds: int) -> Iterator[Path]:
    wanted = [None] if shards == 1 else [f"_{shard:03d}" for shard in range(shards)]
    for path in Path("data/rec").rglob("*"):
        match = RECORDS.fullmatch(path.name)
        if match and match["shard"] not in wanted:
            yield path
        elif _is_left_out(path, folds) and (path / "lists.sfv").exists():
            yield from _own(path, OF_A_FOLD)


def _stale_predictions(names: set[str]) -> Iterator[Path]:
    for path in Path("results/predictions").glob("*.csv"):
        if path.stem not in names and path.is_file():
            with open(path, encoding="utf-8", errors="replace") as file:
                if file.readline().rstrip() == PREDICTIONS:
                    yield path


def _stale_images(names: set[str], colour: bool) -> Iterator[Path]:
    """Further images that are no longer predicted, with their checksums and ids; of the others, grey images
    if the configuration wants colour, or the other way round.
    """
    images = Path("data/idx")
    for path in images.glob("*.sfv"):
        name, known = glob.escape(path.stem), checksums.read(path)
        found = [file for end in ("", ".gz") for file in images.glob(f"{name}-images-idx[34]-ubyte{end}")]
        if not any(file.name.removesuffix(".gz") in known for file in found):
            continue
        if path.stem in names:
            unwanted = f"{path.stem}-images-idx{3 if colour else 4}-ubyte"
            yield from (file for file in found if file.name.removesuffix(".gz") == unwanted)
        else:
            yield from (path, *found, *images.glob(f"{name}-ids.csv"))
