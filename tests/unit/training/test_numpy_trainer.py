"""Training the plain numpy network: its steps by hand, what it learns, and that it repeats itself."""

import dataclasses
import json
import logging
from inspect import signature

import numpy as np
import pytest
from tests.conftest import read_rows
from tests.training_files import write_training_files

from digitflow.base.checksums import sha256
from digitflow.base.errors import ConfigError, DigitflowError
from digitflow.config.optimizers import OPTIMIZER_OPTIONS
from digitflow.formats.probabilities import read_probabilities
from digitflow.models import numpy_mlp
from digitflow.training import numpy_predictor
from digitflow.training import numpy_trainer as training
from digitflow.training.augment import Batches
from digitflow.training.checkpoint import Checkpoint
from digitflow.training.course import Job
from digitflow.training.data import Data, shifted
from digitflow.training.history import accuracy_of, cross_entropy, one_hot, read_history
from digitflow.training.results import open_for_model
from digitflow.training.settings import Augment, Prune, Settings

SETTINGS = Settings(
    architecture="mlp",
    module="numpy_mlp",
    network={"hidden": [64]},
    epochs=5,
    batch_size=50,
    learning_rate=0.01,
    schedule="one_cycle",
    weight_decay=0.01,
    label_smoothing=0.05,
    weight_average=0.9,
    test_shifts=5,
    augment=Augment(shift=0.02),
)
TRAIN, VALID = slice(0, 2000), slice(2000, 2500)


class Killed(BaseException):
    """What ends a training between two epochs here."""


@dataclasses.dataclass
class Run:
    """A training's files."""

    inputs: dict
    settings: Settings
    folder: object

    def __call__(self, name, seed=0):
        folder = self.folder / name
        names = ("history.csv", "metrics.json", "valid_probabilities.npy")
        outputs = (folder / name for name in names)
        job = Job(self.settings, seed, 10, 1, "", [folder / "model.npz"], *outputs)
        training.train(**self.inputs, job=job)
        return folder

    def other(self, **settings):
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, **settings))


@pytest.fixture(scope="module")
def run(tmp_path_factory, digits):
    """Training on 2,000 digits: their IDX and .lst files, with 500 to validate."""
    images, labels = digits
    folder = tmp_path_factory.mktemp("digits")
    inputs = write_training_files(folder, images[:2500], labels[:2500], train_rows=2000)
    (folder / "nobody.lst").touch()
    return Run(inputs, SETTINGS, folder)


@pytest.fixture(scope="module")
def trained(run):
    return run("first")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"optimizer": "sgd", "learning_rate": 0.05, "schedule": "constant", "weight_average": 0.0},
        {"network": {"hidden": [64, 32]}},
    ],
)
def test_five_epochs_of_2_000_digits_are_learned_to_nine_in_ten(run, digits, tmp_path, change):
    folder = dataclasses.replace(run.other(**change), folder=tmp_path)("bar")
    valid = np.load(folder / "valid_probabilities.npy")
    assert accuracy_of(valid, digits[1][VALID]) > 0.90
    assert (valid.shape, valid.dtype) == ((500, 10), np.float32)


def test_without_hidden_layers_it_is_softmax_regression_which_learns_too(run, digits, tmp_path):
    folder = dataclasses.replace(run.other(network={"hidden": []}), folder=tmp_path)("regression")
    assert accuracy_of(np.load(folder / "valid_probabilities.npy"), digits[1][VALID]) > 0.87


@pytest.mark.parametrize(
    ("architecture", "network"), [("random_features", {"features": 500}), ("neighbours", {"candidates": 20})]
)
def test_models_that_take_no_steps_need_one_epoch(run, digits, tmp_path, architecture, network):
    run = dataclasses.replace(run, folder=tmp_path)
    run = run.other(
        architecture=architecture,
        module=architecture,
        network=network,
        epochs=1,
        test_shifts=1,
        augment=Augment(),
    )
    folder = run("solved")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["valid_accuracy"] > 0.95
    rows = read_rows(folder / "history.csv")
    assert [float(row["accuracy"]) > 0.95 for row in rows] == [True]
    images, settings = open_for_model(run.inputs["images"], folder / "metrics.json", folder / "model.npz")
    found, _ = numpy_predictor.apply(folder / "model.npz", images, settings)
    assert np.allclose(found[VALID], np.load(folder / "valid_probabilities.npy"), rtol=0, atol=1e-4)


