"""Labels as CSV, one row per image: submissions, solutions, samples, lists of labels or of ids."""

import csv
import io
import itertools
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from digitflow.base.archives import open_csv
from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import atomic_open
from digitflow.formats import foreign
from digitflow.formats.layout import (
    ID_NAMES,
    LABEL_NAMES,
    classes_in_words,
    label_fault,
    label_of,
    shown,
)

log = logging.getLogger("digitflow")

PathLike = str | os.PathLike
HEADER = ("ImageId", "Label")
USUAL = ",".join(HEADER)
LIST = "id,label, or one label per line"  # of training images
USAGE = "usage"  # Kaggle's solutions: Public or Private
OTHER_SEPARATORS = re.compile(r"[;\t|]")  # of files that are no CSV


class Form(NamedTuple):
    """What a submission must look like: its header, and the ids in their order."""

    header: tuple[str, str]
    ids: list[str]


def write(
    path: PathLike,
    labels: np.ndarray,
    classes: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    header: tuple[str, str] = HEADER,
) -> None:
    """Write labels int (n,) as a submission.

    `classes`: what the labels are called; None: themselves. `ids`: None for 1, 2, ...
    """
    texts = [str(label) if classes is None else classes[label] for label in labels.tolist()]
    write_rows(path, header, [*map(str, range(1, len(texts) + 1))] if ids is None else ids, texts)


def write_rows(path: PathLike, header: tuple[str, str], ids: Sequence[str], labels: Sequence[str]) -> None:
    """Write ids and labels, both as texts."""
    with atomic_open(path, "w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(header)
        rows.writerows(zip(ids, labels, strict=True))


def read(
    path: PathLike,
    classes: int | Sequence[str],
    rows: int | None = None,
    ids: Sequence[str] | None = None,
    header: tuple[str, str] = HEADER,
) -> np.ndarray:
    """Read a submission or a solution: the indices of the labels int64 (n,), in the order of `ids`.

    `classes`: the labels by index, or how many there are. `ids`: None for 1, 2, ... `rows`: how many there
    must be, where there are no ids. The rows may be in another order, numbers may be written as 1.0, and
    there may be a column Usage; the log says so. `header`: one that is right beside the usual ones. Raises
    FormatError, with the line, for anything else.
    """
    return read_with_lines(path, classes, rows, ids, header)[0]


def read_with_lines(
    path: PathLike,
    classes: int | Sequence[str],
    rows: int | None = None,
    ids: Sequence[str] | None = None,
    header: tuple[str, str] = HEADER,
) -> tuple[np.ndarray, np.ndarray]:
    """What `read` reads, and the line of the file that each label is in, from 2: both int64 (n,).

    Raises as that.
    """
    names = [*map(str, range(classes))] if isinstance(classes, int) else [*classes]
    index = {label: k for k, label in enumerate(names)}
    line_1, lines = _read_lines(path)
    places = (0, 1) if (*line_1,) == header else _columns(path, line_1)
    if ids is None:
        ids = [*map(str, range(1, (len(lines) if rows is None else rows) + 1))]
    wanted = classes_in_words(names)

    def fault(label: str) -> str | None:
        return None if label in index else f", should be one of {wanted}"

    found = _join(path, line_1, lines, places, ids, fault)
    labels, numbers = [index[label] for label, _ in found], [number for _, number in found]
    return np.array(labels, np.int64), np.array(numbers, np.int64)


def _join(
    path: PathLike,
    header: list[str],
    lines: list[list[str]],
    places: tuple[int, int],
    ids: Sequence[str],
    fault: Callable[[str], str | None],
    images: str | None = None,
) -> list[tuple[str, int]]:
    """The label and the number of the line of each of the ids, in their order.

    `places` of the ids and of the labels; `fault` says what is wrong with a label, None: nothing. `images`:
    what the file of the training images is called; None: they are the test images. The log says what was
    read in another way than it is written. FormatError: as of `read`.
    """
    at_id, at_label = places
    found: dict[str, tuple[str, int]] = {}
    respelled: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines, start=2):
        where = f"{path}, line {number}"
        if len(line) != len(header):
            raise FormatError(f"{where}: {len(line)} cells, not {len(header)}: {','.join(header)}")
        texts = line[at_id].strip(), line[at_label].strip()
        id_, label = map(label_of, texts)
        respelled += [
            (number, text, read) for text, read in zip(texts, (id_, label), strict=True) if text != read
        ]
        if id_ in found:
            raise FormatError(
                f"{where}: {header[at_id]} {id_!r} is there a second time, after line {found[id_][1]}: take "
                "one of them out"
            )
        if wrong := fault(label):
            raise FormatError(f"{where}: {header[at_label]} {line[at_label]!r}{wrong}")
        found[id_] = label, number
    expected = [*map(label_of, ids)]
    _check_ids(path, header[at_id], expected, found, images)
    for place in {*range(len(header))} - {at_id, at_label}:
        log.info("%s: the column %s was not looked at", path, header[place])
    if respelled:
        number, text, meant = respelled[0]
        more = f", and so were {len(respelled) - 1:,} more numbers" if len(respelled) > 1 else ""
        log.info("%s, line %d: %s was read as %s%s", path, number, text, meant, more)
    if [*found] != expected:
        log.info("%s: the rows are not in the order of the images, and were put into it by their ids", path)
    return [found[id_] for id_ in expected]


