"""Class probabilities as .npy files: softmax rows, checked on writing and on reading."""

import json

import numpy as np
import pytest

from digitflow.base.checksums import sha256
from digitflow.base.errors import FormatError, InputError
from digitflow.formats.probabilities import check_probabilities, read_probabilities, write_probabilities


def test_probabilities_are_written_as_float32_rows(tmp_path):
    rows = np.array([[0.25, 0.75], [1.0, 0.0]])
    write_probabilities(tmp_path / "rows.npy", rows)
    found = np.load(tmp_path / "rows.npy", allow_pickle=False)
    assert found.dtype == np.float32
    assert np.array_equal(found, rows)


@pytest.mark.parametrize("bad", [[0.5, 0.6], [1.5, -0.5], [np.nan, 1.0]])
def test_a_row_that_is_no_distribution_is_named_and_nothing_is_written(tmp_path, bad):
    with pytest.raises(FormatError, match="row 2 is not a softmax row"):
        write_probabilities(tmp_path / "rows.npy", np.array([[0.5, 0.5], bad]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", [np.ones(3), np.ones((3, 1), int)])
def test_other_arrays_are_no_probabilities(bad):
    with pytest.raises(FormatError, match=r"expected float rows \(n, classes\)"):
        check_probabilities(bad, "there")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[0.5, 0.5], [np.nan, 1.0]]), "row 2"),
        (np.array([[0.5, 0.5], [np.inf, 0.0]]), "row 2"),
        (np.array([[0.5, 0.6], [0.0, 1.0]]), "row 1"),
        (np.array([[-0.5, 1.5], [0.0, 1.0]]), "row 1"),
        (np.array([[0.0, 1.0]]), "1 rows, should be 2"),
        (np.array([0.5, 0.5]), "expected float rows"),
        (np.array([[0, 1], [1, 0]]), "expected float rows"),
    ],
)
def test_probabilities_that_are_none_are_refused_with_their_row(tmp_path, array, message):
    np.save(tmp_path / "p.npy", array)
    with pytest.raises(FormatError, match=message):
        read_probabilities(tmp_path / "p.npy", rows=2)


def test_a_truncated_or_overlong_or_pickled_or_missing_file_is_refused(tmp_path):
    path = tmp_path / "p.npy"
    np.save(path, np.full((2, 2), 0.5))
    whole = path.read_bytes()
    for data in (whole[:-3], whole + whole[-16:]):  # a row more than its header says
        path.write_bytes(data)
        with pytest.raises(FormatError, match="not a whole"):
            read_probabilities(path)
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError):
        read_probabilities(path)
    with pytest.raises(InputError, match="No such file"):
        read_probabilities(tmp_path / "none.npy")


def test_with_gaps_a_row_may_be_not_a_number_throughout_but_not_in_part(tmp_path):
    rows = np.array([[0.25, 0.75], [np.nan, np.nan]])
    write_probabilities(tmp_path / "p.npy", rows, gaps=True)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), rows)
    with pytest.raises(FormatError, match="row 2 is not a softmax row"):
        read_probabilities(tmp_path / "p.npy")
    with pytest.raises(FormatError, match="row 1 is not a softmax row"):
        write_probabilities(tmp_path / "q.npy", np.array([[0.5, np.nan]]), gaps=True)


@pytest.mark.parametrize(
    ("rows", "beside"),
    [
        ("valid_probabilities.npy", "metrics.json"),
        ("test_probabilities.npy", "test_prediction.json"),
        ("scan_probabilities.npy", "scan_prediction.json"),
    ],
)
def test_the_digest_that_stands_beside_them_is_checked(tmp_path, rows, beside):
    path = tmp_path / rows
    write_probabilities(path, np.full((2, 2), 0.5))
    (tmp_path / beside).write_text(json.dumps({"sha256": {rows: sha256(path)}}))
    assert len(read_probabilities(path)) == 2
    write_probabilities(path, np.array([[0.25, 0.75]]))
    with pytest.raises(FormatError, match=f"{rows}: damaged: its SHA-256 is not the one in .*{beside}"):
        read_probabilities(path)


def test_probabilities_of_any_other_name_are_read_without_one(tmp_path):
    write_probabilities(tmp_path / "mine.npy", np.full((2, 2), 0.5))
    assert len(read_probabilities(tmp_path / "mine.npy", 2)) == 2
