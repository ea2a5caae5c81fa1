"""Two runs, or two submission files, side by side: what differs, the scores, and which images flipped."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base import checksums
from digitflow.base.checksums import sha256
from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import read_json
from digitflow.competing import runs
from digitflow.formats import idx, labelscsv
from digitflow.formats.labelscsv import Form, read_sample
from digitflow.scoring.measures import Accuracy, accuracy, confusion_matrix, most_confused, paired_difference
from digitflow.scoring.pairs import SIGNIFICANT
from digitflow.scoring.summary import LOOKED_NOTE
from digitflow.scoring.table import LOOKED, MERGED

log = logging.getLogger("digitflow")

SHOWN_CELLS = 6
SHOWN_ROWS = 12
KINDS = ("fixed", "broken", "both_wrong")  # of flips
TEST, VALIDATION = "test", "validation"
PART_OF = {TEST: "test", VALIDATION: "train"}  # the part of the data that has these rows


@dataclass(frozen=True)
class Answers:
    """Labels int (n,) given to images; `ids` int (n,), rows of their CSV from 1, ascending.

    `true` (n,): their true labels, if known. `names`: what test images are called in a submission. `looked`:
    whether the model, or its weights, looked at these images, so that it is a little too good at them.
    """

    ids: np.ndarray
    given: np.ndarray
    true: np.ndarray | None
    names: Sequence[str] = ()
    looked: bool = False


@dataclass(frozen=True)
class Side:
    """One of the two sides: its name, what it was made from, and its answers by (rows, model)."""

    name: str
    facts: Mapping[str, Any]
    answers: Mapping[tuple[str, str], Answers]


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


def read_converted_truth(labels: Path, images: Path) -> tuple[np.ndarray | None, Collection[str], str | None]:
    """The labels of the test images (m,) that a run has converted, and which images they belong to, in the
    form that `read_side` takes.

    `images`: the folder of the IDX files. None: the labels are not known to belong to the images that are
    there now, which may have been replaced. FormatError: the labels are damaged.
    """
    noted, made = images / "test-labels.sfv", images / "test.sfv"
    crc = checksums.of_images([made]).get(PART_OF[TEST])
    if not noted.exists() or crc not in checksums.read(noted).values():
        if labels.exists():
            log.warning(
                f"{labels}: not known to belong to these test images, so not used; name the right labels "
                "with --solution PATH"
            )
        return None, (), None
    checksums.check([noted], labels)
    return idx.read(labels, ndim=1), checksums.read_made_from([made]).values(), crc


def read_side(
    path: str | Path,
    classes: Sequence[str],
    form: Form | None,
    solution: np.ndarray | None,
    source: Collection[str] = (),
    images: str | None = None,
) -> Side:
    """Read one side: a submission file, a remembered run, a folder of results, or a project's folder.

    `form` is what a submission file must have, None the usual one; a run's own submission may have another.
    `solution` (m,): the labels of the test images, if known. `source`, the SHA-256 of the files that these
    images came from, and `images`, the CRC-32 of their IDX file, say which images it is about, if a run has
    recorded them: for a run with others, the truth is not known. InputError: it is none of these;
    FormatError: a file in it is damaged, or does not fit the solution.
    """
    path = Path(path)
    if path.suffix == ".json" and path.is_file():
        if not path.with_suffix(".csv").exists():
            raise InputError(f"{path}: not a remembered run; name the run's folder instead")
        facts = runs.read_remembered(path).facts
        true = _truth_about(facts, solution, source, images)
        answers = {(TEST, MERGED): _answers_of_a_run(path.with_suffix(".csv"), classes, form, true)}
        return Side(str(path), facts, answers | _validation_places(runs.read_validation(path)))
    if path.is_file():
        given = labelscsv.read(path, classes, form)
        if solution is not None and len(solution) != len(given):
            raise FormatError(f"{path}: {len(given):,} rows, but the solution has {len(solution):,}")
        return Side(
            str(path), {}, {(TEST, MERGED): _test_answers(given, _ids_of(form, len(given)), solution)}
        )
    results = path / "results" if (path / "results" / "submission.csv").exists() else path
    if not (results / "submission.csv").exists():
        raise InputError(
            f"{path}: neither a submission file nor a folder with submission.csv: name a run's folder, for "
            "example results, a file in results/runs, or a CSV"
        )
    facts = read_json(results / "run.json") if (results / "run.json").exists() else {}
    seeds = _seeds_of(facts) if facts else _seeds_found(results)
    true = _truth_about(facts, solution, source, images)
    csvs = {name: results / "submissions" / f"{name}.csv" for name in seeds}
    csvs = {MERGED: results / "submission.csv"} | {name: csv for name, csv in csvs.items() if csv.exists()}
    answers = {(TEST, name): _answers_of_a_run(csv, classes, form, true) for name, csv in csvs.items()}
    return Side(str(path), facts, answers | _validation_answers(results, facts, seeds))


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
        images = f"{comparison.rows} image{'s' * (len(flips) != 1)}"
        lines += ["", f"{name}, {len(flips)} {images}", ", ".join(shown) + more]
    lines += [""] * bool(comparison.cells)
    lines += [f"{true} taken for {given}: {more:+d}" for true, given, more in comparison.cells]
    return "\n".join(lines)


def _truth_about(
    facts: Mapping[str, Any], solution: np.ndarray | None, source: Collection[str], images: str | None
) -> np.ndarray | None:
    """The labels of the test images, if these are the run's: by its files, however read, or its images."""
    known, csvs = runs.images_of(facts).get(PART_OF[TEST]), runs.csvs_of(facts)
    same_files = bool(source) and {*source} <= csvs
    same_images = images is not None and images == known
    told = (source and csvs) or (images and known)
    return solution if same_files or same_images or not told else None


