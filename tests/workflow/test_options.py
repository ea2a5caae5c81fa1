"""What the configuration offers beside the defaults, and what is made only when it is asked for."""

import base64
import csv
import gzip
import itertools
import json
import shlex

import numpy as np
from tests.workflow.conftest import TEST_ROWS, TRAIN_ROWS

from digitflow.formats import idx, labelscsv, lst

RECORDS = [f"data/rec/{part}.{kind}" for part in ("train", "valid", "test") for kind in ("lst", "rec", "idx")]


def test_without_trees_lists_and_records_are_the_same_bytes(finished_run, fresh):
    result = fresh.snakemake(*RECORDS, "--config", "png={enabled: false}")
    assert result.returncode == 0, result.stdout
    assert not (fresh.folder / "data" / "png").exists()
    for path in RECORDS:
        assert (fresh.folder / path).read_bytes() == (finished_run[0].folder / path).read_bytes()


def test_shards_hold_the_same_records_and_train_the_same_model(finished_run, fresh):
    probabilities = "results/models/mxnet_lenet/seed0/test_probabilities.npy"
    result = fresh.snakemake(probabilities, "--config", "rec={shards: 3}")
    assert result.returncode == 0, result.stdout
    shards = [(fresh.folder / f"data/rec/train_00{shard}.rec").read_bytes() for shard in range(3)]
    assert all(shards)
    assert b"".join(shards) == (finished_run[0].folder / "data/rec/train.rec").read_bytes()
    np.testing.assert_array_equal(
        np.load(fresh.folder / probabilities), np.load(finished_run[0].folder / probabilities)
    )


def test_inverted_pixels_are_255_less_the_csvs(finished_run, fresh):
    images = "data/idx/train-images-idx3-ubyte"
    assert fresh.snakemake(images, "--config", "data={invert: true}").returncode == 0
    np.testing.assert_array_equal(
        idx.read(fresh.folder / images), 255 - idx.read(finished_run[0].folder / images)
    )


def test_a_gzipped_idx_file_is_made_on_demand_and_the_same_each_time(finished):
    name = "data/idx/train-images-idx3-ubyte"
    assert finished.snakemake(f"{name}.gz").returncode == 0
    packed = (finished.folder / f"{name}.gz").read_bytes()
    assert gzip.decompress(packed) == (finished.folder / name).read_bytes()
    finished.snakemake("--force", f"{name}.gz")
    assert (finished.folder / f"{name}.gz").read_bytes() == packed


def test_verify_reads_all_back_and_names_a_flipped_bit(finished):
    assert finished.snakemake("results/verify.json").returncode == 0
    report = json.loads((finished.folder / "results" / "verify.json").read_text())
    assert report["train"] == {
        "rows": TRAIN_ROWS, "images": TRAIN_ROWS, "deleted": 0, "relabelled": 0, "records": TRAIN_ROWS
    }  # fmt: skip

    path = finished.folder / "data" / "rec" / "valid.rec"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    result = finished.snakemake("--force", "results/verify.json")
    assert result.returncode == 1
    assert "data/rec/valid.rec: record " in result.stdout
    assert "Traceback" not in result.stdout


def test_the_source_kaggle_reads_the_two_csvs_that_were_put_there(fresh):
    (fresh.folder / "data" / "kaggle").mkdir(parents=True)
    for name in ("train.csv", "test.csv"):
        (fresh.folder / "own" / name).rename(fresh.folder / "data" / "kaggle" / name)
    fresh.configure("source: files", "source: kaggle")
    fresh.configure(", solution_csv: own/solution.csv", "")
    jobs = fresh.planned()
    (conversion,) = (job for job in jobs if job.rule == "csv_to_idx")
    assert {"data/kaggle/train.csv", "data/kaggle/test.csv"} <= conversion.inputs
    assert {job.rule for job in jobs}.isdisjoint({"download_mnist", "fetch_mnist"})
    assert fresh.snakemake("data/rec/train.rec").returncode == 0


def test_a_known_solution_becomes_an_idx_file_on_demand(finished, digits):
    labels = "data/idx/test-labels-idx1-ubyte"
    assert finished.snakemake(labels).returncode == 0
    np.testing.assert_array_equal(idx.read(finished.folder / labels), digits[1][60_000 : 60_000 + TEST_ROWS])


def test_unknown_labels_cannot_become_an_idx_file(fresh):
    fresh.configure(", solution_csv: own/solution.csv", "")
    result = fresh.snakemake("data/idx/test-labels-idx1-ubyte")
    assert result.returncode == 1
    assert "the test rows' labels are not known: set data.solution_csv" in result.stdout


