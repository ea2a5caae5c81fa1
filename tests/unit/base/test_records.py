"""Files that are older than Snakemake's records of them, and records that are gone."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.persistence.file import FilePersistence as Persistence

from digitflow.base import records

NOW = 1_700_000_000


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A folder with two outputs, one with a very long name, that were made a moment before their records."""
    monkeypatch.chdir(tmp_path)
    for output in ("data/a", long_name()):
        record(output, after=0.5)
    return tmp_path


def long_name() -> str:
    """A path whose record Snakemake keeps in several folders."""
    return "/".join(["data", "é" * 100, "b" * 200, "c"])


def record(output: str, after: float) -> Path:
    """Make an output and Snakemake's record of it, this many seconds later."""
    path, kept = Path(output), records.record_of(output, records.METADATA)
    for file, text in (
        (path, "made"),
        (kept, json.dumps({"params": ["1"], "input_checksums": {"in": "ab"}})),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    os.utime(path, (NOW, NOW))
    os.utime(kept, (NOW + after, NOW + after))
    return kept


@pytest.mark.parametrize("output", ["data/a", long_name()])
def test_snakemake_itself_keeps_its_records_in_these_places(project, output):
    snakemake = SimpleNamespace(_fetch_max_len=lambda folder: os.pathconf(folder, "PC_NAME_MAX"))
    place = Persistence._record_path(snakemake, records.METADATA, output)
    assert Path(place) == records.record_of(output, records.METADATA)


def test_what_was_made_last_is_not_taken_for_put_back(project):
    assert not [*records.find_put_back()]


@pytest.mark.parametrize("output", ["data/a", long_name()])
def test_a_file_that_is_older_than_its_record_was_put_back(project, output):
    os.utime(output, (NOW - 3600, NOW - 3600))
    assert [*records.find_put_back()] == [output]


def test_times_by_a_clock_that_is_a_little_slow_are_no_older(project):
    os.utime("data/a", (NOW - 50, NOW - 50))
    assert not [*records.find_put_back()]


def test_what_is_gone_or_has_a_name_that_is_no_record_is_passed_over(project):
    Path("data/a").unlink()
    (records.METADATA / "notes.txt").write_text("not Snakemake's")
    assert not [*records.find_put_back()]


def test_it_is_made_again_because_its_settings_are_none_that_a_job_has(project):
    os.utime("data/a", (NOW - 3600, NOW - 3600))
    records.make_again("data/a", records.PUT_BACK)
    kept = json.loads(records.record_of("data/a", records.METADATA).read_text())
    assert kept == {"params": ["'put back'"], "input_checksums": {}}
    assert Path("data/a").stat().st_mtime == records.LONG_AGO
    assert not [*records.find_put_back()]  # said once


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_record_is_removed_so_that_its_output_is_made_again(project, text):
    kept = records.record_of("data/a", records.METADATA)
    kept.write_text(text)
    records.make_again("data/a", records.FAILED)
    assert not kept.exists()


def test_an_output_without_any_records_was_copied_without_them(project):
    assert not records.are_missing("data/a")
    assert not records.are_missing("data/none")
    shutil.rmtree(records.METADATA)
    assert records.are_missing("data/a")
    assert not records.are_missing("data/none")
    records.record_of("data/a", records.INCOMPLETE).parent.mkdir(parents=True)
    records.record_of("data/a", records.INCOMPLETE).touch()  # of a first run that was killed
    assert not records.are_missing("data/a")
