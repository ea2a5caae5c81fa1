"""The table of a study: ranked, and its best points compared."""

import numpy as np
import pytest
from tests.conftest import read_rows

from digitflow.base.errors import FormatError
from digitflow.config.models import COLUMNS
from digitflow.formats import idx
from digitflow.scoring.pairs import read_pairs
from digitflow.scoring.summary import LOOKED_NOTE
from digitflow.scoring.table import LOOKED
from digitflow.studies import table as tables


def rows_of(study, folder):
    tables.write_table(folder / "table.csv", tables.read(study, folder / "models" / "which"))
    return read_rows(folder / "table.csv")


def test_the_table_is_ranked_by_validation_accuracy_and_has_its_interval(results, tmp_path):
    first, second = rows_of(results(), tmp_path)
    assert (first["trained_epochs"], second["epochs"]) == ("2.0", "1")
    assert (first["valid_accuracy"], first["valid_low"], first["valid_high"]) == ("0.9", "0.85", "0.95")


def test_several_seeds_become_means_and_a_standard_deviation(results, tmp_path):
    first, _ = rows_of(results(seeds=(0, 1, 2)), tmp_path)
    assert (first["seeds"], first["valid_accuracy"], first["valid_std"]) == ("3", "0.91", "0.01")
    assert (first["valid_low"], first["valid_high"]) == ("0.86", "0.96")


def test_every_column_beside_the_axes_is_a_name_that_no_axis_may_have(results, tmp_path):
    first, _ = rows_of(results(seeds=(0, 1)), tmp_path)
    assert {*first} - {"epochs", "framework"} <= COLUMNS  # the framework may be an axis


def test_a_validation_accuracy_that_is_a_little_too_good_has_a_star_in_the_ranking(results, tmp_path, caplog):
    caplog.set_level("INFO", "digitflow")
    study = results(seeds=(0, 1), looked=[(1, 1)])
    assert [row[LOOKED] for row in rows_of(study, tmp_path)] == ["False", "True"]
    tables.say_ranking("Which?", tables.read(study, tmp_path / "models" / "which"), "table.csv")
    _, first, second, note, _ = caplog.messages[-1].splitlines()
    assert (first.endswith("%"), second.endswith("%*"), note) == (True, True, LOOKED_NOTE)
    tables.say_ranking("Which?", tables.read(results(), tmp_path / "models" / "which"), "table.csv")
    assert "*" not in caplog.messages[-1]


def test_the_best_points_are_compared_with_their_seeds_averaged(results, tmp_path):
    study, folder = results(seeds=(0, 1)), tmp_path / "models" / "which"
    sure, wrong = np.array([[1, 0], [0, 1]], np.float32), np.array([[0.8, 0.2], [0.7, 0.3]], np.float32)
    for epochs, rows in ((1, wrong), (2, sure)):
        for seed, array in ((0, rows), (1, sure)):
            np.save(folder / f"epochs~{epochs}" / f"seed{seed}" / "test_probabilities.npy", array)
    idx.write(tmp_path / "solution", np.asarray(np.array([0, 1]), np.uint8))
    found = tables.read(study, folder)
    tables.write_pairs(tmp_path / "pairs.csv", found, "no.lst", tmp_path / "solution")
    (pair,) = read_pairs(tmp_path / "pairs.csv").to_dict("records")
    assert (pair["first"], pair["second"], pair["images"]) == ("2", "1", 2)
    assert (pair["only_first"], pair["only_second"]) == (0, 0)  # the mean of 0.3 and 1 is sure enough


def test_a_damaged_file_is_named(results, tmp_path):
    study, folder = results(), tmp_path / "models" / "which"
    (folder / "epochs~1" / "seed0" / "metrics.json").write_text("{")
    with pytest.raises(FormatError, match=r"metrics\.json: damaged: .*; delete it and run again"):
        tables.read(study, folder)
