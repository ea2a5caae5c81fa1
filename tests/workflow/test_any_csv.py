"""Other data sets through the whole workflow: labels in words, ids, labelled test files, colour, pictures."""

import csv

import numpy as np
import pytest
from PIL import Image
from tests.conftest import read_rows

from digitflow.dataset import classes
from digitflow.formats import idx, labelscsv, lst, recordio

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "a/b"]
TRAIN, TEST = 400, 60
NUMPY = """
device: cpu
models:
  plain: {framework: numpy, architecture: mlp, epochs: 4, batch_size: 32, learning_rate: 0.002}
merge: {models: [plain]}
"""


@pytest.fixture
def words(fresh_numpy, digits):
    """A project whose labels are words; its test file has ids, and labels, too."""
    images, labels = digits
    names = ",".join(f"pixel{k}" for k in range(784))
    for part, rows in (("train", range(TRAIN)), ("test", range(TRAIN, TRAIN + TEST))):
        with open(fresh_numpy.folder / "own" / f"{part}.csv", "w") as file:
            file.write(f"id,{names},character\n")
            file.writelines(
                f"x{row},{','.join(map(str, images[row].ravel().tolist()))},{WORDS[labels[row]]}\n"
                for row in rows
            )
    data = "data: {source: files, train_csv: own/train.csv, test_csv: own/test.csv}"
    submission = "submission: {id: image, label: character}"
    (fresh_numpy.folder / "tiny.yaml").write_text(f"{data}\n{submission}{NUMPY}")
    return fresh_numpy


