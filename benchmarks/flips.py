"""How many wrong labels does the quick audit put first? Labels flipped at random, and ten truly wrong ones.

Usage: flips.py [SEED ...], by default 1 2 3, run by `make bench-look`. For each seed 1 % of the labels of
MNIST's 42,000 rows, drawn with it, are changed to another class, and config/quick_audit.yaml ranks all rows.
It also ranks the unchanged rows: ten labels of the default CSV are known to be wrong. Writes
benchmarks/flips.md; exit status 1 if a bar was missed.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import HERE, MAIN, PROJECT, Page, read_rows, run, settle, shuffled_digits, table

from digitflow.dataset.mnist import KAGGLE_SEED, KAGGLE_TRAIN_ROWS, write_csv

FLIPPED = 0.01
SHARES = (0.01, 0.02, 0.05)
# Rows, from 1, with their labels: of five people asked about each, most saw another digit.
WRONG = {
    **{4625: 5, 4812: 5, 8580: 5, 8761: 8, 14540: 0},
    **{18226: 5, 29666: 6, 30896: 2, 34919: 4, 38663: 4},
}
FIRST_ROWS = 420
FOUND_BAR, WRONG_BAR, SECONDS_BAR = 95, 9, 240


def audit(images: np.ndarray, labels: np.ndarray, folder: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """The rows from 1, the most suspicious first, the flagged ones, and the seconds, including conversion."""
    write_csv(folder / "train.csv", images.reshape(len(images), -1), labels)
    (folder / "flipped.yaml").write_text("data: {source: files, train_csv: train.csv}\nstore: null\n")
    settle()
    finished = run(
        *(MAIN / "snakemake", "-j2", "-s", PROJECT / "Snakefile", "-d", folder, "results/look/labels.csv"),
        *("--configfile", PROJECT / "config" / "quick_audit.yaml", folder / "flipped.yaml"),
        cwd=folder,
    )
    lines = read_rows(folder / "results" / "look" / "labels.csv")
    order = np.array([int(line["id"]) for line in lines])
    return order, order[[line["flagged"] == "True" for line in lines]], finished.seconds


def flip(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels with some changed to another class, and the changed rows, from 1."""
    rng = np.random.default_rng(seed)
    places = rng.choice(len(labels), round(FLIPPED * len(labels)), replace=False)
    noisy = labels.copy()
    noisy[places] = (noisy[places] + rng.integers(1, 10, len(places))) % 10
    return noisy, places + 1


def main(*seeds: str) -> int:
    """Audit the labels flipped with each seed, then the unchanged ones, and write the page."""
    images, labels = (array[:KAGGLE_TRAIN_ROWS] for array in shuffled_digits(KAGGLE_SEED))
    if any(labels[row - 1] != label for row, label in WRONG.items()):
        sys.exit("the rows that are known to be wrong are not those of this CSV")
    lines, found, seconds = [], [], []
    for seed in seeds or ("1", "2", "3"):
        noisy, flipped = flip(labels, int(seed))
        with tempfile.TemporaryDirectory() as folder:
            order, flagged, took = audit(images, noisy, Path(folder))
        among = {
            share: 100 * np.isin(flipped, order[: round(share * len(labels))]).mean() for share in SHARES
        }
        caught = 100 * np.isin(flipped, flagged).mean()
        lines.append((seed, *(f"{among[share]:.1f} %" for share in SHARES), f"{caught:.1f} %", f"{took:.0f}"))
        found.append(among[0.02])
        seconds.append(took)
    with tempfile.TemporaryDirectory() as folder:
        order, flagged, took = audit(images, labels, Path(folder))
    seconds.append(took)
    ranks = {row: int(np.flatnonzero(order == row)[0]) + 1 for row in WRONG}
    page = Page(
        "Wrong labels",
        f"Written by `make bench-look`: `config/quick_audit.yaml` on {len(labels):,} rows, from the CSV to "
        f"the ranking. {FLIPPED:.0%} of the labels are flipped with each seed; then all are left unchanged.",
    )
    header = ("seed", *(f"among the first {share:.0%}" for share in SHARES), "flagged", "s")
    page.add("## Flipped labels", "", table(header, lines))
    page.bar("flipped labels among the first 2 %, the worst seed", min(found), FOUND_BAR, " %", least=True)
    page.add("## Labels that are really wrong", "")
    page.add(table(("row", "label", "rank"), [(row, WRONG[row], rank) for row, rank in ranks.items()]))
    wrong_found = sum(rank <= FIRST_ROWS for rank in ranks.values())
    page.bar(f"of the ten, among the first {FIRST_ROWS}", wrong_found, WRONG_BAR, least=True)
    page.add("## Time", "")
    page.bar("seconds of the slowest audit", max(seconds), SECONDS_BAR, " s")
    return page.write(HERE / "flips.md")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
