import copy
import ctypes.util
import datetime
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_config
from snakemake.utils import update_config

from digitflow.base.errors import ConfigError
from digitflow.config import environments
from digitflow.config.checks import validate
from digitflow.config.environments import ENVIRONMENTS
from digitflow.config.input_checks import check_folder, unread_competition
from digitflow.config.inputs import csv_paths, ignored_submissions, no_test_set, reading, submission_files
from digitflow.config.loading import check_keys, check_wish_is_typed, load_file, typed
from digitflow.config.models import device_of, models, settings_text
from digitflow.config.optimizers import what_is_wanted
from digitflow.config.schema import SCHEMA, schema
from digitflow.formats.corrections import read
from digitflow.merging.methods import MERGE_METHODS
from digitflow.models.registry import FRAMEWORKS, WITHOUT_STEPS
from digitflow.training.schedule import SCHEDULES
from digitflow.training.settings import OPTIMIZERS, Augment, Prune, Settings, json_schema

PROJECT = Path(__file__).parents[3]
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


def test_the_default_merges_models_of_every_framework():
    merged = {DEFAULT["models"][name]["framework"] for name in DEFAULT["merge"]["models"]}
    assert merged == {"keras", "mxnet", "numpy"}


def over_the_default(path: Path) -> dict:
    """The default configuration with a file of the project's laid over it, and the one that this is for."""
    config = copy.deepcopy(DEFAULT)
    short = path.with_name(path.name.replace(".full", ""))
    for each in dict.fromkeys([short, path]):
        update_config(config, yaml.safe_load(each.read_text()))
    return config


@pytest.mark.parametrize("path", sorted((PROJECT / "config").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_of_the_project_is_right_over_the_default(path, tmp_path, monkeypatch):
    config = over_the_default(path)
    data = config["data"]
    monkeypatch.chdir(tmp_path)
    for file in [data.get(key) for key in ("train_csv", "test_csv", "solution_csv", "labels_csv")]:
        if file:  # the user's own, which have to be there
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).touch()
    if data.get("folder"):
        Path(data["folder"], "train").mkdir(parents=True)
        for name in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            Path(data["folder"], f"train-{name}").touch()
    right = validate(config)
    assert {*right["merge"]["models"]} <= {*right["models"]}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"train_csv": "my.csv"}, r"data\.train_csv: 'my.csv' is not read, .* write source: files beside it"),
        ({"test_csv": "my.csv"}, r"data\.test_csv: 'my.csv' is not read, .* write source: files beside it"),
        ({"folder": "my"}, r"data\.folder: 'my' is not read, .* write source: folder beside it"),
        (
            {"solution_csv": "my.csv"},
            r"data\.solution_csv: 'my.csv' is not read, .* write source: files beside it",
        ),
        (
            {"labels_csv": "my.csv"},
            r"data\.labels_csv: 'my.csv' is not read, .* write source: files beside it",
        ),
        ({"source": "kaggle", "train_csv": "my.csv"}, r"'my.csv' is not read, because data.source is kaggle"),
        ({"source": "folder", "folder": "a", "train_csv": "b"}, r"data\.train_csv: 'b' is not read"),
        ({"source": "files", "train_csv": "a", "test_csv": "a"}, r"data\.test_csv: 'a' is the training CSV"),
        ({"source": "files", "train_csv": "a/../a", "test_csv": "a"}, r"data\.test_csv: 'a' is the training"),
        (
            {"source": "files", "train_csv": "a", "test_csv": "link"},
            r"data\.test_csv: 'link' is the training",
        ),
        (
            {"source": "files", "train_csv": "train.csv", "test_csv": "copy.csv"},
            r"data\.test_csv: 'copy.csv' is the training CSV, or a copy of it",
        ),
        ({"solution_csv": "results/submission.csv"}, r"data\.solution_csv: .* is made by the models"),
        ({"solution_csv": "results/../results/submissions/a.csv"}, r"data\.solution_csv: .* by the models"),
        ({"columns": {"label": "a", "id": "a"}}, r"data\.columns: label and id are both 'a'"),
        ({"source": "folder", "folder": "a"}, r"data\.folder: 'a' has no folder train, .*; make one"),
        ({"source": "folder", "folder": "a/train"}, r"'a/train' has no folder train, .*; write a$"),
    ],
)
def test_data_that_would_not_be_read_are_named_before_mnist_is_in_their_place(
    tmp_path, monkeypatch, given, told
):
    monkeypatch.chdir(tmp_path)
    Path("a", "train").mkdir(parents=True)
    Path("link").symlink_to("a")
    for name in ("train.csv", "copy.csv"):
        Path(name).write_text("label,pixel0\n3,255\n")
    if given.get("folder") == "a":
        Path("a", "train").rmdir()
    with pytest.raises(ConfigError, match=told):
        validate(DEFAULT | {"data": DEFAULT["data"] | given})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["validation.fraction", "models.keras_cnn.learning_rate", "merge.weights"])
def test_a_number_that_is_none_is_refused_by_its_key(key, number):
    value = [1, number] if key == "merge.weights" else number
    place = f"{key}.1" if key == "merge.weights" else key
    with pytest.raises(ConfigError, match=rf"{place}: (nan|inf), should be a finite number"):
        validate(changed(key, value))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("merge.weights", [1, 0], r"merge\.weights\.1: 0, should be above 0$"),
        ("merge.weights", "best", r"merge\.weights: 'best' is not allowed here \(A weight for each"),
        ("data.values", {"from": "a", "to": 3}, r"data\.values\.from: 'a', should be a number$"),
    ],
)
def test_of_values_of_several_kinds_the_item_that_is_wrong_is_named(key, value, told):
    with pytest.raises(ConfigError, match=told):
        validate(changed(key, value))


def test_a_submission_with_braces_or_a_models_name_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("submissions").mkdir()
    Path("submissions", "b{race}.csv").touch()
    with pytest.raises(ConfigError, match=r"submissions: b\{race\}: .* Snakemake takes braces for a pattern"):
        validate(DEFAULT)
    Path("submissions", "b{race}.csv").rename(Path("submissions", "keras_cnn.csv"))
    Path("submissions", "merged.csv").touch()
    with pytest.raises(ConfigError) as error:
        validate(DEFAULT)
    assert str(error.value).splitlines()[1:] == [
        "  submissions/keras_cnn.csv: keras_cnn is the name of a model; give the file another name",
        "  submissions/merged.csv: merged is the name of the merge; give the file another name",
    ]


def test_the_fast_configuration_trains_one_model_for_an_epoch():
    fast = validate(over_the_default(PROJECT / "config" / "fast.yaml"))
    assert fast["merge"]["models"] == ["features"]
    assert fast["models"]["features"]["epochs"] == 1


def test_only_models_that_learn_step_by_step_need_a_batch_size_and_a_learning_rate():
    for architecture in WITHOUT_STEPS:
        config = changed("models.tiny", {"framework": "numpy", "architecture": architecture, "epochs": 1})
        found = models(validate(config))["tiny"]
        assert settings_text(found) == settings_text({**found, "batch_size": 1, "learning_rate": 1})
        Settings.from_dict(json.loads(settings_text(found)))
    with pytest.raises(ConfigError) as error:
        validate(changed("models.tiny", {"framework": "numpy", "architecture": "mlp", "epochs": 1}))
    assert "models.tiny.batch_size: this key is missing; models.tiny.learning_rate: this" in str(error.value)
    with pytest.raises(ConfigError, match=r"models\.tiny\.epochs: this key is missing"):
        validate(changed("models.tiny", {"framework": "numpy", "architecture": "neighbours"}))


