"""The merged models of the configuration, from their files: which file and weight belong to which model."""

import json

import numpy as np
import pytest

from digitflow.base.errors import FormatError
from digitflow.formats.probabilities import write_probabilities
from digitflow.merging import merged

A0, A1, B = (np.array([[p, 1 - p], [0.5, 0.5]]) for p in (0.875, 0.625, 0.25))


@pytest.fixture
def files(tmp_path):
    """Model a with two seeds, model b with one."""
    paths = [tmp_path / f"{name}.npy" for name in ("a0", "a1", "b")]
    for path, rows in zip(paths, (A0, A1, B), strict=True):
        write_probabilities(path, rows)
    return paths


def merge(**changes):
    return {"method": "mean", "seeds": [["a", 2], ["b", 1]], "weights": None} | changes


def test_each_model_has_as_many_files_as_seeds_in_order_and_they_are_averaged(files):
    assert merged.of_each_model(files, [("a", 2), ("b", 1)]) == [files[:2], files[2:]]
    models = merged.read_models(files, [("a", 2), ("b", 1)])
    assert list(models) == ["a", "b"]
    np.testing.assert_array_equal(models["a"], (A0 + A1) / 2)
    np.testing.assert_array_equal(models["b"], B)


def test_seeds_are_averaged_before_models_so_that_each_model_has_the_same_say(files):
    np.testing.assert_allclose(merged.merge_files(files, merge())[0], [(0.75 + 0.25) / 2] * 2)


def test_the_weights_of_the_configuration_are_used(files):
    np.testing.assert_allclose(merged.merge_files(files, merge(weights=[3, 1]))[0, 0], 0.625)


def test_fitted_weights_are_read_from_their_file(files, tmp_path):
    (tmp_path / "weights.json").write_text(json.dumps({"weights": [1.0, 0.0]}))
    found = merged.merge_files(files, merge(weights="auto"), tmp_path / "weights.json")
    np.testing.assert_allclose(found, (A0 + A1) / 2)


def test_weights_are_fitted_to_the_models_means_and_say_what_they_are_of(files, tmp_path, caplog):
    with caplog.at_level("INFO", "digitflow"):
        merged.write_weights(tmp_path / "weights.json", files, merge(), np.array([0, 0]))
    found = json.loads((tmp_path / "weights.json").read_text())
    assert (found["models"], found["rows"]) == (["a", "b"], 2)
    a, b = found["weights"]
    assert a > 0.99  # the better one on the first row; the second decides nothing
    assert caplog.messages == [f"weights of the merge: a {a:.3f}, b {b:.3f}"]
    np.testing.assert_allclose(
        merged.merge_files(files, merge(weights="auto"), tmp_path / "weights.json"),
        (A0 + A1) / 2,
        atol=0.01,
    )


def test_predictions_of_other_rows_are_refused(files):
    with pytest.raises(FormatError, match=r"a0\.npy: 2 rows, should be 3"):
        merged.merge_files(files, merge(), rows=3)
    write_probabilities(files[2], B[:1])
    with pytest.raises(FormatError, match="differ in shape"):
        merged.merge_files(files, merge())
    write_probabilities(files[1], A1[:1])
    with pytest.raises(
        FormatError, match=r"a0\.npy and .*a1\.npy: .* differ in shape.*; delete them and run"
    ):
        merged.merge_files(files, merge())
