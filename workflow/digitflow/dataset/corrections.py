"""Corrections of labels, applied to the rows of a training CSV."""

import os
from collections.abc import Sequence

import numpy as np

from digitflow.base.errors import FormatError, InputError
from digitflow.formats import idx
from digitflow.formats.corrections import DROP, OK, Correction, pixel_crc

PathLike = str | os.PathLike


def apply(
    labels: np.ndarray,
    images_idx: PathLike,
    classes: Sequence[str],
    corrections: Sequence[Correction],
    path: PathLike,
) -> tuple[np.ndarray, np.ndarray]:
    """Apply the lines of the file `path` to labels int (n,), places in `classes`.

    Returns the labels as corrected, of the same type, and which rows a model may see, bool (n,). Only the
    pixels of rows with a checksum are read. FormatError names line, column and value of a line that is about
    no row of these, another label or other pixels; InputError: a class is called as a word of the file.
    """
    labels, keep = labels.copy(), np.ones(len(labels), bool)
    if not corrections:
        return labels, keep
    check_classes(classes)
    places = {name: place for place, name in enumerate(classes)}
    images = idx.open_memmap(images_idx)
    for line in corrections:
        where, row = f"{path}, line {line.line}: column", line.id - 1
        if row >= len(labels):
            raise FormatError(
                f"{where} id: {line.id}, but the training CSV has {len(labels):,} rows; delete the line, or "
                "write the number of a row"
            )
        if line.was != (was := classes[labels[row]]):
            raise FormatError(
                f"{where} was: {line.was!r}, but the training CSV has {was!r} in row {line.id}; write {was}, "
                "or delete the line if it is about another CSV"
            )
        if line.now not in (DROP, OK, *places):
            raise FormatError(
                f"{where} now: {line.now!r} should be one of {', '.join(classes)}, or {DROP} (no model sees "
                f"the image) or {OK} (it is right); write one of these"
            )
        if line.crc and line.crc != (crc := pixel_crc(images[row])):
            raise FormatError(
                f"{where} crc: {line.crc}, but the pixels of row {line.id} have {crc}: the line is about "
                "another CSV's image. Delete the line, or, if it is right for this image too, only its crc"
            )
        if line.now == DROP:
            keep[row] = False
        elif line.now != OK:
            labels[row] = places[line.now]
    return labels, keep


def check_classes(classes: Sequence[str]) -> None:
    """InputError for a class whose name means something else in the file of corrections."""
    for name in (DROP, OK):
        if name in classes:
            raise InputError(
                f"class {name!r}: in the column now of corrections this word does not mean a class; give the "
                f"class another name in the training CSV, for example {name.upper()!r}"
            )