def test_defaults_are_filled_in_at_every_depth():
    config = changed("models.tiny", {"framework": "keras", "architecture": "lenet", "epochs": 1,
                                     "batch_size": 1, "learning_rate": 1})  # fmt: skip
    del config["data"]
    complete = validate(config)
    auto = {"height": "auto", "width": "auto", "channels": "auto", "transpose": False, "planar": False}
    assert complete["data"]["image"] == auto
    assert complete["submission"]["id"] == "ImageId"
    assert complete["models"]["tiny"]["seeds"] == [0]
    assert complete["models"]["tiny"]["augment"]["rotate"] == 0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("dta", {}, "dta: unknown key; did you mean data?"),
        ("models.keras_cnn.epoch", 3, "models.keras_cnn.epoch: unknown key; did you mean epochs?"),
        ("models.keras_cnn.epochs", "ten", "models.keras_cnn.epochs: 'ten', should be a whole number"),
        ("models.keras_cnn.epochs", 0, "models.keras_cnn.epochs: 0 is less than the minimum of 1"),
        ("models.keras_cnn.framework", "caffe", "'caffe', should be one of keras, mxnet, numpy"),
        ("models.keras_cnn.architecture", "resnet", "'resnet' is not one of keras's: small_cnn, lenet"),
        (
            "models.mxnet_cnn.augment",
            {"elastic": 1.0},
            "models.mxnet_cnn.augment.elastic: 1.0 is for keras and numpy only; leave it out",
        ),
        ("models.mxnet_cnn.precision", "bfloat16", "precision: bfloat16 is for keras only; leave it out"),
        ("models.keras_cnn.prune", {"epoch": 20, "accuracy": 0.9}, "prune.epoch: 20, should be below 20"),
        ("models.keras_cnn.raw_pixels", True, "models.keras_cnn.raw_pixels: true is for mxnet only"),
        ("models.features.deterministic", False, "deterministic: false is for keras and mxnet only"),
        (
            "models.neighbours.augment",
            {"shift": 0.1},
            "models.neighbours.augment: neighbours compares with the",
        ),
        (
            "models.features.checkpoint_steps",
            9,
            "checkpoint_steps: random_features takes one step per epoch",
        ),
        ("models.keras_cnn.deterministic", "yes", "'yes', should be true or false"),
        ("models.keras_cnn.precision", "half", "'half', should be one of auto, float32, bfloat16"),
        ("models.mxnet_cnn.augment", {"part": 0.5}, "augment.part: 0.5 is for keras and numpy only"),
        ("models.keras_cnn", {"framework": "keras"}, "models.keras_cnn.epochs: this key is missing"),
        ("models.keras-cnn", {}, "'keras-cnn' should consist of letters, digits and _"),
        ("data.source", "web", "data.source: 'web', should be one of mnist, kaggle, files"),
        ("data.image", 28, "data.image: 28, should be a section"),
        ("data.image", None, "data.image: null, should be a section"),
        ("merge.models", True, "merge.models: true, should be a list"),
        ("data.columns", {"header": 1}, "data.columns.header: 1, should be one of auto, true, false"),
        ("validation.fraction", 1.0, "validation.fraction: 1.0"),
        ("merge.models", ["keras_cn"], "merge.models: 'keras_cn' is not defined; did you mean keras_cnn?"),
        ("merge.models", [], "merge.models"),
        ("merge.weights", [1, 2], "merge.weights: 2 weights for 5 models"),
        ("models.merged", DEFAULT["models"]["keras_cnn"], "this name is taken"),
        ("data.source", "files", "data.train_csv: null, should be the path of a CSV"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_what_would_be_right(key, value, message):
    with pytest.raises(ConfigError) as error:
        validate(changed(key, value))
    assert message in str(error.value)


@pytest.mark.parametrize(("section", "name"), [("studies", False), ("models", True), ("predict", 7)])
def test_a_name_that_yaml_takes_for_no_text_should_be_in_quotes(section, name):
    with pytest.raises(
        ConfigError, match=rf"{section}\.{name}: YAML reads this name as {str(name).lower()}; write"
    ):
        validate({**DEFAULT, section: {name: {}}})


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


def test_a_value_of_the_command_line_that_is_no_yaml_is_named():
    with pytest.raises(ConfigError, match=r"--config, '\{source: files', line 1, column 15: not valid YAML"):
        typed({"data": "{source: files"})
    with pytest.raises(ConfigError, match=r"--config, '2024-13-01': looks like a date: month must be in"):
        typed({"store": "2024-13-01"})


def test_what_yaml_takes_for_a_date_in_a_file_is_told(tmp_path):
    (tmp_path / "mine.yaml").write_text("store: 2024-13-01\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: a value that looks like a date: month must be in"):
        load_file(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *[
            (text, text)
            for text in ("12", "012", "1.10", "1e5", "off", "2026-11-27", "a # b", "[a] {b}", "it's")
        ],
        *[(text, text) for text in ("fix: two", "a=b", "'a' and 'b", "-x")],
        *[('"fix: two"', "fix: two"), ("'12'", "12"), ("", None), ("null", None)],
    ],
)
def test_a_message_of_the_command_line_is_the_text_that_was_typed(word, expected):
    words = ["results/kaggle/submitted.json", "--config", "submit=yes", f"message={word}"]
    found = typed(parse_config(words[2:]), words)
    assert found == {"submit": True, "message": expected}
    assert validate(changed("message", found["message"]))["message"] == expected


def test_a_message_whose_words_are_not_known_any_more_is_text_all_the_same():
    assert typed({"message": 12}) == {"message": "12"}
    assert typed({"message": "2026-11-27"}) == {"message": "2026-11-27"}


@pytest.mark.parametrize("value", [1.1, True, {"fix": "two"}, datetime.date(2026, 11, 27)])
def test_a_message_in_a_file_that_yaml_takes_for_something_else_is_asked_for_in_quotes(value):
    with pytest.raises(ConfigError, match='write text in quotes: message: "fix: two"'):
        validate(changed("message", value))


def test_all_mistakes_are_told_at_once():
    config = changed("models.keras_cnn.epochs", "ten")
    config["validation"]["seed"] = -1
    with pytest.raises(ConfigError, match=r"(?s)models\.keras_cnn\.epochs.*validation\.seed|seed.*epochs"):
        validate(config)


