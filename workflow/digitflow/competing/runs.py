"""Runs are remembered: one small JSON file per finished run, which git merges without conflicts."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.checksums import sha256
from digitflow.base.errors import FormatError
from digitflow.base.files import atomic_open, digest_of_json, read_json, write_json
from digitflow.formats import lst
from digitflow.merging import merged as merging
from digitflow.scoring.table import LOOKED, MERGED, score

DIGEST_DIGITS = 8
VALIDATION = ".valid.csv"  # the suffix of a run's validation answers
# Digests that are no settings: of the result, and of what the CSVs and the configuration say already.
NO_SETTINGS = ("submission", "classes", "images")
# The sections of a run's record that are read again.
SECTIONS = ("configuration", "configuration.models", "configuration.merge", "versions")
SECTIONS += ("digests", "digests.images", "digests.csvs", "digests.lists")


@dataclass(frozen=True)
class Run:
    """One finished run.

    `facts`: its run.json. `scores`: the rows of its scores.csv. `validation` and `test`: the merged
    submission's accuracy, low and high, and n, if known; else None. `submission`: its SHA-256. `kaggle`:
    what a receipt says about it, once it was sent. `looked`: as in Validation.
    """

    facts: Mapping[str, Any]
    scores: Sequence[Mapping[str, str]]
    validation: Mapping[str, float] | None
    test: Mapping[str, float] | None
    submission: str
    kaggle: Mapping[str, Any] | None = None
    looked: Sequence[str] = ()

    @property
    def configuration_digest(self) -> str:
        """The SHA-256 of the configuration, whatever the order of its keys."""
        return digest_of_json(self.facts.get("configuration"))


@dataclass(frozen=True)
class Validation:
    """Answers to the validation images: `ids` int (n,), their rows from 1; `true` int (n,), their labels.

    `given`: labels int (n,) by model, and the merged ones if only models were merged. `looked`: those whose
    training, or merge weights, looked at these images, so that they are a little too good at them.
    """

    ids: np.ndarray
    true: np.ndarray
    given: Mapping[str, np.ndarray]
    looked: Sequence[str] = ()


def read_run(
    run_json: str | Path,
    scores_csv: str | Path | None,
    submission_csv: str | Path,
    valid_rows: int | None = None,
) -> Run:
    """Read the files of a run. `valid_rows`: how many images its validation scores rest on."""
    rows = read_scores(scores_csv) if scores_csv is not None else []
    merged = next((row for row in rows if row["model"] == MERGED), {})
    return Run(
        read_facts(run_json),
        rows,
        _accuracy(merged, "valid", valid_rows),
        _accuracy(merged, "test", None),
        sha256(Path(submission_csv)),
        looked=_looked(rows),
    )


def read_facts(run_json: str | Path) -> dict[str, Any]:
    """Read what a run was made from. FormatError: the file is damaged."""
    facts = read_json(run_json)
    try:
        _check_sections(facts)
    except TypeError as error:
        raise FormatError(f"{run_json}: damaged: {error}; delete it and run again") from error
    return facts


def read_scores(scores_csv: str | Path) -> list[dict[str, str]]:
    """Read a table of scores. FormatError: it is damaged."""
    try:
        with open(scores_csv, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except ValueError as error:  # not UTF-8: another program has saved it
        raise FormatError(f"{scores_csv}: damaged: {error}; delete it and run again") from error
    if not all(row.get("model") for row in rows):
        raise FormatError(f"{scores_csv}: damaged: no column model; delete it and run again")
    return rows


def remember(
    folder: str | Path, run: Run, submission_csv: str | Path, validation: Validation | None = None
) -> Path:
    """Keep a run and its submission in a folder; return its path. A run scored again replaces its own record.

    The `validation` answers allow a comparison of two runs whose test labels are not known; a run without
    scores gets its validation score from them.
    """
    path = path_of(folder, run.facts)
    for left in Path(folder).glob(".partial.*"):  # from a killed run; no later run writes under its name
        left.unlink(missing_ok=True)
    if path.exists():
        run = replace(run, kaggle=read_remembered(path).kaggle)
    if validation is not None and not run.scores:
        run = replace(run, looked=[*validation.looked])
    if run.validation is None and validation is not None and MERGED in validation.given:
        row = score("valid", validation.given[MERGED], validation.true)
        run = replace(run, validation=_accuracy(row, "valid", len(validation.ids)))
    with atomic_open(path.with_suffix(".csv")) as file:
        file.write(Path(submission_csv).read_bytes())
    if validation is not None and len(validation.ids):
        _write_validation(path.with_suffix(VALIDATION), validation)
    write_json(path, vars(run))
    return path


def path_of(folder: str | Path, facts: Mapping[str, Any]) -> Path:
    """The path of a remembered run in the folder of all runs."""
    time = str(facts.get("time"))[:19].replace(":", "")
    return Path(folder) / f"{time}-{digest_of_json(facts)[:DIGEST_DIGITS]}.json"


def read_validation(path: Path) -> Validation | None:
    """The validation answers of a remembered run, if it has any. FormatError: they are damaged."""
    beside = path.with_suffix(VALIDATION)
    if not beside.exists():
        return None
    try:
        with open(beside, newline="", encoding="utf-8") as file:
            names = next(csv.reader(file), [])[2:]
            columns = np.loadtxt(file, dtype=np.int64, delimiter=",", ndmin=2).T
        ids, true, *given = columns
        found = Validation(ids, true, dict(zip(names, given, strict=True)))
    except ValueError as error:
        raise FormatError(f"{beside}: damaged: {error}; delete it") from error
    # A kill may have come before the record was written.
    return replace(found, looked=read_remembered(path).looked) if path.exists() else found


def validation_answers(
    valid_lst: str | Path,
    probabilities: Sequence[Path],
    merge: Mapping[str, Any],
    weights: Path | None = None,
) -> Validation:
    """The models' answers to the validation images, from their files of probabilities; `merge` and `weights`
    as in `merge_files`. If `merge` has an `order`, files without answers to these images were merged, too.
    """
    listing = lst.read(valid_lst)
    models = merging.read_models(probabilities, merge["seeds"], len(listing))
    if "order" not in merge:
        models = {MERGED: merging.merge_models(models, merge, weights), **models}
    given = {name: array.argmax(axis=1) for name, array in models.items()}
    files = merging.of_each_model(probabilities, merge["seeds"])
    looked = [
        name for (name, _), paths in zip(merge["seeds"], files, strict=True) if any(map(_has_looked, paths))
    ]
    if MERGED in given and (weights or looked):
        looked.append(MERGED)
    return Validation(listing.index, listing.label, given, looked)


def recall(folder: str | Path) -> list[Run]:
    """All runs in a folder, oldest first. FormatError: a file is damaged, or is not a run."""
    # No hidden ones: those are half-written, by a run that goes on or was killed.
    found = [read_remembered(path) for path in sorted(Path(folder).glob("[!.]*.json"))]
    return sorted(found, key=lambda run: str(run.facts.get("time")))


def read_remembered(path: str | Path) -> Run:
    """Read one remembered run. FormatError: the file is damaged, or is not a run."""
    try:
        record = read_json(path)
        _check_sections(record.get("facts"))
        # Earlier versions did not keep who had looked, but it is in their scores.
        return Run(**{"looked": _looked(record.get("scores", ()))} | record)
    except (TypeError, AttributeError) as error:
        raise FormatError(f"{path}: not a remembered run: {error}; move it away") from error


def settings_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was made from, flat: configuration without its prefix, digests and versions with theirs."""
    digests = {key: value for key, value in facts.get("digests", {}).items() if key not in NO_SETTINGS}
    others = {"digests": digests, "versions": facts.get("versions", {})}
    return _flatten(facts.get("configuration", {})) | _flatten(others)


