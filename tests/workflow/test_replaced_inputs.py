"""Inputs whose place another file takes, also an older one, and pictures that change where they lie."""

import gzip
import hashlib
import json
import os
import shutil
import string
from pathlib import Path

import numpy as np
import pytest
from tests.workflow.conftest import Clone

from digitflow.formats import corrections as corrections_csv
from digitflow.formats import idx, labelscsv, png

LONG_AGO = 1_000_000_000
PLAIN = """
device: cpu
png: {enabled: false}
models:
  plain: {framework: numpy, architecture: mlp, epochs: 1, batch_size: 32, learning_rate: 0.002}
merge: {models: [plain]}
"""


def replaced_by_an_older(path: Path, data: bytes) -> None:
    """What mv, unzip and cp -p do: another file takes the place, with a time of its own."""
    path.with_name("older").write_bytes(data)
    os.utime(path.with_name("older"), (LONG_AGO, LONG_AGO))
    path.with_name("older").replace(path)


def without_last_row(data: bytes) -> bytes:
    return b"".join(data.splitlines(keepends=True)[:-1])


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("own/train.csv", "csv_to_idx"),  # above 1 MB: told by size and time
        ("own/test.csv", "csv_to_idx_test"),
        ("own/solution.csv", "solution_to_idx"),
    ],
)
def test_a_csv_that_is_replaced_by_an_older_one_is_read_again(finished_numpy, name, first):
    path = finished_numpy.folder / name
    replaced_by_an_older(path, without_last_row(path.read_bytes()))
    assert finished_numpy.planned_rules()[first] == 1


def test_training_images_that_are_replaced_by_larger_ones_stop_before_a_training(finished_numpy):
    path = finished_numpy.folder / "own/train.csv"
    header = ",".join(["label", *(f"pixel{place}" for place in range(900))])
    rows = [",".join([str(row % 10), *["200"] * 900]) for row in range(20)]
    path.write_text("\n".join([header, *rows, ""]))
    assert "csv_to_idx_test" not in finished_numpy.planned_rules()
    result = finished_numpy.snakemake()
    assert result.returncode == 1
    assert "own/train.csv: 30 x 30 images, but own/test.csv has 28 x 28 images" in result.stdout
    assert not any(line.startswith("train_numpy") for line in result.stdout.splitlines())


def test_corrections_that_are_replaced_by_older_ones_reach_the_lists_and_nothing_before(finished_numpy):
    corrections = finished_numpy.folder / "corrections.csv"
    labels = idx.read(finished_numpy.folder / "data/idx/train-labels-idx1-ubyte")
    lines = [f"{row},{labels[row - 1]},{(labels[row - 1] + 1) % 10},,\n" for row in (1, 2)]
    corrections.write_text("id,was,now,crc,note\n" + lines[0])
    assert finished_numpy.snakemake("data/rec/train.lst").returncode == 0
    assert not finished_numpy.planned("data/rec/train.lst")
    replaced_by_an_older(corrections, ("id,was,now,crc,note\n" + lines[1]).encode())
    assert finished_numpy.planned_rules("data/rec/train.lst") == {"write_lst": 1}
    record = finished_numpy.snakemake("results/run.json")
    assert record.returncode == 0, record.stdout
    digests = json.loads((finished_numpy.folder / "results/run.json").read_text())["digests"]
    assert digests["corrections"] == corrections_csv.digest(corrections)


def test_the_record_of_a_run_names_what_was_read_and_not_what_lies_there_now(finished_numpy):
    path = finished_numpy.folder / "own/train.csv"
    read = hashlib.sha256(path.read_bytes()).hexdigest()
    replaced_by_an_older(path, without_last_row(path.read_bytes()))
    result = finished_numpy.snakemake(
        "results/run.json", "--forcerun", "merge", "--rerun-triggers", "mtime", "--omit-from", "csv_to_idx"
    )
    assert result.returncode == 0, result.stdout
    digests = json.loads((finished_numpy.folder / "results/run.json").read_text())["digests"]
    assert digests["csvs"]["own/train.csv"] == read


def test_a_submission_file_that_is_replaced_by_an_older_one_is_merged_and_scored_again(finished_numpy):
    folder = finished_numpy.folder / "submissions"
    folder.mkdir()
    labels = labelscsv.read(finished_numpy.folder / "own/solution.csv", string.digits)
    labelscsv.write(folder / "friend.csv", labels)
    finished_numpy.configure("{models: [wide, plain]}", "{method: vote, models: [wide, plain, friend]}")
    assert finished_numpy.snakemake().returncode == 0
    assert not finished_numpy.planned()
    labelscsv.write(folder / "other.txt", (labels + 1) % 10)
    replaced_by_an_older(folder / "friend.csv", (folder / "other.txt").read_bytes())
    again = finished_numpy.planned_rules()
    assert again.keys() >= {"merge", "score_table", "compare_models", "compare_submissions"}
    assert not again.keys() & {"csv_to_idx", "train_numpy", "predict_numpy"}


