"""Other programs read from our IDX, PNG and .rec files the pixels and labels of real digits.

There is no 3 among the training digits: a reader that numbers the classes it meets would shift the others.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import idx2numpy
import numpy as np
import pytest
from mnist import MNIST
from PIL import Image

from digitflow.dataset import classes, lists, packing, views
from digitflow.dataset.mnist import write_csv
from digitflow.dataset.sources import convert_source
from digitflow.formats import lst

TRAIN, TEST, CLASSES, ABSENT, PARTS = 300, 120, 10, 3, 4
IMAGES, LABELS, TEST_IMAGES = "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "test-images-idx3-ubyte"

# Reads {name: [iterator, options]}; saves what each iterator gives, less what fills up its last batch.
ITERATE = """
import json, sys
import mxnet as mx
import numpy as np
for name, (kind, options) in json.loads(sys.argv[1]).items():
    iterator = getattr(mx.io, kind)(**options)
    batches = [
        [array.asnumpy()[: iterator.batch_size - batch.pad] for array in (batch.data[0], batch.label[0])]
        for batch in iterator
    ]
    np.savez(name, *map(np.concatenate, zip(*batches)))
"""


@dataclass
class Dataset:
    """The digits, and the folder of the files made from them."""

    folder: Path
    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray

    def train_png(self, row: int) -> Path:
        return self.folder / f"png/train/{self.labels[row]}/{row + 1:03}.png"

    def test_png(self, row: int) -> Path:
        return self.folder / f"png/test/{row + 1:03}.png"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, digits) -> Dataset:
    folder = tmp_path_factory.mktemp("consumers")
    images, labels = digits
    rows = np.flatnonzero(labels != ABSENT)[:TRAIN]
    data = Dataset(folder, images[rows], labels[rows], images[60_000:][:TEST])
    write_csv(folder / "train.csv", data.images.reshape(TRAIN, -1), data.labels)
    write_csv(folder / "test.csv", data.test_images.reshape(TEST, -1), None)
    convert_source(folder / "train.csv", {"classes": CLASSES}, folder / IMAGES, folder / LABELS)
    convert_source(folder / "test.csv", {}, folder / TEST_IMAGES)
    names = [str(label) for label in range(CLASSES)]
    paths = {name: folder / f"{name}.lst" for name in ("train", "valid", "test")}
    labelled = lists.of_rows("train", TRAIN, data.labels, names)
    lists.write_split(labelled, paths["train"], paths["valid"], names, fraction=0.1, seed=0)
    lst.write(paths["test"], lists.of_rows("test", TEST))
    sources = {"train": IMAGES, "valid": IMAGES, "test": TEST_IMAGES}
    for name, path in paths.items():
        listing, source = lst.read(path), folder / sources[name]
        packing.pack(path.with_suffix(".rec"), path.with_suffix(".idx"), listing, source)
    classes.write(folder / "classes.csv", names)
    png, (train, valid, test) = folder / "png", paths.values()
    facts = folder / LABELS, folder / "classes.csv"
    views.update_from_lists(folder / IMAGES, png / "train", png / "train.sfv", [train, valid], *facts)
    views.update_from_lists(folder / TEST_IMAGES, png / "test", png / "test.sfv", [test])
    return data


@pytest.fixture(scope="module")
def mxnet_read(dataset, mxnet_python) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pixels and labels by the name of a run; one process, for the import is most of the work."""
    idx_files = {"image": IMAGES, "label": LABELS, "silent": True}
    record_options = {"data_shape": (1, 28, 28), "batch_size": 16}
    runs = {
        "in order": ["MNISTIter", idx_files | {"batch_size": 64, "shuffle": False}],
        "shuffled, flat": ["MNISTIter", idx_files | {"batch_size": 100, "flat": True}],
        "validation": ["ImageRecordIter", record_options | {"path_imgrec": "valid.rec"}],
    }
    for part in range(PARTS):
        options = record_options | {"path_imgrec": "train.rec", "num_parts": PARTS, "part_index": part}
        runs[f"bytes {part}"] = ["ImageRecordIter", options]
        runs[f"index {part}"] = ["ImageRecordIter", options | {"path_imgidx": "train.idx"}]
    command = [mxnet_python, "-c", ITERATE, json.dumps(runs)]
    done = subprocess.run(command, cwd=dataset.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: tuple(np.load(dataset.folder / f"{name}.npz").values()) for name in runs}


