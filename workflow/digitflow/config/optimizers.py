"""The options of each framework's optimizers, so that a mistake in one is refused before the first job.

To ask a framework itself takes seconds; tests compare these names with what it says. What has a key of its
own, such as weight_decay, is left out.
"""

from collections.abc import Collection, Mapping
from typing import Any

_KERAS = {  # all of its optimizers have these
    "clipnorm",
    "clipvalue",
    "ema_overwrite_frequency",
    "global_clipnorm",
    "gradient_accumulation_steps",
    "loss_scale_factor",
}
_ADAM = {"beta_1", "beta_2", "epsilon"}
_FTRL = {"learning_rate_power", "initial_accumulator_value", "beta"}
_FTRL |= {f"{kind}_regularization_strength" for kind in ("l1", "l2", "l2_shrinkage")}

# By framework and optimizer.
OPTIMIZER_OPTIONS: Mapping[str, Mapping[str, Collection[str]]] = {
    "keras": {
        "adam": _KERAS | _ADAM | {"amsgrad"},
        "adamax": _KERAS | _ADAM,
        "nadam": _KERAS | _ADAM,
        "rmsprop": _KERAS | {"rho", "momentum", "epsilon", "centered"},
        "adadelta": _KERAS | {"rho", "epsilon"},
        "adagrad": _KERAS | {"initial_accumulator_value", "epsilon"},
        "sgd": _KERAS | {"momentum", "nesterov"},
        "ftrl": _KERAS | _FTRL,
    },
    "mxnet": {
        "adam": {"beta1", "beta2", "epsilon"},
        "adamax": {"beta1", "beta2"},
        "nadam": {"beta1", "beta2", "epsilon", "schedule_decay"},
        "rmsprop": {"gamma1", "gamma2", "epsilon", "centered", "clip_weights"},
        "adadelta": {"rho", "epsilon"},
        "adagrad": {"eps"},
        "sgd": {"momentum", "nesterov"},
        "ftrl": {"lamda1", "beta"},
    },
    "numpy": {"adam": _ADAM, "sgd": {"momentum", "nesterov"}},
}
# Options that a key of the model stands for: what Keras calls them, and the key.
KEYS_INSTEAD = {"use_ema": "weight_average", "ema_momentum": "weight_average"}

# What the values mean: the frameworks judge few of them, and train on with a momentum of 1.5. All others are
# numbers from 0 up; of clips and counts, 0 means none.
SWITCHES = {"amsgrad", "centered", "nesterov"}
DECAYS = {"momentum", "beta_1", "beta_2", "beta1", "beta2", "rho", "gamma1", "gamma2"}
ABOVE_0 = {"epsilon", "eps", "loss_scale_factor"}  # 0 / 0 where a pixel is 0 in all images
COUNTS = {"ema_overwrite_frequency": 1, "gradient_accumulation_steps": 2}  # and the least but for 0
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")  # of which Keras takes one


def what_is_wanted(option: str, value: Any) -> str | None:
    """What an optimizer's option should be, if this value is something else. None is the default of some."""
    if option in SWITCHES:
        return None if isinstance(value, bool) else "true or false"
    if value is None:
        return None
    if isinstance(value, str | bool):
        return "a number"
    if option in DECAYS:
        is_right, wanted = 0 <= value < 1, "a number from 0 to less than 1"
    elif option in COUNTS:
        least = COUNTS[option]
        is_right = value == 0 or (value >= least and value % 1 == 0)
        wanted = f"0 or a whole number from {least} up"
    elif option in ABOVE_0:
        is_right, wanted = value > 0, "a number above 0"
    elif option == "learning_rate_power":
        is_right, wanted = value <= 0, "0 or a number below it"
    else:
        is_right, wanted = value >= 0, "0 or a number above it"
    return None if is_right else wanted
