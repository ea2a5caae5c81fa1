"""The verb `describe`, as people call it."""

import pytest

from digitflow.__main__ import main

TEXT = "label,p0,p1,p2,p3\n7,0,16,3,4\n9,0,16,3,5\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "optdigits.csv").write_text(TEXT)
    (tmp_path / "bright.csv").write_text(TEXT.replace("16", "255"))
    return tmp_path


def test_files_are_described_one_after_the_other_and_each_has_its_sheet(folder, capsys):
    assert main(["describe", "bright.csv"]) == 0
    assert main(["describe", "bright.csv", "optdigits.csv", "--sheet", "first.png"]) == 1  # not the other
    said = capsys.readouterr().out
    assert "bright.csv\n  a pixel CSV with labels: 2 rows, 2 x 2 images" in said
    assert "the first 2 images: first-1.png" in said
    assert "optdigits.csv\n  optdigits.csv: the pixels are whole numbers up to 16" in said
    assert [path.name for path in folder.glob("*.png")] == ["first-1.png"]  # the other one cannot be read


def test_a_sheet_takes_the_place_of_no_csv(folder, verb):
    status, said = verb("describe", "bright.csv", "--sheet", "optdigits.csv")
    assert (status, said) == (
        1,
        "error: optdigits.csv: a sheet must be a PNG file of its own, outside of what is described\n",
    )
    (folder / "pictures").mkdir()
    assert verb("describe", "pictures", "--sheet", "pictures/1.png")[0] == 1
    assert (folder / "optdigits.csv").read_text() == TEXT


def test_a_file_is_read_as_the_configuration_says(folder, capsys):
    (folder / "mine.yaml").write_text(
        "data: {source: files, train_csv: optdigits.csv, test_csv: null, values: {from: 0, to: 16}}\n"
    )
    assert main(["describe", "optdigits.csv", "--configfile", "mine.yaml"]) == 0
    said = capsys.readouterr().out
    assert "pixels: 5 different values from 0 to 255" in said
    assert "values: {from: 0.0, to: 16.0}" in said


def test_a_file_that_is_not_there_stops_before_anything_is_said(folder, verb):
    assert verb("describe", "bright.csv", "bright.zip/train.csv") == (
        1,
        "error: bright.zip/train.csv: no such file\n",
    )
