"""Studies: the points of a grid, their names, and what is made of their results."""

import csv
import json

import numpy as np
import pandas
import pytest
import yaml
from snakemake.utils import Paramspace, update_config
from tests.conftest import PROJECT

from digitflow.base.errors import ConfigError, FormatError
from digitflow.config import models, validate
from digitflow.formats import labelscsv
from digitflow.look.mistakes import write_confusion
from digitflow.scoring import table
from digitflow.scoring.pairs import PAIR_COLUMNS, compare_pairs, read_pairs
from digitflow.studies import page as study_page
from digitflow.studies import table as study_table
from digitflow.studies.points import points

MODEL = {"framework": "keras", "architecture": "lenet", "epochs": 2, "batch_size": 8, "learning_rate": 0.1}
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
        ({"vary": {"run": {"a/b": {}}}}, "run: 'a/b' becomes a folder: letters, digits and ._+- only"),
        ({"vary": {}}, "studies.which.vary"),
        ({"model": {"framework": "keras"}}, "architecture: this key is missing"),
        ({"data": "official", "vary": {"framework": ["mxnet"]}}, "official is for keras and numpy only"),
        ({"vary": {"epochs": [1], "schedule_options.epochs": [5]}}, "vary: two axes, or two values of one"),
        ({"vary": {"epochs": [1, 1]}}, "vary: two axes, or two values of one, have the same name"),
        ({"vary": {"seeds": [[0], [1]]}}, "seeds: the axis has the name of a column"),
        ({"vary": {"run": {"plain": None}}}, "studies.which.vary.run.plain: None, should be of type object"),
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
        ({"vary": {"valid_accuracy": {"a": {}}}}, "valid_accuracy: the axis has the name of a column"),
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


# Reports


@pytest.fixture
def results(tmp_path):
    """A function that makes a finished study of two points below models/which; returns its keys."""

    def write(seeds=(0,), failed=False):
        study = {"title": "Which?", "about": "This.", "data": "own", "vary": {"epochs": [1, 2]}}
        study |= {"model": MODEL | {"seeds": list(seeds)}, "figures": []}
        for epochs, accuracy in ((1, 0.8), (2, 0.9)):
            for seed in seeds:
                folder = tmp_path / "models" / "which" / f"epochs~{epochs}" / f"seed{seed}"
                folder.mkdir(parents=True, exist_ok=True)
                value = accuracy + 0.01 * seed
                score = {"valid_accuracy": value, "valid_low": value - 0.05, "valid_high": value + 0.05}
                (folder / "table.json").write_text(json.dumps(score))
                status = "diverged" if failed and epochs == 1 else "finished"
                metrics = {"parameters": 1000, "epochs": epochs, "seconds": 2.0, "status": status}
                metrics["device"] = "cpu: a fast one"
                (folder / "metrics.json").write_text(json.dumps(metrics))
                fields = "epoch,loss,accuracy,valid_loss,valid_accuracy"
                rows = [f"{epoch},1,0.5,1,{value}" for epoch in range(1, epochs + 1)]
                (folder / "history.csv").write_text("\n".join([fields, *rows]) + "\n")
        return study

    return write


