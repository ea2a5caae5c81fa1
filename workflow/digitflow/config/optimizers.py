"""The options of each framework's optimizers, so that a misspelt one is refused before the first job.

To ask a framework itself takes seconds; tests compare these names with what it says. What has a key of its
own, such as weight_decay, is left out.
"""

from collections.abc import Collection, Mapping

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
SWITCHES = {"amsgrad", "centered", "nesterov"}  # true or false; all others are numbers
