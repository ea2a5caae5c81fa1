"""The project's experiments, each in a short form: few rows, few epochs, one point; of the scoreboard three.

Studies of one framework on the same data differ in what they vary: the first is run, the others are planned.
That each network learns is tested in tests/frameworks.
"""

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from tests.conftest import PROJECT, read_rows

ROWS, EPOCHS, BATCH = 500, 3, 32
LARGE = {"resnet18": {"architecture": "lenet", "network": {}}}  # a minute otherwise
SCOREBOARD = {"random_guess", "numpy_mlp", "mxnet_lenet"}  # of which all are run
GUESSING = {"luck", "random_guess"}


def shortened(keys: dict) -> dict:
    """A model's keys, or a variant's, for a training of seconds."""
    most = {"epochs": EPOCHS, "batch_size": BATCH}
    short = {key: min(value, most[key]) if key in most else value for key, value in keys.items()}
    return short | LARGE.get(keys.get("architecture"), {}) | ({"seeds": [0]} if "seeds" in keys else {})


def short_study(name: str, study: dict) -> dict:
    """The first value of a list, the last of the named variants; every variant of the scoreboard."""
    model = shortened(study["model"])
    model |= {"train_rows": ROWS, "seeds": [0], "prune": None}
    vary = {}
    for axis, values in study["vary"].items():
        if isinstance(values, dict):
            variants = {variant: shortened(changes) for variant, changes in values.items()}
            vary[axis] = variants if name == "scoreboard" else dict([variants.popitem()])
        else:
            vary[axis] = [min(values[0], EPOCHS) if axis == "epochs" else values[0]]
    return {**study, "model": model, "vary": vary}


def first_of_each_kind(studies: dict) -> set[str]:
    kinds = {}
    for name, study in studies.items():
        kind = study["model"].get("framework"), study.get("data"), *study.get("figures", ())
        kinds.setdefault(kind, name)
    return {*kinds.values()}


@pytest.fixture
def experiments(fresh):
    """A fresh clone with the experiments in their short form, and the experiments as they are.

    Those on the official split predict its test set, all others do without one.
    """
    fresh.configure(", test_csv: own/test.csv, solution_csv: own/solution.csv", "")
    studies = yaml.safe_load((PROJECT / "config" / "experiments.yaml").read_text())["studies"]
    config = yaml.safe_load((fresh.folder / "tiny.yaml").read_text())
    config["studies"] = {name: short_study(name, study) for name, study in studies.items()}
    (fresh.folder / "tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (fresh.folder / "data" / "mnist").mkdir(parents=True)
    archive = fresh.folder / "data" / "mnist" / "mnist.pkl.gz"
    shutil.copyfile(PROJECT / "data" / "mnist" / "mnist.pkl.gz", archive)
    os.utime(archive)
    return fresh, studies


def test_every_kind_of_study_runs_learns_and_stands_on_the_page(experiments):
    clone, studies = experiments
    configured = (clone.folder / "tiny.yaml").read_text()
    config = yaml.safe_load(configured)
    run = first_of_each_kind(studies)
    config["studies"] = {name: study for name, study in config["studies"].items() if name in run}
    scoreboard = config["studies"]["scoreboard"]["vary"]["model"]
    later = scoreboard.keys() - SCOREBOARD
    for name in later:
        del scoreboard[name]
    (clone.folder / "tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    result = clone.snakemake("results/experiments.md")
    assert result.returncode == 0, result.stdout
    page = (clone.folder / "results" / "experiments.md").read_text()
    for name in run:
        rows = read_rows(clone.folder / "results" / "studies" / name / "table.csv")
        assert len(rows) == (len(SCOREBOARD) if name == "scoreboard" else 1)
        for row in rows:
            guesses = name in GUESSING or row.get("model") == "random_guess"
            assert (float(row["valid_accuracy"]) > 0.3) == (not guesses), row
        assert f"- [{studies[name]['title']}](#" in page
        asked = studies[name].get("figures", [])
        shown = [name]
        if "learning_rate" in asked:
            shown.append(f"{name}-learning_rate")
        if "mistakes" in asked:
            models = [f"{name}-model~{row['model']}" for row in rows]
            shown += [f"{model}-{kind}" for model in models for kind in ("confusion", "mistakes")]
        for figure in shown:
            assert f"(experiments/{figure}.png)" in page
            assert (clone.folder / "results" / "experiments" / f"{figure}.png").read_bytes()[:4] == b"\x89PNG"

    # With all studies, each of the others has one training to run, and the scoreboard those that were left
    # out; those that are there are not run again.
    (clone.folder / "tiny.yaml").write_text(configured)
    trained = [job for job in clone.planned("results/experiments.md") if job.rule.startswith("train_")]
    assert Counter(Path(job.log).parts[2] for job in trained) == {
        **dict.fromkeys(studies.keys() - run, 1),
        "scoreboard": len(later),
    }
    # And of a study with one point more, that point.
    clone.configure("epochs:\n      - 3", "epochs:\n      - 3\n      - 2")
    assert clone.planned_rules("results/studies/lab_epochs/table.csv") == {
        "train_keras": 1,
        "predict_keras": 1,
        "score": 1,
        "study": 1,
    }


RATES = """
studies:
  rates:
    title: Which rate suits the plain network?
    model: {framework: numpy, architecture: mlp, epochs: 2, batch_size: 32, network: {hidden: []}}
    vary: {learning_rate: [0.00001, 0.002]}
predict: {mine: own/test.csv}
"""
ASKED = ["results/studies/rates/table.csv", "results/predictions/mine.csv"]


def test_a_study_ends_with_its_ranking_and_a_new_key_with_a_default_reruns_none(finished_numpy):
    (finished_numpy.folder / "tiny.yaml").open("a").write(RATES)
    result = finished_numpy.snakemake(*ASKED)
    assert result.returncode == 0, result.stdout
    lines = [line.removeprefix("study rates | ") for line in result.stdout.splitlines()]
    title = lines.index("Which rate suits the plain network?")
    assert re.fullmatch(r" +1\. learning_rate~0\.002: validation [0-9.]+ %", lines[title + 1])
    assert re.fullmatch(r" +2\. learning_rate~.*: validation [0-9.]+ %", lines[title + 2])
    assert lines[title + 3] == f"the whole ranking: {ASKED[0]}"
    assert "results/scores.csv" not in result.stdout

    path = finished_numpy.folder / "workflow" / "schemas" / "config.schema.yaml"
    schema = yaml.safe_load(path.read_text())
    schema["$defs"]["study"]["properties"]["brand_new"] = {
        "description": "New.",
        "type": "integer",
        "default": 7,
    }
    path.write_text(yaml.safe_dump(schema, sort_keys=False))
    assert not finished_numpy.planned(*ASKED)


def test_folds_are_refused_where_a_study_is_asked_for_and_nowhere_else(fresh_numpy):
    (fresh_numpy.folder / "tiny.yaml").open("a").write(RATES)
    folds = ("--config", "validation={folds: 3}")
    assert fresh_numpy.planned("results/submission.csv", *folds)
    asked = fresh_numpy.snakemake("--dry-run", ASKED[0], *folds)
    assert asked.returncode == 1
    last = asked.stdout.splitlines()[-1]
    assert last.startswith("error: studies need one validation set: set validation.folds to 1")