def _answers_of_a_run(
    csv: Path, classes: Sequence[str], form: Form | None, true: np.ndarray | None
) -> Answers:
    """The answers in a run's submission, which may be for other test images than those `true` is about."""
    own = read_sample(csv)
    ids = _ids_of(form, len(own.ids))
    if {*own.ids} != {*ids}:
        ids, true = sorted(own.ids), None
    given = labelscsv.read(csv, classes, Form(own.header, ids))
    return _test_answers(given, ids, None if true is None or len(true) != len(given) else true)


def _ids_of(form: Form | None, rows: int) -> Sequence[str]:
    return [str(row) for row in range(1, rows + 1)] if form is None else form.ids


def _test_answers(given: np.ndarray, names: Sequence[str], true: np.ndarray | None) -> Answers:
    return Answers(np.arange(1, len(given) + 1), given, true, [*names])


def _seeds_of(facts: Mapping[str, Any]) -> dict[str, Sequence[int]]:
    """The seeds of each merged model, from the run's record: earlier settings may have left others."""
    configuration = facts.get("configuration", {})
    models, merged = configuration.get("models", {}), configuration.get("merge", {}).get("models", ())
    return {name: models[name].get("seeds", [0]) for name in merged if name in models}


def _seeds_found(results: Path) -> dict[str, Sequence[int]]:
    """The seeds of each model in a folder of results without a record."""
    log.warning(f"{results}: no run.json to say what made it, so every model and seed in it is compared")
    found: dict[str, list[int]] = {path.stem: [] for path in sorted(results.glob("submissions/*.csv"))}
    for path in sorted(results.glob("models/*/seed*/valid_probabilities.npy")):
        if (number := path.parts[-2].removeprefix("seed")).isdecimal():
            found.setdefault(path.parts[-3], []).append(int(number))
    return found


def _validation_answers(
    results: Path, facts: Mapping[str, Any], seeds: Mapping[str, Sequence[int]]
) -> dict[tuple[str, str], Answers]:
    """Each model's answers to the validation images, its seeds averaged, and the merged ones.

    They are those that were remembered with the run: a later training may have replaced the files in the
    folder. For a run that was not remembered, they are made from the probabilities, if the list of these
    images, in the project that the results belong to, is still the run's.
    """
    remembered = runs.read_validation(runs.path_of(results / "runs", facts))
    if remembered is not None:
        return _validation_places(remembered)
    valid_lst = results.parent / "data" / "rec" / "valid.lst"
    lists = facts.get("digests", {}).get("lists")
    if not valid_lst.exists() or (lists and sha256(valid_lst) not in lists.values()):
        return {}
    paths = {
        name: [results / "models" / name / f"seed{seed}" / "valid_probabilities.npy" for seed in numbers]
        for name, numbers in seeds.items()
    }
    paths = {name: found for name, found in paths.items() if found and all(path.exists() for path in found)}
    merge = dict(facts.get("configuration", {}).get("merge", {}))
    names = merge.get("models", ())
    fitted = results / "merge_weights.json" if merge.get("weights") == "auto" else None
    if not names or {*names} != paths.keys():
        merge["order"] = names  # not all of them have answers, so neither has the merge
    merge["seeds"] = [(name, len(found)) for name, found in paths.items()]
    files = [path for found in paths.values() for path in found]
    return _validation_places(runs.validation_answers(valid_lst, files, merge, fitted))


def _validation_places(validation: runs.Validation | None) -> dict[tuple[str, str], Answers]:
    if validation is None:
        return {}
    return {
        (VALIDATION, name): Answers(validation.ids, given, validation.true, looked=name in validation.looked)
        for name, given in validation.given.items()
    }


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
