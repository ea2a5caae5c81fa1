"""Duplicates, leaks, outliers and blank images: what is planted among real digits is found, and only that."""

import numpy as np
import pytest
from tests.conftest import read_rows

from digitflow.base.errors import InputError
from digitflow.dataset import lists
from digitflow.formats import idx, lst
from digitflow.look import duplicates
from digitflow.look.duplicates import Part, Pool, find_duplicates

MOVES = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]


def moved(image, down, right):
    """The image moved, with what is behind the edge repeated: so a frame that is full stays full."""
    padded = np.pad(image, [(1, 1), (1, 1), *[(0, 0)] * (image.ndim - 2)], mode="edge")
    height, width = image.shape[:2]
    return padded[1 - down : 1 - down + height, 1 - right : 1 - right + width]


def noisy(image, rng):
    return np.clip(image.astype(int) + rng.integers(-3, 4, image.shape), 0, 255).astype(np.uint8)


def whole(images, name="train", labels=None):
    return Part(name, images, np.arange(len(images)), labels)


def found(images):
    pairs = find_duplicates(Pool([whole(images)])).pairs
    exact = (pairs.distance == 0) & (pairs.down == 0) & (pairs.right == 0)
    kinds = zip(pairs.down.tolist(), pairs.right.tolist(), exact.tolist(), strict=True)
    return dict(zip(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True), kinds, strict=True))


