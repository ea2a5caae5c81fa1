"""Submissions and solutions: exact bytes, and what is wrong with a file of others, by its line."""

import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.formats import labelscsv


def test_a_written_submission_has_the_exact_bytes(tmp_path):
    labelscsv.write(tmp_path / "s.csv", np.array([7, 0, 9]))
    assert (tmp_path / "s.csv").read_bytes() == b"ImageId,Label\n1,7\n2,0\n3,9\n"


def test_a_submission_comes_back(tmp_path):
    labels = np.random.default_rng(0).integers(0, 10, 500)
    labelscsv.write(tmp_path / "s.csv", labels)
    np.testing.assert_array_equal(labelscsv.read(tmp_path / "s.csv", 10, rows=500), labels)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1"),
        ("Id,Label\n1,2\n", "should be the header ImageId,Label"),
        ("ImageId,Label\n2,1\n1,1\n", "line 2: '2,1', should begin with ImageId 1"),
        ("ImageId,Label\n1,1\n1,1\n", "line 3: '1,1', should begin with ImageId 2"),
        ("ImageId,Label\n1,1\n3,1\n", "line 3: '3,1', should begin with ImageId 2"),
        ("ImageId,Label\n1,10\n", "Label '10', should be one of 0 to 9"),
        ("ImageId,Label\n1,-1\n", "Label '-1', should be one of 0 to 9"),
        ("ImageId,Label\n1,2.0\n", "Label '2.0', should be one of 0 to 9"),
        ("ImageId,Label\n1\n", "line 2"),
        ("ImageId,Label\n1,1\n", "1 rows, should be 2"),
        ("ImageId,Label\n1,1\n2,1\n3,1\n", "3 rows, should be 2"),
    ],
)
def test_a_wrong_submission_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        labelscsv.read(tmp_path / "s.csv", 10, rows=2)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"s\.csv: there is no such file"):
        labelscsv.read(tmp_path / "s.csv", 10)