def check_header(path: PathLike, header: tuple[str, str] = HEADER) -> None:
    """FormatError: the file is no solution: it has neither columns of ids and of labels nor labels alone.

    `header`: one that is right beside the usual ones.
    """
    if not is_list(path) and (*(first := _first_line(path)),) != header:
        _columns(path, first)


def is_list(path: PathLike) -> bool:
    """Whether a file has labels alone, one per line: one column that can be nothing else."""
    first = _first_line(path)
    if len(first) != 1:
        return False
    text = first[0].strip()
    return not (
        text.lower() in ID_NAMES or OTHER_SEPARATORS.search(text) or foreign.looks_like(text.encode())
    )


def _check_ids(
    path: PathLike,
    name: str,
    expected: list[str],
    found: Mapping[str, tuple[str, int]],
    images: str | None,
) -> None:
    """The ids must be those expected, in any order; `found` has the line of each; `images` as of `_join`."""
    known = {*expected}
    unknown = next((id_ for id_ in found if id_ not in known), None)
    missing = next((id_ for id_ in expected if id_ not in found), None)
    lacks = f"{name} {missing!r} is missing"
    if images is not None:
        lacks += f": name each id of {images} once, or write the labels alone, in the order of its rows"
    wrong = ""
    if unknown is not None:
        whose = "a test image" if images is None else "a training image"
        wrong = f"{path}, line {found[unknown][1]}: {name} {unknown!r} is no id of {whose}"
    if len(found) != len(expected):
        raise FormatError(f"{path}: {len(found):,} rows, should be {len(expected):,}: {wrong or lacks}")
    if wrong:
        raise FormatError(f"{wrong}; {lacks}")


def check_unique(ids: Sequence[str], where: str) -> None:
    """No id of an image may be there twice. InputError names the rows."""
    seen = {}
    for row, text in enumerate(ids, start=1):
        if text in seen:
            raise InputError(f"{where}: the id {text!r} is there twice, in rows {seen[text]} and {row}")
        seen[text] = row


def read_sample(path: PathLike) -> Form:
    """Read the header and the ids of a sample_submission.csv. FormatError, with the line: it is none."""
    header, lines = _read_lines(path)
    if len(header) != 2:
        raise FormatError(
            f"{path}, line 1: {','.join(header)!r}, should be two names, one of the ids and one of the labels"
        )
    ids = {}
    for number, line in enumerate(lines, start=2):
        if len(line) != 2 or not line[0].strip() or line[0] in ids:
            raise FormatError(
                f"{path}, line {number}: {','.join(line)!r}, should be an id of its own, a label"
            )
        ids[line[0]] = number
    return Form((header[0], header[1]), [*ids])


