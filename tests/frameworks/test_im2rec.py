"""Lists and RecordIO files beside those of MXNet's im2rec.py, and what ImageRecordIter reads."""

import subprocess

import numpy as np
import pytest

from digitflow.dataset import lists, packing
from digitflow.formats import idx, lst, png

ROWS, NAMES = 300, "0123456789"

# Reads <name>.rec in order and without augmentation; saves pixels and labels. The iterator wants more images
# than a batch holds; it fills the last batch from the start and says in `pad` how far.
ITERATE = """
import sys
import mxnet as mx
import numpy as np
size = 16
for name in sys.argv[1:]:
    iterator = mx.io.ImageRecordIter(
        path_imgrec=name + ".rec", path_imgidx=name + ".idx", data_shape=(1, 28, 28), batch_size=size
    )
    batches = [
        [array.asnumpy()[: size - batch.pad] for array in (batch.data[0], batch.label[0])]
        for batch in iterator
    ]
    np.savez(name + ".npz", *map(np.concatenate, zip(*batches)))
"""


def blobs():
    """Images that compress like digits, dark with bright blobs, uint8 (n, 28, 28), and labels, uint8 (n,)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28]
    centres = rng.uniform(6, 22, (ROWS, 3, 2, 1, 1))
    distance = ((y - centres[:, :, 0]) ** 2 + (x - centres[:, :, 1]) ** 2).min(axis=1)
    return np.clip(300 - 22 * distance, 0, 255).astype(np.uint8), rng.integers(0, len(NAMES), ROWS, np.uint8)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, mxnet_python):
    """A folder: trees, lists, our .rec in `ours/`, im2rec.py's in `theirs/`, what MXNet reads from ours."""
    folder = tmp_path_factory.mktemp("im2rec")
    images, labels = blobs()
    idx.write(folder / "images", images)
    labelled, unlabelled = lists.of_rows("train", ROWS, labels, NAMES), lists.of_rows("test", ROWS)
    for listing in (labelled, unlabelled):
        write_tree(folder / "png", listing, images)
    names = ["train", "valid", "test", "part_0", "part_1", "part_2"]
    ours, theirs = folder / "ours", folder / "theirs"
    lists.write_split(labelled, ours / "train.lst", ours / "valid.lst", NAMES, 0.1, seed=0)
    lst.write(ours / "test.lst", unlabelled)
    for k in range(3):
        lst.write(ours / f"part_{k}.lst", lst.shard(lst.read(ours / "train.lst"), k, 3))
    for name in names:
        listing = lst.read(ours / f"{name}.lst")
        packing.pack(ours / f"{name}.rec", ours / f"{name}.idx", listing, folder / "images")
        lst.write(theirs / f"{name}.lst", listing)
    run(mxnet_python, "-m", "mxnet.tools.im2rec", "--pass-through", theirs, folder / "png")
    listed = theirs / "listed", folder / "png/train"
    run(mxnet_python, "-m", "mxnet.tools.im2rec", "--list", "--recursive", "--no-shuffle", *listed)
    run(mxnet_python, "-c", ITERATE, *(ours / name for name in names))
    return folder


def write_tree(root, listing, images):
    """The PNG files of a listing at their paths: what im2rec.py reads."""
    for path, data in zip(listing.path, png.encode(images), strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["rec", "idx"])
@pytest.mark.parametrize("name", ["train", "valid", "test", "part_0", "part_1", "part_2"])
def test_files_are_byte_for_byte_those_of_im2rec(dataset, name, kind):
    ours = (dataset / "ours" / f"{name}.{kind}").read_bytes()
    assert len(ours) > 0
    assert ours == (dataset / "theirs" / f"{name}.{kind}").read_bytes()


def test_parts_together_are_the_whole(dataset):
    parts = b"".join((dataset / "ours" / f"part_{k}.rec").read_bytes() for k in range(3))
    assert parts == (dataset / "ours" / "train.rec").read_bytes()


def test_label_columns_are_written_as_im2rec_writes_them(dataset):
    """Its index counts files from 0 and ours is the CSV row: only label and path can be the same."""
    theirs = (dataset / "theirs" / "listed.lst").read_text().splitlines()
    lst.write(dataset / "all.lst", lists.of_rows("train", ROWS, blobs()[1], NAMES))
    ours = (dataset / "all.lst").read_text().replace("train/", "").splitlines()
    assert {line.split("\t", 1)[1] for line in ours} == {line.split("\t", 1)[1] for line in theirs}


@pytest.mark.parametrize("name", ["train", "valid", "test", "part_1"])
def test_mxnet_reads_the_pixels_and_labels_of_the_csv(dataset, name):
    images, labels = blobs()
    rows = lst.read(dataset / "ours" / f"{name}.lst").index
    with np.load(dataset / "ours" / f"{name}.npz") as read:
        pixels, read_labels = (read[key] for key in read.files)
    assert np.array_equal(pixels[:, 0], images[rows - 1])  # 0 to 255: nothing is scaled unless asked for
    assert np.array_equal(read_labels, np.zeros(len(rows)) if name == "test" else labels[rows - 1])
