"""Dry runs on a finished run: what has to run again after a change, and what must not."""

import os

import pytest

from digitflow.formats import lst, recordio

AFTER_TRAINING = {"score": 1, "submit_model": 1, "merge": 1, "score_table": 1, "compare_models": 1}
FROM_THE_LISTS = {
    **{"pack_rec": 3, "train_keras": 1, "train_mxnet": 1},
    **{"score": 2, "submit_model": 2, "merge": 1, "score_table": 1, "compare_models": 1},
}


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.snakemake("--dry-run").stdout
    assert "Nothing to be done" in finished.snakemake("--dry-run", "results/submission.csv").stdout


def test_touched_sources_rerun_nothing(finished):
    for path in ("workflow/digitflow/png.py", "workflow/envs/main.lock.txt", "own/solution.csv"):
        os.utime(finished.folder / path)
    assert not finished.planned()


def test_a_hyper_parameter_reruns_that_models_training_and_what_follows_from_it(finished):
    finished.configure("keras_cnn: {epochs: 8", "keras_cnn: {epochs: 9")
    assert finished.planned_rules() == {"train_keras": 1, **AFTER_TRAINING}
    assert finished.planned_rules("results/submission.csv") == {
        "train_keras": 1,
        "submit_model": 1,
        "merge": 1,
    }


def test_another_seed_of_a_model_is_trained_beside_the_first(finished):
    finished.configure("mxnet_lenet: {epochs: 8", "mxnet_lenet: {seeds: [0, 1], epochs: 8")
    assert finished.planned_rules() == {"train_mxnet": 1, **AFTER_TRAINING}


def test_another_way_to_merge_trains_nothing(finished):
    assert finished.planned_rules("--config", "merge={method: vote}") == {
        **{"merge": 1, "score_table": 1, "compare_models": 1}
    }


def test_a_changed_png_module_reruns_the_trees_and_what_follows(finished):
    finished.edit("workflow/digitflow/png.py", '"""', '"""Changed. ')
    assert finished.planned_rules() == {"idx_to_png": 2, "write_lst": 1, **FROM_THE_LISTS}


def test_another_split_leaves_idx_files_and_trees_alone(finished):
    assert finished.planned_rules("--config", "validation={seed: 1}") == {"write_lst": 1, **FROM_THE_LISTS}


def test_a_changed_csv_reruns_everything_after_it(finished):
    path = finished.folder / "own" / "train.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert finished.planned_rules() == {"csv_to_idx": 1, "idx_to_png": 2, "write_lst": 1, **FROM_THE_LISTS}


def test_a_changed_environment_reruns_its_trainings_only(finished):
    finished.edit("workflow/envs/main.lock.txt", "keras==", "keras==9")
    assert finished.planned_rules() == {"train_keras": 1, **AFTER_TRAINING}


def test_a_png_moved_by_hand_changes_the_label_for_both_frameworks(finished):
    trees = finished.folder / "data" / "png" / "train"
    listing = lst.read(finished.folder / "data" / "rec" / "train.lst")
    moved, label, path = int(listing.index[0]), int(listing.label[0]), listing.path[0]
    other = (label + 1) % 10
    (finished.folder / "data" / "png" / path).rename(trees / str(other) / path.rpartition("/")[2])

    assert finished.planned_rules("--forcerun", "write_lst") == {"write_lst": 1, **FROM_THE_LISTS}
    targets = [f"data/rec/{part}.rec" for part in ("train", "valid")]
    finished.snakemake(*targets, "--forcerun", "write_lst")

    def labels_of(part: str) -> tuple[dict, dict]:
        rec_path = finished.folder / "data" / "rec" / f"{part}.rec"
        listed = lst.read(rec_path.with_suffix(".lst"))
        return (
            dict(zip(listed.index.tolist(), listed.label.tolist(), strict=True)),
            {record.index: int(record.labels[0]) for record in recordio.read(rec_path)},
        )

    keras_rows, mxnet_rows = (
        {**train, **valid} for train, valid in zip(labels_of("train"), labels_of("valid"), strict=True)
    )
    assert keras_rows[moved] == mxnet_rows[moved] == other
    assert finished.planned_rules()["train_keras"] == finished.planned_rules()["train_mxnet"] == 1


@pytest.mark.parametrize(
    ("target", "scoring"),
    [
        ("all", {"score", "score_table", "compare_models"}),
        (
            "figures",
            {"score", "score_table", "compare_models", "show_mistakes", "show_merged_mistakes"},
        ),
    ],
)
def test_a_solution_reaches_scoring_and_nothing_else(fresh, target, scoring):
    jobs = fresh.planned(target)
    reached, files = set(), {"own/solution.csv"}
    while new := {job for job in jobs if job not in reached and job.inputs & files}:
        reached |= new
        files |= {path for job in new for path in job.outputs}
    assert {job.rule for job in reached} - {"figures"} == scoring


def test_no_rule_has_a_users_csv_as_output(fresh):
    outputs = {path for job in fresh.planned() for path in job.outputs}
    assert outputs.isdisjoint({"own/train.csv", "own/test.csv", "own/solution.csv"})
