"""Folders of PNG files and IDX files as sources: what was written is read back as the same images."""

import gzip
import os
import zipfile

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.conftest import PROJECT

from digitflow.base.errors import DigitflowError, InputError
from digitflow.dataset import classes, conversion, locations, sources, testset
from digitflow.dataset.views import update_tree
from digitflow.formats import idx, labelscsv


@pytest.fixture
def folder(digits, tmp_path):
    """Forty real digits as IDX files and as trees of PNG files."""
    images, labels = digits
    idx.write(tmp_path / "train-images-idx3-ubyte", images[:40])
    idx.write(tmp_path / "train-labels-idx1-ubyte", labels[:40])
    some, trees, given = tmp_path / "train-images-idx3-ubyte", tmp_path / "png", labels[:40]
    update_tree(some, trees / "train", trees / "train.sfv", None, given, given, [*"0123456789"])
    update_tree(some, trees / "test", trees / "test.sfv")
    return tmp_path


def converted(source, folder):
    out = folder / "out"
    conversion.to_idx(source, {}, out / "images", out / "labels", out / "classes.csv", out / "ids.csv")
    return idx.read(out / "images"), idx.read(out / "labels"), classes.read(out / "classes.csv")


def test_a_tree_goes_in_again_in_the_order_of_its_paths(folder, digits):
    images, labels = (part[:40] for part in digits)
    order = np.lexsort([np.arange(40), labels])
    found, indices, names = converted(sources.read_pictures(folder / "png/train", labelled=True), folder)
    assert np.array_equal(found, images[order])
    assert np.array_equal(np.array(names)[indices], labels[order].astype(str))


def test_test_images_have_the_names_of_their_files_as_ids(folder, digits):
    source = sources.read_pictures(folder / "png/test", labelled=False)
    conversion.to_idx(source, {}, folder / "images", ids=folder / "ids.csv")
    assert (folder / "images").read_bytes() == (folder / "train-images-idx3-ubyte").read_bytes()
    assert labelscsv.read_ids(folder / "ids.csv", 40) == [f"{k:02}" for k in range(1, 41)]


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_go_in_again_packed_or_not(folder, packed):
    before = {path.name: path.read_bytes() for path in folder.glob("*ubyte")}
    for name, data in before.items() if packed else ():
        (folder / name).unlink()
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
    source = sources.read_idx(*locations.find_idx(folder, "train"))
    converted(source, folder)
    assert (folder / "out/images").read_bytes() == before["train-images-idx3-ubyte"]
    assert (folder / "out/labels").read_bytes() == before["train-labels-idx1-ubyte"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["idx", "folder"])
def test_large_images_are_read_a_few_at_a_time_each_with_its_label(folder, digits, monkeypatch, kind, packed):
    if packed:
        for path in folder.glob("*ubyte"):
            path.write_bytes(gzip.compress(path.read_bytes()))
    path, labels = locations.find_idx(folder, "train") if kind == "idx" else (folder / "png/train", None)
    whole = [*sources.open_source(path, {"source": kind}, True, labels).blocks]
    assert [len(block.images) for block in whole] == [40]
    monkeypatch.setattr(idx, "BLOCK_BYTES", 15 * 784)
    parts = [*sources.open_source(path, {"source": kind}, True, labels).blocks]
    assert [len(block.images) for block in parts] == [15, 15, 10]
    assert np.array_equal(np.concatenate([block.images for block in parts]), whole[0].images)
    assert [label for block in parts for label in block.labels] == whole[0].labels


def read(kind, folder, **told):
    """What the rule reads of the folder's IDX files, or of its pictures, with these keys under data:."""
    path, labels = locations.find_idx(folder, "train") if kind == "idx" else (folder / "png/train", None)
    source = sources.open_source(path, {"source": kind, **told}, True, labels)
    return converted(source, folder)[0]


