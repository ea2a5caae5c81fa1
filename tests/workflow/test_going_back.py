"""Going back to old settings trains nothing, and submission files of others are merged: by real runs."""

import string
from collections import Counter

import numpy as np
import pytest
from tests.conftest import read_rows
from tests.workflow.conftest import Clone, make_clone

from digitflow.competing import runs
from digitflow.formats import labelscsv
from digitflow.formats.probabilities import write_probabilities

CONFIGURATION = """
data: {source: files, train_csv: own/train.csv, test_csv: own/test.csv, solution_csv: own/solution.csv}
device: cpu
png: {enabled: false}
models:
  plain: {framework: numpy, architecture: mlp, epochs: 2, batch_size: 32, learning_rate: 0.002}
merge: {models: [plain]}
"""


@pytest.fixture
def project(digits, mxnet_python, tmp_path) -> Clone:
    """A clone with one small numpy model, and the default store."""
    clone = make_clone(tmp_path / "clone", digits)
    (clone.folder / "tiny.yaml").write_text(CONFIGURATION)
    return clone


def trained(clone: Clone, *targets: str, framework: str = "numpy") -> dict[str, bytes]:
    """What a run left of the training, file by file."""
    done = clone.snakemake(*targets)
    assert done.returncode == 0, done.stdout
    (log,) = (clone.folder / "logs" / f"train_{framework}").glob("*.log")
    folder = clone.folder / "results" / "models" / "plain" / "seed0"
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    return made | {"log": log.read_bytes()}


def test_a_then_b_then_a_trains_twice_and_remembers_three_runs(project):
    first = trained(project)
    project.configure("epochs: 2", "epochs: 3")
    second = trained(project)
    assert b"epoch 3/3" in second["log"]
    project.configure("epochs: 3", "epochs: 2")
    third = trained(project)
    assert b"brought back from .store" in third["log"]
    assert b"epoch 1/" not in third["log"]
    assert {**third, "log": b""} == {**first, "log": b""}
    assert not project.planned()
    assert len([*(project.folder / "results" / "runs").glob("*.json")]) == 3


@pytest.mark.parametrize(("framework", "architecture"), [("keras", "mlp"), ("mxnet", "mlp_module")])
def test_a_training_of_each_framework_comes_back_byte_for_byte(project, framework, architecture):
    numpy = "framework: numpy, architecture: mlp, epochs: 2"
    project.configure(numpy, f"framework: {framework}, architecture: {architecture}, epochs: 1")
    target = "results/models/plain/seed0/valid_probabilities.npy"
    first = trained(project, target, framework=framework)
    project.configure("epochs: 1", "epochs: 2")
    second = trained(project, target, framework=framework)
    project.configure("epochs: 2", "epochs: 1")
    third = trained(project, target, framework=framework)
    assert b"epoch 1/1" in first.pop("log")
    assert b"epoch 2/2" in second["log"]
    log = third.pop("log")
    assert b"brought back from .store" in log
    assert b"epoch 1/" not in log
    assert third == first
    assert any(third[name] != second[name] for name in third if name.startswith("model"))


def test_the_submission_alone_leaves_a_run_and_its_scores_come_to_the_same_row(project):
    done = project.snakemake("results/submission.csv")
    assert done.returncode == 0, done.stdout
    (bare,) = runs.recall(project.folder / "results" / "runs")
    assert bare.scores == []
    assert 0 < bare.validation["accuracy"] <= 1
    assert project.planned_rules()["remember_run"] == 1
    assert project.snakemake().returncode == 0
    (scored,) = runs.recall(project.folder / "results" / "runs")
    assert scored.facts == bare.facts
    assert {row["model"] for row in scored.scores} == {"plain", "merged"}
    assert scored.validation == pytest.approx(bare.validation)
    assert scored.test is not None
    (path,) = (project.folder / "results" / "runs").glob("*.valid.csv")
    assert path.read_text().startswith("id,label,merged,plain\n")


def vote_by_hand(ballots: list[np.ndarray], weights: list[int]) -> list[int]:
    chosen = []
    for votes in zip(*(ballot.tolist() for ballot in ballots), strict=True):
        counts = Counter()
        for label, weight in zip(votes, weights, strict=True):
            counts[label] += weight
        chosen.append(max(counts, key=counts.get))
    return chosen


