"""What a run leaves behind, and what it tells at its end."""

import hashlib
import json
import re
import string
import subprocess

import numpy as np
import pytest
import yaml
from tests.conftest import read_rows
from tests.workflow.conftest import TEST_ROWS, TRAIN_ROWS, Clone

from digitflow.formats import idx, labelscsv, lst, png


def test_the_submission_is_right_and_better_than_guessing(finished_run):
    clone, _ = finished_run
    labels = labelscsv.read(clone.folder / "results" / "submission.csv", string.digits)
    assert len(labels) == TEST_ROWS
    truth = labelscsv.read(clone.folder / "own" / "solution.csv", string.digits)
    assert np.mean(labels == truth) > 0.7


def test_the_table_of_scores_has_a_row_a_training_and_the_merged_one(finished_run):
    clone, printed = finished_run
    rows = read_rows(clone.folder / "results" / "scores.csv")
    assert [(row["model"], row["seed"]) for row in rows] == [
        ("keras_cnn", "0"), ("mxnet_cnn", "0"), ("merged", "")
    ]  # fmt: skip
    truth = labelscsv.read(clone.folder / "own" / "solution.csv", string.digits)
    for row, name in zip(rows, ("submissions/keras_cnn", "submissions/mxnet_cnn", "submission"), strict=True):
        labels = labelscsv.read(clone.folder / "results" / f"{name}.csv", string.digits)
        assert float(row["test_accuracy"]) == np.mean(labels == truth)
        assert float(row["valid_low"]) < float(row["valid_accuracy"]) < float(row["valid_high"]) <= 1
    assert "validation %" in printed
    assert f"{100 * float(rows[-1]['test_accuracy']):.2f} (" in printed
    assert "submission: results/submission.csv" in printed


def test_a_run_prints_a_line_or_two_for_each_job_one_for_each_epoch_and_the_tables(finished_run):
    _, printed = finished_run
    lines = printed.splitlines()
    epochs = [line for line in lines if re.search(r"\| epoch \d+/5: ", line)]
    assert len(epochs) == 10
    finished = [line for line in lines if re.search(r"\d+\.\d s  \[ ?\d+ of \d+\]$", line)]
    assert len(finished) == int(finished[-1].split()[-1].rstrip("]"))
    said = [line for line in lines if " | " in line and line not in epochs]
    assert len(said) <= 1.5 * len(finished)
    # The tables, and a sentence more or less with the scores, whose last digits are the CPU's.
    assert len(lines) - len(epochs) - len(finished) - len(said) < 18


def test_a_run_of_another_target_prints_no_table(finished_numpy):
    other = finished_numpy.snakemake("results/submissions/wide.csv", "--force")
    assert other.returncode == 0, other.stdout
    assert "1 job" in other.stdout
    assert "validation %" not in other.stdout
    assert "submission:" not in other.stdout
    merged = finished_numpy.snakemake("results/submission.csv", "--force")
    assert "validation %" not in merged.stdout
    assert "submission: results/submission.csv" in merged.stdout
    scored = finished_numpy.snakemake("results/scores.csv", "--force")
    assert "validation %" in scored.stdout


def test_the_table_of_pairs_counts_what_the_submissions_differ_in(finished_run):
    clone, printed = finished_run
    results = clone.folder / "results"
    rows = read_rows(results / "comparisons.csv")
    assert [(row["first"], row["second"]) for row in rows] == [
        ("keras_cnn", "mxnet_cnn"), ("keras_cnn", "merged"), ("mxnet_cnn", "merged")
    ]  # fmt: skip
    truth = labelscsv.read(clone.folder / "own" / "solution.csv", string.digits)
    right = {
        name: labelscsv.read(results / path, string.digits) == truth
        for name, path in (
            ("keras_cnn", "submissions/keras_cnn.csv"),
            ("mxnet_cnn", "submissions/mxnet_cnn.csv"),
            ("merged", "submission.csv"),
        )
    }
    for row in rows:
        first, second = right[row["first"]], right[row["second"]]
        assert (row["rows"], row["images"]) == ("test", str(TEST_ROWS))
        assert int(row["only_first"]) == np.sum(first & ~second)
        assert int(row["only_second"]) == np.sum(second & ~first)
        assert float(row["points"]) == pytest.approx(100 * (first.mean() - second.mean()))
        told = [line for line in printed.splitlines() if f"p = {float(row['p_value']):.2g}" in line]
        told = [line for line in told if row["first"] in line and row["second"] in line]
        assert bool(told) == (first.sum() != second.sum())
        assert all(("may be chance" in line) == (float(row["p_value"]) >= 0.05) for line in told)


def test_every_training_leaves_its_history_and_its_circumstances(finished_run):
    clone, _ = finished_run
    for model in ("keras_cnn", "mxnet_cnn"):
        folder = clone.folder / "results" / "models" / model / "seed0"
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics["device"].startswith("cpu")
        assert metrics["settings"]["epochs"] == 5
        assert metrics["versions"]
        epochs = [row["epoch"] for row in read_rows(folder / "history.csv")]
        assert epochs == [str(epoch) for epoch in range(1, 6)]
        assert np.load(folder / "test_probabilities.npy").shape == (TEST_ROWS, 10)
        log = next((clone.folder / "logs").glob(f"train_*/{model}-seed0.log")).read_text()
        assert "epoch 5/5: loss " in log
        assert "0 s left" in log


