"""MXNet learns from RecordIO files, in the environment that has MXNet.

Its import is most of what a small training costs. So one process carries out what may share one; what is
about processes (kills, bytes that are the same in each) has its own, as in the workflow.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import PROJECT, read_rows

from digitflow.base.checksums import sha256
from digitflow.dataset import classes, lists, packing
from digitflow.formats import idx, lst
from digitflow.training.history import cross_entropy, one_hot, read_history
from digitflow.training.settings import Settings

SETTINGS = {
    "architecture": "lenet",
    "module": "mxnet_cnn",
    "epochs": 6,
    "batch_size": 32,
    "learning_rate": 0.004,
    "schedule": "one_cycle",
    "weight_decay": 0.05,
    "label_smoothing": 0.05,
    "weight_average": 0.9,
    "test_shifts": 1,
    "augment": {"rotate": 10, "zoom": 0.1, "shift": 0.07, "shear": 0.1, "part": 1, "cubic": False},
}
MLP = {"architecture": "mlp_module", "module": "mxnet_mlp"}
PLAIN = MLP | {"epochs": 4, "batch_size": 50, "learning_rate": 0.1}
PLAIN |= {"optimizer": "sgd", "optimizer_options": {"momentum": 0, "nesterov": False}}
RELOAD = """
import sys
import mxnet as mx
import numpy as np
symbol, params, images, scale, probabilities = sys.argv[1:]
net = mx.gluon.SymbolBlock.imports(symbol, ["data"], params)
np.save(probabilities, net(mx.nd.array(np.load(images)[:, None] * float(scale))).softmax().asnumpy())
"""
WARP = """
import sys
import mxnet as mx
import numpy as np
from digitflow.training.settings import Augment, Settings
from digitflow.training.mxnet_trainer import batches, check_records, open_records, warp
rec, idx, out, cubic = sys.argv[1:]
settings = Settings("lenet", "mxnet_cnn", epochs=1, batch_size=8, learning_rate=0)
with open_records(check_records([(rec, idx)], 10)) as records:
    options = warp(Augment(rotate=10, zoom=0.1, shift=0.1, shear=0.1, cubic=bool(cubic)), records.shape[1:])
    passes = [batches(records, settings, mx.cpu(), **options) for _ in range(2)]
    twice = [[images.asnumpy() for images, _, _ in batches] for batches in passes]
np.save(out, np.array(twice).reshape(2, -1, 28, 28))
"""
FIRST = """
import sys
from pathlib import Path
import mxnet as mx
import numpy as np
from digitflow.training.settings import Settings
from digitflow.training.mxnet_trainer import batches, check_records, open_records
folder, rows, out = sys.argv[1:]
parts = [(Path(folder, f"{name}.rec"), Path(folder, f"{name}.idx")) for name in ("valid", "train")]
settings = Settings("lenet", "mxnet_cnn", epochs=1, batch_size=64, learning_rate=0, raw_pixels=True)
with open_records(check_records(parts, 10), int(rows)) as records:
    found = [images.asnumpy()[:count] for images, _, count in batches(records, settings, mx.cpu())]
    assert len(records.labels) == int(rows)
np.save(out, np.concatenate(found).squeeze(1) if records.shape[0] == 1 else np.concatenate(found))
"""
OPTIMIZE = """
import json, sys
from pathlib import Path
import numpy as np
from digitflow.training import course, mxnet_predictor
from digitflow.training import mxnet_trainer as training
from digitflow.training.checkpoint import Checkpoint
from digitflow.training.settings import Settings
class Killed(Exception):
    pass
class Last(Checkpoint):
    def save(self, arrays, history):
        super().save(arrays, history)
        raise Killed
data, checkpoint, cases = sys.argv[1:]
context, _ = mxnet_predictor.prepare("cpu", 2)
opened = []
for name, rows in (("train", 500), ("valid", 100)):
    parts = [(Path(data, f"{name}.rec"), Path(data, f"{name}.idx"))]
    opened.append(training.open_records(training.check_records(parts, 10), rows))