def photographs(count, height, width, *channels):
    """Smooth random pictures that fill their frame."""
    rng = np.random.default_rng(5)
    small = rng.integers(0, 256, (count, height // 4 + 2, width // 4 + 2, *channels))
    large = small.repeat(4, axis=1).repeat(4, axis=2)[:, :height, :width]
    return np.ascontiguousarray(large.astype(np.uint8))


@pytest.fixture(scope="module")
def real(digits):
    return digits[0][:2500]


DATA = {
    "digits": lambda real: real,
    "pictures in colour that fill their frame": lambda real: photographs(300, 20, 33, 3),
    "small images": lambda real: np.random.default_rng(1).integers(0, 256, (400, 8, 8)).astype(np.uint8),
    "fifty images": lambda real: real[:50],
}


@pytest.mark.parametrize("data", DATA)
def test_a_projection_keeps_as_much_of_images_as_any_with_as_many_axes_can(real, data):
    images = DATA[data](real)[:500]
    everything, window = np.arange(len(images)), tuple(slice(size) for size in images.shape[1:3])
    pool = Pool([whole(images)])
    points = duplicates.Projection(pool, everything, window).project(pool, everything, window)
    pixels = images.reshape(len(images), -1).astype(float)
    lengths = np.linalg.svd(pixels - pixels.mean(axis=0), compute_uv=False)
    left = np.square(lengths[points.shape[1] - 1 :]).sum()
    assert np.square(points[:, -1], dtype=float).sum() == pytest.approx(left, rel=1e-3, abs=1)


@pytest.mark.parametrize("data", DATA)
def test_copies_moves_and_noise_are_all_found_and_nothing_else(real, data):
    rng = np.random.default_rng(2)
    images = DATA[data](real)
    planted = [images[0], *(moved(images[i], *move) for i, move in enumerate(MOVES, start=1))]
    planted += [noisy(images[i], rng) for i in range(9, 14)]
    planted += [noisy(moved(images[i], *move), rng) for i, move in enumerate(MOVES, start=14)]
    n = len(images)
    expected = {(0, n): (0, 0, True)}
    expected |= {(i, n + i): (*move, False) for i, move in enumerate(MOVES, start=1)}
    expected |= {(i, n + i): (0, 0, False) for i in range(9, 14)}
    expected |= {(i, n + i): (*move, False) for i, move in enumerate(MOVES, start=14)}
    assert found(np.concatenate([images, planted])) == expected


def test_real_digits_have_no_duplicates(real):
    assert found(real) == {}


def test_every_image_that_is_there_in_two_noisy_copies_is_found(real):
    rng = np.random.default_rng(3)
    images = np.array([noisy(image, rng) for image in real[:600] for _ in range(2)])
    assert found(images).keys() == {(i, i + 1) for i in range(0, 1200, 2)}


def test_many_copies_of_one_image_are_pairs_with_the_first_one(real):
    images = np.concatenate([real[:60], np.repeat(real[7:8], 500, axis=0)])
    assert found(images) == {(7, 60 + k): (0, 0, True) for k in range(500)}


def apart(images, down, right):
    """The distances between all images, the first of a pair moved, where the two overlap."""
    height, width = images.shape[1:]
    rows, columns = slice(max(down, 0), height + min(down, 0)), slice(max(right, 0), width + min(right, 0))
    one, other = (
        array[:, rows, columns].reshape(len(images), -1).astype(float)
        for array in (np.array([moved(image, down, right) for image in images]), images)
    )
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.sqrt(squares.clip(0) / one.shape[1])


@pytest.mark.parametrize("distances", [1, 20_000, 10**9])
def test_the_pairs_are_those_of_comparing_all_images_at_all_moves(real, monkeypatch, distances):
    # Far from near, so that there are some; and in blocks of one image, of a few, and of many.
    for name, value in {"INVISIBLE": 33, "NEIGHBOURS": 199, "DISTANCES": distances}.items():
        monkeypatch.setattr(duplicates, name, value)
    moves = [(0, 0), *MOVES]
    all_apart = np.array([apart(real[:200], *move) for move in moves])
    best = all_apart.argmin(axis=0)
    near = np.argwhere(np.triu(all_apart.min(axis=0) <= 33, k=1)).tolist()
    assert len(near) > 20
    assert found(real[:200]) == {(i, j): (*moves[best[i, j]], False) for i, j in near}


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_handful_of_images_is_no_trouble(real, count):
    findings = find_duplicates(Pool([whole(real[:count])]))
    assert not len(findings.pairs.first)
    assert not len(findings.blank)
    assert not len(findings.outliers)


@pytest.mark.parametrize("value", [0, 255])
def test_a_data_set_of_blank_images_is_told_as_such(value):
    findings = find_duplicates(Pool([whole(np.full((300, 28, 28), value, np.uint8))]))
    assert findings.blank.tolist() == list(range(300))
    assert not findings.pairs.distance.any()
    assert len(findings.pairs.first) == 299


def test_noise_among_digits_is_an_outlier_and_a_flat_grey_image_is_blank(real):
    images = real.copy()
    images[100] = np.random.default_rng(4).integers(0, 256, (28, 28))
    images[200] = 90
    findings = find_duplicates(Pool([whole(images)]))
    assert findings.outliers[0] == 100
    assert findings.blank.tolist() == [200]
    assert len(findings.outliers) < 0.02 * len(images)
    assert 200 not in findings.outliers


def test_smallest_chooses_the_columns_that_sorting_chooses():
    rng = np.random.default_rng(6)
    for width in (10, 11, 640, 704, 705, 3000):
        values = rng.random((7, width), np.float32)
        columns = np.sort(duplicates.smallest(values, 10), axis=1)
        assert np.array_equal(columns, np.sort(np.argsort(values, axis=1)[:, :10], axis=1))


def test_what_is_far_is_measured_as_by_brute_force(real):
    points = real.reshape(len(real), -1).astype(float)
    squares = (points**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0)) / 28
    np.fill_diagonal(distances, np.inf)
    exact = np.sort(distances, axis=1)[:, :10].mean(axis=1)
    _, far = duplicates._nearest(Pool([whole(real)]), np.arange(len(real)))
    assert np.corrcoef(exact, far)[0, 1] > 0.97
    assert (far <= exact + 0.1).all()


def test_of_more_images_than_references_outliers_are_found_all_the_same(real, monkeypatch):
    monkeypatch.setattr(duplicates, "REFERENCES", 1000)
    images = np.concatenate([real, np.random.default_rng(4).integers(0, 256, (1, 28, 28)).astype(np.uint8)])
    findings = find_duplicates(Pool([whole(images)]))
    assert findings.outliers[0] == len(real)
    assert not len(findings.pairs.first)


@pytest.fixture
def project(tmp_path, real):
    """Train, valid and test with a copy whose label differs, a leak, a moved copy and a blank image."""
    images, test = real[:300].copy(), real[300:400].copy()
    images[250] = images[10]  # in valid, with another label
    images[251] = moved(images[11], 1, -1)  # in valid, the same label
    test[5], test[6] = images[20], 0  # a leak, and a blank image
    labels = np.arange(300) % 3
    labels[250], labels[251] = (labels[10] + 1) % 3, labels[11]
    idx.write(tmp_path / "train", images)
    idx.write(tmp_path / "test", test)
    listing = lists.of_rows("train", 300, labels, "012")
    lst.write(tmp_path / "train.lst", listing.select(np.arange(300) < 240))
    lst.write(tmp_path / "valid.lst", listing.select(np.arange(300) >= 240))
    lst.write(tmp_path / "test.lst", lists.of_rows("test", 100))
    return tmp_path


def look(folder, test=True):
    duplicates.report_duplicates(
        {"train": folder / "train.lst", "valid": folder / "valid.lst"},
        folder / "train",
        folder / "test.lst" if test else None,
        folder / "test" if test else None,
        ["a,b", "ö", "c"],
        folder / "duplicates.csv",
        folder / "outliers.csv",
    )
    return [read_rows(folder / name) for name in ("duplicates.csv", "outliers.csv")]


def test_conflicting_labels_come_first_then_the_nearest_pairs_of_two_parts(project):
    pairs, outliers = look(project)
    ends = [
        [row[f"{side}_{field}"] for side in ("first", "second") for field in ("part", "id")] for row in pairs
    ]
    assert ends == [
        ["train", "11", "valid", "251"],
        ["train", "12", "valid", "252"],
        ["train", "21", "test", "6"],
    ]
    assert [row["conflict"] for row in pairs] == ["True", "False", "False"]
    assert [row["kind"] for row in pairs] == ["exact", "shifted", "exact"]
    assert [(row["down"], row["right"]) for row in pairs] == [("0", "0"), ("1", "-1"), ("0", "0")]
    assert (pairs[0]["first_label"], pairs[0]["second_label"]) == ("ö", "c")
    assert pairs[2]["second_label"] == ""
    assert outliers[0] == {"part": "test", "id": "7", "label": "", "reason": "blank", "distance": ""}


def test_without_a_test_set_the_training_rows_are_compared(project):
    pairs, _ = look(project, test=False)
    assert {row["second_part"] for row in pairs} == {"valid"}


def test_the_tables_have_the_same_bytes_each_time(project):
    look(project)
    first = [(project / name).read_bytes() for name in ("duplicates.csv", "outliers.csv")]
    look(project)
    assert first == [(project / name).read_bytes() for name in ("duplicates.csv", "outliers.csv")]


def test_images_of_different_sizes_are_refused_with_their_sizes(real):
    with pytest.raises(InputError, match="train: 28 x 28, test: 14 x 14"):
        Pool([whole(real), whole(real[:, ::2, ::2], "test")])


def test_a_colour_image_of_one_colour_is_blank_whatever_the_colour():
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    images[20] = (10, 200, 30)
    images[30] = 0
    images[40, :, :4] = 7
    assert find_duplicates(Pool([whole(images)])).blank.tolist() == [20, 30]
