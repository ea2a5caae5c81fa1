"""What corrections are worth: points and McNemar's p on the same images, for both kinds of labels."""

import numpy as np
import pytest
from tests.conftest import read_rows

from digitflow.base.errors import InputError
from digitflow.formats import lst
from digitflow.formats.probabilities import write_probabilities
from digitflow.look.audit import read_held_out
from digitflow.look.effect import write_effect


def training(folder, name, index, labels, predicted):
    """What a model says that chooses `predicted`, read from files."""
    width = len(str(max(index)))
    path = [f"train/{label}/{row:0{width}}.png" for row, label in zip(index, labels, strict=True)]
    lst.write(folder / f"{name}.lst", lst.Listing(np.array(index), np.array(labels), path))
    write_probabilities(folder / f"{name}.npy", np.where(np.eye(2)[predicted], 0.9, 0.1).astype(np.float32))
    return read_held_out([folder / f"{name}.lst"], [folder / f"{name}.npy"], [(name, 1)])


def effect(folder, without, corrected):
    write_effect(folder / "effect.csv", without, corrected)
    return read_rows(folder / "effect.csv")


def test_points_and_p_are_told_for_the_labels_as_given_and_as_corrected(tmp_path):
    # Rows 1 to 8 are relabelled from 0 to 1; models with the corrections say 1, models without them say 0.
    index = range(1, 21)
    given, corrected = [0] * 20, [1] * 8 + [0] * 12
    without = training(tmp_path, "without", index, given, given)
    improved = training(tmp_path, "with", index, corrected, corrected)
    as_given, as_corrected = effect(tmp_path, without, improved)
    assert as_given["labels"] == "given"
    assert (as_given["points"], as_given["only_with"], as_given["only_without"]) == ("-40.0", "0", "8")
    assert as_corrected["labels"] == "corrected"
    assert (as_corrected["points"], as_corrected["only_with"], as_corrected["only_without"]) == (
        "40.0",
        "8",
        "0",
    )
    assert float(as_corrected["p_value"]) == pytest.approx(2 * 0.5**8, rel=1e-3)
    assert float(as_corrected["accuracy_without"]) == 0.6
    assert float(as_corrected["accuracy_with"]) == 1


def test_only_images_that_both_were_held_out_from_count(tmp_path):
    without = training(tmp_path, "without", [1, 2, 3, 4], [0, 0, 1, 1], [0, 0, 1, 1])
    improved = training(tmp_path, "with", [2, 4, 5], [0, 1, 1], [0, 0, 0])  # 1 and 3 are dropped or moved
    for row in effect(tmp_path, without, improved):
        assert row["images"] == "2"
        assert row["points"] == "-50.0"


def test_trainings_without_an_image_in_common_are_refused_with_the_way_on(tmp_path):
    without = training(tmp_path, "without", [1, 2], [0, 1], [0, 1])
    improved = training(tmp_path, "with", [3, 4], [0, 1], [0, 1])
    with pytest.raises(InputError, match=r"validation\.seed"):
        effect(tmp_path, without, improved)
    assert not (tmp_path / "effect.csv").exists()
