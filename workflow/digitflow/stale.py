"""Files that earlier configurations left behind and the present one does not ask for.

They are recognised by their contents, only records by their names: files that somebody else put into our
folders are never listed, nor are studies of another configuration, which may have taken hours.
"""

import glob
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from digitflow.base import checksums
from digitflow.base.errors import FormatError
from digitflow.base.files import read_json
from digitflow.config.models import models

SEED = re.compile(r"seed(\d+)")
FOLD = re.compile(r"fold(\d+)")
RECORDS = re.compile(r"(train|valid|test)(_\d{3})?\.(rec|idx)")
OF_A_FOLD = re.compile(rf"(train|valid)\.lst|lists\.sfv|{RECORDS.pattern}")
# The files of a training and those made from it; "partial" ones are left by a killed training.
OF_A_TRAINING = re.compile(
    r"(\.partial\.\d+\.)?(model\.(keras|npz)|model-symbol\.json|model-0000\.params|(metrics|score)\.json"
    r"|(history|confusion)\.csv|(confusion|mistakes|curves)\.png|checkpoint\.npz|.+_probabilities\.npy"
    r"|.+_prediction\.json)"
)
# Those that each fold has instead, if there are folds.
OF_ONE_MODEL = re.compile(
    r"(\.partial\.\d+\.)?(model\.(keras|npz)|model-symbol\.json|model-0000\.params|history\.csv|checkpoint\.npz)"
)
FACTS = {"framework", "settings", "sha256"}  # in the metrics of a training
STATE = {"fingerprint", "history", "names"}  # in the checkpoint of a killed training
PREDICTIONS = "id,label,probability"


def find(config: Mapping[str, Any], folder: Path = Path()) -> list[Path]:
    """The files and folders below data/ and results/ that digitflow once made, but would not make now."""
    wanted = {name: model for name, model in models(config).items() if _used(name, config)}
    folds, names = config["validation"]["folds"], {"train", "test", *config["predict"]}
    results = folder / "results"
    found = {
        *_stale_trainings(results / "models", wanted, config["studies"], folds, names),
        *_stale_submissions(results, wanted),
        *_stale_records(folder / "data" / "rec", config["rec"]["shards"], folds),
        *_stale_predictions(results / "predictions", names),
        *_stale_images(folder / "data" / "idx", names, config["data"]["image"]["channels"] == 3),
    }
    return sorted(path for path in found if not found.intersection(path.parents))


def _used(name: str, config: Mapping[str, Any]) -> bool:
    return name in config["merge"]["models"] or "/" in name


def _stale_trainings(
    results: Path, wanted: Mapping[str, Any], studies: Mapping[str, Any], folds: int, names: set[str]
) -> Iterator[Path]:
    """Trainings of other models, seeds and folds; of the wanted trainings, predictions of images that the
    configuration no longer names, and what only a training without folds has, or with them.
    """
    seeds = {f"{name}/seed{seed}" for name, model in wanted.items() for seed in model["seeds"]}
    for path in results.rglob("seed*"):
        training = path.relative_to(results)
        if not (path.is_dir() and SEED.fullmatch(path.name)) or len(training.parts) < 2:
            continue  # a model may be named like a seed
        if len(training.parts) > 2 and training.parts[0] not in studies:
            continue  # a point of another configuration's study
        if str(training) not in seeds:
            yield from _of_training(path)
            continue
        for fold in (*path.glob("fold*"), *path.glob("given/fold*")):
            if FOLD.fullmatch(fold.name) and _is_left_out(fold, folds):
                yield from _of_training(fold)
        if len(training.parts) == 2:  # studies have no folds
            yield from _of_the_other_kind(path, folds)
        for prediction in path.rglob("*_prediction.json"):
            name = prediction.name.removesuffix("_prediction.json")
            probabilities = prediction.with_name(f"{name}_probabilities.npy")
            if name not in names and probabilities.name in _read(prediction).get("sha256", ()):
                yield from filter(Path.exists, (prediction, probabilities))


def _is_left_out(fold: Path, folds: int) -> bool:
    return folds == 1 or int(fold.name.removeprefix("fold")) >= folds


def _of_the_other_kind(seed: Path, folds: int) -> list[Path]:
    """What a training without folds has left in the folder of a seed that has folds now, or the other way
    round; nothing if it is no training's.
    """
    if folds == 1:
        left = [*seed.glob("oof_probabilities.npy")]
    else:
        left = [path for path in seed.glob("*") if OF_ONE_MODEL.fullmatch(path.name)]
        left += [path for path in seed.glob("given/*") if OF_A_TRAINING.fullmatch(path.name)]
    return left if left and any(map(_is_of_training, seed.rglob("*"))) else []


def _of_training(folder: Path) -> list[Path]:
    """The folder of a training, or only its files if it holds others; nothing if it is no training's."""
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    own = [path for path in files if OF_A_TRAINING.fullmatch(path.name)]
    if not any(map(_is_of_training, own)):
        return []
    return [folder] if len(own) == len(files) else own


def _is_of_training(path: Path) -> bool:
    """Whether a file's contents are the metrics of a training, or the checkpoint of a killed one."""
    if path.name == "metrics.json":
        return _read(path).keys() >= FACTS
    return path.name == "checkpoint.npz" and _read_state(path).keys() >= STATE


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


def _stale_submissions(results: Path, wanted: Mapping[str, Any]) -> Iterator[Path]:
    """Submissions of other models whose trainings still exist."""
    for path in (results / "submissions").glob("*.csv"):
        trainings = (results / "models" / path.stem).glob("seed*")
        if path.stem not in wanted and any(map(_of_training, trainings)):
            yield path


def _stale_records(rec: Path, shards: int, folds: int) -> Iterator[Path]:
    for path in rec.rglob("*"):
        match = RECORDS.fullmatch(path.name)
        if (match and (match[2] is None) != (shards == 1)) or (
            match and match[2] and int(match[2][1:]) >= shards
        ):
            yield path
        elif FOLD.fullmatch(path.name) and (path / "lists.sfv").exists() and _is_left_out(path, folds):
            files = [file for file in path.rglob("*") if not file.is_dir()]
            own = [file for file in files if OF_A_FOLD.fullmatch(file.name)]
            yield from [path] if len(own) == len(files) else own


def _stale_predictions(predictions: Path, names: set[str]) -> Iterator[Path]:
    for path in predictions.glob("*.csv"):
        if path.stem not in names and path.is_file():
            with open(path, encoding="utf-8", errors="replace") as file:
                if file.readline().rstrip() == PREDICTIONS:
                    yield path


def _stale_images(images: Path, names: set[str], colour: bool) -> Iterator[Path]:
    """Further images that are no longer predicted, with their checksums and ids; of the others, grey images
    if the configuration wants colour, or the other way round.
    """
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
