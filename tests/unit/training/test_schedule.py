"""Learning-rate schedules."""

import inspect
import itertools

import pytest
import yaml

from digitflow.base.errors import ConfigError
from digitflow.training import schedule


def rates(name, steps=101, peak=2.0, per_epoch=10, **options):
    rate = schedule.make(name, steps, per_epoch, peak, **options)
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
    assert schedule.make(name, 10, 10, 2.0)(50) == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cycles": 8}, "schedule_options: triangular has no 'cycles'; its options are cycle, min_lr"),
        ({"cycle": "8"}, "schedule_options.cycle: '8', should be a number"),
        *(
            ({name: 1}, f"triangular has no '{name}'; its options are cycle, min_lr")
            for name in ("peak", "steps")
        ),
        ({"cycle": True}, "schedule_options.cycle: True, should be a number"),
        ({"cycle": 0}, "schedule_options.cycle: 0, should be above 0"),
        ({"min_lr": -0.1}, "schedule_options.min_lr: -0.1, should be 0 or more"),
    ],
)
def test_an_unknown_option_or_one_that_is_no_number_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        schedule.make("triangular", 10, 10, 1.0, **options)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("one_cycle", "warm", 2),
        ("one_cycle", "divide", 0),
        ("plateau", "factor", 1.5),
        ("exp_range", "gamma", 10),
    ],
)
def test_a_value_without_sense_is_refused(name, option, value):
    with pytest.raises(ConfigError, match=rf"schedule_options.{option}: {value}, should be"):
        schedule.make(name, 10, 10, 1.0, **{option: value})


def test_linear_decay_takes_a_step_down_an_epoch_and_halves_in_ten():
    found = rates("linear_decay", steps=201)
    assert found[:11] == [2.0] * 10 + [pytest.approx(2.0 * 10 / 11)]
    assert found[100] == 1.0  # the first step of the eleventh epoch


def test_a_cycle_is_counted_in_iterations_and_turns():
    found = rates("triangular", steps=81, per_epoch=10, cycle=4, min_lr=0.5)
    assert [step for step, rate in enumerate(found) if rate == 2.0] == [20, 60]
    assert [step for step, rate in enumerate(found) if rate == 0.5] == [0, 40, 80]
    assert found[10] == pytest.approx((0.5 + 2.0) / 2)


def test_triangular2_halves_its_height_with_each_cycle():
    found = rates("triangular2", steps=81, per_epoch=10, cycle=4, min_lr=0.5)
    assert found[20] == 2.0
    assert found[60] == pytest.approx(0.5 + 1.5 / 2)
    assert found[40] == found[80] == 0.5


def test_exp_range_shrinks_its_height_at_each_step():
    found = rates("exp_range", steps=81, per_epoch=10, cycle=4, gamma=0.99)
    assert found[20] == pytest.approx(2.0 * 0.99**20)
    assert found[60] == pytest.approx(2.0 * 0.99**60)


@pytest.mark.parametrize("name", schedule.SCHEDULES)
@pytest.mark.parametrize("min_lr", [1e-5, 0.5, 3.0])
def test_no_rate_is_below_the_smallest(name, min_lr):  # not where it is above the peak, either
    assert min(rates(name, min_lr=min_lr)) >= min_lr


def test_the_smallest_rate_is_the_number_that_yaml_reads():
    assert min(rates("triangular", min_lr=yaml.safe_load("1.0e-5"))) == 0.00001


def test_plateau_lowers_the_rate_after_epochs_without_a_lower_loss_and_then_waits_anew():
    rate = schedule.make("plateau", 100, 10, 1.0, factor=0.5, patience=2, min_lr=0.2)
    found = []
    for loss in (3.0, 2.0, 2.5, 2.0, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5):
        rate.observe(loss)
        found.append(rate(0))
    assert found == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]


@pytest.mark.parametrize("name", schedule.SCHEDULES)
def test_options_left_out_are_those_written_out_with_their_defaults(name):
    parameters = list(inspect.signature(schedule.SCHEDULES[name]).parameters.values())[3:]
    assert rates(name) == rates(name, **{option.name: option.default for option in parameters})
