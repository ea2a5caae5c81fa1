"""Real trainings that come back from a store: what was made from the same does, and nothing else."""

import dataclasses
import logging

import numpy as np
import pytest
from tests.training_files import write_training_files

from digitflow.competing.store import Kept
from digitflow.training import device, numpy_trainer
from digitflow.training.course import Job
from digitflow.training.settings import Settings

SETTINGS = Settings("mlp", "numpy_mlp", epochs=1, batch_size=50, learning_rate=0.01, network={"hidden": []})
NAMES = ("history.csv", "metrics.json", "valid_probabilities.npy", "model.npz")


@dataclasses.dataclass
class Project:
    """A folder with images and lists, and a store beside it."""

    folder: object
    images: np.ndarray
    labels: np.ndarray
    caplog: pytest.LogCaptureFixture

    def write(self) -> None:
        write_training_files(self.folder, self.images, self.labels, train_rows=200)

    def train(self, name: str = "seed0", store: str = "store", **changes) -> str:
        """Train with a store; return what came of it, "trained" or "brought back"."""
        files = [self.folder / name / file for file in NAMES]
        given = {"classes": 10, "settings": SETTINGS, "seed": 0, "code": "abc", "threads": 1} | changes
        before = len(self.caplog.records)
        places = dict(zip(("history", "metrics", "valid_probabilities"), files, strict=False))
        job = Job(**given, **places, model_files=files[3:], store=Kept(self.folder / store, files))
        numpy_trainer.train(*(self.folder / name for name in ("images", "train.lst", "valid.lst")), job)
        lines = [record.getMessage() for record in self.caplog.records[before:]]
        return "brought back" if any("brought back from" in line for line in lines) else "trained"


@pytest.fixture
def project(digits, tmp_path, caplog):
    caplog.set_level(logging.INFO, "digitflow")
    found = Project(tmp_path, digits[0][:300].copy(), digits[1][:300].astype(np.int64), caplog)
    found.write()
    return found


def test_a_training_made_before_comes_back_byte_for_byte_wherever_it_goes(project):
    assert project.train() == "trained"
    assert project.train("elsewhere") == "brought back"
    for name in NAMES:
        one, two = (project.folder / folder / name for folder in ("seed0", "elsewhere"))
        assert one.read_bytes() == two.read_bytes()


def test_there_and_back_trains_twice(project):
    other = dataclasses.replace(SETTINGS, epochs=2)
    assert [project.train(settings=one) for one in (SETTINGS, other, SETTINGS)] == [
        *("trained", "trained", "brought back")
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"code": "abd"},
        {"classes": 11},
        {"threads": 2},
        {"settings": dataclasses.replace(SETTINGS, learning_rate=0.02)},
    ],
)
def test_another_parameter_is_another_training(project, change):
    project.train()
    assert project.train(**change) == "trained"


@pytest.mark.parametrize("place", ["image", "label to learn", "label to validate"])
def test_another_pixel_or_label_is_another_training(project, place):
    project.train()
    if place == "image":
        project.images[0, 0, 0] ^= 1
    else:
        row = 0 if place == "label to learn" else 299
        project.labels[row] = (project.labels[row] + 1) % 10
    project.write()
    assert project.train() == "trained"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("flags", ["another"]),
        ("gpus", ["another"]),
        ("opencv", "another"),
        *(("variables", device.GIVEN | {name: "another"}) for name in device.VARIABLES),
    ],
)
def test_other_surroundings_are_another_training(project, monkeypatch, key, value):
    project.train()
    others = device.surroundings() | {key: value}
    monkeypatch.setattr(device, "surroundings", lambda: others)
    assert project.train() == "trained"
    assert project.train() == "brought back"


@pytest.mark.parametrize("name", ["cpu_name", "numpy"])
def test_another_cpu_or_version_is_another_training(project, monkeypatch, name):
    project.train()
    if name == "numpy":
        versions = numpy_trainer._versions() | {"numpy": "0"}
        monkeypatch.setattr(numpy_trainer, "_versions", lambda: versions)
    else:
        monkeypatch.setattr(device, "cpu_name", lambda: "Abacus 9")
    assert project.train() == "trained"


def test_a_flipped_bit_in_the_store_is_found_and_the_entry_made_again(project, caplog):
    project.train()
    (kept,) = (project.folder / "store").glob("*/model.npz")
    kept.write_bytes(b"\0" + kept.read_bytes()[1:])
    assert project.train() == "trained"
    assert "model.npz damaged" in caplog.text
    assert project.train() == "brought back"


def test_what_was_made_stands_where_the_store_cannot_be_written(project, caplog):
    (project.folder / "a file").write_text("")
    assert project.train(store="a file") == "trained"
    assert (project.folder / "seed0/model.npz").exists()
    assert "warning: not kept: " in caplog.text
