"""Training with Keras, on the CPU: it learns, it repeats itself, and what it saves can be used."""

import dataclasses
import inspect
import json
import os
import threading
import types

import numpy as np
import pytest
from tests.training_files import write_training_files

from digitflow import models
from digitflow.base.checksums import sha256
from digitflow.base.errors import ConfigError, DeviceError
from digitflow.config.optimizers import OPTIMIZER_OPTIONS, what_is_wanted
from digitflow.formats.probabilities import check_probabilities
from digitflow.models.registry import KERAS
from digitflow.training import keras_predictor
from digitflow.training import keras_trainer as training
from digitflow.training.augment import Batches
from digitflow.training.checkpoint import Checkpoint
from digitflow.training.course import Job
from digitflow.training.data import predict_shifted
from digitflow.training.history import accuracy_of, cross_entropy, one_hot, read_history
from digitflow.training.results import open_for_model
from digitflow.training.settings import Augment, Prune, Settings

SETTINGS = Settings(
    architecture="small_cnn",
    module="keras_cnn",
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
VALID = slice(2000, 2500)


@dataclasses.dataclass
class Run:
    """A training's files, and what the log said."""

    inputs: dict
    classes: int
    settings: Settings
    folder: object
    log: list[str] = dataclasses.field(default_factory=list)

    def __call__(self, name, seed=0, device="cpu"):
        folder = self.folder / name
        names = ("history.csv", "metrics.json", "valid_probabilities.npy")
        outputs = (folder / name for name in names)
        job = Job(self.settings, seed, self.classes, 2, "", [folder / "model.keras"], *outputs)
        training.train(**self.inputs, job=job, device=device)
        return folder


def prepare(folder, images, labels, classes, settings=SETTINGS):
    """Write an IDX file and lists: 2,000 rows to train with, 500 to validate, and a list of nobody."""
    inputs = write_training_files(folder, images[:2500], labels[:2500], train_rows=2000)
    (folder / "nobody.lst").touch()
    return Run(inputs, classes, settings, folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory, digits):
    images, labels = digits
    return prepare(tmp_path_factory.mktemp("digits"), images, labels, 10)


@pytest.fixture(scope="module")
def trained(run):
    return run("first")


def test_three_short_epochs_learn_the_digits(trained, digits):
    rows = np.load(trained / "valid_probabilities.npy")
    assert accuracy_of(rows, digits[1][VALID]) > 0.93


def test_the_history_has_a_row_an_epoch_with_a_falling_loss(trained):
    losses = [row["loss"] for row in read_history(trained / "history.csv")]
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)


def test_the_metrics_say_what_ran_where(trained, digits):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["device"].startswith("cpu: ")
    assert metrics["seed"] == 0
    assert metrics["settings"] == SETTINGS.as_dict()
    assert (metrics["train_images"], metrics["valid_images"], metrics["image_shape"]) == (2000, 500, [28, 28])
    seen = (trained.parent / name for name in ("images", "train.lst", "valid.lst"))
    assert metrics["data"] == {path.name: sha256(path) for path in seen}
    assert set(metrics["versions"]) >= {"keras", "numpy", "python"}
    rows = np.load(trained / "valid_probabilities.npy")
    assert metrics["valid_accuracy"] == accuracy_of(rows, digits[1][VALID])


def test_the_saved_model_takes_pixels_and_gives_the_same_probabilities(trained, digits):
    import keras

    model = keras.saving.load_model(trained / "model.keras", safe_mode=True)
    rows = predict_shifted(
        model.predict_on_batch, digits[0], np.arange(3000)[VALID], 10, SETTINGS.test_shifts
    )
    assert np.array_equal(rows, np.load(trained / "valid_probabilities.npy"))


