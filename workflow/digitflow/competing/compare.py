"""Two runs, or two submission files, side by side: what differs, the scores, and which images flipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from digitflow.base.errors import how_many
from digitflow.competing import runs
from digitflow.competing.sides import PART_OF, TEST, VALIDATION, Answers, Side
from digitflow.scoring.measures import Accuracy, accuracy, confusion_matrix, most_confused, paired_difference
from digitflow.scoring.pairs import SIGNIFICANT
from digitflow.scoring.summary import LOOKED_NOTE
from digitflow.scoring.table import LOOKED, MERGED

SHOWN_CELLS = 6
SHOWN_ROWS = 12
KINDS = ("fixed", "broken", "both_wrong")  # of flips


@dataclass(frozen=True)
class Pair:
    """One model on both sides, on their common images.

    `changed`: how many of `n` labels differ. If the truth is known: both accuracies, how many images only
    the first and only the second got right, and McNemar's p. `looked`: as in Answers, of both.
    """

    rows: str
    model: str
    n: int
    changed: int
    first: Accuracy | None = None
    second: Accuracy | None = None
    only_first: int = 0
    only_second: int = 0
    p_value: float = 1.0
    looked: tuple[bool, bool] = (False, False)

    @property
    def points(self) -> float:
        """The second one's accuracy less the first one's, in percentage points."""
        return 100 * (self.only_second - self.only_first) / self.n

    @property
    def worse(self) -> bool:
        """Whether the second one is significantly worse."""
        return self.points < 0 and self.p_value < SIGNIFICANT

    @property
    def shown(self) -> list[str]:
        """Both accuracies in per cent, with a mark if they are a little too good."""
        both = zip((self.first, self.second), self.looked, strict=True)
        return [f"{100 * side.value:.2f}{'*' if looked else ''}" for side, looked in both]

    @property
    def verdict(self) -> str:
        """What the flips say about the second one."""
        if not self.only_first + self.only_second:
            return "no image flipped"
        word = "may be chance" if self.p_value >= SIGNIFICANT else "worse" if self.worse else "better"
        return f"{self.only_second} fixed, {self.only_first} broken, p = {self.p_value:.2g}: {word}"


@dataclass(frozen=True)
class Comparison:
    """Everything that differs between two sides.

    `settings`: key, first and second value. `pairs`: the models that both have. `left_out`: which images are
    not compared, and why, or by whose labels they are judged.
    The others are about the merged submissions, and empty if the truth is not known. `rows`: which images are
    meant, test or validation. `flips`: as from `find_flips`. `cells`: true label, label given, how many more
    times the second one gives it. `images`: the CRC-32 of their IDX file, if it is known.
    """

    names: tuple[str, str]
    settings: Sequence[tuple[str, Any, Any]]
    pairs: Sequence[Pair]
    left_out: Sequence[str] = ()
    rows: str = ""
    flips: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    cells: Sequence[tuple[str, str, int]] = ()
    images: str = ""

    @property
    def note(self) -> str:
        """The footnote of marked accuracies; empty if none is."""
        return LOOKED_NOTE if any(any(pair.looked) for pair in self.pairs) else ""

    @property
    def same(self) -> bool:
        return not self.settings and not self.left_out and not any(pair.changed for pair in self.pairs)

    @property
    def worse(self) -> bool:
        """Whether the second one's merged submission, or file, is significantly worse: exit status 1."""
        return any(pair.worse for pair in self.pairs if pair.model == MERGED)


def compare(first: Side, second: Side, classes: Sequence[str]) -> Comparison:
    """Compare two sides, on the rows that both have; `classes`: the labels' names."""
    common: dict[tuple[str, str], tuple[Answers, Answers]] = {}
    said = {}
    for place in first.answers:
        if place not in second.answers:
            continue
        rows = place[0]
        answers = first.answers[place], second.answers[place]
        if why := _why_not(rows, (first, second), answers):
            said[rows] = f"{rows} images: not compared, because {why}"
        elif len(answers[0].ids):
            a, b = _common(*answers)
            if relabelled := 0 if a.true is None else int(np.count_nonzero(a.true != b.true)):
                newer = first.facts.get("time", "") <= second.facts.get("time", "")
                a, b = (replace(one, true=b.true if newer else a.true) for one in (a, b))
                said[rows] = (
                    f"{rows} images: {relabelled:,} have different labels in the two; "
                    f"judged by those of {(second if newer else first).name}"
                )
            common[place] = a, b
    found = Comparison(
        (first.name, second.name),
        _differing_settings(first.facts, second.facts),
        [_pair(*place, *answers) for place, answers in common.items()],
        [*said.values()],
    )
    for (rows, model), (a, b) in common.items():  # the test rows, if their labels are known, come first
        if model == MERGED and a.true is not None:
            flips, cells = find_flips(a, b, classes), _changed_cells(a, b, classes)
            return replace(
                found,
                rows=rows,
                flips=flips,
                cells=cells,
                images=runs.images_of(first.facts).get(PART_OF[rows], ""),
            )
    return found


def _why_not(rows: str, sides: tuple[Side, Side], answers: tuple[Answers, Answers]) -> str:
    """Why the answers of two sides are not about the same images; empty if they may be."""
    classes = {side.facts.get("digests", {}).get("classes") for side in sides}
    if rows == VALIDATION and len(classes - {None}) > 1:
        return "labels mean different classes in the two"  # a submission has them by name, answers do not
    first, second = (runs.images_of(side.facts).get(PART_OF[rows]) for side in sides)
    csvs, others = (runs.csvs_of(side.facts) for side in sides)  # none if they came from folders of pictures
    read_otherwise = csvs and csvs == others  # inverted, for example
    if first and second and first != second and not read_otherwise:
        return f"the two have different {PART_OF[rows]} images"
    numbers = [len(side.ids) for side in answers]
    if rows == TEST and numbers[0] != numbers[1]:
        return f"the two have {numbers[0]:,} and {numbers[1]:,} of them"
    if rows == TEST and answers[0].names != answers[1].names:
        return "the two have different ids"
    if len(answers[0].ids) and not np.intersect1d(answers[0].ids, answers[1].ids).size:
        return "the two have none in common"
    return ""


