import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.formats import labelscsv
from digitflow.formats.probabilities import read_probabilities
from digitflow.merging import methods


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
        ("Number,Label\n1,2\n", "should be the header ImageId,Label"),
        ("ImageId,Label,Weight\n1,2,3\n", "should be the header ImageId,Label"),
        ("ImageId,Label\n1,1\n1,1\n", "line 3: ImageId '1' is there a second time"),
        ("ImageId,Label\n1,1\n3,1\n", "line 3: ImageId '3' is no id of a test image; ImageId '2' is missing"),
        ("ImageId,Label\n1,10\n", "Label '10', should be one of 0 to 9"),
        ("ImageId,Label\n1,-1\n", "Label '-1', should be one of 0 to 9"),
        ("ImageId,Label\n1,2.5\n", "Label '2.5', should be one of 0 to 9"),
        ("ImageId,Label\n1,\n", "Label '', should be one of 0 to 9"),
        ("ImageId,Label\n1\n", "line 2"),
        ("ImageId,Label\n1,1\n", "1 rows, should be 2"),
        ("ImageId,Label\n1,1\n2,1\n3,1\n", "3 rows, should be 2"),
    ],
)
def test_a_wrong_submission_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        labelscsv.read(tmp_path / "s.csv", 10, rows=2)


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


def test_a_truncated_or_pickled_or_missing_file_is_refused(tmp_path):
    path = tmp_path / "p.npy"
    np.save(path, np.full((2, 2), 0.5))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(FormatError, match="not a whole"):
        read_probabilities(path)
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError):
        read_probabilities(path)
    with pytest.raises(InputError, match="no such file"):
        read_probabilities(tmp_path / "none.npy")


SURE = np.array([[0.9, 0.1, 0.0]])
UNSURE = np.array([[0.3, 0.4, 0.3]])


def test_the_mean_weighs_how_sure_a_model_is_and_the_vote_does_not():
    models = [[SURE], [UNSURE], [UNSURE]]
    assert methods.merge("mean", models).argmax() == 0
    assert methods.merge("vote", models).argmax() == 1


def test_weights_decide_both():
    models = [[SURE], [UNSURE], [UNSURE]]
    assert methods.merge("mean", models, [1, 10, 10]).argmax() == 1
    assert methods.merge("vote", models, [3, 1, 1]).argmax() == 0


def test_a_tied_vote_goes_to_the_surer_model():
    assert methods.merge("vote", [[SURE], [UNSURE]]).argmax() == 0
    assert methods.merge("vote", [[UNSURE], [SURE]]).argmax() == 0


def test_seeds_are_averaged_within_a_model_before_models_are_merged():
    merged = methods.merge("mean", [[SURE, SURE, SURE], [UNSURE]])
    np.testing.assert_allclose(merged, (SURE + UNSURE) / 2)


def test_models_of_other_sizes_do_not_merge():
    with pytest.raises(FormatError, match="differ in shape"):
        methods.merge("mean", [[SURE], [np.vstack([SURE, SURE])]])
