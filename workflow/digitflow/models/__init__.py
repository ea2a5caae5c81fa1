"""The architectures by name: an entry a model that the configuration can ask for."""

import importlib
from collections.abc import Mapping
from typing import Any

from digitflow.errors import ConfigError

# Names only: a framework is imported when one of its models is built, and neither needs the other installed.
KERAS: Mapping[str, str] = {
    "small_cnn": "digitflow.models.keras_cnn",
    "lenet": "digitflow.models.keras_cnn",
}
MXNET: Mapping[str, str] = {
    "lenet": "digitflow.models.mxnet_cnn",
}


def build(registry: Mapping[str, str], name: str, input_shape: tuple[int, ...], classes: int) -> Any:
    """Build the model called `name`: the function of that name in the module that `registry` gives.

    `input_shape` is (height, width). Raises ConfigError for a name that is not there.
    """
    if name not in registry:
        raise ConfigError(f"architecture: {name!r} is not one of {', '.join(sorted(registry))}")
    return getattr(importlib.import_module(registry[name]), name)(input_shape, classes)
