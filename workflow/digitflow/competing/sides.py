"""One side of a comparison: a run or a submission file, what it was made from, and its answers."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base import checksums
from digitflow.base.checksums import sha256
from digitflow.base.errors import FormatError, InputError
from digitflow.competing import runs
from digitflow.formats import idx, labelscsv
from digitflow.formats.labelscsv import Form, read_sample
from digitflow.scoring.table import MERGED

log = logging.getLogger("digitflow")

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
    facts = runs.read_facts(results / "run.json") if (results / "run.json").exists() else {}
    seeds = _seeds_of(facts) if facts else _seeds_found(results)
    true = _truth_about(facts, solution, source, images)
    csvs = {name: results / "submissions" / f"{name}.csv" for name in seeds}
    csvs = {MERGED: results / "submission.csv"} | {name: csv for name, csv in csvs.items() if csv.exists()}
    answers = {(TEST, name): _answers_of_a_run(csv, classes, form, true) for name, csv in csvs.items()}
    return Side(str(path), facts, answers | _validation_answers(results, facts, seeds))


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
    found: dict[str, list[int]] = {path.stem: [] for path in sorted(results.glob("submissions/[!.]*.csv"))}
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
