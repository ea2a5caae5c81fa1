"""The table of scores: one row per training, and one for the merged submission."""

import json

import numpy as np
import pytest

from digitflow.base.errors import FormatError
from digitflow.formats import idx, labelscsv
from digitflow.formats.probabilities import write_probabilities
from digitflow.scoring.measures import accuracy
from digitflow.scoring.table import (
    COLUMNS,
    FACTS,
    TEST,
    VALID,
    read_score,
    read_table,
    score_merged,
    score_training,
    write_table,
)

TRUE = np.array([0, 1, 2, 1])
RIGHT_3 = np.eye(3)[[0, 1, 2, 2]]


@pytest.fixture
def training(tmp_path):
    """What a training left: its metrics and its probabilities."""
    facts = {"framework": "keras", "device": "cpu", "seed": 4, "seconds": 1.5, "parameters": 3, "epochs": 1}
    facts |= {"status": "finished", "looked_at_validation": True, "settings": {"architecture": "lenet"}}
    facts |= {"precision": "float32"}
    (tmp_path / "metrics.json").write_text(json.dumps(facts))
    write_probabilities(tmp_path / "valid_probabilities.npy", RIGHT_3)
    write_probabilities(tmp_path / "test_probabilities.npy", RIGHT_3[:2])
    idx.write(tmp_path / "solution", np.asarray(np.array([0, 2]), np.uint8))
    return tmp_path


def score(folder, labels=TRUE, tested=True, solved=True):
    test = folder / "test_probabilities.npy" if tested else None
    solution = folder / "solution" if solved else None
    return score_training("net", folder / "metrics.json", labels, test, solution)


def test_a_training_is_scored_on_both_parts_with_intervals(training):
    row = score(training)
    assert (row["model"], row["seed"], row["architecture"]) == ("net", 4, "lenet")
    assert (row["valid_accuracy"], row["test_accuracy"]) == (0.75, 0.5)
    assert row["looked_at_validation"] is True
    low, high = accuracy(RIGHT_3.argmax(axis=1), TRUE).interval
    assert (row["valid_low"], row["valid_high"]) == (low, high)
    assert set(row) == set(COLUMNS)


@pytest.mark.parametrize(("tested", "solved"), [(False, True), (True, False)])
def test_without_test_predictions_or_a_solution_no_test_score_is_there(training, tested, solved):
    assert set(score(training, tested=tested, solved=solved)) == {*FACTS, *VALID, "precision"}


def test_what_a_training_calculated_in_stands_beside_its_score(training):
    assert score(training)["precision"] == "float32"
    metrics = json.loads((training / "metrics.json").read_text())
    (training / "metrics.json").write_text(json.dumps(metrics | {"precision": "bfloat16"}))
    row = score(training)
    write_table(training / "scores.csv", [row, {"model": "merged"}])
    assert read_table(training / "scores.csv")["precision"].tolist()[0] == row["precision"] == "bfloat16"


def test_without_validation_rows_no_validation_score_is_there(training):
    write_probabilities(training / "valid_probabilities.npy", RIGHT_3[:0])
    assert set(score(training, TRUE[:0])) == {*FACTS, *TEST, "precision"}


def test_a_solution_of_other_rows_is_refused(training):
    idx.write(training / "solution", np.asarray(TRUE, np.uint8))
    with pytest.raises(FormatError, match=r"solution: 4 labels for 2 images"):
        score(training)


def test_the_merged_row_is_scored_by_what_is_submitted(tmp_path):
    labelscsv.write(tmp_path / "submission.csv", np.array([0, 1, 1, 1]))
    idx.write(tmp_path / "solution", np.asarray(TRUE, np.uint8))
    row = score_merged("vote", RIGHT_3, TRUE, tmp_path / "submission.csv", tmp_path / "solution", "012")
    assert (row["model"], row["framework"]) == ("merged", "vote")
    assert (row["valid_accuracy"], row["test_accuracy"]) == (0.75, 0.75)
    assert "test_accuracy" not in score_merged("vote", RIGHT_3, TRUE, None, tmp_path / "solution", "012")
    assert "valid_accuracy" not in score_merged("vote", RIGHT_3[:0], TRUE[:0], None, None, "012")


@pytest.mark.parametrize(
    ("trainings", "fitted", "looked"),
    [([False, False], False, False), ([False, True], False, True), ([False, False], True, True)],
)
def test_a_merge_has_looked_at_validation_rows_where_a_training_or_its_weights_have(
    trainings, fitted, looked
):
    rows = [{"looked_at_validation": value} for value in trainings]
    row = score_merged("mean", RIGHT_3, TRUE, None, None, "012", rows, fitted)
    assert row["looked_at_validation"] is looked


def test_a_score_comes_back_and_a_damaged_one_is_refused(training):
    (training / "score.json").write_text(json.dumps(score(training)))
    assert read_score(training / "score.json") == score(training)
    for row in (score(training) | {"valid_law": 1}, {"model": "net"}):
        (training / "score.json").write_text(json.dumps(row))
        with pytest.raises(FormatError, match=r"score\.json: damaged: it has model"):
            read_score(training / "score.json")


def test_the_table_keeps_whole_numbers_whole_and_leaves_empty_what_is_not_known(training, tmp_path):
    rows = [score(training), score_merged("mean", RIGHT_3, TRUE, None, None, "012")]
    write_table(tmp_path / "scores.csv", rows)
    header, first, last = (tmp_path / "scores.csv").read_text().splitlines()
    assert header == ",".join(COLUMNS)
    assert first.startswith("net,4,keras,lenet,3,1,finished,cpu,1.5,True,0.75,")
    assert last.startswith("merged,,mean,,,,,,,False,0.75,")
    assert last.endswith(",,,")
    table = read_table(tmp_path / "scores.csv")
    assert table["test_accuracy"].isna().tolist() == [False, True]


@pytest.mark.parametrize("name", ["NA", "None", "nan", "null", "a\rb"])
def test_a_model_or_a_file_may_be_called_what_is_nothing_or_ends_a_line_elsewhere(training, tmp_path, name):
    write_table(tmp_path / "scores.csv", [score(training) | {"model": name}])
    assert read_table(tmp_path / "scores.csv")["model"].tolist() == [name]


def test_a_damaged_table_is_refused(tmp_path):
    (tmp_path / "scores.csv").write_text('model,"seed\n')
    with pytest.raises(FormatError, match=r"scores\.csv: damaged"):
        read_table(tmp_path / "scores.csv")
