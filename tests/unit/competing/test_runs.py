"""Runs that are remembered: what is kept, what is shown, and the plan of a submission made from one."""

import dataclasses
import json
import subprocess

import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.competing import preview, receipts, runs, runs_table, submit
from digitflow.competing.kaggle import Limits
from digitflow.formats import labelscsv, lst
from digitflow.formats.probabilities import write_probabilities
from digitflow.scoring.summary import LOOKED_NOTE
from digitflow.scoring.table import COLUMNS, LOOKED, write_table

CONFIGURATION = {
    "models": {"keras_cnn": {"epochs": 20, "seeds": [0]}, "mxnet_cnn": {"epochs": 14}},
    "merge": {"method": "mean", "models": ["keras_cnn", "mxnet_cnn"], "weights": None},
}
FACTS = {
    "time": "2026-11-27T08:00:00+00:00",
    "commit": "0123456789abcdef",
    "changed": False,
    "configuration": CONFIGURATION,
    "digests": {"csvs": {"train.csv": "a" * 64}, "corrections": "b" * 64, "code": "c" * 64, "pins": "d" * 64},
    "versions": {"keras": "3.13.0"},
    "machine": {"cores": 2},
    "seconds": {"train_keras": 120.5},
}


def make_run(folder, accuracy: float = 0.9957, labels=(1, 2, 3), looked: bool = False, **facts):
    """A run as it is left in a folder of results, read back."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(FACTS | facts))
    merged = {"valid_accuracy": accuracy, "valid_low": accuracy - 0.002, "valid_high": accuracy + 0.001}
    merged |= {LOOKED: looked}
    write_table(
        folder / "scores.csv",
        [{"model": "keras_cnn", "seed": 0} | merged, {"model": "merged", "framework": "mean"} | merged],
        COLUMNS,
    )
    labelscsv.write(folder / "submission.csv", np.array(labels))
    paths = folder / "run.json", folder / "scores.csv", folder / "submission.csv"
    return runs.read_run(*paths, valid_rows=4200)


def with_epochs(epochs: int) -> dict:
    models = CONFIGURATION["models"] | {"keras_cnn": {"epochs": epochs, "seeds": [0]}}
    return {"configuration": CONFIGURATION | {"models": models}}


def test_a_run_is_remembered_once_and_comes_back_as_it_was(tmp_path):
    run = make_run(tmp_path / "results")
    submission = tmp_path / "results" / "submission.csv"
    path = runs.remember(tmp_path / "runs", run, submission)
    assert runs.remember(tmp_path / "runs", run, submission) == path
    assert path.with_suffix(".csv").read_bytes() == submission.read_bytes()
    assert path.name.startswith("2026-11-27T080000-")
    assert runs.recall(tmp_path / "runs") == [run]
    assert run.validation == {
        "accuracy": 0.9957,
        "low": pytest.approx(0.9937),
        "high": pytest.approx(0.9967),
        "n": 4200,
    }
    assert run.test is None


def test_what_a_killed_run_left_half_written_goes_when_the_next_is_remembered(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".partial.17.2026-11-27T075959-0123abcd.csv").write_text("ImageId,La")
    path = runs.remember(tmp_path / "runs", make_run(tmp_path), tmp_path / "submission.csv")
    assert {*(tmp_path / "runs").iterdir()} == {path, path.with_suffix(".csv")}


def test_what_is_half_written_is_neither_a_run_nor_a_receipt(tmp_path):
    path = runs.remember(tmp_path / "runs", make_run(tmp_path), tmp_path / "submission.csv")
    sent = receipts.Receipt("digit-recognizer", "f" * 64, "results/submission.csv", "m", "2026")
    receipts.write(tmp_path / "kaggle", sent)
    for whole in (path, sent.path(tmp_path / "kaggle")):
        whole.with_name(f".partial.17.{whole.name}").write_bytes(whole.read_bytes()[:20])
    assert len(runs.recall(tmp_path / "runs")) == 1
    assert receipts.read_all(tmp_path / "kaggle") == [sent]
    assert receipts.read_all(tmp_path / "kaggle", "digit-recognizer") == [sent]


def test_the_answers_to_validation_images_are_remembered_and_damage_is_named(tmp_path):
    run = make_run(tmp_path / "results")
    given = {"merged": np.array([1, 3]), 'a "net", or so': np.array([1, 2])}
    answers = runs.Validation(np.array([7, 9]), np.array([1, 2]), given)
    path = runs.remember(tmp_path / "runs", run, tmp_path / "results" / "submission.csv", answers)
    found = runs.read_validation(path)
    assert (found.ids.tolist(), found.true.tolist()) == ([7, 9], [1, 2])
    assert {name: labels.tolist() for name, labels in found.given.items()} == {
        name: labels.tolist() for name, labels in given.items()
    }
    for damage in ("7,1,one,1\n", "7,1,1\n", "7,1,1,1,1\n"):
        path.with_suffix(".valid.csv").write_text(f"id,label,merged,net\n{damage}")
        with pytest.raises(FormatError, match=r"valid\.csv: damaged"):
            runs.read_validation(path)


def test_a_run_without_scores_has_the_validation_score_of_its_answers_until_they_come(tmp_path):
    scored = make_run(tmp_path / "results")
    results = tmp_path / "results"
    bare = runs.read_run(results / "run.json", None, results / "submission.csv")
    ids, given = np.arange(1, 101), np.arange(100) % 10
    true = np.where(ids > 90, 0, given)
    answers = runs.Validation(ids, true, {"merged": given})
    path = runs.remember(tmp_path / "runs", bare, results / "submission.csv", answers)
    (found,) = runs.recall(tmp_path / "runs")
    assert (found.validation["accuracy"], found.validation["n"]) == (0.91, 100)
    assert runs.remember(tmp_path / "runs", scored, results / "submission.csv", answers) == path
    assert runs.recall(tmp_path / "runs") == [scored]


def test_only_the_columns_that_differ_are_shown(tmp_path):
    first = make_run(tmp_path / "a")
    second = make_run(tmp_path / "b", 0.9961, (1, 2, 4), time="2026-11-27T09:00:00+00:00", **with_epochs(30))
    table = runs_table.format_runs(runs_table.tabulate([first, second], tmp_path / "kaggle"))
    head, *lines = table.splitlines()
    assert head.split() == ["time", "validation", "configuration", "models.keras_cnn.epochs"]
    assert "99.57 % (99.37-99.67, n 4200)" in lines[0]
    assert lines[0].split()[-1] == "20"
    assert lines[1].split()[-1] == "30"


def test_runs_are_shown_by_time_or_by_score(tmp_path):
    times = [f"2026-11-27T0{hour}:00:00+00:00" for hour in range(3)]
    made = [
        make_run(tmp_path / time, score, time=time)
        for time, score in zip(times, (0.99, 0.98, 0.995), strict=True)
    ]
    for run in reversed(made):
        runs.remember(tmp_path / "runs", run, tmp_path / run.facts["time"] / "submission.csv")
    rows = runs_table.tabulate(runs.recall(tmp_path / "runs"), tmp_path / "kaggle")
    by_time = [line[:13] for line in runs_table.format_runs(rows).splitlines()[1:]]
    assert by_time == [time[:13] for time in times]
    best_first = [line[:13] for line in runs_table.format_runs(rows, by="score").splitlines()[1:]]
    assert best_first == [times[2][:13], times[0][:13], times[1][:13]]


@pytest.mark.parametrize("by", ["time", "score"])
def test_a_score_that_is_a_little_too_good_is_marked_among_the_runs(tmp_path, by):
    plain = make_run(tmp_path / "a")
    marked = make_run(tmp_path / "b", 0.9961, looked=True, time="2026-11-27T09:00:00+00:00")
    for run, name in ((plain, "a"), (marked, "b")):
        runs.remember(tmp_path / "runs", run, tmp_path / name / "submission.csv")
    rows = runs_table.tabulate(runs.recall(tmp_path / "runs"), tmp_path / "kaggle")
    *lines, note = runs_table.format_runs(rows, by).splitlines()
    assert {line[:13]: "n 4200)*" in line for line in lines[1:]} == {
        "2026-11-27T08": False,
        "2026-11-27T09": True,
    }
    assert note == LOOKED_NOTE
    assert LOOKED_NOTE not in runs_table.format_runs(runs_table.tabulate([plain], tmp_path / "kaggle"), by)


@pytest.mark.parametrize("looked", [True, False])
def test_a_run_that_an_earlier_version_remembered_is_marked_by_its_scores(tmp_path, looked):
    run = make_run(tmp_path / "results", looked=looked)
    path = runs.remember(tmp_path / "runs", run, tmp_path / "results" / "submission.csv")
    record = json.loads(path.read_text())
    del record["looked"]
    path.write_text(json.dumps(record))
    assert runs.recall(tmp_path / "runs") == [run]
    table = runs_table.format_runs(runs_table.tabulate([runs.read_remembered(path)], tmp_path / "kaggle"))
    assert ("n 4200)*" in table) == looked


@pytest.mark.parametrize("why", ["a training", "the weights", "nothing"])
def test_a_run_without_scores_is_marked_by_its_trainings_and_weights(tmp_path, why):
    lst.write(tmp_path / "valid.lst", lst.Listing(np.array([1, 2]), np.array([0, 1]), ["1.png", "2.png"]))
    files = [tmp_path / name / "valid_probabilities.npy" for name in ("a", "b")]
    for path in files:
        write_probabilities(path, np.eye(2, dtype=np.float32))
        metrics = {LOOKED: why == "a training" and path.parent.name == "a"}
        path.with_name("metrics.json").write_text(json.dumps(metrics))
    weights = tmp_path / "weights.json" if why == "the weights" else None
    (tmp_path / "weights.json").write_text('{"weights": [0.5, 0.5]}')
    merge = {"method": "mean", "seeds": [["a", 1], ["b", 1]], "weights": None}
    answers = runs.validation_answers(tmp_path / "valid.lst", files, merge, weights)
    results = tmp_path / "results"
    make_run(results)
    bare = runs.read_run(results / "run.json", None, results / "submission.csv")
    path = runs.remember(tmp_path / "runs", bare, results / "submission.csv", answers)
    looked = {"a training": ["a", "merged"], "the weights": ["merged"], "nothing": []}[why]
    assert runs.read_remembered(path).looked == runs.read_validation(path).looked == looked
    table = runs_table.format_runs(runs_table.tabulate(runs.recall(tmp_path / "runs"), tmp_path / "kaggle"))
    assert (LOOKED_NOTE in table) == (why != "nothing")


def test_kaggles_reference_and_score_stand_beside_the_run_that_was_sent(tmp_path):
    run = make_run(tmp_path / "results")
    receipt = receipts.Receipt("digit-recognizer", run.submission, "results/submission.csv", "m", "2026")
    receipt.ref, receipt.state, receipt.status, receipt.public_score = 7, receipts.SENT, "complete", "0.99571"
    receipts.write(tmp_path / "kaggle", receipt)
    (row,) = runs_table.tabulate([run], tmp_path / "kaggle")
    assert (row["ref"], row["kaggle"]) == (7, "0.99571")
    assert "0.99571" in runs_table.format_runs([row])


def test_a_try_that_sent_nothing_hides_no_score_and_counts_as_none(tmp_path):
    run = make_run(tmp_path / "results")
    tried = receipts.Receipt("digit-recognizer", run.submission, "results/submission.csv", "m", "2026")
    receipts.write(tmp_path / "kaggle", tried)
    (row,) = runs_table.tabulate([run], tmp_path / "kaggle")
    assert (row["ref"], row["kaggle"]) == (None, None)
    told = {"ref": 7, "status": "complete", "public_score": "0.99571"}  # by another clone
    (row,) = runs_table.tabulate([dataclasses.replace(run, kaggle=told)], tmp_path / "kaggle")
    assert (row["ref"], row["kaggle"]) == (7, "0.99571")


def test_kaggles_reference_and_score_are_in_the_runs_own_record_and_stay_there(tmp_path):
    submission = tmp_path / "results" / "submission.csv"
    run = make_run(tmp_path / "results")
    runs.remember(tmp_path / "runs", run, submission)
    other = make_run(tmp_path / "b", labels=(4, 5, 6), time="2026-11-28T08:00:00+00:00")
    untouched = runs.remember(tmp_path / "runs", other, tmp_path / "b" / "submission.csv")
    before = untouched.read_bytes()
    (tmp_path / "runs" / "damaged.json").write_text("{")
    receipt = receipts.Receipt("digit-recognizer", run.submission, "results/submission.csv", "m", "2026")
    receipts.note_in_runs(tmp_path / "runs", [receipt])  # without a reference there is nothing to tell
    receipt.ref, receipt.state = 7, receipts.SENT
    for status, score in (("", ""), ("complete", "0.99571")):
        receipt.status, receipt.public_score = status, score
        receipts.note_in_runs(tmp_path / "runs", [receipt])
        receipts.note_in_runs(tmp_path / "runs", [])  # the receipts are lost
        runs.remember(tmp_path / "runs", run, submission)  # scored anew
        (tmp_path / "runs" / "damaged.json").unlink(missing_ok=True)
        row, _ = runs_table.tabulate(runs.recall(tmp_path / "runs"), tmp_path / "no receipts")
        assert (row["ref"], row["kaggle"]) == (7, score or "pending")
    assert untouched.read_bytes() == before


def test_the_copy_of_a_receipt_owes_a_score_until_there_is_one(tmp_path):
    copy = tmp_path / "submitted.json"
    assert not receipts.owes_score(copy)
    for content, owes in (("{", True), ('{"status": ""}', True), ('{"status": "complete"}', False)):
        facts = {"competition": "c", "sha256": "f", "file": "x.csv", "message": "m", "time": "2026"}
        copy.write_text(json.dumps(facts | json.loads(content)) if content != "{" else content)
        assert receipts.owes_score(copy) == owes


def test_runs_of_two_branches_merge_without_conflict(tmp_path):
    def git(*arguments: str) -> None:
        name = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *name, *arguments], cwd=tmp_path / "work", check=True, capture_output=True)

    folder = tmp_path / "work" / "runs"
    folder.mkdir(parents=True)
    git("init")
    runs.remember(folder, make_run(tmp_path / "0"), tmp_path / "0" / "submission.csv")
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "side")
    runs.remember(
        folder, make_run(tmp_path / "1", time="2026-11-28T08:00:00+00:00"), tmp_path / "1" / "submission.csv"
    )
    git("add", ".")
    git("commit", "-m", "two")
    git("checkout", "main")
    runs.remember(
        folder, make_run(tmp_path / "2", time="2026-11-29T08:00:00+00:00"), tmp_path / "2" / "submission.csv"
    )
    git("add", ".")
    git("commit", "-m", "three")
    git("merge", "--no-edit", "side")
    assert len(runs.recall(folder)) == 3


def test_scores_that_another_program_saved_in_its_own_encoding_are_named(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_bytes("model,valid_accuracy\r\nétude,0.99\r\n".encode("latin-1"))
    with pytest.raises(FormatError, match=r"scores\.csv: damaged: .*utf-8.*; delete it and run again"):
        runs.read_scores(path)


@pytest.mark.parametrize(
    "place",
    [
        *(("configuration",), ("configuration", "merge"), ("configuration", "merge", "models")),
        *(("configuration", "models", "keras_cnn"), ("digests", "images")),
    ],
)
def test_a_section_that_is_none_since_an_edit_by_hand_is_named(tmp_path, place):
    run = make_run(tmp_path / "results")
    path = runs.remember(tmp_path / "runs", run, tmp_path / "results" / "submission.csv")
    facts = json.loads((tmp_path / "results" / "run.json").read_text())
    section = facts
    for key in place[:-1]:
        section = section[key]
    section[place[-1]] = None
    (tmp_path / "results" / "run.json").write_text(json.dumps(facts))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"facts": facts}))
    wrong = rf"{'[.]'.join(place)}: null, should be (an object|a list)"
    with pytest.raises(FormatError, match=rf"run\.json: damaged: {wrong}; delete it and run again"):
        runs.read_facts(tmp_path / "results" / "run.json")
    with pytest.raises(FormatError, match=rf"json: not a remembered run: {wrong}; move it away"):
        runs.recall(tmp_path / "runs")


def test_a_file_that_is_no_run_is_named(tmp_path):
    (tmp_path / "x.json").write_text('{"a": 1}')
    with pytest.raises(FormatError, match=r"x\.json: not a remembered run"):
        runs.recall(tmp_path)


def test_without_a_run_the_table_says_so(tmp_path):
    rows = runs_table.tabulate(runs.recall(tmp_path), tmp_path)
    assert runs_table.format_runs(rows) == "no run is remembered yet"


def plan_of(tmp_path, run, message=None):
    folder = tmp_path / "results" / "submission.csv"
    names = [*map(str, range(10))]
    return preview.make_plan(folder, names, "digit-recognizer", tmp_path / "kaggle", run, message)


def test_a_plan_shows_rows_classes_score_and_a_message_made_from_the_run(tmp_path):
    run = make_run(tmp_path / "results", labels=(1, 2, 2), changed=True)
    plan = plan_of(tmp_path, run)
    assert plan["rows"] == 3
    assert {label: count for label, count in plan["class_counts"].items() if count} == {"1": 1, "2": 2}
    assert plan["changed"] is None
    assert plan["validation"]["n"] == 4200
    digest = run.configuration_digest[:8]
    told = f"digitflow 01234567 with changes, configuration {digest}, validation 99.57 %"
    assert plan["message"] == told
    assert json.loads(json.dumps(plan)) == plan


def test_a_score_that_is_a_little_too_good_is_marked_in_the_plan_and_said_in_the_message(tmp_path):
    plan = plan_of(tmp_path, make_run(tmp_path / "results", looked=True))
    assert plan["message"].endswith(", validation 99.57 %, a little too good")
    lines = submit.describe_plan(plan, Limits(1, 1, 4))
    place = lines.index("validation   99.57 % (99.37-99.67)*")
    assert lines[place + 1].strip() == LOOKED_NOTE
    plan = plan_of(tmp_path, make_run(tmp_path / "results"))
    assert plan["message"].endswith(", validation 99.57 %")
    assert not any("*" in line for line in submit.describe_plan(plan, Limits(1, 1, 4)))


def test_a_plan_counts_the_labels_that_changed_since_the_last_submission(tmp_path):
    run = make_run(tmp_path / "results", labels=(1, 2, 3, 4))
    receipt = receipts.Receipt("digit-recognizer", "f" * 64, "x.csv", "m", "2026-11-26")
    receipt.ref, receipt.state = 41, receipts.SENT
    receipts.write(tmp_path / "kaggle", receipt)
    labelscsv.write(receipt.path(tmp_path / "kaggle", ".csv"), np.array([1, 2, 0, 0]))
    assert plan_of(tmp_path, run)["changed"] == {"ref": 41, "time": "2026-11-26", "labels": 2}
    another_test_set = make_run(tmp_path / "results", labels=(1, 2, 3, 4, 5))
    assert plan_of(tmp_path, another_test_set)["changed"] is None


def test_the_users_message_is_taken_on_one_line_and_must_not_be_endless(tmp_path):
    run = make_run(tmp_path / "results")
    assert plan_of(tmp_path, run, "two\n  lines")["message"] == "two lines"
    with pytest.raises(InputError, match="201 characters; at most 200"):
        plan_of(tmp_path, run, "x" * 201)
