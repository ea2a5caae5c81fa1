"""Learning-rate schedules: plain functions of the step, shared by the frameworks.

A step is one batch, an iteration; users give lengths in epochs, and only here are these multiplied by the
batches per epoch.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

from digitflow.base.errors import ConfigError

Schedule = Callable[[int], float]


class Plateau:
    """The peak, times `factor` whenever `patience` epochs in a row have not lowered the validation loss.

    Never below `min_lr`. The only schedule that depends on results: `observe` is called after each epoch.
    """

    def __init__(
        self,
        steps: int,
        per_epoch: int,
        peak: float,
        factor: float = 0.1,
        patience: float = 10,
        min_lr: float = 0.0,
    ):
        self._rate, self._factor, self._patience, self._min_lr = peak, factor, patience, min_lr
        self._best, self._waited = math.inf, 0

    def __call__(self, step: int) -> float:
        """The rate now, whatever the step."""
        return self._rate

    def observe(self, valid_loss: float) -> None:
        """Take the validation loss of the epoch that has just ended into account."""
        if valid_loss < self._best:
            self._best, self._waited = valid_loss, 0
            return
        self._waited += 1
        if self._waited >= self._patience:
            self._rate, self._waited = max(self._rate * self._factor, self._min_lr), 0


def constant(steps: int, per_epoch: int, peak: float, min_lr: float = 0.0) -> Schedule:
    """The same rate at each step."""
    return lambda step: peak


def cosine(steps: int, per_epoch: int, peak: float, min_lr: float = 0.0) -> Schedule:
    """From `peak` to `min_lr` along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983)."""
    return lambda step: _anneal(peak, min_lr, step / max(steps - 1, 1))


def one_cycle(
    steps: int, per_epoch: int, peak: float, warm: float = 0.25, divide: float = 25.0, min_lr: float = 0.0
) -> Schedule:
    """Up from `peak / divide` in the first `warm` fraction of the steps, then down to `min_lr`, by cosines.

    Smith and Topin 2017, arXiv:1708.07120. The short warm-up allows a peak at which training would diverge
    from the start; ending at zero settles the weights without a separate fine-tuning phase.
    """
    last = max(steps - 1, 1)
    top = max(round(last * warm), 1)

    def rate(step: int) -> float:
        if step < top:
            return _anneal(max(peak / divide, min_lr), peak, step / top)
        return _anneal(peak, min_lr, (step - top) / max(last - top, 1))

    return rate


def linear_decay(
    steps: int, per_epoch: int, peak: float, epochs: float = 10.0, min_lr: float = 0.0
) -> Schedule:
    """`peak * epochs / (epochs + epoch)`: a step down each epoch, half the peak after `epochs` of them."""
    return lambda step: max(peak * epochs / (epochs + step // per_epoch), min_lr)


def triangular(steps: int, per_epoch: int, peak: float, cycle: float = 8.0, min_lr: float = 0.0) -> Schedule:
    """Linearly up from `min_lr` to `peak` and down again in each cycle of `cycle` epochs.

    Smith 2015, arXiv:1506.01186.
    """
    return _cyclic(per_epoch, peak, cycle, min_lr, lambda step, turn: 1.0)


def triangular2(steps: int, per_epoch: int, peak: float, cycle: float = 8.0, min_lr: float = 0.0) -> Schedule:
    """Like `triangular`, with the height halved after each cycle."""
    return _cyclic(per_epoch, peak, cycle, min_lr, lambda step, turn: 0.5**turn)


def exp_range(
    steps: int, per_epoch: int, peak: float, cycle: float = 8.0, min_lr: float = 0.0, gamma: float = 0.9999
) -> Schedule:
    """Like `triangular`, with the height multiplied by `gamma` at each step."""
    return _cyclic(per_epoch, peak, cycle, min_lr, lambda step, turn: gamma**step)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "cosine": cosine,
    "one_cycle": one_cycle,
    "linear_decay": linear_decay,
    "triangular": triangular,
    "triangular2": triangular2,
    "exp_range": exp_range,
    "plateau": Plateau,
}


DIVISORS = ("epochs", "divide", "cycle", "factor", "gamma")
PARTS = ("warm", "factor", "gamma")


def make(name: str, steps: int, per_epoch: int, peak: float, /, **options: Any) -> Schedule:
    """The schedule called `name`, from step 0 to step `steps - 1`, with `per_epoch` steps per epoch.

    Raises ConfigError for an option that does not exist, or a value that makes no sense.
    """
    known = list(inspect.signature(SCHEDULES[name]).parameters)[3:]
    for option, value in options.items():
        if option not in known:
            raise ConfigError(
                f"schedule_options: {name} has no {option!r}; its options are {', '.join(known) or 'none'}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"schedule_options.{option}: {value!r}, should be a number")
        if value < 0 or (value == 0 and option in DIVISORS):
            least = "above 0" if option in DIVISORS else "0 or more"
            raise ConfigError(f"schedule_options.{option}: {value!r}, should be {least}")
        if value > 1 and option in PARTS:
            raise ConfigError(f"schedule_options.{option}: {value!r}, should be at most 1")
    peak = max(peak, options.get("min_lr", 0.0))
    return SCHEDULES[name](steps, per_epoch, peak, **options)


def _cyclic(
    per_epoch: int, peak: float, cycle: float, min_lr: float, height: Callable[[int, int], float]
) -> Schedule:
    """Triangles between `min_lr` and `peak`; `height` takes the step and the number of the cycle, from 0."""
    length = max(round(cycle * per_epoch), 2)  # iterations: counted in samples, a cycle would never turn

    def rate(step: int) -> float:
        turn, place = divmod(step, length)
        up = 1 - abs(2 * place / length - 1)
        return min_lr + (peak - min_lr) * up * height(step, turn)

    return rate


def _anneal(start: float, end: float, part: float) -> float:
    part = min(max(part, 0.0), 1.0)
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * part))