@pytest.mark.parametrize("train", [True, False])
def test_idx_files_without_images_are_named_and_nothing_is_written(folder, train):
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    idx.write(images, np.empty((0, 28, 28), np.uint8))
    idx.write(labels, np.empty(0, np.uint8))
    out, source = folder / "out", sources.read_idx(images, labels if train else None)
    with pytest.raises(InputError, match=r"images-idx3-ubyte: no images: one at least is needed"):
        conversion.to_idx(source, {}, out / "images", out / "labels" if train else None, ids=out / "ids.csv")
    assert not any(out.glob("*"))


@pytest.mark.parametrize("kind", ["idx", "folder"])
def test_images_that_lie_on_their_side_are_turned_upright(tmp_path, digits, kind):
    upright = digits[0][:3, :, 4:]
    idx.write(tmp_path / "train-images-idx3-ubyte", upright.swapaxes(1, 2))
    idx.write(tmp_path / "train-labels-idx1-ubyte", np.arange(3, dtype=np.uint8))
    for label, image in enumerate(upright.swapaxes(1, 2)):
        (tmp_path / f"png/train/{label}").mkdir(parents=True)
        Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / f"png/train/{label}/1.png")
    assert np.array_equal(read(kind, tmp_path, image={"transpose": True}), upright)


@pytest.mark.parametrize("kind", ["idx", "folder"])
@pytest.mark.parametrize("end", [1, 16])
def test_numbers_that_end_at_1_or_16_stop_until_it_is_said_what_they_mean(tmp_path, digits, kind, end):
    small = np.rint(digits[0][:3] * (end / 255)).astype(np.uint8)
    idx.write(tmp_path / "train-images-idx3-ubyte", small)
    idx.write(tmp_path / "train-labels-idx1-ubyte", np.arange(3, dtype=np.uint8))
    for label, image in enumerate(small):
        (tmp_path / f"png/train/{label}").mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / f"png/train/{label}/1.png")
    with pytest.raises(
        InputError, match=rf"numbers up to {end}, .* white, write values: {{from: 0, to: {end}}} under data:"
    ):
        read(kind, tmp_path)
    assert not any((tmp_path / "out").glob("*"))
    found = read(kind, tmp_path, values={"from": 0, "to": end})
    assert np.array_equal(found, np.rint(small * (255 / end)))
    assert np.array_equal(read(kind, tmp_path, values={"from": 0, "to": 255}), small)


def test_a_pixel_beyond_the_values_is_named_with_its_image(folder):
    data = {"values": {"from": 0, "to": 16}}
    message = (
        r"idx3-ubyte, image 1: \d+ is not a number from 0 to 16, the range in data.values for all images"
    )
    with pytest.raises(InputError, match=f"{message}: write there what their numbers mean"):
        read("idx", folder, **data)
    for part, way in (("train", "write there what"), ("test", "rescale these images to it")):
        images = sources.read_idx(folder / "train-images-idx3-ubyte")
        with pytest.raises(InputError, match=f"{message}: {way}"):
            [*sources.as_told(images, data, train=part == "train").blocks]


def test_labels_are_called_as_the_classes_say(folder):
    names = [*"abcdefghij"]
    classes.write(folder / "classes.csv", names)
    source = sources.read_idx(*locations.find_idx(folder, "train"))
    assert converted(source, folder)[2] == names


def test_classes_beside_idx_files_are_labels_as_in_a_csv(folder):
    """Without needless zeros and blanks, so that corrections and submissions can say them."""
    images, labels = locations.find_idx(folder, "train")
    names = ["07", " b", *"cdefghi", "10.0"]
    classes.write(folder / "classes.csv", names)
    found = converted(sources.read_idx(images, labels), folder)[2]
    assert found == ["7", "10", "b", *"cdefghi"]  # numbers come first
    classes.write(folder / "classes.csv", ["7", "07", *"cdefghij"])
    message = r"the classes\.csv beside it, '7' and '07' both mean the label 7; give"
    with pytest.raises(InputError, match=message):
        sources.read_idx(images, labels)
    classes.write(folder / "classes.csv", names[:9])
    with pytest.raises(InputError, match=r"ubyte: label 9, but the classes\.csv beside it has 9 classes"):
        sources.read_idx(images, labels)