def test_what_the_schema_allowed_last_is_allowed_again_without_reading_it_anew(tmp_path):
    program = (
        "import sys, yaml; from digitflow.config import checks; checks.validate(yaml.safe_load(sys.stdin));"
        "print('jsonschema' in sys.modules)"
    )

    def asked(text: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", program]
        environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}
        return subprocess.run(
            command, input=text, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    default, other = yaml.safe_dump(DEFAULT), yaml.safe_dump(changed("validation.fraction", 0.2))
    assert [asked(default).stdout for _ in range(2)] == [
        "True\n"
    ] * 2  # nothing is left in a folder without runs
    assert not [*tmp_path.iterdir()]
    (tmp_path / ".snakemake").mkdir()
    assert [asked(text).stdout for text in (default, default, other, other, default)] == [
        "True\n", "False\n", "True\n", "False\n", "True\n",
    ]  # fmt: skip
    wrong = asked(yaml.safe_dump(changed("validation.fraction", 2)))
    assert "validation.fraction" in wrong.stderr
    assert asked(default).stdout == "False\n"


def test_a_file_that_is_not_there_is_named():
    config = changed("data.source", "files")
    config["data"] |= {"train_csv": "nowhere/train.csv", "test_csv": __file__}
    with pytest.raises(ConfigError, match=r"data\.train_csv: there is no file 'nowhere/train\.csv'"):
        validate(config)


def test_a_path_with_braces_is_refused_before_snakemake_takes_it_for_a_pattern():
    config = changed("data.source", "files")
    config["data"] |= {"train_csv": "{a}.csv"}
    with pytest.raises(ConfigError, match=r"data\.train_csv: '\{a\}\.csv': Snakemake takes braces"):
        validate(config)
    with pytest.raises(ConfigError, match=r"submission\.sample: '\{a\}\.csv': Snakemake takes braces"):
        validate(changed("submission", {"sample": "{a}.csv"}))


def test_a_sample_submission_is_a_file_of_its_own(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("sample.csv", "id,label\n")
    with pytest.raises(
        ConfigError, match=r"submission\.sample: there is no file .* if it is in an archive, unpack it"
    ):
        validate(changed("submission", {"sample": str(tmp_path / "all.zip" / "sample.csv")}))
    with pytest.raises(ConfigError, match=r"submission\.sample: .*: a folder, not a CSV file"):
        validate(changed("submission", {"sample": str(tmp_path)}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            b"data:\n\tsource: files\n",
            r"line 2, column 1: not valid YAML: found character '\\t'.*; indent with spaces",
        ),
        (
            b"data: {source: files\nmerge: 3\n",
            r"line 2, column 6: .* that begins on line 1; .*close every bracket",
        ),
        (b"a: b: c\n", "line 1, column 5: not valid YAML: mapping values are not allowed here"),
        (b"a: \x00\n", "mine.yaml: not valid YAML: unacceptable character #x0000"),
        (b"a: \xff\n", "mine.yaml: byte 3 is not UTF-8; save the file as UTF-8"),
        (b"- a\n", "mine.yaml: no keys at the top level; write those that differ"),
        (b"data: {}\nmerge:\n  models: []\n\ndata: {}\n", "line 5: data is written a .* time, after line 1"),
        (b"models: {mlp: {epochs: 2, epochs: 3}}\n", r"line 1: models\.mlp\.epochs is written a second time"),
        (b"studies: {a: {points: [{}, {epochs: 1, epochs: 1}]}}\n", r"line 1: studies\.a\.points\.epochs is"),
        (b"# nothing yet\n", "mine.yaml: no keys at the top level; write those that differ"),
    ],
)
def test_a_file_that_is_no_configuration_is_named_with_line_and_column(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=message) as error:
        load_file(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_keys_that_a_merge_of_yaml_repeats_are_no_mistake(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("models:\n  a: &a {epochs: 2}\n  b: {<<: *a, epochs: 3}\n  ? [a, b]\n  : {}\n")
    check_keys([path])
    check_keys([tmp_path / "missing.yaml"])  # Snakemake says that
    path.write_text('{"a": 1, "a": 2}')
    with pytest.raises(ConfigError, match="line 1: a is written a second time, after line 1"):
        check_keys([path])


def test_a_configuration_that_is_not_there_brings_its_neighbour_to_mind(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file; there are no files here"):
        load_file(tmp_path / "mime.yaml")
    (tmp_path / "mine.yaml").write_text("device: cpu\n")
    assert load_file(tmp_path / "mine.yaml") == {"device": "cpu"}
    with pytest.raises(ConfigError, match=r"mime.yaml: there is no such file; did you mean mine.yaml"):
        load_file(tmp_path / "mime.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_file(tmp_path)


def test_what_is_no_readable_file_is_named_before_any_job(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name, message in {"": "a folder", "pipe": "a pipe or device", "link": "a link to nowhere"}.items():
        config = changed("data.source", "files")
        config["data"] |= {"train_csv": str(tmp_path / name), "test_csv": __file__}
        with pytest.raises(ConfigError, match=rf"data\.train_csv: .*: {message}"):
            validate(config)


def test_corrections_that_are_named_and_cannot_be_read_are_told_with_the_way_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = changed("data.corrections", "my fixes.csv")
    with pytest.raises(ConfigError, match=r"data\.corrections: there is no file 'my fixes\.csv'") as error:
        validate(config)
    restoring, starting = str(error.value).split("; to ")[1:]
    assert restoring.endswith("digitflow restore_corrections --corrections 'my fixes.csv'")
    subprocess.run(starting.removeprefix("begin one: "), shell=True, check=True)
    assert read("my fixes.csv") == []
    validate(config)
    default = changed("data.corrections", "corrections.csv")
    validate(default)
    (tmp_path / "corrections.csv").symlink_to("nowhere")
    with pytest.raises(
        ConfigError, match=r"data\.corrections: .*: a link to nowhere, which does not exist; move it"
    ):
        validate(default)
    (tmp_path / "corrections.csv").unlink()
    (tmp_path / "corrections.csv").mkdir()
    with pytest.raises(
        ConfigError, match=r"data\.corrections: .*: a folder, not a CSV file; move it away, or"
    ):
        validate(default)


def test_a_tilde_is_the_home_directory_in_every_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "some").mkdir()
    for name in ("a.csv", "b.csv", "corrections.csv"):
        (tmp_path / name).touch()
    files = dict.fromkeys(("train_csv", "solution_csv", "labels_csv"), "~/a.csv")
    files |= {"source": "files", "test_csv": "~/b.csv", "corrections": "~/corrections.csv"}
    given = {"data": files, "submission": {"sample": "~/a.csv"}, "predict": {"mine": "~/some"}}
    found = validate(DEFAULT | given)
    assert found["data"]["train_csv"] == found["submission"]["sample"] == str(tmp_path / "a.csv")
    assert found["predict"] == {"mine": str(tmp_path / "some")}
    assert "~" not in json.dumps({key: value for key, value in found.items() if key != "store"})
    with pytest.raises(ConfigError, match=f"data.folder: '{tmp_path}/none', should be a folder"):
        validate(DEFAULT | {"data": {"source": "idx", "folder": "~/none"}})


def test_a_dot_in_front_of_a_path_is_no_other_path(tmp_path, monkeypatch):
    """Snakemake warns of it, and the corrections of a run would be another file than those of the next."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for name in ("a.csv", "b.csv", "mine/corrections.csv"):
        (tmp_path / name).touch()

    def given(dot):
        files = {"source": "files", "train_csv": f"{dot}a.csv", "test_csv": f"{dot}b.csv"}
        files |= {"labels_csv": f"{dot}a.csv", "corrections": f"{dot}mine/corrections.csv"}
        more = {"submission": {"sample": f"{dot}a.csv"}, "predict": {"mine": f"{dot}b.csv"}}
        return validate(DEFAULT | {"data": files} | more)

    assert given("./") == given(".//./") == given("")


def test_files_that_were_downloaded_for_another_competition_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "kaggle").mkdir(parents=True)
    config = {"data": {"source": "kaggle", "competition": "kannada-mnist"}}
    validate(DEFAULT | config)  # put there by a person, or downloaded by an earlier version
    named = tmp_path / "data" / "kaggle" / "competition.txt"
    named.write_text("digit-recognizer\n")
    with pytest.raises(ConfigError) as error:
        validate(DEFAULT | config)
    assert (
        "data.competition: kannada-mnist, but the files in data/kaggle were downloaded for digit-recog"
        in (str(error.value))
    )
    assert "a folder of its own, or move data/kaggle away" in str(error.value)
    validate(DEFAULT | {"data": {"source": "kaggle"}})
    validate(DEFAULT | {"data": {"competition": "kannada-mnist"}})  # MNIST
    named.write_text("kannada-mnist")
    validate(DEFAULT | config)


def test_kaggle_files_may_be_missing_and_those_that_are_there_must_be_readable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = changed("data.source", "kaggle")
    assert csv_paths(validate(config)["data"])[0] == "data/kaggle/train.csv"
    (tmp_path / "data" / "kaggle" / "train.csv").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"data\.train_csv: data/kaggle/train\.csv: a folder"):
        validate(config)


@pytest.fixture
def others(tmp_path, monkeypatch):
    """A project with two submission files of others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submissions").mkdir()
    for name in ("friend.csv", "notebook.csv", "notebook_probabilities.npy"):
        (tmp_path / "submissions" / name).touch()
    return tmp_path / "submissions"


def test_files_of_others_are_merged_by_their_names(others):
    config = changed("merge.models", ["keras_cnn", "friend"])
    config["merge"] |= {"method": "vote", "weights": [2, 1]}
    assert validate(config)["merge"]["models"] == ["keras_cnn", "friend"]
    assert validate(changed("merge.models", ["keras_cnn", "notebook"]))["merge"]["method"] == "mean"


@pytest.mark.parametrize(
    ("merge", "message"),
    [
        ({"models": ["frend"]}, r"merge\.models: 'frend' is not defined; did you mean friend\?"),
        ({"models": ["keras_cnn", "friend"]}, r"friend has only labels; write `method: vote`"),
        (
            {"models": ["friend"], "method": "vote", "weights": "auto"},
            r"friend has none; give each model a weight",
        ),
    ],
)
def test_what_cannot_be_done_with_files_of_others_is_said_before_any_job(others, merge, message):
    config = changed("merge", merge)
    with pytest.raises(ConfigError, match=message):
        validate(config)


def test_files_of_others_that_cannot_be_read_are_named_and_stop_no_run(others):
    (others / "dangling.csv").symlink_to("nowhere")
    (others / "folder.csv").mkdir()
    for name in (
        "a.csv.gz",
        "B.CSV",
        "c.zip",
        "d_probabilities.npy",
        ".DS_Store",
        "._friend.csv",
        "e.md",
        "f.csv~",
    ):
        (others / name).touch()
    assert [*submission_files()] == ["friend", "notebook"]
    assert [*ignored_submissions()] == [
        "submissions/B.CSV: only files named NAME.csv are read",
        "submissions/a.csv.gz: only files named NAME.csv are read",
        "submissions/c.zip: only files named NAME.csv are read",
        "submissions/dangling.csv: a link to nowhere, which does not exist",
        "submissions/folder.csv: a folder, not a CSV file",
    ]
    with pytest.raises(ConfigError, match=r"merge\.models: submissions/dangling\.csv: a link to nowhere"):
        validate(changed("merge.models", ["keras_cnn", "dangling"]))


def test_a_file_of_others_needs_a_name_of_its_own(others):
    (others / "keras_cnn.csv").touch()
    with pytest.raises(ConfigError, match=r"submissions/keras_cnn\.csv: .* give the file another name"):
        validate(changed("device", "cpu"))


def test_files_of_others_cannot_label_further_images(others):
    config = changed("merge", {"models": ["friend"], "method": "vote"})
    config["predict"] = {"mine": __file__}
    with pytest.raises(
        ConfigError, match=r"predict: friend in merge\.models has no labels for further images"
    ):
        validate(config)


@pytest.mark.parametrize(
    ("framework", "architecture", "option", "told"),
    [
        ("numpy", "mlp", "hiden", r"did you mean hidden\?"),
        ("keras", "resnet18", "layers", "the keys here are width"),
        ("mxnet", "small_cnn", "droput", r"did you mean dropout\?"),
        ("keras", "lenet", "width", "there are no keys here"),
    ],
)
def test_an_option_that_a_network_does_not_take_is_refused_before_any_training(
    framework, architecture, option, told
):
    model = {"framework": framework, "architecture": architecture, "epochs": 1, "batch_size": 8}
    model |= {"learning_rate": 1, "network": {option: 1}}
    with pytest.raises(ConfigError, match=rf"models\.mine\.network\.{option}: unknown key; {told}"):
        validate(changed("models.mine", model))


@pytest.mark.parametrize(("key", "value"), [("optimizer", None), ("test_shifts", "5"), ("test_shifts", True)])
def test_a_value_that_is_in_no_list_of_names_or_numbers_is_one_mistake(key, value):
    with pytest.raises(ConfigError) as error:
        validate(changed(f"models.keras_cnn.{key}", value))
    assert str(error.value).count(f"models.keras_cnn.{key}: ") == 1
    assert ", should be one of " in str(error.value)


@pytest.mark.parametrize(
    ("framework", "options", "told"),
    [
        ("keras", {"beta1": 0.9}, r"beta1: unknown key; did you mean beta_1\?"),
        ("keras", {"decay": 0.1}, "decay: unknown key; the keys here are amsgrad, beta_1, "),
        ("keras", {"weight_decay": 0.1}, "weight_decay: a key of the model itself; write it beside"),
        ("keras", {"use_ema": True}, "use_ema: write weight_average beside optimizer_options instead"),
        ("keras", {"clipnorm": "1,5"}, "clipnorm: '1,5', should be a number"),
        ("keras", {"amsgrad": 1}, "amsgrad: 1, should be true or false"),
        ("keras", {"beta_1": True}, "beta_1: true, should be a number"),
        ("mxnet", {"beta_1": 0.9}, r"beta_1: unknown key; did you mean beta1\?"),
        ("numpy", {"epsilon": True}, "epsilon: true, should be a number"),
        ("numpy", {"epsilon": -1e-8}, "epsilon: -1e-08, should be a number above 0"),
        ("keras", {"beta_1": 1.5}, "beta_1: 1.5, should be a number from 0 to less than 1"),
        ("mxnet", {"beta2": 1}, "beta2: 1, should be a number from 0 to less than 1"),
        ("keras", {"clipnorm": -1}, "clipnorm: -1, should be 0 or a number above it"),
        ("keras", {"clipnorm": 1, "clipvalue": 1}, "clipvalue: Keras takes only one of clipnorm and clipv"),
        ("keras", {"loss_scale_factor": 0}, "loss_scale_factor: 0, should be a number above 0"),
        ("keras", {"gradient_accumulation_steps": 1}, "gradient_.*: 1, should be 0 or a whole number from 2"),
        ("keras", {"ema_overwrite_frequency": 1.5}, "ema_.*: 1.5, should be 0 or a whole number from 1 up"),
    ],
)
def test_an_option_that_an_optimizer_does_not_take_is_refused_before_any_training(framework, options, told):
    model = {"framework": framework, "architecture": "mlp_module" if framework == "mxnet" else "mlp"}
    model |= {"epochs": 1, "batch_size": 8, "learning_rate": 1, "optimizer_options": options}
    with pytest.raises(ConfigError, match=rf"models\.mine\.optimizer_options\.{told}"):
        validate(changed("models.mine", model))


@pytest.mark.parametrize(
    ("option", "right", "wrong"),
    [
        ("momentum", [0, 0.99, None], [1, -0.1, float("nan")]),
        ("epsilon", [1e-7, None], [0, -1e-7, float("nan")]),
        ("clipnorm", [0, 0.1, 5, None], [-1]),
        ("loss_scale_factor", [0.5, None], [0]),
        ("gradient_accumulation_steps", [0, 2, 2.0, None], [1, 2.5]),
        ("learning_rate_power", [0, -0.5, None], [0.5]),
        ("nesterov", [True, False], [1, "yes", None]),
    ],
)
def test_values_of_optimizers_that_mean_nothing_are_told_from_others(option, right, wrong):
    assert [value for value in (*right, *wrong) if what_is_wanted(option, value)] == wrong


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"optimizer": "ftrl", "schedule": "constant", "optimizer_options": {"initial_accumulator_value": 0}},
         r"optimizer_options\.initial_accumulator_value: 0, should be above 0: ftrl"),
        ({"optimizer_options": {"ema_overwrite_frequency": 5}}, "ema_overwrite_frequency: needs a weight_av"),
        ({"schedule": "constant", "schedule_options": {"min_lr": 0.1}},
         r"schedule_options\.min_lr: 0\.1, should be at most the learning_rate, 0\.01"),
        ({"framework": "mxnet", "network": {"dropout": -1}}, r"network\.dropout: -1, should be a number"),
        ({"framework": "mxnet", "network": {"dropout": 1}}, r"network\.dropout: 1, should be a number"),
        ({"framework": "mxnet", "network": {"dropout": "a"}}, r"network\.dropout: 'a', should be"),
    ],
)  # fmt: skip
def test_what_a_training_would_end_in_nothing_with_or_leave_unused_is_refused_before_it(changes, told):
    model = {"framework": "keras", "architecture": "small_cnn", "epochs": 1, "batch_size": 8}
    with pytest.raises(ConfigError, match=rf"models\.mine\..*{told}"):
        validate(changed("models.mine", model | {"learning_rate": 0.01} | changes))


@pytest.mark.parametrize("architecture", ["random_features", "neighbours", "random_guess", "seed_search"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer", "sgd"),
        ("optimizer_options", {"beta_1": 0.5}),
        ("schedule", "cosine"),
        ("schedule_options", {"min_lr": 0.1}),
        ("weight_decay", 0.1),
        ("weight_average", 0.9),
    ],
)
def test_models_that_take_no_steps_refuse_what_they_would_ignore(architecture, key, value):
    model = {"framework": "numpy", "architecture": architecture, "epochs": 1}
    with pytest.raises(ConfigError, match=rf"models\.mine\.{key}: {architecture} takes no steps"):
        validate(changed("models.mine", model | {key: value}))


@pytest.mark.parametrize("architecture", ["random_guess", "seed_search"])
def test_a_guess_refuses_warped_images(architecture):
    model = {"framework": "numpy", "architecture": architecture, "epochs": 1, "augment": {"rotate": 5}}
    with pytest.raises(ConfigError, match=rf"models\.mine\.augment: {architecture} does not look at images"):
        validate(changed("models.mine", model))


@pytest.mark.parametrize("text", ["{learning_rate: 0,004}", "{network: {dropout: 0,2}}"])
def test_a_decimal_comma_that_ends_a_value_of_yaml_is_told_as_one(text):
    config = changed("models.mine", DEFAULT["models"]["keras_cnn"] | yaml.safe_load(text))
    with pytest.raises(ConfigError, match=r"decimals take a point, as in 0\.2"):
        validate(config)


@pytest.mark.parametrize("framework", ["keras", "numpy"])
@pytest.mark.parametrize("hidden", [64, "800", [0], [True], [8.5], ["800"]])
def test_hidden_layers_are_a_list_of_counts_before_any_training(framework, hidden):
    model = {"framework": framework, "architecture": "mlp", "epochs": 1, "batch_size": 8, "learning_rate": 1}
    with pytest.raises(
        ConfigError, match=r"models\.mine\.network\.hidden: .*, should be a list of numbers of"
    ):
        validate(changed("models.mine", model | {"network": {"hidden": hidden}}))
    validate(changed("models.mine", model | {"network": {"hidden": [64.0, 32]}}))


def test_the_two_words_of_a_submissions_header_differ():
    with pytest.raises(ConfigError, match=r"submission: id and label are both 'id', but the header"):
        validate(DEFAULT | {"submission": {"id": "id", "label": "id"}})


def test_a_competition_is_named_as_in_its_address():
    with pytest.raises(ConfigError, match=r"data\.competition: 'Digit Recognizer' cannot be"):
        validate(changed("data.competition", "Digit Recognizer"))


def test_every_key_of_the_schema_has_a_description_and_every_object_is_closed():
    def walk(part, where):
        if part.get("type") == "object":
            assert "additionalProperties" in part, where
        for name, sub in part.get("properties", {}).items():
            assert "description" in sub, f"{where}.{name}"
            walk(sub, f"{where}.{name}")

    walk(schema(), "config")
    walk(schema()["$defs"]["model"], "model")


def test_the_lists_of_names_in_the_schema_are_those_of_the_code():
    model = schema()["$defs"]["model"]["properties"]
    assert model["framework"]["enum"] == list(FRAMEWORKS)
    assert model["schedule"]["enum"] == list(SCHEDULES)
    assert model["optimizer"]["enum"] == list(OPTIMIZERS)
    assert schema()["properties"]["merge"]["properties"]["method"]["enum"] == list(MERGE_METHODS)
    assert "enum" not in SCHEMA.read_text().partition("method:")[2].partition("models:")[0]


def test_a_name_that_is_added_to_a_registry_is_allowed(monkeypatch):
    config = changed("merge.method", "median")
    with pytest.raises(ConfigError, match=r"merge\.method: 'median', should be one of mean, vote"):
        validate(config)
    monkeypatch.setitem(MERGE_METHODS, "median", MERGE_METHODS["mean"])
    schema.cache_clear()
    try:
        assert validate(config)["merge"]["method"] == "median"
    finally:
        monkeypatch.undo()
        schema.cache_clear()


@pytest.mark.parametrize(
    ("change", "folds", "message"),
    [
        ({"patience": 3}, 1, "models.keras_cnn: patience, prune and the schedule plateau need validation"),
        ({"prune": {"epoch": 1, "accuracy": 0.5}}, 1, "validation.fraction is 0; set it above 0"),
        ({"schedule": "plateau"}, 1, "models.keras_cnn: patience, prune and the schedule plateau"),
        ({"patience": 3}, 5, None),
        ({}, 1, None),
    ],
)
def test_what_looks_at_validation_rows_is_refused_where_there_are_none(change, folds, message):
    config = changed("validation", {"fraction": 0, "folds": folds})
    config["models"]["keras_cnn"] |= change
    if message is None:
        validate(config)
        return
    with pytest.raises(ConfigError) as error:
        validate(config)
    assert message in str(error.value)


def test_weights_by_trainings_are_the_numbers_of_seeds_and_null_where_these_are_equal(others):
    assert validate(DEFAULT)["merge"]["weights"] is None
    config = changed("models.mxnet_cnn.seeds", [3, 5])
    assert validate(config)["merge"]["weights"] == [1, 1, 2, 1, 1]
    config["merge"]["models"] = ["mxnet_cnn", "notebook"]
    assert validate(config)["merge"]["weights"] == [2, 1]


def test_weights_cannot_be_fitted_without_validation_rows():
    config = changed("validation", {"fraction": 0})
    config["merge"]["weights"] = "auto"
    with pytest.raises(ConfigError, match=r"set validation\.folds to 5, or validation\.fraction above 0"):
        validate(config)
    config["validation"]["folds"] = 5
    assert validate(config)["merge"]["weights"] == "auto"


def test_further_images_that_are_not_there_are_named_with_their_key(tmp_path):
    with pytest.raises(ConfigError, match=r"predict\.mine: there is no file 'own/none\.csv'"):
        validate(changed("predict", {"mine": "own/none.csv"}))
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        archive.writestr("more.csv", "pixel0\n1\n")
    predict = {"folder": str(tmp_path), "packed": str(tmp_path / "new.zip" / "more.csv")}
    assert validate(changed("predict", predict))["predict"] == predict


@pytest.mark.parametrize("name", ["train", "valid", "test", "oof"])
def test_further_images_cannot_have_the_name_of_another_prediction(name):
    with pytest.raises(ConfigError, match=rf"predict\.{name}: this name is taken"):
        validate(changed("predict", {name: "more.csv"}))


# What a training depends on

MODEL = {"framework": "keras", "architecture": "mlp", "epochs": 3, "batch_size": 8, "learning_rate": 1}


def text_of(**changes) -> str:
    """The settings of a model of the configuration, as a rule compares them; None takes a key away."""
    model = {key: value for key, value in (MODEL | changes).items() if value is not None}
    return settings_text(models(validate(changed("models.tiny", model)))["tiny"])


@pytest.mark.parametrize(
    "same",
    [
        {"learning_rate": 1.0},
        {"epochs": 3.0},
        {"optimizer": "adam"},
        {"weight_decay": 0.0, "test_shifts": 1, "prune": None},
        {"augment": {}},
        {"augment": {"rotate": 0, "part": 1.0}},
        {"network": {}, "schedule_options": {}},
        {"schedule_options": {"warm": 0.25, "divide": 25, "min_lr": 0}},
        {"seeds": [4, 5]},  # each seed is a training of its own
    ],
)
def test_another_way_to_write_the_same_settings_is_no_change(same):
    assert text_of(**same) == text_of()


def test_the_order_of_keys_is_no_change_at_any_depth():
    changes = {"network": {"hidden": [2, 1]}, "optimizer_options": {"beta_1": 0, "beta_2": 0.5}}
    first = text_of(augment={"rotate": 10, "shift": 0.1}, **changes)
    changes = {"optimizer_options": {"beta_2": 0.5, "beta_1": 0.0}, "network": {"hidden": [2.0, 1]}}
    assert text_of(**changes, augment={"shift": 0.1, "rotate": 10.0}) == first


@pytest.mark.parametrize(
    "other",
    [
        {"learning_rate": 0.5},
        {"epochs": 4},
        {"architecture": "small_cnn"},
        {"optimizer": "sgd"},
        {"augment": {"rotate": 1}},
        {"augment": {"part": 0.5}},
        {"schedule_options": {"divide": 10}},
        {"network": {"hidden": [10]}},
        {"prune": {"epoch": 1, "accuracy": 0}},
        {"keep_failures": True},
    ],
)
def test_a_changed_value_is_a_change(other):
    assert text_of(**other) != text_of()


def test_options_that_differ_from_those_of_their_own_schedule_are_kept():
    options = {"cycle": 8, "min_lr": 0.001}
    text = text_of(schedule="triangular", schedule_options=options)
    assert json.loads(text)["schedule_options"] == {"min_lr": 0.001}
    text = text_of(schedule="plateau", schedule_options={"patience": 10.0, "factor": 0.5})
    assert json.loads(text)["schedule_options"] == {"factor": 0.5}


def test_the_order_within_a_list_is_a_change():
    assert text_of(network={"hidden": [10, 20]}) != text_of(network={"hidden": [20, 10]})


def test_the_settings_text_holds_all_that_a_training_needs_and_makes_the_same_settings():
    text = text_of(augment={"rotate": 10}, prune={"epoch": 2, "accuracy": 0.5})
    assert Settings.from_dict(json.loads(text)) == Settings(
        "mlp", "keras_mlp", 3, 8, 1, augment=Augment(rotate=10), prune=Prune(epoch=2, accuracy=0.5)
    )


def test_a_new_key_with_a_default_is_no_change(monkeypatch):
    before = text_of()
    properties = schema()["$defs"]["model"]["properties"]
    new = {"description": "New.", "type": "integer", "default": 7}
    monkeypatch.setitem(properties, "novelty", new)
    made = json_schema()
    monkeypatch.setattr(
        "digitflow.config.models.json_schema",
        lambda: made | {"properties": made["properties"] | {"novelty": new}},
    )
    assert text_of() == before
    assert text_of(novelty=7) == before
    assert text_of(novelty=8) != before


def test_how_images_are_read_is_told_by_what_differs_from_the_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").touch()
    files = {"source": "files", "train_csv": "train.csv"}
    assert reading(validate(changed("data", files))["data"]) == "{}"
    written_out = files | {
        "image": {"height": "auto", "transpose": False},
        "values": "auto",
        "classes": "auto",
    }
    assert reading(validate(changed("data", written_out))["data"]) == "{}"
    told = files | {"columns": {"label": -1}, "values": {"from": 0, "to": 16.0}}
    assert reading(validate(changed("data", told))["data"]) == (
        '{"columns": {"label": -1}, "values": {"from": 0, "to": 16}}'
    )


def test_mnist_and_the_digit_recognizer_have_ten_classes_whatever_is_found():
    data = validate(changed("data", {"source": "mnist"}))["data"]
    assert reading(data) == '{"classes": 10}'
    assert reading(data | {"source": "kaggle"}) == '{"classes": 10}'
    assert reading(data | {"source": "kaggle", "competition": "another"}) == "{}"
    assert reading(data | {"classes": ["a", "b"]}) == '{"classes": ["a", "b"]}'


@pytest.mark.parametrize("source", ["folder", "idx"])
def test_a_source_that_is_a_folder_needs_one(source):
    with pytest.raises(
        ConfigError, match=rf"data\.folder: null, should be a folder, because data.source is {source}"
    ):
        validate(changed("data", {"source": source}))


@pytest.mark.parametrize("channels", [{}, {"channels": 1}])
def test_only_images_in_colour_have_planes(tmp_path, channels):
    (tmp_path / "train.csv").touch()
    data = {"source": "files", "train_csv": f"{tmp_path}/train.csv", "image": {"planar": True, **channels}}
    with pytest.raises(
        ConfigError, match=r"data\.image\.planar: only colour images have planes; write channels: 3"
    ):
        validate(changed("data", data))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"image": {"height": 28}},
            r"data\.image\.height: the source idx has no columns, and images of known",
        ),
        ({"image": {"width": 28}}, r"data\.image\.width: the source idx has no columns"),
        ({"columns": {"label": 0}}, r"data\.columns: the source idx has no columns, .*; leave this key out"),
        (
            {"labels_csv": "labels.csv"},
            r"data\.labels_csv: the source idx has labels of its own; leave this key out",
        ),
        (
            {"image": {"channels": 3, "planar": True}},
            r"data\.image\.planar: the source idx has no columns, and images of known size; leave",
        ),
    ],
)
def test_what_is_said_of_columns_is_refused_where_no_csv_is_read(tmp_path, told, message):
    for name in ("images-idx3", "labels-idx1"):
        (tmp_path / f"train-{name}-ubyte").touch()
    data = {"source": "idx", "folder": str(tmp_path)}
    config = changed("data", data | {"image": {"transpose": True, "channels": 1}})
    assert validate(config)["data"]["image"]["transpose"]
    with pytest.raises(ConfigError, match=message):
        validate(changed("data", data | told))