def pairs(images: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
    """Each image's bytes and its label: to compare what two readers give in any order."""
    return sorted((image.astype(np.uint8).tobytes(), int(k)) for image, k in zip(images, labels, strict=True))


@pytest.mark.parametrize("split_by", ["bytes", "index"])  # without and with path_imgidx
def test_the_parts_of_a_record_file_give_every_record_exactly_once(dataset, mxnet_read, split_by):
    parts = [mxnet_read[f"{split_by} {part}"] for part in range(PARTS)]
    assert min(len(labels) for _, labels in parts) > 50  # a quarter of 270 is 67
    pixels, labels = map(np.concatenate, zip(*parts, mxnet_read["validation"], strict=True))
    assert pairs(pixels, labels) == pairs(dataset.images, dataset.labels)


def test_mnist_iter_reads_whole_batches_in_order_scaled_by_256(dataset, mxnet_read):
    """It drops the rows that do not fill a batch: 300 make four batches of 64."""
    pixels, labels = mxnet_read["in order"]
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels[:, 0] * 256, dataset.images[:256])
    assert np.array_equal(labels, dataset.labels[:256])


def test_mnist_iter_shuffles_by_default_and_gives_rows_of_784_when_flat(dataset, mxnet_read):
    pixels, labels = mxnet_read["shuffled, flat"]
    assert pixels.shape == (TRAIN, 784)
    assert not np.array_equal(labels, dataset.labels)
    assert pairs(pixels * 256, labels) == pairs(dataset.images.reshape(TRAIN, 784), dataset.labels)


def load_with_keras(tree: Path, **options) -> tuple:
    """All that Keras makes of a tree as one batch, and the names of the files in its order."""
    import keras

    options |= {"color_mode": "grayscale", "image_size": (28, 28), "shuffle": False, "batch_size": TRAIN}
    loaded = keras.utils.image_dataset_from_directory(tree, **options)
    return next(loaded.as_numpy_iterator()), loaded.file_paths


def test_keras_reads_the_training_tree_class_by_class_and_in_each_by_row(dataset):
    (images, labels), files = load_with_keras(dataset.folder / "png/train", label_mode="int")
    order = np.argsort(dataset.labels, kind="stable")
    assert files == [str(dataset.train_png(row)) for row in order]
    assert np.array_equal(labels, dataset.labels[order])
    assert np.array_equal(images[..., 0], dataset.images[order])


def test_keras_reads_the_test_tree_in_the_order_of_the_csv(dataset):
    images, files = load_with_keras(dataset.folder / "png/test", labels=None)
    assert files == [str(dataset.test_png(row)) for row in range(TEST)]
    assert np.array_equal(images[..., 0], dataset.test_images)


def test_pillow_and_opencv_read_the_png_files_as_8_bit_grey(dataset):
    expected = {dataset.train_png(row): image for row, image in enumerate(dataset.images)}
    expected |= {dataset.test_png(row): image for row, image in enumerate(dataset.test_images)}
    assert sorted(expected) == sorted(dataset.folder.glob("png/**/*.png"))
    for path, image in expected.items():
        with Image.open(path) as opened:
            assert (opened.format, opened.mode) == ("PNG", "L")
            assert np.array_equal(np.asarray(opened), image)
        assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), image)


@pytest.mark.parametrize(
    ("name", "array"), [(IMAGES, "images"), (LABELS, "labels"), (TEST_IMAGES, "test_images")]
)
def test_idx2numpy_reads_every_idx_file(dataset, name, array):
    found = idx2numpy.convert_from_file(str(dataset.folder / name))
    assert found.dtype == np.uint8
    assert np.array_equal(found, getattr(dataset, array))


def test_python_mnist_finds_the_training_files_by_their_official_names(dataset):
    images, labels = MNIST(str(dataset.folder)).load_training()
    assert np.array_equal(images, dataset.images.reshape(TRAIN, 784))
    assert np.array_equal(labels, dataset.labels)


# The first training image of MNIST, a 5: which blocks of 4 x 4 pixels hold one above 127.
FIVE = """
.......
..####.
..###..
...##..
...##..
.####..
.##....
"""


def test_the_first_digit_is_an_upright_5_for_every_reader(dataset, mxnet_read):
    """Compared with a drawing, not with our own arrays: those could be turned as the files are."""
    drawn = np.array([list(line) for line in FIVE.split()]) == "#"
    turned = [np.rot90(way, turns) for way in (drawn, drawn.T) for turns in range(4)]
    assert len({way.tobytes() for way in turned}) == 8  # it differs from all its turns and reflections
    assert lst.read(dataset.folder / "valid.lst").index[0] == 1  # where this seed puts the first digit
    readers = {
        "Pillow": np.asarray(Image.open(dataset.folder / "png/train/5/001.png")),
        "idx2numpy": idx2numpy.convert_from_file(str(dataset.folder / IMAGES))[0],
        "MNISTIter": mxnet_read["in order"][0][0, 0] * 256,
        "ImageRecordIter": mxnet_read["validation"][0][0, 0],
    }
    for reader, image in readers.items():
        assert np.array_equal(image.reshape(7, 4, 7, 4).max(axis=(1, 3)) > 127, drawn), reader
