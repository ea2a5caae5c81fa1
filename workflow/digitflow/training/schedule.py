"""Learning-rate schedules: plain functions of the step, shared by the frameworks."""

import math
from collections.abc import Callable

from digitflow.errors import ConfigError

Schedule = Callable[[int], float]


def constant(steps: int, peak: float) -> Schedule:
    """The same rate at each of `steps` steps."""
    return lambda step: peak


def cosine(steps: int, peak: float) -> Schedule:
    """From `peak` to zero along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983)."""
    return lambda step: _anneal(peak, 0.0, step / max(steps - 1, 1))


def one_cycle(steps: int, peak: float, warm: float = 0.25, divide: float = 25.0) -> Schedule:
    """Up from `peak / divide` in the first `warm` part of the steps, then down to zero, along cosines.

    Smith and Topin 2017, arXiv:1708.07120. The short warm-up allows a peak that would diverge from the
    start; the end at zero settles the weights without a separate fine-tuning phase.
    """
    last = max(steps - 1, 1)
    top = max(round(last * warm), 1)

    def rate(step: int) -> float:
        if step < top:
            return _anneal(peak / divide, peak, step / top)
        return _anneal(peak, 0.0, (step - top) / max(last - top, 1))

    return rate


SCHEDULES: dict[str, Callable[[int, float], Schedule]] = {
    "constant": constant,
    "cosine": cosine,
    "one_cycle": one_cycle,
}


def make(name: str, steps: int, peak: float) -> Schedule:
    """The schedule called `name`, from step 0 to step `steps - 1`. Raises ConfigError for another name."""
    if name not in SCHEDULES:
        raise ConfigError(f"schedule: {name!r} is not one of {', '.join(SCHEDULES)}")
    return SCHEDULES[name](steps, peak)


def _anneal(start: float, end: float, part: float) -> float:
    part = min(max(part, 0.0), 1.0)
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * part))