results = []
with opened[0] as train, opened[1] as valid:
    for case in json.loads(cases):
        settings = Settings(epochs=3, batch_size=25, **case)
        def fit(kind=Checkpoint):
            learner = training.MXNetLearner(train, valid, 10, settings, 0, context)
            return learner, course.fit(learner, kind(Path(checkpoint), str(case)))
        learner, history = fit()
        Path(checkpoint).unlink()
        try:
            fit(Last)
        except Killed:
            pass
        assert Path(checkpoint).exists()
        arrays, expected = fit()[0].state(), learner.state()
        same = all(np.array_equal(arrays[name], expected[name]) for name in expected)
        results.append([[row["loss"] for row in history.rows], same])
print(json.dumps(results))
"""

# Carries out one verb after another, told as a line of JSON each: its exit status, and what it said.
SERVE = """
import contextlib, io, json, sys
from digitflow.__main__ import main
for line in sys.stdin:
    with contextlib.redirect_stderr(io.StringIO()) as said:
        status = main(json.loads(line))
    print(json.dumps([status, said.getvalue()]), flush=True)
"""
KILLED = """
import os, runpy, signal, sys
saved = 0
def watch(event, arguments):
    global saved
    if event == "os.rename" and str(arguments[1]).endswith("checkpoint.npz"):
        saved += 1
        if saved == 3:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
