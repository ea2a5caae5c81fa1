"""Jobs on the nodes of a cluster: which go there, what they leave, and what the console says when they fail.

The cluster is a shell script, by Snakemake's plugin for any scheduler that has a command to submit a job.
"""

import os
import subprocess
from collections import Counter

import pytest
from tests.workflow.conftest import Clone, copy_of

# Notes the rule and its threads, and runs the job's script in the background, on one core.
SUBMIT = """\
echo "$1 $2" >> submitted
setsid taskset --cpu-list {core} bash "$3" > node.log 2>&1 < /dev/null &
echo $!
"""
REFUSE = """\
echo "$1 $2" >> submitted
echo "no such partition"
exit 1
"""
MADE = ("data/idx", "data/rec", "data/png/train", "results/submissions")


@pytest.fixture
def cluster(finished_numpy_run, tmp_path) -> Clone:
    """A copy of the finished run of numpy models, whose folder has a command that submits a job."""
    clone = copy_of(finished_numpy_run[0], tmp_path)
    (clone.folder / "submit.sh").write_text(SUBMIT.format(core=min(os.sched_getaffinity(0))))
    return clone


def run_there(clone: Clone, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """A run whose jobs go to the cluster."""
    return clone.snakemake(
        *arguments,
        *("--executor", "cluster-generic", "--seconds-between-status-checks", "1"),
        *("--cluster-generic-submit-cmd", "bash submit.sh {rule} {threads}"),
        **environment,
    )


def submitted(clone: Clone) -> Counter[str]:
    """The jobs that went to the cluster: rules and threads."""
    return Counter((clone.folder / "submitted").read_text().splitlines())


def contents(clone: Clone, *folders: str) -> dict[str, bytes]:
    """The bytes of all files in some folders, by their paths."""
    paths = [path for folder in folders for path in sorted((clone.folder / folder).rglob("*"))]
    return {str(path.relative_to(clone.folder)): path.read_bytes() for path in paths if path.is_file()}


def test_what_takes_long_runs_on_nodes_and_all_is_as_it_was(cluster):
    targets = ["results/submissions/plain.csv", "data/png/train.sfv"]
    before = contents(cluster, *MADE)
    finished = run_there(cluster, *targets, "--forceall", "-j4")
    assert finished.returncode == 0, finished.stdout
    assert submitted(cluster) == dict.fromkeys(
        ["csv_to_idx 1", "csv_to_idx_test 1", "idx_to_png 1", "train_numpy 1", "predict_numpy 1"], 1
    )
    assert contents(cluster, *MADE) == before
    assert not cluster.planned(*targets)


def test_a_job_that_fails_on_a_node_takes_nothing_away(cluster):
    before = contents(cluster, "data/idx")
    lines = (cluster.folder / "own" / "train.csv").read_text().splitlines()
    lines[5] = lines[5].rpartition(",")[0] + ",300"
    (cluster.folder / "own" / "train.csv").write_text("\n".join(lines))
    failed = run_there(cluster)
    assert failed.returncode == 1
    *_, log, error = failed.stdout.splitlines()
    assert log == "csv_to_idx failed, log: logs/csv_to_idx/train.log"
    assert error.startswith("error: own/train.csv, line 6, column pixel783: '300' is not a whole number")
    assert "keep-incomplete" not in failed.stdout
    assert contents(cluster, "data/idx") == before
    assert "csv_to_idx" in cluster.planned_rules()  # although its outputs are newer than the wrong file


def test_a_training_has_as_many_threads_as_help_whatever_this_machine_has(fresh):
    (fresh.folder / "submit.sh").write_text(REFUSE)
    made = fresh.snakemake("data/rec/lists.sfv", "data/rec/train.rec", "data/rec/valid.rec")
    assert made.returncode == 0, made.stdout
    failed = run_there(fresh, "results/models/keras_cnn/seed0/model.keras")
    assert submitted(fresh) == {"train_keras 4": 1}
    *_, error = failed.stdout.splitlines()
    assert error == "Error submitting jobscript (exit code 1): no such partition"
