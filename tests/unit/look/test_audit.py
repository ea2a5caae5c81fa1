"""The audit of labels: wrong labels come first, and flags are those of confident learning."""

import csv
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitflow.base.errors import FormatError
from digitflow.dataset.split import fold_of
from digitflow.formats import lst
from digitflow.formats.probabilities import write_probabilities
from digitflow.look import audit
from digitflow.look.audit import AUDIT_COLUMNS, HeldOut, confident_flags, rank_rows, read_held_out
from digitflow.look.lookdata import read_look_table
from digitflow.training import numpy_trainer
from digitflow.training.course import fit
from digitflow.training.data import Data
from digitflow.training.settings import Settings

# The given label, the probabilities in per cent, and what cleanlab 2.9.0's filter "confident_learning" says.
GOLDEN = {
    "all kinds": [
        *[(0, 90, 5, 5, 0), (0, 80, 15, 5, 0), (0, 10, 85, 5, 1), (0, 5, 25, 70, 1), (0, 45, 50, 5, 1)],
        *[(0, 34, 33, 33, 0), (1, 10, 80, 10, 0), (1, 80, 15, 5, 1), (1, 50, 50, 0, 0), (1, 5, 60, 35, 0)],
        *[(1, 40, 20, 40, 1), (2, 5, 5, 90, 0), (2, 60, 10, 30, 1), (2, 20, 55, 25, 1), (2, 33, 33, 34, 0)],
        *[(2, 48, 4, 48, 0), (2, 70, 29, 1, 1), (0, 40, 43, 17, 0)],
    ],
    "a first choice below its threshold beside several classes above theirs": [
        *[(0, 95, 3, 2, 0), (0, 95, 2, 3, 0), (0, 60, 20, 20, 0), (1, 60, 20, 20, 1)],
        *[(1, 70, 20, 10, 0), (2, 60, 20, 20, 1), (2, 20, 60, 20, 1), (2, 10, 75, 15, 1)],
    ],
}
NAMES = ["zero", "one,\ror I", 'the "two"']


@pytest.mark.parametrize("table", GOLDEN)
def test_flags_are_those_of_confident_learning(table):
    values = np.array(GOLDEN[table])
    assert confident_flags(values[:, 1:4] / 100, values[:, 0]).astype(int).tolist() == values[:, 4].tolist()


def test_a_class_without_rows_is_nobodys_confident_class():
    values = np.array(GOLDEN["all kinds"])
    probabilities = np.column_stack([0.9 * values[:, 1:4] / 100, np.full(len(values), 0.1)])
    assert confident_flags(probabilities, values[:, 0]).tolist() == (values[:, 4] == 1).tolist()


def held_out(probabilities, labels, first_id=1):
    return HeldOut(
        np.arange(first_id, first_id + len(labels)), np.array(labels), np.array(probabilities, float)
    )


def test_rows_are_ordered_by_the_probability_of_the_given_label_and_then_by_id():
    rows = [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.8, 0.2], [0.5, 0.5]]
    found = rank_rows(held_out(rows, [0, 0, 0, 1, 1]), "valid")
    assert found["id"].tolist() == [2, 4, 3, 5, 1]
    assert found["given"].tolist() == [0, 1, 0, 1, 0]
    assert found["proposed"].tolist() == [1, 0, 0, 0, 0]
    assert found["self_confidence"].tolist() == [0.2, 0.2, 0.5, 0.5, 0.9]
    assert found["margin"].tolist() == pytest.approx([-0.6, -0.6, 0, 0, 0.8])
    assert found["split"].tolist() == ["valid"] * 5


def out_of_fold(images, labels):
    """Probabilities of a small network for digits of the fifth that it did not learn from."""
    fold = fold_of(np.arange(1, len(labels) + 1), labels, 5, 0)
    options = {
        "architecture": "mlp",
        "module": "numpy_mlp",
        "epochs": 4,
        "batch_size": 64,
        "learning_rate": 0.003,
    }
    chosen = Settings(network={"hidden": [64]}, **options)
    probabilities = np.empty((len(labels), 10), np.float32)
    for k in range(5):
        learn, look = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        training, validation = (learn, labels[learn]), (look, labels[look])
        learner = numpy_trainer.make_learner(Data(images, training, validation), 10, chosen, 0)
        fit(learner)
        probabilities[look] = learner.model.predict(images[look])
    return probabilities


def test_labels_flipped_among_real_digits_come_first(digits):
    images, labels = digits[0][:4000], digits[1][:4000].astype(np.int64)
    rng = np.random.default_rng(0)
    flipped = rng.choice(4000, 40, replace=False)
    noisy = labels.copy()
    noisy[flipped] = (noisy[flipped] + rng.integers(1, 10, 40)) % 10
    found = rank_rows(held_out(out_of_fold(images, noisy), noisy), "train")
    first = found["id"][:400] - 1
    assert np.isin(flipped, first).mean() >= 0.95  # in a tenth: such a small network errs on one digit in ten
    assert np.isin(flipped, found["id"][:80] - 1).mean() > 0.5
    again = np.isin(found["id"] - 1, flipped)
    assert (found["proposed"] == labels[found["id"] - 1])[again].mean() > 0.8
    assert found["flagged"][again].mean() > 0.8
    assert found["flagged"].mean() < 0.1


