"""Write one 42,000 + 28,000 split of MNIST's 70,000 digits as a competition.

Usage: split_csv.py SEED FOLDER: train.csv, test.csv and solution.csv, for `data.source: files`.

The 20,000 digits by which networks and settings were chosen (benchmarks/training.md) are in the training part
of every split; another 22,000, and the 28,000 to test, are drawn with the seed. So no digit used in choosing
is tested on, but splits share test rows: any two share 56 %.
"""

import argparse
from pathlib import Path

import numpy as np

from digitflow.dataset.mnist import read_mnist, write_csv
from digitflow.formats import labelscsv

ARCHIVE = Path(__file__).parents[2] / "data" / "mnist" / "mnist.pkl.gz"
CHOOSING_SEED, CHOOSING, TEST = 1000, 20_000, 28_000


def rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows to train on and those to test on, in random order."""
    order = np.random.default_rng(CHOOSING_SEED).permutation(70_000)
    others = np.random.default_rng(seed).permutation(order[CHOOSING:])
    known = np.concatenate([others[TEST:], order[:CHOOSING]])
    return np.random.default_rng(seed + 1).permutation(known), others[:TEST]


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    images, labels = read_mnist(ARCHIVE)
    train, test = rows(args.seed)
    write_csv(args.folder / "train.csv", images[train], labels[train])
    write_csv(args.folder / "test.csv", images[test], None)
    labelscsv.write(args.folder / "solution.csv", labels[test])


if __name__ == "__main__":
    main()