def test_the_history_has_a_row_an_epoch_with_a_falling_loss_on_both_parts(trained):
    rows = read_rows(trained / "history.csv")
    assert len(rows) == 5
    for key in ("loss", "valid_loss"):
        losses = [float(row[key]) for row in rows]
        assert losses == sorted(losses, reverse=True)


def test_the_metrics_say_what_ran_where(trained, digits):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["framework"] == "numpy"
    assert metrics["device"].startswith("cpu: ")
    assert metrics["threads"] == 1
    assert set(metrics["versions"]) > {"python", "numpy"}  # and the BLAS library
    seen = (trained.parent / name for name in ("images", "train.lst", "valid.lst"))
    assert metrics["data"] == {path.name: sha256(path) for path in seen}
    assert metrics["parameters"] == 784 * 64 + 64 + 64 * 10 + 10
    rows = np.load(trained / "valid_probabilities.npy")
    assert metrics["valid_accuracy"] == accuracy_of(rows, digits[1][VALID])


def test_the_saved_model_gives_the_probabilities_that_were_written(trained, digits):
    network = numpy_mlp.load(trained / "model.npz")
    views = [network.predict(view) for view in shifted(digits[0][VALID], 5)]
    assert np.array_equal(np.mean(views, axis=0), np.load(trained / "valid_probabilities.npy"))


