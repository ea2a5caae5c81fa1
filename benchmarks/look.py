"""Measure the page of 42,000 + 28,000 digits: how long its verbs take, and how quick it is in a real browser.

Usage: look.py [ROUNDS], run by `make bench-look` on an otherwise idle machine; needs selenium, chromium and
chromium-driver. Each round ranks the labels and makes the page anew, with the verbs as their rules call them,
from files that stand for a run of three models in five folds. Writes benchmarks/look.md; exit status 1 if a
bar was missed.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import HERE, PROJECT, Page, run_verb, settle, shuffled_digits, spread, table

sys.path.insert(0, str(PROJECT))

from tests.browser import driver as browsing
from tests.browser.example import FOLDS, MODELS, NAMES, example

from digitflow.dataset import classes, lists
from digitflow.dataset.mnist import KAGGLE_SEED, KAGGLE_TRAIN_ROWS
from digitflow.formats import idx, lst
from digitflow.formats.probabilities import write_probabilities
from digitflow.look.lookdata import LookData

AUDIT, PAGE = "audit_labels, s", "look_page, s"
BARS = {
    "from the probabilities to the page, s": 10,
    AUDIT: None,
    PAGE: None,
    "size, MB": 20,
    "first paint, ms": 1000,
    "suspects shown, ms": None,
    "longest pause while scrolling, ms": 100,
}
MERGE = json.dumps({"method": "mean", "weights": None, "seeds": [[name, 1] for name in MODELS]})


def write_files(folder: Path, data: LookData) -> dict[str, list[str]]:
    """Write all that both verbs read; return their flags with the paths in `folder`."""
    rows = len(data.ids)
    listing = lists.of_rows("train", rows, data.labels, NAMES)
    idx.write(folder / "images", data.images)
    idx.write(folder / "labels", data.labels.astype(np.uint8))
    idx.write(folder / "test-images", data.test_images)
    classes.write(folder / "classes.csv", NAMES)
    lst.write(folder / "all.lst", listing)
    for fold in range(FOLDS):
        lst.write(folder / f"fold{fold}.lst", listing.select(data.splits == f"fold {fold}"))
    for name, probabilities in data.predictions.by_model.items():
        write_probabilities(folder / f"{name}.npy", probabilities)
        write_probabilities(folder / f"{name}-test.npy", data.test_merged)
    data.duplicates.to_csv(folder / "duplicates.csv", index=False)
    data.outliers.to_csv(folder / "outliers.csv", index=False)
    return {
        "images": ["images"],
        "labels": ["labels"],
        "classes": ["classes.csv"],
        "train-lst": ["all.lst"],
        "valid-lst": ["all.lst"],
        "fold-valid-lsts": [f"fold{fold}.lst" for fold in range(FOLDS)],
        "probabilities": [f"{name}.npy" for name in MODELS],
        "test-images": ["test-images"],
        "test-probabilities": [f"{name}-test.npy" for name in MODELS],
        "duplicates": ["duplicates.csv"],
        "outliers": ["outliers.csv"],
        "merge": [MERGE],
        "folds": [str(FOLDS)],
        "png": ["../../data/png"],
        "audit": ["labels.csv"],
        "page": ["look/index.html"],
        "summary": ["look/summary.html"],
        "corrections-file": ["corrections.csv"],
        "suspects": ["look/suspects.png"],
    }


def seconds_of(verb: str, flags: dict[str, list[str]], *names: str, folder: Path) -> float:
    """Run a verb with some of the flags, as its rule does; return the seconds."""
    settle()
    return run_verb(verb, {name: flags[name] for name in names}, folder).seconds


def measure(flags: dict[str, list[str]], folder: Path) -> list[float]:
    """One round: the figures in the order of BARS."""
    given = ("probabilities", "valid-lst", "classes", "audit", "merge")
    audit = seconds_of("audit_labels", flags, *given, "train-lst", "folds", folder=folder)
    rest = [name for name in flags if name not in (*given, "train-lst", "folds")]
    page_made = seconds_of("look_page", flags, *given, *rest, folder=folder)
    index = folder / "look" / "index.html"
    size = sum(file.stat().st_size for file in index.parent.rglob("*")) / 1e6
    with tempfile.TemporaryDirectory() as profile, browsing.browser(Path(profile), folder) as driver:
        page = browsing.Page(driver)
        page.open(index, "suspects")
        paint = page.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
        shown = page.run(
            "return performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart"
        )
        pauses = []
        for section in ("suspects", "class-1", "test"):
            page.go(section)
            pauses.append(browsing.scroll_through(page))
    return [audit + page_made, audit, page_made, size, paint, shown, max(pauses)]


def main(rounds: str = "3") -> int:
    """Measure in rounds, and write the medians with their bars."""
    if browsing.MISSING:
        sys.exit(browsing.MISSING)
    images, labels = shuffled_digits(KAGGLE_SEED)
    data = example(images, labels, KAGGLE_TRAIN_ROWS)
    with tempfile.TemporaryDirectory() as name:
        flags = write_files(Path(name), data)
        found = [measure(flags, Path(name)) for _ in range(int(rounds))]
    by_name = dict(zip(BARS, map(list, zip(*found, strict=True)), strict=True))
    page = Page(
        "Looking",
        f"Written by `make bench-look`: the page of {len(images):,} digits with the probabilities of "
        f"{len(MODELS)} models, made by the verbs as their rules call them, including start-up, and opened "
        f"in Chromium. Medians of {rounds} rounds.",
    )
    rows = [
        (name, f"{statistics.median(values):.1f}", spread(values, ".1f")) for name, values in by_name.items()
    ]
    page.add(table(("what", "median", "range"), rows))
    for name, bar in BARS.items():
        if bar is not None:
            page.bar(name, statistics.median(by_name[name]), bar)
    return page.write(HERE / "look.md")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
