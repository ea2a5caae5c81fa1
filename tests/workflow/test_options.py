"""What the configuration offers beside the defaults, and what is made only when it is asked for."""

import base64
import csv
import gzip
import itertools
import json
import shlex
import string
import struct
import zipfile

import numpy as np
from PIL import Image
from tests.conftest import read_rows
from tests.workflow.conftest import TEST_ROWS, TRAIN_ROWS, Clone

from digitflow.formats import idx, labelscsv, lst

LISTED = [f"data/rec/{part}.{kind}" for part in ("train", "valid") for kind in ("lst", "rec", "idx")]


def test_without_trees_lists_and_records_are_the_same_bytes(finished_run, fresh_numpy):
    fresh_numpy.configure("device: cpu", "device: cpu\npng: {enabled: false}")
    result = fresh_numpy.snakemake("all", "records")
    assert result.returncode == 0, result.stdout
    assert not (fresh_numpy.folder / "data" / "png").exists()
    for path in [*LISTED, "data/rec/test.lst"]:
        assert (fresh_numpy.folder / path).read_bytes() == (finished_run[0].folder / path).read_bytes()
    verified = fresh_numpy.snakemake("results/verify.json")
    assert verified.returncode == 0, verified.stdout


def test_enlarged_pictures_show_the_same_and_what_is_done_with_them_by_hand_counts(finished_numpy):
    finished_numpy.configure("device: cpu", "device: cpu\npng: {enlarge: 4}")
    assert {job.stage for job in finished_numpy.planned("trees")} == {"idx_to_png"}
    assert finished_numpy.snakemake("trees", "results/verify.json").returncode == 0
    picture = finished_numpy.picture(7)
    assert Image.open(picture).size == (4 * 28, 4 * 28)
    finished_numpy.move(7, label := (int(picture.parent.name) + 1) % 10)
    assert finished_numpy.snakemake("trees", "results/verify.json").returncode == 0
    *_, line = read_rows(finished_numpy.folder / "corrections.csv")
    assert (line["id"], line["was"], line["now"]) == ("7", picture.parent.name, str(label))


def test_shards_hold_the_same_records_and_train_the_same_model(finished_run, fresh):
    probabilities = "results/models/mxnet_cnn/seed0/test_probabilities.npy"
    result = fresh.snakemake(probabilities, "--config", "rec={shards: 3}")
    assert result.returncode == 0, result.stdout
    shards = [(fresh.folder / f"data/rec/train_00{shard}.rec").read_bytes() for shard in range(3)]
    assert all(shards)
    assert b"".join(shards) == (finished_run[0].folder / "data/rec/train.rec").read_bytes()
    np.testing.assert_array_equal(
        np.load(fresh.folder / probabilities), np.load(finished_run[0].folder / probabilities)
    )


def test_inverted_pixels_are_255_less_the_csvs(finished_numpy_run, fresh_numpy):
    images = "data/idx/train-images-idx3-ubyte"
    assert fresh_numpy.snakemake(images, "--config", "data={invert: true}").returncode == 0
    np.testing.assert_array_equal(
        idx.read(fresh_numpy.folder / images), 255 - idx.read(finished_numpy_run[0].folder / images)
    )


def test_a_gzipped_idx_file_is_made_on_demand_and_the_same_each_time(finished_numpy):
    name = "data/idx/train-images-idx3-ubyte"
    assert finished_numpy.snakemake(f"{name}.gz").returncode == 0
    packed = (finished_numpy.folder / f"{name}.gz").read_bytes()
    assert gzip.decompress(packed) == (finished_numpy.folder / name).read_bytes()
    finished_numpy.snakemake("--force", f"{name}.gz")
    assert (finished_numpy.folder / f"{name}.gz").read_bytes() == packed


def test_verify_reads_all_back_and_names_a_flipped_bit(finished_numpy):
    assert finished_numpy.snakemake("results/verify.json").returncode == 0
    report = json.loads((finished_numpy.folder / "results" / "verify.json").read_text())
    assert report == {
        "train": {"rows": TRAIN_ROWS, "images": TRAIN_ROWS, "records": TRAIN_ROWS, "dropped": 0},
        "test": {"rows": TEST_ROWS, "images": TEST_ROWS, "records": TEST_ROWS, "dropped": 0},
    }

    path = finished_numpy.folder / "data" / "rec" / "valid.rec"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    result = finished_numpy.snakemake("--force", "results/verify.json")
    assert result.returncode == 1
    assert "data/rec/valid.rec: record " in result.stdout
    assert "Traceback" not in result.stdout


