"""The random changes of training images."""

import numpy as np
import pytest

from digitflow.base.errors import ConfigError
from digitflow.training import mxnet_trainer
from digitflow.training.augment import augment_batch
from digitflow.training.settings import Augment


def disc(height=28, width=28, radius=5.0, down=0.0, right=0.0):
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - (height - 1) / 2 - down, columns - (width - 1) / 2 - right)
    return np.uint8(255 * np.clip(radius - distance, 0, 1))


def many(image, n=64):
    return np.repeat(image[None], n, axis=0)


def warp(images, seed=0, **effects):
    return augment_batch(images, np.random.default_rng(seed), Augment(**effects))


def centres(images):
    """Centre of mass (n, 2) of each image: row, column."""
    weight = images / images.sum(axis=(1, 2), keepdims=True)
    rows, columns = np.mgrid[: images.shape[1], : images.shape[2]]
    return np.stack([(weight * rows).sum(axis=(1, 2)), (weight * columns).sum(axis=(1, 2))], axis=1)


def test_without_effects_the_images_are_copied():
    images = many(disc())
    warped = warp(images)
    assert np.array_equal(warped, images)
    assert not np.shares_memory(warped, images)


@pytest.mark.parametrize("shape", [(28, 28), (20, 32)])
def test_shape_and_type_stay_and_the_input_is_left_alone(shape):
    images = many(disc(*shape))
    before = images.copy()
    warped = warp(images, rotate=10, zoom=0.1, shift=0.1, shear=0.1)
    assert warped.shape == images.shape
    assert warped.dtype == np.uint8
    assert np.array_equal(images, before)


