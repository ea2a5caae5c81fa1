"""Well-known data sets in the forms that they are passed around in, made from real digits: read as they come.

Each example of config/examples is read, and the file of its form must give exactly the images, labels and ids
that went into it.
"""

import csv
import string

import numpy as np
import pytest
import yaml
from tests.conftest import PROJECT

from digitflow.dataset import classes, conversion
from digitflow.formats import idx, labelscsv

EXAMPLES = PROJECT / "config" / "examples"
ROWS = 120
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
    """Digits of `side` x `side` pixels from 0 to `top`: means of what lies beneath, as optdigits has them."""
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


def emnist_letters(folder, images, labels, test, test_labels):
    for name, some_images, some_labels in (("train", images, labels), ("test", test, test_labels)):
        write_lines(folder / f"{name}.csv", None, table(some_labels + 17, flat(some_images.swapaxes(1, 2))))
    return Made(folder, images, (labels + 17).astype(str), test, None, (test_labels + 17).astype(str))


def hmnist(folder, images, labels, test, test_labels):
    rgb = coloured(images, labels)
    header = [*pixel_names(2352, form="pixel{:04}"), "label"]
    write_lines(folder / "train.csv", header, table(labels % 7, flat(rgb), last=True))
    return Made(folder, rgb, (labels % 7).astype(str))


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


FORMS = {
    "digit_recognizer": digit_recognizer,
    "fashion_mnist": fashion,
    "sign_language_mnist": sign,
    "mnist_in_csv": mnist_in_csv,
    "kannada_mnist": kannada,
    "a_z_alphabets": a_z,
    "emnist_letters": emnist_letters,
    "hmnist": hmnist,
    "devanagari": devanagari,
    "arabic_digits": arabic_digits,
    "optdigits": optdigits,
    "optdigits_with_header": optdigits_mirror,
    "semeion": semeion,
    "openml": openml,
    "scikit_learn_digits": scikit_learn,
}


def test_every_example_is_tried():
    tried_elsewhere = {"folder", "kmnist", "qmnist", "emnist_idx"}  # with the sources that they name
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == {*FORMS} | tried_elsewhere


@pytest.mark.parametrize("name", FORMS)
def test_a_data_set_is_read_with_the_lines_of_its_example(tmp_path, some, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / name
    folder.mkdir(parents=True)
    made = FORMS[name](folder, *some)
    config = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    data = config["data"]
    told = {key for key in data if key not in ("source", "train_csv", "test_csv", "labels_csv")}
    assert len(told) + ("submission" in config) <= 3
    conversion.csv_to_idx(data["train_csv"], data, "images", "labels", "classes.csv")
    assert np.array_equal(idx.read("images"), made.images)
    names = np.array(classes.read("classes.csv"))
    assert names.tolist() == classes.in_natural_order(made.labels)
    assert np.array_equal(names[idx.read("labels")], made.labels)
    if made.test_images is None:
        assert data.get("test_csv") is None
        return
    solution = None if made.solution is None else "solution.csv"
    conversion.csv_to_idx(data["test_csv"], data, "test-images", ids="ids.csv", solution=solution)
    assert np.array_equal(idx.read("test-images"), made.test_images)
    ids = labelscsv.read_ids("ids.csv", len(made.test_images))
    assert ids == made.ids
    if solution:
        truth = labelscsv.read(solution, names.tolist(), ids=ids)
        assert np.array_equal(names[truth], made.solution)
    rows = len(made.test_images)
    form = labelscsv.submission_form(config.get("submission", {}), rows, ids, data["test_csv"])
    assert form.ids == (ids or [*map(str, range(1, rows + 1))])
    assert form.header == (("id", "label") if name == "kannada_mnist" else ("ImageId", "Label"))


def test_a_row_is_not_lost_where_there_is_no_header(tmp_path, some):
    made = a_z(tmp_path, *some)
    with open(tmp_path / "train.csv", newline="") as file:
        first = next(csv.reader(file))
    data = {"columns": {"label": 0}}
    assert (
        conversion.csv_to_idx(tmp_path / "train.csv", data, tmp_path / "images", tmp_path / "labels") == ROWS
    )
    assert flat(idx.read(tmp_path / "images"))[0] == [*map(int, first[1:])]
    assert len(made.labels) == ROWS
