"""The outline of a training, with the least that a framework can bring: a learner that counts its steps."""

import dataclasses
import json
import logging
import re

import numpy as np
import pytest

from digitflow.training.checkpoint import Checkpoint
from digitflow.training.course import Job, Learner, carry_out, fit
from digitflow.training.history import Begun, History
from digitflow.training.settings import Settings

LABELS = np.array([0, 1, 1, 0])


class Counter(Learner):
    """Its accuracy on the validation rows rises with its epochs of five steps."""

    parameters = 1

    def __init__(self, settings):
        super().__init__(settings, (2, 2), 8, LABELS, per_epoch=5)
        self.count = np.zeros(1, int)

    def learn(self, first, last):
        assert first == self.count
        assert first // 5 == (last - 1) // 5
        self.count += last - first
        return 1 / last, first / 32

    def predict(self, shifts=1):
        right = np.arange(4) < self.count // 5
        return np.eye(2)[np.where(right, LABELS, 1 - LABELS)].astype(np.float32)

    def state(self):
        return {"count": self.count}

    def restore(self, arrays, steps):
        assert arrays["count"] == steps
        self.count[...] = arrays["count"]

    def save(self, path):
        path.write_text(f"{self.count.item()} steps")


class Killed(BaseException):
    """What ends a training in its third epoch here."""


class Mortal(Counter):
    def learn(self, first, last):
        if last > 12:
            raise Killed
        return super().learn(first, last)


@pytest.fixture
def job(tmp_path):
    settings = Settings("counter", "nowhere", epochs=4, batch_size=8, learning_rate=0.5, schedule="constant")
    (tmp_path / "data").write_text("images")
    names = ("history.csv", "metrics.json", "valid_probabilities.npy")
    return Job(settings, 0, 2, 1, "code", [tmp_path / "model"], *(tmp_path / name for name in names))


def test_a_framework_brings_a_learner_and_all_else_is_done_for_it(job, tmp_path):
    def train(kind):
        carry_out(job, "counted", {"device": "none"}, [tmp_path / "data"], lambda: kind(job.settings))

    with pytest.raises(Killed):
        train(Mortal)
    assert (tmp_path / "checkpoint.npz").exists()
    train(Counter)  # goes on with the third epoch
    assert (tmp_path / "model").read_text() == "20 steps"
    assert not (tmp_path / "checkpoint.npz").exists()
    metrics = json.loads(job.metrics.read_text())
    assert (metrics["framework"], metrics["device"], metrics["epochs"]) == ("counted", "none", 4)
    assert (metrics["train_images"], metrics["valid_images"], metrics["valid_accuracy"]) == (8, 4, 1.0)
    assert set(metrics["sha256"]) == {"model", "history.csv", "valid_probabilities.npy"}
    assert (metrics["image_shape"], set(metrics["data"])) == ([2, 2], {"data"})
    accuracies = [line.split(",")[4] for line in job.history.read_text().splitlines()[1:]]
    assert accuracies == ["0.25", "0.5", "0.75", "1"]


def test_checkpoints_within_an_epoch_change_no_figure_and_a_killed_training_goes_on_from_the_last(
    job, caplog
):
    caplog.set_level(logging.INFO, "digitflow")
    settings = dataclasses.replace(job.settings, checkpoint_steps=2)

    def rows(history):
        return [{name: row[name] for name in row if name != "seconds"} for row in history.rows]

    whole = fit(Counter(settings))
    assert whole.rows[1]["loss"] == pytest.approx((2 / 7 + 2 / 9 + 1 / 10) / 5)
    assert whole.rows[1]["accuracy"] == pytest.approx((2 * 5 + 2 * 7 + 9) / 32 / 5)
    checkpoint = Checkpoint(job.history.with_name("checkpoint.npz"), "this training")
    with pytest.raises(Killed):
        fit(Mortal(settings), checkpoint)
    assert checkpoint.load()[0]["count"] == 12
    assert rows(fit(Counter(settings), checkpoint)) == rows(whole)
    assert "going on after epoch 2 and 2 steps" in caplog.text


def test_the_history_has_the_learning_rate_of_the_last_step_of_each_epoch(job):
    settings = dataclasses.replace(job.settings, schedule="linear_decay", schedule_options={"epochs": 1})
    assert [row["learning_rate"] for row in fit(Counter(settings)).rows] == [0.5 / k for k in (1, 2, 3, 4)]


def test_the_time_of_an_epoch_includes_its_steps_before_an_interruption(job, caplog):
    caplog.set_level(logging.INFO, "digitflow")
    history = History(job.settings, begun=Begun(2, 1.0, 1.0, seconds=60.0))
    history.add_steps(3, 1.0, 0.5)
    history.add(0.8, 0.5, 0.5, 0.5, 0.1)
    assert 60 <= history.rows[0]["seconds"] < 120
    left = float(re.search(r"([0-9]+) s left", caplog.text)[1])
    assert left == pytest.approx(3 * history.rows[0]["seconds"], abs=1)  # of four epochs
    assert history.begun == Begun()