def find_flips(first: Answers, second: Answers, classes: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Which images only one of two got right, and which neither did; both answer for the same images.

    For each image its `id`, the row of its CSV from 1, and the names of its `true` label and of both answers,
    `first` and `second`.
    """
    first_right, second_right = first.given == first.true, second.given == first.true
    masks = ~first_right & second_right, first_right & ~second_right, ~first_right & ~second_right
    columns = first.ids, first.true, first.given, second.given
    found = {}
    for kind, mask in zip(KINDS, masks, strict=True):
        rows = zip(*(column[mask].tolist() for column in columns), strict=True)
        found[kind] = [
            {"id": id_, "true": classes[true], "first": classes[one], "second": classes[other]}
            for id_, true, one, other in rows
        ]
    return found


def as_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON values, with every image that flipped."""
    pairs = []
    for pair in comparison.pairs:
        row = {"rows": pair.rows, "model": pair.model, "images": pair.n, "changed": pair.changed}
        if pair.first is not None:
            row |= {"first": pair.first.value, "second": pair.second.value, "points": round(pair.points, 4)}
            row |= {"only_first": pair.only_first, "only_second": pair.only_second, "p_value": pair.p_value}
            row |= {LOOKED: [*pair.looked]}
        pairs.append(row)
    return {
        "first": comparison.names[0],
        "second": comparison.names[1],
        "same": comparison.same,
        "worse": comparison.worse,
        "settings": [dict(zip(("key", "first", "second"), row, strict=True)) for row in comparison.settings],
        "pairs": pairs,
        "left_out": [*comparison.left_out],
        "rows": comparison.rows,
        "flips": comparison.flips,
        "cells": [dict(zip(("true", "given", "more"), cell, strict=True)) for cell in comparison.cells],
    }


def as_text(comparison: Comparison) -> str:
    """A comparison for people: only what differs."""
    if comparison.same:
        return "same"
    lines = [f"{key}: {_shown(a)} -> {_shown(b)}" for key, a, b in comparison.settings]
    lines += [""] * bool(lines)
    lines += map(_pair_line, comparison.pairs)
    lines += [comparison.note] if comparison.note else []
    lines += comparison.left_out
    for kind, flips in comparison.flips.items():
        if not flips:
            continue
        name = kind.replace("_", " ")
        shown = [
            f"{row['id']} ({row['true']}: {row['first']} -> {row['second']})" for row in flips[:SHOWN_ROWS]
        ]
        more = f", and {len(flips) - SHOWN_ROWS} more" if len(flips) > SHOWN_ROWS else ""
        lines += ["", f"{name}, {how_many(len(flips), f'{comparison.rows} image')}", ", ".join(shown) + more]
    lines += [""] * bool(comparison.cells)
    lines += [f"{true} taken for {given}: {more:+d}" for true, given, more in comparison.cells]
    return "\n".join(lines)


def _common(first: Answers, second: Answers) -> tuple[Answers, Answers]:
    """Both answers, on the images that both have; with the truth, if both know it."""
    known = first.true is not None and second.true is not None
    _, *places = np.intersect1d(first.ids, second.ids, assume_unique=True, return_indices=True)
    a, b = (
        Answers(one.ids[rows], one.given[rows], one.true[rows] if known else None, looked=one.looked)
        for one, rows in zip((first, second), places, strict=True)
    )
    return a, b


def _pair(rows: str, model: str, first: Answers, second: Answers) -> Pair:
    pair = Pair(rows, model, len(first.ids), int(np.count_nonzero(first.given != second.given)))
    if first.true is None:
        return pair
    difference = paired_difference(first.given, second.given, first.true)
    return replace(
        pair,
        first=accuracy(first.given, first.true),
        second=accuracy(second.given, first.true),
        only_first=difference.only_first,
        only_second=difference.only_second,
        p_value=difference.p_value,
        looked=(first.looked, second.looked),
    )


def _differing_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    if not (first and second):
        return []
    sides = [runs.settings_of(facts) | {"commit": runs.commit_of(facts)} for facts in (first, second)]
    keys = dict.fromkeys([*sides[0], *sides[1]])
    rows = [(key, *(side.get(key) for side in sides)) for key in keys]
    return [row for row in rows if row[1] != row[2]]


def _changed_cells(first: Answers, second: Answers, classes: Sequence[str]) -> list[tuple[str, str, int]]:
    """The cells of the confusion matrix that changed most: true label, label given, how many more now."""
    before, now = (confusion_matrix(side.given, first.true, len(classes)) for side in (first, second))
    change = now - before
    most = most_confused(np.abs(change), SHOWN_CELLS)
    return [(classes[true], classes[given], int(change[true, given])) for true, given, _ in most]


def _pair_line(pair: Pair) -> str:
    name = f"{pair.rows} {pair.model}"
    if pair.first is None:
        return f"{name}: {pair.changed} of {pair.n} labels differ"
    line = f"{name}: {' -> '.join(pair.shown)} % of {pair.n}"
    return f"{line}, {pair.points:+.2f} points, {pair.verdict}"


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)