def test_a_path_with_a_quote_in_it_reaches_the_verbs_as_one_word(fresh):
    for name in ("train", "test", "solution"):
        (fresh.folder / "own" / f"{name}.csv").rename(fresh.folder / "own" / f"o'brien {name}.csv")
        fresh.configure(f"{name}_csv: own/{name}.csv", f'{name}_csv: "own/o\'brien {name}.csv"')
    printed = fresh.snakemake("--dry-run", "--printshellcmds").stdout
    words = [shlex.split(line) for line in printed.splitlines() if "-m digitflow" in line]
    pairs = {pair for line in words for pair in itertools.pairwise(line)}
    for name, flag in (("train", "--train-csv"), ("test", "--test-csv"), ("solution", "--solution")):
        assert (flag, f"own/o'brien {name}.csv") in pairs


def confusion_of(folder):
    """The counts int (10, 10) of a confusion.csv."""
    with open(folder / "confusion.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["true", *map(str, range(10))]
    assert [row[0] for row in rows] == header[1:]
    return np.array([row[1:] for row in rows], int)


def test_the_figures_are_made_on_demand_and_the_report_holds_them(finished):
    result = finished.snakemake("figures")
    assert result.returncode == 0, result.stdout
    results = finished.folder / "results"
    truth = labelscsv.read(finished.folder / "own" / "solution.csv", 10)
    keras, mxnet = (results / "models" / model / "seed0" for model in ("keras_cnn", "mxnet_lenet"))
    for folder, labels in (
        (keras, "submissions/keras_cnn.csv"),
        (mxnet, "submissions/mxnet_lenet.csv"),
        (results / "merged", "submission.csv"),
    ):
        matrix = confusion_of(folder)
        assert np.trace(matrix) == np.sum(labelscsv.read(results / labels, 10) == truth)
        np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(truth, minlength=10))

    log = (finished.folder / "logs" / "show_mistakes" / "keras_cnn-seed0.log").read_text()
    matrix = confusion_of(keras)
    assert f"{TEST_ROWS - np.trace(matrix)} of {TEST_ROWS} test images wrong" in log
    np.fill_diagonal(matrix, 0)
    true, given = np.unravel_index(matrix.argmax(), matrix.shape)
    assert f"{true} taken for {given}: {matrix.max()}" in log

    assert finished.call("figures", "--report", "report.html").returncode == 0
    report = (finished.folder / "report.html").read_text()
    figures = [
        keras / "curves.png",
        *(folder / "mistakes.png" for folder in (keras, mxnet, results / "merged")),
    ]
    for path in [*figures, mxnet / "confusion.png", results / "comparisons.csv"]:
        assert base64.b64encode(path.read_bytes()).decode() in report
    for caption in ("McNemar", "the images that got a wrong label", "and the learning rate"):
        assert caption.lower() in report.lower()


def test_without_a_solution_the_validation_rows_show_what_is_wrong(finished):
    finished.configure(", solution_csv: own/solution.csv", "")
    folder = finished.folder / "results" / "models" / "mxnet_lenet" / "seed0"
    targets = ["results/models/mxnet_lenet/seed0/mistakes.png", "results/comparisons.csv"]
    result = finished.snakemake(*targets)
    assert result.returncode == 0, result.stdout
    labels = lst.read(finished.folder / "data" / "rec" / "valid.lst").label
    right = np.load(folder / "valid_probabilities.npy").argmax(axis=1) == labels
    assert np.trace(confusion_of(folder)) == right.sum()
    with open(finished.folder / "results" / "comparisons.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["rows"], row["images"]) for row in rows} == {("validation", str(TRAIN_ROWS // 10))}


def test_numpy_models_are_trained_scored_and_merged_as_the_others(fresh):
    fresh.configure(
        "models:\n",
        "merge: {models: [plain, luck]}\nmodels:\n"
        "  plain: {framework: numpy, architecture: mlp, epochs: 8, batch_size: 32, learning_rate: 0.002}\n"
        "  luck: {framework: numpy, architecture: seed_search, epochs: 9, batch_size: 1, learning_rate: 1}\n",
    )
    result = fresh.snakemake()
    assert result.returncode == 0, result.stdout
    with open(fresh.folder / "results" / "scores.csv", newline="") as file:
        scores = {row["model"]: float(row["test_accuracy"]) for row in csv.DictReader(file)}
    assert list(scores) == ["plain", "luck", "merged"]
    assert scores["plain"] > 0.7
    assert scores["luck"] < 0.2
    assert not fresh.planned()
    fresh.edit("workflow/digitflow/models/numpy_mlp.py", "import os\n", "import os  # edited\n")
    assert fresh.planned_rules()["train_numpy"] == 1  # the network, not the guess
