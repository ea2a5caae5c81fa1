"""MXNet learns from RecordIO files: run as the workflow runs it, in the environment that has MXNet."""

import csv
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from digitflow import lst, png, rec

SETTINGS = {
    "architecture": "lenet",
    "epochs": 6,
    "batch_size": 32,
    "learning_rate": 0.004,
    "schedule": "one_cycle",
    "weight_decay": 0.05,
    "label_smoothing": 0.05,
    "weight_average": 0.9,
    "test_shifts": 1,
    "augment": {"rotate": 10, "zoom": 0.1, "shift": 0.07, "shear": 0.1, "part": 1, "cubic": False},
}
RELOAD = """
import sys
import mxnet as mx
import numpy as np
symbol, params, images, probabilities = sys.argv[1:]
net = mx.gluon.SymbolBlock.imports(symbol, ["data"], params)
np.save(probabilities, net(mx.nd.array(np.load(images)[:, None] / 255)).softmax().asnumpy())
"""
WARP = """
import sys
import mxnet as mx
import numpy as np
from digitflow.training.common import Augment
from digitflow.training.mxnet import batches, open_records, warp
rec, idx, out = sys.argv[1:]
with open_records([(rec, idx)], (28, 28), 10) as records:
    options = warp(Augment(rotate=10, zoom=0.1, shift=0.1, shear=0.1), records.shape)
    passes = [batches(records, 8, mx.cpu(), **options) for _ in range(2)]
    twice = [[images.asnumpy() for images, _, _ in batches] for batches in passes]
np.save(out, np.array(twice).reshape(2, -1, 28, 28))
"""


@pytest.fixture(scope="module")
def sample(digits) -> tuple[np.ndarray, np.ndarray]:
    """2,600 of the training digits: 2,000 to train, 300 to validate, 300 to test."""
    return digits[0][:2600], digits[1][:2600]


