"""Predictions of eight rows of three classes, for tests that count who is right."""

import numpy as np

TRUE = np.array([0, 1, 2, 2, 1, 0, 1, 2])


def softmax(labels, sure=0.8):
    """Rows of probabilities, float32 (n, 3), that give these labels."""
    rows = np.full((len(labels), 3), (1 - sure) / 2, np.float32)
    rows[np.arange(len(labels)), labels] = sure
    return rows


def wrong_at(*places):
    """The true labels, but for these places."""
    labels = TRUE.copy()
    labels[list(places)] = (labels[list(places)] + 1) % 3
    return labels
