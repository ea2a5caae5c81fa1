"""Compare the audit's flags with cleanlab's filter `confident_learning`: random tables and files.

PYTHONPATH=workflow .venvs/bench/bin/python benchmarks/peers/cleanlab_flags.py [LIST.lst PROBABILITIES.npy]...
"""

import sys
import time

import numpy as np
from cleanlab.filter import find_label_issues

from digitflow.formats import lst
from digitflow.formats.probabilities import read_probabilities
from digitflow.look.audit import confident_flags

TABLES = 300


def random_table(seed):
    """Probabilities and labels of 5 to 200 rows and 2 to 12 classes, some rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    rows, classes = int(rng.integers(5, 200)), int(rng.integers(2, 12))
    probabilities = rng.dirichlet(np.full(classes, rng.choice([0.05, 0.3, 1, 5])), rows)
    if seed % 3 == 0:
        probabilities = np.round(probabilities, 1) + 1e-3
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = rng.integers(0, classes, rows)
    return probabilities.astype([np.float32, np.float64][seed % 2]), labels


def compare(probabilities, labels):
    """The seconds that both take, and how many flags there are and how many differ."""
    start = time.perf_counter()
    ours = confident_flags(probabilities, labels)
    middle = time.perf_counter()
    theirs = find_label_issues(labels, probabilities, filter_by="confident_learning")
    return middle - start, time.perf_counter() - middle, ours.sum(), (ours != theirs).sum()


if __name__ == "__main__":
    tables = {f"{TABLES} random tables": [random_table(seed) for seed in range(TABLES)]}
    for list_path, path in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        tables[path] = [(read_probabilities(path), lst.read(list_path).label)]
    differences = 0
    for name, cases in tables.items():
        ours, theirs, flags, different = np.sum([compare(*case) for case in cases], axis=0)
        print(f"{name}: {flags:.0f} flags, {different:.0f} differ; {ours / theirs:.2f} of cleanlab's time")
        differences += different
    sys.exit(int(differences > 0))
