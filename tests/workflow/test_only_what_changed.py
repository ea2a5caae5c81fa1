"""Dry runs on a finished run: what has to run again after a change, and what must not."""

import os

import pytest
import yaml

from digitflow.training import device

AFTER_PREDICTION = {
    "score": 1,
    "submit_model": 1,
    "merge": 1,
    "score_table": 1,
    "compare_models": 1,
    "remember_run": 1,
}
OF_BOTH = {
    "score": 2,
    "submit_model": 2,
    "merge": 1,
    "score_table": 1,
    "compare_models": 1,
    "remember_run": 1,
}
PREDICTIONS = {"predict_keras": 1, "predict_mxnet": 1, **OF_BOTH}
FROM_THE_LISTS = {"idx_to_png": 1, "pack_rec": 2, "train_keras": 1, "train_mxnet": 1, **PREDICTIONS}


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.snakemake("--dry-run").stdout
    assert "Nothing to be done" in finished.snakemake("--dry-run", "results/submission.csv").stdout


def test_touched_sources_rerun_nothing(finished):
    for path in ("workflow/digitflow/formats/png.py", "workflow/envs/main.lock.txt", "own/solution.csv"):
        os.utime(finished.folder / path)
    assert not finished.planned()


# Settings


def test_a_hyper_parameter_reruns_that_models_training_and_what_follows_from_it(finished):
    finished.configure("keras_cnn: {epochs: 5", "keras_cnn: {epochs: 6")
    assert finished.planned_rules() == {"train_keras": 1, "predict_keras": 1, **AFTER_PREDICTION}
    assert finished.planned_rules("results/submission.csv") == {
        "train_keras": 1,
        "predict_keras": 1,
        "submit_model": 1,
        "merge": 1,
    }


def test_another_seed_of_a_model_is_trained_beside_the_first(finished):
    finished.configure("mxnet_cnn: {epochs: 5", "mxnet_cnn: {seeds: [0, 1], epochs: 5")
    assert finished.planned_rules() == {"train_mxnet": 1, "predict_mxnet": 1, **AFTER_PREDICTION}


def test_another_way_to_merge_trains_nothing(finished):
    assert finished.planned_rules("--config", "merge={method: vote}") == {
        **{"merge": 1, "score_table": 1, "compare_models": 1, "remember_run": 1}
    }


def test_another_split_converts_no_image_again(finished):
    assert finished.planned_rules("--config", "validation={seed: 1}") == {"write_lst": 1, **FROM_THE_LISTS}


def reordered(value):
    """The same mapping, all its keys in the opposite order."""
    if not isinstance(value, dict):
        return value
    return {key: reordered(value[key]) for key in reversed(value)}


def with_whole_numbers_as_floats(value):
    """The same mapping with 8.0 for 8: JSON Schema takes it for the same number."""
    if isinstance(value, dict):
        return {key: with_whole_numbers_as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_whole_numbers_as_floats(item) for item in value]
    return float(value) if type(value) is int else value


def with_defaults_written_out(config):
    """The same with keys that say what would hold without them."""
    models = {
        name: model | {"test_shifts": 5, "optimizer": "adam", "seeds": [0], "patience": 0}
        for name, model in config["models"].items()
    }
    data = config["data"] | {"image": {"height": "auto", "width": "auto"}, "classes": "auto", "invert": False}
    merge = {"method": "mean", "models": ["keras_cnn", "mxnet_cnn"], "weights": None}
    validation = {"fraction": 0.1, "folds": 1, "seed": 0}
    return config | {"data": data, "models": models, "merge": merge, "validation": validation, "predict": {}}


def without_a_store(config):
    """The same, but that no finished training is kept from now on."""
    return config | {"store": None}


@pytest.mark.parametrize(
    "rewrite", [reordered, with_whole_numbers_as_floats, with_defaults_written_out, without_a_store]
)
def test_settings_that_mean_the_same_rerun_nothing(finished, rewrite):
    path = finished.folder / "tiny.yaml"
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(rewrite(config), sort_keys=False))
    assert not finished.planned("all", "trees")


@pytest.mark.parametrize("section", ["data", "submission", "png", "rec", "validation", "merge", "root"])
def test_a_new_key_with_a_default_reruns_nothing(finished, section):
    path = finished.folder / "workflow" / "schemas" / "config.schema.yaml"
    schema = yaml.safe_load(path.read_text())
    part = schema if section == "root" else schema["properties"][section]
    part["properties"]["brand_new"] = {"description": "New.", "type": "integer", "default": 7}
    path.write_text(yaml.safe_dump(schema, sort_keys=False))
    assert not finished.planned("all", "trees")
    known = finished.snakemake(
        "--dry-run", "--config", "brand_new=8" if section == "root" else f"{section}={{brand_new: 8}}"
    )
    assert known.returncode == 0, known.stdout


# Versions


def test_another_keras_retrains_keras_and_another_matplotlib_nothing(finished):
    environments = "workflow/digitflow/config/environments.py"
    installed = "{device.installed_version(package) or 'not installed'}"
    finished.edit(environments, installed, installed + "{'.1' * (package == 'matplotlib')}")
    assert not finished.planned(
        "figures", "--omit-from", "show_mistakes", "show_merged_mistakes", "show_curves"
    )
    finished.edit(environments, "package == 'matplotlib'", "package == 'keras'")
    assert finished.planned_rules() == {"train_keras": 1, "predict_keras": 1, **AFTER_PREDICTION}


