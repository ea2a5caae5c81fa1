"""All that the page shows, as arrays: missing parts are None, with the reason."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import PathLike
from digitflow.dataset import classes as class_names
from digitflow.dataset.corrections import apply, check_classes
from digitflow.formats import corrections as corrections_csv
from digitflow.formats import idx, lst
from digitflow.formats.corrections import DROP, OK, Correction, pixel_crc
from digitflow.formats.layout import classes_in_words
from digitflow.look import summary
from digitflow.look.audit import AUDIT_COLUMNS
from digitflow.look.duplicates import OUTLIER_COLUMNS, PAIR_COLUMNS
from digitflow.merging.merged import merge_files, merge_models, read_models
from digitflow.scoring.table import read_table

if TYPE_CHECKING:
    import pandas as pd

TEST = "test"
TYPES = {
    **dict.fromkeys(("given", "proposed", "split", "part", "first_part", "second_part"), str),
    **dict.fromkeys(("kind", "reason"), str),
    **dict.fromkeys(("id", "first_id", "second_id"), "int64"),
    **dict.fromkeys(("self_confidence", "margin", "distance"), "float64"),
    **dict.fromkeys(("flagged", "conflict"), "bool"),
}


def read_look_table(path: PathLike, columns: Sequence[str]) -> "pd.DataFrame":
    """Read a CSV of the audit, duplicates or outliers, in which a class may be called 007 or NA.

    FormatError: it lacks one of these columns, or one has values of another type. InputError: there is no
    such file.
    """
    table = read_table(path, dtype=TYPES, na_values={"distance": [""]})  # a blank image has none
    if missing := [column for column in columns if column not in table.columns]:
        raise FormatError(f"{path}: damaged: no column {missing[0]}; delete it and run again")
    return table


def check_look_table(
    path: PathLike, table: "pd.DataFrame", names: Sequence[str], rows: int, test_rows: int
) -> None:
    """Check that a table is about `rows` training images, `test_rows` test images, and these classes.

    FormatError names a line that is not, as in a table of other data.
    """
    for column in table.columns.intersection(["id", "first_id", "second_id"]):
        part = column.replace("id", "part")  # the audit, of training images, has none
        of_test = table[part] == TEST if part in table else np.zeros(len(table), bool)
        last = np.where(of_test, test_rows, rows)
        for row in np.flatnonzero(~table[column].between(1, last)):
            raise FormatError(
                f"{path}, line {row + 2}: {column} {table[column][row]}, should be one of the {last[row]:,} "
                f"{'test' if of_test[row] else 'training'} images; delete the file and run again"
            )
    for column in table.columns.intersection(["given", "proposed"]):
        for row in np.flatnonzero(~table[column].isin(names)):
            raise FormatError(
                f"{path}, line {row + 2}: {column} {table[column][row]!r}, should be one of "
                f"{classes_in_words(names)}; delete the file and run again"
            )


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities of training rows by models that did not learn from them.

    `rows` int (k,): places in the training images, ascending; `by_model`: float (k, classes) by the model's
    name; `merged` float (k, classes): all models merged (with one model, its own).
    """

    rows: np.ndarray
    by_model: Mapping[str, np.ndarray]
    merged: np.ndarray


@dataclass(frozen=True, eq=False)
class LookData:
    """What a person looks at. Images are uint8 (n, h, w) or (n, h, w, c); memory maps will do.

    An image's id, which names its PNG file, is its row from 1. `labels` int (n,) are the CSV's, before any
    correction; `splits` (n,) texts, such as "train", "valid" or "fold 2". `test_merged` float (m, classes)
    are the test images' probabilities.
    `audit`, of rows that `predictions` has, has AUDIT_COLUMNS, the most suspicious first, labels by their
    names; `duplicates` has PAIR_COLUMNS and `outliers` OUTLIER_COLUMNS, in the order in which they are shown:
    the part "test" is the test images, any other the training rows. `read_look_table` reads all three.
    `corrections` must fit the rows, and `corrections_text` must be the content of their file;
    `corrections_file` is its path as configured, whether it exists yet or not. `png` is the folder of the PNG
    trees as seen from the page, such as ../../data/png; None: there are none.
    `missing` says why something is None, by the name of the field: "no test set"; for `predictions` and
    `audit` it always does.
    """

    names: Sequence[str]
    images: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    duplicates: "pd.DataFrame"
    outliers: "pd.DataFrame"
    test_images: np.ndarray | None = None
    predictions: Predictions | None = None
    test_merged: np.ndarray | None = None
    audit: "pd.DataFrame | None" = None
    corrections: Sequence[Correction] = ()
    corrections_text: str = ""
    corrections_file: str = "corrections.csv"
    png: str | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> np.ndarray:
        """The ids int64 (n,) of the training rows."""
        return np.arange(1, len(self.images) + 1)

    @cached_property
    def crcs(self) -> str:
        """The CRC-32 of every training row's pixels, in the form that corrections have, 8 characters each."""
        return "".join(map(pixel_crc, self.images))

    @cached_property
    def digest(self) -> str:
        """The key under which decisions are kept: the same for the same rows, labels and classes."""
        digest = hashlib.sha256(repr(list(self.names)).encode())
        for array in (self.ids, self.labels):
            digest.update(np.ascontiguousarray(array, np.int64))
        digest.update(self.crcs.encode())
        return digest.hexdigest()[:16]

    @cached_property
    def corrected(self) -> np.ndarray:
        """The labels int64 (n,) after the corrections; -1 if the row is dropped."""
        labels = np.array(self.labels, np.int64)
        classes = {name: label for label, name in enumerate(self.names)} | {DROP: -1}
        changed = [correction for correction in self.corrections if correction.now != OK]
        labels[self.rows_of([c.id for c in changed])] = [classes[c.now] for c in changed]
        return labels

    @cached_property
    def mean_and_variance(self) -> tuple[np.ndarray, np.ndarray]:
        """Each class's mean and variance of the pixels, as `summary.mean_and_variance` has them."""
        return summary.mean_and_variance(self.images, self.corrected, len(self.names))

    def rows_of(self, ids: Sequence[int]) -> np.ndarray:
        """The places int64 of ids among the training rows."""
        return np.asarray(ids, np.int64) - 1

    def places_of(self, parts: Sequence[str], ids: Sequence[int]) -> np.ndarray:
        """The places int64 of images among the training rows followed by the test images."""
        return self.rows_of(ids) + len(self.images) * (np.asarray(parts) == TEST)