def test_a_saved_model_is_applied_to_any_images_with_the_settings_of_its_training(run, trained):
    model = trained / "model.npz"
    images, settings = open_for_model(run.inputs["images"], trained / "metrics.json", model)
    assert settings == SETTINGS
    rows, device = numpy_predictor.apply(model, images, settings)
    assert device.startswith("cpu: ")
    assert rows.shape == (2500, 10)
    # On some CPUs a product's last bits depend on which other images are in the block.
    assert np.allclose(rows[VALID], np.load(trained / "valid_probabilities.npy"), rtol=0, atol=1e-6)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(run, trained):
    name = "valid_probabilities.npy"
    assert (run("again") / name).read_bytes() == (trained / name).read_bytes()
    assert (run("other", seed=1) / name).read_bytes() != (trained / name).read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"checkpoint_steps": 3},  # of 10
        {"optimizer": "sgd", "learning_rate": 0.05, "schedule": "plateau",
         "schedule_options": {"factor": 0.5, "patience": 1}},
        {"architecture": "seed_search", "module": "baseline", "network": {}},
        {"architecture": "random_features", "module": "random_features", "network": {"features": 100}},
        {"architecture": "neighbours", "module": "neighbours", "network": {"candidates": 5}},
    ],
)  # fmt: skip
def test_a_killed_training_resumes_to_the_same_bytes(run, tmp_path, monkeypatch, change, caplog):
    run = dataclasses.replace(run.other(**change, train_rows=500), folder=tmp_path)
    save = Checkpoint.save

    def save_and_die(self, arrays, history):
        save(self, arrays, history)
        raise Killed

    whole = run("whole")
    caplog.set_level(logging.INFO, "digitflow")
    monkeypatch.setattr(Checkpoint, "save", save_and_die)
    saves = run.settings.epochs * (4 if run.settings.checkpoint_steps else 1) - 1
    for _ in range(saves):
        with pytest.raises(Killed):
            run("killed")
    said = [line for line in caplog.messages if line.startswith("epoch ")]
    caplog.clear()
    resumed = run("killed")  # the last epoch ends without a checkpoint
    again = [line.partition("before the interruption: ")[2] for line in caplog.messages]
    assert [line for line in again if line] == [line.rpartition(", ")[0] for line in said[-1:]]
    for name in ("valid_probabilities.npy", "model.npz"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()
    assert not (resumed / "checkpoint.npz").exists()
    assert len((resumed / "history.csv").read_text().splitlines()) == 1 + run.settings.epochs


def test_a_training_without_a_lower_loss_stops_early_and_a_poor_one_is_pruned(run, tmp_path):
    run = dataclasses.replace(run, folder=tmp_path).other(epochs=30, train_rows=100, schedule="constant")
    early = json.loads((run.other(patience=2, learning_rate=0.1)("early") / "metrics.json").read_text())
    assert early["status"] == "stopped early"
    assert early["epochs"] < 30
    pruned = run.other(prune=Prune(epoch=2, accuracy=0.99))("pruned")
    assert json.loads((pruned / "metrics.json").read_text())["status"] == "pruned"


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_training_with_patience_saves_the_weights_of_its_best_epoch(run, digits, tmp_path, average):
    changes = {"patience": 3, "learning_rate": 0.02, "weight_average": average, "test_shifts": 1}
    run = dataclasses.replace(run, folder=tmp_path).other(
        epochs=40, train_rows=300, schedule="constant", **changes
    )
    folder = run("early")
    metrics = json.loads((folder / "metrics.json").read_text())
    losses = [row["valid_loss"] for row in read_history(folder / "history.csv")]
    assert metrics["status"] == "stopped early"
    assert metrics["best_epoch"] == np.argmin(losses) + 1 == len(losses) - 3
    targets = one_hot(digits[1][VALID], 10, SETTINGS.label_smoothing)
    found = cross_entropy(numpy_mlp.load(folder / "model.npz").predict(digits[0][VALID]), targets)
    assert found == pytest.approx(min(losses), rel=1e-4)
    assert found < 0.999 * losses[-1]
    predicted = cross_entropy(np.load(folder / "valid_probabilities.npy"), targets)
    assert predicted == pytest.approx(found, rel=1e-5)


def test_a_killed_training_with_patience_keeps_its_best_weights_through_the_interruption(
    run, tmp_path, monkeypatch
):
    changes = {"patience": 3, "learning_rate": 0.02, "train_rows": 300, "schedule": "constant"}
    run = dataclasses.replace(run, folder=tmp_path).other(epochs=40, **changes)
    whole = run("whole")
    last = len(read_history(whole / "history.csv"))
    save = Checkpoint.save

    def save_and_die_after_the_best(self, arrays, history):
        save(self, arrays, history)
        if len(history.rows) == last - 1:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Checkpoint, "save", save_and_die_after_the_best)
        run("killed")
    assert (run("killed") / "model.npz").read_bytes() == (whole / "model.npz").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"architecture": "random_guess", "module": "baseline", "network": {}},
        {"architecture": "neighbours", "module": "neighbours", "network": {"candidates": 5}},
    ],
)
def test_without_validation_rows_a_training_goes_all_its_epochs_and_claims_nothing(run, tmp_path, change):
    inputs = run.inputs | {"valid_lst": run.inputs["valid_lst"].with_name("nobody.lst")}
    folder = Run(inputs, run.settings, tmp_path).other(train_rows=500, **change)("all rows")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["valid_images"], metrics["valid_accuracy"]) == (0, None)
    assert (metrics["status"], metrics["epochs"]) == ("finished", SETTINGS.epochs)
    assert read_probabilities(folder / "valid_probabilities.npy").shape == (0, 10)
    assert all(np.isnan(row["valid_loss"]) for row in read_history(folder / "history.csv"))


def test_a_training_that_diverges_is_an_error_or_where_asked_for_a_result(run, tmp_path, recwarn):
    run = dataclasses.replace(run, folder=tmp_path).other(optimizer="sgd", learning_rate=1e30)
    with pytest.raises(DigitflowError, match="it diverged; lower learning_rate"):
        run("error")
    kept = run.other(keep_failures=True)("kept")
    assert json.loads((kept / "metrics.json").read_text())["status"] == "diverged"
    assert not recwarn.list


def test_each_image_is_seen_once_an_epoch_in_another_order(digits):
    images, targets = digits[0][:96], np.arange(96)
    plain = dataclasses.replace(SETTINGS, batch_size=32, augment=Augment())
    batches = Batches(images, np.arange(96), targets, plain, seed=0)
    epochs = [[batches[3 * epoch + step] for step in range(3)] for epoch in (0, 1)]
    for epoch in epochs:
        assert [len(batch) for batch, _ in epoch] == [32, 32, 32]
        assert sorted(np.concatenate([chosen for _, chosen in epoch])) == list(range(96))
        for batch, chosen in epoch:
            assert np.array_equal(batch, images[chosen])
    assert not np.array_equal(epochs[0][0][1], epochs[1][0][1])


