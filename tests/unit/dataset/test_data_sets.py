"""Well-known data sets in the forms in which they circulate, made from real digits: read as they come.

Each example of config/examples goes through the verbs that the rules call, and the file of its form must give
exactly the IDX files, the tree, the labels and the submission of what went into it.
"""

import csv
import json
import string
import struct
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.conftest import PROJECT

from digitflow.__main__ import main
from digitflow.config import inputs, loading
from digitflow.dataset import classes, sources
from digitflow.formats import idx

EXAMPLES = PROJECT / "config" / "examples"
ROWS = 124  # two for each class of the data set that has the most
LETTERS = string.ascii_uppercase
DEVANAGARI = [f"character_{k}_{name}" for k, name in enumerate(("ka", "kha", "ga", "gha", "kna", "cha"), 1)]
DEVANAGARI += ["character_10_yna", "digit_0", "digit_1", "digit_2"]


class Made:
    """Files of one form, and what must come out of them."""

    def __init__(self, folder, images, labels, test_images=None, ids=None, solution=None):
        self.folder, self.images, self.labels = folder, images, labels
        self.test_images, self.ids, self.solution = test_images, ids, solution


def write_lines(path, header, rows, separator=",", end="\n"):
    lines = [separator.join(map(str, row)) for row in ([header] if header else []) + [*rows]]
    path.write_bytes((end.join(lines) + end).encode())


def table(labels, images, last=False):
    """Rows of a label, first or last, and pixels."""
    return [
        [*pixels, label] if last else [label, *pixels] for label, pixels in zip(labels, images, strict=True)
    ]


def flat(images):
    return images.reshape(len(images), -1).tolist()


