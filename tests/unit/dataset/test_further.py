"""Further images to predict: from a CSV or from a folder of PNG files, with their names."""

import numpy as np
import pytest

from digitflow.base.errors import InputError
from digitflow.dataset import further
from digitflow.formats import idx, png

DATA = {"image": {"height": 2, "width": 3}, "classes": 10, "invert": False}
IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)


def convert(source, folder, **changes):
    further.convert(source, folder / "images", folder / "names", DATA | changes)
    return idx.read(folder / "images", 3), (folder / "names").read_text().splitlines()


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


def test_the_rows_of_a_csv_are_named_by_their_numbers(csv, tmp_path):
    images, names = convert(csv, tmp_path)
    assert np.array_equal(images, IMAGES)
    assert names == ["1", "2", "3", "4"]


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
    with pytest.raises(
        InputError, match=r"d\.png: 3 x 3 pixels; the configuration has 2 x 3 \(data\.image\)"
    ):
        convert(scans, tmp_path)
    assert not (tmp_path / "images").exists()
    assert not (tmp_path / "names").exists()


def test_a_folder_without_png_files_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no PNG file in it"):
        convert(tmp_path / "empty", tmp_path)