# Folders


@pytest.fixture
def pictures(fresh_numpy, digits) -> Clone:
    """A project whose images are PNG files, converted and listed, and one to predict in a folder below."""
    folder = fresh_numpy.folder / "scans"
    for row, (picture, label) in enumerate(zip(png.encode(digits[0][:300]), digits[1][:300], strict=True)):
        path = folder / "train" / str(label) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    (fresh_numpy.folder / "more" / "a").mkdir(parents=True)
    shutil.copy(folder / "train" / "5" / "0.png", fresh_numpy.folder / "more" / "a" / "0.PNG")
    configuration = f"data: {{source: folder, folder: scans}}\npredict: {{more: more}}{PLAIN}"
    (fresh_numpy.folder / "tiny.yaml").write_text(configuration)
    result = fresh_numpy.snakemake(*CONVERTED)
    assert result.returncode == 0, result.stdout
    assert not fresh_numpy.planned(*CONVERTED)
    return fresh_numpy


CONVERTED = ("data/rec/train.lst", "data/idx/more-images-idx3-ubyte")


def test_a_picture_that_is_overwritten_where_it_lies_is_read_again(pictures):
    (picture,) = (pictures.folder / "scans/train").glob("*/7.png")
    (other,) = (pictures.folder / "scans/train").glob("*/8.png")
    picture.write_bytes(other.read_bytes())
    assert pictures.planned_rules(*CONVERTED) == {"csv_to_idx": 1, "write_lst": 1, "convert_further": 1}
    assert pictures.snakemake(*CONVERTED).returncode == 0
    images = idx.read(pictures.folder / "data/idx/train-images-idx3-ubyte")
    names = sorted((pictures.folder / "scans/train").rglob("*.png"))
    assert np.array_equal(images[names.index(picture)], images[names.index(other)])


def test_a_picture_in_a_folder_below_and_one_that_changes_are_predicted_anew(pictures):
    target = CONVERTED[1]
    shutil.copy(pictures.folder / "more/a/0.PNG", pictures.folder / "more/a/1.png")
    assert pictures.planned_rules(target) == {"convert_further": 1}
    assert pictures.snakemake(target).returncode == 0
    assert labelscsv.read_ids(pictures.folder / "data/idx/more-ids.csv", 2) == ["a/0.PNG", "a/1.png"]
    (pictures.folder / "more/a/1.png").write_bytes(b"overwritten in place")
    assert pictures.planned_rules(target) == {"convert_further": 1}


def test_a_file_that_is_no_picture_of_a_class_stops_with_its_name_and_what_systems_leave_does_not(pictures):
    (pictures.folder / "scans/train/5/.DS_Store").write_bytes(b"x")
    assert not pictures.planned(*CONVERTED)
    (pictures.folder / "scans/train/5/notes.txt").write_text("x")
    result = pictures.snakemake(*CONVERTED)
    assert result.returncode == 1
    assert "scans/train/5/notes.txt: " in result.stdout
    assert "move this away" in result.stdout


# IDX files


def test_names_of_classes_beside_idx_files_are_an_input_like_these(fresh_numpy, digits):
    folder = fresh_numpy.folder / "kept"
    folder.mkdir()
    for part, rows in (("train", slice(0, 200)), ("test", slice(200, 240))):
        for kind, array, dimensions in (("images", digits[0], 3), ("labels", digits[1], 1)):
            path = folder / f"{part}-{kind}-idx{dimensions}-ubyte.gz"
            idx.write(path.with_suffix(""), array[rows])
            path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
            path.with_suffix("").unlink()
    targets = ("data/idx/classes.csv", "data/idx/test-labels-idx1-ubyte")
    (fresh_numpy.folder / "tiny.yaml").write_text(f"data: {{source: idx, folder: kept}}{PLAIN}")
    assert fresh_numpy.snakemake(*targets).returncode == 0
    names = [f"digit {number}" for number in range(10)]
    for text in ("".join(f"{k},{name}\n" for k, name in enumerate(names)),):
        (folder / "classes.csv").write_text("index,label\n" + text)
    assert fresh_numpy.planned_rules(*targets)["csv_to_idx"] == 1
    assert fresh_numpy.snakemake(*targets).returncode == 0
    assert "digit 7" in (fresh_numpy.folder / "data/idx/classes.csv").read_text()
    older = (folder / "classes.csv").read_bytes().replace(b"digit", b"number")
    replaced_by_an_older(folder / "classes.csv", older)
    assert fresh_numpy.planned_rules(*targets).keys() >= {"csv_to_idx", "solution_to_idx"}
    assert fresh_numpy.snakemake(*targets).returncode == 0
    assert "number 7" in (fresh_numpy.folder / "data/idx/classes.csv").read_text()