def test_a_saved_model_is_applied_to_images_with_the_settings_of_its_training(run, trained):
    model = trained / "model.keras"
    images, settings = open_for_model(run.inputs["images"], trained / "metrics.json", model)
    assert settings == SETTINGS
    rows, device = keras_predictor.apply(model, images, settings, device="cpu", threads=2)
    assert device.startswith("cpu: ")
    assert rows.shape == (2500, 10)
    # Other rows share a batch with them, so that sums are added in another order.
    np.testing.assert_allclose(rows[VALID], np.load(trained / "valid_probabilities.npy"), atol=1e-4)


def test_the_same_seed_gives_the_same_bytes(run, trained):
    name = "valid_probabilities.npy"
    assert (run("again") / name).read_bytes() == (trained / name).read_bytes()


def test_the_same_seed_gives_the_same_bytes_in_bfloat16_and_others_than_in_float32(run, tmp_path):
    def bytes_of(name, precision):
        settings = Settings("lenet", "keras_cnn", 1, 32, 0.004, train_rows=128, precision=precision)
        folder = dataclasses.replace(run, settings=settings, folder=tmp_path)(name)
        assert json.loads((folder / "metrics.json").read_text())["precision"] == precision
        return (folder / "valid_probabilities.npy").read_bytes()

    first = bytes_of("first", "bfloat16")
    assert bytes_of("again", "bfloat16") == first
    assert bytes_of("other", "float32") != first


def test_a_batch_depends_on_its_number_and_the_seed_alone(digits):
    images, labels = digits

    def batch(step, seed=0):
        batches = Batches(images, np.arange(100), labels[:100], SETTINGS, seed)
        return [part.tobytes() for part in batches[step]]

    assert batch(4) == batch(4)
    assert (
        len({batch(step, seed)[0] for step in (0, 1, 3) for seed in (0, 1)}) == 6
    )  # step 3: the second epoch


def test_each_image_is_seen_once_an_epoch(digits):
    images, _ = digits
    plain = dataclasses.replace(SETTINGS, augment=Augment())
    batches = Batches(images, np.arange(96), np.arange(96), plain, seed=0)
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
    assert accuracy_of(rows, labels[chosen][VALID]) > 0.97


@pytest.mark.parametrize("shape", [(28, 28), (32, 32), (8, 12)])
@pytest.mark.parametrize("architecture", KERAS)
def test_every_architecture_takes_raw_pixels_of_any_size_and_gives_softmax_rows(architecture, shape):
    keras_predictor.prepare("cpu")
    model = models.build(KERAS[architecture], architecture, shape, 7)
    rows = model.predict_on_batch(np.full((2, *shape), 255, np.uint8))
    assert rows.shape == (2, 7)
    check_probabilities(rows, architecture)


def test_a_gpu_that_is_not_there_is_reported_before_training(run):
    keras_predictor.prepare("cpu")
    with pytest.raises(DeviceError, match=r"gpu was requested, but tensorflow .* sees none"):
        run("gpu", device="gpu")


