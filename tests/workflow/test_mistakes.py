"""A user's mistake: one clear message before any job starts, and an exit status that is not 0."""

import pytest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 8", "epoch: 8", "models.keras_cnn.epoch: unknown key; did you mean epochs?"),
        ("epochs: 8", "epochs: many", "models.keras_cnn.epochs: 'many', should be of type integer"),
        (
            "device: cpu",
            "merge: {models: [keras_cmm]}",
            "'keras_cmm' is not defined; did you mean keras_cnn?",
        ),
        ("own/test.csv", "own/missing.csv", "data.test_csv: there is no file 'own/missing.csv'"),
        ("source: files", "source: kaggle", "accept its rules"),
    ],
)
def test_a_wrong_configuration_stops_before_any_job(fresh, old, new, message):
    fresh.configure(old, new)
    finished = fresh.snakemake("results/submission.csv")
    assert finished.returncode != 0
    assert message in finished.stdout
    assert "Traceback" not in finished.stdout
    assert not (fresh.folder / "data").exists()


def test_a_bad_cell_is_named_and_leaves_no_file(fresh):
    path = fresh.folder / "own" / "train.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[16] = lines[16].replace(",0,", ",256,", 1)
    column = lines[16].split(",").index("256") - 1
    path.write_text("".join(lines))
    finished = fresh.snakemake("results/submission.csv")
    assert finished.returncode == 1
    assert "own/train.csv, line 17, " in finished.stdout
    assert f"pixel{column}" in finished.stdout
    assert "'256'" in finished.stdout
    assert "Traceback" not in finished.stdout
    assert not list((fresh.folder / "data").rglob("*ubyte*"))


def test_a_gpu_that_is_not_there_is_looked_for_and_missed(finished):
    finished.configure("device: cpu", "device: gpu")
    result = finished.snakemake("results/submission.csv")
    assert result.returncode == 1
    assert "device: gpu was asked for" in result.stdout
    assert "Traceback" not in result.stdout
