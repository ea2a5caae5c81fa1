"""Killed runs, resumed as the README says, end like one that nobody disturbed; `make torture` does more."""

import os
import signal

import pytest
from tests.workflow.torture import (
    CHANGES,
    KILLS,
    Torture,
    contents,
    differences,
    kill_at_writes,
    make_corrected,
    start,
    stopped_job,
    wait_for_jobs,
)

RULES = ["csv_to_idx", "idx_to_png", "pack_rec", "train_mxnet", "train_keras", "merge"]
WRITING = 3  # the folder, the temporary file, and before its renaming


def test_a_run_that_is_killed_in_every_way_ends_with_the_same_bytes(finished_run, fresh):
    torture = Torture(fresh, {})
    torture.expected = contents(finished_run[0], torture.outputs)
    met = [torture.interrupt(rule, kill, WRITING) for rule, kill in zip(RULES, KILLS, strict=True)]
    assert [one.rule for one in met] == RULES
    assert not any(one.wrong for one in met)
    assert any(one.writing for one in met)
    assert torture.finish() == []


def test_a_job_that_outlives_its_snakemake_harms_nothing_however_late_it_ends(
    finished_numpy_run, fresh_numpy
):
    torture = Torture(fresh_numpy, {})
    torture.expected = contents(finished_numpy_run[0], torture.outputs)
    made = {"data/rec/train.lst", "data/rec/valid.lst"}
    process = start(fresh_numpy, *made, stop=f"write_lst:{WRITING}")
    orphan = stopped_job(fresh_numpy, process)
    process.kill()
    process.wait()
    assert fresh_numpy.call("--unlock").returncode == 0
    assert fresh_numpy.snakemake(*made).returncode == 0
    os.kill(orphan, signal.SIGCONT)
    wait_for_jobs(process.pid)
    assert contents(fresh_numpy, made) == {path: torture.expected[path] for path in made}
    assert not differences(fresh_numpy, torture.outputs, torture.expected)
    assert torture.finish() == []


@pytest.mark.parametrize(("change", "writes"), [*zip(CHANGES, [(4, 5, 12), (19, 23, 30)], strict=True)])
def test_what_a_person_did_survives_a_kill_of_what_notices_it(change, writes, fresh_numpy, tmp_path):
    corrected = make_corrected(fresh_numpy)
    met = list(kill_at_writes(change, corrected, tmp_path, writes))
    assert len(met) == len(writes)
    for one, left in met:
        assert not one.wrong
        assert left == []
