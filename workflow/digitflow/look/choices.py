"""Which images are worth a look: disagreements, what merging changes, the worst mistakes, a sample."""

import numpy as np

from digitflow.look.lookdata import LookData, Predictions
from digitflow.scoring.measures import worst_mistakes

SAMPLE = 200  # images in the random sample
LONGEST = 2000  # images in a list that does not rank all rows


def worst(data: LookData) -> np.ndarray:
    """Training rows with a wrong predicted label, those with the highest probability first."""
    rows, labels, kept = _labelled(data)
    return rows[worst_mistakes(data.predictions.merged[kept], labels, LONGEST)] if len(rows) else rows


def disagreements(predictions: Predictions) -> np.ndarray:
    """Training rows to which models give different labels: the most divided first, then the least sure."""
    votes = np.stack([p.argmax(axis=1) for p in predictions.by_model.values()])
    counts = np.stack([(votes == vote).sum(axis=0) for vote in votes])
    agreeing = counts.max(axis=0)
    sure = predictions.merged.max(axis=1)
    order = np.lexsort((sure, agreeing))
    return predictions.rows[order[agreeing[order] < len(votes)]][:LONGEST]


def merge_against_best(data: LookData) -> tuple[str, np.ndarray, np.ndarray]:
    """The best single model's name, the rows that only the merge gets right, and those that only the model
    gets right.

    The rows on which the merge is surest of its label come first.
    """
    rows, labels, kept = _labelled(data)
    predictions = data.predictions
    right = {name: p.argmax(axis=1)[kept] == labels for name, p in predictions.by_model.items()}
    best = max(right, key=lambda name: right[name].sum())  # in a tie, the first one
    merged = predictions.merged[kept]
    merged_right = merged.argmax(axis=1) == labels
    order = np.argsort(-merged.max(axis=1), kind="stable")
    helps, hurts = merged_right & ~right[best], ~merged_right & right[best]
    return best, rows[order[helps[order]]][:LONGEST], rows[order[hurts[order]]][:LONGEST]


def sample(n: int, seed: int) -> np.ndarray:
    """Up to SAMPLE of n rows, drawn at random with a seed, in the order drawn."""
    return np.random.default_rng(seed).permutation(n)[:SAMPLE]


def _labelled(data: LookData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows with predictions that are not dropped, their labels, and their mask among the predictions."""
    labels = data.corrected[data.predictions.rows]
    kept = labels >= 0
    return data.predictions.rows[kept], labels[kept], kept
