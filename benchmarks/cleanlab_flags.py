"""Compare the audit's flags with cleanlab's filter `confident_learning`: on random tables and on files.

Usage: cleanlab_flags.py [LIST.lst PROBABILITIES.npy]..., run by `make bench-look` in the peers' environment,
which has cleanlab. Writes benchmarks/cleanlab_flags.md; exit status 1 if a flag differs.
"""

import sys
import time

import numpy as np
from cleanlab.filter import find_label_issues
from measure import HERE, PROJECT, Page, table

sys.path.insert(0, str(PROJECT / "workflow"))

from digitflow.formats import lst
from digitflow.formats.probabilities import read_probabilities
from digitflow.look.audit import confident_flags

TABLES = 300


def random_table(seed):
    """Probabilities and labels of 5 to 200 rows and 2 to 12 classes, some rounded so that they have ties."""
    rng = np.random.default_rng(seed)
    rows, classes = int(rng.integers(5, 200)), int(rng.integers(2, 12))
    probabilities = rng.dirichlet(np.full(classes, rng.choice([0.05, 0.3, 1, 5])), rows)
    if seed % 3 == 0:
        probabilities = np.round(probabilities, 1) + 1e-3
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = rng.integers(0, classes, rows)
    return probabilities.astype([np.float32, np.float64][seed % 2]), labels


def compare(probabilities, labels):
    """The seconds that both take, the number of flags, and how many of them differ."""
    start = time.perf_counter()
    ours = confident_flags(probabilities, labels)
    middle = time.perf_counter()
    theirs = find_label_issues(labels, probabilities, filter_by="confident_learning")
    return middle - start, time.perf_counter() - middle, ours.sum(), (ours != theirs).sum()


def main(*files):
    """Compare on all tables, and write the page."""
    tables = {f"{TABLES} random tables": [random_table(seed) for seed in range(TABLES)]}
    for list_path, path in zip(files[::2], files[1::2], strict=True):
        tables[path] = [(read_probabilities(path), lst.read(list_path).label)]
    rows, differences = [], 0
    for name, cases in tables.items():
        ours, theirs, flags, different = np.sum([compare(*case) for case in cases], axis=0)
        rows.append((name, f"{flags:,.0f}", f"{different:.0f}", f"{ours / theirs:.2f}"))
        differences += int(different)
    page = Page(
        "Flags of the audit and of cleanlab",
        "Written by `make bench-look`: whether the audit flags the same labels as cleanlab's filter "
        "`confident_learning`.",
    )
    page.add(table(("what", "flags", "of which differ", "time / cleanlab's time"), rows))
    page.bar("flags that differ", differences, 0)
    return page.write(HERE / "cleanlab_flags.md")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
