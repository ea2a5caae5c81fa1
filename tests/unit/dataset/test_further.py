"""Further images to predict: from a CSV or from a folder of PNG files, with their names."""

import gzip
import zipfile

import numpy as np
import pytest

from digitflow.base.errors import InputError
from digitflow.dataset import further
from digitflow.formats import idx, labelscsv, png

DATA = {"image": {"height": 2, "width": 3}, "classes": 10, "invert": False}
IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)


def convert(path, folder, **changes):
    """The images and their ids, in a project whose training images are like `IMAGES`."""
    idx.write(folder / "like", IMAGES)
    further.convert(path, folder / "images", folder / "ids", DATA | changes, folder / "like")
    images = idx.read(folder / "images", 3)
    return images, labelscsv.read_ids(folder / "ids", len(images))


@pytest.fixture
def csv(tmp_path):
    header = ",".join(f"pixel{k}" for k in range(6))
    lines = [",".join(map(str, image.ravel())) for image in IMAGES]
    (tmp_path / "more.csv").write_text("\n".join([header, *lines]) + "\n")
    return tmp_path / "more.csv"


@pytest.fixture
def scans(tmp_path):
    """A folder of PNG files at several depths, and other files."""
    folder = tmp_path / "scans"
    (folder / "b").mkdir(parents=True)
    for name, data in zip(("c.png", "b/2.png", "b/10.png", "a.png"), png.encode(IMAGES), strict=True):
        (folder / name).write_bytes(data)
    (folder / "notes.txt").write_text("none")
    (folder / "._a.png").write_bytes(b"what another system leaves")
    return folder


def test_the_rows_of_a_csv_without_ids_have_none(csv, tmp_path):
    images, ids = convert(csv, tmp_path)
    assert np.array_equal(images, IMAGES)
    assert ids is None


@pytest.mark.parametrize("label", ["", "?", "-1", "2.5"])
def test_labels_are_not_looked_at(csv, tmp_path, label):
    header, *lines = csv.read_text().splitlines()
    csv.write_text("\n".join([f"label,{header}", *(f"{label},{line}" for line in lines)]) + "\n")
    images, _ = convert(csv, tmp_path)
    assert np.array_equal(images, IMAGES)


def test_the_files_of_a_folder_are_named_by_their_paths_below_it_sorted(scans, tmp_path):
    images, names = convert(scans, tmp_path)
    assert names == ["a.png", "b/10.png", "b/2.png", "c.png"]
    assert np.array_equal(images, IMAGES[[3, 2, 1, 0]])


@pytest.mark.parametrize("kind", ["csv", "scans"])
def test_dark_on_white_is_inverted_in_both(kind, request, tmp_path):
    source = request.getfixturevalue(kind)
    plain, _ = convert(source, tmp_path)
    inverted, _ = convert(source, tmp_path, invert=True)
    assert np.array_equal(inverted, 255 - plain)


def test_an_image_of_another_size_is_named_with_the_key_to_look_at(scans, tmp_path):
    (scans / "d.png").write_bytes(png.encode(np.zeros((1, 3, 3), np.uint8))[0])
    with pytest.raises(InputError, match=r"d\.png: 3 x 3 images, .*a\.png is one of 2 x 3 images: convert"):
        convert(scans, tmp_path)
    assert not (tmp_path / "images").exists()
    assert not (tmp_path / "ids").exists()


def test_a_picture_counts_however_its_suffix_is_written(scans, tmp_path):
    (scans / "c.png").rename(scans / "c.PNG")
    assert convert(scans, tmp_path)[1] == ["a.png", "b/10.png", "b/2.png", "c.PNG"]


def test_files_that_are_no_pictures_are_passed_over_and_named(scans, tmp_path, caplog):
    convert(scans, tmp_path)
    assert "scans: skipped, because they are no PNG files: 'notes.txt'" in caplog.text
    assert "._a" not in caplog.text


@pytest.mark.parametrize("name", ["d.jpg", "b/11.JPEG", "e.tif"])
def test_pictures_of_another_format_are_refused_for_no_row_would_answer_them(scans, tmp_path, name):
    (scans / name).write_bytes(b"x")
    with pytest.raises(InputError, match=rf"scans: no PNG files: '{name}': convert them, .*mogrify"):
        convert(scans, tmp_path)


def test_what_systems_leave_in_folders_of_their_own_is_no_picture(scans, tmp_path):
    (scans / "@eaDir").mkdir()
    (scans / "@eaDir" / "thumb.png").write_bytes(b"x")
    assert len(convert(scans, tmp_path)[1]) == 4


def test_a_folder_without_png_files_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: there is no PNG file in it"):
        convert(tmp_path / "empty", tmp_path)


def test_pictures_like_those_to_train_on_are_turned_as_these_are(tmp_path):
    (tmp_path / "scans").mkdir()
    for k, data in enumerate(png.encode(np.ascontiguousarray(IMAGES.swapaxes(1, 2)))):
        (tmp_path / "scans" / f"{k}.png").write_bytes(data)
    images, _ = convert(tmp_path / "scans", tmp_path, source="folder", image={"transpose": True})
    assert np.array_equal(images, IMAGES)


def test_a_file_of_images_that_is_no_csv_is_told_what_predict_takes(scans, tmp_path):
    idx.write(tmp_path / "x-images", IMAGES)
    (tmp_path / "x.gz").write_bytes(gzip.compress((tmp_path / "x-images").read_bytes()))
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        archive.mkdir("scans")
        archive.write(scans / "a.png", "scans/a.png")
    takes = "; `predict` takes CSVs and folders of PNG files: "
    for name, says in (
        ("x-images", f"an IDX file{takes}save its images as one of these"),
        ("x.gz", f"an IDX file{takes}save its images as one of these"),
        ("scans/a.png", f"a PNG picture{takes}name the folder that it is in"),
        ("scans.zip", f"a zip archive of PNG files{takes}unpack it and name the folder"),
    ):
        with pytest.raises(InputError, match=f"{name}: {says}$"):
            convert(tmp_path / name, tmp_path, source="idx")
