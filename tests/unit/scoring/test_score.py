"""The table of pairs, the lines of the summary, and the mistakes, on a handful of rows."""

import csv

import numpy as np
import pytest

from digitflow.base.errors import FormatError
from digitflow.formats import labelscsv, lst
from digitflow.look.mistakes import find_mistakes, read_confusion, write_confusion
from digitflow.scoring import table
from digitflow.scoring.pairs import PAIR_COLUMNS, SHOWN_PAIRS, compare_models, format_pairs

TRUE = np.array([0, 1, 2, 2, 1, 0, 1, 2])


def softmax(labels, sure=0.8):
    """Rows of probabilities, float32 (n, 3), that give these labels."""
    rows = np.full((len(labels), 3), (1 - sure) / 2, np.float32)
    rows[np.arange(len(labels)), labels] = sure
    return rows


def wrong_at(*places):
    """The true labels, but for these places."""
    labels = TRUE.copy()
    labels[list(places)] = (labels[list(places)] + 1) % 3
    return labels


@pytest.fixture
def finished(tmp_path):
    """The arguments of compare_models: model a with two seeds, model b with one, and their mean."""
    seeds = [softmax(wrong_at(0, 1), sure=0.5), softmax(wrong_at(1, 2), sure=0.9)], [softmax(wrong_at(3))]
    paths = []
    for model, arrays in zip("ab", seeds, strict=True):
        paths.append([tmp_path / f"{model}{seed}.npy" for seed in range(len(arrays))])
        for path, array in zip(paths[-1], arrays, strict=True):
            np.save(path, array)
    labelscsv.write(tmp_path / "a.csv", wrong_at(4, 5, 6))
    labelscsv.write(tmp_path / "b.csv", wrong_at(0))
    labelscsv.write(tmp_path / "merged.csv", wrong_at())
    labelscsv.write(tmp_path / "solution.csv", TRUE)
    lst.write(tmp_path / "valid.lst", lst.of_rows("train", len(TRUE), TRUE))
    return {
        "method": "mean",
        "names": ["a", "b"],
        "valid_probabilities": paths,
        "weights": None,
        "submissions": [tmp_path / "a.csv", tmp_path / "b.csv"],
        "submission_csv": tmp_path / "merged.csv",
        "valid_lst": tmp_path / "valid.lst",
    }


def counts(rows):
    return [(row["first"], row["second"], row["only_first"], row["only_second"]) for row in rows]


def test_a_known_solution_compares_what_is_submitted(finished, tmp_path):
    rows = compare_models(**finished, solution=tmp_path / "solution.csv")
    assert counts(rows) == [("a", "b", 1, 3), ("a", "merged", 0, 3), ("b", "merged", 0, 1)]
    assert {(row["rows"], row["images"]) for row in rows} == {("test", 8)}
    assert rows[0]["points"] == -25
    assert rows[0]["p_value"] == 2 * (1 + 4) / 16


def test_without_a_solution_validation_rows_are_compared_with_the_seeds_averaged(finished):
    rows = compare_models(**finished, solution=None)
    # a, its surer seed prevailing, is wrong at 1 and 2; b at 3, where a is less sure: so is the mean.
    assert counts(rows) == [("a", "b", 1, 2), ("a", "merged", 1, 2), ("b", "merged", 0, 0)]
    assert {(row["rows"], row["images"]) for row in rows} == {("validation", 8)}


def test_a_submission_of_other_rows_is_refused(finished, tmp_path):
    labelscsv.write(tmp_path / "b.csv", TRUE[:-1])
    with pytest.raises(FormatError, match=r"b\.csv: 7 rows, should be 8"):
        compare_models(**finished, solution=tmp_path / "solution.csv")


def test_the_table_of_pairs_has_its_columns_and_a_row_a_pair(finished, tmp_path):
    rows = compare_models(**finished, solution=tmp_path / "solution.csv")
    table.write_table(tmp_path / "comparisons.csv", rows, PAIR_COLUMNS)
    with open(tmp_path / "comparisons.csv", newline="") as file:
        assert next(csv.reader(file)) == [
            *("first", "second", "rows", "images", "only_first", "only_second", "points", "p_value")
        ]
        assert next(csv.reader(file)) == ["a", "b", "test", "8", "1", "3", "-25.0", "0.625"]


def pair(first, only_first, only_second, p_value):
    points = (only_first - only_second) / 100
    facts = {"only_first": only_first, "only_second": only_second, "points": points, "p_value": p_value}
    return {"first": first, "second": "merged", **facts}


def test_the_summary_names_the_differences_that_may_be_chance_and_no_other():
    rows = [pair("a", 20, 29, 0.253), pair("b", 10, 40, 2.4e-5), pair("same", 0, 0, 1), pair("c", 9, 1, 0.05)]
    assert format_pairs(rows) == [
        "c and merged: a difference of 0.08 points, p = 0.05: may be chance",
        "a and merged: a difference of 0.09 points, p = 0.25: may be chance",
    ]


def test_the_summary_stays_short_with_many_models():
    rows = [pair(f"m{number}", 20, 29, 0.253) for number in range(20)]
    lines = format_pairs(rows)
    assert len(lines) == SHOWN_PAIRS + 1
    assert lines[-1] == "14 more such pairs"


def test_several_seeds_are_told_as_mean_and_deviation():
    rows = [
        {"model": "a", "valid_accuracy": 0.98, "test_accuracy": 0.95},
        {"model": "b", "valid_accuracy": 0.97},
        {"model": "a", "valid_accuracy": 0.96, "test_accuracy": 0.95},
    ]
    assert table.format_seeds(rows) == ["a, 2 seeds: validation 97.00 +- 1.41 %, test 95.00 +- 0.00 %"]


def test_mistakes_are_counted_and_the_worst_come_first():
    probabilities = softmax(wrong_at(1, 3, 6))
    probabilities[3] = [0.95, 0.05, 0]
    found = find_mistakes(probabilities, TRUE, 2)
    assert found.wrong == 3
    assert found.rows.tolist() == [3, 1]
    assert (found.true.tolist(), found.given.tolist()) == ([2, 1], [0, 2])
    np.testing.assert_allclose(found.probability, [0.95, 0.8])


def test_a_confusion_matrix_is_written_with_its_labels(tmp_path):
    matrix = np.array([[5, 1], [0, 7]])
    write_confusion(tmp_path / "c.csv", matrix)
    np.testing.assert_array_equal(read_confusion(tmp_path / "c.csv"), matrix)
    assert (tmp_path / "c.csv").read_bytes() == b"true,0,1\n0,5,1\n1,0,7\n"
