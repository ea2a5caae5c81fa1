"""Measure the page of 42,000 + 28,000 digits in a real browser, on a machine with nothing else to do.

Usage: look.py [ROUNDS], with selenium, chromium and chromium-driver installed. Each round makes the page
anew. Prints a table: seconds to make the page, its megabytes, and in the browser the milliseconds to the
first paint, to the first suspects, and the longest pause between two frames while it scrolls.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "workflow")]

from tests.browser.driver import MISSING, Page, browser, scroll_through  # noqa: E402
from tests.browser.example import example  # noqa: E402

from digitflow.dataset.mnist import KAGGLE_SEED, KAGGLE_TRAIN_ROWS, read_mnist  # noqa: E402
from digitflow.look.lookdata import LookData  # noqa: E402
from digitflow.look.page import write_page  # noqa: E402

BARS = {
    "make, s": 10,
    "size, MB": 20,
    "first paint, ms": 1000,
    "suspects shown, ms": None,
    "longest pause, ms": 100,
}


def measure(data: LookData, folder: Path) -> list[float]:
    """One round: the figures in the order of BARS."""
    index = folder / "index.html"
    start = time.perf_counter()
    write_page(index, data)
    seconds = time.perf_counter() - start
    size = sum(file.stat().st_size for file in folder.rglob("*")) / 1e6
    with browser(folder / "profile", folder) as driver:
        page = Page(driver)
        page.open(index, "suspects")
        paint = page.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
        shown = page.run(
            "return performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart"
        )
        pauses = []
        for section in ("suspects", "class-1", "test"):
            page.go(section)
            pauses.append(scroll_through(page))
    return [seconds, size, paint, shown, max(pauses)]


def main(rounds: str = "3") -> None:
    """Print the medians beside the bars."""
    if MISSING:
        sys.exit(MISSING)
    images, labels = read_mnist(PROJECT / "data" / "mnist" / "mnist.pkl.gz")
    order = np.random.default_rng(KAGGLE_SEED).permutation(len(images))
    data = example(images[order].reshape(-1, 28, 28), labels[order], KAGGLE_TRAIN_ROWS)
    found = []
    for _ in range(int(rounds)):
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(data, Path(folder)))
    print("| | median | all rounds | bar |\n|---|---|---|---|")
    for (name, bar), values in zip(BARS.items(), zip(*found, strict=True), strict=True):
        every = ", ".join(f"{value:.1f}" for value in values)
        print(f"| {name} | {statistics.median(values):.1f} | {every} | {bar or ''} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
