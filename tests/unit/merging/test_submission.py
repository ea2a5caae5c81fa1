"""From probabilities to labels: a submission, and predictions of further images with their names."""

import csv

import numpy as np
import pytest

from digitflow.base.errors import FormatError
from digitflow.formats import labelscsv
from digitflow.merging import submission

ROWS = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]])


def test_a_submission_has_the_most_probable_class_of_each_row(tmp_path):
    labelscsv.write_ids(tmp_path / "ids", [])
    submission.write(tmp_path / "s.csv", ROWS, "012", tmp_path / "ids", {})
    assert (tmp_path / "s.csv").read_bytes() == b"ImageId,Label\n1,1\n2,0\n"


@pytest.mark.parametrize(("write", "form"), [(submission.write, [{}]), (submission.write_predictions, [])])
def test_probabilities_of_other_classes_are_refused(tmp_path, write, form):
    with pytest.raises(FormatError, match=r"s\.csv: probabilities of 3 classes, but the data have 10"):
        write(tmp_path / "s.csv", ROWS, "0123456789", tmp_path / "ids", *form)
    assert not list(tmp_path.iterdir())


def test_a_prediction_has_the_images_name_the_classs_name_and_its_probability(tmp_path):
    labelscsv.write_ids(tmp_path / "names", ["scans/a.png", 'with,comma "and" quotes.png'])
    submission.write_predictions(tmp_path / "p.csv", ROWS, ["ka", "kha", "ga"], tmp_path / "names")
    with open(tmp_path / "p.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["id", "label", "probability"],
            ["scans/a.png", "kha", "0.700000"],
            ['with,comma "and" quotes.png', "ka", "0.500000"],
        ]


def test_images_without_names_are_counted_from_1(tmp_path):
    labelscsv.write_ids(tmp_path / "names", [])
    submission.write_predictions(tmp_path / "p.csv", ROWS, "012", tmp_path / "names")
    assert (tmp_path / "p.csv").read_text().splitlines()[1:] == ["1,1,0.700000", "2,0,0.500000"]


def test_names_of_other_images_are_refused(tmp_path):
    labelscsv.write_ids(tmp_path / "names", ["a.png"])
    with pytest.raises(FormatError, match=r"names: 1 ids for 2 images; delete it and run again"):
        submission.write_predictions(tmp_path / "p.csv", ROWS, "012", tmp_path / "names")


def test_a_submission_has_the_header_the_ids_and_the_labels_of_the_data_set(tmp_path):
    labelscsv.write_ids(tmp_path / "ids", ["x7", "x9"])
    form = {"id": "image", "label": "letter", "first": 1, "sample": None}
    submission.write(tmp_path / "s.csv", ROWS, ["ka", "kha", "ga"], tmp_path / "ids", form)
    header, *rows = (tmp_path / "s.csv").read_text().splitlines()
    assert header == "image,letter"
    assert [row.split(",")[0] for row in rows] == ["x7", "x9"]
    assert {row.split(",")[1] for row in rows} <= {"ka", "kha", "ga"}


def test_where_the_test_images_have_no_ids_they_are_counted_from_the_first(tmp_path):
    labelscsv.write_ids(tmp_path / "ids", [])
    submission.write(tmp_path / "s.csv", ROWS, "012", tmp_path / "ids", {"first": 0})
    assert [line.split(",")[0] for line in (tmp_path / "s.csv").read_text().splitlines()] == [
        "ImageId",
        "0",
        "1",
    ]