def read(
    images: PathLike,
    labels: PathLike,
    classes: PathLike,
    *,
    splits: Sequence[PathLike],
    valid_lst: PathLike,
    probabilities: Sequence[Path],
    merge: Mapping[str, Any],
    weights: Path | None,
    test_images: PathLike | None,
    test_probabilities: Sequence[Path],
    audit: PathLike | None,
    duplicates: PathLike,
    outliers: PathLike,
    corrections: PathLike | None,
    corrections_file: str,
    png: str | None,
) -> LookData:
    """Read all that the page shows from the files of a run.

    `splits`: the list of the validation rows, or one for each fold. `probabilities`, of the rows of
    `valid_lst`, and `test_probabilities` are merged as the section `merge` and `weights` say; without them
    there are no predictions. Raises as `dataset.corrections.apply` for corrections that do not fit the rows;
    without any, too, InputError: a class is called drop or ok.
    """
    pixels, names = idx.open_memmap(images), class_names.read(classes)
    check_classes(names)  # before there is a correction, because the page would save its opposite
    given = idx.read_labels(labels, len(pixels), len(names)).astype(np.int64)
    text = corrections_csv.read_bytes(corrections) if corrections else b""
    lines = corrections_csv.parse_lines(text, corrections or "")
    apply(given, images, names, lines, corrections)  # they may have been edited since the lists were made
    test = None if test_images is None else idx.open_memmap(test_images)
    missing = {}
    if test is None:
        missing |= dict.fromkeys(("test_images", "test_merged"), "there is no test set")
    predictions = None
    if probabilities:
        listing = lst.read(valid_lst)
        models = read_models(probabilities, merge["seeds"], len(listing))
        predictions = Predictions(listing.index - 1, models, merge_models(models, merge, weights))
    else:
        why = "no merged model has held out training rows (merge.models, validation)"
        missing |= dict.fromkeys(("predictions", "audit"), why)

    def table(path: PathLike, columns: Sequence[str]) -> "pd.DataFrame":
        found = read_look_table(path, columns)
        check_look_table(path, found, names, len(pixels), 0 if test is None else len(test))
        return found

    audited = table(audit, AUDIT_COLUMNS) if audit else None
    if audited is not None and predictions is not None:
        strange = np.flatnonzero(~np.isin(audited["id"] - 1, predictions.rows))
        if len(strange):
            where = f"{audit}, line {strange[0] + 2}"
            raise FormatError(
                f"{where}: {valid_lst} has no image {audited['id'][strange[0]]}; delete it and run again"
            )
    return LookData(
        names=names,
        images=pixels,
        labels=given,
        splits=_split_names(len(pixels), splits),
        test_images=test,
        predictions=predictions,
        test_merged=merge_files(test_probabilities, merge, weights) if test_probabilities else None,
        audit=audited,
        duplicates=table(duplicates, PAIR_COLUMNS),
        outliers=table(outliers, OUTLIER_COLUMNS),
        corrections=lines,
        corrections_text=text.decode(),
        corrections_file=corrections_file,
        png=png,
        missing=missing,
    )


def _split_names(rows: int, lists: Sequence[PathLike]) -> np.ndarray:
    """For each row "valid" or "fold k" if one of the lists has it, else "train"."""
    names = np.full(rows, "train", object)
    for number, path in enumerate(lists):
        names[lst.read(path).index - 1] = "valid" if len(lists) == 1 else f"fold {number}"
    return names
