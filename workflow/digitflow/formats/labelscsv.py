"""Labels as CSV, one row per image: submissions, solutions, samples, lists of labels or of ids."""

import csv
import io
import itertools
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from digitflow.base.archives import open_csv
from digitflow.base.errors import FormatError, InputError
from digitflow.base.files import PathLike, write_rows
from digitflow.formats import foreign
from digitflow.formats.layout import (
    BLANKS,
    ID_NAMES,
    LABEL_NAMES,
    classes_in_words,
    label_fault,
    label_of,
    shown,
)

log = logging.getLogger("digitflow")

HEADER = ("ImageId", "Label")
RIGHT_SAMPLE = "set submission.sample to the sample of these test images"
USUAL = ",".join(HEADER)
LIST = "id,label, or one label per line"  # of training images
USAGE = "usage"  # Kaggle's solutions: Public or Private
OTHER_SEPARATORS = re.compile(r"[;\t|]")  # of files that are no CSVs
TWO_NUMBERS = re.compile(r"[-+]?[0-9.]+ +[-+]?[0-9.]+")  # an id and a label, separated by blanks
MAX_DIGITS = 4300  # of a number that counts images; Python converts no longer one


class Form(NamedTuple):
    """What a submission must look like: its header, and the ids in order."""

    header: tuple[str, str]
    ids: list[str]


def write(
    path: PathLike, labels: np.ndarray, classes: Sequence[str] | None = None, form: Form | None = None
) -> None:
    """Write labels int (n,) as a submission.

    `classes`: what the labels are called; None: by their numbers. `form`: None for the ids 1, 2, ...
    """
    texts = [str(label) if classes is None else classes[label] for label in labels.tolist()]
    header, ids = form or _usual_form(len(texts))
    write_rows(path, [header, *zip(ids, texts, strict=True)])


def _usual_form(rows: int) -> Form:
    return Form(HEADER, [*map(str, range(1, rows + 1))])


def read(path: PathLike, classes: Sequence[str], form: Form | None = None) -> np.ndarray:
    """Read a submission or a solution: the indices of the labels int64 (n,), in the order of the ids.

    `classes`: the labels by index. `form`: the ids, and a header that is accepted besides the usual ones;
    None for 1, 2, ... The rows may be in another order, numbers may be written as 1.0, and there may be a
    column Usage; the log says so. Anything else is a FormatError that names the line.
    """
    return read_with_lines(path, classes, form)[0]