def test_a_missing_test_set_is_told_by_what_was_looked_for_and_what_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures, files = tmp_path / "pics", tmp_path / "idx"
    for name in ("pics/train", "pics/Test", "pics/@eaDir", "idx"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images.idx3"):
        (files / name).touch()
    told = {
        "folder": "pics has no folder test (there is Test); put its images into pics/test",
        "idx": "idx has no test-images-idx3-ubyte or t10k-images-idx3-ubyte, packed with gzip or not "
        "(there is t10k-images.idx3); rename its file",
        "files": "set data.test_csv to the path of its CSV",
    }
    folders = {"folder": pictures.name, "idx": files.name, "files": None}
    for source, why in told.items():
        data = {"source": source, "folder": folders[source]}
        assert no_test_set(data) == f"there is no test set to predict: {why}"


def test_a_folder_train_in_other_letters_is_named(tmp_path):
    (tmp_path / "TRAIN").mkdir()
    if (tmp_path / "train").exists():
        pytest.skip("this file system overlooks the case of names")
    with pytest.raises(ConfigError, match=r"has no folder train \(there is TRAIN\), for .*; rename it"):
        validate(changed("data", {"source": "folder", "folder": str(tmp_path)}))


def test_what_is_said_of_columns_is_right_where_a_csv_is_predicted(tmp_path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "more.csv"):
        (tmp_path / name).touch()
    config = changed("data", {"source": "idx", "folder": str(tmp_path), "columns": {"id": "name"}})
    config["predict"] = {"more": str(tmp_path / "more.csv")}
    assert validate(config)["data"]["columns"]["id"] == "name"


MNIST = {"source": "mnist", "corrections": "corrections.csv"}


@pytest.mark.parametrize("name", ["mine.yaml", "Mine.YAML", "mine.yml"])
def test_a_project_whose_configuration_is_not_given_is_not_run_as_mnist(tmp_path, monkeypatch, name):
    clone, project = tmp_path / "clone", tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    check_folder(clone, MNIST, configured=False)  # nothing is here: MNIST may be meant
    (project / name).touch()
    check_folder(clone, MNIST, configured=True)
    with pytest.raises(ConfigError, match=rf"no configuration is given; add --configfile {name} at the end"):
        check_folder(clone, MNIST, configured=False)


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (["train.csv", "test.csv"], 'files, train_csv: "train.csv", test_csv: "test.csv"'),
        (["My TEST.csv", "Training.CSV"], 'files, train_csv: "Training.CSV", test_csv: "My TEST.csv"'),
        (["train.csv", "corrections.csv"], 'files, train_csv: "train.csv"'),
        (["data/kaggle/test.csv", "data/kaggle/train.csv"], "kaggle"),
    ],
)
def test_a_project_with_images_of_its_own_and_no_configuration_is_not_run_as_mnist(
    tmp_path, monkeypatch, names, lines
):
    monkeypatch.chdir(tmp_path)
    clone = tmp_path / "clone"
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    check_folder(tmp_path, MNIST, configured=False)  # the clone's own folder
    check_folder(clone, MNIST, configured=True)
    check_folder(clone, MNIST | {"source": "files"}, configured=False)  # config.yaml of the clone says so
    with pytest.raises(ConfigError) as error:
        check_folder(clone, MNIST, configured=False)
    assert f"given; write data: {{source: {lines}}} into mine.yaml, and add" in str(error.value)


