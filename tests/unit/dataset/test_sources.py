"""Folders of PNG files and IDX files as sources: what came out goes in again as the same images."""

import gzip
import zipfile

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.conftest import PROJECT

from digitflow.base.errors import DigitflowError, InputError
from digitflow.dataset import classes, conversion, sources
from digitflow.formats import idx, labelscsv, png


@pytest.fixture
def folder(digits, tmp_path):
    """Forty real digits as IDX files and as trees of PNG files."""
    images, labels = digits
    idx.write(tmp_path / "train-images-idx3-ubyte", images[:40])
    idx.write(tmp_path / "train-labels-idx1-ubyte", labels[:40])
    png.write_tree(
        tmp_path / "train-images-idx3-ubyte", tmp_path / "png/train", tmp_path / "train-labels-idx1-ubyte", 10
    )
    png.write_tree(tmp_path / "train-images-idx3-ubyte", tmp_path / "png/test")
    return tmp_path


def converted(source, folder):
    out = folder / "out"
    conversion.to_idx(source, {}, out / "images", out / "labels", out / "classes.csv", out / "ids.csv")
    return idx.read(out / "images"), idx.read(out / "labels"), classes.read(out / "classes.csv")


def test_a_tree_goes_in_again_in_the_order_of_its_paths(folder, digits):
    images, labels = (part[:40] for part in digits)
    order = np.lexsort([np.arange(40), labels])
    found, indices, names = converted(sources.read_folder(folder / "png/train", labelled=True), folder)
    assert np.array_equal(found, images[order])
    assert np.array_equal(np.array(names)[indices], labels[order].astype(str))


def test_test_images_have_the_names_of_their_files_as_ids(folder, digits):
    source = sources.read_folder(folder / "png/test", labelled=False)
    conversion.to_idx(source, {}, folder / "images", ids=folder / "ids.csv")
    assert (folder / "images").read_bytes() == (folder / "train-images-idx3-ubyte").read_bytes()
    assert labelscsv.read_ids(folder / "ids.csv", 40) == [f"{k:02}" for k in range(1, 41)]


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_go_in_again_packed_or_not(folder, packed):
    before = {path.name: path.read_bytes() for path in folder.glob("*ubyte")}
    for name, data in before.items() if packed else ():
        (folder / name).unlink()
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
    source = sources.read_idx(*sources.find_idx(folder, "train"))
    converted(source, folder)
    assert (folder / "out/images").read_bytes() == before["train-images-idx3-ubyte"]
    assert (folder / "out/labels").read_bytes() == before["train-labels-idx1-ubyte"]


def test_labels_are_called_as_the_classes_say(folder):
    names = [*"abcdefghij"]
    source = sources.read_idx(*sources.find_idx(folder, "train"), names)
    assert converted(source, folder)[2] == names


def test_colours_and_odd_labels_come_back_from_a_folder(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    for name in classes.folder_names(["a/b", ""]):
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "train" / name / "1.png")
    (tmp_path / "train" / ".DS_Store").write_bytes(b"left by a system")
    found, indices, names = converted(sources.read_folder(tmp_path / "train", labelled=True), tmp_path)
    assert found.shape == (2, 5, 7, 3)
    assert np.array_equal(found[0], image)
    assert {names[index] for index in indices} == {"a/b", ""}


def test_labels_of_qmnist_are_the_first_of_eight_numbers(folder, digits):
    table = np.zeros((40, 8), np.int32)
    table[:, 0] = digits[1][:40]
    idx.write(folder / "qmnist", table)
    [block] = sources.read_idx(folder / "train-images-idx3-ubyte", folder / "qmnist").blocks
    assert block.labels == [str(label) for label in digits[1][:40]]


def save(image, path):
    Image.fromarray(image).save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tree: (tree / "3/notes.txt").write_text("x"), "3/notes.txt: "),
        (lambda tree: (tree / "a.png").write_bytes(b""), "a.png: "),
        (lambda tree: (tree / "3/a.png").write_bytes(b"\x89PNG\r\n\x1a\n"), "3/a.png: not a whole PNG file"),
        (lambda tree: save(np.zeros((28, 28), np.uint16), tree / "3/a.png"), "Pillow's mode I;16"),
        (lambda tree: save(np.zeros((28, 28, 4), np.uint8), tree / "3/a.png"), "mogrify -colorspace Gray"),
        (lambda tree: save(np.zeros((28, 27), np.uint8), tree / "3/a.png"), r"3/a.png: shape \(28, 27\)"),
    ],
)
def test_what_is_no_picture_of_the_data_set_is_named(folder, spoil, message):
    spoil(folder / "png/train")
    with pytest.raises(InputError, match=message):
        converted(sources.read_folder(folder / "png/train", labelled=True), folder)
    assert not any((folder / "out").glob("*"))


def test_files_that_do_not_fit_or_are_not_there_are_named(folder):
    idx.write(folder / "few", np.zeros(3, np.uint8))
    with pytest.raises(InputError, match=r"few: 3 labels, .* has 40 images"):
        sources.read_idx(folder / "train-images-idx3-ubyte", folder / "few")
    with pytest.raises(InputError, match=r"no test-images-idx3-ubyte\[.gz\]"):
        sources.find_idx(folder, "test")
    with pytest.raises(InputError, match="no such folder"):
        sources.read_folder(folder / "nowhere", labelled=True)
    damaged = (folder / "train-images-idx3-ubyte").read_bytes()[:-1]
    (folder / "cut.gz").write_bytes(gzip.compress(damaged))
    with pytest.raises(DigitflowError, match=r"cut\.gz: truncated"):
        sources.read_idx(folder / "cut.gz")


def test_the_examples_of_a_folder_and_of_idx_files_lead_to_the_images(folder, digits, monkeypatch):
    examples = [
        yaml.safe_load((PROJECT / f"config/examples/{name}.yaml").read_text())
        for name in ("folder", "kmnist")
    ]
    pictures, kmnist = (example["data"]["folder"] for example in examples)
    monkeypatch.chdir(folder)
    (folder / "data").mkdir()
    (folder / pictures).symlink_to(folder / "png")
    (folder / kmnist).symlink_to(folder)
    found, *_ = converted(sources.read_folder(f"{pictures}/train", labelled=True), folder)
    assert len(found) == 40
    found, *_ = converted(sources.read_idx(*sources.find_idx(kmnist, "train")), folder)
    assert np.array_equal(found, digits[0][:40])


def test_a_competitions_file_is_found_plain_or_in_an_archive(tmp_path):
    assert sources.find_csv(tmp_path, "train.csv") == tmp_path / "train.csv"
    with zipfile.ZipFile(tmp_path / "digit-recognizer.zip", "w") as archive:
        archive.writestr("train.csv", "label,pixel0\n7,3\n")
        archive.writestr("sample_submission.csv", "ImageId,Label\n1,0\n2,0\n")
    path = sources.find_csv(tmp_path, "train.csv")
    assert path == tmp_path / "digit-recognizer.zip" / "train.csv"
    assert conversion.csv_to_idx(path, {}, tmp_path / "images", tmp_path / "labels") == 1
    assert labelscsv.read_sample(sources.find_csv(tmp_path, "sample_submission.csv")).ids == ["1", "2"]
    (tmp_path / "train.csv").touch()
    assert sources.find_csv(tmp_path, "train.csv") == tmp_path / "train.csv"
