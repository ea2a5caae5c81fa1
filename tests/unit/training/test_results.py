"""What both frameworks' trainings share: settings, records of the epochs, softmax rows, shifted views."""

import csv
import json

import numpy as np
import pytest

from digitflow.base.checksums import check_digests
from digitflow.base.errors import ConfigError, DigitflowError, FormatError
from digitflow.formats.probabilities import check_probabilities, write_probabilities
from digitflow.training.checkpoint import Checkpoint, circumstances
from digitflow.training.data import shifted
from digitflow.training.history import History, accuracy_of
from digitflow.training.results import Outputs, write_results
from digitflow.training.settings import Augment, Settings

SETTINGS = {"architecture": "lenet", "epochs": 2, "batch_size": 64, "learning_rate": 0.01}


def settings(**values):
    return Settings.from_json(json.dumps({**SETTINGS, **values}))


def test_settings_that_are_left_out_are_off():
    found = settings()
    assert (found.weight_decay, found.label_smoothing, found.weight_average, found.test_shifts) == (
        0,
        0,
        0,
        1,
    )
    assert found.augment == Augment(rotate=0, zoom=0, shift=0, shear=0)


def test_settings_become_the_same_json_again():
    found = settings(augment={"rotate": 10}, schedule="cosine")
    assert Settings.from_json(json.dumps(found.as_dict())) == found


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "settings: 'epoch' is not a key; the keys are architecture, epochs,"),
        (
            {"augment": {"rotation": 3}},
            r"settings\.augment: 'rotation' is not a key; the keys are rotate, zoom,",
        ),
        ({"augment": 3}, r"settings\.augment: expected an object, found 3"),
    ],
)
def test_an_unknown_key_is_refused_with_those_that_exist(values, message):
    with pytest.raises(ConfigError, match=message):
        settings(**values)


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match="the key 'epochs' is missing"):
        Settings.from_json('{"architecture": "lenet"}')


def test_settings_that_are_not_json_are_refused():
    with pytest.raises(ConfigError, match="settings: not JSON"):
        Settings.from_json("{architecture}")


def test_history_has_a_row_and_a_log_line_an_epoch(tmp_path, caplog):
    caplog.set_level("INFO", logger="digitflow")
    history = History(settings(epochs=3))
    history.add(0.5, 0.875, 0.4, 0.9, 0.01)
    history.add(0.25, 0.9, 0.3, 0.95, 0.0)
    history.write(tmp_path / "history.csv")
    rows = list(csv.DictReader((tmp_path / "history.csv").open()))
    assert list(rows[0]) == list(History.FIELDS)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[1]["valid_accuracy"] == "0.95"
    assert caplog.messages[0].startswith(
        "epoch 1/3: loss 0.5000, accuracy 0.8750, validation accuracy 0.9000, 0.0 s, "
    )


def test_a_loss_that_is_not_finite_ends_the_training():
    with pytest.raises(DigitflowError, match=r"loss is nan, .* after epoch 1 of 3: .* lower learning_rate"):
        History(settings(epochs=3)).add(float("nan"), 0.1, 0.1, 0.1, 1.0)


def test_probabilities_are_written_as_float32_rows(tmp_path):
    rows = np.array([[0.25, 0.75], [1.0, 0.0]])
    write_probabilities(tmp_path / "rows.npy", rows)
    found = np.load(tmp_path / "rows.npy", allow_pickle=False)
    assert found.dtype == np.float32
    assert np.array_equal(found, rows)


def test_a_validation_loss_that_is_not_finite_ends_the_training_too():
    with pytest.raises(DigitflowError, match="it diverged"):
        History(settings(epochs=3)).add(0.5, 0.1, float("inf"), 0.1, 1.0)


@pytest.mark.parametrize("bad", [[0.5, 0.6], [1.5, -0.5], [np.nan, 1.0]])
def test_a_row_that_is_no_distribution_is_named_and_nothing_is_written(tmp_path, bad):
    with pytest.raises(FormatError, match="row 2 is not a softmax row"):
        write_probabilities(tmp_path / "rows.npy", np.array([[0.5, 0.5], bad]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", [np.ones(3), np.ones((3, 1), int)])
def test_other_arrays_are_no_probabilities(bad):
    with pytest.raises(FormatError, match=r"expected float rows \(n, classes\)"):
        check_probabilities(bad, "there")


def test_accuracy_is_the_part_of_rows_whose_largest_value_is_at_the_label():
    assert accuracy_of(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])) == pytest.approx(
        2 / 3
    )


@pytest.mark.parametrize("lead", [(2,), (2, 1)])
def test_shifted_views_are_the_images_and_their_neighbours_by_a_pixel(lead):
    images = np.arange(1, 13, dtype=np.uint8).reshape(2, 2, 3).reshape(*lead, 2, 3)
    views = list(shifted(images, 9))
    assert np.array_equal(views[0], images)
    assert views[1][0].ravel().tolist() == [4, 5, 6, 0, 0, 0]  # up
    assert views[4][0].ravel().tolist() == [0, 1, 2, 0, 4, 5]  # right
    assert views[8][0].ravel().tolist() == [0, 0, 0, 0, 1, 2]  # down and right
    assert len({view.tobytes() for view in views}) == 9


@pytest.mark.parametrize("count", [1, 5, 9])
def test_as_many_views_as_asked_for(count):
    assert len(list(shifted(np.zeros((1, 4, 4), np.uint8), count))) == count


# Ending early


def history(valid_losses, **values):
    found = History(settings(epochs=9, **values))
    for loss in valid_losses:
        found.add(0.5, 0.8, loss, 0.8, 0.01)
    return found