def rows_of(study, folder):
    study_table.write_table(folder / "table.csv", study_table.read(study, folder / "models" / "which"))
    with open(folder / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_is_ranked_by_validation_accuracy_and_has_its_interval(results, tmp_path):
    first, second = rows_of(results(), tmp_path)
    assert (first["trained_epochs"], second["epochs"]) == ("2.0", "1")
    assert (first["valid_accuracy"], first["valid_low"], first["valid_high"]) == ("0.9", "0.85", "0.95")


def test_several_seeds_become_means_and_a_standard_deviation(results, tmp_path):
    first, _ = rows_of(results(seeds=(0, 1, 2)), tmp_path)
    assert (first["seeds"], first["valid_accuracy"], first["valid_std"]) == ("3", "0.91", "0.01")
    assert (first["valid_low"], first["valid_high"]) == ("0.86", "0.96")


@pytest.fixture
def page(results, tmp_path):
    """A function that writes the page of one study; returns its text and the folder beside it."""

    def write(failed=False, seeds=(0,), **keys):
        study = results(seeds, failed) | keys
        rows_of(study, tmp_path)
        (tmp_path / "figure.png").write_bytes(b"picture")
        labels = {"epochs 1": np.array([0, 1, 1]), "epochs 2": np.array([0, 1, 2])}
        pairs = compare_pairs(labels, np.array([0, 1, 2]), "test")
        table.write_table(tmp_path / "pairs.csv", pairs, PAIR_COLUMNS)
        left = [tmp_path / name for name in ("table.csv", "pairs.csv", "figure.png")]
        path = tmp_path / "page.md"
        studies = [study_page.Study("which", study, *left)]
        study_page.write(path, studies, tmp_path / "models", tmp_path / "rates")
        return path.read_text(), tmp_path / "experiments"

    return write


def test_a_page_has_a_section_a_study_and_its_figure_and_table_beside_it(page, tmp_path):
    text, folder = page(failed=True)
    assert "- [Which?](#which) Best on validation: epochs 2; test %: not known.\n" in text
    assert "## Which?\n\nThis.\n" in text
    assert "| epochs | training % | validation % | test % | parameters | epochs trained | seconds |" in text
    assert "| 2 | 50.00 | 90.00 (85.00-95.00) | not known | 1,000 | 2 | 2 |" in text
    assert "80.00 (75.00-85.00); diverged" in text
    assert "On the configuration's data, with cpu: a fast one; `framework keras," in text
    assert "Of [all pairs](experiments/which-pairs.csv), on the 3 test images:\n" in text
    assert "- epochs 1 and epochs 2: a difference of 33.33 points, p = 1: may be chance" in text
    assert (folder / "which.png").read_bytes() == b"picture"
    assert (folder / "which.csv").read_bytes() == (tmp_path / "table.csv").read_bytes()


def test_a_page_names_the_framework_where_a_study_has_more_than_one(page):
    variants = {"1": {"epochs": 1}, "2": {"epochs": 2, "framework": "numpy"}}
    text, _ = page(vary={"epochs": variants})
    assert "| epochs | framework | training % |" in text
    assert "| 2 | numpy | 50.00 |" in text
    assert "<summary>What each epochs sets</summary>\n\n- 1: `epochs 1`\n- 2: `epochs 2, framework" in text


def test_a_page_has_means_intervals_and_deviations_of_several_seeds(page):
    text, _ = page(seeds=(0, 1, 2))
    assert "| 91.00 (86.00-96.00) ± 1.00 over 3 seeds |" in text


def test_a_page_shows_what_each_point_confuses_and_the_finders_curve_if_asked_for(page, results, tmp_path):
    for number, epochs in enumerate((1, 2)):
        folder = tmp_path / "models" / "which" / f"epochs~{epochs}" / "seed0"
        folder.mkdir(parents=True)
        write_confusion(folder / "confusion.csv", np.array([[5, 2 + number], [1, 7]]))
        (folder / "confusion.png").write_bytes(b"matrix %d" % epochs)
        (folder / "mistakes.png").write_bytes(b"mistakes %d" % epochs)
    curve = tmp_path / "rates" / "which" / "epochs~1.png"
    curve.parent.mkdir(parents=True)
    curve.write_bytes(b"curve")
    text, folder = page(figures=["mistakes", "learning_rate"])
    assert "| 1 | 0 → 1 (2), 1 → 0 (1) | [confusion matrix](experiments/which-epochs~1-" in text
    assert "| 2 | 0 → 1 (3), 1 → 0 (1) |" in text
    assert "![worst mistakes](experiments/which-epochs~2-mistakes.png)\n" in text  # the best one's
    assert (folder / "which-epochs~1-confusion.png").read_bytes() == b"matrix 1"
    assert (folder / "which-epochs~2-mistakes.png").read_bytes() == b"mistakes 2"
    assert "](experiments/which-learning_rate.png)" in text
    assert (folder / "which-learning_rate.png").read_bytes() == b"curve"


def test_the_best_points_are_compared_with_their_seeds_averaged(results, tmp_path):
    study, folder = results(seeds=(0, 1)), tmp_path / "models" / "which"
    sure, wrong = np.array([[1, 0], [0, 1]], np.float32), np.array([[0.8, 0.2], [0.7, 0.3]], np.float32)
    for epochs, rows in ((1, wrong), (2, sure)):
        for seed, array in ((0, rows), (1, sure)):
            np.save(folder / f"epochs~{epochs}" / f"seed{seed}" / "test_probabilities.npy", array)
    labelscsv.write(tmp_path / "solution.csv", np.array([0, 1]))
    found = study_table.read(study, folder)
    study_table.write_pairs(tmp_path / "pairs.csv", found, "no.lst", tmp_path / "solution.csv")
    (pair,) = read_pairs(tmp_path / "pairs.csv")
    assert (pair["first"], pair["second"], pair["images"]) == ("2", "1", 2)
    assert (pair["only_first"], pair["only_second"]) == (0, 0)  # the mean of 0.3 and 1 is sure enough


def test_a_damaged_file_is_named(results, tmp_path):
    study, folder = results(), tmp_path / "models" / "which"
    (folder / "epochs~1" / "seed0" / "metrics.json").write_text("{")
    with pytest.raises(FormatError, match=r"metrics\.json: damaged: .*; delete it and run again"):
        study_table.read(study, folder)
