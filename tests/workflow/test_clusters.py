"""Jobs on the nodes of a cluster: which go there, what they leave, and what the console says when they fail.

The cluster is a shell script, by Snakemake's plugin for any scheduler that has a command to submit a job.
"""

import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from tests.workflow.conftest import Clone, copy_of
from tests.workflow.torture import files_below, start

from digitflow.training import device

# Notes the rule and its threads, and runs the job's script in the background.
SUBMITS = """\
echo "$1 $2" >> submitted
setsid bash "$3" > node.log 2>&1 < /dev/null &
echo $!
"""
# Runs it once `go` exists.
WAITS = """\
later='until [ -e go ]; do sleep 0.05; done; bash "$1"; touch ended'
setsid bash -c "$later" - "$3" > node.log 2>&1 < /dev/null &
echo 4711
"""
REFUSES = """\
echo "$1 $2 $DIGITFLOW_AUTO" >> submitted
echo "no such partition"
exit 1
"""
MADE = ("data/idx", "data/rec", "data/png/train", "results/submissions")


@pytest.fixture
def cluster(finished_numpy_run, tmp_path) -> Clone:
    """A copy of the finished run of numpy models, whose folder has a command that submits a job."""
    clone = copy_of(finished_numpy_run[0], tmp_path)
    (clone.folder / "submit.sh").write_text(SUBMITS)
    return clone


THERE = (
    *("--executor", "cluster-generic", "--seconds-between-status-checks", "1"),
    *("--cluster-generic-submit-cmd", "bash submit.sh {rule} {threads}"),
)


def run_there(clone: Clone, *arguments: str) -> subprocess.CompletedProcess:
    """A run whose jobs go to the cluster."""
    return clone.snakemake(*arguments, *THERE)


@pytest.fixture
def waiting(cluster) -> Iterator[subprocess.Popen]:
    """A run whose one job, a conversion of other settings than before, waits in the cluster's queue."""
    (cluster.folder / "submit.sh").write_text(WAITS)
    cluster.configure("data: {", "data: {invert: true, ")
    process = start(cluster, "data/idx/train.sfv", *THERE)
    marks = cluster.folder / ".snakemake" / "incomplete"
    wait_for(lambda: process.poll() or any("4711" in mark.read_text() for mark in marks.glob("*")))
    assert process.poll() is None, (cluster.folder / "snakemake.out").read_text()
    yield process
    process.kill()
    process.wait()


def submitted(clone: Clone) -> Counter[str]:
    """The jobs that went to the cluster: rules and threads."""
    return Counter((clone.folder / "submitted").read_text().splitlines())


def wait_for(event: Callable[[], bool]) -> None:
    """Until it has happened."""
    while not event():
        time.sleep(0.02)


def contents(clone: Clone, *folders: str) -> dict[str, bytes]:
    """The bytes of all files in some folders, by their paths."""
    paths = [path for folder in folders for path in files_below(clone.folder / folder)]
    return {str(path.relative_to(clone.folder)): path.read_bytes() for path in paths}


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
    (fresh.folder / "submit.sh").write_text(REFUSES)
    # Each of 64 trainings on this machine would have a single thread as its share of the cores.
    fresh.configure("keras_cnn: {", f"keras_cnn: {{seeds: {[*range(64)]}, ")
    made = fresh.snakemake("data/rec/lists.sfv", "data/rec/train.rec", "data/rec/valid.rec")
    assert made.returncode == 0, made.stdout
    failed = run_there(fresh, "results/models/keras_cnn/seed0/model.keras")
    auto = "" if device.has_driver() else "cpu"
    assert submitted(fresh) == {f"train_keras 4 {auto}": 1}
    *_, error = failed.stdout.splitlines()
    assert error == "Error submitting jobscript (exit code 1): no such partition"


def test_a_job_that_waits_keeps_the_configuration_that_it_was_submitted_with(cluster, waiting):
    before = contents(cluster, "data/idx")
    cluster.configure("invert: true", "invert: false")
    (cluster.folder / "go").touch()
    assert waiting.wait() == 0
    assert contents(cluster, "data/idx") != before
    assert "csv_to_idx" in cluster.planned_rules("data/idx/train.sfv")  # for what is configured now


def test_what_a_job_makes_after_its_run_was_killed_is_made_again(cluster, waiting):
    waiting.kill()
    waiting.wait()
    (cluster.folder / "go").touch()
    wait_for((cluster.folder / "ended").exists)
    assert cluster.call("--unlock").returncode == 0
    cluster.configure("invert: true", "invert: false")  # as the records have it, which are of an earlier run
    planned = cluster.snakemake("--dry-run", "data/idx/train.sfv").stdout
    assert "may still be on the cluster (4711)" in planned
    assert re.search(r"^csv_to_idx ", planned, re.MULTILINE), planned
