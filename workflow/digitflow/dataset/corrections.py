"""Corrections of labels, applied to the rows of a training CSV, wherever these are now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from digitflow.base.errors import FormatError, InputError, how_many
from digitflow.base.files import PathLike
from digitflow.dataset import classes as class_names
from digitflow.dataset.applied import flag
from digitflow.formats import corrections as corrections_csv
from digitflow.formats import idx
from digitflow.formats.corrections import DROP, OK, Correction, format_line, pixel_crc
from digitflow.formats.layout import BLANKS, label_of

MOST_TOLD = 10  # lines of corrections in one message


def apply(
    labels: np.ndarray,
    images_idx: PathLike,
    classes: Sequence[str],
    corrections: Sequence[Correction],
    path: PathLike,
) -> tuple[np.ndarray, np.ndarray]:
    """Apply the lines of the file `path` to labels int (n,), places in `classes`.

    Returns the labels as corrected, of the same type, and which rows a model may see, bool (n,). Only the
    pixels of rows with a checksum are read, unless one differs: then those of all, to see where they are now.
    FormatError names line, column and value of a line that is about no row of these, another label or other
    pixels; InputError: a class is called drop or ok.
    """
    labels, keep = labels.copy(), np.ones(len(labels), bool)
    if not corrections:
        return labels, keep
    check_classes(classes)
    places = {name: place for place, name in enumerate(classes)}
    # First, because a line about a row that has another number now also has a wrong label.
    if strays := find_strays(labels, images_idx, classes, corrections):
        raise FormatError(_tell(strays, _first_unchanged(corrections, strays), path))
    for line in corrections:
        where, row = f"{path}, line {line.line}: column", line.id - 1
        if row >= len(labels):
            raise FormatError(
                f"{where} id: {line.id}, but the training CSV has {len(labels):,} rows; delete the line, or "
                "write the right row number"
            )
        if line.was != (was := classes[labels[row]]):
            way = f"write {was}, or delete the line if it is about another CSV"
            if line.now == OK:
                way = f"if {line.was} is right, write {_with_was(line, was)}; if {was} is, delete the line"
            raise FormatError(f"{where} was: {line.was!r}, but row {line.id} has the label {was!r}; {way}")
        if line.now not in (DROP, OK, *places):
            meant = meant_by(line.now, classes)
            names = class_names.as_setting([*classes, line.now])
            way = (
                f"did you mean {meant}?"
                if meant
                else f"write one of these, or, for a class that no row has yet, set {names} in the "
                "configuration"
            )
            raise FormatError(
                f"{where} now: {line.now!r} should be one of {', '.join(classes)}, or {DROP} (no model sees "
                f"the image) or {OK} (it is right); {way}"
            )
        if line.now == DROP:
            keep[row] = False
        elif line.now != OK:
            labels[row] = places[line.now]
    return labels, keep


def doubtful_ids(
    labels: np.ndarray,
    ids: Sequence[str],
    classes: Sequence[str],
    corrections: Sequence[Correction],
    path: PathLike,
) -> list[str]:
    """Warnings about lines without a checksum that may be meant for another row, whose id is their number.

    `labels` int (n,), places in `classes`, and `ids` of the rows are those of the training CSV.
    """
    rows: dict[str, int] = {}
    for row, own in enumerate(ids, start=1):
        rows.setdefault(label_of(own.strip(BLANKS)), row)
    told = []
    for line in corrections:
        meant = rows.get(str(line.id), line.id)
        if line.crc or meant == line.id:
            continue
        other = replace(line, id=meant, was=classes[labels[meant - 1]])
        hit = f": row {line.id} has the id {ids[line.id - 1]}" if line.id <= len(ids) else ""
        told.append(
            f"{path}, line {line.line}: column id: this counts the rows of the training CSV from 1{hit}; if "
            f"you mean the CSV's id {line.id}, write {format_line(other)}"
        )
    if (more := len(told) - MOST_TOLD) > 0:
        told[MOST_TOLD:] = [f"{path}: the same holds for {how_many(more, 'more line')}"]
    return told


def meant_by(word: str, classes: Sequence[str]) -> str | None:
    """Which of drop, ok and the classes a word, such as Drop or 1.0, spells in another way; None: none."""
    plain = label_of(word.strip(BLANKS)).casefold()
    return next((name for name in (DROP, OK, *classes) if name.casefold() == plain), None)


@dataclass(frozen=True)
class Stray:
    """A line whose pixels are not those of its row.

    `there`: what the row has, its label and its checksum; None: there is no such row. `rows`: the rows, from
    1, that have the pixels of the line, with their labels.
    """

    line: Correction
    there: tuple[str, str] | None
    rows: list[tuple[int, str]]

    @property
    def new_id(self) -> int | None:
        """The one row with the pixels and the label of the line; None: there is none, or several."""
        fitting = [row for row, label in self.rows if label == self.line.was]
        return fitting[0] if len(fitting) == 1 else None

    @property
    def new_crc(self) -> str | None:
        """The checksum of its row, if that row has the line's label."""
        return self.there[1] if self.there and self.there[0] == self.line.was else None


