"""Networks: one family per module, each network a function of the images' shape and the number of classes."""

import importlib
import inspect
from typing import Any

from digitflow.base.errors import ConfigError


def build(module: str, name: str, input_shape: tuple[int, ...], classes: int, /, **options: Any) -> Any:
    """Build the network `name` of a module of this package, for images of `input_shape`.

    The framework is imported here, with the module. Raises ConfigError for an option that the network does
    not take, and for a value with which it cannot be built.
    """
    make = getattr(importlib.import_module(f"digitflow.models.{module}"), name, None)
    if make is None:
        raise ConfigError(
            f"architecture: models/{module}.py has no function {name!r}: mend models/registry.py"
        )
    known = list(inspect.signature(make).parameters)[2:]
    for option in options:
        if option not in known:
            takes = f"its options are {', '.join(known)}" if known else "it has no options"
            raise ConfigError(f"network: {name} does not take {option!r}; {takes}")
    try:
        return make(input_shape, classes, **options)
    except (TypeError, ValueError) as error:
        size = " x ".join(map(str, input_shape))
        raise ConfigError(
            f"network: {name} cannot be built for {size} pixels with {options or 'its defaults'}: {error}"
        ) from error
