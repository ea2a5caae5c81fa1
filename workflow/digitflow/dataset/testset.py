"""What is known of the test images besides their pixels: their ids, and the labels that only ever score."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from digitflow.base.errors import InputError
from digitflow.base.files import PathLike
from digitflow.dataset import classes as class_names
from digitflow.dataset import conversion, sources
from digitflow.formats import idx, labelscsv

log = logging.getLogger("digitflow")

FEW = 20  # labels that may be all the same by chance
DIGITS = 255  # at most, in the name of a file


def write_solution(
    path: PathLike,
    solution: PathLike,
    images: PathLike,
    classes: PathLike,
    ids: PathLike | None = None,
    submission: Mapping[str, Any] | None = None,
    kind: str = "csv",
    data: Mapping[str, Any] | None = None,
) -> None:
    """Write the labels of the test images as an IDX file of their indices, in the order of the images.

    `solution`, by `kind`: "csv", rows of id and label in any order, or only labels in the order of the
    images; "pixels", a test CSV that has labels of its own, read as the section `data` says; "idx", an IDX
    file. `data.source`: "folder" if the images are pictures in a folder. InputError or FormatError: it is not
    for these images, a label is no class, or labels alone are for pictures whose order is not clear.
    """
    rows, *_ = idx.read_header(images, idx.IMAGES)
    names = class_names.read(classes)
    if kind == "csv" and not labelscsv.is_list(solution):
        form = labelscsv.submission_form(submission or {}, rows, ids, images)
        labels = [names[index] for index in labelscsv.read(solution, names, form)]
    elif kind == "csv":
        if (data or {}).get("source") == "folder":
            _check_order(solution, labelscsv.read_ids(ids, rows) or [])
        labels = labelscsv.read_list(solution, rows, classes=names)
        log.info("%s: labels without ids, read in the order of the test images", solution)
    elif kind == "idx":
        labels = sources.read_idx_labels(solution)
    else:
        blocks = conversion.read_csv(solution, data or {}, train=False).blocks
        labels = [label for block in blocks for label in block.labels]
    if len(labels) != rows:
        raise InputError(f"{solution}: {len(labels):,} labels for {rows:,} test images")
    indices = class_names.indices(labels, names, str(solution))
    if len(labels) > FEW and len({*labels}) == 1:
        log.warning(
            f"{solution}: all {len(labels):,} labels are {labels[0]!r}, as in a sample submission: if it is "
            "one, test scores mean nothing; leave out data.solution_csv, or, in a test CSV, the column of "
            "the labels"
        )
    idx.write(path, indices)


def _check_order(solution: PathLike, ids: Sequence[str]) -> None:
    """InputError: pictures, in the order of their names, are not in that of the numbers in these, too."""
    names = [f"{id_}.png" for id_ in ids]
    by_number = sorted(names, key=lambda name: re.sub("[0-9]+", lambda found: found[0].zfill(DIGITS), name))
    for name, expected in zip(names, by_number, strict=True):
        if name != expected:
            raise InputError(
                f"{solution}: labels without ids, but which picture comes first? By its name as text, {name} "
                f"comes before {expected}; by its number, after it. Write the id of the picture, its name "
                f"without .png, before each label, below the header {labelscsv.USUAL}"
            )
