"""benchmarks/record.py: what it runs, and what it says; the runs themselves are pretended."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.conftest import PROJECT


@pytest.fixture
def record(tmp_path, monkeypatch):
    """The module, which writes to a folder of the test's, and the commands that it runs there."""
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    import record

    ran = []

    def run(*command, cwd=None):
        ran.append(([str(part) for part in command], cwd))
        if "-d" in command:  # a run of ours: what is read of it
            results = command[command.index("-d") + 1] / "results"
            results.mkdir()
            (results / "scores.csv").write_text("model,test_accuracy\nmerged,0.99\n")
        return SimpleNamespace(seconds=30.0 if "-d" in command else 20.0, cpu_seconds=40.0)

    monkeypatch.setattr(record, "run", run)
    monkeypatch.setattr(record, "settle", lambda: None)
    monkeypatch.setattr(record, "commit", lambda clone=Path("this"): clone.name)
    monkeypatch.setattr(record, "WORK", tmp_path / "work")
    monkeypatch.setattr(record, "TABLE", tmp_path / "record.csv")
    monkeypatch.setattr(record, "README", tmp_path / "README.md")
    record.README.write_text("Before.\n{}\nOld.\n{}\nAfter.\n".format(*record.MARKERS))
    record.ran = ran
    return record


@pytest.fixture
def clone(tmp_path):
    """A clone of an older commit, as far as its folders go."""
    folder = tmp_path / "old"
    for part in ("rules", "workflow", "config", "profiles", ".venvs"):
        (folder / part).mkdir(parents=True)
    (folder / "Snakefile").touch()
    return folder


def test_the_default_runs_in_turns_with_that_of_a_clone_and_the_ratio_is_printed(
    record, clone, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["record.py", "--against", str(clone), "--splits", "1", "2"])
    record.main()
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == [
        *("default on split 1: 30.0 s, 0.99", "split 1: 30 s, 20 s: 1.50"),
        *("default on split 2: 30.0 s, 0.99", "split 2: 30 s, 20 s: 1.50"),
    ]
    assert [line.split(",")[1] for line in record.TABLE.read_text().splitlines()] == ["split", "1", "2"]
    assert last.startswith("this / old: 1.50 (1.50 to 1.50); ")
    runs = [(command, cwd) for command, cwd in record.ran if "--configfile" in command]
    assert [Path(command[0]).name for command, _ in runs] == ["snakemake", "env"] * 2


def test_a_clone_runs_its_own_code_in_a_new_folder_on_the_same_rows(record, clone):
    (record.WORK / "against-7").mkdir(parents=True)
    (record.WORK / "against-7" / "results").mkdir()
    record.measure("default", 7)
    record.measure_clone(clone, 7)
    command, folder = record.ran[-1]
    assert command == [
        *("env", "-u", "PYTHONPATH", str(clone / ".venv" / "bin" / "snakemake"), "-j2"),
        *("--configfile", "config/config.yaml", "split.yaml"),
    ]
    assert {path.name for path in folder.iterdir()} == {
        *("Snakefile", "rules", "workflow", "config", "profiles", ".venvs", "split.yaml")
    }
    assert (folder / ".venvs").resolve() == clone / ".venvs"
    ours = json.loads((record.WORK / "default-7" / "split.yaml").read_text())
    assert json.loads((folder / "split.yaml").read_text()) == {"data": ours["data"]}
    assert ours["store"] is None


def test_rows_are_not_compared_with_a_clone(record, clone, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["record.py", "fast", "--against", str(clone)])
    with pytest.raises(SystemExit):
        record.main()
    assert "--against compares the default: name no rows" in capsys.readouterr().err


def test_no_digit_by_which_networks_were_chosen_is_tested_and_splits_share_test_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks" / "peers"))
    import numpy as np
    import split_csv

    chose = np.random.default_rng(split_csv.CHOOSING_SEED).permutation(70_000)[: split_csv.CHOOSING]
    tested = {seed: set(split_csv.rows(seed)[1].tolist()) for seed in (101, 102, 103, 201)}
    assert all(tested[seed].isdisjoint(chose.tolist()) for seed in tested)
    assert all(
        len(tested[201] & tested[seed]) / 28_000 == pytest.approx(0.56, abs=0.005) for seed in (101, 102)
    )
    before = tested[101] | tested[102] | tested[103]
    assert len(tested[201] & before) / 28_000 == pytest.approx(0.92, abs=0.01)
