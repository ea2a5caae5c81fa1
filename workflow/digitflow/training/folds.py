"""Merge trainings that each left out a fold: every row is predicted by the training that did not see it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import read_json
from digitflow.formats import idx, lst
from digitflow.formats.probabilities import read_probabilities, write_probabilities
from digitflow.training.history import accuracy_of
from digitflow.training.results import write_metrics

# What is the same for all folds of a training.
SHARED = ("framework", "versions", "device", "threads", "precision", "seed", "settings", "parameters")


def collect(
    metrics: Sequence[Path],
    fold_lsts: Sequence[Path],
    fold_probabilities: Sequence[Path],
    images: Path,
    valid_lst: Path,
    valid_out: Path,
    oof_out: Path,
    metrics_out: Path,
) -> None:
    """Write the folds' predictions of the rows they left out, and metrics for all of them.

    `valid_out` has one row for each line of `valid_lst`, `oof_out` one for each row of the CSV: dropped rows,
    which no fold predicts, are NaN there. FormatError: a row is in no fold, or in two.
    """
    rows, *_ = idx.read_header(images, idx.IMAGES)
    listings = [lst.read(path) for path in fold_lsts]
    parts = [
        (listing, read_probabilities(found, len(listing)))
        for listing, found in zip(listings, fold_probabilities, strict=True)
    ]
    oof = np.full((rows, parts[0][1].shape[1]), np.nan, np.float32)
    times = np.zeros(rows, int)
    for listing, found in parts:
        oof[listing.index - 1] = found
        times[listing.index - 1] += 1
    whole = lst.read(valid_lst)
    wrong = np.flatnonzero(times[whole.index - 1] != 1)
    if len(wrong):
        row = whole.index[wrong[0]]
        raise FormatError(
            f"{valid_lst}: image {row} is in {times[row - 1]} folds, should be in exactly one; delete "
            f"{valid_lst} and run again"
        )
    valid = oof[whole.index - 1]
    write_probabilities(valid_out, valid)
    write_probabilities(oof_out, oof, gaps=True)
    folds = [read_json(path) for path in metrics]
    write_metrics(
        metrics_out,
        [valid_out, oof_out],
        **{key: folds[0][key] for key in SHARED},
        folds=len(folds),
        data=_data_of([fold["data"] for fold in folds]),
        valid_images=len(valid),
        valid_accuracy=accuracy_of(valid, whole.label),
        looked_at_validation=any(fold["looked_at_validation"] for fold in folds),
        status=", ".join(sorted({fold["status"] for fold in folds})),
        epochs=max(fold["epochs"] for fold in folds),
        seconds=round(sum(fold["seconds"] for fold in folds), 1),
    )


def _data_of(folds: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The digests of the files that the folds saw: shared files once, the others fold by fold."""
    shared = {
        name: digest for name, digest in folds[0].items() if all(fold.get(name) == digest for fold in folds)
    }
    return shared | {
        f"fold{number}/{name}": digest
        for number, fold in enumerate(folds)
        for name, digest in fold.items()
        if name not in shared
    }


def average(predictions: Sequence[Path], probabilities: Path, prediction: Path) -> None:
    """Write the mean of several predictions of the same images. FormatError: one has other rows."""
    found = [read_probabilities(predictions[0])]
    found += [read_probabilities(path, len(found[0])) for path in predictions[1:]]
    mean = sum(array.astype(np.float64) for array in found) / len(found)
    write_probabilities(probabilities, mean)
    write_metrics(prediction, [probabilities], mean_of=[str(path) for path in predictions])
