"""Notes of unfinished jobs: what they were to replace is made old, and so made again."""

import base64
import json
import os
import shlex
import subprocess

import pytest

from digitflow.base import records, unfinished

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


def run(command, *outputs, log="logs/verb/a b's {c} $d.log"):
    """Run a job's shell text; returns its exit status and what it printed."""
    text = (unfinished.NOTED + command + unfinished.DONE).replace("{{", "{").replace("}}", "}")
    text = text.replace("{log:q}", shlex.quote(log)).replace("{output:q}", shlex.join(outputs))
    ended = subprocess.run(["bash", "-c", text], text=True, capture_output=True, check=False)
    return ended.returncode, ended.stdout


def fail(*outputs, **named):
    assert run("false", *outputs, **named) == (1, "")


def test_while_a_job_runs_there_is_a_note_and_after_it_ended_well_none(project):
    assert run(f"cat {unfinished.NOTES}/*", "a", "b's {c} $d") == (0, "a\nb's {c} $d\n")
    assert notes(project) == []
    unfinished.make_old()
    assert times(project) == [NOW, NOW]


def test_a_job_whose_program_cannot_even_start_leaves_a_note(project):
    assert run("no/such/python -m digitflow", "b") == (127, "")
    unfinished.make_old()
    assert times(project) == [NOW, records.LONG_AGO]


def test_the_outputs_of_a_job_that_did_not_end_well_are_made_old_and_no_others(project):
    fail("a", "not there")
    unfinished.make_old()
    assert times(project) == [records.LONG_AGO, NOW]
    assert (project / "a").read_text() == "a"
    assert notes(project) == []


def test_a_job_that_ends_well_at_its_second_try_takes_the_note_of_its_first_away(project):
    fail("a", "b")
    run("true", "a", "b")
    assert notes(project) == []


def test_jobs_of_other_logs_have_notes_of_their_own(project):
    fail("a", log="logs/verb/a-b.log")
    fail("b", log="logs/verb-a/b.log")
    assert len(notes(project)) == 2
    run("true", "a", log="logs/verb/a-b.log")
    unfinished.make_old()
    assert times(project) == [NOW, records.LONG_AGO]


def test_while_a_run_holds_the_lock_its_notes_are_left_alone(project):
    fail("a")
    (project / ".snakemake" / "locks" / "0.input.lock").touch()
    unfinished.make_old()
    assert times(project) == [NOW, NOW]
    assert len(notes(project)) == 1


def test_of_a_note_that_is_half_written_the_whole_lines_count(project):
    fail("a", "b")
    (note,) = notes(project)
    note.write_text(note.read_text()[:-2])
    unfinished.make_old()
    assert times(project) == [records.LONG_AGO, NOW]
    assert notes(project) == []


def test_what_snakemake_itself_knows_to_be_incomplete_is_left_to_it(project):
    fail("a")
    (project / records.INCOMPLETE).mkdir()
    (project / records.INCOMPLETE / base64.urlsafe_b64encode(b"a").decode()).touch()
    unfinished.make_old()
    assert times(project) == [NOW, NOW]
    assert notes(project) == []


def test_what_snakemake_recorded_of_a_job_that_failed_is_of_other_settings_then(project):
    """Its inputs may be folders, whose times say nothing: without a record, nothing tells that it failed."""
    (project / records.METADATA).mkdir()
    folder = project / records.METADATA
    kept = [folder / base64.urlsafe_b64encode(name).decode() for name in (b"a", b"b")]
    known = {"rule": "make", "params": ["0123"], "input_checksums": {"in": "ab"}}
    kept[0].write_text(json.dumps(known))
    kept[1].write_text("{")
    fail("a", "b")
    unfinished.make_old()
    spoiled = json.loads(kept[0].read_text())
    assert spoiled == {"rule": "make", "params": ["'unfinished'"], "input_checksums": {}}
    assert not kept[1].exists()


def test_jobs_that_a_killed_run_had_on_a_cluster_are_named(project):
    def mark(output, job):
        path = records.record_of(output, records.INCOMPLETE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"external_jobid": job}))

    assert unfinished.left_on_cluster() is None
    mark("a", None)  # a job on this machine
    assert unfinished.left_on_cluster() is None
    mark("b", "41")
    mark("c" * 300, "7")
    mark("d", "41")
    assert "may still be on the cluster (41, 7)" in unfinished.left_on_cluster()
