"""benchmarks/train.py: the shares of an epoch, from seconds that are pretended."""

import json
from types import SimpleNamespace

import pytest
from tests.conftest import PROJECT


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    import train

    return train


def test_the_shares_of_an_epoch_add_up_and_the_start_is_a_part_of_the_whole_training(benchmark):
    (first, (_, settings)), *others = benchmark.default_models().items()
    # Of so few rows, as long as the default's:
    epochs = json.loads(settings)["epochs"] * benchmark.DEFAULT_ROWS / benchmark.SHARES_ROWS
    took = {first: [[epochs * 10, 1.0, 8.0, 1.0]]}  # the start takes as long as all epochs
    took |= {name: [[0.0, 0.0, 3.0, 1.0]] for name, _ in others}
    table = benchmark.table_of_shares(took).splitlines()
    assert table[2] == f"| {first} | 10.0 % | 80.0 % | 10.0 % | 50.0 % |"
    assert table[3:] == [f"| {name} | 0.0 % | 75.0 % | 25.0 % | 0.0 % |" for name, _ in others]


def test_what_is_said_of_the_rounds_is_their_median(benchmark):
    rounds = [[0.0, waiting, 10.0 - waiting, 0.0] for waiting in (1.0, 2.0, 9.0)]
    names = [*benchmark.default_models()]
    table = benchmark.table_of_shares(dict.fromkeys(names, rounds))
    assert f"| {names[0]} | 20.0 % | 80.0 % | 0.0 % | 0.0 % |" in table


def test_waiting_is_counted_apart_from_steps_and_what_the_first_of_each_takes_belongs_to_the_start(
    benchmark, monkeypatch
):
    clock = [100.0]

    def lasts(seconds):
        clock[0] += seconds

    def batches():
        for _ in range(3):
            lasts(1)
            yield 0

    now = SimpleNamespace(time=lambda: clock[0], perf_counter=lambda: clock[0])
    monkeypatch.setattr(benchmark.epoch_shares, "time", now)
    epoch = (batches(), lambda batch: lasts(10), lambda: lasts(5))
    assert benchmark.epoch_shares.shares(epoch, since=60.0) == [56.0, 2.0, 20.0, 5.0]
