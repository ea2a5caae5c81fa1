"""Settings of a training: read, refused, and the part of the configuration's schema that they make."""

import json

import pytest

from digitflow.base.errors import ConfigError
from digitflow.training.schedule import SCHEDULES
from digitflow.training.settings import OPTIMIZERS, Augment, Prune, Settings, json_schema

SETTINGS = {
    "architecture": "lenet",
    "module": "keras_cnn",
    "epochs": 2,
    "batch_size": 64,
    "learning_rate": 0.01,
}


def settings(**values):
    return Settings.from_dict(SETTINGS | values)


def test_settings_that_are_left_out_are_off():
    found = settings()
    off = (found.weight_decay, found.label_smoothing, found.weight_average, found.train_rows, found.patience)
    assert off == (0, 0, 0, 0, 0)
    assert (found.test_shifts, found.prune) == (1, None)
    assert found.augment == Augment(rotate=0, zoom=0, shift=0, shear=0, part=1, cubic=False)


def test_settings_become_the_same_json_again():
    found = settings(augment={"rotate": 10}, schedule="cosine", prune={"epoch": 2, "accuracy": 0.5})
    assert Settings.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert found.prune == Prune(2, 0.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "settings: 'epoch' is not a key; the keys are architecture, module, epochs,"),
        ({"augment": {"rotation": 3}}, r"settings\.augment: 'rotation' is not a key; the keys are rotate,"),
        ({"augment": 3}, r"settings\.augment: expected an object, found 3"),
        ({"prune": {"epoch": 3}}, r"settings\.prune: the key 'accuracy' is missing"),
    ],
)
def test_an_unknown_or_missing_key_is_refused_with_those_that_exist(values, message):
    with pytest.raises(ConfigError, match=message):
        settings(**values)


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match="the key 'module' is missing"):
        Settings.from_dict({"architecture": "lenet"})


@pytest.mark.parametrize(
    ("values", "looks"),
    [
        ({}, False),
        ({"patience": 3}, True),
        ({"prune": {"epoch": 1, "accuracy": 0.5}}, True),
        ({"schedule": "plateau"}, True),
    ],
)
def test_a_training_that_looks_at_the_validation_rows_says_so(values, looks):
    assert settings(**values).looks_at_validation is looks


def test_the_schema_has_every_key_with_its_meaning_type_and_default_and_the_module_is_no_key():
    schema = json_schema()
    assert set(schema["properties"]) == set(settings().as_dict()) - {"module"}
    assert schema["required"] == ["architecture", "epochs", "batch_size", "learning_rate"]
    assert schema["additionalProperties"] is False
    for name, key in schema["properties"].items():
        assert key["description"].endswith("."), name
        assert key["type"], name


def test_the_defaults_of_the_schema_are_those_of_the_settings():
    schema = json_schema()["properties"]
    defaults = {name: key["default"] for name, key in schema.items() if "default" in key}
    assert Settings.from_dict(SETTINGS | defaults) == settings()


def test_the_schemas_lists_of_names_are_the_registries():
    schema = json_schema()["properties"]
    assert schema["schedule"]["enum"] == list(SCHEDULES)
    assert schema["optimizer"]["enum"] == list(OPTIMIZERS)


def test_sections_within_a_section_are_closed_objects():
    schema = json_schema()["properties"]
    assert schema["augment"]["type"] == "object"
    assert schema["prune"]["type"] == ["object", "null"]
    assert schema["prune"]["required"] == ["epoch", "accuracy"]
    for name in ("augment", "prune"):
        assert schema[name]["additionalProperties"] is False
        assert all("description" in key for key in schema[name]["properties"].values())