def pack(folder: Path, name: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Write images uint8 (n, h, w) and labels as folder/name.rec and .idx."""
    (folder / name).mkdir(parents=True)
    paths = [f"{name}/{index}.png" for index in range(1, len(images) + 1)]
    for path, data in zip(paths, png.encode(images), strict=True):
        (folder / path).write_bytes(data)
    listing = lst.Listing(np.arange(1, len(images) + 1), labels.astype(np.int64), paths)
    rec.write(folder / f"{name}.rec", folder / f"{name}.idx", listing, folder)


def pack_splits(folder: Path, images: np.ndarray, labels: np.ndarray, train: int, valid: int) -> Path:
    """Write the first `train` rows, the next `valid` and the rest, without their labels, as three files."""
    pack(folder, "train", images[:train], labels[:train])
    pack(folder, "valid", images[train : train + valid], labels[train : train + valid])
    pack(folder, "test", images[train + valid :], 0 * labels[train + valid :])
    return folder


@pytest.fixture(scope="module")
def run(mxnet_python):
    """Run Python with MXNet; returns the finished process."""
    environment = os.environ | {"PYTHONPATH": str(Path(rec.__file__).parents[1])}

    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [str(mxnet_python), *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def train(run):
    """Run the verb on the files of a folder; returns the finished process."""

    def train(data: Path, out: Path, settings=SETTINGS, shape=(28, 28), classes=10, seed=0, device="cpu"):
        flags = {"settings": json.dumps(settings), "seed": seed, "classes": classes, "device": device}
        flags |= {"height": shape[0], "width": shape[1]}
        for part in ("train", "valid", "test"):
            flags |= {f"{part}-rec": data / f"{part}.rec", f"{part}-idx": data / f"{part}.idx"}
        flags |= {"symbol": out / "model-symbol.json", "params": out / "model-0000.params"}
        flags |= {"history": out / "history.csv", "metrics": out / "metrics.json"}
        for part in ("valid", "test"):
            flags[f"{part}-probabilities"] = out / f"{part}_probabilities.npy"
        flat = [text for flag, value in flags.items() for text in (f"--{flag}", value)]
        return run("-m", "digitflow", "train_mxnet", *flat)

    return train


@pytest.fixture(scope="module")
def data(sample, tmp_path_factory) -> Path:
    return pack_splits(tmp_path_factory.mktemp("data"), *sample, train=2000, valid=300)


@pytest.fixture(scope="module")
def trained(data, train, tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """One training on 2,000 digits, which most tests look at."""
    out = tmp_path_factory.mktemp("out")
    return train(data, out), out


def test_it_learns_2000_digits_to_more_than_94_percent(trained, sample):
    process, out = trained
    assert process.returncode == 0, process.stderr
    valid, test = (np.load(out / f"{part}_probabilities.npy") for part in ("valid", "test"))
    labels = sample[1]
    assert (valid.argmax(1) == labels[2000:2300]).mean() > 0.94  # rows as in the file: else 0.1
    assert (test.argmax(1) == labels[2300:]).mean() > 0.94
    assert valid.dtype == test.dtype == np.float32
    np.testing.assert_allclose(test.sum(1), 1, atol=1e-5)


def test_it_logs_one_line_an_epoch_and_nothing_that_mxnet_says(trained):
    lines = trained[0].stderr.splitlines()
    assert lines[0].startswith("device cpu: ")
    assert [line.partition(":")[0] for line in lines[1:-1]] == [f"epoch {k}/6" for k in range(1, 7)]
    assert lines[-1].startswith("validation accuracy 0.9")


def test_it_records_how_the_model_came_about(trained):
    metrics = json.loads((trained[1] / "metrics.json").read_text())
    assert metrics["framework"] == "mxnet"
    assert metrics["settings"].items() >= (SETTINGS | {"optimizer": "adam"}).items()
    assert (metrics["train_images"], metrics["valid_images"], metrics["seed"]) == (2000, 300, 0)
    assert metrics["versions"]["mxnet"].startswith("1.9")
    with open(trained[1] / "history.csv") as file:
        history = list(csv.DictReader(file))
    assert [row["epoch"] for row in history] == ["1", "2", "3", "4", "5", "6"]
    assert float(history[-1]["learning_rate"]) == 0  # one_cycle ends there
    assert float(history[-1]["loss"]) < float(history[0]["loss"]) / 2


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(data, train, tmp_path):
    brief = SETTINGS | {"epochs": 1}
    for name, seed in (("once", 7), ("again", 7), ("other", 8)):
        assert train(data, tmp_path / name, brief, seed=seed).returncode == 0
    for file in (
        "model-0000.params",
        "model-symbol.json",
        "valid_probabilities.npy",
        "test_probabilities.npy",
    ):
        once, again = ((tmp_path / name / file).read_bytes() for name in ("once", "again"))
        assert once == again, file
    once, other = (np.load(tmp_path / name / "valid_probabilities.npy") for name in ("once", "other"))
    assert not np.array_equal(once, other)


def test_the_saved_model_gives_the_same_probabilities(trained, sample, run, tmp_path):
    model = [trained[1] / name for name in ("model-symbol.json", "model-0000.params")]
    np.save(tmp_path / "images.npy", sample[0][2300:])
    process = run("-c", RELOAD, *model, tmp_path / "images.npy", tmp_path / "again.npy")
    assert process.returncode == 0, process.stderr
    expected = np.load(trained[1] / "test_probabilities.npy")
    np.testing.assert_allclose(np.load(tmp_path / "again.npy"), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "classes", "optimizer"), [((20, 20), 2, "sgd"), ((32, 32), 2, "adam"), ((30, 20), 2, "adam")]
)
def test_other_sizes_and_numbers_of_classes_are_learnt(sample, train, tmp_path, shape, classes, optimizer):
    images, labels = (array[sample[1] < classes] for array in sample)
    resized = np.zeros((len(images), *shape), np.uint8)  # most of the digit, or the digit and a margin
    height, width = (min(side, 28) for side in shape)
    top, left = (28 - height) // 2, (28 - width) // 2
    resized[:, :height, :width] = images[:, top : top + height, left : left + width]
    pack_splits(tmp_path, resized, labels, train=300, valid=100)
    settings = SETTINGS | {"epochs": 5, "optimizer": optimizer, "learning_rate": 0.01, "test_shifts": 5}
    process = train(tmp_path, tmp_path, settings, shape, classes)
    assert process.returncode == 0, process.stderr
    valid = np.load(tmp_path / "valid_probabilities.npy")
    assert valid.shape == (100, classes)
    assert (valid.argmax(1) == labels[300:400]).mean() > 0.95


def test_warped_images_are_digits_shifted_on_black_and_the_same_each_time(run, tmp_path):
    square = np.zeros((64, 28, 28), np.uint8)
    square[:, 10:18, 10:18] = 255
    pack(tmp_path, "square", square, np.zeros(64))
    process = run("-c", WARP, tmp_path / "square.rec", tmp_path / "square.idx", tmp_path / "warped.npy")
    assert process.returncode == 0, process.stderr
    once, again = np.load(tmp_path / "warped.npy")
    assert np.array_equal(once, again)
    assert len(np.unique(once, axis=0)) > 60  # one image 64 times: each is drawn anew
    assert once.max() == pytest.approx(1)
    assert not once[:, [0, -1]].any()  # no white corners, and nothing is pushed out
    assert not once[:, :, [0, -1]].any()
    area = once.sum(axis=(1, 2)) / 8**2
    assert area.min() > 0.75  # zoomed by a tenth: 0.81 to 1.21, and a little for the edges
    assert area.max() < 1.27
    rows = (once.sum(axis=2) * np.arange(28)).sum(axis=1) / once.sum(axis=(1, 2)) - 13.5
    assert np.abs(rows).max() < 3.5  # a tenth of 28 is three pixels
    assert rows.std() > 1


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_truncated_file_stops_with_a_message_before_mxnet_aborts(data, train, tmp_path, kept):
    for file in data.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    whole = (data / "valid.rec").read_bytes()
    (tmp_path / "valid.rec").write_bytes(whole[: int(len(whole) * kept)])
    process = train(tmp_path, tmp_path / "out")
    assert process.returncode == 1
    assert "valid.rec" in process.stderr
    assert "truncated" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (32, 32)}, "28 x 28 pixels; the configuration has 32 x 32"),
        ({"classes": 5}, "expected one of 0 to 4"),
        ({"settings": SETTINGS | {"architecture": "resnet"}}, "architecture: 'resnet' is not one of lenet"),
        ({"settings": SETTINGS | {"optimizer": "magic"}}, "optimizer: 'magic' is not one of adam, sgd"),
        ({"device": "gpu"}, "device: gpu was asked for"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(data, train, tmp_path, change, message):
    process = train(data, tmp_path / "out", **change)
    assert process.returncode == 1
    assert message in process.stderr
