"""Submission files from anywhere: read, left out by name, scored, compared, blended."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitflow.base.errors import ConfigError, InputError
from digitflow.competing import submissions
from digitflow.competing.submissions import Submission
from digitflow.formats import idx, labelscsv
from digitflow.formats.probabilities import write_probabilities
from digitflow.scoring.table import read_table

CLASSES = 10
NAMES = [*map(str, range(CLASSES))]
FORM = labelscsv.Form(labelscsv.HEADER, [*map(str, range(1, 1001))])


def read_all(folder):
    return submissions.read_fitting(sorted(folder.glob("*.csv")), NAMES, FORM)


@pytest.fixture
def folder(tmp_path, digits):
    """Three submissions for 1,000 real labels, each wrong somewhere; and what people put beside them."""
    _, labels = digits
    true = labels[:1000].astype(np.int64)
    for place, name in enumerate(("first", "second", "third")):
        answers = true.copy()
        answers[place * 10 : place * 10 + 20] = (answers[place * 10 : place * 10 + 20] + 1) % CLASSES
        labelscsv.write(tmp_path / f"{name}.csv", answers)
    labelscsv.write(tmp_path / "short.csv", true[:-1])
    (tmp_path / "letters.csv").write_text("ImageId,Label\n1,a\n")
    (tmp_path / "notes.txt").write_text("no submission")
    return tmp_path, true


def test_a_file_that_does_not_fit_is_named_and_left_out_by_name(folder, caplog):
    assert list(read_all(folder[0])) == ["first", "second", "third"]
    letters, short = caplog.messages
    assert letters.startswith("left out: ")
    assert "letters.csv, line 2: Label 'a'" in letters
    assert "short.csv: 999 rows, should be 1,000" in short


def test_a_table_that_is_asked_for_alone_says_which_files_it_leaves_out(folder, caplog):
    files, classes = sorted(folder[0].glob("*.csv")), [*map(str, range(CLASSES))]
    tables = {
        "scores": lambda: [row["model"] for row in submissions.score_files(files, classes, files[0], None)],
        "pairs": lambda: [*submissions.labels_of_files(files, classes, files[0])],
    }
    for names in tables.values():
        assert names() == ["first", "second", "third"]
        assert {record.getMessage().split(":")[0] for record in caplog.records} == {"left out"}
        assert "999 rows, should be 1,000" in caplog.text
        assert "line 2: Label 'a'" in caplog.text
        caplog.clear()


def test_a_file_that_does_not_fit_cannot_be_merged(folder):
    place, true = folder
    idx.write(place / "images", np.zeros((len(true), 2, 2), np.uint8))
    labelscsv.write_ids(place / "ids.csv", [])
    files = [place / f"{name}.csv" for name in ("first", "short")]
    with pytest.raises(ConfigError, match=r"merge\.models: short cannot be merged: .*999 rows"):
        submissions.read_merged(files, NAMES, place / "images", place / "ids.csv", {})


def test_scores_and_agreement_equal_a_count_by_hand(folder, caplog):
    found = read_all(folder[0])
    files = [folder[0] / f"{name}.csv" for name in found]
    idx.write(folder[0] / "solution", folder[1].astype(np.uint8))
    rows = submissions.score_files(files, NAMES, files[0], folder[0] / "solution")
    assert [row["test_accuracy"] for row in rows] == [0.98, 0.98, 0.98]
    assert "test_accuracy" not in submissions.score_files(files, NAMES, files[0], None)[0]
    # First and second are wrong alike in 10 rows, and alone in 10 rows each.
    caplog.set_level("INFO", "digitflow")
    submissions.write_agreement(folder[0] / "agreement.csv", found)
    lines = (folder[0] / "agreement.csv").read_text().splitlines()
    assert lines[:2] == ["model,first,second,third", "first,1.0,0.98,0.96"]
    assert caplog.messages[-1].splitlines()[1].split() == ["first", "100.00", "98.00", "96.00"]


def test_a_carriage_return_in_the_name_of_a_file_ends_no_line_of_the_agreement(folder):
    found = {"a\rb": read_all(folder[0])["first"]}
    submissions.write_agreement(folder[0] / "agreement.csv", found)
    assert read_table(folder[0] / "agreement.csv").to_numpy().tolist() == [["a\rb", 1.0]]


def test_nothing_is_written_into_the_users_folder(folder):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder[0].iterdir()}
    found = read_all(folder[0])
    submissions.blend("vote", found, CLASSES)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder[0].iterdir()}
    assert before == after


def by_hand(ballots: list[list[int]], weights: list[int]) -> list[int]:
    """A weighted vote, counted in fractions; a tie goes to the first ballot that names a tied label."""
    chosen = []
    for votes in zip(*ballots, strict=True):
        shares = {}
        for label, weight in zip(votes, weights, strict=True):
            shares[label] = shares.get(label, Fraction(0)) + Fraction(weight)
        most = max(shares.values())
        chosen.append(next(label for label in votes if shares[label] == most))
    return chosen


def test_the_blend_of_three_files_equals_a_vote_by_hand_for_every_combination():
    combinations = np.array([*itertools.product(range(4), repeat=3)])
    for weights in ([1, 1, 1], [2, 1, 1], [1, 2, 3], [5, 1, 1]):
        files = {str(place): Submission(combinations[:, place]) for place in range(3)}
        blended = submissions.blend("vote", files, 4, weights)
        assert blended.tolist() == by_hand(combinations.T.tolist(), weights)


@given(st.data())
def test_any_number_of_files_and_weights_blends_as_by_hand(data):
    files = data.draw(st.integers(1, 6))
    rows = data.draw(st.integers(1, 8))
    labels = st.lists(st.integers(0, 4), min_size=rows, max_size=rows)
    ballots = data.draw(st.lists(labels, min_size=files, max_size=files))
    weights = data.draw(st.lists(st.integers(1, 9), min_size=files, max_size=files))
    found = {str(place): Submission(np.array(ballot)) for place, ballot in enumerate(ballots)}
    assert submissions.blend("vote", found, 5, weights).tolist() == by_hand(ballots, weights)


def test_a_tie_is_left_to_the_probabilities_where_there_are_some():
    sure, unsure = np.array([[0.1, 0.9]]), np.array([[0.6, 0.4]])
    files = {"unsure": Submission(np.array([0]), unsure), "sure": Submission(np.array([1]), sure)}
    assert submissions.blend("vote", files, 2).tolist() == [1]
    assert submissions.blend("mean", files, 2, [9, 1]).tolist() == [0]


def test_a_mean_may_choose_what_is_no_submissions_first_choice():
    first, second = np.array([[0.6, 0.3, 0.1], [0.5, 0.1, 0.4]]), np.array([[0.1, 0.3, 0.6], [0.1, 0.5, 0.4]])
    files = {str(place): Submission(rows.argmax(axis=1), rows) for place, rows in enumerate((first, second))}
    assert submissions.blend("mean", files, 3).tolist() == [0, 2]


def test_a_mean_needs_the_probabilities_of_all(folder):
    found = read_all(folder[0])
    with pytest.raises(ConfigError, match=r"first, second, third has only labels: write `method: vote`"):
        submissions.blend("mean", found, CLASSES)


def test_probabilities_beside_a_file_are_read_and_must_choose_its_labels(folder):
    place, true = folder
    labelscsv.write(place / "fourth.csv", true)
    probabilities = np.full((1000, CLASSES), 0.05, np.float32)
    probabilities[np.arange(1000), true] = 0.55
    write_probabilities(place / "fourth_probabilities.npy", probabilities)
    found = read_all(place)
    assert found["fourth"].probabilities is not None
    write_probabilities(place / "first_probabilities.npy", probabilities)
    with pytest.raises(
        InputError, match=rf"row 1 prefers '{true[0]}', .*, line 2, has '{true[0] + 1}': these are not"
    ):
        submissions.read_submission(place / "first.csv", NAMES, FORM)


@pytest.fixture
def shuffled(tmp_path):
    """A submission in another order than that of the images 1 to 4, and probabilities in that order."""
    (tmp_path / "a.csv").write_text("ImageId,Label\n3,ka\n1,ga\n4,ga\n2,ka\n")
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]], np.float32)
    write_probabilities(tmp_path / "a_probabilities.npy", probabilities)
    return tmp_path / "a.csv", probabilities


def test_probabilities_in_the_order_of_their_file_are_put_into_that_of_the_images(shuffled, caplog):
    path, probabilities = shuffled
    in_order = probabilities[[1, 3, 0, 2]]
    caplog.set_level("INFO", "digitflow")
    found = submissions.read_submission(path, ["ka", "ga"])
    assert found.labels.tolist() == [1, 0, 0, 1]
    assert np.array_equal(found.probabilities, in_order)
    assert "a_probabilities.npy: its rows are in the order of " in caplog.messages[-1]
    # Those in the images' order stay as they are, whatever the order of the file.
    write_probabilities(path.with_name("a_probabilities.npy"), in_order)
    found = submissions.read_submission(path, ["ka", "ga"])
    assert np.array_equal(found.probabilities, in_order)


def test_probabilities_of_another_submission_are_refused_by_the_line_and_the_names_of_labels(shuffled):
    path, probabilities = shuffled
    for order, row in (([0, 1, 2, 3], 3), ([1, 3, 0, 2], 4)):  # as the file has it, as the images are
        rows = probabilities[order]
        rows[row - 1] = [0.8, 0.2]
        write_probabilities(path.with_name("a_probabilities.npy"), rows)
        wanted = (
            rf"a_probabilities\.npy: row {row} prefers 'ka', .*a\.csv, line 4, has 'ga': these are not this"
        )
        with pytest.raises(InputError, match=wanted):
            submissions.read_submission(path, ["ka", "ga"])
