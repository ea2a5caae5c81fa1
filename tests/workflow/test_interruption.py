"""Killed runs, resumed as the README says, end like one that nobody disturbed; `make torture` does more."""

import random

from tests.workflow.torture import KILLS, Torture, contents

RULES = ["csv_to_idx", "idx_to_png", "pack_rec", "train_mxnet", "train_keras", "merge"]


def test_a_run_that_is_killed_in_every_way_ends_with_the_same_bytes(finished_run, fresh):
    torture = Torture(fresh, {}, random.Random(0))
    torture.expected = contents(finished_run[0], torture.outputs)
    met = list(torture.interruptions(dict(zip(RULES, KILLS, strict=True)), writing=True))
    assert len(met) >= len(RULES) - 1  # a job that had just ended could not be killed
    assert not any(one.wrong for one in met)
    assert any(one.writing for one in met)
    assert torture.finish() == []