def test_another_numpy_beside_mxnet_retrains_mxnet_and_other_certificates_nothing(finished):
    lock = "workflow/envs/mxnet.lock.txt"
    finished.edit(lock, "certifi==", "certifi==1.")
    assert not finished.planned()
    finished.edit("workflow/envs/install.sh", "set -euo pipefail", "set -eu -o pipefail")
    assert not finished.planned()
    finished.edit(lock, "numpy==", "numpy==1.")
    assert finished.planned_rules() == {"train_mxnet": 1, "predict_mxnet": 1, **AFTER_PREDICTION}


def test_pins_that_are_not_installed_are_said_and_rerun_nothing(finished):
    assert "installed packages are not the pinned" not in finished.snakemake("--dry-run").stdout
    finished.edit("workflow/envs/main.lock.txt", "keras==", "keras==9")
    assert not finished.planned()
    assert "make .venv/main.installed" in finished.snakemake("--dry-run").stdout


# Data


def cut_last_row(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def test_a_changed_training_csv_reruns_all_that_knows_it_and_no_test_image(finished):
    cut_last_row(finished.folder / "own" / "train.csv")
    assert finished.planned_rules() == {
        **{"csv_to_idx": 1, "write_lst": 1, "solution_to_idx": 1},
        **FROM_THE_LISTS,
    }


def test_a_training_csv_of_another_name_leaves_the_test_images_alone(finished):
    (finished.folder / "own/train.csv").rename(finished.folder / "own/digits.csv")
    finished.configure("own/train.csv", "own/digits.csv")
    planned = finished.planned_rules()
    assert planned["csv_to_idx"] == 1
    assert planned.keys().isdisjoint({"csv_to_idx_test", "write_test_lst"})


def test_a_changed_test_csv_trains_nothing(finished):
    cut_last_row(finished.folder / "own" / "test.csv")
    assert finished.planned_rules() == {
        **{"csv_to_idx_test": 1, "write_test_lst": 1, "idx_to_png": 1, "solution_to_idx": 1},
        **PREDICTIONS,
    }


def test_a_changed_solution_reruns_scoring_only(finished):
    path = finished.folder / "own" / "solution.csv"
    lines = path.read_text().splitlines()
    lines[1] = f"1,{(int(lines[1].partition(',')[2]) + 1) % 10}"
    path.write_text("\n".join(lines) + "\n")
    assert finished.planned_rules() == {
        **{"solution_to_idx": 1, "score": 2, "score_table": 1, "compare_models": 1, "remember_run": 1}
    }


@pytest.mark.parametrize(
    ("target", "scoring"),
    [
        ("all", {"solution_to_idx", "score", "score_table", "compare_models", "remember_run"}),
        (
            "figures",
            {
                *("solution_to_idx", "score", "score_table", "compare_models", "remember_run"),
                *("show_mistakes", "show_merged_mistakes"),
            },
        ),
    ],
)
def test_a_solution_reaches_scoring_and_nothing_else(fresh, target, scoring):
    jobs = fresh.planned(target)
    reached, files = set(), {"own/solution.csv"}
    while new := {job for job in jobs if job not in reached and job.inputs & files}:
        reached |= new
        files |= {path for job in new for path in job.outputs}
    assert {job.rule for job in reached} == scoring


def test_no_rule_has_a_users_file_as_output(fresh):
    (fresh.folder / "corrections.csv").write_text("id,was,now,crc,note\n1,5,3,,\n")
    jobs = fresh.planned("all", "trees", "records")
    assert "corrections.csv" in {path for job in jobs for path in job.inputs}
    outputs = {path for job in jobs for path in job.outputs}
    assert outputs.isdisjoint({"own/train.csv", "own/test.csv", "own/solution.csv", "corrections.csv"})


def test_nothing_that_trains_waits_for_a_tree(fresh):
    jobs = fresh.planned("all", "trees", "records")
    after = {job.rule for job in jobs for path in job.inputs if path.startswith("data/png")}
    assert after == {"merge"}


# Devices


def gpu_jobs(clone, *arguments, **environment) -> set[str]:
    return {job.rule for job in clone.planned(*arguments, **environment) if "gpu=1" in job.resources}


def test_only_jobs_that_may_use_a_gpu_claim_it(fresh):
    driver = fresh.folder / "driver"
    fresh.edit("workflow/digitflow/training/device.py", '"/proc/driver/nvidia"', f'"{driver}"')
    auto, choice = ["--config", "device=auto"], fresh.folder / ".venvs" / "gpu.mk"
    choice.write_text("GPU_PINS = \nMXNET_PINS = mxnet\n")
    assert not gpu_jobs(fresh, *auto)
    driver.mkdir()
    jax = {"KERAS_BACKEND": "jax"}  # which may find a GPU; what is installed for tests alone may not
    assert gpu_jobs(fresh, *auto, **jax) == {"train_keras", "predict_keras"}
    assert not gpu_jobs(fresh, "--config", "device=cpu", **jax)
    assert not gpu_jobs(fresh, *auto, "models={keras_cnn: {device: cpu}}", **jax)
    choice.write_text("GPU_PINS = jax-cuda13\nMXNET_PINS = mxnet-cu117\n")
    assert gpu_jobs(fresh, *auto, "models={keras_cnn: {device: cpu}}") == {"train_mxnet", "predict_mxnet"}


@pytest.mark.skipif(device.has_cuda_jax(), reason="JAX's CUDA build is installed, and can use a GPU")
def test_a_driver_that_nothing_can_use_is_one_warning_with_the_command_that_helps(fresh):
    fresh.edit("workflow/digitflow/training/device.py", '"/proc/driver/nvidia"', f'"{fresh.folder}"')
    assert "make gpu" not in fresh.snakemake("--dry-run").stdout  # the tiny configuration's device is cpu
    warned = fresh.snakemake("--dry-run", "--config", "device=auto").stdout
    assert warned.count("to use the GPU: make gpu") == 1
