"""Which rows train and which validate: lists of the CSV's rows, with corrected labels."""

import json
import logging
from collections.abc import Sequence

import numpy as np

from digitflow.base.errors import InputError, how_many
from digitflow.base.files import PathLike
from digitflow.dataset import applied as last_applied
from digitflow.dataset import classes as class_names
from digitflow.dataset.applied import APPLIED, Applied
from digitflow.dataset.corrections import apply, doubtful_ids
from digitflow.dataset.split import first_of_equal, fold_of, validation_mask
from digitflow.formats import corrections as corrections_csv
from digitflow.formats import idx, labelscsv, lst
from digitflow.formats.corrections import pixel_crc
from digitflow.formats.lst import Listing

log = logging.getLogger("digitflow")


def of_rows(folder: str, rows: int, labels: np.ndarray | None = None, names: Sequence[str] = ()) -> Listing:
    """The listing of all rows of a CSV, their paths those that they have in the tree `folder`.

    Without labels every label is 0, and the files are in `folder` itself. `labels` int (rows,) with the
    `names` of their folders.
    """
    digits = len(str(rows))
    places = [folder] * rows if labels is None else [f"{folder}/{names[label]}" for label in labels.tolist()]
    index = np.arange(1, rows + 1)
    path = [f"{place}/{row:0{digits}}.png" for place, row in zip(places, index.tolist(), strict=True)]
    return Listing(index, np.zeros(rows, np.int64) if labels is None else labels.astype(np.int64), path)


def read_corrected(
    images: PathLike,
    labels: PathLike,
    classes: PathLike,
    corrections: PathLike | None,
    ids: PathLike | None = None,
) -> tuple[Listing, list[str], Applied]:
    """The listing of all training rows, labelled as corrected, without the dropped ones; the classes' names;
    and a copy of the corrections.

    `ids`: the file of the ids that the rows have in the CSV; a warning names lines that may mean one of them.
    """
    rows, *_ = idx.read_header(images, idx.IMAGES)
    names = class_names.read(classes)
    found = idx.read_labels(labels, rows, len(names))
    keep, copy = np.ones(rows, bool), Applied()
    if corrections:
        data, pixels = corrections_csv.read_bytes(corrections), idx.open_memmap(images)
        lines = corrections_csv.parse_lines(data, corrections)
        if ids and not all(line.crc for line in lines) and (own := labelscsv.read_ids(ids, rows)):
            for warning in doubtful_ids(found, own, names, lines, corrections):
                log.warning(warning)  # before an error in a line, as this may be its cause
        found, keep = apply(found, images, names, lines, corrections)
        crc = {str(line.id): pixel_crc(pixels[line.id - 1]) for line in lines if not line.crc}
        copy = Applied(str(corrections), data.decode(), crc)
        dropped = int((~keep).sum())
        log.info(f"{corrections}: {how_many(len(lines), 'correction')}; {how_many(dropped, 'image')} dropped")
    return of_rows("train", rows, found, class_names.folder_names(names)).select(keep), names, copy


def keep_words(
    images: PathLike,
    labels: PathLike,
    classes: PathLike,
    corrections: PathLike,
    ids: PathLike | None = None,
    applied: PathLike = APPLIED,
) -> None:
    """Check corrections that change no label of the lists, and keep a copy of them.

    Raises as `read_corrected`, and then keeps nothing.
    """
    *_, copy = read_corrected(images, labels, classes, corrections, ids)
    last_applied.write(applied, copy)


def check_every_class(labelled: Listing, names: Sequence[str], copy: Applied) -> None:
    """InputError: a class has no image to learn from. `copy`: the corrections that may have taken them."""
    counts = np.bincount(labelled.label, minlength=len(names)).tolist()
    if not (missing := [name for name, count in zip(names, counts, strict=True) if not count]):
        return
    for name in missing:
        took = [line for line in copy.lines() if line.was == name]
        if took:
            raise InputError(
                f"{copy.path}, line {took[0].line}: class {name}: no image is left to learn it from; "
                f"{how_many(len(took), 'correction')} took them away. Undo one, or delete "
                "these rows from the training CSV"
            )
    there = json.dumps([name for name in names if name not in missing], ensure_ascii=False)
    raise InputError(
        f"data.classes: no image has the label {', '.join(missing)}, so no model can learn it; write the "
        f"labels that there are: classes: {there}"
    )