def read_with_lines(
    path: PathLike, classes: Sequence[str], form: Form | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What `read` reads, and the line of the file that each label is in, from 2: both int64 (n,).

    Raises as `read`.
    """
    index = {label: k for k, label in enumerate(classes)}
    line_1, lines = _read_lines(path)
    form = form or _usual_form(len(lines))
    places = (0, 1) if (*line_1,) == form.header else _columns(path, line_1)
    wanted = classes_in_words(classes)

    def fault(label: str) -> str | None:
        return None if label in index else f", should be one of {wanted}"

    found = _join(path, line_1, lines, places, form.ids, fault)
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
    """The label and the line number of each id, in the order of `ids`.

    `places`: of the ids and the labels. `fault` says what is wrong with a label, None: nothing. `images`: the
    name of the training images' file; None: these are the test images. The log says what was read in another
    way than it is written. Raises as `read`.
    """
    at_id, at_label = places
    # 01 and 1.0 mean 1, unless an image has each of these ids.
    id_of = label_of if len({*map(label_of, ids)}) == len(ids) else str
    found: dict[str, tuple[str, int]] = {}
    respelled: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines, start=2):
        where = f"{path}, line {number}"
        if len(line) != len(header):
            raise FormatError(f"{where}: {len(line)} cells, not {len(header)}: {','.join(header)}")
        texts = line[at_id].strip(BLANKS), line[at_label].strip(BLANKS)
        id_, label = id_of(texts[0]), label_of(texts[1])
        respelled += [
            (number, text, read) for text, read in zip(texts, (id_, label), strict=True) if text != read
        ]
        if id_ in found:
            raise FormatError(
                f"{where}: {header[at_id]} {shown(id_)} is already in line {found[id_][1]}: delete one of "
                "the two lines"
            )
        if wrong := fault(label):
            raise FormatError(f"{where}: {header[at_label]} {shown(line[at_label])}{wrong}")
        found[id_] = label, number
    expected = [*map(id_of, ids)]
    _check_ids(path, header[at_id], expected, found, images)
    for place in {*range(len(header))} - {at_id, at_label}:
        log.info("%s: the column %s was ignored", path, header[place])
    if respelled:
        number, text, meant = respelled[0]
        more = f", and {len(respelled) - 1:,} more numbers likewise" if len(respelled) > 1 else ""
        log.info("%s, line %d: %s was read as %s%s", path, number, text, meant, more)
    if [*found] != expected:
        log.info("%s: the rows are not in the order of the images, and were sorted by their ids", path)
    return [found[id_] for id_ in expected]


def check_header(path: PathLike, header: tuple[str, str] = HEADER) -> None:
    """FormatError: the file is no solution: it has neither columns of ids and labels nor only labels.

    `header`: one that is accepted besides the usual ones.
    """
    if not is_list(path) and (*(first := _first_line(path)),) != header:
        _columns(path, first)


def is_list(path: PathLike) -> bool:
    """Whether a file has only labels, one per line: one column that can be nothing else."""
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
    """The ids must be those expected, in any order; `found` has the line of each; `images` as in `_join`."""
    known = {*expected}
    unknown = next((id_ for id_ in found if id_ not in known), None)
    missing = next((id_ for id_ in expected if id_ not in found), None)
    lacks = f"{name} {shown(missing or '')} is missing"
    if images is not None:
        lacks += f": list each id of {images} once, or write only the labels, in the order of its rows"
    wrong = ""
    if unknown is not None:
        whose = "a test image" if images is None else "a training image"
        wrong = f"{path}, line {found[unknown][1]}: {name} {shown(unknown)} is not an id of {whose}"
    if len(found) != len(expected):
        raise FormatError(f"{path}: {len(found):,} rows, should be {len(expected):,}: {wrong or lacks}")
    if wrong:
        raise FormatError(f"{wrong}; {lacks}")


def check_unique(ids: Sequence[str], where: str) -> None:
    """Each image must have its own id. InputError names the rows of an id that is there twice."""
    seen = {}
    for row, text in enumerate(ids, start=1):
        if text in seen:
            raise InputError(
                f"{where}: rows {seen[text]} and {row} have the same id, {shown(text)}: give each image its "
                "own"
            )
        seen[text] = row


def read_sample(path: PathLike) -> Form:
    """Read the header and ids of a sample_submission.csv. FormatError names the line that is wrong."""
    header, lines = _read_lines(path)
    if len(header) == 1:
        _refuse_separated(path, header)
    if len(header) != 2:
        raise FormatError(
            f"{path}, line 1: {shown(','.join(header))}, should be two names, those of the columns of "
            "ids and labels"
        )
    return Form((header[0], header[1]), [id_ for _, id_, _ in _pairs(path, lines)])


def _pairs(path: PathLike, lines: list[list[str]]) -> Iterator[tuple[int, str, str]]:
    """Line number, id and label of each line below the header. FormatError: it is something else."""
    known = set()
    for number, line in enumerate(lines, start=2):
        if len(line) != 2 or not line[0].strip(BLANKS) or line[0] in known:
            raise FormatError(
                f"{path}, line {number}: {shown(','.join(line))}, should be an id that no other line has, "
                "and a label"
            )
        known.add(line[0])
        yield number, *line


def submission_form(
    submission: Mapping[str, Any], rows: int, ids: PathLike | None, test_csv: PathLike
) -> Form:
    """What a submission for `rows` test rows must look like, by the configuration's section `submission`.

    `ids`: the file of the test images' ids; their order is the submission's. `test_csv`: the test file's name
    in messages. FormatError: `submission.sample` has other ids, or another number of them; or as `read_ids`.
    """
    test_ids = None if ids is None else read_ids(ids, rows)
    if sample := submission.get("sample"):
        form = read_sample(sample)
        if len(form.ids) != rows:
            raise FormatError(
                f"{sample}: {len(form.ids):,} rows, but {test_csv} has {rows:,}; {RIGHT_SAMPLE}"
            )
        known = {*(test_ids or form.ids)}
        for line, id_ in enumerate(form.ids, start=2):
            if id_ not in known:
                raise FormatError(
                    f"{sample}, line {line}: {shown(id_)} is not an id of {test_csv}; {RIGHT_SAMPLE}"
                )
        if test_ids is None:
            _check_order(sample, form)
        return Form(form.header, [*(test_ids or form.ids)])
    header = submission.get("id", HEADER[0]), submission.get("label", HEADER[1])
    first = submission.get("first", 1)
    return Form(header, [*test_ids] if test_ids else [*map(str, range(first, first + rows))])


def _check_order(sample: PathLike, form: Form) -> None:
    """FormatError: the ids count the images, but not in ascending order: the file was sorted otherwise."""
    wholes = [id_ for id_ in form.ids if id_.isascii() and id_.isdigit() and len(id_) <= MAX_DIGITS]
    numbers = [*map(int, wholes)]
    if not numbers or len(numbers) < len(form.ids) or max(numbers) - min(numbers) >= len(numbers):
        return  # names of any kind: only their order says which image is which
    for line, (before, after) in enumerate(itertools.pairwise(numbers), start=3):
        if after < before:
            raise FormatError(
                f"{sample}, line {line}: {form.header[0]} {after} after {before}; the test images have no "
                "ids, so the order of the sample's lines counts: sort them by their numbers"
            )


def write_ids(path: PathLike, ids: Sequence[str]) -> None:
    """Write the ids of images, one per line, under the header id: none if the images have none."""
    write_rows(path, [["id"], *([id_] for id_ in ids)])


def read_ids(path: PathLike, rows: int) -> list[str] | None:
    """Read what `write_ids` wrote, None if there are none. FormatError: something else, or not that many."""
    header, lines = _read_lines(path, keep_blanks=True)
    if header != ["id"] or any(len(line) != 1 for line in lines):
        raise FormatError(
            f"{path}: not a list of ids, one per line under the header id; delete it and run again"
        )
    if lines and len(lines) != rows:
        raise FormatError(f"{path}: {len(lines):,} ids for {rows:,} images; delete it and run again")
    return [line[0] for line in lines] or None


def read_own(path: PathLike, classes: Sequence[str], rows: int) -> np.ndarray:
    """The indices of the labels, int64 (rows,), of a submission that `write` wrote, under any header.

    FormatError: a line is not a new id and a label, or there are not that many.
    """
    index = {label: k for k, label in enumerate(classes)}
    found = []
    for number, _, label in _pairs(path, _read_lines(path, keep_blanks=True)[1]):
        if label not in index:
            wanted = classes_in_words(classes)
            raise FormatError(f"{path}, line {number}: label {shown(label)}, should be one of {wanted}")
        found.append(index[label])
    if len(found) != rows:
        raise FormatError(f"{path}: {len(found):,} rows, should be {rows:,}")
    return np.array(found, np.int64)


def read_list(
    path: PathLike,
    rows: int,
    ids: Sequence[str] = (),
    images: str = "the images",
    classes: Sequence[str] | None = None,
) -> list[str]:
    """Read the labels of images from a file of their own; return them in the images' order.

    It has one label per line in that order, with or without a header, or ids and labels under a header: the
    images' `ids` in any order, or 1, 2, ... in order if these have none. `images`: the name of the images'
    file. `classes`: the labels that are allowed, None: any. FormatError names the line that is wrong,
    InputError an id that two images have.
    """
    first, lines = _read_lines(path, LIST)
    start = 2
    if not first:
        raise FormatError(f"{path}, line 1: empty, should be the header {LIST}")

    def fault(label: str) -> str | None:
        wrong = label_fault(label, classes)
        return wrong and f" {wrong}"

    if len(first) > 1:
        at_id, place = _columns(path, first, LIST)
        if ids:
            check_unique(ids, images)
            found = _join(path, first, lines, (at_id, place), ids, fault, images)
            return [label for label, _ in found]
    else:
        unless = "; if it is the name of a class, list all labels in data.classes"
        _refuse_separated(path, [*first, *itertools.chain(*lines[:1])], classes, unless)
        if first[0].strip().lower() not in LABEL_NAMES:
            first, lines, start = ["label"], [first, *lines], 1
        at_id, place = None, 0
        if ids:
            log.info("%s: labels without ids, read in the order of the images", path)
    labels = []
    for number, line in enumerate(lines, start=start):
        if len(line) != len(first):
            raise FormatError(f"{path}, line {number}: {len(line)} cells, not {len(first)}")
        if at_id is not None and label_of(line[at_id].strip(BLANKS)) != str(number - 1):
            raise FormatError(
                f"{path}, line {number}: {first[at_id]} {shown(line[at_id])}, should be {number - 1}, "
                f"because {images} has no ids: count its rows from 1, or write only the labels, in their "
                "order"
            )
        label = label_of(line[place].strip(BLANKS))
        if wrong := fault(label):
            header = "; if it is a header, replace it by label" if number == 1 else ""
            raise FormatError(f"{path}, line {number}: {shown(line[place])}{wrong}{header}")
        labels.append(label)
    if len(labels) != rows:
        one_more = start == 1 and len(labels) == rows + 1
        header = f"; if line 1, {shown(lines[0][0])}, is a header, replace it by label" if one_more else ""
        if len(first) == 1 and start == 2 and len(labels) == rows - 1:
            header = f"; if line 1, {shown(first[0])}, is a label, add the header label above it"
        raise FormatError(f"{path}: {len(labels):,} labels for {rows:,} images{header}")
    return labels


def _refuse_separated(
    path: PathLike, texts: list[str], classes: Sequence[str] | None = None, unless: str = ""
) -> None:
    """FormatError: one of the first lines has more than one cell. `unless`: what else it may be."""
    for number, text in enumerate(texts, start=1):
        label = text.strip(BLANKS)
        found = OTHER_SEPARATORS.search(label) or TWO_NUMBERS.fullmatch(label)
        if found and label not in (classes or ()):
            name = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}.get(found[0], "blanks")
            raise FormatError(
                f"{path}, line {number}: {shown(label)} looks like cells separated by {name}: save the file "
                f"with commas between them{unless}"
            )


def _read_lines(
    path: PathLike, wanted: str = USUAL, keep_blanks: bool = False
) -> tuple[list[str], list[list[str]]]:
    """The first line of a CSV and the others, as `_split` gives them; `wanted`: its header."""
    with open_csv(path) as stream:
        return _split(path, stream.read_all(), wanted, keep_blanks)


def _first_line(path: PathLike) -> list[str]:
    """The first line of a CSV, of which no more than a mebibyte is read."""
    with open_csv(path) as stream:
        head = stream.read(1 << 20)
    return _split(path, head.rpartition(b"\n")[0] or head)[0]


def _split(
    path: PathLike, data: bytes, wanted: str = USUAL, keep_blanks: bool = False
) -> tuple[list[str], list[list[str]]]:
    """The first line of a CSV and the others, blank lines at the end left out.

    A cell may have blanks before its quotes, as in a pixel CSV. `keep_blanks`: for files of our own, in which
    blanks may begin the name of a picture or of its folder.
    """
    lines: list[list[str]] = []
    try:
        text = data.decode("utf-8-sig").removeprefix("# ")
        foreign.refuse_excels_line(path, text.partition("\n")[0])
        lines.extend(csv.reader(io.StringIO(text, newline=""), skipinitialspace=not keep_blanks))
        # A quote that is not closed takes all lines below it into one cell.
        is_open = lines and text.count('"') % 2 and any("\n" in cell for cell in lines[-1])
    except UnicodeDecodeError as error:
        if looks := foreign.looks_like(data):
            raise InputError(f"{path}: this looks like {looks}") from error
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: this is not UTF-8: save the file as UTF-8") from error
    except csv.Error as error:
        if text.count('"') % 2 == 0:
            raise InputError(f"{path}: cannot be read as CSV: {error}") from error
        lines.append([])  # the one in which reading stopped
        is_open = True
    if is_open:
        where = f"{path}, line {len(lines)}"
        raise FormatError(f"{where}: a quote is opened but not closed: close it in the same line")
    if "\0" in text.partition("\n")[0]:
        raise InputError(f"{path}, line 1: {foreign.NULL_BYTES}")
    while lines and not any(cell.strip(BLANKS) for cell in lines[-1]):
        lines.pop()
    if not lines:
        raise FormatError(f"{path}, line 1: empty, should be the header {wanted}")
    return lines[0], lines[1:]


def _columns(path: PathLike, header: list[str], wanted: str = USUAL) -> tuple[int, int]:
    """The places of the ids and of the labels; `wanted`: what the header should be."""
    if len(header) == 1:
        _refuse_separated(path, header)
    names = [name.strip().lower() for name in header]
    ids = [place for place, name in enumerate(names) if name in ID_NAMES]
    labels = [place for place, name in enumerate(names) if name in LABEL_NAMES]
    others = [name for name in names if name not in (*ID_NAMES, *LABEL_NAMES, USAGE)]
    if len(ids) != 1 or len(labels) != 1 or others:
        raise FormatError(f"{path}, line 1: {shown(','.join(header))}, should be the header {wanted}")
    return ids[0], labels[0]
