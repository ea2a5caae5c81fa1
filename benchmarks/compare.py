"""Measure `digitflow compare` of two runs over 28,000 test images, with its sheets and its page.

Usage: compare.py [ROUNDS], run by `make bench-look`. Both runs have three models with two seeds each, 4,200
validation images and some hundred mistakes. Start-up is the same command for two files of ten rows. Writes
benchmarks/compare.md; exit status 1 if the bar was missed.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import HERE, MAIN, Contest, Page, run, shuffled_digits

from digitflow.base import checksums
from digitflow.dataset import classes
from digitflow.dataset.mnist import KAGGLE_SEED, KAGGLE_TRAIN_ROWS
from digitflow.formats import idx, labelscsv, lst
from digitflow.formats.probabilities import write_probabilities

START, WHOLE = "start-up", "the whole command"
BAR = 2.0  # seconds after start-up
VALID_ROWS = 4200
MODELS = ("first", "second", "third")
SEEDS = (0, 1)


def main(rounds: str = "5") -> int:
    """Time both commands in turn, and write the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder)
        small = folder / "small"
        classes.write(small / "data" / "idx" / "classes.csv", [*"0123456789"])
        labelscsv.write(small / "ten.csv", np.arange(10))
        sides = {START: (small, "ten.csv", "ten.csv"), WHOLE: (folder, "a/results", "b/results")}
        contest = Contest()
        for _ in range(int(rounds)):
            for what, (place, *both) in sides.items():
                finished = run(MAIN / "python", "-m", "digitflow", "compare", *both, cwd=place)
                contest.times[what].append(finished.seconds)
        assert {*folder.glob("results/compare/*.png")}, "there are no sheets"
    page = Page(
        "Comparing two runs",
        "Written by `benchmarks/compare.py`: `digitflow compare` of two runs over 28,000 test images, "
        f"including sheets and page. Medians of {rounds} rounds.",
    )
    page.add(contest.table())
    page.bar("after start-up", contest.median(WHOLE) - contest.median(START), BAR, " s")
    return page.write(HERE / "compare.md")


def write_project(folder: Path) -> None:
    """Write a project with a solution, and beside it the results of two of its runs."""
    images, labels = shuffled_digits(KAGGLE_SEED)
    train, test = slice(KAGGLE_TRAIN_ROWS), slice(KAGGLE_TRAIN_ROWS, None)
    data = folder / "data" / "idx"
    classes.write(data / "classes.csv", [*"0123456789"])
    for part, rows in (("train", train), ("test", test)):
        idx.write(data / f"{part}-images-idx3-ubyte", images[rows])
    test_images, test_labels = data / "test-images-idx3-ubyte", data / "test-labels-idx1-ubyte"
    idx.write(test_labels, labels[test])
    checksums.write(data / "test.sfv", [test_images])
    checksums.write(data / "test-labels.sfv", [test_labels, test_images])  # otherwise the labels are not used
    chance = np.random.default_rng(0)
    for side in "ab":
        write_run(folder / side, labels[test].astype(int), labels[:VALID_ROWS].astype(int), chance)


def write_run(folder: Path, test: np.ndarray, valid: np.ndarray, chance: np.random.Generator) -> None:
    """Write the results of a run with random mistakes."""
    results = folder / "results"
    for model in MODELS:
        labelscsv.write(results / "submissions" / f"{model}.csv", with_mistakes(test, chance))
        for seed in SEEDS:
            rows = np.full((len(valid), 10), 0.01, np.float32)
            rows[np.arange(len(valid)), with_mistakes(valid, chance)] = 0.91
            write_probabilities(results / "models" / model / f"seed{seed}" / "valid_probabilities.npy", rows)
    labelscsv.write(results / "submission.csv", with_mistakes(test, chance))
    models = {model: {"framework": "numpy", "seeds": [*SEEDS]} for model in MODELS}
    merge = {"method": "mean", "models": [*MODELS], "weights": None}
    facts = {"time": "2026-01-01T00:00:00Z", "configuration": {"models": models, "merge": merge}}
    (results / "run.json").write_text(json.dumps(facts))
    ids = np.arange(1, len(valid) + 1)
    names = [f"train/{label}/{row:05}.png" for row, label in zip(ids, valid, strict=True)]
    lst.write(folder / "data" / "rec" / "valid.lst", lst.Listing(ids, valid, names))


def with_mistakes(true: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """The labels, with one in two hundred wrong."""
    given = true.copy()
    rows = chance.permutation(len(true))[: len(true) // 200]
    given[rows] = (true[rows] + chance.integers(1, 10, len(rows))) % 10
    return given


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