def first_of_equals(images: PathLike, index: np.ndarray) -> np.ndarray:
    """For each of the rows `index`, ascending from 1, the first of them with the same pixels: int64 (n,)."""
    first = first_of_equal(idx.read_blocks(images))
    _, place, group = np.unique(first[index - 1], return_index=True, return_inverse=True)
    return index[place][group]


def write_split(
    labelled: Listing,
    train_lst: PathLike,
    valid_lst: PathLike,
    names: Sequence[str],
    fraction: float,
    seed: int,
    first: np.ndarray | None = None,
) -> None:
    """Write two lists: `fraction` of every class in the validation list, all others in the training list.

    `first` as from `first_of_equals`: equal images stay on one side. InputError: a class keeps no training
    image, or no row validates though some should.
    """
    mask = validation_mask(labelled.index, labelled.label, fraction, seed, first)
    _check_classes(
        labelled, ~mask, names, f"validation.fraction: {fraction} leaves it no training image; lower it"
    )
    if fraction and not mask.any():
        raise InputError(
            f"validation.fraction: {fraction} of each class is less than one image: no row would validate; "
            "raise it, or set it to 0 to train on all rows without a score"
        )
    _write("train", train_lst, labelled.select(~mask), names)
    _write("validation", valid_lst, labelled.select(mask), names)


def write_folds(
    labelled: Listing,
    train_lsts: Sequence[PathLike],
    valid_lsts: Sequence[PathLike],
    names: Sequence[str],
    seed: int,
    first: np.ndarray | None = None,
) -> None:
    """Write two lists for each fold: the rows that it leaves out validate, all others train.

    `first` as from `first_of_equals`: equal images are left out together. InputError: a class has so few
    images that one of the folds would learn without it.
    """
    groups = labelled.index if first is None else first
    for label in sorted({*labelled.label.tolist()}):
        rows = groups[labelled.label == label]
        if (rows == rows[0]).all():
            has = "one row" if len(rows) == 1 else f"{len(rows):,} rows of the same image"
            raise InputError(
                f"class {names[label]}: it has {has}, so one of the {len(train_lsts)} folds "
                "(validation.folds) would learn without it; add other images of it, take it out of the "
                "training data, or write validation: {folds: 1, fraction: 0.1} in the configuration "
                "(fraction: 0 if its image has another class, too)"
            )
    fold = fold_of(labelled.index, labelled.label, len(train_lsts), seed, first)
    for number, (train_lst, valid_lst) in enumerate(zip(train_lsts, valid_lsts, strict=True)):
        left_out = fold == number
        why = f"validation.folds: {len(train_lsts)} leaves it no training image in fold {number}; lower it"
        _check_classes(labelled, ~left_out, names, why)
        _write(f"fold {number}: train", train_lst, labelled.select(~left_out), names)
        _write(f"fold {number}: validation", valid_lst, labelled.select(left_out), names)


def _check_classes(labelled: Listing, trains: np.ndarray, names: Sequence[str], why: str) -> None:
    """InputError: a class that has images has none of them to train on."""
    there, trained = {*labelled.label.tolist()}, {*labelled.label[trains].tolist()}
    for label in sorted(there - trained):
        raise InputError(f"class {names[label]}: {why}")


def _write(what: str, path: PathLike, listing: Listing, names: Sequence[str]) -> None:
    lst.write(path, listing)
    counts = np.bincount(listing.label, minlength=len(names)).tolist()
    smallest = min(range(len(names)), key=counts.__getitem__)
    log.info(
        f"{path}: {len(listing):,} {what} images; fewest of class {names[smallest]}: {counts[smallest]:,}"
    )
