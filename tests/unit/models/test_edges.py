"""Edges of images: which way they run, where they are, and what they do not depend on."""

import numpy as np
import pytest

from digitflow.models.edges import DIRECTIONS, count_edges, edges, gradients


@pytest.mark.parametrize(("down", "across"), [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, 0)])
def test_an_edge_from_dark_to_light_is_strongest_in_its_own_direction(down, across):
    side = 40
    rows, columns = np.mgrid[:side, :side] - side // 2
    image = np.where(rows * down + columns * across >= 0, 200, 0).astype(np.uint8)[None]
    x, y = gradients(image)[0, :, 15:25, 15:25].reshape(2, -1).mean(axis=1)
    assert np.array([y, x]) / np.hypot(x, y) == pytest.approx(
        np.array([down, across]) / np.hypot(down, across)
    )
    parts = edges(image).reshape(DIRECTIONS, -1, count_edges((side, side)) // DIRECTIONS)[:, 0]
    middle = parts.shape[1] // 2
    expected = round(np.rad2deg(np.arctan2(down, across)) % 360) // 45
    assert parts[:, middle].argmax() == expected


def test_gradients_are_sobels(digits):
    image = digits[0][0].astype(float)
    framed = np.pad(image, 2)
    x, y = gradients(digits[0][:1])[0]
    for row, column in ((10, 14), (14, 10), (0, 0), (29, 29)):
        window = framed[row : row + 3, column : column + 3] / 1020
        assert x[row, column] == pytest.approx((window @ [-1, 0, 1]) @ [1, 2, 1], abs=1e-6)
        assert y[row, column] == pytest.approx([-1, 0, 1] @ window @ [1, 2, 1], abs=1e-6)


def test_the_rows_have_length_1_whatever_the_ink_and_a_blank_image_has_none(digits):
    found = edges(digits[0][:300])
    assert (found.shape, found.dtype) == ((300, count_edges((28, 28))), np.float32)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-4)
    assert edges(digits[0][:20] // 2) == pytest.approx(found[:20], abs=0.02)
    assert not edges(np.zeros((1, 28, 28), np.uint8)).any()


def test_an_images_edges_do_not_depend_on_the_others_in_its_block(digits):
    whole = edges(digits[0][:600])
    assert edges(digits[0][590:600]) == pytest.approx(whole[590:], abs=1e-6)


@pytest.mark.parametrize("shape", [(28, 28), (20, 32), (1, 1), (8, 8, 3)])
def test_images_of_any_size_and_of_colour_have_as_many_as_was_said(shape):
    images = np.random.default_rng(3).integers(256, size=(5, *shape), dtype=np.uint8)
    assert edges(images).shape == (5, count_edges(shape))
    assert np.isfinite(edges(images)).all()


def test_each_channel_of_a_colour_image_has_edges_of_its_own(digits):
    grey = digits[0][:4]
    black = np.zeros_like(grey)
    red, blue = np.stack([grey, black, black], axis=-1), np.stack([black, black, grey], axis=-1)
    plain, in_red, in_blue = edges(grey), edges(red), edges(blue)
    parts = plain.shape[1] // DIRECTIONS
    for found, channel in ((in_red, 0), (in_blue, 2)):
        by_channel = found.reshape(4, DIRECTIONS, 3, parts)
        assert by_channel[:, :, channel].reshape(4, -1) == pytest.approx(plain, abs=1e-6)
        assert not np.delete(by_channel, channel, axis=2).any()


def test_no_images_have_no_edges():
    assert edges(np.empty((0, 28, 28), np.uint8)).shape == (0, count_edges((28, 28)))
