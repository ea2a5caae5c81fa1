"""What earlier configurations have left: listed exactly, and exactly that removed."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.workflow.conftest import Clone


def clean_stale(clone: Clone, *arguments: str) -> list[str]:
    """The lines that the verb prints."""
    done = subprocess.run(
        [sys.executable, "-m", "digitflow", "clean_stale", "--configfile", "tiny.yaml", *arguments],
        cwd=clone.folder,
        env={"PYTHONPATH": f"{clone.folder}/workflow"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def files_of(clone: Clone) -> set[Path]:
    found = (path for top in ("data", "results", "own") for path in (clone.folder / top).rglob("*"))
    return {path.relative_to(clone.folder) for path in found if path.is_file()}


def test_a_finished_run_has_left_nothing_stale(finished_numpy):
    assert clean_stale(finished_numpy) == []


def removed_model(clone: Clone) -> list[str]:
    clone.configure("models: [wide, plain]", "models: [wide]")
    return ["results/models/plain/seed0", "results/submissions/plain.csv"]


def other_seed(clone: Clone) -> list[str]:
    clone.configure("plain: {", "plain: {seeds: [1], ")
    return ["results/models/plain/seed0"]


def more_shards(clone: Clone) -> list[str]:
    clone.configure("device: cpu", "device: cpu\nrec: {shards: 2}")
    return [f"data/rec/{part}.{kind}" for part in ("test", "train", "valid") for kind in ("idx", "rec")]


@pytest.mark.parametrize("change", [removed_model, other_seed, more_shards])
def test_what_a_change_leaves_is_listed_and_only_that_is_removed(finished_numpy, change):
    assert finished_numpy.snakemake("records").returncode == 0
    left = change(finished_numpy)
    before = files_of(finished_numpy)
    *listed, last = clean_stale(finished_numpy)
    assert listed == left
    assert last == f"left by other configurations: {len(left)}; to remove all, add --remove true"
    assert files_of(finished_numpy) == before

    assert clean_stale(finished_numpy, "--remove", "true") == left
    gone = {path for path in before if any(path.is_relative_to(one) for one in left)}
    assert files_of(finished_numpy) == before - gone
    assert clean_stale(finished_numpy) == []


def test_a_finished_run_says_what_is_left_and_how_to_remove_it(finished_numpy):
    removed_model(finished_numpy)
    result = finished_numpy.snakemake()
    assert result.returncode == 0, result.stdout
    said = "2 files and folders of earlier configurations are left in data/ and results/; to remove them: "
    command = "digitflow clean_stale --remove true --configfile tiny.yaml"
    assert f"{said}{command}" in result.stdout.splitlines()
    clean_stale(finished_numpy, "--remove", "true")
    assert "earlier configurations" not in finished_numpy.snakemake("results/run.json", "--force").stdout


def test_predictions_that_are_no_longer_asked_for_are_stale(finished_numpy):
    result = finished_numpy.snakemake(
        "results/predictions/more.csv", "--config", "predict={more: own/test.csv}"
    )
    assert result.returncode == 0, result.stdout
    assert "results/predictions/more.csv" in clean_stale(finished_numpy)