def test_what_a_default_run_leaves_is_no_image_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left = ["corrections.csv", "._test.csv", "data/mnist/train.csv", "results/submission.csv"]
    left += ["corrections-to-add.csv", "corrections (1).csv", "data/kaggle/sample_submission.csv"]
    for name in left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    check_folder(tmp_path / "clone", MNIST, configured=False)


def test_files_of_the_competition_that_are_not_read_are_warned_of_unless_mnist_is_asked_for(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "kaggle"
    folder.mkdir(parents=True)
    (folder / "test.csv").touch()  # as one to predict
    assert unread_competition(MNIST, {}) is None
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("train.csv", "")
    for given in ({}, {"device": "cpu"}, {"data": {"invert": True}}):
        warning = unread_competition(MNIST, given)
        assert warning.startswith("warning: data/kaggle/all.zip/train.csv is not read"), warning
    assert unread_competition(MNIST, {"data": {"source": "mnist"}}) is None
    assert unread_competition(MNIST | {"source": "kaggle"}, {}) is None


def test_ftrl_with_keras_needs_a_rate_that_does_not_end_at_0():
    model = {"framework": "keras", "architecture": "lenet", "optimizer": "ftrl"}
    model |= {"epochs": 1, "batch_size": 32, "learning_rate": 1.0}
    for schedule in ({}, {"schedule": "triangular"}, {"schedule_options": {"min_lr": 0}}):
        with pytest.raises(ConfigError, match=r"ftrl divides by the rate.*\{min_lr: 0\.0001\}"):
            validate(changed("models.keras_cnn", model | schedule))
    for schedule in ({"schedule": "constant"}, {"schedule_options": {"min_lr": 0.001}}):
        validate(changed("models.keras_cnn", model | schedule))


def test_whole_numbers_are_whole_however_they_are_written():
    config = changed("models.keras_cnn.seeds", [1.0, 2.0])
    config |= {"rec": {"shards": 2.0}}
    config["validation"] |= {"folds": 5.0}
    complete = validate(config)
    seeds, folds = complete["models"]["keras_cnn"]["seeds"], complete["validation"]["folds"]
    assert {type(value) for value in (*seeds, folds, complete["rec"]["shards"])} == {int}


def test_classes_and_columns_may_be_called_like_numbers():
    config = changed("data.classes", ["4e00", "4e01"])
    config["models"]["keras_cnn"]["learning_rate"] = "1e-3"
    complete = validate(config)
    assert complete["data"]["classes"] == ["4e00", "4e01"]
    assert complete["models"]["keras_cnn"]["learning_rate"] == 0.001


def test_keys_that_are_missing_are_told_once():
    model = {"framework": "keras", "architecture": "lenet"}
    with pytest.raises(ConfigError) as error:
        validate(changed("models.keras_cnn", model))
    assert str(error.value).count("models.keras_cnn.epochs: this key is missing") == 1


def test_a_seed_fits_all_frameworks():
    validate(changed("models.keras_cnn.seeds", [2**32 - 1]))
    with pytest.raises(ConfigError, match="seeds"):
        validate(changed("models.keras_cnn.seeds", [2**32]))


def test_label_smoothing_of_a_network_with_its_own_loss_is_refused_before_it_trains():
    with pytest.raises(ConfigError, match=r"mxnet_cnn.*label_smoothing: mlp_module has its own loss"):
        validate(changed("models.mxnet_cnn.architecture", "mlp_module"))


def test_an_optimizer_that_numpy_lacks_is_refused_before_it_trains():
    model = {"framework": "numpy", "architecture": "mlp", "epochs": 1, "batch_size": 8, "learning_rate": 1}
    config = changed("models.mine", model | {"optimizer": "nadam"})
    with pytest.raises(ConfigError, match=r"models\.mine\.optimizer: 'nadam', should be adam or sgd"):
        validate(config)
    study = {"title": "Which?", "model": model, "vary": {"optimizer": ["sgd", "nadam"]}}
    with pytest.raises(ConfigError, match=r"optimizer: 'nadam', should be adam or sgd for numpy"):
        validate(DEFAULT | {"studies": {"which": study}})


def test_ftrl_with_mxnet_needs_a_rate_that_does_not_end_at_0():
    model = {"framework": "mxnet", "architecture": "lenet", "optimizer": "ftrl", "schedule": "cosine"}
    model |= {"epochs": 1, "batch_size": 32, "learning_rate": 1.0}
    with pytest.raises(ConfigError, match=r"ftrl divides by the rate.*set schedule: constant"):
        validate({"models": {"a": model}, "merge": {"models": ["a"]}})
    validate({"models": {"a": model | {"schedule": "constant"}}, "merge": {"models": ["a"]}})


# Devices


@pytest.mark.parametrize(
    ("configuration", "model", "device"),
    [("auto", None, "auto"), ("cpu", "gpu", "gpu"), ("gpu", "cpu", "cpu"), ("gpu", None, "gpu")],
)
def test_a_model_may_have_a_device_of_its_own(configuration, model, device):
    config = changed("device", configuration)
    config["models"]["keras_cnn"]["device"] = model
    config = validate(config)
    assert device_of(config, models(config)["keras_cnn"]) == device


def test_a_training_that_may_differ_each_time_is_another_training_and_the_default_is_the_one_of_before():
    assert text_of(deterministic=True) == text_of()
    assert text_of(deterministic=False) != text_of()


def test_a_device_is_no_setting_of_a_training():
    config = changed("models.keras_cnn.device", "cpu")
    assert "device" not in settings_text(models(validate(config))["keras_cnn"])


def test_no_gpu_is_asked_for_a_network_of_numpy():
    config = changed("models.keras_cnn", {"framework": "numpy", "architecture": "numpy_mlp", "device": "gpu"})
    config["models"]["keras_cnn"] |= {"epochs": 1, "batch_size": 8, "learning_rate": 0.1}
    with pytest.raises(ConfigError, match=r"models\.keras_cnn\.device: gpu is for keras and mxnet"):
        validate(config)


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A driver of NVIDIA's that is there, as far as its folder goes; nothing chosen by `make gpu`."""
    monkeypatch.setattr(environments.device, "DRIVER", tmp_path)
    monkeypatch.setattr(environments, "GPU_CHOICE", tmp_path / "gpu.mk")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return tmp_path


def claims(config) -> dict[str, bool]:
    return {name: environments.may_use_gpu(config, model) for name, model in models(config).items()}


KERAS = {"keras_cnn": True, "keras_residual": True}


def test_mxnets_jobs_claim_a_gpu_only_where_its_cuda_build_was_chosen(driver, cuda_jax):
    config = validate(changed("device", "auto"))
    assert claims(config) == dict.fromkeys(DEFAULT["models"], False) | KERAS
    (driver / "gpu.mk").write_text("GPU_PINS = jax-cuda13\nMXNET_PINS = mxnet-cu117\n")
    assert claims(config) == dict.fromkeys(DEFAULT["models"], False) | KERAS | {"mxnet_cnn": True}


def test_a_model_that_trains_on_the_cpu_claims_no_gpu(driver, cuda_jax):
    config = changed("device", "auto")
    config["models"]["keras_cnn"]["device"] = "cpu"
    assert claims(validate(config)) == dict.fromkeys(DEFAULT["models"], False) | {"keras_residual": True}


def test_keras_claims_a_gpu_only_where_something_is_installed_that_can_use_one(driver, no_cuda, monkeypatch):
    config = validate(changed("device", "auto"))
    assert not any(claims(config).values())  # its trainings go side by side on the CPU
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: "libcudnn.so.9")
    assert claims(config) == dict.fromkeys(DEFAULT["models"], False) | KERAS


