"""Runs without a test set, without validation rows, and with folds, in which every row validates once.

What there is to look at then, too.
"""

import json

import numpy as np
import pytest
from tests.conftest import read_rows
from tests.workflow.conftest import TEST_ROWS, TRAIN_ROWS, Clone, copy_of, make_clone

from digitflow.formats import idx, lst

FOLDS = 3
MODELS = ("wide", "plain")
PAGE = ["results/look/index.html", "results/look/labels.csv"]


def rows_of(clone, table: str) -> list[dict[str, str]]:
    return read_rows(clone.folder / "results" / table)


def scores_of(clone) -> dict[str, dict[str, str]]:
    return {row["model"]: row for row in rows_of(clone, "scores.csv")}


# No test set


def test_without_a_test_csv_models_are_trained_and_scored(fresh_numpy):
    fresh_numpy.configure(", test_csv: own/test.csv, solution_csv: own/solution.csv", "")
    result = fresh_numpy.snakemake()
    assert result.returncode == 0, result.stdout
    assert not fresh_numpy.planned("all", "trees", "--omit-from", "idx_to_png")
    scores = scores_of(fresh_numpy)
    assert float(scores["wide"]["valid_accuracy"]) > 0.7
    assert scores["wide"]["test_accuracy"] == ""
    assert not list((fresh_numpy.folder / "results").rglob("test_probabilities.npy"))
    for target in ("data/rec/test.lst", "data/png/test.sfv", "data/idx/test-ids.csv"):
        asked = fresh_numpy.snakemake(target)
        assert asked.returncode == 1
        last = asked.stdout.splitlines()[-1]
        assert last == "error: there is no test set to predict: set data.test_csv to the path of its CSV"
    assert not list((fresh_numpy.folder / "data").rglob("test*"))
    verified = fresh_numpy.snakemake("trees", "records", "results/verify.json")
    assert verified.returncode == 0, verified.stdout
    report = json.loads((fresh_numpy.folder / "results" / "verify.json").read_text())
    assert report.keys() == {"train"}
    looked = fresh_numpy.snakemake(*PAGE)
    assert looked.returncode == 0, looked.stdout
    assert (fresh_numpy.folder / PAGE[0]).exists()
    valid = lst.read(fresh_numpy.folder / "data" / "rec" / "valid.lst")
    assert sorted(int(row["id"]) for row in rows_of(fresh_numpy, "look/labels.csv")) == valid.index.tolist()


def test_without_a_test_csv_a_submission_is_refused_with_the_key_that_is_missing(fresh_numpy):
    fresh_numpy.configure(", test_csv: own/test.csv, solution_csv: own/solution.csv", "")
    result = fresh_numpy.snakemake("results/submission.csv")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == (
        "error: there is no test set to predict: set data.test_csv to the path of its CSV"
    )
    assert "Traceback" not in result.stdout
    assert not (fresh_numpy.folder / "data").exists()


# No validation rows


def test_a_fraction_of_0_trains_on_all_rows_and_scores_the_test_set_alone(fresh_numpy):
    fresh_numpy.configure("device: cpu", "device: cpu\nvalidation: {fraction: 0}")
    result = fresh_numpy.snakemake()
    assert result.returncode == 0, result.stdout
    assert len(lst.read(fresh_numpy.folder / "data" / "rec" / "train.lst")) == TRAIN_ROWS
    assert len(lst.read(fresh_numpy.folder / "data" / "rec" / "valid.lst")) == 0
    for row in scores_of(fresh_numpy).values():
        assert row["valid_accuracy"] == ""
        assert float(row["test_accuracy"]) > 0.7
    assert "nan" not in result.stdout.lower()
    assert not fresh_numpy.planned()

    # Without a solution nothing is scored, and nothing says where the mistakes are.
    fresh_numpy.configure(", solution_csv: own/solution.csv", "")
    assert "show_mistakes" not in fresh_numpy.planned_rules("figures")
    for mistakes in ("results/models/plain/seed0/mistakes.png", "results/merged/mistakes.png"):
        refused = fresh_numpy.snakemake(mistakes)
        assert refused.returncode == 1
        assert (
            "mistakes are found in rows with known labels: set validation.fraction above 0" in refused.stdout
        )


def test_a_fraction_that_leaves_no_row_to_validate_stops_before_a_training(fresh_numpy):
    result = fresh_numpy.snakemake("--config", "validation={fraction: 0.001}")
    assert result.returncode == 1
    assert "error: validation.fraction: 0.001 " in result.stdout
    assert not (fresh_numpy.folder / "results").exists()


