"""What every training leaves beside its model, and how damage of it is found."""

import json

import numpy as np
import pytest

from digitflow.base.checksums import check_digests, sha256
from digitflow.base.errors import DigitflowError, FormatError, InputError
from digitflow.formats import idx
from digitflow.formats.probabilities import read_probabilities
from digitflow.training.course import Job, write_results
from digitflow.training.history import History
from digitflow.training.results import open_for_model, write_prediction
from digitflow.training.settings import Settings

SETTINGS = Settings("lenet", "keras_cnn", epochs=3, batch_size=64, learning_rate=0.01, keep_failures=True)
ROWS = np.full((3, 4), 0.25, np.float32)


def write(folder, rows=ROWS, loss=0.5, validates=True):
    """The results of a training of one epoch, and its model; returns its metrics."""
    folder.mkdir(exist_ok=True)
    history = History(SETTINGS, validates=validates)
    history.add(loss, 0.1, loss if validates else float("nan"), 0.1, 1.0)
    names = ("history.csv", "metrics.json", "valid_probabilities.npy")
    job = Job(SETTINGS, 0, 4, 1, "", [folder / "model.bin"], *(folder / name for name in names))
    (folder / "model.bin").write_bytes(b"weights")
    facts = {"framework": "x", "device": "cpu", "image_shape": (2, 3)}
    write_results(job, history, rows, np.zeros(len(rows), int), **facts)
    return json.loads(job.metrics.read_text())


def test_the_metrics_say_how_a_training_was_made_and_went(tmp_path):
    metrics = write(tmp_path)
    assert metrics["settings"] == SETTINGS.as_dict()
    assert (metrics["framework"], metrics["device"], metrics["seed"]) == ("x", "cpu", 0)
    assert (metrics["valid_images"], metrics["valid_accuracy"]) == (3, 1.0)
    assert (metrics["status"], metrics["epochs"], metrics["best_epoch"]) == ("finished", 1, None)
    assert metrics["precision"] == "float32"
    assert metrics["looked_at_validation"] is False
    assert set(metrics["sha256"]) == {"model.bin", "history.csv", "valid_probabilities.npy"}


def test_without_validation_rows_the_accuracy_is_not_known(tmp_path):
    metrics = write(tmp_path, np.zeros((0, 4), np.float32), validates=False)
    assert (metrics["valid_images"], metrics["valid_accuracy"]) == (0, None)
    assert read_probabilities(tmp_path / "valid_probabilities.npy").shape == (0, 4)


def test_what_a_diverged_training_predicts_is_every_class_alike(tmp_path):
    metrics = write(tmp_path, np.full((3, 4), np.nan, np.float32), loss=float("nan"))
    assert metrics["status"] == "diverged"
    assert np.array_equal(np.load(tmp_path / "valid_probabilities.npy"), ROWS)
    files = tmp_path / "metrics.json", [tmp_path / "model.bin"], tmp_path / "model.bin"
    nothing = np.full((3, 4), np.nan, np.float32)
    write_prediction(tmp_path / "test.npy", tmp_path / "test.json", nothing, *files, "cpu")
    assert np.array_equal(read_probabilities(tmp_path / "test.npy"), ROWS)


def test_a_model_whose_last_step_diverged_without_validation_rows_predicts_nothing_and_says_why(tmp_path):
    write(tmp_path, np.zeros((0, 4), np.float32), validates=False)
    files = tmp_path / "metrics.json", [tmp_path / "model.bin"], tmp_path / "model.bin"
    nothing = np.full((3, 4), np.nan, np.float32)
    with pytest.raises(DigitflowError, match=r"model\.bin: .* its training diverged; lower learning_rate"):
        write_prediction(tmp_path / "test.npy", tmp_path / "test.json", nothing, *files, "cpu")


@pytest.mark.parametrize("name", ["model.bin", "history.csv", "valid_probabilities.npy"])
def test_a_flipped_bit_of_what_a_training_left_is_found(tmp_path, name):
    write(tmp_path)
    check_digests(tmp_path / "metrics.json")
    data = bytearray((tmp_path / name).read_bytes())
    data[-1] ^= 1  # of a probability the lowest bit
    (tmp_path / name).write_bytes(data)
    for names in ((), (name,)):
        with pytest.raises(FormatError, match=f"{name}: damaged: its SHA-256 is not the one in .*metrics"):
            check_digests(tmp_path / "metrics.json", *names)


def test_images_are_opened_for_a_saved_model_unless_it_is_damaged(tmp_path):
    write(tmp_path)
    idx.write(tmp_path / "images", np.ones((4, 2, 3), np.uint8))
    files = tmp_path / "images", tmp_path / "metrics.json", tmp_path / "model.bin"
    images, settings = open_for_model(*files)
    assert (images.shape, settings) == ((4, 2, 3), SETTINGS)
    (tmp_path / "model.bin").write_bytes(b"waits")
    with pytest.raises(FormatError, match=r"model\.bin: damaged: its SHA-256 is not the one"):
        open_for_model(*files)


@pytest.mark.parametrize(("shape", "found"), [((4, 3, 2), "3 x 2"), ((4, 2, 3, 3), "2 x 3 x 3")])
def test_images_that_a_model_did_not_learn_from_are_refused_by_their_size(tmp_path, shape, found):
    write(tmp_path)
    idx.write(tmp_path / "images", np.ones(shape, np.uint8))
    with pytest.raises(
        InputError, match=rf"images: images of {found} pixels, but .*model\.bin learned from 2 x 3: all"
    ):
        open_for_model(tmp_path / "images", tmp_path / "metrics.json", tmp_path / "model.bin")


@pytest.mark.parametrize(
    "change",
    [
        lambda metrics: metrics.pop("settings"),
        lambda metrics: metrics["settings"].pop("module"),
        lambda metrics: metrics.pop("image_shape"),
        lambda metrics: metrics.update(image_shape=None),
    ],
)
def test_metrics_of_another_version_are_refused_with_the_way_on(tmp_path, change):
    metrics = write(tmp_path)
    change(metrics)
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(FormatError, match=r"metrics\.json: .*another version.*; delete it and run again"):
        open_for_model(tmp_path / "images", tmp_path / "metrics.json")


def test_a_prediction_says_what_it_was_made_from_and_is_checked_when_read(tmp_path):
    for name in ("model.bin", "images"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "metrics.json").write_text('{"status": "finished"}')
    rows, facts = tmp_path / "test_probabilities.npy", tmp_path / "test_prediction.json"
    files = tmp_path / "metrics.json", [tmp_path / "model.bin"], tmp_path / "images"
    write_prediction(rows, facts, ROWS, *files, "cpu: fast")
    found = json.loads(facts.read_text())
    assert found["device"] == "cpu: fast"
    assert found["made_from"] == {name: sha256(tmp_path / name) for name in ("model.bin", "images")}
    assert np.array_equal(read_probabilities(rows, 3), ROWS)
    data = bytearray(rows.read_bytes())
    data[-1] ^= 1
    rows.write_bytes(data)
    with pytest.raises(FormatError, match=r"test_probabilities\.npy: damaged: its SHA-256"):
        read_probabilities(rows, 3)
