"""The outline of a training, with the least that a framework can bring: a learner that counts its epochs."""

import json

import numpy as np
import pytest

from digitflow.training.course import Learner, carry_out
from digitflow.training.job import Job
from digitflow.training.settings import Settings

LABELS = np.array([0, 1, 1, 0])


class Counter(Learner):
    """Its accuracy on the validation rows rises with the epochs."""

    parameters = 1

    def __init__(self, settings):
        super().__init__(settings, (2, 2), 8, LABELS, per_epoch=1)
        self.count = np.zeros(1, int)

    def epoch(self, epoch):
        assert epoch == self.count
        self.count += 1
        return 1 / self.count.item(), 0.5

    def predict(self, shifts=1):
        right = np.arange(4) < self.count
        return np.eye(2)[np.where(right, LABELS, 1 - LABELS)].astype(np.float32)

    def state(self):
        return {"count": self.count}

    def restore(self, arrays, epochs):
        assert arrays["count"] == epochs
        self.count[...] = arrays["count"]

    def save(self, path):
        path.write_text(f"{self.count.item()} epochs")


class Killed(BaseException):
    """What ends a training in its epoch here."""


class Mortal(Counter):
    def epoch(self, epoch):
        if epoch == 2:
            raise Killed
        return super().epoch(epoch)


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
    assert (tmp_path / "model").read_text() == "4 epochs"
    assert not (tmp_path / "checkpoint.npz").exists()
    metrics = json.loads(job.metrics.read_text())
    assert (metrics["framework"], metrics["device"], metrics["epochs"]) == ("counted", "none", 4)
    assert (metrics["train_images"], metrics["valid_images"], metrics["valid_accuracy"]) == (8, 4, 1.0)
    assert set(metrics["sha256"]) == {"model", "history.csv", "valid_probabilities.npy"}
    assert (metrics["image_shape"], set(metrics["data"])) == ([2, 2], {"data"})
    accuracies = [line.split(",")[4] for line in job.history.read_text().splitlines()[1:]]
    assert accuracies == ["0.25", "0.5", "0.75", "1"]