def test_no_more_threads_are_used_than_there_are_cores(monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(keras_predictor.devices, "cores", lambda: 3)
    keras_predictor.prepare("cpu", 99)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == os.environ["OMP_NUM_THREADS"] == "3"


def test_an_unknown_argument_of_the_network_is_refused(run):
    with pytest.raises(ConfigError, match="network: small_cnn does not take 'depth'"):
        dataclasses.replace(run, settings=dataclasses.replace(SETTINGS, network={"depth": 3}))("unknown")


def quick(run, folder, **changes):
    """Train a small dense network on 500 rows; returns its metrics and the rows of its history."""
    plain = Settings(
        "mlp", "keras_mlp", 4, batch_size=50, learning_rate=0.003, schedule="constant", train_rows=500
    )
    settings = dataclasses.replace(plain, network={"hidden": [32]}, **changes)
    trained = dataclasses.replace(run, settings=settings, folder=folder)("quick")
    return json.loads((trained / "metrics.json").read_text()), read_history(trained / "history.csv")


@pytest.mark.parametrize(
    ("optimizer", "rate", "options"),
    [
        *(("adam", 0.003, {}), ("adamax", 0.003, {}), ("nadam", 0.003, {}), ("rmsprop", 0.003, {})),
        *(("rmsprop", 0.003, {"centered": True}), ("adadelta", 1.0, {}), ("adagrad", 0.05, {})),
        *(("sgd", 0.05, {}), ("sgd", 0.3, {"momentum": 0, "nesterov": False}), ("ftrl", 0.1, {})),
    ],
)
def test_every_optimizer_learns(run, tmp_path, optimizer, rate, options):
    changes = {"optimizer": optimizer, "learning_rate": rate, "optimizer_options": options}
    metrics, history = quick(run, tmp_path, **changes)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert metrics["valid_accuracy"] > 0.6


def test_the_options_of_the_optimizers_that_are_known_before_the_first_job_are_those_of_keras():
    import keras

    elsewhere = {"learning_rate", "weight_decay", "use_ema", "ema_momentum", "name", "kwargs"}
    kinds = {name.lower(): kind for name, kind in vars(keras.optimizers).items()}
    for name, known in OPTIMIZER_OPTIONS["keras"].items():
        found = inspect.signature(kinds[name]).parameters
        assert {*found} - elsewhere == known, name
        assert not any(what_is_wanted(option, found[option].default) for option in known), name


def test_an_option_that_keras_does_not_take_after_all_is_told_by_name(run, tmp_path):
    with pytest.raises(ConfigError, match=r"optimizer_options: sgd: .*rate"):
        quick(run, tmp_path, optimizer="sgd", optimizer_options={"rate": 1})


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


def test_a_clip_of_0_is_none_beside_another_one():
    settings = dataclasses.replace(SETTINGS, optimizer_options={"clipnorm": 0, "clipvalue": 1})
    optimizer = training.make_optimizer(settings, lambda step: 0.1, 100)
    assert (optimizer.clipnorm, optimizer.clipvalue) == (None, 1)


def test_a_training_with_patience_saves_the_weights_of_its_best_epoch(run, digits, tmp_path):
    import keras

    metrics, history = quick(run, tmp_path, patience=3, epochs=40, train_rows=200, learning_rate=0.02)
    losses = [row["valid_loss"] for row in history]
    assert metrics["status"] == "stopped early"
    assert metrics["best_epoch"] == np.argmin(losses) + 1 == len(losses) - 3
    model = keras.saving.load_model(tmp_path / "quick" / "model.keras", safe_mode=True)
    rows = model.predict_on_batch(digits[0][VALID])
    assert cross_entropy(rows, one_hot(digits[1][VALID], 10)) == pytest.approx(min(losses), rel=1e-3)
    assert min(losses) < 0.99 * losses[-1]


def test_a_best_epoch_that_is_the_last_one_gives_the_running_average_as_without_patience(run, tmp_path):
    changes = {"weight_average": 0.9, "learning_rate": 1e-4, "schedule": "constant", "train_rows": 500}
    results = []
    for patience in (0, 50):
        folder = tmp_path / str(patience)
        metrics, history = quick(run, folder, patience=patience, **changes)
        losses = [row["valid_loss"] for row in history]
        assert np.argmin(losses) == len(losses) - 1
        results.append((folder / "quick" / "valid_probabilities.npy").read_bytes())
    assert metrics["best_epoch"] == len(losses)
    assert results[0] == results[1]


def test_without_validation_rows_a_training_goes_all_its_epochs_and_claims_nothing(run, tmp_path):
    inputs = run.inputs | {"valid_lst": run.inputs["valid_lst"].with_name("nobody.lst")}
    metrics, history = quick(dataclasses.replace(run, inputs=inputs), tmp_path)
    assert (metrics["valid_images"], metrics["valid_accuracy"]) == (0, None)
    assert (metrics["status"], len(history)) == ("finished", 4)
    assert np.load(tmp_path / "quick" / "valid_probabilities.npy").shape == (0, 10)


class Killed(BaseException):
    """What ends a training between two epochs here; a real kill is a test of the workflow."""


@pytest.mark.parametrize(
    ("architecture", "schedule", "precision", "steps"),
    [
        ("small_cnn", "one_cycle", "float32", 8),  # of 15, and after each epoch
        ("mlp", "plateau", "float32", 0),
        ("mlp", "one_cycle", "bfloat16", 0),
    ],
)
def test_a_killed_training_resumes_to_the_same_bytes(
    run, tmp_path, monkeypatch, architecture, schedule, precision, steps
):
    options = {"factor": 0.5, "patience": 1} if schedule == "plateau" else {}
    changes = {"schedule": schedule, "schedule_options": options, "precision": precision}
    changes |= {"architecture": architecture, "module": KERAS[architecture], "checkpoint_steps": steps}
    epochs, checkpoints = (2, 2) if steps else (3, 1)  # checkpoints in an epoch
    settings = dataclasses.replace(SETTINGS, **changes, train_rows=500, epochs=epochs)
    run = dataclasses.replace(run, settings=settings, folder=tmp_path)
    save = Checkpoint.save

    def save_and_die(self, arrays, history):
        save(self, arrays, history)
        raise Killed

    whole = run("whole")
    monkeypatch.setattr(Checkpoint, "save", save_and_die)
    for _ in range(epochs * checkpoints - 1):
        with pytest.raises(Killed):
            run("killed")
    resumed = run("killed")  # the last epoch ends without a checkpoint
    name = "valid_probabilities.npy"
    assert (resumed / name).read_bytes() == (whole / name).read_bytes()
    assert json.loads((resumed / "metrics.json").read_text())["precision"] == precision
    assert not (resumed / "checkpoint.npz").exists()
    assert len((resumed / "history.csv").read_text().splitlines()) == 1 + epochs


def test_batches_are_read_ahead_in_order_by_no_thread_that_a_finished_training_waits_for(digits):
    images, labels = digits[0][:100], digits[1][:100]
    settings = Settings("small_cnn", "keras_cnn", epochs=2, batch_size=32, learning_rate=0.003)
    batches = Batches(images, np.arange(100), one_hot(labels, 10), settings, seed=0)
    with training.read_ahead(batches, 1, 5) as read:
        assert read.options().autotune.enabled is False
        found = [[part.numpy() for part in batch] for batch in read]
    assert len(found) == 4
    for step, (pixels, targets) in enumerate(found, 1):
        np.testing.assert_array_equal(pixels, batches[step][0])
        np.testing.assert_array_equal(targets, batches[step][1])


def test_for_other_backends_a_thread_of_its_own_makes_as_many_batches_ahead_and_ends_with_the_training(
    monkeypatch,
):
    import keras

    class Counted(list):
        """Batches that are their numbers, and the threads in which each was made."""

        def __getitem__(self, step):
            self.append(threading.current_thread())
            return step

    batches = Counted()
    monkeypatch.setattr(keras, "config", types.SimpleNamespace(backend=lambda: "jax"))
    with training.read_ahead(batches, 5, 1000) as read:
        assert [next(read) for _ in range(3)] == [5, 6, 7]
    assert 3 <= len(batches) <= 3 + training.READ_AHEAD
    assert len({*batches}) == 1
    assert not next(iter(batches)).is_alive()


def test_a_batch_that_cannot_be_made_ends_the_training_with_its_error(monkeypatch):
    import keras

    broken = types.SimpleNamespace(__getitem__=lambda step: 1 // 0)
    monkeypatch.setattr(keras, "config", types.SimpleNamespace(backend=lambda: "jax"))
    with training.read_ahead(broken, 0, 2) as read, pytest.raises(ZeroDivisionError):
        next(read)
