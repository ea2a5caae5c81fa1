"""Training with Keras, on the CPU: it learns, it repeats itself, and what it saves can be used."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from digitflow import models
from digitflow.base.errors import ConfigError, DeviceError, InputError
from digitflow.formats import idx, lst
from digitflow.formats.probabilities import check_probabilities
from digitflow.models import KERAS
from digitflow.training import keras_trainer as training
from digitflow.training.checkpoint import Checkpoint
from digitflow.training.data import read_rows
from digitflow.training.history import accuracy
from digitflow.training.results import Outputs
from digitflow.training.settings import Augment, Prune, Settings

SETTINGS = Settings(
    architecture="small_cnn",
    epochs=3,
    batch_size=32,
    learning_rate=0.004,
    schedule="one_cycle",
    weight_decay=0.01,
    label_smoothing=0.05,
    weight_average=0.99,
    test_shifts=5,
    augment=Augment(rotate=5, zoom=0.05, shift=0.03, shear=0.05),
)
TRAIN, VALID, TEST = slice(0, 2000), slice(2000, 2500), slice(2500, 3000)


@dataclasses.dataclass
class Run:
    """A training's files, and what the log said."""

    inputs: dict
    settings: Settings
    folder: object
    log: list[str] = dataclasses.field(default_factory=list)

    def __call__(self, name, seed=0, device="cpu"):
        folder = self.folder / name
        names = ("history.csv", "metrics.json", "valid_probabilities.npy", "test_probabilities.npy")
        outputs = Outputs(*(folder / name for name in names))
        training.train(
            **self.inputs,
            settings=self.settings,
            seed=seed,
            device=device,
            model=folder / "model.keras",
            outputs=outputs,
        )
        return folder


def prepare(folder, images, labels, classes, settings=SETTINGS):
    """Write IDX and .lst files: 2,000 rows to train with, 500 to validate, 500 to test."""
    idx.write(folder / "train-images", images[:2500])
    idx.write(folder / "test-images", images[TEST])
    index = np.arange(1, 2501)
    for name, rows in (("train", TRAIN), ("valid", VALID), ("test", slice(0, 500))):
        target = np.zeros(500, np.int64) if name == "test" else labels[rows].astype(np.int64)
        paths = [f"{name}/{label}/{row}.png" for row, label in zip(index[rows], target, strict=True)]
        lst.write(folder / f"{name}.lst", lst.Listing(index[rows], target, paths))
    inputs = {"images": folder / "train-images", "test_images": folder / "test-images", "classes": classes}
    inputs |= {f"{name}_lst": folder / f"{name}.lst" for name in ("train", "valid", "test")}
    return Run(inputs, settings, folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory, digits):
    images, labels = digits
    return prepare(tmp_path_factory.mktemp("digits"), images, labels, 10)


@pytest.fixture(scope="module")
def trained(run):
    return run("first")


def test_three_short_epochs_learn_the_digits(trained, digits):
    rows = np.load(trained / "valid_probabilities.npy")
    assert accuracy(rows, digits[1][VALID]) > 0.93


def test_test_rows_are_predicted_in_order(trained, digits):
    rows = np.load(trained / "test_probabilities.npy")
    assert rows.shape == (500, 10)
    assert rows.dtype == np.float32
    assert accuracy(rows, digits[1][TEST]) > 0.93


def test_the_history_has_a_row_an_epoch_with_a_falling_loss(trained):
    rows = list(csv.DictReader((trained / "history.csv").open()))
    losses = [float(row["loss"]) for row in rows]
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)


def test_the_metrics_say_what_ran_where(trained, digits):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["device"].startswith("cpu: ")
    assert metrics["seed"] == 0
    assert metrics["settings"] == SETTINGS.as_dict()
    assert (metrics["train_images"], metrics["valid_images"]) == (2000, 500)
    assert set(metrics["versions"]) >= {"keras", "numpy", "python"}
    rows = np.load(trained / "valid_probabilities.npy")
    assert metrics["valid_accuracy"] == accuracy(rows, digits[1][VALID])


def test_the_saved_model_takes_pixels_and_gives_the_same_probabilities(trained, digits):
    import keras

    model = keras.saving.load_model(trained / "model.keras", safe_mode=True)
    rows = training.predict(model, digits[0], np.arange(3000)[TEST], 10, SETTINGS.test_shifts)
    assert np.array_equal(rows, np.load(trained / "test_probabilities.npy"))


def test_the_same_seed_gives_the_same_bytes(run, trained):
    again = run("again")
    for name in ("valid_probabilities.npy", "test_probabilities.npy"):
        assert (again / name).read_bytes() == (trained / name).read_bytes()


def test_a_batch_depends_on_its_number_and_the_seed_alone(digits):
    images, labels = digits

    def batch(step, seed=0):
        batches = training.make_batches(images, np.arange(100), labels[:100], 10, SETTINGS, seed)
        return [part.tobytes() for part in batches[step]]

    assert batch(4) == batch(4)
    assert (
        len({batch(step, seed)[0] for step in (0, 1, 3) for seed in (0, 1)}) == 6
    )  # step 3: the second epoch


def test_each_image_is_seen_once_an_epoch(digits):
    images, _ = digits
    plain = dataclasses.replace(SETTINGS, augment=Augment())
    batches = training.make_batches(images, np.arange(96), np.arange(96) % 10, 10, plain, seed=0)
    assert batches.num_batches == 3 * batches.per_epoch == 9
    for epoch in range(3):
        seen = np.concatenate([batches[3 * epoch + step][0] for step in range(3)])
        assert sorted(image.tobytes() for image in seen) == sorted(image.tobytes() for image in images[:96])


