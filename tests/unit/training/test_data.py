"""The rows that a training sees: from IDX files and lists, and as shifted views."""

import numpy as np
import pytest

from digitflow.base.errors import InputError
from digitflow.dataset.lists import of_rows
from digitflow.formats import idx, lst
from digitflow.training.data import open_data, read_rows, shifted

LABELS = np.array([0, 1, 2, 1])


@pytest.fixture
def folder(tmp_path):
    """Four images of three classes: the first three train, the last validates."""
    idx.write(tmp_path / "images", np.arange(16, dtype=np.uint8).reshape(4, 2, 2))
    listing = of_rows("train", 4, LABELS, "abc")
    lst.write(tmp_path / "train.lst", listing.select(np.arange(4) < 3))
    lst.write(tmp_path / "valid.lst", listing.select(np.arange(4) == 3))
    (tmp_path / "nobody.lst").touch()
    return tmp_path


def opened(folder, train="train.lst", valid="valid.lst", **options):
    return open_data(folder / "images", folder / train, folder / valid, 3, **options)


def test_a_row_is_a_lists_index_less_one(folder):
    data = opened(folder)
    assert data.images.shape == (4, 2, 2)
    assert [part.tolist() for part in data.training] == [[0, 1, 2], [0, 1, 2]]
    assert [part.tolist() for part in data.validation] == [[3], [1]]


def test_only_the_first_training_rows_are_used_where_so_many_are_asked_for(folder):
    data = opened(folder, train_rows=2)
    assert data.training[0].tolist() == [0, 1]
    assert data.validation[0].tolist() == [3]


def test_classes_that_the_first_rows_leave_out_are_warned_of(folder, caplog):
    opened(folder, train_rows=2)
    assert "train_rows: the first 2 rows have images of only 2 of 3 classes: raise it" in caplog.text
    caplog.clear()
    opened(folder, train_rows=3)
    assert not caplog.text


def test_there_may_be_no_validation_rows_but_not_no_training_rows(folder):
    assert len(opened(folder, valid="nobody.lst").validation[0]) == 0
    with pytest.raises(InputError, match=r"nobody\.lst: no rows; at least one training image is needed"):
        opened(folder, train="nobody.lst")


def test_a_listing_of_other_images_is_refused_with_its_line(folder):
    lst.write(folder / "x.lst", lst.Listing(np.array([1, 5]), np.array([0, 0]), ["0/1.png", "0/5.png"]))
    with pytest.raises(InputError, match=r"x\.lst, line 2: index 5, expected 1 to 4"):
        opened(folder, valid="x.lst")


def test_a_label_beyond_the_classes_is_refused_with_its_line(folder):
    lst.write(folder / "x.lst", lst.Listing(np.array([1, 2]), np.array([0, 7]), ["0/1.png", "7/2.png"]))
    with pytest.raises(InputError, match=r"x\.lst, line 2: label 7, expected 0 to 4"):
        read_rows(folder / "x.lst", count=4, classes=5)


@pytest.mark.parametrize("lead", [(2,), (2, 1)])
def test_shifted_views_are_the_images_and_their_neighbours_by_a_pixel(lead):
    images = np.arange(1, 13, dtype=np.uint8).reshape(2, 2, 3).reshape(*lead, 2, 3)
    views = list(shifted(images, 9, axis=len(lead)))
    assert np.array_equal(views[0], images)
    assert views[1][0].ravel().tolist() == [4, 5, 6, 0, 0, 0]  # up
    assert views[4][0].ravel().tolist() == [0, 1, 2, 0, 4, 5]  # right
    assert views[8][0].ravel().tolist() == [0, 0, 0, 0, 1, 2]  # down and right
    assert len({view.tobytes() for view in views}) == 9


@pytest.mark.parametrize("count", [1, 5, 9])
def test_as_many_views_as_asked_for(count):
    assert len(list(shifted(np.zeros((1, 4, 4), np.uint8), count))) == count


def test_images_in_colour_are_shifted_as_their_channels_are():
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)
    channels = [list(shifted(images[..., k], 9)) for k in range(3)]
    for number, view in enumerate(shifted(images, 9)):
        assert np.array_equal(view, np.stack([views[number] for views in channels], axis=-1))
