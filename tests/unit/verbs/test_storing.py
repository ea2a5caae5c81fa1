"""Verbs whose outputs come back from a store: what makes another key, and what is called again."""

from pathlib import Path

import pytest

from digitflow.competing import store as stored
from digitflow.verbs import storing
from digitflow.verbs.commandline import Input, Json, Output

CALLS = []


def learn(
    images: Input, lists: list[Input], model: Output, metrics: Output, settings: Json, seed: int, code: str
) -> None:
    """A training that notes that it was called."""
    CALLS.append(seed)
    model.write_bytes(images.read_bytes() * seed)
    metrics.write_text(str(settings))


@pytest.fixture
def given(tmp_path):
    CALLS.clear()
    for name in ("images", "train", "valid"):
        (tmp_path / name).write_text(name)
    files = {name: tmp_path / name for name in ("images", "model", "metrics")}
    settings = {"settings": {"epochs": 3}, "seed": 1, "code": "abc"}
    return {**files, **settings, "lists": [tmp_path / "train", tmp_path / "valid"]}


def run(given, **changes) -> None:
    storing.run(learn, given | changes, str(given["images"].with_name("store")))


def test_going_back_to_old_settings_calls_nothing(given):
    run(given)
    first = given["model"].read_bytes()
    run(given, seed=2)
    assert given["model"].read_bytes() != first
    run(given)
    assert CALLS == [1, 2]
    assert given["model"].read_bytes() == first


def test_where_the_outputs_lie_and_how_settings_are_written_does_not_matter(given, tmp_path):
    run(given)
    (tmp_path / "elsewhere").mkdir()
    run(
        given,
        model=tmp_path / "elsewhere" / "model",
        metrics=tmp_path / "elsewhere" / "metrics",
        settings={"epochs": 3.0},
    )
    assert CALLS == [1]


@pytest.mark.parametrize("change", [{"seed": 2}, {"settings": {"epochs": 4}}, {"code": "abd"}])
def test_another_parameter_is_another_training(given, change):
    run(given)
    run(given, **change)
    assert len(CALLS) == 2


@pytest.mark.parametrize("name", ["images", "train", "valid"])
def test_another_byte_of_an_input_is_another_training(given, name):
    run(given)
    Path(given["images"]).with_name(name).write_text("others")
    run(given)
    assert len(CALLS) == 2


@pytest.mark.parametrize("name", ["python", "numpy"])
def test_another_version_or_backend_or_gpu_is_another_training(given, monkeypatch, name):
    key = storing.key_of(learn, given)
    versions = dict(storing._versions()) | {name: "0"}
    monkeypatch.setattr(storing, "_versions", versions.items)
    assert storing.key_of(learn, given) != key
    monkeypatch.undo()
    monkeypatch.setenv("KERAS_BACKEND", "another")
    assert storing.key_of(learn, given) != key


def test_a_flipped_bit_in_the_store_is_found_and_the_entry_made_again(given, caplog):
    run(given)
    (kept,) = given["images"].with_name("store").glob("*/model")
    kept.write_bytes(b"\0" + kept.read_bytes()[1:])
    run(given)
    assert CALLS == [1, 1]
    assert "model damaged" in caplog.text
    run(given)
    assert CALLS == [1, 1]


def test_what_was_made_stands_where_the_store_cannot_be_written(given, caplog):
    given["images"].with_name("store").write_text("a file")
    run(given)
    assert given["model"].exists()
    assert "warning: not kept: " in caplog.text
    assert stored.key_of({}) != storing.key_of(learn, given)
