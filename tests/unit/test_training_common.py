"""What both frameworks' trainings share: settings, records of the epochs, softmax rows, shifted views."""

import csv
import json

import numpy as np
import pytest

from digitflow.errors import ConfigError, DigitflowError, FormatError
from digitflow.training import common

SETTINGS = {"architecture": "lenet", "epochs": 2, "batch_size": 64, "learning_rate": 0.01}


def settings(**values):
    return common.Settings.from_json(json.dumps({**SETTINGS, **values}))


def test_settings_that_are_left_out_are_off():
    found = settings()
    assert (found.weight_decay, found.label_smoothing, found.weight_average, found.test_shifts) == (
        0,
        0,
        0,
        1,
    )
    assert found.augment == common.Augment(rotate=0, zoom=0, shift=0, shear=0)


def test_settings_become_the_same_json_again():
    found = settings(augment={"rotate": 10}, schedule="cosine")
    assert common.Settings.from_json(json.dumps(found.as_dict())) == found


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
        common.Settings.from_json('{"architecture": "lenet"}')


def test_settings_that_are_not_json_are_refused():
    with pytest.raises(ConfigError, match="settings: not JSON"):
        common.Settings.from_json("{architecture}")


def test_history_has_a_row_and_a_log_line_an_epoch(tmp_path, caplog):
    caplog.set_level("INFO", logger="digitflow")
    history = common.History(settings(epochs=3))
    history.add(0.5, 0.875, 0.4, 0.9, 0.01)
    history.add(0.25, 0.9, 0.3, 0.95, 0.0)
    history.write(tmp_path / "history.csv")
    rows = list(csv.DictReader((tmp_path / "history.csv").open()))
    assert list(rows[0]) == list(common.History.FIELDS)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[1]["valid_accuracy"] == "0.95"
    assert caplog.messages[0].startswith(
        "epoch 1/3: loss 0.5000, accuracy 0.8750, validation accuracy 0.9000, 0.0 s, "
    )


def test_a_loss_that_is_not_finite_ends_the_training():
    with pytest.raises(DigitflowError, match=r"the loss is nan after epoch 1 of 3: .* lower learning_rate"):
        common.History(settings(epochs=3)).add(float("nan"), 0.1, 0.1, 0.1, 1.0)


def test_probabilities_are_written_as_float32_rows(tmp_path):
    rows = np.array([[0.25, 0.75], [1.0, 0.0]])
    common.write_probabilities(tmp_path / "rows.npy", rows)
    found = np.load(tmp_path / "rows.npy", allow_pickle=False)
    assert found.dtype == np.float32
    assert np.array_equal(found, rows)


@pytest.mark.parametrize("bad", [[0.5, 0.6], [1.5, -0.5], [np.nan, 1.0]])
def test_a_row_that_is_no_distribution_is_named_and_nothing_is_written(tmp_path, bad):
    with pytest.raises(FormatError, match="row 2 is not a softmax row"):
        common.write_probabilities(tmp_path / "rows.npy", np.array([[0.5, 0.5], bad]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", [np.ones(3), np.ones((3, 1), int)])
def test_other_arrays_are_no_probabilities(bad):
    with pytest.raises(FormatError, match=r"expected float rows \(n, classes\)"):
        common.check_probabilities(bad, "there")


def test_accuracy_is_the_part_of_rows_whose_largest_value_is_at_the_label():
    assert common.accuracy(
        np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])
    ) == pytest.approx(2 / 3)


@pytest.mark.parametrize("lead", [(2,), (2, 1)])
def test_shifted_views_are_the_images_and_their_neighbours_by_a_pixel(lead):
    images = np.arange(1, 13, dtype=np.uint8).reshape(2, 2, 3).reshape(*lead, 2, 3)
    views = list(common.shifted(images, 9))
    assert np.array_equal(views[0], images)
    assert views[1][0].ravel().tolist() == [4, 5, 6, 0, 0, 0]  # up
    assert views[4][0].ravel().tolist() == [0, 1, 2, 0, 4, 5]  # right
    assert views[8][0].ravel().tolist() == [0, 0, 0, 0, 1, 2]  # down and right
    assert len({view.tobytes() for view in views}) == 9


@pytest.mark.parametrize("count", [1, 5, 9])
def test_as_many_views_as_asked_for(count):
    assert len(list(common.shifted(np.zeros((1, 4, 4), np.uint8), count))) == count
