"""The tools `runs` and `compare`, called as a person does, on runs that a person has."""

import json
from pathlib import Path

import numpy as np
import pytest

from digitflow.base import checksums
from digitflow.competing import runs
from digitflow.dataset import classes
from digitflow.formats import idx, labelscsv

ROWS = 400


def write_labels(true: np.ndarray) -> None:
    """Leave what a run leaves of a solution, once it has converted the test images."""
    images, labels = (Path("data/idx", name) for name in ("test-images-idx3-ubyte", "test-labels-idx1-ubyte"))
    idx.write(labels, true)
    checksums.write("data/idx/test.sfv", [images])
    checksums.write("data/idx/test-labels.sfv", [labels, images])


@pytest.fixture
def project(tmp_path, monkeypatch, digits):
    """A project with the run of today, and that of yesterday remembered, which had 20 more right."""
    monkeypatch.chdir(tmp_path)
    images, labels = digits
    true = labels[:ROWS].astype(np.int64)
    classes.write(tmp_path / "data" / "idx" / "classes.csv", list("0123456789"))
    idx.write(tmp_path / "data" / "idx" / "test-images-idx3-ubyte", images[:ROWS])
    labelscsv.write(tmp_path / "solution.csv", true)
    write_labels(true.astype(np.uint8))
    answers = true.copy()
    for epochs, wrong in ((20, 10), (30, 30)):
        answers[:wrong] = (true[:wrong] + 1) % 10
        labelscsv.write(tmp_path / "results" / "submission.csv", answers)
        configuration = {"models": {"net": {"epochs": epochs}}}
        facts = {"time": f"2026-11-{epochs}T08:00:00Z", "configuration": configuration}
        (tmp_path / "results" / "run.json").write_text(json.dumps(facts))
        run = runs.read_run(tmp_path / "results" / "run.json", None, tmp_path / "results" / "submission.csv")
        runs.remember(tmp_path / "results" / "runs", run, tmp_path / "results" / "submission.csv")
    return tmp_path


def test_a_worse_run_is_told_shown_and_is_an_exit_status(project, verb):
    (yesterday, _) = sorted((project / "results" / "runs").glob("*.json"))
    status, _ = verb("compare", yesterday.relative_to(project), "results")
    assert status == 1
    told = json.loads((project / "results" / "compare" / "comparison.json").read_text())
    assert told["worse"]
    assert told["settings"] == [{"key": "models.net.epochs", "first": 20, "second": 30}]
    assert len(told["flips"]["broken"]) == 20
    made = {path.name for path in (project / "results" / "compare").iterdir()}
    assert made == {"broken.png", "both_wrong.png", "comparison.json", "index.html"}


def test_the_flips_of_28000_rows_equal_an_independent_count(tmp_path, monkeypatch, digits, verb):
    monkeypatch.chdir(tmp_path)
    images, labels = digits
    classes.write(tmp_path / "data" / "idx" / "classes.csv", list("0123456789"))
    idx.write(tmp_path / "data" / "idx" / "test-images-idx3-ubyte", images[:28_000])
    true = labels[:28_000].tolist()
    write_labels(labels[:28_000])
    expected = {"fixed": [], "broken": [], "both_wrong": []}
    first, second = true.copy(), true.copy()
    for row in range(0, 28_000, 97):
        first[row] = (true[row] + 1) % 10
    for row in range(0, 28_000, 89):
        second[row] = (true[row] + 2) % 10
    for row, (one, other, right) in enumerate(zip(first, second, true, strict=True), start=1):
        kind = {(False, True): "fixed", (True, False): "broken", (False, False): "both_wrong"}
        if (one == right, other == right) in kind:
            expected[kind[one == right, other == right]].append(row)
    for name, answers in (("a.csv", first), ("b.csv", second)):
        labelscsv.write(tmp_path / name, np.array(answers))
    assert verb("compare", "a.csv", "b.csv")[0] == 0
    told = json.loads((tmp_path / "results" / "compare" / "comparison.json").read_text())
    assert {kind: [row["id"] for row in rows] for kind, rows in told["flips"].items()} == expected
    assert all(expected.values())
    assert (tmp_path / "results" / "compare" / "both_wrong.png").exists()


def test_equal_sides_are_the_same_and_leave_no_older_sheets(project, verb):
    test_a_worse_run_is_told_shown_and_is_an_exit_status(project, verb)
    status, _ = verb("compare", "results", "results")
    assert status == 0
    assert json.loads((project / "results" / "compare" / "comparison.json").read_text())["same"]
    assert not (project / "results" / "compare" / "broken.png").exists()


def test_a_folder_of_something_else_is_left_alone(project, verb):
    folder = project / "mine"
    folder.mkdir()
    for name in ("fixed.png", "index.html"):
        (folder / name).write_text("mine")
    status, said = verb("compare", "results", "results", "--folder", "mine")
    assert status == 1
    assert "not its own: fixed.png, index.html. Nothing was changed" in said
    assert {path.read_text() for path in folder.iterdir()} == {"mine"}


def test_a_solution_may_be_named_where_no_run_knows_one(project, verb):
    (project / "data" / "idx" / "test-labels.sfv").unlink()
    submission = project / "results" / "submission.csv"
    assert verb("compare", project / "solution.csv", submission)[0] == 0  # without a truth, nothing is worse
    assert verb("compare", project / "solution.csv", submission, "--solution", "solution.csv")[0] == 1


def test_labels_that_an_earlier_solution_left_are_no_truth_about_newer_test_images(project, verb):
    images = project / "data" / "idx" / "test-images-idx3-ubyte"
    for pixels, status in ((idx.read(images), 1), (~idx.read(images), 0)):
        idx.write(images, pixels)
        checksums.write(images.with_name("test.sfv"), [images])
        assert verb("compare", project / "solution.csv", project / "results" / "submission.csv")[0] == status


def test_without_a_solution_the_validation_answers_of_two_runs_are_compared(project, verb):
    (project / "data" / "idx" / "test-labels.sfv").unlink()
    threes = np.full(100, 3)
    given = threes.copy()
    paths = []
    for name, wrong in (("a", 0), ("b", 30)):
        given[:wrong] = 5
        answers = runs.Validation(np.arange(1, 101), threes, {"merged": given})
        run = runs.read_run(project / "results" / "run.json", None, project / "results" / "submission.csv")
        paths.append(runs.remember(name, run, project / "results" / "submission.csv", answers))
    assert verb("compare", *paths)[0] == 1
    told = json.loads((project / "results" / "compare" / "comparison.json").read_text())
    assert (told["rows"], len(told["flips"]["broken"])) == ("validation", 30)


def test_runs_are_printed_by_what_differs(project, capsys):
    from digitflow.__main__ import main

    assert main(["runs"]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["time", "configuration", "models.net.epochs"]
    assert (first.split()[-1], second.split()[-1]) == ("20", "30")


def test_an_order_that_there_is_not_is_refused(project, verb):
    assert verb("runs", "--by", "luck") == (1, "error: --by luck: should be one of time, score\n")


def test_a_folder_of_runs_that_is_not_there_is_said(verb, tmp_path):
    status, said = verb("runs", "--folder", tmp_path / "nowhere")
    assert status == 1
    assert said.endswith("nowhere: no such folder; a project remembers its runs in results/runs\n")