def test_the_trees_show_the_csvs_rows(finished_run, digits):
    clone, _ = finished_run
    images, labels = digits
    assert len(list((clone.folder / "data" / "png" / "train").glob("*/*.png"))) == TRAIN_ROWS
    for row in (0, 41, TRAIN_ROWS - 1):
        path = clone.folder / "data" / "png" / "train" / str(labels[row]) / f"{row + 1:03d}.png"
        np.testing.assert_array_equal(png.decode(path.read_bytes(), str(path)), images[row])
    np.testing.assert_array_equal(
        idx.read(clone.folder / "data" / "idx" / "test-images-idx3-ubyte"),
        images[60_000 : 60_000 + TEST_ROWS],
    )


def test_train_and_validation_rows_share_no_image_and_cover_all(finished_run):
    clone, _ = finished_run
    train, valid = (
        lst.read(clone.folder / "data" / "rec" / f"{part}.lst").index for part in ("train", "valid")
    )
    assert sorted([*train, *valid]) == list(range(1, TRAIN_ROWS + 1))
    assert len(valid) == TRAIN_ROWS // 10


def test_every_job_has_a_log_of_its_own(finished_run):
    clone, _ = finished_run
    folder = clone.folder / "logs"
    logs = {str(path.relative_to(folder)) for path in folder.rglob("*.log")}
    assert logs >= {
        *("csv_to_idx/train.log", "csv_to_idx/test.log", "write_lst.log", "write_test_lst.log"),
        *("idx_to_png/train.log", "idx_to_png/test.log", "pack_rec/train.log", "pack_rec/valid.log"),
        *("train_keras/keras_cnn-seed0.log", "train_mxnet/mxnet_cnn-seed0.log"),
        *("predict_keras/keras_cnn-seed0-test.log", "predict_mxnet/mxnet_cnn-seed0-test.log"),
        *("score/keras_cnn-seed0.log", "submit_model/mxnet_cnn.log", "merge.log", "score_table.log"),
        "compare_models.log",
    }


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_record_of_a_run_tells_what_the_submission_was_made_from(finished_run):
    folder = finished_run[0].folder
    run = json.loads((folder / "results" / "run.json").read_text())
    digests = run["digests"]
    assert digests["submission"] == sha256(folder / "results" / "submission.csv")
    assert digests["csvs"] == {name: sha256(folder / name) for name in ("own/train.csv", "own/test.csv")}
    lists = ("data/rec/train.lst", "data/rec/valid.lst")
    assert digests["lists"] == {name: sha256(folder / name) for name in lists}
    assert digests["pins"]["mxnet"] == sha256(folder / ".venvs" / "mxnet" / "pins.txt")
    assert digests["corrections"] is None
    written = yaml.safe_load((folder / "tiny.yaml").read_text())
    assert run["configuration"]["data"].items() >= written["data"].items()
    for name, model in written["models"].items():
        assert run["configuration"]["models"][name].items() >= model.items()
    assert run["versions"]["keras"]
    assert run["versions"]["mxnet"] == "1.9.1"
    assert run["machine"]["cores"] >= 1
    assert run["seconds"]["train_keras"] > 0
    # What follows from the submission, or runs beside it, may not have ended.
    assert run["seconds"].keys() >= {"csv_to_idx", "write_lst", "idx_to_png", "predict_mxnet", "submit_model"}


def test_the_record_of_a_run_names_the_commit_and_whether_files_differ(finished_numpy):
    record = finished_numpy.folder / "results" / "run.json"

    def record_again() -> dict:
        assert finished_numpy.snakemake("results/run.json", "--force").returncode == 0
        return json.loads(record.read_text())

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        command = ["git", *identity, *arguments]
        return subprocess.run(
            command, cwd=finished_numpy.folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    without = record_again()
    assert without["commit"] is without["changed"] is None
    git("init", "--quiet")
    (finished_numpy.folder / ".gitignore").write_text("data\nresults\nlogs\n.snakemake\n__pycache__\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "All of it")
    committed = record_again()
    assert committed["commit"] == git("rev-parse", "HEAD")
    assert committed["changed"] is False
    (finished_numpy.folder / "Snakefile").open("a").write("# edited\n")
    assert record_again()["changed"] is True


@pytest.mark.parametrize("command", [["--unlock"], ["--summary"], ["--report", "report.html"]], ids=" ".join)
def test_what_runs_no_job_needs_no_number_of_cores(finished_numpy, command):
    result = finished_numpy.call(*command)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("copy", "remedy"), [("-a", None), ("-r", "--touch")])
def test_a_project_that_was_copied_is_finished_as_the_readme_says(finished_numpy, copy, remedy):
    other = finished_numpy.folder.with_name("other")
    subprocess.run(["cp", copy, finished_numpy.folder, other], check=True)
    clone = Clone(other)
    if remedy:
        assert clone.snakemake(remedy).returncode == 0
    assert not clone.planned()


def test_a_project_without_scores_may_be_touched(finished_numpy):
    for name in ("scores.csv", "comparisons.csv"):
        (finished_numpy.folder / "results" / name).unlink()
    result = finished_numpy.snakemake("--touch")
    assert result.returncode == 0, result.stdout
    assert "submission: results/submission.csv" in result.stdout


COUNT_TIMERS = """
import threading


def count_timers():
    found = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    open("timers", "w").write(str(len(found)))


threading._register_atexit(count_timers)
"""


def test_a_run_is_over_when_its_last_job_is_and_waits_for_no_timer(finished_numpy):
    with (finished_numpy.folder / "rules" / "common.smk").open("a") as file:
        file.write(COUNT_TIMERS)
    (finished_numpy.folder / "results" / "submission.csv").unlink()
    result = finished_numpy.snakemake()
    assert result.returncode == 0, result.stdout
    assert (finished_numpy.folder / "timers").read_text() == "0"
