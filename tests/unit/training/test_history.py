"""What happens from epoch to epoch: rows, log lines, and when a training ends."""

import math

import numpy as np
import pytest
from tests.conftest import read_rows

from digitflow.base.errors import DigitflowError, FormatError
from digitflow.training.history import History, accuracy_of, read_history
from digitflow.training.settings import Settings

NAN = math.nan


def settings(**values):
    required = {"architecture": "x", "module": "x", "epochs": 9, "batch_size": 64, "learning_rate": 0.01}
    return Settings.from_dict(required | values)


def history(valid_losses, **values):
    found = History(settings(**values))
    for loss in valid_losses:
        found.add(0.5, 0.8, loss, 0.8, 0.01)
    return found


def without_validation(epochs, **values):
    found = History(settings(**values), validates=False)
    for _ in range(epochs):
        found.add(0.5, 0.875, NAN, NAN, 0.01)
    return found


def test_accuracy_is_the_part_of_rows_whose_largest_value_is_at_the_label():
    rows = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert accuracy_of(rows, np.array([0, 1, 1])) == pytest.approx(2 / 3)


def test_history_has_a_row_and_a_log_line_an_epoch(tmp_path, caplog):
    caplog.set_level("INFO", logger="digitflow")
    found = History(settings(epochs=3))
    found.add(0.5, 0.875, 0.4, 0.9, 0.01)
    found.add(0.25, 0.9, 0.3, 0.95, 0.0)
    found.write(tmp_path / "history.csv")
    rows = read_rows(tmp_path / "history.csv")
    assert list(rows[0]) == list(History.FIELDS)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[1]["valid_accuracy"] == "0.95"
    first, second = caplog.messages
    assert first.startswith("epoch 1/3: loss 0.5000, accuracy 0.8750, validation accuracy 0.9000, 0.0 s, ")
    assert second.startswith("epoch 2/3: ")


def test_a_history_is_read_as_numbers(tmp_path):
    history([3, 2]).write(tmp_path / "history.csv")
    rows = read_history(tmp_path / "history.csv")
    assert [(row["epoch"], row["valid_loss"]) for row in rows] == [(1, 3), (2, 2)]


@pytest.mark.parametrize("text", ["", "epoch,loss\n", "epoch,loss\n1,x\n", "epoch,loss\n1,2,3\n"])
def test_a_damaged_history_is_refused(tmp_path, text):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(FormatError, match=r"history\.csv: damaged: .*; delete it and run again"):
        read_history(tmp_path / "history.csv")


@pytest.mark.parametrize("losses", [(NAN, 0.1), (0.5, math.inf), (0.5, NAN)])
def test_a_loss_that_is_not_finite_in_either_part_ends_the_training(losses):
    with pytest.raises(DigitflowError, match=r"after epoch 1 of 9: it diverged; lower learning_rate"):
        History(settings()).add(losses[0], 0.1, losses[1], 0.1, 1.0)


def test_patience_ends_a_training_whose_validation_loss_no_longer_falls(caplog):
    caplog.set_level("INFO", logger="digitflow")
    assert not history([3, 2, 2.5], patience=2).over
    found = history([3, 2, 2.5, 2.1], patience=2)
    assert found.over
    assert found.status == "stopped early"
    assert caplog.messages[-1] == "stopped early after epoch 4 of 9"


def test_with_patience_the_weights_are_kept_after_each_epoch_that_is_the_best_so_far():
    found, kept = History(settings(patience=5)), []
    for loss in (3, 2, 2.5, 2, 1):
        found.add(0.5, 0.8, loss, 0.8, 0.01)
        kept.append(found.keeps)
    assert kept == [True, True, False, False, True]  # an equal loss is no better
    assert found.best_epoch == 5
    assert not history([3, 2]).keeps


def test_a_training_far_behind_is_pruned_at_its_epoch_and_not_before():
    prune = {"epoch": 2, "accuracy": 0.9}
    assert not history([3], prune=prune).over
    assert history([3, 2], prune=prune).status == "pruned"
    assert not history([3, 2], prune=prune | {"accuracy": 0.8}).over


def test_a_training_that_reaches_its_last_epoch_is_finished_however_it_did():
    assert history([3] * 9, patience=8).status == "finished"
    assert history([3] * 9, prune={"epoch": 9, "accuracy": 0.9}).status == "finished"


def test_a_diverged_training_is_a_result_where_failures_are_kept():
    found = History(settings(keep_failures=True))
    found.add(NAN, 0.1, NAN, 0.1, 1.0)
    assert found.over
    assert found.status == "diverged"


def test_without_validation_rows_nothing_ends_a_training_but_its_last_epoch():
    early = {"patience": 1, "prune": {"epoch": 2, "accuracy": 0.99}}
    assert not without_validation(8, **early).over
    found = without_validation(9, **early)
    assert (found.over, found.status) == (True, "finished")
    assert not found.keeps


def test_without_validation_rows_their_columns_are_empty_and_the_log_is_silent_on_them(tmp_path, caplog):
    caplog.set_level("INFO", logger="digitflow")
    without_validation(2).write(tmp_path / "history.csv")
    rows = read_rows(tmp_path / "history.csv")
    assert [(row["loss"], row["valid_loss"], row["valid_accuracy"]) for row in rows] == [("0.5", "", "")] * 2
    assert all(math.isnan(row["valid_loss"]) for row in read_history(tmp_path / "history.csv"))
    assert "validation" not in caplog.text


def test_a_training_that_diverges_is_noticed_without_validation_rows_too():
    with pytest.raises(DigitflowError, match="it diverged"):
        History(settings(), validates=False).add(NAN, 0.1, NAN, NAN, 1.0)


def test_a_restored_history_decides_as_the_one_that_was_interrupted():
    before = history([3, 2, 2.5], patience=2)
    after = History(before.settings, before.rows)
    assert not after.over
    after.add(0.5, 0.8, 2.1, 0.8, 0.01)
    assert after.status == "stopped early"
    assert [row["epoch"] for row in after.rows] == [1, 2, 3, 4]
