"""Studies: one model in many variants, the points of a grid given in the configuration."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Point:
    """A variant: its value on each axis, as text, and the keys of its model."""

    values: dict[str, str]
    model: dict[str, Any]

    @property
    def name(self) -> str:
        """`axis~value/axis~value`, in the form of Snakemake's Paramspace: the folder of its results."""
        return "/".join(f"{axis}~{value}" for axis, value in self.values.items())


def points(study: Mapping[str, Any]) -> list[Point]:
    """Every combination of a study's axes, in the order of the configuration; the last axis varies fastest.

    `study` has the keys that all points share under "model", and the axes under "vary".
    """
    axes = [list(_variants(key, axis)) for key, axis in study["vary"].items()]
    found = []
    for combination in itertools.product(*axes):
        model = dict(study["model"])
        for _, _, changes in combination:
            model = _merged(model, changes)
        found.append(Point({axis: text for axis, text, _ in combination}, model))
    return found


def _variants(key: str, axis: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """For each variant of an axis: the axis's name, the variant's text, and the keys that it changes."""
    name = key.rpartition(".")[2]
    if isinstance(axis, Mapping):
        for text, changes in axis.items():
            yield name, str(text), changes
        return
    for value in axis:
        changes = value
        for part in reversed(key.split(".")):
            changes = {part: changes}
        yield name, ("-".join(map(str, value)) or "none") if isinstance(value, list) else str(value), changes


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`old` with the keys of `new`, key by key at every depth; null removes a key."""
    merged = dict(old)
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
            continue
        if isinstance(value, Mapping):
            below = merged.get(key)
            value = _merged(below if isinstance(below, Mapping) else {}, value)
        merged[key] = value
    return merged