def find_strays(
    labels: np.ndarray, images_idx: PathLike, classes: Sequence[str], corrections: Sequence[Correction]
) -> list[Stray]:
    """The lines whose checksums are not those of their rows, and where their pixels are now."""
    images = idx.open_memmap(images_idx)
    there = {
        line.id: (classes[labels[line.id - 1]], pixel_crc(images[line.id - 1]))
        for line in corrections
        if line.crc and line.id <= len(labels)
    }
    lines = [line for line in corrections if line.crc and there.get(line.id, ("", ""))[1] != line.crc]
    rows: dict[str, list[tuple[int, str]]] = {line.crc: [] for line in lines}
    if lines:
        for id_, (image, label) in enumerate(zip(images, labels.tolist(), strict=True), 1):
            if (crc := pixel_crc(image)) in rows:
                rows[crc].append((id_, classes[label]))
    return [Stray(line, there.get(line.id), rows[line.crc]) for line in lines]


def _first_unchanged(corrections: Sequence[Correction], strays: Sequence[Stray]) -> Correction | None:
    """The first line whose pixels a row still has: then not all pixels have changed."""
    gone = {stray.line.id for stray in strays if not stray.rows}
    return next((line for line in corrections if line.crc and line.id not in gone), None)


def _tell(strays: Sequence[Stray], unchanged: Correction | None, path: PathLike) -> str:
    """A line about each of them, and the command that corrects all those that have moved."""
    told = [f"{path}, line {stray.line.line}: {_where_now(stray)}" for stray in strays[:MOST_TOLD]]
    if more := len(strays) - len(told):
        told.append(f"and {how_many(more, 'more line')}")
    if moved := sum(1 for stray in strays if stray.new_id):
        lines = "that line" if moved == 1 else f"those {moved:,} lines"
        told.append(f"to write the new numbers into {lines}: digitflow follow_corrections{flag(path)}")
    if unchanged is None and all(stray.new_crc for stray in strays):
        told.append(
            "if the pixels of all rows have changed, as after a change of data.invert: "
            f"digitflow follow_corrections{flag(path)} --by_id true"
        )
    return "\n".join(told)


def _where_now(stray: Stray) -> str:
    line, rows = stray.line, ", ".join(f"{row} (label {label})" for row, label in stray.rows)
    if stray.new_id:
        return (
            f"these pixels are in row {stray.new_id} now; write {format_line(replace(line, id=stray.new_id))}"
        )
    if len(stray.rows) == 1:
        id_, was = stray.rows[0]
        return (
            f"these pixels are in row {rows} now, but the line says {line.was!r}; write "
            f"{_with_was(replace(line, id=id_), was)}, or delete it if the label is right now"
        )
    if stray.rows:
        return f"these pixels are in rows {rows} now; write the number of the right one, or delete the line"
    if not stray.there:
        return f"column id: {line.id}: there is no such row now, and no row has these pixels; delete the line"
    was, crc = stray.there
    right = _with_was(replace(line, crc=crc), was)
    return (
        f"column crc: {line.crc}, but the pixels of row {line.id} have {crc}, and no row has the line's "
        f"pixels; delete the line, or, if it is also right for this image, write {right}"
    )


def _with_was(line: Correction, was: str) -> str:
    """The line with another label in the column was: ok would say the opposite then."""
    now = line.was if line.now == OK and line.was != was else line.now
    return format_line(replace(line, was=was, now=now))


def follow(
    path: PathLike, images_idx: PathLike, labels_idx: PathLike, classes_csv: PathLike, by_id: bool = False
) -> list[str]:
    """Renumber the lines of the file `path` whose rows have other numbers now.

    `by_id`: lines whose pixels no row has get the checksums of their rows, if these have their labels.
    Returns a line about each. The rest of the file stays. InputError, and nothing is written: two lines would
    be about one row, and what to do with the one that is in the way, if that is known; or `by_id`, and a row
    still has the pixels of a line.
    """
    names, lines = class_names.read(classes_csv), corrections_csv.read(path)
    rows, *_ = idx.read_header(images_idx, idx.IMAGES)
    strays = find_strays(idx.read_labels(labels_idx, rows, len(names)), images_idx, names, lines)
    if by_id and strays and (unchanged := _first_unchanged(lines, strays)):
        raise InputError(
            f"{path}, line {unchanged.line}: column crc: a row still has the pixels {unchanged.crc}, so not "
            "all have changed, and --by_id might hit other images; nothing was changed. Type: digitflow "
            f"follow_corrections{flag(path)}; it says what to do with the lines that are left"
        )
    takes = {stray.new_id: stray.line for stray in strays if stray.new_id}
    for stray in strays:
        if not stray.new_id and (other := takes.get(stray.line.id)):
            raise InputError(
                f"{path}, line {stray.line.line}: {_where_now(stray)}; do that first, because line "
                f"{other.line} gets its number {stray.line.id}; nothing was changed"
            )
    new_ids = {stray.line.id: stray.new_id for stray in strays if stray.new_id}
    renewed = {stray.line.id: stray.new_crc for stray in strays if by_id and stray.new_crc}
    corrections_csv.renumber(path, new_ids, renewed)

    def tell(stray: Stray) -> str:
        if stray.new_id:
            return f"row {stray.line.id} is row {stray.new_id} now"
        if stray.line.id in renewed:
            return f"row {stray.line.id} has the checksum {stray.new_crc} now"
        return f"left as it is: {_where_now(stray)}"

    return [f"{path}, line {stray.line.line}: {tell(stray)}" for stray in strays]


def check_classes(classes: Sequence[str]) -> None:
    """InputError for a class whose name means something else in the file of corrections."""
    for name in (DROP, OK):
        if name in classes:
            raise InputError(
                f"class {name!r}: in the column now of corrections this word does not mean a class; give the "
                f"class another name in the training CSV, for example {name.upper()!r}"
            )
