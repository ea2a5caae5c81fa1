"""Networks: one family per module, each network a function of the images' shape and the number of classes."""

import importlib
import inspect
import traceback
from pathlib import Path
from typing import Any

from digitflow.base.errors import ConfigError

MISTYPED = (NameError, AttributeError, ImportError)  # what a typing error in a module ends in


def build(module: str, name: str, input_shape: tuple[int, ...], classes: int, /, **options: Any) -> Any:
    """Build the network `name` of a module of this package, for images of `input_shape`.

    The framework is imported here, with the module. Raises ConfigError for an option that the network does
    not take, for a value with which it cannot be built, and for a fault in its code.
    """
    try:
        make = getattr(importlib.import_module(f"digitflow.models.{module}"), name, None)
    except MISTYPED as error:
        raise _fault(module, error) from error
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
    except MISTYPED as error:
        raise _fault(module, error) from error


def _fault(module: str, error: Exception) -> ConfigError:
    """What to say of a typing error in a network, which may be a person's own: where in its module it is."""
    path = Path(__file__).with_name(f"{module}.py")
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return ConfigError(f"{path}{f', line {lines[-1]}' if lines else ''}: {type(error).__name__}: {error}")
