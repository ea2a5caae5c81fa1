"""Notes of unfinished jobs: what they were to replace is made old, and so made again."""

import os

import pytest

from digitflow.base import unfinished

NOW = 1_700_000_000


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder in which Snakemake has run, with two files of today."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (NOW, NOW))
    return tmp_path


def notes(project):
    return list((project / unfinished.NOTES).glob("*"))


def times(project):
    return [(project / name).stat().st_mtime for name in ("a", "b")]


def fail(*outputs):
    with pytest.raises(KeyboardInterrupt), unfinished.marked(outputs):
        raise KeyboardInterrupt


def test_while_a_job_runs_there_is_a_note_and_after_it_ended_well_none(project):
    with unfinished.marked(["a", "b"]):
        assert len(notes(project)) == 1
    assert notes(project) == []
    unfinished.make_old()
    assert times(project) == [NOW, NOW]


def test_the_outputs_of_a_job_that_did_not_end_well_are_made_old_and_no_others(project):
    fail("a", "not there")
    unfinished.make_old()
    assert times(project) == [unfinished.LONG_AGO, NOW]
    assert (project / "a").read_text() == "a"
    assert notes(project) == []


def test_a_job_that_ends_well_at_its_second_try_takes_the_note_of_its_first_away(project):
    fail("a", "b")
    with unfinished.marked(["b", "a"]):  # the same outputs, in another order
        pass
    assert notes(project) == []


def test_jobs_of_other_outputs_have_notes_of_their_own(project):
    fail("a")
    fail("b")
    assert len(notes(project)) == 2


def test_while_a_run_holds_the_lock_its_notes_are_left_alone(project):
    fail("a")
    (project / ".snakemake" / "locks" / "0.input.lock").touch()
    unfinished.make_old()
    assert times(project) == [NOW, NOW]
    assert len(notes(project)) == 1


def test_a_note_that_is_half_written_is_removed_and_nothing_is_made_old(project):
    fail("a")
    (note,) = notes(project)
    note.write_text(note.read_text()[:-2])
    unfinished.make_old()
    assert times(project) == [NOW, NOW]
    assert notes(project) == []


def test_a_verb_that_snakemake_did_not_call_leaves_no_note(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fail("a")
    unfinished.make_old()
    assert list(tmp_path.iterdir()) == []
