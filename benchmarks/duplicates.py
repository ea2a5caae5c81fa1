"""Are all planted copies, exact, shifted or barely changed, found among 70,000 digits, and how quickly?

Usage: duplicates.py [ROUNDS], run by `make bench-look`. Copies of digits, chosen with a seed, are put behind
the test images, and the verb find_duplicates searches all of them, as its rule calls it. Writes
benchmarks/duplicates.md; exit status 1 if a copy was not found, or a bar was missed.
"""

import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from measure import HERE, Finished, Page, read_rows, run_verb, settle, shuffled_digits, table

from digitflow.dataset import classes, lists
from digitflow.dataset.mnist import KAGGLE_SEED, KAGGLE_TRAIN_ROWS
from digitflow.formats import idx, lst

EACH = 100  # copies of each kind
GREY_LEVELS = 3
SECONDS, MEGABYTES = 30, 500
MOVES = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]


def shifted(image: np.ndarray, move: tuple[int, int]) -> np.ndarray:
    """An image (h, w) moved by a pixel; the uncovered pixels are black."""
    height, width = image.shape
    down, right = move
    return np.pad(image, 1)[1 - down : 1 - down + height, 1 - right : 1 - right + width]


def plant(images: np.ndarray, rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Copies uint8 (EACH, h, w) of each kind, with the places (EACH,) of their originals."""
    exact, moved, changed = rng.choice(len(images), (3, EACH), replace=False)
    levels = rng.choice([-GREY_LEVELS, GREY_LEVELS], (EACH, *images.shape[1:]))
    moves = [MOVES[at % len(MOVES)] for at in range(EACH)]
    return {
        "exact copies": (images[exact], exact),
        "copies shifted by a pixel": (np.array([*map(shifted, images[moved], moves)]), moved),
        f"copies with ±{GREY_LEVELS} grey levels": (
            np.clip(images[changed] + levels, 0, 255).astype(np.uint8),
            changed,
        ),
    }


def write_files(folder: Path, images: np.ndarray, labels: np.ndarray, train: int) -> None:
    """Write the files that find_duplicates reads: the first `train` images for training, the rest to test."""
    names = [*map(str, range(10))]
    classes.write(folder / "classes.csv", names)
    idx.write(folder / "train-images", images[:train])
    idx.write(folder / "test-images", images[train:])
    lst.write(folder / "train.lst", lists.of_rows("train", train, labels[:train].astype(np.int64), names))
    lst.write(folder / "test.lst", lists.of_rows("test", len(images) - train))


def look_for_them(folder: Path) -> Finished:
    """Run the verb as the rule does."""
    flags = {
        "images": "train-images",
        "lists": "train.lst",
        "test-images": "test-images",
        "test-lst": "test.lst",
        "classes": "classes.csv",
        "duplicates": "duplicates.csv",
        "outliers": "outliers.csv",
    }
    return run_verb("find_duplicates", flags, folder)


def found_pairs(path: Path, train: int) -> set[tuple[int, int]]:
    """The pairs of duplicates.csv as places among all images."""
    return {
        tuple(
            int(row[f"{side}_id"]) - 1 + train * (row[f"{side}_part"] == "test")
            for side in ("first", "second")
        )
        for row in read_rows(path)
    }


def prepare(folder: Path) -> tuple[int, dict[str, np.ndarray]]:
    """Write the files with the planted copies behind the others.

    Returns the number of images before these, and for each kind the places that are copied, in order.
    """
    images, labels = shuffled_digits(KAGGLE_SEED)
    planted = plant(images, np.random.default_rng(1))
    everything = np.concatenate([images, *(copies for copies, _ in planted.values())])
    write_files(folder, everything, labels, KAGGLE_TRAIN_ROWS)
    return len(images), {kind: places for kind, (_, places) in planted.items()}


def main(rounds: str = "3") -> int:
    """Plant, look, count, and write the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a separate process: this one's memory would count as memory of the processes that it starts.
        with ProcessPoolExecutor(1) as pool:
            first, planted = pool.submit(prepare, folder).result()
        settle()
        runs = [look_for_them(folder) for _ in range(int(rounds))]
        pairs = found_pairs(folder / "duplicates.csv", KAGGLE_TRAIN_ROWS)
    page = Page(
        "Duplicates",
        f"Written by `make bench-look`: {first + EACH * len(planted):,} digits, among them {EACH} planted "
        f"copies of each kind. The verb `find_duplicates`, including start-up; {rounds} rounds.",
    )
    page.add(
        table(
            ("round", "s", "peak MB"),
            [(n, f"{r.seconds:.1f}", f"{r.megabytes:.0f}") for n, r in enumerate(runs, 1)],
        )
    )
    for kind, places in planted.items():
        found = sum((place, first + number) in pairs for number, place in enumerate(places.tolist()))
        page.bar(f"{kind} found", found, EACH, least=True)
        first += EACH
    page.bar("seconds, the slowest round", max(one.seconds for one in runs), SECONDS, " s")
    page.bar("peak memory", round(max(one.megabytes for one in runs)), MEGABYTES, " MB")
    return page.write(HERE / "duplicates.md")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