def test_each_image_gets_its_own_warp_and_the_same_seed_the_same_ones():
    images = many(disc(down=3.0))
    first, again, other = (warp(images, seed, rotate=20, shift=0.1) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len({image.tobytes() for image in first}) == len(images)


def test_what_comes_from_outside_is_background():
    warped = warp(many(np.full((28, 28), 255, np.uint8)), shift=0.2)
    assert set(np.unique(warped[:, [0, 0, -1, -1], [0, -1, 0, -1]])) >= {0}
    assert (warped[:, 14, 14] == 255).all()


def test_rotation_and_zoom_leave_the_centre_where_it_is():
    found = centres(warp(many(disc()), rotate=45, zoom=0.2))
    assert np.allclose(found, 13.5, atol=0.1)


def test_rotation_turns_both_ways_up_to_its_angle():
    found = centres(warp(many(disc(radius=3, right=8), 256), rotate=30)) - 13.5
    angles = np.rad2deg(np.arctan2(found[:, 0], found[:, 1]))
    assert np.allclose(np.hypot(found[:, 0], found[:, 1]), 8, atol=0.2)
    assert np.abs(angles).max() < 31
    assert angles.min() < -25
    assert angles.max() > 25


def test_a_part_of_the_images_is_warped_and_the_others_are_left_alone():
    images = many(disc(down=3.0), 1000)
    warped = warp(images, rotate=20, shift=0.1, part=0.3)
    same = (warped == images).all(axis=(1, 2))
    assert 0.65 < same.mean() < 0.75


def test_cubic_resampling_keeps_an_edge_steeper():
    edge = np.zeros((28, 28), np.uint8)
    edge[:, 14:] = 255
    steepest = {
        cubic: np.diff(warp(many(edge), shift=0.1, cubic=cubic).astype(int), axis=2).max(axis=(1, 2)).mean()
        for cubic in (False, True)
    }
    assert steepest[True] > steepest[False] + 5


@pytest.mark.parametrize("shape", [(28, 28), (24, 40)])
def test_a_shift_is_a_part_of_the_height_and_of_the_width(shape):
    moved = centres(warp(many(disc(*shape), 256), shift=0.1)) - (np.array(shape) - 1) / 2
    assert (np.abs(moved).max(axis=0) <= np.array(shape) * 0.1 + 0.1).all()
    assert (np.abs(moved).max(axis=0) >= np.array(shape) * 0.08).all()


def test_zoom_makes_digits_both_larger_and_smaller():
    images = many(disc(), 256)
    areas = warp(images, zoom=0.2).sum(axis=(1, 2)) / images[0].sum()
    assert 0.65 < areas.min() < 0.75  # 1 / 1.2 squared
    assert 1.4 < areas.max() < 1.6  # 1 / 0.8 squared


def test_shear_moves_rows_sideways_in_proportion_to_their_height():
    bar = np.zeros((28, 28), np.uint8)
    bar[:, 13:15] = 255
    warped = warp(many(bar), shear=0.2)
    columns = np.arange(28)
    lean = [
        (image[4] @ columns / image[4].sum() - image[23] @ columns / image[23].sum()) / 19
        for image in warped.astype(int)
    ]
    assert np.abs(lean).max() < 0.22
    assert np.ptp(lean) > 0.3


def test_an_elastic_warp_bends_a_straight_stroke():
    bar = np.zeros((28, 28), np.uint8)
    bar[2:26, 13:15] = 255
    columns = np.arange(28)

    def bends(**effects):
        """How far the middles of each bar's rows lie from the straight line that fits them best."""
        found = []
        for image in warp(many(bar), **effects).astype(float):
            rows = np.flatnonzero(image.sum(axis=1) > 200)
            middles = image[rows] @ columns / image[rows].sum(axis=1)
            found.append(np.abs(middles - np.polyval(np.polyfit(rows, middles, 1), rows)).max())
        return np.array(found)

    assert bends(rotate=10, shear=0.1).max() < 0.25
    assert np.median(bends(elastic=1.0)) > 0.5


def test_an_elastic_warp_moves_as_far_as_it_says_and_no_way_on_the_whole():
    row, column = np.mgrid[:60, :60]
    images = np.uint8(np.stack([4 * row, 4 * column]))
    moves = [
        (warp(many(image, 400), elastic=1.0).astype(float) - image)[:, 20:40, 20:40] / 4 for image in images
    ]
    assert np.abs(np.mean(moves)) < 0.1
    assert 0.5 < np.std(moves) < 1.0  # between the places that are drawn the moves are means of several


def test_elastic_warps_are_the_same_from_the_same_seed_and_leave_the_other_part_alone():
    images = many(disc(down=3.0), 1000)
    first, again, other = (warp(images, seed, elastic=1.0, part=0.3) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 0.65 < (first == images).all(axis=(1, 2)).mean() < 0.75


@pytest.mark.parametrize("shape", [(28, 28), (20, 32), (3, 6)])
def test_a_square_is_erased_wherever_it_fits(shape):
    images = many(np.full(shape, 255, np.uint8), 2000)
    erased = warp(images, erase=4) == 0
    size = min(4, shape[0]) * min(4, shape[1])
    assert (erased.sum(axis=(1, 2)) == size).all()
    assert erased.any(axis=0).all()  # each pixel has its turn
    assert (images == 255).all()


def test_a_square_that_would_leave_nothing_to_learn_from_is_refused():
    with pytest.raises(ConfigError, match=r"augment\.erase: 6 erases all of 3 x 6 pixels"):
        warp(many(np.full((3, 6), 255, np.uint8)), erase=6)


def test_what_is_off_changes_no_draw_of_the_rest():
    images = many(disc(down=3.0))
    plain, erased = warp(images, rotate=10), warp(images, rotate=10, erase=4)
    assert (erased[erased != plain] == 0).all()
    assert (erased != plain).any()


@pytest.mark.parametrize(
    ("augment", "shape", "said"),
    [
        (Augment(rotate=0.4, shift=0.05), (8, 8), ["shift: 0.05 rounds to 0", "rotate: 0.4 rounds"]),
        (Augment(rotate=1, shift=0.07), (28, 28), []),
        (Augment(shift=0.07), (28, 20), ["MXNet shifts only square images"]),
    ],
)
def test_what_mxnet_rounds_away_is_said(caplog, augment, shape, said):
    mxnet_trainer.warn_of_idle_warps(augment, shape)
    assert len(caplog.messages) == len(said)
    for words, message in zip(said, caplog.messages, strict=True):
        assert words in message
