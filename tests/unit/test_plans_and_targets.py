"""What the console says of a dry run's jobs, and of targets that no rule makes."""

import logging

import pytest

from digitflow.base import records
from snakemake_logger_plugin_digitflow import mistakes
from snakemake_logger_plugin_digitflow.plan import WITHOUT_PARAMS, Plan

TARGETS = {
    "results/look/index.html": "results/look/index.html",
    "results/look/labels.csv": "results/look/labels.csv",
    "wide.csv": "results/submissions/wide.csv",
    "results/submissions/wide.csv": "results/submissions/wide.csv",
}
MINE = {"results/predictions/mine.csv": "results/predictions/mine.csv"}


def planned(*jobs: tuple[str, list[str], str]) -> list[str]:
    """The lines of a plan of jobs: their rules, outputs and Snakemake's reasons."""
    plan = Plan(show_commands=False, stats={"total": len(jobs)})
    for rule, output, reason in jobs:
        record = logging.makeLogRecord(
            {"rule_name": rule, "output": output, "reason": reason, "shellcmd": None}
        )
        plan.add(rule, record)
    return [" ".join(line.split()) for line in plan.lines()][:-1]


@pytest.mark.parametrize("why", [records.FAILED, records.PUT_BACK, records.IN_PART])
def test_why_a_job_is_made_again_is_said_in_words(why):
    """The console cannot import the package: it has these settings written out."""
    reason = f"Params have changed since last execution: before: {why!r} now: '0123'"
    assert planned(("make", ["a"], reason)) == [f"make changed: {WITHOUT_PARAMS[why]}"]


def test_a_kind_of_reason_that_names_nothing_is_not_said():
    train = ("train", ["metrics.json"], "Missing output files: valid.npy")
    updated = "Updated input files: ; Input files updated by another job: metrics.json"
    assert planned(train, ("predict", ["test.npy"], updated)) == [
        "train missing: valid.npy",
        "predict after train",
    ]
    changed = "Updated input files: a.csv; Input files updated by another job: metrics.json"
    assert planned(train, ("predict", ["test.npy"], changed))[1] == "predict changed: a.csv"
    params = "Params have changed since last execution: before: <nothing exclusive> now: <nothing exclusive>"
    assert planned(("predict", [], params)) == ["predict changed: its settings"]
    assert planned(("predict", [], "Forced execution")) == ["predict forced"]


@pytest.mark.parametrize(
    ("target", "known", "told"),
    [
        (
            "results/predictions/mine.csv",
            TARGETS,
            "name the images to label: --config 'predict={mine: FILE}'",
        ),
        ("results/predictions", TARGETS, "name the images to label: --config 'predict={NAME: FILE}'"),
        ("results/predictions/mime.csv", TARGETS | MINE, "did you mean results/predictions/mine.csv?"),
        ("results/look", TARGETS, "did you mean results/look/index.html?"),
        ("results/submissions/wid.csv", TARGETS, "did you mean results/submissions/wide.csv?"),
    ],
)
def test_what_is_meant_by_a_target_that_no_rule_makes(target, known, told):
    text = f"MissingRuleException:\nNo rule to produce {target} (if you use input functions ...)."
    found = mistakes.of_the_target(text, [target], lambda: known)
    assert found.startswith(f"error: {target}: no rule makes this; {told}")


def test_a_study_that_is_not_configured_is_told_where_studies_are():
    target = "results/studies/x/table.csv"
    text = f"MissingRuleException:\nNo rule to produce {target} (if you use input functions ...)."
    told = mistakes.of_the_target(text, [], lambda: TARGETS)
    assert told.startswith(f"error: {target}: no study is called x here")
    assert "--configfile config/experiments.yaml" in told
    known = TARGETS | {"results/studies/x/figure.png": "results/studies/x/figure.png"}
    assert "did you mean results/studies/x/figure.png?" in mistakes.of_the_target(text, [], lambda: known)


def test_the_finder_of_learning_rates_is_for_keras_and_misspelt_names_get_a_hint():
    curve, model = "results/learning_rates/small.png", "results/models/other/seed0/model.npz"
    known = TARGETS | {curve: curve, model: model}

    def told(name):
        text = (
            f"MissingRuleException:\nNo rule to produce results/learning_rates/{name}.png (if you use ...)."
        )
        return mistakes.of_the_target(text, [], lambda: known)

    assert told("other").startswith("error: results/learning_rates/other.png: other is not a Keras model")
    assert f"did you mean {curve}?" in told("smal")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["-j2", "--config", "data={a: 1}"], "snakemake -j2 --config 'data={a: 1}' --unlock"),
        (["--configfile", "mine.yaml", "--", "all"], "snakemake --configfile mine.yaml --unlock -- all"),
    ],
)
def test_a_lock_is_told_with_the_command_that_removes_it(arguments, command):
    told = mistakes.of_the_lock("LockException:\nError: Directory cannot be locked. Please ...", arguments)
    assert told.splitlines()[-1] == command
    assert mistakes.of_the_lock("MissingRuleException:\nNo rule to produce x", arguments) is None
