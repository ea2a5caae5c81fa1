"""Each pair of models on the same images: which rows are compared, and what is said of them."""

import numpy as np
import pandas
import pytest
from tests.unit.eight_rows import TRUE, softmax, wrong_at

from digitflow.base.errors import FormatError
from digitflow.formats import idx, labelscsv
from digitflow.scoring.pairs import (
    PAIR_COLUMNS,
    SHOWN_PAIRS,
    compare_models,
    compare_pairs,
    format_chance,
    format_pairs,
    format_worse_merge,
    read_pairs,
)
from digitflow.scoring.table import write_table

NAMES = [*"0123456789"][:3]
MODELS = {"a": softmax(wrong_at(1, 2)), "b": softmax(wrong_at(3)), "merged": softmax(wrong_at(3))}


@pytest.fixture
def submitted(tmp_path):
    """The submissions of two models and the merged one, and the solution."""
    labels = {"a": wrong_at(4, 5, 6), "b": wrong_at(0), "merged": wrong_at()}
    idx.write(tmp_path / "solution", np.asarray(TRUE, np.uint8))
    for name, array in labels.items():
        labelscsv.write(tmp_path / f"{name}.csv", array)
    return {name: tmp_path / f"{name}.csv" for name in MODELS}, tmp_path / "solution"


def counts(rows):
    return [(row["first"], row["second"], row["only_first"], row["only_second"]) for row in rows]


def test_a_known_solution_compares_what_is_submitted(submitted):
    rows = compare_models(MODELS, TRUE, *submitted, names=NAMES)
    assert counts(rows) == [("a", "b", 1, 3), ("a", "merged", 0, 3), ("b", "merged", 0, 1)]
    assert {(row["rows"], row["images"]) for row in rows} == {("test", 8)}
    assert rows[0]["points"] == -25
    assert rows[0]["p_value"] == 2 * (1 + 4) / 16


def test_without_a_solution_validation_rows_are_compared():
    rows = compare_models(MODELS, TRUE)
    assert counts(rows) == [("a", "b", 1, 2), ("a", "merged", 1, 2), ("b", "merged", 0, 0)]
    assert {(row["rows"], row["images"]) for row in rows} == {("validation", 8)}


def test_names_that_are_numbers_are_said_as_they_are_written(tmp_path):
    labels = {"1": wrong_at(1, 2), "01": wrong_at(3), "0.5": wrong_at(3)}
    write_table(tmp_path / "pairs.csv", compare_pairs(labels, TRUE, "test"), PAIR_COLUMNS)
    first, *_ = format_chance(read_pairs(tmp_path / "pairs.csv"))
    assert first == "1 and 01 differ by 12.50 points, 1 of 8 test images, p = 1: may be chance"


def test_without_validation_rows_and_solution_there_is_nothing_to_compare(tmp_path):
    nobody = {name: rows[:0] for name, rows in MODELS.items()}
    assert compare_models(nobody, TRUE[:0]) == []
    write_table(tmp_path / "pairs.csv", [], PAIR_COLUMNS)
    table = read_pairs(tmp_path / "pairs.csv")
    assert len(table) == 0
    assert format_pairs(table) == format_worse_merge(table) == []


def test_a_submission_of_other_rows_is_refused(submitted, tmp_path):
    labelscsv.write(tmp_path / "b.csv", TRUE[:-1])
    with pytest.raises(FormatError, match=r"b\.csv: 7 rows, should be 8"):
        compare_models(MODELS, TRUE, *submitted, names=NAMES)


def test_the_table_of_pairs_has_its_columns_and_a_row_a_pair_and_comes_back(submitted, tmp_path):
    rows = compare_models(MODELS, TRUE, *submitted, names=NAMES)
    write_table(tmp_path / "comparisons.csv", rows, PAIR_COLUMNS)
    lines = (tmp_path / "comparisons.csv").read_text().splitlines()
    assert lines[0] == "first,second,rows,images,only_first,only_second,points,p_value"
    assert lines[1] == "a,b,test,8,1,3,-25.0,0.625"
    assert read_pairs(tmp_path / "comparisons.csv").to_dict("records") == rows


