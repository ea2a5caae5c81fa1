"""Verbs whose outputs are kept in a store: made from the same, they come back without being made again."""

import importlib.metadata
import logging
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from digitflow.base.checksums import sha256
from digitflow.base.errors import DigitflowError
from digitflow.competing import store as stored
from digitflow.training import device
from digitflow.verbs import commandline

log = logging.getLogger("digitflow")

# Installed packages that can change what a training makes.
PACKAGES = (
    *("keras", "tensorflow", "jax", *device.JAX_PLUGINS, "torch", "mxnet", "mxnet-cu117"),
    *("numpy", "opencv-python-headless"),
)


def run(verb: commandline.Verb, given: dict[str, Any], store: str) -> int | None:
    """Bring a verb's outputs back from the store, or call it and keep them; its exit status."""
    outputs = commandline.outputs(verb, given)
    folder, names = outputs[0].parent, [path.name for path in outputs]
    store, key = str(Path(store).expanduser()), key_of(verb, given)
    if stored.bring_back(store, key, folder, names):
        log.info(f"brought back from {store}: made before from the same settings, data and code")
        return None
    status = verb(**given)
    try:
        stored.keep(store, key, folder, names)
    except DigitflowError as error:  # what was made is whole all the same
        log.warning(f"warning: not kept: {error}")
    return status


def key_of(verb: commandline.Verb, given: dict[str, Any]) -> str:
    """The key of a call: its parameters, its inputs' contents, the versions, and whether there is a GPU."""
    parts = {
        "verb": verb.__name__,
        "versions": dict(_versions()),
        "backend": os.environ.get("KERAS_BACKEND"),
        "gpu": device.has_driver(),
    }
    for one in commandline.parameters(verb):
        if one.name not in given or one.kind == "output":
            continue
        value = given[one.name]
        if one.kind == "input":
            value = [sha256(path) for path in (value if one.many else [value])]
        parts[f"--{one.name}"] = value
    return stored.key_of(parts)


def _versions() -> Iterator[tuple[str, str]]:
    yield "python", platform.python_version()
    for package in PACKAGES:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
