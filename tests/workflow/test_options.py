"""What the configuration offers beside the defaults, and what is made only when it is asked for."""

import gzip
import itertools
import json
import shlex

import numpy as np
from tests.workflow.conftest import TEST_ROWS, TRAIN_ROWS

from digitflow import idx

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


def test_a_path_with_a_quote_in_it_reaches_the_verbs_as_one_word(fresh):
    for name in ("train", "test", "solution"):
        (fresh.folder / "own" / f"{name}.csv").rename(fresh.folder / "own" / f"o'brien {name}.csv")
        fresh.configure(f"{name}_csv: own/{name}.csv", f'{name}_csv: "own/o\'brien {name}.csv"')
    printed = fresh.snakemake("--dry-run", "--printshellcmds").stdout
    words = [shlex.split(line) for line in printed.splitlines() if "-m digitflow" in line]
    pairs = {pair for line in words for pair in itertools.pairwise(line)}
    for name, flag in (("train", "--train-csv"), ("test", "--test-csv"), ("solution", "--solution")):
        assert (flag, f"own/o'brien {name}.csv") in pairs