def test_a_class_without_a_training_image_stops_before_a_training_with_the_classes_that_there_are(
    fresh_numpy,
):
    fresh_numpy.configure("own/solution.csv}", "own/solution.csv, classes: 12}")
    result = fresh_numpy.snakemake()
    assert result.returncode == 1
    assert "error: data.classes: no image has the label 10, 11, " in result.stdout
    assert not (fresh_numpy.folder / "results").exists()


# Folds


@pytest.fixture(scope="module")
def folded(digits, tmp_path_factory):
    """A finished run with folds and fitted weights."""
    clone = make_clone(tmp_path_factory.mktemp("folds") / "clone", digits, configuration="numpy.yaml")
    clone.configure("device: cpu", f"device: cpu\nvalidation: {{folds: {FOLDS}}}")
    clone.configure("models: [wide, plain]", "models: [wide, plain], weights: auto")
    result = clone.snakemake()
    assert result.returncode == 0, result.stdout
    return clone


def fold_lists(clone) -> list[tuple[lst.Listing, lst.Listing]]:
    folders = [clone.folder / "data" / "rec" / f"fold{number}" for number in range(FOLDS)]
    return [(lst.read(folder / "train.lst"), lst.read(folder / "valid.lst")) for folder in folders]


def test_every_row_is_left_out_by_one_fold_and_learned_from_by_the_others(folded):
    everyone = set(range(1, TRAIN_ROWS + 1))
    left_out = []
    for train, valid in fold_lists(folded):
        assert {*train.index.tolist()} == everyone - {*valid.index.tolist()}
        left_out += valid.index.tolist()
    assert sorted(left_out) == sorted(everyone)


@pytest.mark.parametrize("model", MODELS)
def test_out_of_fold_probabilities_are_in_the_order_of_the_csv(folded, model):
    folder = folded.folder / "results" / "models" / model / "seed0"
    collected = np.load(folder / "oof_probabilities.npy")
    assert collected.shape == (TRAIN_ROWS, 10)
    for number, (_, valid) in enumerate(fold_lists(folded)):
        own = np.load(folder / f"fold{number}" / "valid_probabilities.npy")
        np.testing.assert_array_equal(collected[valid.index - 1], own)
    labels = lst.read(folded.folder / "data" / "rec" / "train.lst").label
    row = scores_of(folded)[model]
    assert float(row["valid_accuracy"]) == pytest.approx(np.mean(collected.argmax(axis=1) == labels))
    assert float(row["valid_accuracy"]) > 0.7


@pytest.mark.parametrize("model", MODELS)
def test_the_folds_predictions_of_the_test_set_are_averaged(folded, model):
    folder = folded.folder / "results" / "models" / model / "seed0"
    of_folds = [np.load(folder / f"fold{number}" / "test_probabilities.npy") for number in range(FOLDS)]
    mean = np.load(folder / "test_probabilities.npy")
    assert mean.shape == (TEST_ROWS, 10)
    np.testing.assert_allclose(mean, np.mean(of_folds, axis=0), atol=1e-6)


def test_other_steps_are_no_other_code(folded, finished_numpy):
    paths = [clone.folder / "results" / "run.json" for clone in (folded, finished_numpy)]
    assert len({json.loads(path.read_text())["digests"]["code"] for path in paths}) == 1


def test_fitted_weights_are_kept_and_merge_the_submission(folded):
    fitted = json.loads((folded.folder / "results" / "merge_weights.json").read_text())
    assert fitted["models"] == [*MODELS]
    assert fitted["rows"] == TRAIN_ROWS
    weights = np.array(fitted["weights"])
    assert (weights >= 0).all()
    models = [folded.folder / "results" / "models" / name / "seed0" for name in MODELS]
    merged = sum(
        weight * np.load(folder / "test_probabilities.npy")
        for weight, folder in zip(weights, models, strict=True)
    )
    labels = [int(row["Label"]) for row in rows_of(folded, "submission.csv")]
    assert labels == merged.argmax(axis=1).tolist()


def test_with_folds_every_row_stands_in_the_audit_and_on_the_page(folded, tmp_path):
    clone = copy_of(folded, tmp_path)
    result = clone.snakemake(*PAGE)
    assert result.returncode == 0, result.stdout
    rows = rows_of(clone, "look/labels.csv")
    assert sorted(int(row["id"]) for row in rows) == [*range(1, TRAIN_ROWS + 1)]
    doubts = [float(row["self_confidence"]) for row in rows]
    assert doubts == sorted(doubts), "the most suspicious first"
    assert (clone.folder / PAGE[0]).exists()