runpy.run_module("digitflow", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def sample(digits) -> tuple[np.ndarray, np.ndarray]:
    """2,600 of the training digits: 2,000 to train, 300 to validate, 300 to predict."""
    return digits[0][:2600], digits[1][:2600]


def pack(folder: Path, name: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Write images uint8 (n, h, w) and labels as folder/name.rec, .idx and .lst."""
    folder.mkdir(parents=True, exist_ok=True)
    idx.write(folder / f"{name}-images", images)
    listing = lists.of_rows(name, len(images), labels.astype(np.int64), "0123456789")
    lst.write(folder / f"{name}.lst", listing)
    packing.pack(folder / f"{name}.rec", folder / f"{name}.idx", listing, folder / f"{name}-images")


def pack_splits(
    folder: Path, images: np.ndarray, labels: np.ndarray, train: int, valid: int, names: str = "0123456789"
) -> Path:
    """Write the first `train` rows, the next `valid`, and the rest as an IDX file of images to predict."""
    pack(folder, "train", images[:train], labels[:train])
    pack(folder, "valid", images[train : train + valid], labels[train : train + valid])
    idx.write(folder / "test-images", images[train + valid :])
    classes.write(folder / "classes.csv", names)
    return folder


@pytest.fixture(scope="module")
def run(mxnet_python):
    """Run Python with MXNet; returns the finished process."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}

    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [str(mxnet_python), *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def verb(mxnet_python) -> Iterator[Callable[..., subprocess.CompletedProcess]]:
    """Carry out a verb in the process that carries out the others, too."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([mxnet_python, "-c", SERVE], env=environment, text=True, **pipes) as server:

        def verb(*words: str) -> subprocess.CompletedProcess:
            print(json.dumps(words), file=server.stdin, flush=True)
            status, said = json.loads(server.stdout.readline())
            return subprocess.CompletedProcess(words, status, "", said)

        yield verb
        server.stdin.close()


@pytest.fixture(scope="module")
def alone(run):
    """Carry out a verb in a process of its own."""
    return lambda *words: run("-m", "digitflow", *words)


@pytest.fixture(scope="module")
def train(verb):
    """Train on the files of a folder, by `verb` or another one, and return what that returns."""

    def train(data, out, settings=SETTINGS, seed=0, device="cpu", by=verb):
        flags = {"settings": json.dumps(settings), "seed": seed, "classes": data / "classes.csv"}
        flags |= {"device": device, "threads": 2, "code": "none"}
        for part in ("train", "valid"):
            flags |= {f"{part}-{kind}": data / f"{part}.{kind}" for kind in ("rec", "idx", "lst")}
        flags |= {"symbol": out / "model-symbol.json", "model": out / "model-0000.params"}
        flags |= {"history": out / "history.csv", "metrics": out / "metrics.json"}
        flags |= {"valid-probabilities": out / "valid_probabilities.npy"}
        flat = [str(text) for flag, value in flags.items() for text in (f"--{flag}", value)]
        return by("train_mxnet", *flat, "--checksums")

    return train


@pytest.fixture(scope="module")
def predict(verb):
    """Predict an IDX file with the model that a training left; returns the probabilities."""

    def predict(out, images):
        flags = {"symbol": out / "model-symbol.json", "model": out / "model-0000.params", "images": images}
        flags |= {"metrics": out / "metrics.json", "device": "cpu", "threads": 2}
        flags |= {name: out / f"test_{name}" for name in ("probabilities", "prediction")}
        flags["probabilities"] = out / "test_probabilities.npy"
        flat = [str(text) for flag, value in flags.items() for text in (f"--{flag}", value)]
        process = verb("predict_mxnet", *flat, "--checksums")
        assert process.returncode == 0, process.stderr
        return np.load(out / "test_probabilities.npy")

    return predict


@pytest.fixture(scope="module")
def data(sample, tmp_path_factory) -> Path:
    return pack_splits(tmp_path_factory.mktemp("data"), *sample, train=2000, valid=300)


@pytest.fixture(scope="module")
def trained(data, train, alone, tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """One training on 2,000 digits, which most tests look at."""
    out = tmp_path_factory.mktemp("out")
    return train(data, out, by=alone), out


def test_it_learns_2000_digits_to_more_than_94_percent(trained, sample, data, predict):
    process, out = trained
    assert process.returncode == 0, process.stderr
    valid, test = np.load(out / "valid_probabilities.npy"), predict(out, data / "test-images")
    labels = sample[1]
    assert (valid.argmax(1) == labels[2000:2300]).mean() > 0.94  # rows as in the file: else 0.1
    assert (test.argmax(1) == labels[2300:]).mean() > 0.94
    assert valid.dtype == test.dtype == np.float32
    np.testing.assert_allclose(test.sum(1), 1, atol=1e-5)


def test_it_logs_one_line_an_epoch_and_nothing_that_mxnet_says(trained):
    lines = trained[0].stderr.splitlines()
    assert lines[0].startswith("device cpu: ")
    assert lines[1] == "lenet: 161,834 parameters, 2,000 training images"
    assert [line.partition(":")[0] for line in lines[2:-1]] == [f"epoch {k}/6" for k in range(1, 7)]
    assert lines[-1].startswith("validation accuracy 0.9")


def test_it_records_how_the_model_came_about(trained, data):
    metrics = json.loads((trained[1] / "metrics.json").read_text())
    assert metrics["framework"] == "mxnet"
    assert metrics["settings"] == Settings.from_dict(SETTINGS).as_dict()
    assert (metrics["train_images"], metrics["valid_images"], metrics["seed"]) == (2000, 300, 0)
    assert metrics["image_shape"] == [28, 28]
    seen = [data / f"{part}.{kind}" for part in ("train", "valid") for kind in ("rec", "idx")]
    assert metrics["data"] == {path.name: sha256(path) for path in seen}
    assert metrics["versions"]["mxnet"].startswith("1.9")
    history = read_rows(trained[1] / "history.csv")
    assert [row["epoch"] for row in history] == ["1", "2", "3", "4", "5", "6"]
    assert float(history[-1]["learning_rate"]) == 0  # one_cycle ends there
    assert float(history[-1]["loss"]) < float(history[0]["loss"]) / 2


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(data, train, verb, alone, tmp_path):
    brief = SETTINGS | {"epochs": 1, "train_rows": 500}
    for name, seed, by in (("once", 7, alone), ("again", 7, alone), ("other", 2**32 - 1, verb)):
        assert train(data, tmp_path / name, brief, seed=seed, by=by).returncode == 0
    for file in ("model-0000.params", "model-symbol.json", "valid_probabilities.npy"):
        once, again = ((tmp_path / name / file).read_bytes() for name in ("once", "again"))
        assert once == again, file
    once, other = (np.load(tmp_path / name / "valid_probabilities.npy") for name in ("once", "other"))
    assert not np.array_equal(once, other)


def test_the_saved_model_gives_the_same_probabilities(trained, sample, run, tmp_path):
    model = [trained[1] / name for name in ("model-symbol.json", "model-0000.params")]
    np.save(tmp_path / "images.npy", sample[0][2000:2300])
    process = run("-c", RELOAD, *model, tmp_path / "images.npy", 1 / 255, tmp_path / "again.npy")
    assert process.returncode == 0, process.stderr
    expected = np.load(trained[1] / "valid_probabilities.npy")
    np.testing.assert_allclose(np.load(tmp_path / "again.npy"), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ((20, 20), {"optimizer": "sgd"}),
        ((32, 32), {}),
        ((30, 20), {}),
        ((24, 20), {"architecture": "modern_cnn"}),
        ((14, 12), {"architecture": "small_cnn"}),
        (
            (30, 20),
            {"architecture": "mlp_module", "module": "mxnet_mlp", "label_smoothing": 0, "batch_size": 120},
        ),
    ],
)
def test_other_sizes_and_numbers_of_classes_are_learnt(sample, train, tmp_path, shape, changes):
    count = 2
    images, labels = (array[sample[1] < count] for array in sample)
    resized = np.zeros((len(images), *shape), np.uint8)  # most of the digit, or the digit and a margin
    height, width = (min(side, 28) for side in shape)
    top, left = (28 - height) // 2, (28 - width) // 2
    resized[:, :height, :width] = images[:, top : top + height, left : left + width]
    pack_splits(tmp_path, resized, labels, train=300, valid=100, names="01")
    settings = SETTINGS | {"epochs": 5, "learning_rate": 0.01, "test_shifts": 5} | changes
    process = train(tmp_path, tmp_path, settings)
    assert process.returncode == 0, process.stderr
    assert ("MXNet shifts only square images" in process.stderr) == (shape[0] != shape[1])
    valid = np.load(tmp_path / "valid_probabilities.npy")
    assert valid.shape == (100, count)
    assert (valid.argmax(1) == labels[300:400]).mean() > 0.95


def test_warped_images_are_digits_shifted_on_black_and_the_same_each_time(run, tmp_path):
    square = np.zeros((64, 28, 28), np.uint8)
    square[:, 10:18, 10:18] = 255
    pack(tmp_path, "square", square, np.zeros(64))

    def warped(cubic: str) -> np.ndarray:
        process = run("-c", WARP, *(tmp_path / f"square.{end}" for end in ("rec", "idx", "npy")), cubic)
        assert process.returncode == 0, process.stderr
        return np.load(tmp_path / "square.npy")

    once, again = warped("")
    assert np.array_equal(once, again)
    assert len(np.unique(once, axis=0)) > 60  # one image 64 times: each is drawn anew
    assert once.max() == pytest.approx(1)
    assert not once[:, [0, -1]].any()  # no white corners, and nothing is pushed out
    assert not once[:, :, [0, -1]].any()
    area = once.sum(axis=(1, 2)) / 8**2
    assert area.min() > 0.75  # zoomed by a tenth: 0.81 to 1.21, and a little for the edges
    assert area.max() < 1.27
    rows = (once.sum(axis=2) * np.arange(28)).sum(axis=1) / once.sum(axis=(1, 2)) - 13.5
    assert np.abs(rows).max() < 3.5  # a tenth of 28 is three pixels
    assert rows.std() > 1
    steps = [np.abs(np.diff(images, axis=2)).max(axis=(1, 2)) for images in (once, warped("cubic")[0])]
    assert steps[1].mean() > steps[0].mean() + 0.01  # edges stay steeper


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_truncated_file_stops_with_a_message_before_mxnet_aborts(data, train, tmp_path, kept):
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    whole = (data / "valid.rec").read_bytes()
    (tmp_path / "valid.rec").write_bytes(whole[: int(len(whole) * kept)])
    process = train(tmp_path, tmp_path / "out")
    assert process.returncode == 1
    assert "valid.rec" in process.stderr
    assert "truncated" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": SETTINGS | {"network": {"depth": 3}}}, "network: lenet does not take 'depth'"),
        ({"settings": PLAIN | {"label_smoothing": 0.1}}, "label_smoothing: 0.1; mlp_module"),
        (
            {"settings": SETTINGS | {"architecture": "residual_cnn", "network": {"dropout": 30}}},
            "network: residual_cnn cannot be built with {'dropout': 30}: ",
        ),
        (
            {"settings": PLAIN | {"network": {"width": 0}}},
            "network: mlp_module cannot be built with {'width': 0}",
        ),
        ({"device": "gpu"}, "device: gpu was requested"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(data, train, tmp_path, change, message):
    process = train(data, tmp_path / "out", **change)
    assert process.returncode == 1
    assert message in process.stderr


def test_images_of_another_size_among_the_records_are_refused_by_name(data, train, tmp_path):
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    pack(tmp_path, "valid", np.zeros((3, 32, 32), np.uint8), np.arange(3))
    process = train(tmp_path, tmp_path / "out")
    assert process.returncode == 1
    assert "valid.rec: images of (1, 32, 32), " in process.stderr


def test_records_in_colour_are_read_with_red_first_and_learned_from(run, train, predict, sample, tmp_path):
    images, labels = sample
    tint = np.random.default_rng(0).integers(64, 256, (len(images), 1, 1, 3))
    coloured = (images[..., None] * tint // 255).astype(np.uint8)
    data = pack_splits(tmp_path / "data", coloured, labels, train=1000, valid=200)
    done = run("-c", FIRST, data, 1200, tmp_path / "read.npy")
    assert done.returncode == 0, done.stderr
    read = np.load(tmp_path / "read.npy")  # (n, channels, h, w), the validation rows first
    assert np.array_equal(read[:200].transpose(0, 2, 3, 1), coloured[1000:1200])
    assert np.array_equal(read[200:].transpose(0, 2, 3, 1), coloured[:1000])
    process = train(data, tmp_path / "out")
    assert process.returncode == 0, process.stderr
    found = predict(tmp_path / "out", data / "test-images")
    assert np.mean(found.argmax(axis=1) == labels[1200:]) > 0.88


def test_a_label_beyond_the_classes_is_refused_by_name(data, train, tmp_path):
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    classes.write(tmp_path / "classes.csv", "01234")
    process = train(tmp_path, tmp_path / "out")
    assert process.returncode == 1
    assert "expected one number from 0 to 4" in process.stderr


@pytest.mark.parametrize(("steps", "after"), [(0, "epoch 2"), (5, "epoch 0 and 10 steps")])
def test_a_killed_training_resumes_to_the_same_bytes(data, train, run, alone, tmp_path, steps, after):
    settings = SETTINGS | {"train_rows": 400, "epochs": 4, "checkpoint_steps": steps}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train(data, whole, settings, by=alone).returncode == 0

    def to_the_third_checkpoint(*words):
        return run("-c", KILLED, *words)

    process = train(data, killed, settings, by=to_the_third_checkpoint)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert (killed / "checkpoint.npz").exists()
    assert not (killed / "metrics.json").exists()

    resumed = train(data, killed, settings, by=alone)
    assert resumed.returncode == 0, resumed.stderr
    assert f"checkpoint.npz: going on after {after}" in resumed.stderr
    for name in ("model-0000.params", "valid_probabilities.npy"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    assert len((killed / "history.csv").read_text().splitlines()) == 1 + settings["epochs"]
    assert not (killed / "checkpoint.npz").exists()


OPTIONS = """
from inspect import signature
from digitflow.config.optimizers import OPTIMIZER_OPTIONS, what_is_wanted
from digitflow.training.mxnet_networks import OPTIMIZERS

# The rate has its own key, lazy updates are for sparse arrays, and the rest would bypass the settings.
NOT_OPTIONS = ("learning_rate", "lazy_update", "kwargs")
for name, known in OPTIMIZER_OPTIONS["mxnet"].items():
    found = signature(OPTIMIZERS[name]).parameters
    taken = {*found}.difference(NOT_OPTIONS)
    assert not any(what_is_wanted(option, found[option].default) for option in taken), name
    assert taken | ({"nesterov"} if name == "sgd" else set()) == known, name
"""


def test_the_options_of_the_optimizers_that_are_known_before_the_first_job_are_those_of_mxnet(run):
    process = run("-c", OPTIONS)
    assert process.returncode == 0, process.stderr


def test_every_optimizer_lowers_the_loss_and_resumes_to_the_same_weights(data, run, tmp_path):
    rates = {"adam": 0.002, "adamax": 0.01, "nadam": 0.002, "rmsprop": 0.001, "adadelta": 1.0}
    rates |= {"adagrad": 0.05, "sgd": 0.05}
    cases = [{"optimizer": name, "learning_rate": rate} for name, rate in rates.items()]
    cases += [{"optimizer": "rmsprop", "learning_rate": 0.001, "optimizer_options": {"centered": True}}]
    cases += [{"optimizer": "ftrl", "learning_rate": 1.0, "schedule": "constant"}]
    cases += [{key: PLAIN[key] for key in ("optimizer", "learning_rate", "optimizer_options")}]
    plateau = {"schedule": "plateau", "schedule_options": {"factor": 0.1, "patience": 1}}
    cases += [plateau | {"optimizer": "sgd", "learning_rate": 0.7}]  # so fast that the second epoch is worse
    cases = [MLP | case for case in cases]
    cnn = {"architecture": "lenet", "module": "mxnet_cnn", "learning_rate": 0.002}
    cases += [cnn | {"weight_average": 0.9, "weight_decay": 0.05}, cnn | {"checkpoint_steps": 13}]
    process = run("-c", OPTIMIZE, data, tmp_path / "checkpoint.npz", json.dumps(cases))
    assert process.returncode == 0, process.stderr
    for case, ((first, _, last), same) in zip(cases, json.loads(process.stdout), strict=True):
        assert last < 0.8 * first, case  # not a number, too, is not less
        assert same, case


@pytest.mark.parametrize("rows", [300, 1234])
def test_training_on_the_first_rows_reads_those_and_no_others(data, sample, run, tmp_path, rows):
    process = run("-c", FIRST, data, rows, tmp_path / "found.npy")  # the 300 of valid.rec, then train.rec
    assert process.returncode == 0, process.stderr
    expected = np.concatenate([sample[0][2000:2300], sample[0][:2000]])[:rows]
    assert np.array_equal(np.load(tmp_path / "found.npy"), expected)


@pytest.mark.parametrize(
    ("change", "status", "epochs"),
    [
        ({"prune": {"epoch": 2, "accuracy": 0.99}}, "pruned", 2),
        ({"learning_rate": 0.0, "patience": 1}, "stopped early", 2),
        ({"learning_rate": 1e30, "keep_failures": True}, "diverged", 1),
    ],
)
def test_a_training_that_ends_before_its_time_is_a_result_that_says_so(
    data, train, tmp_path, change, status, epochs
):
    process = train(data, tmp_path, PLAIN | {"train_rows": 200} | change)
    assert process.returncode == 0, process.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["status"], metrics["epochs"], metrics["train_images"]) == (status, epochs, 200)
    assert np.isfinite(np.load(tmp_path / "valid_probabilities.npy")).all()


def test_with_patience_the_weights_of_the_best_epoch_are_kept(data, train, sample, run, tmp_path):
    changes = {"patience": 2, "epochs": 30, "train_rows": 200, "learning_rate": 1.0}
    process = train(data, tmp_path, PLAIN | changes)
    assert process.returncode == 0, process.stderr
    losses = [row["valid_loss"] for row in read_history(tmp_path / "history.csv")]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["best_epoch"] == np.argmin(losses) + 1
    targets = one_hot(sample[1][2000:2300], 10)
    found = cross_entropy(np.load(tmp_path / "valid_probabilities.npy"), targets)
    assert found == pytest.approx(min(losses), rel=1e-3)
    assert min(losses) < losses[-1] or metrics["status"] == "finished"


def test_without_validation_rows_a_training_goes_all_its_epochs_and_claims_nothing(data, train, tmp_path):
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    for kind in ("rec", "idx", "lst"):
        (tmp_path / f"valid.{kind}").write_bytes(b"")
    process = train(tmp_path, tmp_path / "out", PLAIN | {"train_rows": 200, "epochs": 2})
    assert process.returncode == 0, process.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["valid_images"], metrics["valid_accuracy"]) == (0, None)
    assert (metrics["status"], metrics["epochs"]) == ("finished", 2)


def test_a_training_that_diverges_is_an_error_where_failures_are_not_kept(data, train, tmp_path):
    process = train(data, tmp_path / "out", PLAIN | {"train_rows": 200, "learning_rate": 1e30})
    assert process.returncode == 1
    assert "it diverged; lower learning_rate" in process.stderr
    assert not (tmp_path / "out").exists()


def test_a_rate_that_teaches_the_mlp_scaled_pixels_makes_it_collapse_on_raw_ones(
    data, train, predict, sample, run, tmp_path
):
    for name, raw in (("scaled", False), ("raw", True)):
        process = train(data, tmp_path / name, PLAIN | {"raw_pixels": raw})
        assert process.returncode == 0, process.stderr
    scaled, raw = (predict(tmp_path / name, data / "test-images") for name in ("scaled", "raw"))
    assert (scaled.argmax(1) == sample[1][2300:]).mean() > 0.85
    assert (raw.argmax(1) == sample[1][2300:]).mean() < 0.25  # one digit, or two, whatever the image
    np.save(tmp_path / "images.npy", sample[0][2300:])
    # What is saved takes pixels as they were in training.
    for name, scale in (("scaled", 1 / 255), ("raw", 1)):
        model = [tmp_path / name / file for file in ("model-symbol.json", "model-0000.params")]
        process = run("-c", RELOAD, *model, tmp_path / "images.npy", scale, tmp_path / "again.npy")
        assert process.returncode == 0, process.stderr
        expected = np.load(tmp_path / name / "test_probabilities.npy")
        np.testing.assert_allclose(np.load(tmp_path / "again.npy"), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("modern_cnn", "207,274"), ("residual_cnn", "207,274"), ("small_cnn", "131,754")],
)
def test_larger_networks_learn_1000_digits_to_more_than_85_percent(
    data, train, predict, sample, tmp_path, name, parameters
):
    process = train(data, tmp_path, SETTINGS | {"architecture": name, "epochs": 4, "train_rows": 1000})
    assert process.returncode == 0, process.stderr
    assert f"{name}: {parameters} parameters" in process.stderr
    test = predict(tmp_path, data / "test-images")
    assert (test.argmax(1) == sample[1][2300:]).mean() > 0.85


SIZES = """
from mxnet import init, nd
from digitflow.models import mxnet_cnn

for name in ("lenet", "small_cnn", "residual_cnn", "modern_cnn"):
    for shape in ((1, 1), (2, 2), (3, 5), (5, 5), (6, 6), (8, 8), (1, 20), (40, 24, 3)):
        network = getattr(mxnet_cnn, name)(shape, 3)
        network.initialize(init.Xavier())
        channels = shape[2] if len(shape) == 3 else 1
        output = network(nd.zeros((4, channels, *shape[:2])))
        assert output.shape == (4, 3), (name, shape, output.shape)
"""


def test_images_of_any_size_can_be_learnt_by_every_convolutional_network(run):
    process = run("-c", SIZES)
    assert process.returncode == 0, process.stderr