def test_another_size_and_two_classes_work(tmp_path, digits):
    images, labels = digits
    chosen = np.flatnonzero(labels < 2)[:3000]
    settings = dataclasses.replace(SETTINGS, optimizer="sgd", learning_rate=0.02, schedule="cosine", epochs=2)
    folder = prepare(tmp_path, images[chosen, 4:-4, 3:-3], labels[chosen], 2, settings)("two")
    rows = np.load(folder / "valid_probabilities.npy")
    assert rows.shape == (500, 2)
    assert accuracy(rows, labels[chosen][VALID]) > 0.97


@pytest.mark.parametrize("shape", [(28, 28), (32, 32), (8, 12)])
@pytest.mark.parametrize("architecture", KERAS)
def test_every_architecture_takes_raw_pixels_of_any_size_and_gives_softmax_rows(architecture, shape):
    training.prepare("cpu")
    model = models.build(KERAS, architecture, shape, 7)
    rows = model.predict_on_batch(np.full((2, *shape), 255, np.uint8))
    assert rows.shape == (2, 7)
    check_probabilities(rows, architecture)


def test_a_gpu_that_is_not_there_is_reported_before_training(run):
    training.prepare("cpu")
    with pytest.raises(DeviceError, match=r"gpu was asked for, but tensorflow .* sees none"):
        run("gpu", device="gpu")


def test_a_listing_of_other_images_is_refused_with_its_line(tmp_path):
    lst.write(tmp_path / "x.lst", lst.Listing(np.array([1, 5]), np.array([0, 0]), ["0/1.png", "0/5.png"]))
    with pytest.raises(InputError, match=r"x\.lst, line 2: index 5, expected 1 to 4"):
        read_rows(tmp_path / "x.lst", count=4, classes=10)


def test_a_label_beyond_the_classes_is_refused_with_its_line(tmp_path):
    lst.write(tmp_path / "x.lst", lst.Listing(np.array([1, 2]), np.array([0, 7]), ["0/1.png", "7/2.png"]))
    with pytest.raises(InputError, match=r"x\.lst, line 2: label 7, expected 0 to 4"):
        read_rows(tmp_path / "x.lst", count=4, classes=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "resnet"}, "architecture: 'resnet' is not one of "),
        ({"optimizer": "magic"}, "optimizer: 'magic' is not one of adam, adamax,"),
        ({"schedule": "steps"}, "schedule: 'steps' is not one of "),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_exist(run, change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(run, settings=dataclasses.replace(SETTINGS, **change))("unknown")


def quick(run, folder, **changes):
    """Train a small dense network on 500 rows; returns its metrics and the rows of its history."""
    plain = Settings("mlp", 4, batch_size=50, learning_rate=0.003, schedule="constant", train_rows=500)
    settings = dataclasses.replace(plain, network={"hidden": [32]}, **changes)
    trained = dataclasses.replace(run, settings=settings, folder=folder)("quick")
    with open(trained / "history.csv", newline="") as file:
        history = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return json.loads((trained / "metrics.json").read_text()), history


@pytest.mark.parametrize(
    ("optimizer", "rate", "options"),
    [
        *(("adam", 0.003, {}), ("adamax", 0.003, {}), ("nadam", 0.003, {}), ("rmsprop", 0.003, {})),
        *(("rmsprop", 0.003, {"centered": True}), ("adadelta", 1.0, {}), ("adagrad", 0.05, {})),
        *(("sgd", 0.05, {}), ("ftrl", 0.1, {})),
    ],
)
def test_every_optimizer_learns(run, tmp_path, optimizer, rate, options):
    changes = {"optimizer": optimizer, "learning_rate": rate, "optimizer_options": options}
    metrics, history = quick(run, tmp_path, **changes)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert metrics["valid_accuracy"] > 0.6


@pytest.mark.parametrize(
    ("changes", "status", "epochs"),
    [
        ({"prune": Prune(epoch=2, accuracy=0.999)}, "pruned", 2),
        ({"patience": 1, "learning_rate": 0.0}, "stopped early", 2),
        ({"learning_rate": 1e30, "optimizer": "sgd", "keep_failures": True}, "diverged", 1),
    ],
)
def test_a_training_that_ends_before_its_time_is_a_result_that_says_so(
    run, tmp_path, changes, status, epochs
):
    metrics, history = quick(run, tmp_path, **changes)
    assert (metrics["status"], metrics["epochs"], len(history)) == (status, epochs, epochs)


class Killed(BaseException):
    """What ends a training between two epochs here; a real kill is a test of the workflow."""


@pytest.mark.parametrize("schedule", ["one_cycle", "plateau"])
def test_a_killed_training_resumes_to_the_same_bytes(run, tmp_path, monkeypatch, schedule):
    options = {"factor": 0.5, "patience": 1} if schedule == "plateau" else {}
    settings = dataclasses.replace(SETTINGS, schedule=schedule, schedule_options=options, train_rows=500)
    run = dataclasses.replace(run, settings=settings, folder=tmp_path)
    save = Checkpoint.save

    def save_and_die(self, arrays, history):
        save(self, arrays, history)
        raise Killed

    whole = run("whole")
    for _ in range(settings.epochs - 1):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Checkpoint, "save", save_and_die)
            run("killed")
    resumed = run("killed")
    for name in ("valid_probabilities.npy", "test_probabilities.npy"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()
    assert not (resumed / "checkpoint.npz").exists()
    assert len((resumed / "history.csv").read_text().splitlines()) == 1 + settings.epochs
