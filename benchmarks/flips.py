"""How many labels that were flipped at random does the quick audit put first?

Usage: flips.py [SEED ...]: 1 % of the labels of MNIST's 42,000 rows are changed to another class, drawn by
the seed, and config/quick_audit.yaml ranks all rows. Prints how many of the flipped ones are among the first
1, 2 and 5 % of the ranking, how many are flagged, and the seconds of the whole command.
"""

import csv
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from run import MAIN, PROJECT, run

from digitflow.dataset.mnist import KAGGLE_SEED, KAGGLE_TRAIN_ROWS, read_mnist, write_csv

FLIPPED = 0.01


def audit(images: np.ndarray, labels: np.ndarray, folder: Path) -> tuple[list[dict[str, str]], float]:
    """The ranking of the rows, and the seconds that it took, conversion included."""
    write_csv(folder / "train.csv", images, labels)
    (folder / "flipped.yaml").write_text("data: {source: files, train_csv: train.csv}\nstore: null\n")
    finished = run(
        *(MAIN / "snakemake", "-j2", "-s", PROJECT / "Snakefile", "-d", folder, "results/look/labels.csv"),
        *("--configfile", PROJECT / "config" / "quick_audit.yaml", folder / "flipped.yaml"),
        cwd=folder,
    )
    with (folder / "results" / "look" / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file)), finished.seconds


def main(*seeds: str) -> None:
    """Print a line for each seed."""
    images, labels = read_mnist(PROJECT / "data" / "mnist" / "mnist.pkl.gz")
    train = np.random.default_rng(KAGGLE_SEED).permutation(len(labels))[:KAGGLE_TRAIN_ROWS]
    images, labels = images[train], labels[train]
    for seed in seeds or ("1",):
        rng = np.random.default_rng(int(seed))
        flipped = rng.choice(len(labels), round(FLIPPED * len(labels)), replace=False)
        noisy = labels.copy()
        noisy[flipped] = (noisy[flipped] + rng.integers(1, 10, len(flipped))) % 10
        folder = Path(tempfile.mkdtemp())
        try:
            ranking, seconds = audit(images, noisy, folder)
        finally:
            shutil.rmtree(folder)
        order = np.array([int(line["id"]) - 1 for line in ranking])
        flagged = order[[line["flagged"] == "True" for line in ranking]]
        print(f"seed {seed}, {len(flipped)} flipped labels, {seconds:.0f} s:")
        for share in (0.01, 0.02, 0.05):
            found = np.isin(flipped, order[: round(share * len(labels))]).mean()
            print(f"  {found:.1%} among the first {share:.0%}")
        print(f"  {np.isin(flipped, flagged).mean():.1%} among the {len(flagged):,} flagged", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
