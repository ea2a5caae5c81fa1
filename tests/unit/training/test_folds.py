"""Several trainings that each left out a fold, put together by row, and their predictions averaged."""

import json

import numpy as np
import pytest

from digitflow.base.errors import FormatError
from digitflow.dataset.lists import of_rows, write_folds
from digitflow.formats import idx, lst
from digitflow.formats.probabilities import read_probabilities, write_probabilities
from digitflow.training import folds

ROWS, CLASSES, FOLDS = 30, 3, 5
LABELS = np.arange(ROWS) % CLASSES
# Row i is sure of i / 100 and a bit: no two rows are alike, so that a row out of place is seen.
TRUTH = np.stack([np.arange(ROWS) / 100, 0.5 - np.arange(ROWS) / 100, np.full(ROWS, 0.5)], axis=1)
DROPPED = (4, 17)


@pytest.fixture
def folder(tmp_path):
    """Thirty images, of which two are dropped: the lists of five folds, and what each fold predicted."""
    idx.write(tmp_path / "images", np.zeros((ROWS, 2, 2), np.uint8))
    keep = ~np.isin(np.arange(ROWS), DROPPED)
    labelled = of_rows("train", ROWS, LABELS, "abc").select(keep)
    lst.write(tmp_path / "valid.lst", labelled)
    trains, valids = ([tmp_path / f"{part}{k}.lst" for k in range(FOLDS)] for part in ("train", "valid"))
    write_folds(labelled, trains, valids, "abc", seed=0)
    for k, path in enumerate(valids):
        write_probabilities(tmp_path / f"valid{k}.npy", TRUTH[lst.read(path).index - 1])
        facts = {"framework": "keras", "versions": {}, "device": "cpu", "threads": 1, "seed": 7}
        facts["precision"] = "bfloat16"
        facts |= {"settings": {"architecture": "x"}, "parameters": 3, "looked_at_validation": k == 2}
        facts |= {"data": {"images": "all", "train.lst": f"t{k}", "valid.lst": f"v{k}"}}
        facts |= {"status": "pruned" if k == 1 else "finished", "epochs": k + 1, "seconds": 1.5}
        (tmp_path / f"metrics{k}.json").write_text(json.dumps(facts))
    return tmp_path


def collect(folder, order=range(FOLDS)):
    parts = (
        [folder / name.format(k) for k in order] for name in ("metrics{}.json", "valid{}.lst", "valid{}.npy")
    )
    out = (
        folder / "all" / name for name in ("valid_probabilities.npy", "oof_probabilities.npy", "metrics.json")
    )
    folds.collect(*parts, folder / "images", folder / "valid.lst", *out)


def test_every_row_has_the_prediction_of_the_fold_that_left_it_out(folder):
    collect(folder)
    oof = np.load(folder / "all" / "oof_probabilities.npy")
    keep = ~np.isin(np.arange(ROWS), DROPPED)
    np.testing.assert_allclose(oof[keep], TRUTH[keep], rtol=1e-6)
    assert np.isnan(oof[~keep]).all()


def test_validation_probabilities_stand_in_the_order_of_the_whole_list(folder):
    collect(folder)
    found = read_probabilities(folder / "all" / "valid_probabilities.npy", ROWS - len(DROPPED))
    np.testing.assert_allclose(found, TRUTH[lst.read(folder / "valid.lst").index - 1], rtol=1e-6)


def test_the_order_of_the_folds_does_not_matter(folder):
    collect(folder)
    first = (folder / "all" / "oof_probabilities.npy").read_bytes()
    collect(folder, order=(3, 0, 4, 2, 1))
    assert (folder / "all" / "oof_probabilities.npy").read_bytes() == first


def test_the_metrics_are_those_of_all_folds_together(folder):
    collect(folder)
    metrics = json.loads((folder / "all" / "metrics.json").read_text())
    true = LABELS[lst.read(folder / "valid.lst").index - 1]
    expected = (TRUTH[lst.read(folder / "valid.lst").index - 1].argmax(axis=1) == true).mean()
    assert metrics["valid_accuracy"] == pytest.approx(expected)
    assert (metrics["folds"], metrics["valid_images"], metrics["epochs"]) == (FOLDS, 28, 5)
    assert metrics["precision"] == "bfloat16"
    assert (metrics["seconds"], metrics["status"]) == (7.5, "finished, pruned")
    assert metrics["looked_at_validation"] is True
    assert (metrics["seed"], metrics["parameters"]) == (7, 3)
    lists = {f"fold{k}/{part}.lst": f"{part[0]}{k}" for k in range(FOLDS) for part in ("train", "valid")}
    assert metrics["data"] == {"images": "all", **lists}


def test_a_row_in_two_folds_or_in_none_is_named(folder):
    whole = lst.read(folder / "valid0.lst")
    lst.write(folder / "valid0.lst", whole.select(np.arange(len(whole)) > 0))
    write_probabilities(folder / "valid0.npy", TRUTH[whole.index[1:] - 1])
    message = (
        rf"valid\.lst: image {whole.index[0]} is in 0 folds, should be in exactly one; delete .*valid\.lst"
    )
    with pytest.raises(FormatError, match=message):
        collect(folder)
    (folder / "valid0.lst").write_bytes((folder / "valid1.lst").read_bytes())
    (folder / "valid0.npy").write_bytes((folder / "valid1.npy").read_bytes())
    with pytest.raises(
        FormatError, match=r"valid\.lst: image \d+ is in [02] folds, should be in exactly one"
    ):
        collect(folder)
    assert not (folder / "all").exists()


def test_predictions_of_another_list_are_refused(folder):
    write_probabilities(folder / "valid0.npy", TRUTH[:2])
    with pytest.raises(FormatError, match=r"valid0\.npy: 2 rows, should be \d+"):
        collect(folder)


def test_the_average_is_the_mean_of_the_folds_predictions(tmp_path):
    first, second = np.array([[1, 0], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.25, 0.75]])
    paths = [tmp_path / f"{k}.npy" for k in range(2)]
    for path, rows in zip(paths, (first, second), strict=True):
        write_probabilities(path, rows)
    out = tmp_path / "test_probabilities.npy", tmp_path / "test_prediction.json"
    folds.average(paths, *out)
    assert read_probabilities(out[0]).tolist() == [[0.75, 0.25], [0.375, 0.625]]
    assert json.loads(out[1].read_text())["mean_of"] == [str(path) for path in paths]


def test_predictions_of_different_images_are_not_averaged(tmp_path):
    write_probabilities(tmp_path / "0.npy", np.full((2, 2), 0.5))
    write_probabilities(tmp_path / "1.npy", np.full((1, 2), 0.5))
    with pytest.raises(FormatError, match=r"1\.npy: 1 rows, should be 2"):
        folds.average([tmp_path / "0.npy", tmp_path / "1.npy"], tmp_path / "p.npy", tmp_path / "p.json")