def read_from_kaggle(clone: Clone) -> None:
    """Have the configuration name the source kaggle, and no files."""
    clone.configure("source: files", "source: kaggle")
    clone.configure("train_csv: own/train.csv, test_csv: own/test.csv", "train_csv: null")
    clone.configure(", solution_csv: own/solution.csv", "")


def test_the_source_kaggle_reads_the_two_csvs_that_were_put_there(fresh_numpy):
    (fresh_numpy.folder / "data" / "kaggle").mkdir(parents=True)
    for name in ("train.csv", "test.csv"):
        (fresh_numpy.folder / "own" / name).rename(fresh_numpy.folder / "data" / "kaggle" / name)
    read_from_kaggle(fresh_numpy)
    jobs = fresh_numpy.planned()
    inputs = {job.rule: job.inputs for job in jobs if job.stage == "csv_to_idx"}
    train, test = "data/kaggle/train.csv", "data/kaggle/test.csv"
    assert inputs == {"csv_to_idx": {train}, "csv_to_idx_test": {test, train}}  # which tells the images' size
    assert {job.rule for job in jobs}.isdisjoint({"download_mnist", "fetch_mnist"})
    assert fresh_numpy.snakemake("data/rec/train.rec").returncode == 0


def test_the_competitions_archive_is_read_as_it_was_downloaded(fresh_numpy, digits):
    folder, kaggle = fresh_numpy.folder, fresh_numpy.folder / "data" / "kaggle"
    kaggle.mkdir(parents=True)
    with zipfile.ZipFile(kaggle / "digit-recognizer.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("sample_submission.csv", "test.csv", "train.csv"):
            own = folder / "own" / name.replace("sample_submission", "solution")
            archive.write(own, name)
            own.unlink()
    before = (kaggle / "digit-recognizer.zip").read_bytes()
    read_from_kaggle(fresh_numpy)
    jobs = fresh_numpy.planned()
    inputs = {job.rule: job.inputs for job in jobs if job.stage == "csv_to_idx"}
    archives = {"data/kaggle/digit-recognizer.zip"}
    assert inputs == {"csv_to_idx": archives, "csv_to_idx_test": archives}
    assert {job.rule for job in jobs}.isdisjoint({"fetch_kaggle", "download_mnist"})
    parts = {"train": slice(TRAIN_ROWS), "test": slice(60_000, 60_000 + TEST_ROWS)}
    wanted = {f"data/idx/{part}-images-idx3-ubyte": digits[0][rows] for part, rows in parts.items()}
    wanted["data/idx/train-labels-idx1-ubyte"] = digits[1][:TRAIN_ROWS]
    result = fresh_numpy.snakemake(*wanted)
    assert result.returncode == 0, result.stdout
    for path, array in wanted.items():
        header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        assert (folder / path).read_bytes() == header + array.tobytes()
    assert [path.name for path in kaggle.iterdir()] == ["digit-recognizer.zip"]
    assert (kaggle / "digit-recognizer.zip").read_bytes() == before


def test_a_known_solution_becomes_an_idx_file_on_demand(finished_numpy, digits):
    labels = "data/idx/test-labels-idx1-ubyte"
    assert finished_numpy.snakemake(labels).returncode == 0
    np.testing.assert_array_equal(
        idx.read(finished_numpy.folder / labels), digits[1][60_000 : 60_000 + TEST_ROWS]
    )


def test_a_solution_of_labels_alone_is_as_good_as_one_with_ids(finished_numpy):
    labels, solution = "data/idx/test-labels-idx1-ubyte", finished_numpy.folder / "own" / "solution.csv"
    assert finished_numpy.snakemake(labels).returncode == 0
    with_ids = (finished_numpy.folder / labels).read_bytes()
    rows = [line.split(",")[1] for line in solution.read_text().splitlines()[1:]]
    solution.write_text("\n".join(rows[:-1]))
    result = finished_numpy.snakemake(labels)
    assert result.returncode == 1
    assert f"solution.csv: {TEST_ROWS - 1:,} labels for {TEST_ROWS:,} images" in result.stdout
    solution.write_text("\n".join(rows))
    assert finished_numpy.snakemake(labels).returncode == 0
    assert (finished_numpy.folder / labels).read_bytes() == with_ids


def test_unknown_labels_cannot_become_an_idx_file(fresh_numpy):
    fresh_numpy.configure(", solution_csv: own/solution.csv", "")
    result = fresh_numpy.snakemake("data/idx/test-labels-idx1-ubyte")
    assert result.returncode == 1
    assert "the test rows' labels are not known: set data.solution_csv" in result.stdout


def test_a_path_with_a_quote_in_it_reaches_the_verbs_as_one_word(fresh_numpy):
    for name in ("train", "test", "solution"):
        (fresh_numpy.folder / "own" / f"{name}.csv").rename(
            fresh_numpy.folder / "own" / f"o'brien {name}.csv"
        )
        fresh_numpy.configure(f"{name}_csv: own/{name}.csv", f'{name}_csv: "own/o\'brien {name}.csv"')
    words = [shlex.split(job.command) for job in fresh_numpy.planned("--printshellcmds")]
    pairs = {pair for line in words for pair in itertools.pairwise(line)}
    for name, flag in (("train", "--csv"), ("test", "--csv"), ("solution", "--solution")):
        assert (flag, f"own/o'brien {name}.csv") in pairs


def confusion_of(folder):
    """The counts int (10, 10) of a confusion.csv."""
    with open(folder / "confusion.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["true", *map(str, range(10))]
    assert [row[0] for row in rows] == header[1:]
    return np.array([row[1:] for row in rows], int)


def test_the_figures_are_made_on_demand_and_the_report_holds_them(finished_numpy):
    result = finished_numpy.snakemake("figures")
    assert result.returncode == 0, result.stdout
    results = finished_numpy.folder / "results"
    truth = labelscsv.read(finished_numpy.folder / "own" / "solution.csv", string.digits)
    wide, plain = (results / "models" / model / "seed0" for model in ("wide", "plain"))
    for folder, labels in (
        (wide, "submissions/wide.csv"),
        (plain, "submissions/plain.csv"),
        (results / "merged", "submission.csv"),
    ):
        matrix = confusion_of(folder)
        assert np.trace(matrix) == np.sum(labelscsv.read(results / labels, string.digits) == truth)
        np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(truth, minlength=10))

    log = (finished_numpy.folder / "logs" / "show_mistakes" / "wide-seed0.log").read_text()
    matrix = confusion_of(wide)
    assert f"{TEST_ROWS - np.trace(matrix)} of {TEST_ROWS} images wrong" in log
    np.fill_diagonal(matrix, 0)
    true, given = np.unravel_index(matrix.argmax(), matrix.shape)
    assert f"{true} taken for {given}: {matrix.max()}" in log

    assert finished_numpy.call("figures", "--report", "report.html").returncode == 0
    report = (finished_numpy.folder / "report.html").read_text()
    figures = [
        wide / "curves.png",
        *(folder / "mistakes.png" for folder in (wide, plain, results / "merged")),
    ]
    for path in [*figures, plain / "confusion.png", results / "comparisons.csv"]:
        assert base64.b64encode(path.read_bytes()).decode() in report
    for caption in ("McNemar", "the images that got a wrong label", "and the learning rate"):
        assert caption.lower() in report.lower()


def test_without_a_solution_the_validation_rows_show_what_is_wrong(finished_numpy):
    finished_numpy.configure(", solution_csv: own/solution.csv", "")
    folder = finished_numpy.folder / "results" / "models" / "plain" / "seed0"
    targets = ["results/models/plain/seed0/mistakes.png", "results/comparisons.csv"]
    result = finished_numpy.snakemake(*targets)
    assert result.returncode == 0, result.stdout
    labels = lst.read(finished_numpy.folder / "data" / "rec" / "valid.lst").label
    right = np.load(folder / "valid_probabilities.npy").argmax(axis=1) == labels
    assert np.trace(confusion_of(folder)) == right.sum()
    rows = read_rows(finished_numpy.folder / "results" / "comparisons.csv")
    assert {(row["rows"], row["images"]) for row in rows} == {("validation", str(TRAIN_ROWS // 10))}


def test_luck_and_numpy_models_are_trained_scored_and_merged_as_the_others(fresh_numpy):
    fresh_numpy.configure(
        "  plain: {",
        "  luck: {framework: numpy, architecture: seed_search, epochs: 9}\n"
        "  features: {framework: numpy, architecture: random_features, epochs: 1, network: {features: 300}}\n"
        "  neighbours: {framework: numpy, architecture: neighbours, epochs: 1}\n"
        "  plain: {",
    )
    fresh_numpy.configure("models: [wide, plain]", "models: [wide, luck, features, neighbours]")
    result = fresh_numpy.snakemake()
    assert result.returncode == 0, result.stdout
    rows = read_rows(fresh_numpy.folder / "results" / "scores.csv")
    scores = {row["model"]: float(row["test_accuracy"]) for row in rows}
    assert list(scores) == ["wide", "luck", "features", "neighbours", "merged"]
    assert scores["wide"] > 0.7
    assert scores["luck"] < 0.2
    assert min(scores["features"], scores["neighbours"]) > 0.9
    assert "wide is better than luck: " in result.stdout
    assert not fresh_numpy.planned()
