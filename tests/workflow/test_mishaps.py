"""What happens to files and to Snakemake's own records: who notices, what is said, and what puts it right."""

import os
import shlex
import shutil
import signal
import time
from pathlib import Path

import pytest
from tests.workflow.torture import VIEWS, contents, differences, printed, start, stopped_job

MODEL = "results/models/plain/seed0"
TRAINED, PREDICTED = f"{MODEL}/metrics.json", f"{MODEL}/test_probabilities.npy"
TRAINED_BY_MXNET = "results/models/mxnet_cnn/seed0/metrics.json"
IMAGES = "data/idx/train-images-idx3-ubyte"
TOMORROW = 86400


def outputs_of(clone) -> set[str]:
    return {output for job in clone.planned("--forceall") for output in job.outputs}


def is_named_before_it_is_used_and_made_anew(path, target, message, expected, clone) -> None:
    """Truncate a file, ask for what is made from it, and have the file made again."""
    os.truncate(clone.folder / path, (clone.folder / path).stat().st_size // 2)
    broken = clone.snakemake(target)
    assert broken.returncode == 1
    assert f"error: {path}: {message}" in broken.stdout.splitlines()[-1]
    assert "Traceback" not in broken.stdout
    # What was good before is still there, and is not taken for good.
    assert contents(clone, {target}) == contents(expected, {target})
    assert any(target in job.outputs for job in clone.planned(target))

    repaired = clone.snakemake(target, "--forcerun", path)
    assert repaired.returncode == 0, repaired.stdout
    made = {path, target}
    assert contents(clone, made) == contents(expected, made)


@pytest.mark.parametrize(
    ("path", "target", "message"),
    [
        (IMAGES, "data/png/train.sfv", "damaged: its CRC-32 is "),
        ("data/idx/train-labels-idx1-ubyte", "data/rec/train.lst", "damaged: its CRC-32 is "),
        ("data/idx/test-images-idx3-ubyte", PREDICTED, "damaged: its CRC-32 is "),
        ("data/rec/train.lst", "data/png/train.sfv", "damaged: its CRC-32 is "),
        (TRAINED, PREDICTED, "damaged: "),
        (PREDICTED, "results/submissions/plain.csv", "damaged: its SHA-256"),
        (TRAINED, f"{MODEL}/score.json", "damaged: "),
        (f"{MODEL}/valid_probabilities.npy", f"{MODEL}/score.json", "damaged: its SHA-256"),
        (f"{MODEL}/score.json", "results/scores.csv", "damaged: "),
    ],
)
def test_a_truncated_file_is_named_before_it_is_used_and_made_anew(
    path, target, message, finished_numpy_run, finished_numpy
):
    is_named_before_it_is_used_and_made_anew(path, target, message, finished_numpy_run[0], finished_numpy)


@pytest.mark.parametrize(("kind", "message"), [("rec", "record "), ("idx", "line ")])
def test_a_truncated_record_never_reaches_mxnet(kind, message, finished_run, finished):
    is_named_before_it_is_used_and_made_anew(
        f"data/rec/valid.{kind}", TRAINED_BY_MXNET, message, finished_run[0], finished
    )


@pytest.mark.parametrize("path", [IMAGES, "data/rec/train.lst"])
def test_keras_does_not_train_on_a_truncated_file(path, finished):
    os.truncate(finished.folder / path, (finished.folder / path).stat().st_size // 2)
    broken = finished.snakemake(
        "results/models/keras_cnn/seed0/model.keras", "--allowed-rules", "train_keras"
    )
    assert broken.returncode == 1
    assert f"error: {path}: damaged: " in broken.stdout
    assert "epoch 1/" not in broken.stdout


def test_a_csv_that_cannot_be_read_leaves_the_last_good_images_and_is_read_again(
    finished_numpy_run, finished_numpy
):
    csv = finished_numpy.folder / "own" / "train.csv"
    good = csv.read_bytes()
    csv.write_bytes(good + b"1,2,3\n")
    assert finished_numpy.snakemake().returncode == 1
    made = outputs_of(finished_numpy)
    assert contents(finished_numpy, made) == contents(finished_numpy_run[0], made)
    assert finished_numpy.planned_rules(IMAGES) == {"csv_to_idx": 1}
    assert finished_numpy.planned_rules(IMAGES) == {"csv_to_idx": 1}, "a dry run settles nothing"

    csv.write_bytes(good)
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    assert contents(finished_numpy, made) == contents(finished_numpy_run[0], made)
    assert not finished_numpy.planned(*VIEWS)


@pytest.mark.parametrize("path", [IMAGES, "data/rec/train.lst", "data/rec/train.rec"])
def test_a_deleted_intermediate_is_not_missed_until_it_is_needed(path, finished_run, finished):
    (finished.folder / path).unlink()
    assert not finished.planned()
    assert finished.snakemake(path).returncode == 0
    assert contents(finished, {path}) == contents(finished_run[0], {path})


def test_the_checksums_of_the_test_labels_are_made_again_and_nothing_is_trained(
    finished_numpy_run, finished_numpy
):
    """No job reads them, but `digitflow compare` does not use the labels without them."""
    path = "data/idx/test-labels.sfv"
    (finished_numpy.folder / path).unlink()
    planned = {"solution_to_idx", "score", "score_table", "compare_models", "remember_run"}
    assert finished_numpy.planned_rules().keys() == planned
    assert finished_numpy.snakemake().returncode == 0
    assert contents(finished_numpy, {path}) == contents(finished_numpy_run[0], {path})
    assert not finished_numpy.planned()


def test_a_deleted_result_is_made_again(finished_numpy_run, finished_numpy):
    (finished_numpy.folder / "results" / "submission.csv").unlink()
    assert finished_numpy.snakemake().returncode == 0
    outputs = outputs_of(finished_numpy)
    assert not differences(finished_numpy, outputs, contents(finished_numpy_run[0], outputs))


def test_a_second_run_stops_at_the_lock_and_harms_nothing(finished_numpy_run, finished_numpy):
    (finished_numpy.folder / "results" / "submission.csv").unlink()
    first = start(finished_numpy, stop="merge:1")
    job = stopped_job(finished_numpy, first)
    second = finished_numpy.snakemake()
    os.kill(job, signal.SIGCONT)
    assert second.returncode == 1
    assert "error: another run is working in this folder, or a crash has left its lock" in second.stdout
    assert "Traceback" not in second.stdout
    assert first.wait() == 0, printed(finished_numpy)
    outputs = outputs_of(finished_numpy)
    assert not differences(finished_numpy, outputs, contents(finished_numpy_run[0], outputs))


# Older files, and lost records


def put_aside(clone, top: str) -> Path:
    """Copy a folder with its times, and make them an hour older, as if it had been made before."""
    aside = clone.folder / f"{top} of yesterday"
    shutil.copytree(clone.folder / top, aside, symlinks=True)
    for path in aside.rglob("*"):
        before = path.stat().st_mtime - 3600
        os.utime(path, (before, before))
    return aside


def put_back(aside: Path, top: Path) -> None:
    shutil.rmtree(top)
    aside.rename(top)


def test_results_of_other_settings_that_are_put_back_are_not_taken_for_the_latest(finished_numpy):
    aside = put_aside(finished_numpy, "results")
    finished_numpy.configure("hidden: [64]}, epochs: 5", "hidden: [64]}, epochs: 4")
    assert finished_numpy.snakemake().returncode == 0
    latest = (finished_numpy.folder / "results" / "submission.csv").read_bytes()
    put_back(aside, finished_numpy.folder / "results")
    assert (finished_numpy.folder / "results" / "submission.csv").read_bytes() != latest
    again = finished_numpy.snakemake()
    assert again.returncode == 0
    assert "more: older than what was made last, so put back by hand" in again.stdout
    assert (finished_numpy.folder / "results" / "submission.csv").read_bytes() == latest
    assert not finished_numpy.planned()


def test_data_of_another_csv_that_are_put_back_are_converted_again(finished_numpy):
    aside = put_aside(finished_numpy, "data")
    csv = finished_numpy.folder / "own" / "train.csv"
    csv.write_text("".join(csv.read_text().splitlines(keepends=True)[:-1]))
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    latest = (finished_numpy.folder / "data" / "idx" / "train.sfv").read_bytes()
    put_back(aside, finished_numpy.folder / "data")
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    assert (finished_numpy.folder / "data" / "idx" / "train.sfv").read_bytes() == latest
    assert not finished_numpy.planned(*VIEWS)


@pytest.mark.parametrize(("words", "made"), [(["--touch", "-F"], False), (["-pFj2"], True)])
def test_without_records_nothing_runs_until_it_is_said_whether_anything_has_changed(
    finished_numpy, words, made
):
    shutil.rmtree(finished_numpy.folder / ".snakemake")
    submission = finished_numpy.folder / "results" / "submission.csv"
    before = submission.stat().st_ino
    assert "what has changed since is not known" in finished_numpy.snakemake("--dry-run").stdout
    refused = finished_numpy.snakemake()
    assert refused.returncode == 1
    assert refused.stdout.splitlines()[-1].startswith("error: .snakemake: has no records")
    assert submission.stat().st_ino == before
    assert finished_numpy.snakemake(*words).returncode == 0
    assert (submission.stat().st_ino != before) == made
    assert "Nothing to be done" in finished_numpy.snakemake().stdout


# Clocks


def test_outputs_from_the_future_rerun_nothing_and_hide_no_later_edit_of_a_csv(finished_numpy):
    for top in ("data", "results"):
        for path in (finished_numpy.folder / top).rglob("*"):
            os.utime(path, (time.time() + TOMORROW,) * 2)
    assert not finished_numpy.planned()
    finished_numpy.edit("own/train.csv", "label,pixel0", '"label",pixel0')
    assert finished_numpy.planned_rules()["csv_to_idx"] == 1  # not by its time, which is before the outputs'


def test_an_input_from_the_future_is_named_and_leaves_no_output(finished_numpy_run, fresh_numpy):
    csv = fresh_numpy.folder / "own" / "train.csv"
    os.utime(csv, (time.time() + TOMORROW,) * 2)
    skewed = fresh_numpy.snakemake("data/rec/train.rec")
    assert skewed.returncode == 1
    assert "older modification time" in skewed.stdout
    assert "than input own/train.csv" in skewed.stdout
    assert not list((fresh_numpy.folder / "data").glob("idx/*"))
    os.utime(csv)
    made = {IMAGES, "data/rec/train.lst", "data/rec/valid.lst"}
    assert fresh_numpy.snakemake("data/rec/train.rec").returncode == 0
    assert contents(fresh_numpy, made) == contents(finished_numpy_run[0], made)


# Snakemake's own options, as docs/reliability.md explains them

PACKED = ["data/rec/train.rec", "data/rec/train.idx"]


@pytest.fixture
def crashed(finished):
    """A run that was killed after a job had written its files, and before Snakemake had noted it."""
    for path in PACKED:
        (finished.folder / path).unlink()
    process = start(finished, PACKED[0], stop="pack_rec:end")
    stopped_job(finished, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (finished.folder / PACKED[0]).exists()
    return finished


def test_after_a_crash_unlock_is_all_that_is_needed(finished_run, crashed):
    refused = crashed.snakemake(PACKED[0])
    assert refused.returncode == 1
    way_on = shlex.split(refused.stdout.splitlines()[-1])
    assert way_on[0] == "snakemake"
    assert crashed.call(*way_on[1:]).returncode == 0
    assert crashed.planned_rules(PACKED[0]) == {"pack_rec": 1}
    assert crashed.snakemake(PACKED[0]).returncode == 0
    assert contents(crashed, set(PACKED)) == contents(finished_run[0], set(PACKED))


def test_without_the_profile_incomplete_files_are_listed_and_can_be_vouched_for(crashed):
    assert crashed.call("--unlock").returncode == 0
    bare = ["--workflow-profile", "none", PACKED[0]]
    refused = crashed.snakemake("--dry-run", *bare)
    assert refused.returncode == 1
    assert "IncompleteFilesException" in refused.stdout
    assert PACKED[0] in refused.stdout
    assert crashed.planned_rules("--rerun-incomplete", *bare) == {"pack_rec": 1}
    assert crashed.call("--cleanup-metadata", *PACKED).returncode == 0
    assert not crashed.planned(*bare)


def test_touch_and_rerun_triggers_keep_what_was_made_with_other_settings(finished):
    finished.configure("keras_cnn: {epochs: 5", "keras_cnn: {epochs: 6")
    assert finished.planned_rules()["train_keras"] == 1
    assert not finished.planned("--rerun-triggers", "mtime")
    assert finished.snakemake("--touch").returncode == 0
    assert not finished.planned()


def test_forcerun_takes_a_rule_or_a_file_and_what_follows(finished):
    assert finished.planned_rules("--forcerun", "merge") == {
        "merge": 1,
        "score_table": 1,
        "compare_models": 1,
        "remember_run": 1,
    }
    assert finished.planned_rules("--forcerun", "data/rec/valid.rec")["train_mxnet"] == 1