def shrunk(images, side, top):
    """Digits of `side` x `side` pixels from 0 to `top`: means of pixels beneath, as optdigits has them."""
    parts = padded(images).reshape(len(images), side, 32 // side, side, 32 // side)
    return np.rint(parts.mean(axis=(2, 4)) * top / 255).astype(int)


def padded(images):
    return np.pad(images, ((0, 0), (2, 2), (2, 2)))


def coloured(images, labels):
    """RGB digits, each channel another part of the grey."""
    weights = np.array([[4, 4, 4], [4, 0, 2], [1, 4, 0]])[labels % 3]
    return (images[..., None].astype(int) * weights[:, None, None] // 4).astype(np.uint8)


@pytest.fixture(scope="module")
def some(digits):
    """Images and labels of a train and a test part."""
    images, labels = digits
    return (
        images[:ROWS],
        labels[:ROWS].astype(int),
        images[ROWS : ROWS + 30],
        labels[ROWS : ROWS + 30].astype(int),
    )


def pixel_names(count, first=0, form="pixel{}"):
    return [form.format(k) for k in range(first, first + count)]


def digit_recognizer(folder, images, labels, test, test_labels):
    write_lines(folder / "train.csv", ["label", *pixel_names(784)], table(labels, flat(images)))
    write_lines(folder / "test.csv", pixel_names(784), flat(test))
    return Made(folder, images, labels.astype(str), test, None)


def fashion(folder, images, labels, test, test_labels):
    for name, some_images, some_labels in (("train", images, labels), ("test", test, test_labels)):
        header = ["label", *pixel_names(784, 1)]
        write_lines(folder / f"{name}.csv", header, table(some_labels, flat(some_images)))
    return Made(folder, images, labels.astype(str), test, None, test_labels.astype(str))


def sign(folder, images, labels, test, test_labels):
    gapped = np.array([0, 1, 2, 3, 4, 10, 11, 12, 23, 24])
    return fashion(folder, images, gapped[labels], test, gapped[test_labels])


def mnist_in_csv(folder, images, labels, test, test_labels):
    header = ["label", *(f"{row}x{column}" for row in range(1, 29) for column in range(1, 29))]
    write_lines(folder / "train.csv", header, table(labels, flat(images)))
    write_lines(folder / "test.csv", header, table(test_labels, flat(test)))
    return Made(folder, images, labels.astype(str), test, None, test_labels.astype(str))


def kannada(folder, images, labels, test, test_labels):
    write_lines(folder / "train.csv", ["label", *pixel_names(784)], table(labels, flat(images)))
    write_lines(folder / "test.csv", ["id", *pixel_names(784)], table(range(30), flat(test)))
    write_lines(folder / "sample_submission.csv", ["id", "label"], [[k, 0] for k in range(30)])
    return Made(folder, images, labels.astype(str), test, [*map(str, range(30))])


def a_z(folder, images, labels, test, test_labels):
    letters = np.sort(labels) + 16
    write_lines(folder / "train.csv", None, table(letters, flat(images)))
    return Made(folder, images, letters.astype(str))


def emnist(first, count):
    """EMNIST's parts differ in their labels: `count` of them, from `first` on."""

    def make(folder, images, labels, test, test_labels):
        labels, test_labels = (first + np.arange(len(part)) % count for part in (labels, test_labels))
        for name, some_images, some_labels in (("train", images, labels), ("test", test, test_labels)):
            write_lines(folder / f"{name}.csv", None, table(some_labels, flat(some_images.swapaxes(1, 2))))
        return Made(folder, images, labels.astype(str), test, None, test_labels.astype(str))

    return make


def hmnist(side, colour):
    """HMNIST's four files: 28 x 28 or 8 x 8 pixels, in RGB, channels side by side, or in grey."""

    def make(folder, images, labels, test, test_labels):
        small = images if side == 28 else shrunk(images, side, 255).astype(np.uint8)
        right = coloured(small, labels) if colour else small
        header = [*pixel_names(right[0].size, form="pixel{:04}"), "label"]
        write_lines(folder / "train.csv", header, table(labels % 7, flat(right), last=True))
        return Made(folder, right, (labels % 7).astype(str))

    return make


def cifar10(folder, images, labels, test, test_labels):
    right = coloured(padded(images), labels)
    header = [*pixel_names(3072, form="a{}"), "class"]
    write_lines(folder / "train.csv", header, table(labels, flat(np.moveaxis(right, 3, 1)), last=True))
    return Made(folder, right, labels.astype(str))


def devanagari(folder, images, labels, test, test_labels):
    words = np.array(DEVANAGARI)[labels]
    header = [*pixel_names(1024, form="pixel_{:04}"), "character"]
    write_lines(folder / "train.csv", header, table(words, flat(padded(images)), last=True))
    return Made(folder, padded(images), words)


def arabic_digits(folder, images, labels, test, test_labels):
    for name, some_images in (("train", images), ("test", test)):
        write_lines(folder / f"{name}.csv", None, flat(some_images.swapaxes(1, 2)))
    write_lines(folder / "train_labels.csv", None, [[label] for label in labels])
    return Made(folder, images, labels.astype(str), test)


def arabic_characters(folder, images, labels, test, test_labels):
    for name, some_images in (("train", images), ("test", test)):
        write_lines(folder / f"{name}.csv", None, flat(padded(some_images).swapaxes(1, 2)))
    letters = np.arange(len(labels)) % 28 + 1
    write_lines(folder / "train_labels.csv", None, [[label] for label in letters])
    return Made(folder, padded(images), letters.astype(str), padded(test))


def optdigits(folder, images, labels, test, test_labels):
    for name, some_images, some_labels in (("train", images, labels), ("test", test, test_labels)):
        write_lines(
            folder / f"{name}.csv", None, table(some_labels, flat(shrunk(some_images, 8, 16)), last=True)
        )
    right, test_right = (np.rint(shrunk(part, 8, 16) * 255 / 16) for part in (images, test))
    return Made(folder, right, labels.astype(str), test_right, None, test_labels.astype(str))


def optdigits_mirror(folder, images, labels, test, test_labels):
    header = [*pixel_names(64, 1, "Block {}"), "Class"]
    write_lines(folder / "train.csv", header, table(labels, flat(shrunk(images, 8, 16)), last=True))
    return Made(folder, np.rint(shrunk(images, 8, 16) * 255 / 16), labels.astype(str))


def semeion(folder, images, labels, test, test_labels):
    ink = shrunk(images, 16, 1)
    pixels = [[f"{value:.4f}" for value in row] for row in flat(ink)]
    one_hot = np.eye(10, dtype=int)[labels].tolist()
    rows = [[*image, *classes_, ""] for image, classes_ in zip(pixels, one_hot, strict=True)]
    write_lines(folder / "train.csv", None, rows, separator=" ", end="\r\n")
    return Made(folder, ink * 255, labels.astype(str))


def openml(folder, images, labels, test, test_labels):
    pixels = [[f"{value}.0" for value in row] for row in flat(images)]
    write_lines(folder / "train.csv", [*pixel_names(784, 1), "class"], table(labels, pixels, last=True))
    return Made(folder, images, labels.astype(str))


def scikit_learn(folder, images, labels, test, test_labels):
    small = shrunk(images, 8, 16)
    pixels = [[f"{value}.0" for value in row] for row in flat(small)]
    header = [*(f"pixel_{row}_{column}" for row in range(8) for column in range(8)), "target"]
    write_lines(folder / "train.csv", header, table(labels, pixels, last=True))
    return Made(folder, np.rint(small * 255 / 16), labels.astype(str))


def idx_files(images_name, labels_name, transposed=False):
    """IDX files under these names; labels that are no bytes are the first of eight numbers, as QMNIST's."""

    def make(folder, images, labels, test, test_labels):
        for part, some_images, some_labels in (("train", images, labels), ("test", test, test_labels)):
            pixels = some_images.swapaxes(1, 2) if transposed else some_images
            idx.write(folder / images_name.format(part), np.ascontiguousarray(pixels))
            numbers = some_labels.astype(np.uint8)
            if labels_name.endswith("int"):
                numbers = np.full((len(some_labels), 8), 4711, np.int32)
                numbers[:, 0] = some_labels
            idx.write(folder / labels_name.format(part), numbers)
        return Made(folder, images, labels.astype(str), test, None, test_labels.astype(str))

    return make


def pictures(folder, images, labels, test, test_labels):
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / "train" / str(label) / f"{row:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    (folder / "test").mkdir()
    for row, image in enumerate(test):
        Image.fromarray(image).save(folder / "test" / f"scan{row:02}.png")
    order = np.argsort(labels, kind="stable")
    ids = [f"scan{row:02}" for row in range(len(test))]
    return Made(folder, images[order], labels[order].astype(str), test, ids)


GREY = {"image": {"channels": "auto"}}  # the example says what to leave out
# The example that reads a form, what makes its files, and what else the example says to write.
FORMS = {
    "digit_recognizer": ("digit_recognizer", digit_recognizer, {}),
    "fashion_mnist": ("fashion_mnist", fashion, {}),
    "sign_language_mnist": ("sign_language_mnist", sign, {}),
    "mnist_in_csv": ("mnist_in_csv", mnist_in_csv, {}),
    "kannada_mnist": ("kannada_mnist", kannada, {}),
    "a_z_alphabets": ("a_z_alphabets", a_z, {}),
    "emnist_letters": ("emnist_letters", emnist(1, 26), {}),
    "emnist_balanced": ("emnist_letters", emnist(0, 47), {}),
    "emnist_byclass": ("emnist_letters", emnist(0, 62), {}),
    "emnist_idx": (
        "emnist_idx",
        idx_files("emnist-letters-{}-images-idx3-ubyte", "emnist-letters-{}-labels-idx1-ubyte", True),
        {},
    ),
    "hmnist_28_rgb": ("hmnist", hmnist(28, colour=True), {}),
    "hmnist_28_grey": ("hmnist", hmnist(28, colour=False), GREY),
    "hmnist_8_rgb": ("hmnist", hmnist(8, colour=True), {}),
    "hmnist_8_grey": ("hmnist", hmnist(8, colour=False), GREY),
    "cifar10": ("cifar10", cifar10, {}),
    "devanagari": ("devanagari", devanagari, {}),
    "arabic_digits": ("arabic_digits", arabic_digits, {}),
    "arabic_characters": ("arabic_characters", arabic_characters, {}),
    "optdigits": ("optdigits", optdigits, {}),
    "optdigits_with_header": ("optdigits_with_header", optdigits_mirror, {}),
    "semeion": ("semeion", semeion, {}),
    "openml": ("openml", openml, {}),
    "scikit_learn_digits": ("scikit_learn_digits", scikit_learn, {}),
    "kmnist": ("kmnist", idx_files("{}-images-idx3-ubyte", "{}-labels-idx1-ubyte"), {}),
    "qmnist": ("qmnist", idx_files("qmnist-{}-images-idx3-ubyte", "qmnist-{}-labels-idx2-int"), {}),
    "folder": ("folder", pictures, {}),
}


def test_every_example_is_tried():
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == {example for example, *_ in FORMS.values()}


def call(verb, **flags):
    """Call a verb as its rule does."""
    words = [verb]
    for name, value in flags.items():
        for one in value if isinstance(value, list) else [value]:
            text = json.dumps(one) if isinstance(one, dict) else str(one)
            words += [f"--{name.replace('_', '-')}", text] if one is not None else []
    assert main(words) == 0


def idx_bytes(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def tree_of(folder):
    return {str(path.relative_to(folder)): Image.open(path) for path in folder.rglob("*.png")}


def check_tree(folder, expected):
    """The tree has these pictures, pixel by pixel, and no other."""
    found = tree_of(folder)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(np.asarray(found[name]), image) for name, image in expected.items())


@pytest.mark.parametrize("name", FORMS)
def test_a_data_set_comes_out_exactly_right_with_the_lines_of_its_example(tmp_path, some, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    example, make, changes = FORMS[name]
    told = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text())
    told["data"] |= changes
    paths = ("source", "train_csv", "test_csv", "labels_csv", "folder")
    assert len({*told["data"]} - {*paths}) + ("submission" in told) <= 3
    Path("example.yaml").write_text(yaml.safe_dump(told))
    written = told["data"].get("folder") or Path(told["data"]["train_csv"]).parent
    folder = tmp_path / written
    folder.mkdir(parents=True)
    made = make(folder, *some)

    config = loading.load(["example.yaml"])
    data, reading = config["data"], inputs.reading(config["data"])
    train, test, _ = inputs.csv_paths(data)
    dimensions = made.images.ndim
    images, labels, names = f"train-images-idx{dimensions}-ubyte", "train-labels-idx1-ubyte", "classes.csv"
    label_file = inputs.labels_path(data) if data["source"] == "idx" else None
    call(
        "csv_to_idx",
        csv=train,
        images=images,
        labels=labels,
        classes=names,
        checksums="train.sfv",
        data=reading,
        labels_file=label_file,
    )
    right = made.images.astype(np.uint8)
    known = classes.in_natural_order(made.labels)
    index = {label: k for k, label in enumerate(known)}
    assert Path(images).read_bytes() == idx_bytes(right)
    indices = np.array([index[label] for label in made.labels], np.uint8)
    assert Path(labels).read_bytes() == idx_bytes(indices)
    assert Path(names).read_text().splitlines()[1:] == [f"{k},{label}" for k, label in enumerate(known)]

    lists = ["train.lst", "valid.lst"]
    call(
        "write_lst",
        images=images,
        labels=labels,
        classes=names,
        checksums="train.sfv",
        train_lst=lists[0],
        valid_lst=lists[1],
        list_checksums="lists.sfv",
        validation=config["validation"] | {"fraction": 0.5},  # of two rows per class, one
    )
    call(
        "idx_to_png",
        images=images,
        lists=lists,
        checksums=["train.sfv", "lists.sfv"],
        manifest="png/train.sfv",
        tree="png/train",
        labels=labels,
        classes=names,
    )
    numbered = enumerate(zip(made.labels, right, strict=True), start=1)
    check_tree(tmp_path / "png/train", {f"{label}/{row:03}.png": image for row, (label, image) in numbered})

    if made.test_images is None:
        assert test is None
        return
    test_images = f"test-images-idx{dimensions}-ubyte"
    call(
        "csv_to_idx",
        csv=test,
        images=test_images,
        ids="test-ids.csv",
        checksums="test.sfv",
        data=reading,
        like=train,
        submission=config["submission"],
    )
    right = made.test_images.astype(np.uint8)
    assert Path(test_images).read_bytes() == idx_bytes(right)
    call("write_test_lst", images=test_images, test_lst="test.lst", list_checksums="test-lists.sfv")
    call(
        "idx_to_png",
        images=test_images,
        lists="test.lst",
        checksums=["test.sfv", "test-lists.sfv"],
        manifest="png/test.sfv",
        tree="png/test",
    )
    check_tree(tmp_path / "png/test", {f"{row:02}.png": image for row, image in enumerate(right, start=1)})

    if made.solution is not None:
        call(
            "solution_to_idx",
            solution=inputs.csv_paths(data)[2] or test,
            images=test_images,
            classes=names,
            labels="test-labels",
            checksums="test-labels.sfv",
            kind="idx" if data["source"] == "idx" else "pixels",
            data=reading,
            submission=config["submission"],
            ids="test-ids.csv",
        )
        truth = np.array([index[label] for label in made.solution], np.uint8)
        assert Path("test-labels").read_bytes() == idx_bytes(truth)

    guesses = np.arange(len(right)) % len(known)
    np.save("test_probabilities.npy", np.eye(len(known), dtype=np.float32)[guesses])
    call(
        "submit_model",
        probabilities="test_probabilities.npy",
        classes=names,
        submission="submission.csv",
        form=config["submission"],
        ids="test-ids.csv",
    )
    ids = made.ids or [*map(str, range(1, len(right) + 1))]
    header = "id,label" if name == "kannada_mnist" else "ImageId,Label"
    rows = [f"{id_},{known[k]}" for id_, k in zip(ids, guesses, strict=True)]
    assert Path("submission.csv").read_text().splitlines() == [header, *rows]


def test_a_row_is_not_lost_where_there_is_no_header(tmp_path, some):
    made = a_z(tmp_path, *some)
    with open(tmp_path / "train.csv", newline="") as file:
        first = next(csv.reader(file))
    data = {"columns": {"label": 0}}
    assert (
        sources.convert_source(tmp_path / "train.csv", data, tmp_path / "images", tmp_path / "labels") == ROWS
    )
    assert flat(idx.read(tmp_path / "images"))[0] == [*map(int, first[1:])]
    assert len(made.labels) == ROWS
