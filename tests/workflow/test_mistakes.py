"""A user's mistake: one clear message before any job starts, and an exit status that is not 0."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.verbs.test_bad_csv import drop_privileges


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 5", "epoch: 8", "models.keras_cnn.epoch: unknown key; did you mean epochs?"),
        ("epochs: 5", "epochs: many", "models.keras_cnn.epochs: 'many', should be a whole number"),
        (
            "models: [keras_cnn",
            "models: [keras_cmm",
            "'keras_cmm' is not defined; did you mean keras_cnn?",
        ),
        ("own/test.csv", "own/missing.csv", "data.test_csv: there is no file 'own/missing.csv'"),
        ("source: files", "competition: Digit Recognizer, source: files", "cannot be a competition's name"),
        ("own/test.csv", "'own/{test}.csv'", "data.test_csv: 'own/{test}.csv': Snakemake takes braces"),
    ],
)
def test_a_wrong_configuration_stops_before_any_job(fresh, old, new, message):
    fresh.configure(old, new)
    finished = fresh.snakemake("results/submission.csv")
    assert finished.returncode != 0
    assert message in finished.stdout
    assert "Traceback" not in finished.stdout
    assert not (fresh.folder / "data").exists()


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("results/submision.csv", "no rule makes this; did you mean results/submission.csv?"),
        ("submission.csv", "no rule makes this; did you mean results/submission.csv?"),
        ("rceords", "no rule makes this; did you mean records?"),
        ("results/models/wid/seed0/model.npz", "did you mean results/models/wide/seed0/model.npz?"),
        ("data/rec/fold0/train.rec", "no rule makes this; did you mean data/rec/train.rec?"),  # without folds
        ("xyzzy", "no rule makes this; snakemake --list-target-rules shows the rules"),
        ("train_numpy", "makes many files; ask for one of them, such as results/models/wide/seed0/model.npz"),
    ],
)
def test_a_misspelt_target_brings_the_nearest_one_to_mind_in_the_last_line(fresh_numpy, target, hint):
    finished = fresh_numpy.snakemake("--dry-run", target)
    assert finished.returncode == 1
    last = finished.stdout.splitlines()[-1]
    assert last.startswith(f"error: {target}: ")
    assert hint in last


def test_a_bad_cell_is_named_last_of_all_and_leaves_no_file(fresh_numpy):
    path = fresh_numpy.folder / "own" / "train.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[16] = lines[16].replace(",0,", ",256,", 1)
    column = lines[16].split(",").index("256") - 1
    path.write_text("".join(lines))
    finished = fresh_numpy.snakemake("results/submission.csv")
    assert finished.returncode == 1
    *_, job, error = finished.stdout.rstrip().splitlines()
    assert job.startswith("csv_to_idx failed")
    assert "log: logs/csv_to_idx/train.log" in job
    assert error.startswith("error: own/train.csv, line 17, ")
    assert f"pixel{column}" in error
    assert "'256'" in error
    assert "Traceback" not in finished.stdout
    assert not list((fresh_numpy.folder / "data").rglob("train-*"))


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("data/idx/train-images-idx3-ubyte", "train_numpy"),
        ("data/idx/test-images-idx3-ubyte", "idx_to_png"),
        ("data/idx/test-images-idx3-ubyte", "predict_numpy"),
        ("results/models/wide/seed0/test_probabilities.npy", "merge"),
        ("results/models/wide/seed0/model.npz", "predict_numpy"),
    ],
)
def test_a_bit_flipped_behind_snakemakes_back_is_found_and_named(finished_numpy, path, rule):
    file = finished_numpy.folder / path
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    data = bytearray(file.read_bytes())
    data[-1] ^= 1  # a pixel, the lowest bit of a probability, the end of an archive of weights
    file.write_bytes(data)
    os.utime(file, ns=times)
    result = finished_numpy.snakemake("--forcerun", rule)
    assert result.returncode == 1
    assert f"error: {path}: damaged: its " in result.stdout
    assert "Traceback" not in result.stdout


def test_a_flipped_bit_of_an_mxnet_model_is_found_before_it_predicts(finished):
    path = "results/models/mxnet_cnn/seed0/model-0000.params"
    data = bytearray((finished.folder / path).read_bytes())
    data[-1] ^= 1
    (finished.folder / path).write_bytes(data)
    result = finished.snakemake("--forcerun", "predict_mxnet")
    assert result.returncode == 1
    assert f"error: {path}: damaged: its " in result.stdout


def test_a_gpu_that_is_not_there_is_looked_for_and_missed(finished):
    finished.configure("device: cpu", "device: gpu")
    result = finished.snakemake("results/submission.csv")
    assert result.returncode == 1
    assert "device: gpu was requested" in result.stdout
    assert "Traceback" not in result.stdout


IDX = "data/idx/train-images-idx3-ubyte"
WRONG_FILES = {  # of the training or the test CSV: what it becomes, and what is said
    "train, UTF-16": (lambda text: text.decode().encode("utf-16"), "train.csv: this looks like UTF-16 text"),
    "train, truncated archive": (
        lambda text: gzip.compress(text)[:-9],
        "train.csv: a damaged or unreadable gzip",
    ),
    "test, with the name of a column that no row has": (
        lambda text: b"label," + text,
        "test.csv, line 2: 784 cells, not 785",
    ),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_wrong_csv_is_named_and_leaves_no_file(fresh_numpy, case):
    change, message = WRONG_FILES[case]
    part = case.split(",")[0]
    path = fresh_numpy.folder / "own" / f"{part}.csv"
    path.write_bytes(change(path.read_bytes()))
    finished = fresh_numpy.snakemake("results/submission.csv")
    assert finished.returncode == 1
    assert f"error: own/{message}" in finished.stdout
    assert "Traceback" not in finished.stdout
    assert not list((fresh_numpy.folder / "data").rglob(f"{part}-*"))


def test_an_archive_as_kaggle_serves_it_gives_the_same_images(finished_numpy_run, fresh_numpy):
    path = fresh_numpy.folder / "own" / "train.csv"
    path.with_name("train.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    fresh_numpy.configure("own/train.csv", "own/train.csv.gz")
    assert fresh_numpy.snakemake(IDX).returncode == 0
    assert (fresh_numpy.folder / IDX).read_bytes() == (finished_numpy_run[0].folder / IDX).read_bytes()


def make_unreadable(path: Path) -> None:
    path.touch()
    path.chmod(0)


WRONG_KINDS = {
    "a folder, not a CSV file": lambda path: path.mkdir(),
    "a pipe or device, not a regular file": os.mkfifo,
    "a link to nowhere, which does not exist": lambda path: path.symlink_to("nowhere"),
    "no permission to read it": make_unreadable,
}


@pytest.mark.parametrize("message", WRONG_KINDS)
def test_what_is_no_readable_file_stops_before_any_job(fresh_numpy, message):
    WRONG_KINDS[message](fresh_numpy.folder / "own" / "other.csv")
    fresh_numpy.configure("own/test.csv", "own/other.csv")
    snakemake = Path(sys.executable).with_name("snakemake")
    finished = subprocess.run(
        [snakemake, "-j1", "results/submission.csv", "--configfile", "tiny.yaml"],
        cwd=fresh_numpy.folder,
        preexec_fn=drop_privileges,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert f"data.test_csv: own/other.csv: {message}" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (fresh_numpy.folder / "data").exists()


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def cut(data: bytes) -> bytes:
    return data[:-1]


MODELS = "results/models"
PROBABILITIES = f"{MODELS}/keras_cnn/seed0/test_probabilities.npy"
DAMAGED = {  # the file: the damage, what is asked for, what is said, and what must not have begun
    "data/rec/train.rec": (flip, f"{MODELS}/mxnet_cnn/seed0/metrics.json", ": record ", " parameters, "),
    IDX: (cut, f"{MODELS}/keras_cnn/seed0/metrics.json", ": damaged: ", "device cpu: "),
    PROBABILITIES: (cut, "results/submission.csv", ": damaged: ", "results/submission.csv: 200 rows"),
}


@pytest.mark.parametrize("path", DAMAGED)
def test_a_file_that_was_damaged_is_named_before_it_is_used(finished, path):
    damage, target, message, never = DAMAGED[path]
    file = finished.folder / path
    file.write_bytes(damage(file.read_bytes()))
    run = finished.snakemake(target, "--force")
    assert run.returncode == 1
    assert f"error: {path}{message}" in run.stdout.splitlines()[-1]
    assert never not in run.stdout
    assert "Traceback" not in run.stdout