def test_a_file_that_cannot_be_merged_stops_the_run_before_a_training(project):
    folder = project.folder / "submissions"
    folder.mkdir()
    true = labelscsv.read(project.folder / "own" / "solution.csv", string.digits)
    labelscsv.write(folder / "friend.csv", true[:-1])
    project.configure("{models: [plain]}", "{models: [plain, friend], method: vote}")
    stopped = project.call("-j1")  # on more cores a training may begin before the check has ended
    assert stopped.returncode == 1
    assert "friend cannot be merged: submissions/friend.csv: 199 rows, should be 200" in stopped.stdout
    assert not (project.folder / "results" / "models").exists()

    labelscsv.write(folder / "friend.csv", true)
    assert project.call("-j1", "results/submission.csv").returncode == 0


def test_files_of_others_are_checked_scored_and_merged(project):
    folder = project.folder / "submissions"
    folder.mkdir()
    true = labelscsv.read(project.folder / "own" / "solution.csv", string.digits)
    ballots = []
    for place, name in enumerate(("friend", "notebook", "third")):
        answers = true.copy()
        answers[place * 20 : place * 20 + 50] = (answers[place * 20 : place * 20 + 50] + place + 1) % 10
        labelscsv.write(folder / f"{name}.csv", answers)
        ballots.append(answers)
    labelscsv.write(folder / "short.csv", true[:-1])
    before = {path: path.read_bytes() for path in folder.iterdir()}
    project.configure(
        "{models: [plain]}", "{method: vote, models: [friend, notebook, third], weights: [4, 3, 2]}"
    )
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    assert "left out: submissions/short.csv: 199 rows, should be 200" in done.stdout
    blended = labelscsv.read(project.folder / "results" / "submission.csv", string.digits)
    assert blended.tolist() == vote_by_hand(ballots, [4, 3, 2])
    scores = read_rows(project.folder / "results" / "scores.csv")
    assert [row["model"] for row in scores] == ["friend", "notebook", "third", "merged"]
    assert [float(row["test_accuracy"]) for row in scores] == [0.75, 0.75, 0.75, (blended == true).mean()]
    pairs = read_rows(project.folder / "results" / "comparisons.csv")
    assert ("friend", "notebook") in {(row["first"], row["second"]) for row in pairs}
    agreement = {row["model"]: row for row in read_rows(project.folder / "results" / "agreement.csv")}
    assert float(agreement["friend"]["third"]) == np.mean(ballots[0] == ballots[2])
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert not (project.folder / "results" / "models").exists()
    assert project.snakemake("results/look/index.html").returncode == 0  # without an audit
    for target in ("results/look/labels.csv", "results/look/effect.csv", "results/merged/mistakes.png"):
        done = project.snakemake(target)
        assert done.returncode == 1
        last = done.stdout.splitlines()[-1]
        assert last.startswith("error: ")
        assert "merge.models names only files" in last


def test_files_of_others_are_merged_with_models(project):
    folder = project.folder / "submissions"
    folder.mkdir()
    true = labelscsv.read(project.folder / "own" / "solution.csv", string.digits)
    labelscsv.write(folder / "friend.csv", true)
    project.configure("{models: [plain]}", "{method: vote, models: [plain, friend], weights: [1, 2]}")
    done = project.snakemake("results/submission.csv", "results/merged/mistakes.png")
    assert done.returncode == 0, done.stdout
    submission = labelscsv.read(project.folder / "results" / "submission.csv", string.digits)
    assert submission.tolist() == true.tolist()


def test_a_mean_of_models_and_a_file_with_probabilities_equals_one_by_hand(project):
    folder = project.folder / "submissions"
    folder.mkdir()
    others = np.random.default_rng(0).dirichlet(np.full(10, 0.3), 200).astype(np.float32)
    labelscsv.write(folder / "friend.csv", others.argmax(axis=1))
    write_probabilities(folder / "friend_probabilities.npy", others)
    labelscsv.write(folder / "short.csv", np.zeros(3, int))
    project.configure("{models: [plain]}", "{method: mean, models: [plain, friend], weights: [1, 2]}")
    done = project.snakemake("results/submission.csv", "results/scores.csv")
    assert done.returncode == 0, done.stdout
    assert "score_table | left out: submissions/short.csv: 3 rows, should be 200" in done.stdout
    own = np.load(project.folder / "results/models/plain/seed0/test_probabilities.npy")
    expected = (own.astype(float) + 2 * others.astype(float)).argmax(axis=1)
    blended = labelscsv.read(project.folder / "results" / "submission.csv", string.digits)
    assert blended.tolist() == expected.tolist()
    for alone in (own, others):
        assert (blended != alone.argmax(axis=1)).any()
    assert not project.planned("results/scores.csv")
    write_probabilities(folder / "friend_probabilities.npy", others[::-1])  # does not fit its labels
    planned = project.planned_rules("results/scores.csv", "results/comparisons.csv", "results/agreement.csv")
    assert planned.keys() >= {"merge", "score_table", "compare_models", "compare_submissions"}
