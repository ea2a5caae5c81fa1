"""Corrections applied to a training CSV's rows, and lines that are about something else."""

import tracemalloc

import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.dataset.corrections import apply
from digitflow.formats import idx
from digitflow.formats.corrections import Correction, pixel_crc

CLASSES = [str(digit) for digit in range(10)]


@pytest.fixture
def rows(tmp_path, digits):
    images, labels = digits[0][:100], digits[1][:100]
    idx.write(tmp_path / "images", images)
    return images, labels, tmp_path / "images"


def test_labels_are_corrected_and_dropped_rows_are_seen_by_no_model(rows):
    images, labels, path = rows
    lines = [
        Correction(1, "5", "3", pixel_crc(images[0])),
        Correction(2, "0", "drop"),
        Correction(3, "4", "ok", pixel_crc(images[2])),
    ]
    corrected, keep = apply(labels, path, CLASSES, lines, "corrections.csv")
    assert labels[0] == 5
    assert corrected.dtype == labels.dtype
    assert np.flatnonzero(corrected != labels).tolist() == [0]
    assert corrected[0] == 3
    assert np.flatnonzero(~keep).tolist() == [1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            Correction(101, "5", "3", line=7),
            "line 7: column id: 101, but the training CSV has 100 rows; delete the",
        ),
        (
            Correction(1, "4", "3", line=7),
            "line 7: column was: '4', but the training CSV has '5' in row 1; write 5",
        ),
        (
            Correction(1, "5", "x", line=7),
            "line 7: column now: 'x' should be one of 0, 1, .* or drop .* or ok",
        ),
        (
            Correction(1, "5", "3", "0" * 8, line=7),
            "line 7: column crc: 00000000, but the pixels of row 1 have",
        ),
    ],
)
def test_a_line_about_something_else_is_named_with_the_way_on(rows, line, message):
    _, labels, path = rows
    with pytest.raises(FormatError, match=rf"^corrections\.csv, {message}"):
        apply(labels, path, CLASSES, [line], "corrections.csv")


@pytest.mark.parametrize("name", ["drop", "ok"])
def test_a_class_called_as_a_word_of_the_file_is_refused_only_where_there_are_corrections(rows, name):
    _, labels, path = rows
    classes = [*CLASSES[:9], name]
    apply(labels, path, classes, [], "corrections.csv")
    with pytest.raises(InputError, match=f"class '{name}': .* give the class another name"):
        apply(labels, path, classes, [Correction(1, "5", "3")], "corrections.csv")


def test_only_the_pixels_of_corrected_rows_are_read(tmp_path):
    idx.write(tmp_path / "images", np.zeros((10_000, 28, 28), np.uint8))
    crc = pixel_crc(np.zeros((28, 28), np.uint8))
    lines = [Correction(id_, "0", "1", crc) for id_ in range(1, 10_001, 500)]
    labels = np.zeros(10_000, np.uint8)
    tracemalloc.start()
    corrected, _ = apply(labels, tmp_path / "images", CLASSES, lines, "corrections.csv")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert corrected.sum() == 20
