"""The record of a run: what it was made from, even without git."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digitflow.base import checksums
from digitflow.base.files import write_json
from digitflow.merging import run_record

CONFIGURATION = {
    "validation": {"folds": 1},
    "rec": {"shards": 1},
    "png": {"enabled": False},
    "merge": {"weights": None},
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder in which a run has ended."""
    monkeypatch.chdir(tmp_path)
    for name in ("submission.csv", "train.csv", "train.lst", "corrections.csv", "friend.csv"):
        (tmp_path / name).write_text(name)
    (tmp_path / "logs" / "train_keras").mkdir(parents=True)
    (tmp_path / "logs" / "csv_to_idx").mkdir()
    (tmp_path / "logs" / "csv_to_idx" / "train.log").write_text("12:00:00 reading\ndone in 1.50 s\n")
    for seed in (0, 1):
        (tmp_path / "logs" / "train_keras" / f"cnn-seed{seed}.log").write_text("done in 10.25 s\n")
    (tmp_path / "logs" / "write_lst.log").write_text("error: done in 3 s, it said\nfailed\n")
    metrics = {
        "cnn/seed0": {"framework": "keras", "versions": {"keras": "3"}},
        "cnn/seed1": {"framework": "keras", "versions": {"keras": "3"}},
        "study/net/seed0": {"framework": "mxnet", "versions": {"mxnet": "1.9.1", "numpy": "1.23"}},
    }
    for name, facts in metrics.items():
        write_json(f"results/models/{name}/metrics.json", facts)
    return tmp_path


def record(project, corrections=True, files=(), folds=1, **changes):
    """The record of a run whose jobs have read the CSV, and the corrections, and nothing since."""
    for made, names in (("train.sfv", ["train.csv"]), ("lists.sfv", ["corrections.csv"] * corrections)):
        checksums.write(made, [], {name: digest(name) for name in names})
    run_record.write(
        project / "run.json",
        project / "submission.csv",
        CONFIGURATION | {"validation": {"folds": folds}} | changes,
        "c0de",
        [project / "train.sfv"],
        project / "lists.sfv",
        [project / "train.lst"],
        files,
        [path.with_name("test_probabilities.npy") for path in Path("results").rglob("metrics.json")],
        ["0", "1"],
    )
    return json.loads((project / "run.json").read_text())


def digest(name):
    return hashlib.sha256(name.encode()).hexdigest()


def test_a_run_is_recorded_with_its_configuration_and_the_digests_of_what_it_read(project):
    found = record(project)
    assert found["configuration"] == CONFIGURATION
    digests = found["digests"]
    assert digests["submission"] == digest("submission.csv")
    assert digests["code"] == "c0de"
    assert digests["classes"] == digest('["0", "1"]')
    assert digests["csvs"] == {"train.csv": digest("train.csv")}
    assert digests["lists"] == {str(project / "train.lst"): digest("train.lst")}
    assert digests["corrections"] == digest("corrections.csv")
    assert found["versions"].keys() >= {"python", "numpy", "snakemake"}
    assert found["machine"].keys() == {"system", "cpu", "cores"}
    age = datetime.now(UTC) - datetime.fromisoformat(found["time"])
    assert timedelta(0) <= age < timedelta(hours=1)
    assert found["versions"]["mxnet"] == "1.9.1"
    assert found["machine"]["cores"] >= 1


def test_what_lies_there_after_it_was_read_does_not_count(project):
    (project / "train.csv").write_text("another")
    (project / "corrections.csv").write_text("another")
    digests = record(project)["digests"]
    assert digests["csvs"] == {"train.csv": digest("train.csv")}
    assert digests["corrections"] == digest("corrections.csv")


def test_submission_files_that_were_merged_are_named(project):
    digests = record(project, files=[Path("friend.csv")])["digests"]
    assert digests["csvs"]["friend.csv"] == digest("friend.csv")


def test_without_corrections_there_is_no_digest_of_them(project):
    assert record(project, corrections=False)["digests"]["corrections"] is None


def test_the_seconds_of_a_rule_are_those_of_its_jobs_that_ended_well(project):
    assert record(project)["seconds"] == {"csv_to_idx": 1.5, "train_keras": 20.5}


def test_the_seconds_are_not_those_of_other_models_seeds_folds_and_shards(project):
    expected = record(project)["seconds"]
    jobs = ("train_keras/old-seed0", "train_keras/cnn-seed2", "train_keras/cnn-seed0/fold1", "study/rates")
    jobs += ("pack_rec/train_001", "predict_keras/cnn-seed0-more", "train_keras/cnn-seed0/given")
    for job in jobs:
        path = project / "logs" / f"{job}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("done in 5.00 s\n")
    assert record(project)["seconds"] == expected
    (project / "logs" / "train_mxnet" / "study").mkdir(parents=True)
    (project / "logs" / "train_mxnet" / "study" / "net-seed0.log").write_text("done in 2.00 s\n")
    assert record(project)["seconds"] == expected | {"train_mxnet": 2.0}
    assert record(project, folds=2)["seconds"] == {"csv_to_idx": 1.5, "train_keras": 5.0}


def test_the_seconds_are_not_those_of_formats_and_weights_that_the_run_did_not_make(project):
    for job in ("idx_to_png/train", "pack_rec/train", "fit_weights"):
        path = project / "logs" / f"{job}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("done in 5.00 s\n")
    found = record(project, png={"enabled": True}, merge={"weights": "auto"})["seconds"]
    assert {"idx_to_png", "pack_rec", "fit_weights"} < found.keys()
    write_json("results/models/study/net/seed0/metrics.json", {"framework": "keras", "versions": {}})
    assert record(project)["seconds"] == {"csv_to_idx": 1.5, "train_keras": 20.5}


def test_the_pins_are_those_that_were_installed(project, monkeypatch):
    (project / "main.installed").write_text("keras==3")
    places = {"main": project / "main.installed", "mxnet": project / "nowhere"}
    monkeypatch.setattr(run_record, "PINS", places)
    assert record(project)["digests"]["pins"] == {"main": digest("keras==3")}


def test_without_git_the_commit_is_not_known(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project / "nothing"))
    found = record(project)
    assert (found["commit"], found["changed"]) == (None, None)


def test_a_clone_without_history_has_no_commit_either(project, monkeypatch):
    monkeypatch.setattr(run_record, "CLONE", project)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    found = record(project)
    assert (found["commit"], found["changed"]) == (None, None)
