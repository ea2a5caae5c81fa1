"""Learning-rate schedules."""

import itertools

import pytest

from digitflow.errors import ConfigError
from digitflow.training import schedule


def rates(name, steps=101, peak=2.0):
    rate = schedule.make(name, steps, peak)
    return [rate(step) for step in range(steps)]


def test_constant_stays_at_the_peak():
    assert set(rates("constant")) == {2.0}


def test_cosine_falls_from_the_peak_through_its_half_to_zero():
    found = rates("cosine")
    assert found[0] == 2.0
    assert found[50] == pytest.approx(1.0)
    assert found[-1] == 0.0
    assert all(a > b for a, b in itertools.pairwise(found))


def test_one_cycle_rises_for_a_quarter_and_then_falls_to_zero():
    found = rates("one_cycle")
    assert found[0] == pytest.approx(2.0 / 25)
    assert found.index(max(found)) == 25
    assert max(found) == 2.0
    assert found[-1] == 0.0
    assert all(a < b for a, b in itertools.pairwise(found[:26]))
    assert all(a > b for a, b in itertools.pairwise(found[25:]))


@pytest.mark.parametrize("name", schedule.SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_trainings_have_rates_up_to_the_peak(name, steps):
    assert all(0.0 <= rate <= 2.0 for rate in rates(name, steps))


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_a_step_after_the_last_has_rate_zero(name):
    assert schedule.make(name, 10, 2.0)(50) == 0.0


def test_an_unknown_name_is_refused_with_those_that_exist():
    with pytest.raises(ConfigError, match=r"schedule: 'linear' is not one of constant, cosine, one_cycle"):
        schedule.make("linear", 10, 1.0)