def test_patience_ends_a_training_whose_validation_loss_no_longer_falls():
    assert not history([3, 2, 2.5], patience=2).over
    found = history([3, 2, 2.5, 2.1], patience=2)
    assert found.over
    assert found.status == "stopped early"


def test_a_training_far_behind_is_pruned_at_its_epoch_and_not_before():
    prune = {"epoch": 2, "accuracy": 0.9}
    assert not history([3], prune=prune).over
    assert history([3, 2], prune=prune).status == "pruned"
    assert not history([3, 2], prune=prune | {"accuracy": 0.8}).over


def test_a_training_that_reaches_its_last_epoch_is_finished_however_it_did():
    assert history([3] * 9, patience=8).status == "finished"
    assert history([3] * 9, prune={"epoch": 9, "accuracy": 0.9}).status == "finished"


def test_a_diverged_training_is_a_result_where_failures_are_kept():
    found = History(settings(epochs=3, keep_failures=True))
    found.add(float("nan"), 0.1, float("nan"), 0.1, 1.0)
    assert found.over
    assert found.status == "diverged"


def test_what_a_diverged_training_predicts_is_every_class_alike(tmp_path):
    found = History(settings(epochs=3, keep_failures=True))
    found.add(float("nan"), 0.1, float("nan"), 0.1, 1.0)
    names = ("history.csv", "metrics.json", "valid.npy", "test.npy")
    outputs = Outputs(*(tmp_path / name for name in names))
    lost = np.full((3, 4), np.nan, np.float32)
    write_results(
        outputs,
        found,
        lost,
        lost,
        np.zeros(3, int),
        model_files=[],
        framework="x",
        seed=0,
        settings=found.settings,
    )
    assert np.array_equal(np.load(tmp_path / "test.npy"), np.full((3, 4), 0.25, np.float32))
    assert json.loads((tmp_path / "metrics.json").read_text())["status"] == "diverged"


@pytest.mark.parametrize("name", ["model.bin", "valid.npy", "test.npy"])
def test_any_flipped_bit_of_what_a_training_left_is_found(tmp_path, name):
    model = tmp_path / "model.bin"
    model.write_bytes(b"weights")
    found = history([3])
    rows = np.full((3, 4), 0.25, np.float32)
    files = ("history.csv", "metrics.json", "valid.npy", "test.npy")
    outputs = Outputs(*(tmp_path / file for file in files))
    write_results(
        outputs,
        found,
        rows,
        rows,
        np.zeros(3, int),
        model_files=[model],
        framework="x",
        seed=0,
        settings=found.settings,
    )
    check_digests(outputs.metrics)
    data = bytearray((tmp_path / name).read_bytes())
    data[-1] ^= 1  # of a probability the lowest bit
    (tmp_path / name).write_bytes(data)
    for names in ((), (name,)):
        with pytest.raises(FormatError, match=f"{name}: damaged: its SHA-256 is not the one in .*metrics"):
            check_digests(outputs.metrics, *names)


def test_a_restored_history_decides_as_the_one_that_was_interrupted():
    before = history([3, 2, 2.5], patience=2)
    after = History(before.settings, before.rows)
    assert not after.over
    after.add(0.5, 0.8, 2.1, 0.8, 0.01)
    assert after.status == "stopped early"
    assert [row["epoch"] for row in after.rows] == [1, 2, 3, 4]


# Checkpoints


@pytest.fixture
def kept(tmp_path):
    """A checkpoint of three numbers after two epochs."""
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz", "this training")
    checkpoint.save({"weights": np.arange(3)}, history([3.0, 1 / 3]))
    return checkpoint


def test_a_checkpoint_gives_back_arrays_and_epochs_to_the_last_bit(kept):
    arrays, rows = kept.load()
    assert list(arrays) == ["weights"]
    assert np.array_equal(arrays["weights"], np.arange(3))
    assert [row["valid_loss"] for row in rows] == [3.0, 1 / 3]


def test_without_a_checkpoint_a_training_starts_anew(kept):
    kept.remove()
    kept.remove()  # and again is no error
    assert kept.load() is None


def test_a_checkpoint_of_another_training_is_not_used(kept):
    assert Checkpoint(kept.path, "another training").load() is None


@pytest.mark.parametrize("damage", [lambda data: data[:-30], lambda data: b"", lambda data: bytes(len(data))])
def test_a_damaged_checkpoint_is_not_used(kept, damage):
    kept.path.write_bytes(damage(kept.path.read_bytes()))
    assert kept.load() is None


def test_every_flipped_byte_of_a_checkpoint_is_noticed_or_harmless(kept):
    whole = kept.path.read_bytes()
    arrays, rows = kept.load()
    for at in range(0, len(whole), 7):
        kept.path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        loaded = kept.load()
        if loaded is not None:  # the checksums of the zip archive cover all but some of its own fields
            assert loaded[1] == rows
            assert np.array_equal(loaded[0]["weights"], arrays["weights"])


@pytest.mark.parametrize("change", ["settings", "seed", "machine", "input"])
def test_circumstances_change_with_all_that_a_training_depends_on(tmp_path, change):
    path = tmp_path / "images"
    path.write_bytes(b"1")
    values = {"settings": settings(), "seed": 0, "machine": {"threads": 2}, "inputs": [path]}
    before = circumstances(**values)
    if change == "input":
        path.write_bytes(b"2")
    else:
        values[change] = {"settings": settings(epochs=9), "seed": 1, "machine": {"threads": 1}}[change]
    assert circumstances(**values) != before
