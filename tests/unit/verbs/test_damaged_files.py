"""Files that were damaged on the way: found before training, scoring or merging, and named.

A refusal is one message that names the file; exit status 1, no traceback, and no file under its final name.
"""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from digitflow.__main__ import main
from digitflow.base import checksums as sfv
from digitflow.dataset import classes, lists, packing
from digitflow.formats import idx, labelscsv, lst
from digitflow.formats.probabilities import write_probabilities
from digitflow.models import numpy_mlp

SETTINGS = {
    "architecture": "lenet",
    "module": "numpy_mlp",
    "epochs": 1,
    "batch_size": 4,
    "learning_rate": 0.1,
}
IMAGES = np.arange(12 * 4, dtype=np.uint8).reshape(12, 2, 2)
TRUE = np.arange(12, dtype=np.uint8) % 3
ROWS = np.full((12, 3), 1 / 3)
PARTS = ("train", "valid", "test")
MERGE = {"method": "mean", "seeds": [["net", 1]], "weights": None}
RECS = " ".join(f"--{part}-rec {{}}/{part}.rec --{part}-idx {{}}/{part}.idx" for part in PARTS[:2])
TRAINING = "--classes {}/classes.csv --seed 0 --device cpu --threads 1 --settings SETTINGS --code 0"
TRAINING += " --history {}/out/h --metrics {}/out/m --valid-probabilities {}/out/v --model {}/out/model"
MODEL = "--metrics {}/net/metrics.json"
VERBS = {
    "gzip_idx": "--idx {}/images --gz {}/out/gz",
    "write_lst": "--images {}/images --labels {}/labels --classes {}/classes.csv --checksums {}/idx.sfv "
    "--train-lst {}/out/1 --valid-lst {}/out/2 --list-checksums {}/out/3 --validation VALIDATION",
    "write_test_lst": "--images {}/images --test-lst {}/out/1 --list-checksums {}/out/2",
    "pack_rec": "--lst {}/train.lst --images {}/images --checksums {}/idx.sfv {}/lists.sfv "
    "--rec {}/out/rec --idx {}/out/idx --shard 0 --shards 1",
    "verify": "--train-images {}/images --train-lists {}/train.lst {}/valid.lst "
    "--train-recs {}/train.rec {}/valid.rec --train-idxs {}/train.idx {}/valid.idx "
    "--test-images {}/images --test-lists {}/test.lst --test-recs {}/test.rec --test-idxs {}/test.idx "
    "--checksums {}/idx.sfv {}/lists.sfv --report {}/out/report --shards 1",
    "train_keras": f"--images {{}}/images --train-lst {{}}/train.lst --valid-lst {{}}/valid.lst {TRAINING} "
    "--checksums {}/idx.sfv {}/lists.sfv",
    "find_learning_rate": "--images {}/images --train-lst {}/train.lst --classes {}/classes.csv "
    "--checksums {}/idx.sfv {}/lists.sfv --curve {}/out/c --figure {}/out/f --settings SETTINGS --seed 0 "
    "--device cpu --threads 1",
    "train_mxnet": f"{RECS} --train-lst {{}}/train.lst --valid-lst {{}}/valid.lst {TRAINING} "
    "--checksums {}/lists.sfv --symbol {}/out/s",
    "predict_numpy": f"{MODEL} --model {{}}/net/model.npz --images {{}}/images --checksums {{}}/idx.sfv "
    "--probabilities {}/out/p --prediction {}/out/q --threads 1",
    "submit_model": "--probabilities {}/net/test_probabilities.npy --classes {}/classes.csv "
    "--ids {}/test-ids.csv --submission {}/out/s --form FORM",
    "score": f"{MODEL} --valid-probabilities {{}}/net/valid_probabilities.npy --valid-lst {{}}/valid.lst "
    "--score {}/out/score --model net --test-probabilities {}/net/test_probabilities.npy "
    "--solution {}/solution",
    "score_table": "--scores {}/score.json --valid-probabilities {}/net/valid_probabilities.npy "
    "--valid-lst {}/valid.lst --submission {}/submission.csv --solution {}/solution "
    "--classes {}/classes.csv --table {}/out/table --merge MERGE",
    "solution_to_idx": "--solution {}/solution.csv --images {}/images --classes {}/classes.csv "
    "--labels {}/out/labels --checksums {}/out/sfv --kind csv --data FORM --submission FORM",
}
SECTIONS = {"SETTINGS": SETTINGS, "FORM": {}, "MERGE": MERGE, "VALIDATION": {"fraction": 0.25, "seed": 0}}


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Twelve images in three classes in every form, and what a training would leave."""
    folder = tmp_path
    idx.write(folder / "images", IMAGES)
    idx.write(folder / "labels", TRUE)
    sfv.write(folder / "idx.sfv", [folder / "images", folder / "labels"])
    classes.write(folder / "classes.csv", "012")
    labelscsv.write_ids(folder / "test-ids.csv", [])  # the images have none
    labelled = lists.of_rows("train", 12, TRUE, "012")
    lists.write_split(labelled, folder / "train.lst", folder / "valid.lst", "012", 0.25, seed=0)
    lst.write(folder / "test.lst", lists.of_rows("test", 12))
    sfv.write(folder / "lists.sfv", [folder / f"{part}.lst" for part in PARTS])
    for part in PARTS:
        rec = folder / f"{part}.rec"
        packing.pack(rec, rec.with_suffix(".idx"), lst.read(folder / f"{part}.lst"), folder / "images")
    net = folder / "net"
    net.mkdir(parents=True)
    write_probabilities(net / "test_probabilities.npy", ROWS)
    write_probabilities(net / "valid_probabilities.npy", ROWS[:3])
    numpy_mlp.MLP((4, 3)).save(net / "model.npz")
    facts = {"framework": "keras", "device": "cpu", "seed": 0, "seconds": 1.0, "parameters": 3}
    facts |= {"epochs": 1, "status": "finished", "settings": SETTINGS, "looked_at_validation": False}
    facts |= {"precision": "float32", "image_shape": [2, 2]}
    (net / "metrics.json").write_text(json.dumps(facts))
    idx.write(folder / "solution", TRUE)
    for name in ("solution.csv", "submission.csv"):
        labelscsv.write(folder / name, TRUE)
    assert main(arguments("score", folder)) == 0
    (folder / "out" / "score").rename(folder / "score.json")
    return folder


def written(folder: Path) -> dict[str, bytes]:
    """All files below a folder that may not be there, temporary ones included."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def arguments(name: str, folder: Path) -> list[str]:
    """A verb and its arguments, with the files of a folder."""
    words = VERBS[name].replace("{}", str(folder)).split()
    return [name, *(json.dumps(SECTIONS[word]) if word in SECTIONS else word for word in words)]