def correct_some(clone) -> set[int]:
    """Correct 40 labels, wrongly, so that it matters, and drop five images; returns the rows of these."""
    labels = idx.read(clone.folder / "data" / "idx" / "train-labels-idx1-ubyte", ndim=1)[:45].tolist()
    lines = [
        f"{row},{label},{'drop' if row > 40 else (label + 1) % 10},,\n" for row, label in enumerate(labels, 1)
    ]
    (clone.folder / "corrections.csv").write_text("id,was,now,crc,note\n" + "".join(lines))
    return {*range(41, 46)}


def the_effect_is_told(clone, held_out: set[int], dropped: set[int]) -> None:
    """The same images twice, with the labels as given and as corrected; differences are what was counted."""
    rows = rows_of(clone, "look/effect.csv")
    assert [row["labels"] for row in rows] == ["given", "corrected"]
    for row in rows:
        images = int(row["images"])
        assert images == len(held_out - dropped)
        won = int(row["only_with"]) - int(row["only_without"])
        assert float(row["points"]) == pytest.approx(100 * won / images, abs=1e-4)
        gained = float(row["accuracy_with"]) - float(row["accuracy_without"])
        assert gained == pytest.approx(won / images)
        assert 0 < float(row["p_value"]) <= 1


def test_the_effect_of_corrections_is_measured_on_every_row_with_folds(folded, tmp_path):
    clone = copy_of(folded, tmp_path)
    dropped = correct_some(clone)
    result = clone.snakemake("results/look/effect.csv")
    assert result.returncode == 0, result.stdout
    the_effect_is_told(clone, {*range(1, TRAIN_ROWS + 1)}, dropped)


def test_the_effect_of_corrections_is_measured_on_the_validation_rows_without_folds(finished_numpy):
    dropped = correct_some(finished_numpy)
    result = finished_numpy.snakemake("results/look/effect.csv")
    assert result.returncode == 0, result.stdout
    # The split is stratified, so that corrected labels may move a row to the other side of it.
    lists = [finished_numpy.folder / "data" / "rec" / name for name in ("valid.lst", "given/valid.lst")]
    corrected, given = ({*lst.read(path).index.tolist()} for path in lists)
    assert len(corrected & given) > 40
    the_effect_is_told(finished_numpy, corrected & given, dropped)


def test_folds_that_are_done_are_not_trained_again(folded):
    assert not folded.planned()
    more = folded.planned_rules("--config", f"validation={{folds: {FOLDS}, seed: 0}}")
    assert not more


@pytest.fixture(scope="module")
def folded_frameworks(digits, mxnet_python, tmp_path_factory) -> Clone:
    """A finished run with two folds of a Keras and an MXNet model."""
    clone = make_clone(tmp_path_factory.mktemp("frameworks") / "clone", digits)
    clone.configure("device: cpu", "device: cpu\nvalidation: {folds: 2}")
    clone.configure("keras_cnn: {epochs: 5", "keras_cnn: {architecture: mlp, epochs: 1")
    clone.configure("mxnet_cnn: {epochs: 5", "mxnet_cnn: {epochs: 1")
    result = clone.snakemake()
    assert result.returncode == 0, result.stdout
    return clone


@pytest.mark.parametrize("model", ["keras_cnn", "mxnet_cnn"])
def test_folds_of_a_framework_score_every_row_and_average_the_test_set(folded_frameworks, model):
    clone = folded_frameworks
    folder = clone.folder / "results" / "models" / model / "seed0"
    collected = np.load(folder / "oof_probabilities.npy")
    assert collected.shape == (TRAIN_ROWS, 10)
    for number in range(2):
        valid = lst.read(clone.folder / "data" / "rec" / f"fold{number}" / "valid.lst")
        own = np.load(folder / f"fold{number}" / "valid_probabilities.npy")
        np.testing.assert_array_equal(collected[valid.index - 1], own)
    of_folds = [np.load(folder / f"fold{number}" / "test_probabilities.npy") for number in range(2)]
    mean = np.load(folder / "test_probabilities.npy")
    np.testing.assert_allclose(mean, np.mean(of_folds, axis=0), atol=1e-6)
    labels = idx.read(clone.folder / "data" / "idx" / "train-labels-idx1-ubyte", ndim=1)
    row = scores_of(clone)[model]
    assert float(row["valid_accuracy"]) == pytest.approx(np.mean(collected.argmax(axis=1) == labels))
    assert row["test_accuracy"]
