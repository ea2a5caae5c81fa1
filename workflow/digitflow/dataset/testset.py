"""What is known of the test images beside their pixels: their ids, and the labels that only ever score."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digitflow.base.errors import InputError
from digitflow.dataset import classes as class_names
from digitflow.dataset import conversion, sources
from digitflow.dataset.locations import names_of_classes
from digitflow.formats import idx, labelscsv

log = logging.getLogger("digitflow")

PathLike = str | os.PathLike


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

    `solution`, by `kind`: "csv", rows of id and label in any order, or labels alone in the order of the
    images; "pixels", a test CSV that has labels of its own, read as the section `data` says; "idx", an IDX
    file. InputError or FormatError: it is not for these images, or a label is no class.
    """
    rows, *_ = idx.read_header(images, idx.IMAGES)
    names = class_names.read(classes)
    if kind == "csv" and not labelscsv.is_list(solution):
        form = labelscsv.submission_form(submission or {}, rows, ids, images)
        found = labelscsv.read(solution, names, rows, form.ids, form.header)
        idx.write(path, found.astype(class_names.label_dtype(len(names))))
        return
    if kind == "csv":
        labels = labelscsv.read_list(solution, rows)
        log.info("%s: labels without ids, read in the order of the test images", solution)
    elif kind == "idx":
        beside = names_of_classes(Path(solution).parent)
        labels = sources.read_idx_labels(solution, beside and class_names.read(beside))
    else:
        blocks = conversion.read_csv(solution, data or {}, train=False).blocks
        labels = [label for block in blocks for label in block.labels]
    if len(labels) != rows:
        raise InputError(f"{solution}: {len(labels):,} labels for {rows:,} test images")
    idx.write(path, class_names.indices(labels, names, str(solution)))