@pytest.mark.parametrize(
    "text", ["", "first,second\na,b\n", ",".join(PAIR_COLUMNS) + "\na,b,test,8,1,3,-25.0,likely\n"]
)
def test_a_damaged_table_of_pairs_is_refused(tmp_path, text):
    (tmp_path / "comparisons.csv").write_text(text)
    with pytest.raises(FormatError, match=r"comparisons\.csv: damaged: .*; delete it and run again"):
        read_pairs(tmp_path / "comparisons.csv")


def pair(first, only_first, only_second, p_value, second="merged", images=10_000, rows="test"):
    points = 100 * (only_first - only_second) / images
    names = {"first": first, "second": second, "rows": rows, "images": images}
    return names | {
        "only_first": only_first,
        "only_second": only_second,
        "points": points,
        "p_value": p_value,
    }


def table(*pairs):
    return pandas.DataFrame(pairs, columns=PAIR_COLUMNS)


def test_significant_differences_are_said_first_with_the_better_one_then_what_may_be_chance():
    pairs = table(pair("a", 20, 29, 0.253), pair("b", 10, 40, 2.4e-5), pair("c", 60, 20, 9e-6, "b"))
    assert format_pairs(pairs) == [
        "c is better than b: 0.40 points, 40 of 10,000 test images, p = 9e-06",
        "merged is better than b: 0.30 points, 30 of 10,000 test images, p = 2.4e-05",
        "a and merged differ by 0.09 points, 9 of 10,000 test images, p = 0.25: may be chance",
    ]


def test_models_that_are_right_on_the_same_images_are_not_spoken_of():
    assert format_pairs(table(pair("same", 0, 0, 1))) == []


def test_models_that_are_right_equally_often_on_different_images_are_said_to_be():
    lines = format_pairs(table(pair("a", 7, 7, 1)))
    assert lines == ["a and merged are right equally often, on different images"]


def test_a_difference_of_a_single_image_of_many_is_not_rounded_to_nothing():
    (line,) = format_pairs(table(pair("a", 1, 0, 1.0, images=70_000)))
    assert line == "a and merged differ by 0.0014 points, 1 of 70,000 test images, p = 1: may be chance"


def test_the_summary_stays_short_with_many_models():
    lines = format_pairs(table(*(pair(f"m{number}", 20, 29, 0.253) for number in range(20))))
    assert len(lines) == SHOWN_PAIRS + 1
    assert lines[-1] == "14 more pairs, of which 14 may be chance"


def test_those_that_may_be_chance_are_told_alone():
    equal = [pair("c", 9, 9, 1.0)] * 9
    pairs = table(pair("a", 30, 60, 0.002), pair("b", 20, 29, 0.253), *equal)
    lines = format_chance(pairs)
    assert lines[0] == "c and merged are right equally often, on different images"
    assert lines[-1] == "4 more such pairs"
    assert format_chance(table(*equal[:7]))[-1] == "1 more such pair"
    lines = format_chance(table(pair("a", 30, 60, 0.002), pair("b", 20, 29, 0.253), pair("same", 0, 0, 1)))
    assert lines == [
        "same and merged are right on the same images",
        "b and merged differ by 0.09 points, 9 of 10,000 test images, p = 0.25: may be chance",
    ]


def test_a_merge_that_is_worse_than_one_of_its_models_is_said_with_the_way_on():
    pairs = table(
        pair("worse", 10, 40, 2.4e-5, rows="validation"),
        pair("better", 40, 10, 2.4e-5, rows="validation"),
        pair("maybe", 29, 20, 0.25, rows="validation"),
        pair("better", 90, 10, 1e-9, "worse", rows="validation"),
    )
    assert format_worse_merge(pairs) == [
        "The merge is worse than better alone, by 0.30 points (p = 2.4e-05): "
        "use better alone (merge.models), or give it more weight (merge.weights)"
    ]


def test_a_merge_that_is_worse_on_the_test_rows_is_said_without_advice_to_choose_by_them():
    (line,) = format_worse_merge(table(pair("better", 40, 10, 2.4e-5)))
    assert line == (
        "The merge is worse than better alone on the test rows, by 0.30 points (p = 2.4e-05); "
        "if you choose by them, the test score becomes too good"
    )