def test_the_files_are_right_before_they_are_damaged(dataset, verb):
    for name in VERBS.keys() - {"train_keras", "train_mxnet", "find_learning_rate"}:
        status, message = verb(*arguments(name, dataset))
        assert status == 0, message


def cut(data: bytes) -> bytes:
    return data[:-3]


def flipped(at: int, bit: int = 0):
    """A function that flips a bit of a byte."""

    def flip(data: bytes) -> bytes:
        data = bytearray(data)
        data[at] ^= 1 << bit
        return bytes(data)

    return flip


def replaced(old: bytes, new: bytes):
    """A function that replaces a piece, which must be there."""

    def replace(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return replace


def npy(array: np.ndarray):
    """A function that gives another array as a file."""

    def save(_: bytes) -> bytes:
        file = io.BytesIO()
        np.save(file, array, allow_pickle=True)
        return file.getvalue()

    return save


TESTED, VALID = "net/test_probabilities.npy", "net/valid_probabilities.npy"
METRICS = "net/metrics.json"
NOT_1 = np.array([[0.5, 0.5, 0.5]] * 12)
NAN = np.where(np.arange(36).reshape(12, 3) == 7, np.nan, ROWS)
DIFFERS = "damaged: its CRC-32 is"
LABEL_0 = replaced(struct.pack("<fQ", 1, 2), struct.pack("<fQ", 0, 2))  # of image 2
DAMAGED = [
    # the verb, the file, the damage, the message
    ("gzip_idx", "images", cut, "images: truncated: 61 bytes, but 12 x 2 x 2 values take 64"),
    ("gzip_idx", "images", flipped(7), "images: truncated: 64 bytes, but 13 x 2 x 2 values take 68"),
    ("gzip_idx", "images", flipped(2), "images: values of type 0x09 (byte), not 0x08 (ubyte)"),
    ("write_lst", "images", cut, f"images: {DIFFERS}"),
    ("write_lst", "labels", flipped(9, 5), f"labels: {DIFFERS}"),
    ("write_lst", "classes.csv", replaced(b"2,2\n", b""), "labels: row 3: label 2; the classes are 0 to 1"),
    ("write_lst", "idx.sfv", replaced(b"labels", b"lables"), "labels: damaged: its CRC-32 is"),
    ("write_test_lst", "images", flipped(7), "images: truncated"),
    ("pack_rec", "images", flipped(-1), f"images: {DIFFERS}"),
    ("pack_rec", "train.lst", cut, f"train.lst: {DIFFERS}"),
    ("pack_rec", "train.lst", replaced(b"train/0", b"trail/0"), f"train.lst: {DIFFERS}"),
    ("verify", "images", flipped(-1), f"images: {DIFFERS}"),
    ("verify", "valid.lst", lambda data: data[: data.index(b"\n") + 1], f"valid.lst: {DIFFERS}"),
    ("verify", "train.rec", flipped(15, 6), "train.rec: record of image"),
    ("verify", "train.rec", flipped(80), "train.rec: record 1 at byte 0, index"),
    ("verify", "test.idx", replaced(b"1\t0\n", b""), "test.idx: line 1: index 2"),
    ("train_keras", "images", cut, f"images: {DIFFERS}"),
    ("train_keras", "images", flipped(-1), f"images: {DIFFERS}"),
    ("train_keras", "train.lst", lambda _: b"", f"train.lst: {DIFFERS}"),
    ("train_keras", "valid.lst", lambda data: data + b"13\t0.000000\ta\n", f"valid.lst: {DIFFERS}"),
    ("find_learning_rate", "images", flipped(-1), f"images: {DIFFERS}"),
    ("train_mxnet", "train.rec", cut, "train.rec: record 9 at byte"),
    ("train_mxnet", "train.rec", flipped(0), "train.rec: record 1 at byte 0: damaged: 0xced7230b"),
    ("train_mxnet", "train.rec", LABEL_0, "train.rec: record 1, index 2: label 0; "),
    ("train_mxnet", "train.lst", flipped(2), "train.lst: damaged: its CRC-32 is"),
    ("train_mxnet", "valid.rec", flipped(80), "valid.rec: record 1 at byte 0, index"),
    ("train_mxnet", "valid.rec", flipped(15, 5), "valid.rec: record 1, index"),
    ("train_mxnet", "valid.rec", lambda _: b"", "valid.rec: 0 records;"),
    ("train_mxnet", "valid.idx", cut, "valid.idx: line 3: "),
    ("predict_numpy", "images", flipped(-1), f"images: {DIFFERS}"),
    ("predict_numpy", "net/model.npz", cut, "model.npz: not a model of weight1, bias1"),
    ("predict_numpy", METRICS, replaced(b"module", b"modula"), "or of another version"),
    ("predict_numpy", METRICS, replaced(b"numpy_mlp", b"numpy_mlq"), "a model of models/numpy_mlq.py, which"),
    ("submit_model", TESTED, cut, f"{TESTED}: not a whole .npy file of numbers"),
    ("submit_model", TESTED, flipped(20), f"{TESTED}: not a whole .npy file of numbers"),
    ("submit_model", TESTED, flipped(-1, 5), f"{TESTED}: row 12 is not a softmax row"),
    ("submit_model", TESTED, lambda data: data + b"x", f"{TESTED}: not a whole .npy file of numbers: bytes"),
    ("submit_model", TESTED, npy(NOT_1), f"{TESTED}: row 1 is not a softmax row: smallest 0.5, sum 1.5"),
    ("submit_model", TESTED, npy(NAN), f"{TESTED}: row 3 is not a softmax row: smallest nan"),
    ("submit_model", TESTED, npy(np.array([{}])), f"{TESTED}: not a whole .npy file of numbers: Object"),
    (
        "submit_model",
        "classes.csv",
        replaced(b"2,2\n", b""),
        "probabilities of 3 classes, but the data have 2",
    ),
    ("score", METRICS, cut, f"{METRICS}: damaged: "),
    ("score", METRICS, replaced(b"seconds", b"secands"), f"{METRICS}: damaged: no 'seconds' in it"),
    ("score", METRICS, flipped(3, 7), f"{METRICS}: damaged: "),
    ("score", VALID, flipped(-1, 5), f"{VALID}: row 3 is not a softmax row"),
    ("score", VALID, npy(ROWS[:4]), f"{VALID}: 4 rows, should be 3: one for each image"),
    ("score", "valid.lst", cut, "valid.lst: line 3: "),
    ("score", "solution", cut, "solution: truncated"),
    (
        "solution_to_idx",
        "solution.csv",
        replaced(b"2,1", b"1,1"),
        "line 3: ImageId '1' is already in line 2",
    ),
    ("solution_to_idx", "solution.csv", replaced(b"\n12,2", b""), "solution.csv: 11 rows, should be 12"),
    ("score_table", "score.json", cut, "score.json: damaged: "),
    ("score_table", "score.json", replaced(b"valid_low", b"valid_law"), "score.json: damaged: it has model"),
    ("score_table", "submission.csv", replaced(b"2,1", b"3,1"), "line 4: '3,2', should be an id that no"),
    ("score_table", "submission.csv", replaced(b"2,1", b"2,3"), "line 3: label '3', should be one of 0 to 2"),
    ("score_table", "submission.csv", replaced(b"\n12,2", b""), "submission.csv: 11 rows, should be 12"),
    ("solution_to_idx", "solution.csv", replaced(b"2,1", b"2,1.5"), "Label '1.5', should be one of 0"),
]


@pytest.mark.parametrize(("name", "file", "damage", "message"), DAMAGED)
def test_a_damaged_file_is_named_before_it_is_used(verb, dataset, name, file, damage, message):
    path = dataset / file
    path.write_bytes(damage(path.read_bytes()))
    status, printed = verb(*arguments(name, dataset))
    assert status == 1, printed
    assert "Traceback" not in printed
    assert message in printed
    assert written(dataset / "out") == {}


@pytest.mark.parametrize("name", VERBS)
def test_a_missing_file_is_named(verb, dataset, name):
    words = arguments(name, dataset)
    inputs = [word for word in words if word.startswith(f"{dataset}/") and Path(word).is_file()]
    assert inputs
    for path in map(Path, inputs[:3]):
        moved = path.rename(path.with_name("moved"))
        status, printed = verb(*words)
        moved.rename(path)
        assert status == 1, printed
        assert str(path) in printed


def test_models_that_were_trained_on_other_classes_are_not_merged(verb, dataset):
    write_probabilities(dataset / "other.npy", np.full((12, 4), 0.25))
    words = ["submit_model", "--probabilities", dataset / TESTED, dataset / "other.npy"]
    words += ["--classes", dataset / "classes.csv", "--ids", dataset / "test-ids.csv"]
    words += ["--submission", dataset / "out" / "s", "--form", "{}"]
    status, printed = verb(*words)
    assert status == 1
    assert "the models' probabilities differ in shape: [(12, 3), (12, 4)]" in printed