def steps(optimizer, gradients, rate=0.1):
    """The parameter 1.0 after a step for each gradient."""
    parameters, found = np.ones(1), []
    for number, gradient in enumerate(gradients, 1):
        optimizer.step(parameters, np.array([gradient], float), rate, number)
        found.append(parameters[0])
    return found


def test_plain_descent_goes_the_rate_times_the_gradient():
    assert steps(training.SGD(np.ones(1), momentum=0), [1, 2]) == pytest.approx([0.9, 0.7])


def test_momentum_goes_on_with_nine_tenths_of_the_last_step():
    # v = -0.1, then -0.09 - 0.2 = -0.29
    assert steps(training.SGD(np.ones(1), nesterov=False), [1, 2]) == pytest.approx([0.9, 0.61])


def test_nesterovs_momentum_looks_a_step_ahead():
    # w = 1 + 0.9 * -0.1 - 0.1, then 0.81 + 0.9 * -0.29 - 0.2
    assert steps(training.SGD(np.ones(1)), [1, 2]) == pytest.approx([0.81, 0.349])


def test_adams_first_step_is_the_rate_and_the_second_as_by_hand():
    # m = 0.1 * 2 + 0.9 * 0.1 * 1 = 0.29 and v = 0.001 * 4 + 0.999 * 0.001 = 0.004999, both bias-corrected
    second = 0.1 * (0.29 / 0.19) / np.sqrt(0.004999 / 0.001999)
    found = steps(training.Adam(np.ones(1), epsilon=0), [1, 2])
    assert found == pytest.approx([0.9, 0.9 - second])


@pytest.mark.parametrize("kind", [training.SGD, training.Adam])
def test_a_vector_longer_than_a_block_is_updated_everywhere_alike(kind):
    count = 2 * training.BLOCK + 5
    parameters = np.ones(count, np.float32)
    optimizer = kind(parameters)
    for number in (1, 2):
        optimizer.step(parameters, np.full(count, 0.5, np.float32), 0.1, number)
    assert len(set(parameters.tolist())) == 1
    assert parameters[0] < 0.9


@pytest.mark.parametrize("kind", [training.SGD, training.Adam])
def test_what_decays_is_0_before_it_is_subnormal(kind):
    parameters = np.ones(1, np.float32)
    optimizer = kind(parameters)
    (decaying, *_) = optimizer.state.values()
    for number in range(1, 2001):
        optimizer.step(parameters, np.full(1, float(number == 1), np.float32), 0.1, number)
        assert decaying == 0 or abs(decaying) >= np.finfo(np.float32).tiny
    assert decaying == 0


def test_weight_decay_takes_its_part_of_the_weights_and_none_of_the_biases(digits):
    def weights(decay):
        settings = dataclasses.replace(
            SETTINGS, optimizer="sgd", optimizer_options={"momentum": 0}, learning_rate=0.1, epochs=1,
            schedule="constant", weight_decay=decay, weight_average=0.0,
        )  # fmt: skip
        network = numpy_mlp.mlp((28, 28), 10, [8])
        rows, nobody = np.arange(50), np.arange(0)  # one step
        data = Data(digits[0], (rows, digits[1][rows]), (nobody, nobody))
        learner = training.GradientLearner(network, data, settings, seed=0)
        start = [weight.copy() for weight, _ in network.layers]
        learner.learn(0, 1)
        return start, network.layers

    (start, without), (_, decayed) = weights(0.0), weights(0.5)
    for before, (weight, bias), (smaller, same) in zip(start, without, decayed, strict=True):
        np.testing.assert_allclose(weight - smaller, 0.1 * 0.5 * before, atol=1e-7)
        np.testing.assert_array_equal(bias, same)


def test_an_option_that_a_network_does_not_have_is_refused_with_those_that_it_has(run):
    with pytest.raises(ConfigError, match="network: mlp does not take 'units'; its options are hidden"):
        run.other(network={"units": 3})("unknown")


def test_the_options_of_the_optimizers_that_are_known_before_the_first_job_are_those_of_numpy():
    taken = {
        name: {*signature(kind).parameters} - {"parameters"} for name, kind in training.OPTIMIZERS.items()
    }
    assert taken == OPTIMIZER_OPTIONS["numpy"]