def test_pictures_of_other_formats_in_folders_of_labels_are_to_be_converted(tmp_path):
    (tmp_path / "train" / "7").mkdir(parents=True)
    Image.new("L", (5, 5)).save(tmp_path / "train" / "7" / "a.jpg")
    with pytest.raises(InputError, match=r"7/a\.jpg: no PNG file; convert all .*: mogrify -format png FILE"):
        sources.read_pictures(tmp_path / "train", labelled=True)


def test_colours_and_odd_labels_come_back_from_a_folder(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    for name in classes.folder_names(["a/b", ""]):
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "train" / name / "1.png")
    (tmp_path / "train" / ".DS_Store").write_bytes(b"left by a system")
    found, indices, names = converted(sources.read_pictures(tmp_path / "train", labelled=True), tmp_path)
    assert found.shape == (2, 5, 7, 3)
    assert np.array_equal(found[0], image)
    assert {names[index] for index in indices} == {"a/b", ""}


@pytest.mark.parametrize("packed", [False, True])
def test_qmnist_is_read_under_its_published_names(tmp_path, digits, packed):
    images, labels = digits
    for part, rows in (("train", slice(40)), ("test", slice(40, 60))):
        table = np.random.default_rng(0).integers(0, 4000, (len(labels[rows]), 8)).astype(np.int32)
        table[:, 0] = labels[rows]  # then the writer, the class of NIST and so on
        idx.write(tmp_path / f"qmnist-{part}-images-idx3-ubyte", images[rows])
        idx.write(tmp_path / f"qmnist-{part}-labels-idx2-int", table)
    assert (tmp_path / "qmnist-train-labels-idx2-int").read_bytes()[:12] == bytes.fromhex(
        "00000c020000002800000008"
    )
    for path in [*tmp_path.iterdir()] if packed else ():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert locations.idx_files(tmp_path, "test", "images")
    path, labels_file = locations.find_idx(tmp_path, "train")
    found, indices, names = converted(
        sources.open_source(path, {"source": "idx"}, True, labels_file), tmp_path
    )
    assert np.array_equal(found, images[:40])
    assert np.array_equal(np.array(names)[indices], labels[:40].astype(str))
    path, solution = locations.find_idx(tmp_path, "test")
    out = tmp_path / "out"
    sources.convert_source(path, {"source": "idx"}, out / "test-images", ids=out / "test-ids.csv")
    testset.write_solution(
        out / "test-labels", solution, out / "test-images", out / "classes.csv", kind="idx"
    )
    assert np.array_equal(idx.read(out / "test-images"), images[40:60])
    assert np.array_equal(idx.read(out / "test-labels"), labels[40:60])


def test_of_several_parts_of_a_data_set_one_is_asked_for(tmp_path):
    for part in ("letters", "balanced"):
        (tmp_path / f"emnist-{part}-train-images-idx3-ubyte.gz").touch()
        (tmp_path / f"._emnist-{part}-train-labels-idx1-ubyte.gz").touch()  # left by a system
    with pytest.raises(InputError, match=r"emnist-balanced-.*gz and emnist-letters-.*gz: keep one of them"):
        locations.find_idx(tmp_path, "train")
    next(tmp_path.glob("emnist-letters*")).unlink()
    with pytest.raises(InputError, match="no train-labels-idx1-ubyte"):
        locations.find_idx(tmp_path, "train")


