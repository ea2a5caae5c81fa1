"""The architectures by name: an entry a model that the configuration can ask for."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from digitflow.base.errors import ConfigError

# Names only: a framework is imported when one of its models is built, and none needs the others installed.
KERAS: Mapping[str, str] = {
    "small_cnn": "keras_cnn",
    "lenet": "keras_cnn",
    "mlp": "keras_mlp",
    "dense_net": "keras_mlp",
    "sequential_cnn": "keras_styles",
    "functional_cnn": "keras_styles",
    "subclassed_cnn": "keras_styles",
    "cnn_128_256": "keras_large",
    "resnet18": "keras_large",
    "deotte": "keras_large",
}
MXNET: Mapping[str, str] = {
    "lenet": "mxnet_cnn",
    "modern_cnn": "mxnet_cnn",
    "mlp_module": "mxnet_mlp",
}
NUMPY: Mapping[str, str] = {
    "mlp": "numpy_mlp",
    "random_guess": "baseline",
    "seed_search": "baseline",
}
FRAMEWORKS: Mapping[str, Mapping[str, str]] = {"keras": KERAS, "mxnet": MXNET, "numpy": NUMPY}


def function(registry: Mapping[str, str], name: str, options: Mapping[str, Any]) -> Any:
    """The function `name` of the module of this package that `registry` names.

    It takes the shape of the input and the number of classes, and what of `options` it has parameters for.
    Raises ConfigError for a name that is not there, and for an option that the function does not take.
    """
    if name not in registry:
        raise ConfigError(f"architecture: {name!r} is not one of {', '.join(sorted(registry))}")
    found = getattr(importlib.import_module(f"digitflow.models.{registry[name]}"), name)
    known = list(inspect.signature(found).parameters)[2:]
    for option in options:
        if option not in known:
            takes = f"its options are {', '.join(known)}" if known else "it has no options"
            raise ConfigError(f"network: {name} does not take {option!r}; {takes}")
    return found


def build(
    registry: Mapping[str, str], name: str, input_shape: tuple[int, ...], classes: int, **options: Any
) -> Any:
    """Build the model called `name`. `input_shape` is (height, width).

    Raises ConfigError as `function`, and for an option's value that the network cannot be built with.
    """
    make = function(registry, name, options)
    try:
        return make(input_shape, classes, **options)
    except (TypeError, ValueError) as error:
        size = " x ".join(map(str, input_shape))
        raise ConfigError(
            f"network: {name} cannot be built for {size} pixels with {options or 'its defaults'}: {error}"
        ) from error
