import hashlib
import string

import numpy as np
import pytest

from digitflow.base.errors import InputError
from digitflow.dataset import mnist
from digitflow.dataset.sources import convert_source
from digitflow.formats import idx, labelscsv

OFFICIAL_MD5 = {
    "train-images": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels": "a25bea736e30d166cdddb491f175f624",
    "t10k-images": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels": "27ae3e4e09519cfbb04c329615203637",
}


def test_an_archive_with_another_hash_is_refused(tmp_path):
    archive = tmp_path / "mnist.pkl.gz"
    archive.write_bytes(b"something else")
    with pytest.raises(InputError, match=r"sha256 is .*, should be"):
        mnist.read_mnist(archive)


def test_a_written_csv_has_kaggles_header_and_rows(tmp_path):
    images = np.array([[0, 1, 255], [7, 0, 10]], dtype=np.uint8)
    mnist.write_csv(tmp_path / "train.csv", images, np.array([3, 9], dtype=np.uint8))
    mnist.write_csv(tmp_path / "test.csv", images, None)
    assert (tmp_path / "train.csv").read_bytes() == b"label,pixel0,pixel1,pixel2\n3,0,1,255\n9,7,0,10\n"
    assert (tmp_path / "test.csv").read_bytes() == b"pixel0,pixel1,pixel2\n0,1,255\n7,0,10\n"


def test_the_standard_layout_comes_back_as_the_official_idx_files(digits, tmp_path):
    images, labels = digits
    for name, rows in (("train", slice(0, 60_000)), ("t10k", slice(60_000, None))):
        mnist.write_csv(tmp_path / "a.csv", images[rows].reshape(-1, 784), labels[rows])
        convert_source(tmp_path / "a.csv", {}, tmp_path / "images", tmp_path / "labels")
        for kind in ("images", "labels"):
            md5 = hashlib.md5((tmp_path / kind).read_bytes()).hexdigest()
            assert md5 == OFFICIAL_MD5[f"{name}-{kind}"]


def test_the_kaggle_layout_has_all_images_once_and_a_solution_that_fits(digits, tmp_path, monkeypatch):
    images, labels = digits
    monkeypatch.setattr(mnist, "read_mnist", lambda _: (images.reshape(-1, 784), labels))  # read once already
    paths = [str(tmp_path / name) for name in ("train.csv", "test.csv", "solution.csv")]
    mnist.mnist_csv("archive", "kaggle", *paths)
    convert_source(paths[0], {}, tmp_path / "train", tmp_path / "train-labels")
    convert_source(paths[1], {}, tmp_path / "test")
    written = np.concatenate([idx.read(tmp_path / "train"), idx.read(tmp_path / "test")])
    truth = np.concatenate([idx.read(tmp_path / "train-labels"), labelscsv.read(paths[2], string.digits)])
    assert len(idx.read(tmp_path / "train")) == 42_000

    def sorted_rows(pixels, classes):
        rows = np.column_stack([pixels.reshape(70_000, -1), classes.astype(np.uint8)])
        return np.sort(np.ascontiguousarray(rows).view(f"S{rows.shape[1]}").ravel())

    np.testing.assert_array_equal(sorted_rows(written, truth), sorted_rows(images, labels))
