"""Studies: the points of a grid, their names, and mistakes in them."""

import pandas
import pytest
import yaml
from snakemake.utils import Paramspace, update_config
from tests.conftest import PROJECT

from digitflow.base.errors import ConfigError
from digitflow.config.checks import validate
from digitflow.config.models import models
from digitflow.studies.points import points

MODEL = {"framework": "keras", "architecture": "mlp", "epochs": 2, "batch_size": 8, "learning_rate": 0.1}
STUDY = {
    "title": "Which?",
    "model": MODEL,
    "vary": {
        "schedule": {"flat": {"schedule": "constant"}, "waves": {"schedule": "triangular"}},
        "schedule_options.min_lr": [0.001, 0.0001],
        "network.hidden": [[500, 700]],
    },
}


def configuration(**changes):
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    return config | {"studies": {"which": STUDY | changes}}


def test_points_are_all_combinations_the_last_axis_fastest():
    assert [point.name for point in points(STUDY)] == [
        "schedule~flat/min_lr~0.001/hidden~500-700",
        "schedule~flat/min_lr~0.0001/hidden~500-700",
        "schedule~waves/min_lr~0.001/hidden~500-700",
        "schedule~waves/min_lr~0.0001/hidden~500-700",
    ]


def test_a_point_has_the_keys_that_all_share_and_its_own_at_every_depth():
    point = points(STUDY)[3]
    assert point.model == MODEL | {
        "schedule": "triangular",
        "schedule_options": {"min_lr": 0.0001},
        "network": {"hidden": [500, 700]},
    }
    assert STUDY["model"] == MODEL  # and nothing was changed in place


def test_null_takes_a_shared_key_back_to_its_default():
    study = {"model": MODEL | {"optimizer_options": {"momentum": 0.0}}}
    study["vary"] = {"optimizer": {"sgd": {}, "adam": {"optimizer_options": None}}}
    sgd, adam = (point.model for point in points(study))
    assert sgd["optimizer_options"] == {"momentum": 0.0}
    assert "optimizer_options" not in adam


def test_null_and_an_empty_list_are_values_of_an_axis_too():
    study = {"model": MODEL, "vary": {"schedule_options.min_lr": [None, 0.001], "network.hidden": [[], [10]]}}
    first, *_, last = points(study)
    assert (first.name, first.model["schedule_options"]) == ("min_lr~None/hidden~none", {})
    assert (last.name, last.model["network"]) == ("min_lr~0.001/hidden~10", {"hidden": [10]})


def test_names_are_those_of_snakemakes_paramspace():
    table = pandas.DataFrame([point.values for point in points(STUDY)])
    assert list(Paramspace(table).instance_patterns) == [point.name for point in points(STUDY)]


def test_points_become_models_with_every_default():
    found = models(validate(configuration(data="official")))
    point = found["which/schedule~flat/min_lr~0.001/hidden~500-700"]
    assert point["seeds"] == [0]
    assert point["data"] == "official"
    assert found["keras_cnn"]["data"] == "own"


def test_a_rate_written_as_1e_5_is_a_number():
    smallest = yaml.safe_load("[1e-5, 1e-6]")
    model = MODEL | {"schedule_options": {"min_lr": smallest[0]}}
    study = validate(configuration(model=model, vary={"schedule_options.min_lr": smallest[1:]}))
    study = study["studies"]["which"]
    assert study["model"]["schedule_options"]["min_lr"] == 0.00001
    assert points(study)[0].values == {"min_lr": "1e-06"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vary": {"epochs": [1, 0]}}, "studies.which: epochs~0: epochs: 0 is less than the minimum of 1"),
        ({"vary": {"epoch": [1]}}, "studies.which: epoch~1: epoch: unknown key; did you mean epochs?"),
        (
            {"vary": {"run": {"a/b": {}}}},
            "run: 'a/b' becomes the name of a folder; use only letters, digits and ._+-",
        ),
        ({"vary": {}}, "studies.which.vary"),
        (
            {"vary": {"network.hidden": [[0], [800]]}, "model": MODEL | {"architecture": "mlp"}},
            "studies.which: hidden~0: network.hidden: [0], should be a list of numbers of units",
        ),
        ({"model": {"framework": "keras"}}, "architecture: this key is missing"),
        (
            {"data": "official", "vary": {"framework": ["mxnet"]}},
            "official is for keras and numpy only; write data: own",
        ),
        ({"vary": {"epochs": [1], "schedule_options.epochs": [5]}}, "vary: two axes, or two values of one"),
        (
            {"vary": {"epochs": [1, 1]}},
            "vary: two axes, or two values of one, have the same name; rename one",
        ),
        ({"vary": {"epochs": [1, 1.0]}}, "vary: two axes, or two values of one, have the same name"),
        (
            {"vary": {"seeds": [[0], [1]]}},
            "seeds: the table has a column of this name; give the axis another",
        ),
        ({"vary": {"run": {"plain": None}}}, "studies.which.vary.run.plain: null, should be a section"),
        ({"model": MODEL | {"raw_pixels": True}}, "raw_pixels: true is for mxnet only"),
        ({"figures": ["mistake"]}, "studies.which.figures.0: 'mistake', should be one of mistakes"),
        (
            {"figures": ["learning_rate"], "vary": {"framework": ["mxnet"]}},
            "studies.which.figures: learning_rate is for keras only, and framework~mxnet is not",
        ),
        (
            {"vary": {"schedule_options.cycel": [4]}, "model": MODEL | {"schedule": "triangular"}},
            "cycel~4: schedule_options: triangular has no 'cycel'; its options are cycle, min_lr",
        ),
        ({"vary": {"valid_accuracy": {"a": {}}}}, "valid_accuracy: the table has a column of this name"),
        ({"vary": {"test_std": {"a": {}}}}, "test_std: the table has a column of this name"),
        (
            {"vary": {f"axis{number}": {"ä_long_value": {}} for number in range(10)}},
            "vary: with its study's, this name has 205 bytes, should have at most 180, because files are",
        ),
        ({"titel": ""}, "studies.which.titel: unknown key; did you mean title?"),
    ],
)
def test_a_mistake_in_a_study_is_named_with_its_point(changes, message):
    with pytest.raises(ConfigError) as error:
        validate(configuration(**changes))
    assert message in str(error.value)


def test_a_study_cannot_have_the_name_of_a_model():
    config = configuration()
    config["studies"]["keras_cnn"] = config["studies"].pop("which")
    with pytest.raises(ConfigError, match=r"studies\.keras_cnn: a model has this name"):
        validate(config)


@pytest.mark.parametrize(
    ("overlays", "trainings"), [(["experiments"], 90), (["experiments", "experiments.full"], 4000)]
)
def test_the_projects_own_experiments_are_right_in_both_sizes(overlays, trainings):
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    for name in overlays:
        update_config(config, yaml.safe_load((PROJECT / "config" / f"{name}.yaml").read_text()))
    assert sum(len(model["seeds"]) for model in models(validate(config)).values()) > trainings
