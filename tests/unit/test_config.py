import copy
import os
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from digitflow.base.errors import ConfigError
from digitflow.config import SCHEMA, csv_paths, typed, validate

PROJECT = Path(__file__).parents[2]
DEFAULT = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())


def changed(key: str, value) -> dict:
    config = copy.deepcopy(DEFAULT)
    *parents, last = key.split(".")
    place = config
    for parent in parents:
        place = place[parent]
    place[last] = value
    return config


def test_the_default_configuration_is_right():
    assert validate(DEFAULT)["data"]["source"] == "mnist"


def test_the_default_merges_models_of_keras_and_mxnet():
    merged = {DEFAULT["models"][name]["framework"] for name in DEFAULT["merge"]["models"]}
    assert merged == {"keras", "mxnet"}


def test_the_fast_configuration_is_right_over_the_default():
    config = copy.deepcopy(DEFAULT)
    update_config(config, yaml.safe_load((PROJECT / "config" / "fast.yaml").read_text()))
    fast = validate(config)
    assert fast["merge"]["models"] == ["keras_cnn"]
    assert fast["models"]["keras_cnn"]["epochs"] == 1


def test_defaults_are_filled_in_at_every_depth():
    config = changed("models.tiny", {"framework": "keras", "architecture": "lenet", "epochs": 1,
                                     "batch_size": 1, "learning_rate": 1})  # fmt: skip
    del config["data"]
    complete = validate(config)
    assert complete["data"]["image"] == {"height": 28, "width": 28}
    assert complete["models"]["tiny"]["seeds"] == [0]
    assert complete["models"]["tiny"]["augment"]["rotate"] == 0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("dta", {}, "dta: unknown key; did you mean data?"),
        ("models.keras_cnn.epoch", 3, "models.keras_cnn.epoch: unknown key; did you mean epochs?"),
        ("models.keras_cnn.epochs", "ten", "models.keras_cnn.epochs: 'ten', should be of type integer"),
        ("models.keras_cnn.epochs", 0, "models.keras_cnn.epochs: 0 is less than the minimum of 1"),
        ("models.keras_cnn.framework", "torch", "'torch', should be one of keras, mxnet, numpy"),
        ("models.keras_cnn.architecture", "resnet", "'resnet' is not one of keras's: small_cnn, lenet"),
        ("models.mxnet_cnn.augment", {"elastic": 1.0}, "augment: elastic and erase are for keras and numpy"),
        ("models.mxnet_cnn.precision", "bfloat16", "precision: bfloat16 is for keras only"),
        ("models.keras_cnn.precision", "half", "'half', should be one of auto, float32, bfloat16"),
        ("models.mxnet_lenet.augment", {"cubic": True}, "augment: part and cubic are for keras and numpy"),
        ("models.keras_cnn", {"framework": "keras"}, "models.keras_cnn.epochs: this key is missing"),
        ("models.keras-cnn", {}, "'keras-cnn' should be letters, digits and _"),
        ("data.source", "web", "data.source: 'web', should be one of mnist, kaggle, files"),
        ("data.image", 28, "data.image: 28, should be of type object"),
        ("validation.fraction", 1.0, "validation.fraction: 1.0"),
        ("merge.models", ["keras_cn"], "merge.models: 'keras_cn' is not defined; did you mean keras_cnn?"),
        ("merge.models", [], "merge.models"),
        ("merge.weights", [1, 2, 3], "merge.weights: 3 weights for 2 models"),
        ("models.merged", DEFAULT["models"]["keras_cnn"], "this name is taken"),
        ("data.source", "files", "data.train_csv: null, should be the path of a CSV"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_what_would_be_right(key, value, message):
    with pytest.raises(ConfigError) as error:
        validate(changed(key, value))
    assert message in str(error.value)


def test_values_of_the_command_line_get_their_types():
    overrides = {
        "seed": "1",
        "device": "cpu",
        "png": {"enabled": "false"},
        "weights": ["1", "2.5"],
        "csv": "null",
    }
    assert typed(overrides) == {
        "seed": 1, "device": "cpu", "png": {"enabled": False}, "weights": [1, 2.5], "csv": None
    }  # fmt: skip


def test_all_mistakes_are_told_at_once():
    config = changed("models.keras_cnn.epochs", "ten")
    config["validation"]["seed"] = -1
    with pytest.raises(ConfigError, match=r"(?s)models\.keras_cnn\.epochs.*validation\.seed|seed.*epochs"):
        validate(config)


def test_a_file_that_is_not_there_is_named():
    config = changed("data.source", "files")
    config["data"] |= {"train_csv": "nowhere/train.csv", "test_csv": __file__}
    with pytest.raises(ConfigError, match=r"data\.train_csv: there is no file 'nowhere/train\.csv'"):
        validate(config)


def test_a_path_that_snakemake_would_take_for_a_pattern_is_refused(tmp_path):
    (tmp_path / "{a}.csv").touch()
    config = changed("data.source", "files")
    config["data"] |= {"train_csv": f"{tmp_path}/{{a}}.csv", "test_csv": __file__}
    with pytest.raises(ConfigError, match=r"data\.train_csv: .*Snakemake takes braces for wildcards"):
        validate(config)


def test_what_is_no_readable_file_is_named_before_any_job(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name, message in {"": "a folder", "pipe": "a pipe or device", "link": "a link to nowhere"}.items():
        config = changed("data.source", "files")
        config["data"] |= {"train_csv": str(tmp_path / name), "test_csv": __file__}
        with pytest.raises(ConfigError, match=rf"data\.train_csv: .*: {message}"):
            validate(config)


def test_missing_kaggle_files_are_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"accept its rules"):
        validate(changed("data.source", "kaggle"))
    for name in ("train", "test"):
        (tmp_path / "data" / "kaggle").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / "kaggle" / f"{name}.csv").touch()
    assert csv_paths(validate(changed("data.source", "kaggle"))["data"])[0] == "data/kaggle/train.csv"


def test_every_key_of_the_schema_has_a_description_and_every_object_is_closed():
    def walk(schema, where):
        if schema.get("type") == "object":
            assert "additionalProperties" in schema, where
        for name, sub in schema.get("properties", {}).items():
            assert "description" in sub, f"{where}.{name}"
            walk(sub, f"{where}.{name}")

    schema = yaml.safe_load(SCHEMA.read_text())
    walk(schema, "config")
    walk(schema["$defs"]["model"], "model")