def training(folder, name, labels, probabilities):
    """A list and probabilities as files, of labels by id."""
    index = np.array(list(labels))
    path = [f"train/{label}/{row:03d}.png" for row, label in labels.items()]
    lst.write(folder / f"{name}.lst", lst.Listing(index, np.array(list(labels.values())), path))
    write_probabilities(folder / f"{name}.npy", np.array(probabilities, np.float32))
    return folder / f"{name}.lst", folder / f"{name}.npy"


def test_folds_and_seeds_are_put_together_row_by_row_and_models_have_equal_weights(tmp_path):
    first, one = training(tmp_path, "first", {2: 0, 4: 1}, [[1, 0], [0.5, 0.5]])
    second, two = training(tmp_path, "second", {1: 1, 3: 0}, [[0.25, 0.75], [0, 1]])
    _, other_one = training(tmp_path, "other_one", {2: 0, 4: 1}, [[0.5, 0.5], [1, 0]])
    _, other_two = training(tmp_path, "other_two", {1: 1, 3: 0}, [[0.25, 0.75], [0.5, 0.5]])
    _, model_one = training(tmp_path, "model_one", {2: 0, 4: 1}, [[0.75, 0.25]] * 2)
    _, model_two = training(tmp_path, "model_two", {1: 1, 3: 0}, [[0.75, 0.25]] * 2)
    files = [one, two, other_one, other_two, model_one, model_two]
    found = read_held_out([first, second], files, [("a", 2), ("b", 1)])
    assert found.index.tolist() == [1, 2, 3, 4]
    assert found.given.tolist() == [1, 0, 0, 1]
    assert found.probabilities.tolist() == [[0.5, 0.5], [0.75, 0.25], [0.5, 0.5], [0.75, 0.25]]


def test_a_label_that_has_no_probability_is_refused(tmp_path):
    listing, probabilities = training(tmp_path, "one", {1: 0, 2: 2}, [[1, 0], [0.5, 0.5]])
    with pytest.raises(FormatError, match=r"one\.npy.*2 classes, labels up to 2"):
        read_held_out([listing], [probabilities], [("a", 1)])


def test_folds_of_other_classes_are_refused(tmp_path):
    first, one = training(tmp_path, "first", {1: 0}, [[1, 0]])
    second, two = training(tmp_path, "second", {2: 0}, [[1, 0, 0]])
    with pytest.raises(FormatError, match=r"2 and 3 classes"):
        read_held_out([first, second], [one, two], [("a", 1)])


def write_audit(folder, caplog):
    rows = [[1, 0, 0], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]
    valid, probabilities = training(folder, "valid", {2: 2, 5: 0, 6: 1}, rows)
    train, _ = training(folder, "train", {1: 0, 3: 1, 4: 2}, [[1, 0, 0]] * 3)
    with caplog.at_level(logging.INFO, "digitflow"):
        audit.audit_labels(folder / "labels.csv", [probabilities], [("a", 1)], valid, train, NAMES, "valid")
    return folder / "labels.csv"


def test_the_file_has_labels_by_their_names_and_the_most_suspicious_row_first(tmp_path, caplog):
    with open(write_audit(tmp_path, caplog), newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["id", "given", "proposed", "self_confidence", "margin", "flagged", "split"]
    assert rows == [
        ["2", 'the "two"', "zero", "0", "-1", "True", "valid"],
        ["5", "zero", "zero", "0.5", "0.25", "False", "valid"],
        ["6", "one,\ror I", "one,\ror I", "0.5", "0.25", "False", "valid"],
    ]


def test_rows_that_models_learned_from_are_counted_with_the_way_to_audit_them(tmp_path, caplog):
    write_audit(tmp_path, caplog)
    assert "3 of 6 rows are not in it" in caplog.text
    assert "validation.folds: 5" in caplog.text


@settings(max_examples=50)
@given(data=st.data(), rows=st.integers(0, 30), classes=st.integers(1, 5))
def test_what_is_written_is_read_again_in_the_same_order(tmp_path_factory, data, rows, classes):
    weights = st.lists(st.integers(1, 9), min_size=classes, max_size=classes)
    values = np.array(data.draw(st.lists(weights, min_size=rows, max_size=rows)), float).reshape(
        rows, classes
    )
    values /= values.sum(axis=1, keepdims=True)
    labels = data.draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows))
    text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)
    names = data.draw(st.lists(text, min_size=classes, max_size=classes, unique=True))
    path = tmp_path_factory.mktemp("audit") / "labels.csv"
    found = rank_rows(held_out(values, np.array(labels, np.int64)), "train")
    audit.write(path, found, names)
    table = read_look_table(path, AUDIT_COLUMNS)
    assert table["id"].tolist() == found["id"].tolist()
    for column, labels in (("given", found["given"]), ("proposed", found["proposed"])):
        assert table[column].tolist() == [names[label] for label in labels]
    for column in ("flagged", "split"):
        assert table[column].tolist() == found[column].tolist()
    for column in ("self_confidence", "margin"):
        assert np.allclose(table[column].to_numpy(float), found[column], rtol=1e-5)
