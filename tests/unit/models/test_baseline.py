"""Guessing, and searching for a lucky seed: what both are worth."""

import numpy as np
import pytest

from digitflow import models
from digitflow.base.errors import FormatError
from digitflow.formats.probabilities import check_probabilities
from digitflow.models import baseline, numpy_mlp
from digitflow.models.baseline import Guess
from digitflow.training.course import fit
from digitflow.training.data import Data
from digitflow.training.history import accuracy_of
from digitflow.training.numpy_trainer import make_learner
from digitflow.training.settings import Settings

IMAGES = np.zeros((30_000, 2, 2), np.uint8)  # nobody looks at them
LABELS = np.random.default_rng(9).integers(10, size=len(IMAGES))
TRAIN, VALID = np.arange(1000), np.arange(1000, len(IMAGES))


def trained(architecture, epochs=1, seed=0):
    settings = Settings(architecture, "baseline", epochs, 1, 1.0)
    parts = ((rows, LABELS[rows]) for rows in (TRAIN, VALID))
    learner = make_learner(Data(IMAGES, *parts), 10, settings, seed)
    return learner, fit(learner)


def test_a_guess_is_right_for_one_image_in_ten_within_the_error_of_29_000():
    learner, history = trained("random_guess")
    assert history.rows[0]["valid_accuracy"] == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / len(VALID)))
    rows = learner.model.predict(VALID)
    assert accuracy_of(rows, LABELS[VALID]) == history.rows[0]["valid_accuracy"]


def test_there_is_a_softmax_row_an_image_and_each_digit_comes_about_as_often():
    rows = trained("random_guess")[0].model.predict(VALID)
    assert rows.shape == (len(VALID), 10)
    check_probabilities(rows, "guess")
    counts = np.bincount(rows.argmax(axis=1), minlength=10)
    assert counts == pytest.approx(2900, rel=0.1)


def test_a_rows_guess_does_not_depend_on_which_others_are_asked_for():
    guess = models.build("baseline", "random_guess", (2, 2), 10)
    whole = guess.draw((3, 0), VALID)
    assert np.array_equal(guess.draw((3, 0), VALID[::-7]), whole[::-7])
    assert np.array_equal(guess.draw((3, 0), VALID[:1]), whole[:1])


def test_another_seed_guesses_otherwise_and_the_same_one_the_same():
    first, again, other = (trained("random_guess", seed=seed)[0].model.predict(VALID) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_search_keeps_and_names_the_seed_that_is_best_by_brute_force(caplog):
    caplog.set_level("INFO", "digitflow")
    learner, history = trained("seed_search", epochs=200, seed=5)
    right = [
        (np.random.default_rng((5, number)).integers(10, size=1000) == LABELS[TRAIN]).sum()
        for number in range(200)
    ]
    assert learner.model.seed == (5, int(np.argmax(right)))
    found = [row["accuracy"] for row in history.rows]
    assert found == pytest.approx(np.maximum.accumulate(right) / 1000)
    named = [record.message for record in caplog.records if record.message.startswith("seed")]
    told = f"{max(right)} of 1,000 training labels right, the most so far"
    assert named[-1] == f"seed {learner.model.seed}: {told}"


def test_the_best_of_many_seeds_on_the_training_labels_is_no_better_than_chance_on_others():
    learner, history = trained("seed_search", epochs=300)
    error = np.sqrt(0.09 / len(TRAIN))
    assert history.rows[-1]["accuracy"] > 0.1 + 2 * error  # luck looks like skill
    rows = learner.model.predict(VALID)
    assert accuracy_of(rows, LABELS[VALID]) == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / len(VALID)))


def test_a_saved_guess_is_its_seed(tmp_path):
    guess = Guess(10, searches=True)
    guess.consider((7, 3), TRAIN, LABELS[TRAIN])
    guess.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert file["seed"].tolist() == [7, 3]


def test_a_loaded_guess_draws_what_the_saved_one_drew_and_a_network_is_refused(tmp_path):
    guess = Guess(10, searches=True)
    guess.consider((7, 3), TRAIN, LABELS[TRAIN])
    guess.save(tmp_path / "guess.npz")
    assert np.array_equal(baseline.load(tmp_path / "guess.npz").predict(VALID), guess.predict(VALID))
    numpy_mlp.MLP((4, 2)).save(tmp_path / "network.npz")
    with pytest.raises(FormatError, match=r"network\.npz: not a saved model"):
        baseline.load(tmp_path / "network.npz")


def test_no_rows_get_no_guesses():
    assert Guess(10, searches=False).predict(np.array([], np.int64)).shape == (0, 10)