def save(image, path):
    Image.fromarray(image).save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tree: (tree / "3/notes.txt").write_text("x"), "3/notes.txt: "),
        (lambda tree: (tree / "a.png").write_bytes(b""), "a.png: "),
        (lambda tree: (tree / "3/a.png").write_bytes(b"\x89PNG\r\n\x1a\n"), "3/a.png: not a whole PNG file"),
        (lambda tree: save(np.zeros((28, 28), np.uint16), tree / "3/a.png"), "Pillow's mode I;16"),
        (
            lambda tree: save(np.zeros((28, 28, 4), np.uint8), tree / "3/a.png"),
            "mogrify -alpha remove -depth 8 -define png:color-type=0 FILE, or =2 for colour",
        ),
        (lambda tree: save(np.zeros((28, 27), np.uint8), tree / "3/a.png"), "3/a.png: 28 x 27 images, but "),
    ],
)
def test_what_is_no_picture_of_the_data_set_is_named(folder, spoil, message):
    spoil(folder / "png/train")
    with pytest.raises(InputError, match=message):
        converted(sources.read_pictures(folder / "png/train", labelled=True), folder)
    assert not any((folder / "out").glob("*"))


def test_files_that_do_not_fit_or_are_not_there_are_named(folder):
    idx.write(folder / "few", np.zeros(3, np.uint8))
    with pytest.raises(InputError, match=r"few: 3 labels, .* has 40 images"):
        sources.read_idx(folder / "train-images-idx3-ubyte", folder / "few")
    with pytest.raises(InputError, match=r"no test-images-idx3-ubyte\[.gz\]"):
        locations.find_idx(folder, "test")
    with pytest.raises(InputError, match="no such folder"):
        sources.read_pictures(folder / "nowhere", labelled=True)
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
    found, *_ = converted(sources.read_pictures(f"{pictures}/train", labelled=True), folder)
    assert len(found) == 40
    found, *_ = converted(sources.read_idx(*locations.find_idx(kmnist, "train")), folder)
    assert np.array_equal(found, digits[0][:40])


def test_a_competitions_file_is_found_plain_or_in_an_archive(tmp_path):
    assert locations.find_csv(tmp_path, "train.csv") == tmp_path / "train.csv"
    with zipfile.ZipFile(tmp_path / "digit-recognizer.zip", "w") as archive:
        archive.writestr("train.csv", "label,pixel0\n7,3\n")
        archive.writestr("sample_submission.csv", "ImageId,Label\n1,0\n2,0\n")
    path = locations.find_csv(tmp_path, "train.csv")
    assert path == tmp_path / "digit-recognizer.zip" / "train.csv"
    assert sources.convert_source(path, {}, tmp_path / "images", tmp_path / "labels") == 1
    assert labelscsv.read_sample(locations.find_csv(tmp_path, "sample_submission.csv")).ids == ["1", "2"]
    (tmp_path / "train.csv").touch()
    assert locations.find_csv(tmp_path, "train.csv") == tmp_path / "train.csv"


@pytest.mark.parametrize("name", [b"train/caf\xe9/1.png", b"train/7/caf\xe9.png", b"train/7/caf\xe9.txt"])
def test_names_that_are_not_utf_8_are_told_with_their_folder(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    path.parent.mkdir(parents=True)
    Image.new("L", (5, 5)).save(path, format="PNG")
    readers = [lambda: sources.read_pictures(tmp_path / "train", labelled=True)]
    readers.append(lambda: sources.read_pictures_below(tmp_path / "train"))
    if path.parent.name == "7":
        readers.append(lambda: sources.read_pictures(path.parent, labelled=False))
    for reader in readers:
        with pytest.raises(
            InputError, match=r"the name of (7/)?caf\\xe9\S* in it is not UTF-8: rename it"
        ) as error:
            reader()
        assert f"{error.value}".encode()


def test_two_folders_of_one_label_are_refused(tmp_path):
    """1 and 01 are one number: the pictures of two classes would become one."""
    for name in ("01", "1"):
        (tmp_path / name).mkdir()
        Image.new("L", (5, 5)).save(tmp_path / name / "a.png")
    with pytest.raises(InputError, match="/1: this and 01 beside it both mean the label 1, as"):
        sources.read_pictures(tmp_path, labelled=True)
