"""Compare the audit's flags with cleanlab's filter `confident_learning` on random tables.

Run by `make bench-look` in the peers' environment, which has cleanlab. Writes benchmarks/cleanlab_flags.md;
exit status 1 if a flag differs.
"""

import sys
import time

import numpy as np
from cleanlab.filter import find_label_issues
from measure import HERE, Page, table

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


def main():
    """Compare on all tables, and write the page."""
    cases = [compare(*random_table(seed)) for seed in range(TABLES)]
    ours, theirs, flags, different = np.sum(cases, axis=0)
    page = Page(
        "Flags of the audit and of cleanlab",
        "Written by `make bench-look`: whether the audit flags the same labels as cleanlab's filter "
        "`confident_learning`.",
    )
    row = (f"{TABLES} random tables", f"{flags:,.0f}", f"{different:.0f}", f"{ours / theirs:.2f}")
    page.add(table(("what", "flags", "of which differ", "time / cleanlab's time"), [row]))
    page.bar("flags that differ", int(different), 0)
    return page.write(HERE / "cleanlab_flags.md")


if __name__ == "__main__":
    sys.exit(main())