def test_labels_are_called_by_their_names_from_the_csv_to_the_submission(words, digits):
    result = words.snakemake("all", "figures", "results/look/index.html")
    assert result.returncode == 0, result.stdout
    folder, truth = words.folder, digits[1][TRAIN : TRAIN + TEST]
    names = classes.read(folder / "data/idx/classes.csv")
    assert names == sorted(WORDS)
    listing = lst.read(folder / "data/rec/train.lst")
    assert {path.split("/")[1] for path in listing.path} == {*WORDS[:9], "a%2Fb"}
    first = int(listing.index[0])
    assert names[listing.label[0]] == WORDS[digits[1][first - 1]]
    assert {path.name for path in (folder / "data/png/train").iterdir()} == {*WORDS[:9], "a%2Fb"}
    with open(folder / "results/submission.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["image", "character"]
    assert [row[0] for row in rows] == [f"x{row}" for row in range(TRAIN, TRAIN + TEST)]
    right = np.mean([row[1] == WORDS[label] for row, label in zip(rows, truth, strict=True)])
    scores = {row["model"]: row for row in read_rows(folder / "results/scores.csv")}
    assert float(scores["merged"]["test_accuracy"]) == pytest.approx(right)
    assert right > 0.6
    with open(folder / "results/merged/confusion.csv", newline="") as file:
        assert next(csv.reader(file)) == ["true", *names]


def test_three_hundred_classes_are_more_than_a_byte_holds_from_the_csv_to_the_scores(fresh_numpy, digits):
    folder, names = fresh_numpy.folder, [f"sign {k}" for k in range(300)]
    pixels = ",".join(f"pixel{k}" for k in range(784))
    # Each class is one digit, more or less bright.
    for part, shares in (("train", (100, 90, 80)), ("test", (85,))):
        with open(folder / "own" / f"{part}.csv", "w") as file:
            file.write(f"label,{pixels}\n")
            for share in shares:
                rows = (digits[0][:300].reshape(300, -1).astype(int) * share // 100).tolist()
                file.writelines(
                    f"{name},{','.join(map(str, row))}\n" for name, row in zip(names, rows, strict=True)
                )
    (folder / "tiny.yaml").write_text(
        "data: {source: files, train_csv: own/train.csv, test_csv: own/test.csv}\n"
        f"validation: {{fraction: 0.34}}{NUMPY}".replace("epochs: 4", "epochs: 30")
    )
    result = fresh_numpy.snakemake("all", "records", "results/verify.json")
    assert result.returncode == 0, result.stdout
    labels = idx.read(folder / "data/idx/train-labels-idx1-ubyte")
    assert (folder / "data/idx/train-labels-idx1-ubyte").read_bytes()[:4] == b"\0\0\x0c\1"  # int32
    assert labels.tolist() == [*range(300)] * 3
    assert classes.read(folder / "data/idx/classes.csv") == names
    lists = [lst.read(folder / f"data/rec/{part}.lst") for part in ("train", "valid")]
    assert [sorted({*listing.label.tolist()}) for listing in lists] == [[*range(300)]] * 2
    for part, listing in zip(("train", "valid"), lists, strict=True):
        records = [*recordio.read(folder / f"data/rec/{part}.rec")]
        assert [record.labels.tolist() for record in records] == [[label] for label in listing.label]
    assert {path.name for path in (folder / "data/png/train").iterdir()} == {*names}
    found = [row["Label"] for row in read_rows(folder / "results/submission.csv")]
    right = np.mean([label == name for label, name in zip(found, names, strict=True)])
    scores = {row["model"]: row for row in read_rows(folder / "results/scores.csv")}
    assert float(scores["merged"]["test_accuracy"]) == pytest.approx(right)
    assert right > 0.6


def test_the_labels_of_a_test_file_reach_scores_and_nothing_else(words):
    reached, files = set(), {"data/idx/test-labels-idx1-ubyte"}
    jobs = words.planned("all", "figures")
    while new := {job for job in jobs if job not in reached and job.inputs & files}:
        reached |= new
        files |= {path for job in new for path in job.outputs}
    scoring = {"score", "score_table", "compare_models", "remember_run"}
    scoring |= {"show_mistakes", "show_merged_mistakes"}
    assert {job.rule for job in reached} == scoring


@pytest.mark.parametrize(
    ("lines", "changes", "message"),
    [
        (["id,label", "x0,one"], "data={solution_csv: own/wrong.csv}", "wrong.csv: 1 rows, should be 60"),
        (
            ["ImageId,Label", "x400,one"],
            "submission={sample: own/wrong.csv}",
            "wrong.csv: 1 rows, but own/test.csv has 60",
        ),
    ],
)
def test_a_wrong_solution_or_sample_stops_the_run_before_anything_is_trained(words, lines, changes, message):
    (words.folder / "own" / "wrong.csv").write_text("\n".join(lines) + "\n")
    result = words.call("-j1", "--config", changes)  # on more cores one may begin before the check has ended
    assert result.returncode == 1
    assert message in result.stdout
    assert not list((words.folder / "results").rglob("*.npz"))


def test_a_solution_that_is_none_stops_before_the_first_job(words):
    result = words.snakemake("--dry-run", "--config", "data={solution_csv: own/train.csv}")
    assert result.returncode == 1
    assert "own/train.csv, line 1: " in result.stdout
    assert "should be the header ImageId,Label" in result.stdout


def test_what_came_out_goes_in_again(words):
    assert words.snakemake("trees").returncode == 0
    folder = words.folder
    (folder / "data/idx").rename(folder / "kept")
    (folder / "data/png").rename(folder / "pictures")
    for name in ("train", "test"):
        (folder / f"pictures/{name}.sfv").unlink()
    before = idx.read(folder / "kept/train-images-idx3-ubyte")
    labels = idx.read(folder / "kept/train-labels-idx1-ubyte")

    def again(source, path):
        (folder / "tiny.yaml").write_text(f"data: {{source: {source}, folder: {path}}}{NUMPY}")
        result = words.snakemake("data/rec/train.lst", "data/rec/test.lst")
        assert result.returncode == 0, result.stdout
        return idx.read(folder / "data/idx/train-images-idx3-ubyte"), idx.read(
            folder / "data/idx/train-labels-idx1-ubyte"
        )

    images, found = again("idx", "kept")
    assert np.array_equal(images, before)
    assert np.array_equal(found, labels)
    images, found = again("folder", "pictures")
    order = np.argsort(labels, kind="stable")
    assert np.array_equal(images, before[order])
    assert np.array_equal(found, labels[order])
    ids = labelscsv.read_ids(folder / "data/idx/test-ids.csv", TEST)
    assert ids == [f"{k:02}" for k in range(1, TEST + 1)]
    assert words.snakemake("results/submission.csv").returncode == 0
    (folder / "pictures/test").rename(folder / "pictures/tests")
    result = words.snakemake()
    assert result.returncode == 0, result.stdout
    assert (
        "results/submission.csv is of an earlier test set: there is no test set to predict" in result.stdout
    )


def test_pictures_in_colour_are_asked_to_be_written_down_and_then_learned(words, digits):
    folder = words.folder
    for row, (image, label) in enumerate(zip(digits[0][:200], digits[1][:200], strict=True)):
        path = folder / "scans" / "train" / str(label) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.stack([image, image // 2, 255 - image], axis=-1)).save(path)
    (folder / "tiny.yaml").write_text(f"data: {{source: folder, folder: scans}}{NUMPY}")
    asked = words.snakemake()
    assert asked.returncode == 1
    assert (
        "the images are in colour; if all images are, write image: {channels: 3} under data:" in asked.stdout
    )
    (folder / "tiny.yaml").write_text(
        f"data: {{source: folder, folder: scans, image: {{channels: 3}}}}{NUMPY}"
    )
    result = words.snakemake("all", "figures")
    assert result.returncode == 0, result.stdout
    assert idx.read(folder / "data/idx/train-images-idx4-ubyte").shape == (200, 28, 28, 3)
    assert (folder / "results/models/plain/seed0/mistakes.png").exists()