def submission_form(
    submission: Mapping[str, Any], rows: int, ids: PathLike | None, test_csv: PathLike
) -> Form:
    """What a submission for so many test rows must look like, by that section of the configuration.

    `ids`: the file of those that the test file has; their order is the submission's. FormatError, which calls
    the test file `test_csv`: `submission.sample` has other ids, or another number of them; or as `read_ids`.
    """
    test_ids = None if ids is None else read_ids(ids, rows)
    if sample := submission.get("sample"):
        form = read_sample(sample)
        if len(form.ids) != rows:
            raise FormatError(f"{sample}: {len(form.ids):,} rows, {test_csv} has {rows:,}: are they a pair?")
        known = {*(test_ids or form.ids)}
        for line, id_ in enumerate(form.ids, start=2):
            if id_ not in known:
                raise FormatError(f"{sample}, line {line}: {id_!r} is no id of {test_csv}: are they a pair?")
        if test_ids is None:
            _check_order(sample, form)
        return Form(form.header, [*(test_ids or form.ids)])
    header = submission.get("id", HEADER[0]), submission.get("label", HEADER[1])
    first = submission.get("first", 1)
    return Form(header, [*test_ids] if test_ids else [*map(str, range(first, first + rows))])


def _check_order(sample: PathLike, form: Form) -> None:
    """FormatError: the ids count the images, and are not in their order: the file was sorted otherwise."""
    numbers = [int(id_) for id_ in form.ids if id_.isascii() and id_.isdigit()]
    if len(numbers) < len(form.ids) or max(numbers) - min(numbers) >= len(numbers):
        return  # names of any kind, whose order alone says which image is which
    for line, (before, after) in enumerate(itertools.pairwise(numbers), start=3):
        if after < before:
            raise FormatError(
                f"{sample}, line {line}: {form.header[0]} {after} behind {before}; the test images have no "
                "ids, so those of the sample are taken in its order: sort its lines by their numbers"
            )


def write_ids(path: PathLike, ids: Sequence[str]) -> None:
    """Write the ids of images, one per line, under the header id: none where the images have none."""
    with atomic_open(path, "w") as file:
        csv.writer(file, lineterminator="\n").writerows([["id"], *([id_] for id_ in ids)])


def read_ids(path: PathLike, rows: int) -> list[str] | None:
    """Read what `write_ids` wrote, None if there are none. FormatError: not that, or not so many."""
    header, lines = _read_lines(path)
    if header != ["id"] or any(len(line) != 1 for line in lines):
        raise FormatError(
            f"{path}: not a list of ids, one per line under the header id; delete it, run again"
        )
    if lines and len(lines) != rows:
        raise FormatError(f"{path}: {len(lines):,} ids for {rows:,} images; delete it and run again")
    return [line[0] for line in lines] or None


def read_own(path: PathLike, classes: Sequence[str], rows: int) -> np.ndarray:
    """The indices of the labels, int64 (rows,), of a submission that `write` wrote, under any header.

    FormatError: a line is no id of its own and a label, or there are not so many.
    """
    index = {label: k for k, label in enumerate(classes)}
    found: dict[str, int] = {}
    for number, line in enumerate(_read_lines(path)[1], start=2):
        if len(line) != 2 or line[0] in found:
            raise FormatError(
                f"{path}, line {number}: {','.join(line)!r}, should be an id of its own, a label"
            )
        if line[1] not in index:
            wanted = classes_in_words(classes)
            raise FormatError(f"{path}, line {number}: label {line[1]!r}, should be one of {wanted}")
        found[line[0]] = index[line[1]]
    if len(found) != rows:
        raise FormatError(f"{path}: {len(found):,} rows, should be {rows:,}")
    return np.array([*found.values()], np.int64)


