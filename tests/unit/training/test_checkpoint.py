"""The state of an unfinished training: kept to the last bit, and used by that training alone."""

import numpy as np
import pytest

from digitflow.training.checkpoint import Checkpoint, fingerprint
from digitflow.training.history import History
from digitflow.training.settings import Settings

SETTINGS = Settings("lenet", "keras_cnn", epochs=9, batch_size=64, learning_rate=0.01)


@pytest.fixture
def kept(tmp_path):
    """A checkpoint of three numbers after two epochs and seven steps."""
    history = History(SETTINGS)
    for loss in (3.0, 1 / 3):
        history.add(0.5, 0.8, loss, 0.8, 0.01)
    history.add_steps(7, 1 / 3, 0.8)
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz", "this training")
    checkpoint.save({"weights": np.arange(3)}, history)
    return checkpoint


def test_a_checkpoint_gives_back_arrays_and_epochs_to_the_last_bit(kept):
    arrays, rows, begun = kept.load()
    assert list(arrays) == ["weights"]
    assert np.array_equal(arrays["weights"], np.arange(3))
    assert [row["valid_loss"] for row in rows] == [3.0, 1 / 3]
    assert begun[:3] == (7, 7 * (1 / 3), 7 * 0.8)


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


def test_a_checkpoint_of_arrays_with_other_names_is_not_used(kept):
    with np.load(kept.path) as file:
        np.savez(kept.path, stored=file["stored"], wdights=file["weights"])  # a flipped bit
    assert kept.load() is None


def test_every_flipped_byte_of_a_checkpoint_is_noticed_or_harmless(kept):
    whole = kept.path.read_bytes()
    arrays, *history = kept.load()
    for at in range(0, len(whole), 7):
        kept.path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        loaded = kept.load()
        if loaded is not None:  # the checksums of the zip archive cover all but some of its own fields
            assert loaded[1:] == tuple(history)
            assert np.array_equal(loaded[0]["weights"], arrays["weights"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settings", Settings("lenet", "keras_cnn", epochs=8, batch_size=64, learning_rate=0.01)),
        ("seed", 1),
        ("classes", 11),
        ("machine", {"threads": 1, "precision": "float32"}),
        ("machine", {"threads": 2, "precision": "bfloat16"}),
        ("inputs", {"images": "another digest"}),
        ("code", "another digest"),
    ],
)
def test_the_fingerprint_changes_with_all_that_a_training_depends_on(name, value):
    same = {
        "settings": SETTINGS,
        "seed": 0,
        "classes": 10,
        "machine": {"threads": 2, "precision": "float32"},
        "inputs": {"images": "a"},
        "code": "b",
    }
    assert fingerprint(**same) == fingerprint(**same)
    assert fingerprint(**same | {name: value}) != fingerprint(**same)
