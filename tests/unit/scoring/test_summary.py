"""What a run says at its end, from the tables that it has written."""

import pytest

from digitflow.scoring.pairs import PAIR_COLUMNS
from digitflow.scoring.summary import closing_text
from digitflow.scoring.table import write_table


def score(model, valid, test=None, seed=0):
    row = {"model": model, "seed": seed, "seconds": 61.4}
    for part, value in (("valid", valid), ("test", test)):
        if value is not None:
            row |= {f"{part}_accuracy": value, f"{part}_low": value - 0.01, f"{part}_high": value + 0.01}
    return row


def merged(valid, test=None):
    return {
        name: value for name, value in score("merged", valid, test).items() if name not in ("seed", "seconds")
    }


@pytest.fixture
def closing(tmp_path):
    """A function that writes the tables that it is given, and returns the closing lines."""

    def write(scores=None, pairs=None):
        paths = {}
        for name, rows, columns in (("scores", scores, {}), ("pairs", pairs, {"columns": PAIR_COLUMNS})):
            paths[name] = tmp_path / f"{name}.csv" if rows is not None else None
            if rows is not None:
                write_table(paths[name], rows, **columns)
        return closing_text(paths["scores"], paths["pairs"]).splitlines()

    return write


def pair(first, second, only_first, only_second, p_value, rows="test"):
    points = (only_first - only_second) / 100
    return dict(
        zip(
            PAIR_COLUMNS,
            (first, second, rows, 10_000, only_first, only_second, points, p_value),
            strict=True,
        )
    )


def test_the_table_is_shown_in_per_cent_with_intervals(closing):
    header, first, last = closing([score("net", 0.98, 0.97), merged(0.985, 0.9825)])
    assert header.split() == ["model", "seed", "validation", "%", "test", "%", "seconds"]
    assert first.split() == ["net", "0", "98.00", "(97.00-99.00)", "97.00", "(96.00-98.00)", "61"]
    assert last.split() == ["merged", "98.50", "(97.50-99.50)", "98.25", "(97.25-99.25)"]


def test_no_line_ends_with_blanks(closing):
    lines = closing([score("net", 0.98, 0.97), merged(0.985, 0.9825)])
    assert all(line == line.rstrip() for line in lines)


def test_what_is_not_known_is_said_to_be_not_known(closing):
    _, first, last = closing([score("net", None, 0.97), merged(None)])
    assert first.split()[2:5] == ["not", "known", "97.00"]
    assert last.split() == ["merged", "not", "known", "not", "known"]


def test_a_score_whose_training_looked_at_its_validation_rows_is_marked(closing):
    stopped_early = score("a", 0.98, 0.97) | {"looked_at_validation": True}
    lines = closing([stopped_early, score("b", 0.97) | {"looked_at_validation": False}, merged(0.985)])
    assert lines[1].split()[2:5] == ["98.00", "(97.00-99.00)*", "97.00"]
    assert not any("*" in line for line in lines[2:4])
    assert lines[4].startswith("* a little too good: early stopping")
    assert not any("*" in line for line in closing([score("a", 0.98) | {"looked_at_validation": False}]))


def test_several_seeds_are_told_as_mean_and_deviation(closing):
    lines = closing([score("a", 0.98, 0.95), score("b", 0.97), score("a", 0.96, 0.95, seed=1), merged(0.99)])
    assert "a, 2 seeds: validation 97.00 +- 1.41 %, test 95.00 +- 0.00 %" in lines
    assert not any(line.startswith("b, ") for line in lines)


def test_significant_differences_are_named_and_a_merge_that_is_worse_than_a_model(closing):
    pairs = [
        pair("a", "b", 50, 10, 1e-7),
        pair("a", "merged", 40, 10, 2.4e-5),
        pair("b", "merged", 3, 5, 0.7),
    ]
    lines = closing([score("a", 0.98), score("b", 0.97), merged(0.975)], pairs)
    assert lines[4:7] == [
        "a is better than b: 0.40 points, 40 of 10,000 test images, p = 1e-07",
        "a is better than merged: 0.30 points, 30 of 10,000 test images, p = 2.4e-05",
        "b and merged differ by 0.02 points, 2 of 10,000 test images, p = 0.7: may be chance",
    ]
    assert lines[7].startswith("The merge is worse than a alone on the test rows, by 0.30 points")


def test_the_best_single_model_is_named_only_where_the_merge_is_not_the_best(closing):
    best = "The best single model by the validation rows: a (results/submissions/a.csv)"
    scores = [score("a", 0.97), score("b", 0.965), merged(0.96)]
    assert closing(scores)[-1] == best
    assert best not in closing([*scores[:-1], merged(0.975)])


def test_of_models_with_several_seeds_the_best_is_the_one_whose_average_is(closing):
    """The seeds of a are worse on average than b, but not the average of their probabilities."""
    scores = [score("a", 0.96), score("a", 0.96, seed=1), score("b", 0.965), merged(0.964)]
    pairs = [
        pair("a", "b", 30, 10, 0.002, "validation"),
        pair("a", "merged", 35, 5, 1e-6, "validation"),
        pair("b", "merged", 20, 10, 0.1, "validation"),
    ]
    best = "The best single model by the validation rows: "
    assert closing(scores, pairs)[-1] == f"{best}a, its seeds averaged (results/submissions/a.csv)"
    assert not any(line.startswith(best) for line in closing(scores))
    of_test_rows = [row | {"rows": "test"} for row in pairs]
    assert not any(line.startswith(best) for line in closing(scores, of_test_rows))
    assert closing([score("b", 0.965), merged(0.964)], [row | {"rows": "test"} for row in pairs[2:]])[-1] == (
        f"{best}b (results/submissions/b.csv)"
    )


def test_a_run_without_tables_says_nothing(closing):
    assert closing() == []


def test_tables_without_validation_rows_and_without_pairs_are_summed_up_too(closing):
    assert len(closing([score("a", None), merged(None)], [])) == 3
