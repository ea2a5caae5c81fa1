"""A page's data from real digits, with real out-of-fold probabilities of quick linear models."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from digitflow.formats.corrections import Correction
from digitflow.look.duplicates import OUTLIER_COLUMNS, PAIR_COLUMNS
from digitflow.look.lookdata import LookData, Predictions

FOLDS = 5
MODELS = {"small": 120, "middle": 250, "large": 500}  # random features each
NAMES = tuple("0123456789")
NO_DUPLICATES, NO_OUTLIERS = (pd.DataFrame(columns=names) for names in (PAIR_COLUMNS, OUTLIER_COLUMNS))


def example(
    images: np.ndarray,
    labels: np.ndarray,
    train: int,
    names: Sequence[str] = NAMES,
    corrections: Sequence[Correction] = (),
    corrections_text: str = "",
    models: Mapping[str, int] = MODELS,
) -> LookData:
    """The first `train` digits as training rows with out-of-fold predictions, the others as test images."""
    labels = labels.astype(np.int64)
    folds = np.arange(train) % FOLDS
    by_model, tests = {}, []
    for seed, (model, features) in enumerate(models.items()):
        out_of_fold = np.zeros((train, len(names)))
        hidden = _features(images, features, seed)
        for fold in range(FOLDS):
            weights = _fit(hidden[:train][folds != fold], labels[:train][folds != fold], len(names))
            out_of_fold[folds == fold] = _softmax(hidden[:train][folds == fold] @ weights)
        tests.append(_softmax(hidden[train:] @ weights))
        by_model[model] = out_of_fold
    merged = np.mean(list(by_model.values()), axis=0)
    ids = np.arange(1, train + 1)
    splits = np.array([f"fold {fold}" for fold in folds])
    return LookData(
        names=names,
        images=images[:train],
        labels=labels[:train],
        splits=splits,
        test_images=images[train:],
        predictions=Predictions(np.arange(train), by_model, merged),
        test_merged=np.mean(tests, axis=0),
        audit=_audit(ids, labels[:train], splits, merged, names),
        duplicates=_duplicates(train),
        outliers=pd.DataFrame([("train", 3, names[labels[2]], "outlier", 9.5)], columns=OUTLIER_COLUMNS),
        corrections=corrections,
        corrections_text=corrections_text,
        png="../../data/png",
    )


def _features(images: np.ndarray, features: int, seed: int) -> np.ndarray:
    pixels = images.reshape(len(images), -1).astype(np.float32) / 255
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.12, (pixels.shape[1], features)).astype(np.float32)
    return np.cos(pixels @ weights + rng.uniform(0, 6.28, features).astype(np.float32))


def _fit(hidden: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    gram = hidden.T @ hidden + np.eye(hidden.shape[1], dtype=np.float32)
    return np.linalg.solve(gram, hidden.T @ np.eye(classes, dtype=np.float32)[labels])


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(9 * (scores - scores.max(axis=1, keepdims=True)))
    return powers / powers.sum(axis=1, keepdims=True)


def _audit(ids, labels, splits, merged, names) -> pd.DataFrame:
    own = merged[np.arange(len(ids)), labels]
    others = merged.copy()
    others[np.arange(len(ids)), labels] = 0
    proposed = merged.argmax(axis=1)
    table = pd.DataFrame(
        {
            "id": ids,
            "given": [names[label] for label in labels],
            "proposed": [names[label] for label in proposed],
            "self_confidence": own,
            "margin": own - others.max(axis=1),
            "flagged": own < 0.05,
            "split": splits,
        }
    )
    return table.sort_values("self_confidence", kind="stable", ignore_index=True)


def _duplicates(train: int) -> pd.DataFrame:
    pairs = [
        ("train", 1, "5", "valid", 2, "0", "near", 3.0, 0, 0, True),
        ("train", train, "5", "test", 1, "", "exact", 0.0, 0, 0, False),
    ]
    return pd.DataFrame(pairs, columns=PAIR_COLUMNS)