def test_a_model_that_insists_on_a_gpu_claims_one_of_another_machine_too(driver, monkeypatch):
    monkeypatch.setattr(environments.device, "DRIVER", driver / "absent")
    config = changed("device", "auto")
    assert not any(claims(validate(config)).values())
    config["models"]["keras_cnn"]["device"] = "gpu"
    config["models"]["mxnet_cnn"]["device"] = "gpu"  # whose build for CPUs will miss it
    assert claims(validate(config)) == dict.fromkeys(DEFAULT["models"], False) | {"keras_cnn": True}


@pytest.fixture
def no_cuda(monkeypatch):
    """An environment without any library that could use a GPU."""
    monkeypatch.setattr(environments.device, "has_cuda_jax", lambda: False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    monkeypatch.setattr(environments.device, "installed_version", lambda package: None)


@pytest.fixture
def cuda_jax(monkeypatch):
    """An environment with JAX's build for GPUs."""
    monkeypatch.setattr(environments.device, "has_cuda_jax", lambda: True)


def test_a_driver_that_nothing_installed_can_use_is_told_with_the_command_that_helps(driver, no_cuda):
    warning = environments.idle_gpu(validate(changed("device", "auto")))
    assert warning.startswith(
        "warning: this machine has an NVIDIA driver, but nothing is installed that can use a GPU"
    )
    assert "make gpu" in warning
    assert "device: cpu" in warning


@pytest.mark.parametrize(
    "why", ["no driver", "cpu", "numpy", "chosen", "jax", "tensorflow", "another backend"]
)
def test_nothing_is_told_where_a_gpu_is_used_or_not_wanted(driver, no_cuda, monkeypatch, why):
    config = validate(changed("device", "cpu" if why == "cpu" else "auto"))
    if why == "no driver":
        monkeypatch.setattr(environments.device, "DRIVER", driver / "absent")
    elif why == "chosen":
        (driver / "gpu.mk").touch()
    elif why == "numpy":
        config["merge"]["models"] = ["features", "neighbours"]
    elif why == "jax":
        monkeypatch.setattr(environments.device, "has_cuda_jax", lambda: True)
    elif why == "tensorflow":
        monkeypatch.setattr(ctypes.util, "find_library", lambda name: "libcudnn.so.9")
    elif why == "another backend":
        monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert environments.idle_gpu(config) is None


def test_a_choice_of_pins_belongs_to_what_is_installed(driver, tmp_path, monkeypatch):
    pins = [(ENVIRONMENTS / f"{name}.lock.txt").read_bytes() for name in ("main", "jax-cuda13")]
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "main.installed").write_bytes(b"".join(pins))
    assert "installed packages are not the pinned" in environments.stale_environment()
    (driver / "gpu.mk").write_text("GPU_PINS = jax-cuda13\nMXNET_PINS = mxnet\n")
    assert environments.stale_environment() is None
    assert environments.mxnet_lock().name == "mxnet.lock.txt"
    assert "nvidia" not in environments.mxnet_versions()
    (driver / "gpu.mk").write_text("GPU_PINS =\nMXNET_PINS = mxnet-cu117\n")
    versions = environments.mxnet_versions()
    assert all(f"{name} " in versions for name in ("mxnet-cu117", "numpy", "opencv-python-headless"))
    assert "nvidia-cudnn-cu11 8" in versions
    assert "certifi" not in versions


@pytest.mark.parametrize(
    "words", [["--config", "message=a", "submit=yes"], ["--config=submit=true"], ["-Csubmit=1"]]
)
def test_a_submission_is_asked_for_on_the_command_line(words):
    check_wish_is_typed({**DEFAULT, "submit": True}, words)


@pytest.mark.parametrize("words", [[], ["--config", "message=submit=yes"], ["results/kaggle/submitted.json"]])
def test_a_submission_that_a_file_asks_for_is_refused_with_the_reason(words):
    check_wish_is_typed({**DEFAULT, "submit": False}, words)
    with pytest.raises(
        ConfigError, match=r"sent by accident; delete that line, and type --config submit=yes"
    ):
        check_wish_is_typed({**DEFAULT, "submit": True}, words)