def images_of(facts: Mapping[str, Any]) -> Mapping[str, str]:
    """The CRC-32 of a run's images by part, train and test."""
    return facts.get("digests", {}).get("images", {})


def csvs_of(facts: Mapping[str, Any]) -> set[str]:
    """The SHA-256 of the files that a run was made from."""
    return {*facts.get("digests", {}).get("csvs", {}).values()}


def commit_of(facts: Mapping[str, Any]) -> str:
    """The commit of a run, shortened, and whether files differed from it."""
    commit = str(facts.get("commit") or "")[:DIGEST_DIGITS]
    return f"{commit}, changed" if commit and facts.get("changed") else commit


def _check_sections(facts: Any) -> None:
    """TypeError: a section of a run's record is of another kind, as after an edit by hand."""
    for place in ("", *SECTIONS):
        section = facts
        for key in filter(None, place.split(".")):
            section = section.get(key, {})
        _check_kind(place or "facts", section, dict)
    configuration = facts.get("configuration", {})
    for name, model in configuration.get("models", {}).items():
        _check_kind(f"configuration.models.{name}", model, dict)
    _check_kind("configuration.merge.models", configuration.get("merge", {}).get("models", []), list)


def _check_kind(place: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        wanted = {dict: "an object", list: "a list"}[kind]
        raise TypeError(f"{place}: {json.dumps(value)}, should be {wanted}")


def _flatten(value: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as a flat one with dotted keys; lists stay values."""
    flat = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            flat |= {f"{key}.{name}": leaf for name, leaf in _flatten(inner).items()}
        else:
            flat[str(key)] = inner
    return flat


def _accuracy(row: Mapping[str, Any], part: str, rows: int | None) -> dict[str, Any] | None:
    """What a row of the table of scores, fresh or read from its file, says about a part; None: nothing."""
    if row.get(f"{part}_accuracy") in (None, ""):
        return None
    return {name: float(row[f"{part}_{name}"]) for name in ("accuracy", "low", "high")} | {"n": rows}


def _looked(scores: Iterable[Mapping[str, str]]) -> list[str]:
    """The models whose validation scores are marked in rows of a table of scores."""
    return list(dict.fromkeys(row.get("model") for row in scores if row.get(LOOKED) == "True"))


def _has_looked(probabilities: Path) -> bool:
    """Whether a training, whose metrics are beside its probabilities, looked at the validation rows."""
    metrics = probabilities.with_name("metrics.json")
    return metrics.exists() and bool(read_json(metrics).get(LOOKED))


def _write_validation(path: Path, validation: Validation) -> None:
    columns = [validation.ids, validation.true, *validation.given.values()]
    with atomic_open(path, "w") as file:
        csv.writer(file, lineterminator="\n").writerow(["id", "label", *validation.given])
        np.savetxt(file, np.stack(columns, axis=1), fmt="%d", delimiter=",")