def read_list(path: PathLike, rows: int, ids: Sequence[str] = (), images: str = "the images") -> list[str]:
    """Read the labels of images in a file of their own; return them in the images' order.

    It has one label per line in that order, with or without a header, or ids and labels under a header: those
    of the images, `ids`, in any order, or 1, 2, ... in order where these have none. `images`: what the file
    of the images is called. FormatError names the line that is wrong, InputError an image's id that is there
    twice.
    """
    first, lines = _read_lines(path, LIST)
    start = 2
    if len(first) > 1:
        at_id, place = _columns(path, first, LIST)
        if ids:
            check_unique([*map(label_of, ids)], images)
            found = _join(path, first, lines, (at_id, place), ids, _fault_in_words, images)
            return [label for label, _ in found]
        for row, line in enumerate(lines, start=1):
            if len(line) > at_id and label_of(line[at_id].strip()) != str(row):
                raise FormatError(
                    f"{path}, line {row + 1}: {first[at_id]} {line[at_id]!r}, should be {row}, for there are "
                    f"no ids in {images}: count its rows from 1, or write the labels alone, in their order"
                )
    else:
        if first[0].strip().lower() not in LABEL_NAMES:
            first, lines, start = ["label"], [first, *lines], 1
        place = 0
        if ids:
            log.info("%s: labels without ids, read in the order of the images", path)
    labels = []
    for number, line in enumerate(lines, start=start):
        if len(line) != len(first):
            raise FormatError(f"{path}, line {number}: {len(line)} cells, not {len(first)}")
        label = label_of(line[place].strip())
        if fault := _fault_in_words(label):
            raise FormatError(f"{path}, line {number}: {line[place]!r}{fault}")
        labels.append(label)
    if len(labels) != rows:
        one_more = start == 1 and len(labels) == rows + 1
        header = f"; if line 1, {lines[0][0]!r}, is a header, write label there" if one_more else ""
        if len(first) == 1 and start == 2 and len(labels) == rows - 1:
            header = f"; if line 1, {first[0]!r}, is a label, write a line above it: label"
        raise FormatError(f"{path}: {len(labels):,} labels for {rows:,} images{header}")
    return labels


def _fault_in_words(label: str) -> str | None:
    """What is said behind a label of any class that is none; None: it is one."""
    fault = label_fault(label, None)
    return fault and f" {fault}"


def _read_lines(path: PathLike, wanted: str = USUAL) -> tuple[list[str], list[list[str]]]:
    """The first line of a CSV and the others, blank lines at the end left out; `wanted`: its header."""
    with open_csv(path) as stream:
        return _split(path, stream.read_all(), wanted)


def _first_line(path: PathLike) -> list[str]:
    """The first line of a CSV, of which no more than a mebibyte is read."""
    with open_csv(path) as stream:
        head = stream.read(1 << 20)
    return _split(path, head.rpartition(b"\n")[0] or head)[0]


def _split(path: PathLike, data: bytes, wanted: str = USUAL) -> tuple[list[str], list[list[str]]]:
    try:
        lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig").removeprefix("# "), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from error
    while lines and not any(cell.strip() for cell in lines[-1]):
        lines.pop()
    if not lines:
        raise FormatError(f"{path}, line 1: empty, should be the header {wanted}")
    return lines[0], lines[1:]


def _columns(path: PathLike, header: list[str], wanted: str = USUAL) -> tuple[int, int]:
    """The places of the ids and of the labels; `wanted`: what the header should be."""
    names = [name.strip().lower() for name in header]
    ids = [place for place, name in enumerate(names) if name in ID_NAMES]
    labels = [place for place, name in enumerate(names) if name in LABEL_NAMES]
    others = [name for name in names if name not in (*ID_NAMES, *LABEL_NAMES, USAGE)]
    if len(ids) != 1 or len(labels) != 1 or others:
        raise FormatError(f"{path}, line 1: {shown(','.join(header))}, should be the header {wanted}")
    return ids[0], labels[0]
