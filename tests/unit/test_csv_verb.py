"""The verb csv_to_idx: both CSVs at the same time, in a process each."""

import logging

import numpy as np
import pytest

from digitflow.__main__ import main
from digitflow.formats import idx

GOOD = {"train": "label,pixel0,pixel1\n7,0,255\n1,3,4\n", "test": "pixel0,pixel1\n5,6\n"}


@pytest.fixture
def convert(tmp_path, monkeypatch, capsys):
    """A function that converts two CSVs; returns the exit status and what was printed."""
    monkeypatch.setattr(logging.getLogger("digitflow"), "handlers", [])
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")

    def run(csvs: dict[str, str], threads: int) -> tuple[int, str]:
        for name, text in csvs.items():
            (tmp_path / f"{name}.csv").write_text(text)
        names = ("train_csv", "test_csv", "train_images", "train_labels", "test_images")
        paths = [tmp_path / name.replace("_csv", ".csv") for name in names]
        flags = [f"--{name.replace('_', '-')}={path}" for name, path in zip(names, paths, strict=True)]
        size = ["--height=1", "--width=2", "--classes=10", f"--threads={threads}"]
        return main(["csv_to_idx", *flags, *size]), capsys.readouterr().err

    return run


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_number_of_threads_changes_no_value(convert, tmp_path, threads):
    assert convert(GOOD, threads)[0] == 0
    assert np.array_equal(idx.read(tmp_path / "train_images"), [[[0, 255]], [[3, 4]]])
    assert np.array_equal(idx.read(tmp_path / "train_labels"), [7, 1])
    assert np.array_equal(idx.read(tmp_path / "test_images"), [[[5, 6]]])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wrong", ["train", "test"])
def test_a_mistake_in_either_csv_is_named_and_ends_the_verb(convert, tmp_path, wrong, threads):
    damaged = GOOD[wrong].replace("5,6", "5,x").replace("3,4", "3,x")
    status, printed = convert({**GOOD, wrong: damaged}, threads)
    assert status == 1
    assert f"{wrong}.csv, line" in printed
    assert "column pixel1: 'x' is not a whole number" in printed
    assert "Traceback" not in printed
    assert not (tmp_path / f"{wrong}_images").exists()
