"""The file of corrections: CSV lines of `id,was,now,crc,note`, which a person owns.

`id`: the row of the training CSV, from 1, whatever ids the CSV has. `was`: its label there. `now`: the right
label, `drop` (no model sees the row) or `ok` (looked at, right as it is). `crc`: the CRC-32 of the row's
pixels, or nothing. `note`: anything. Blank lines and lines that begin with # may stand anywhere. What is
written here leaves every other byte alone, and is added to what the file holds at that moment, because a
person may have it open in an editor.
"""

import contextlib
import csv
import fcntl
import functools
import hashlib
import io
import itertools
import os
import re
import shutil
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from digitflow.base.errors import DigitflowError, FormatError, InputError
from digitflow.base.files import PathLike, atomic_path
from digitflow.formats.foreign import refuse_excels_line

HEADER = ("id", "was", "now", "crc", "note")
COMMENT = "# corrections of labels; now: the right label or drop (no model sees it) or ok (right as it is)"
DROP, OK = "drop", "ok"
BOM = "\ufeff"
FIELD = re.compile(r'"(?:[^"]|"")*"|[^,\r\n]*')
ID, CRC = re.compile("0*[1-9][0-9]{0,17}"), re.compile("[0-9A-Fa-f]{8}")

if TYPE_CHECKING:  # every start of Snakemake imports this module, without numpy
    import numpy as np


@dataclass(frozen=True)
class Correction:
    """One line: labels by their names, `crc` in upper case or empty, `line` from 1 (0: not from a file)."""

    id: int
    was: str
    now: str
    crc: str = ""
    note: str = ""
    line: int = 0


def pixel_crc(image: "np.ndarray") -> str:
    """The CRC-32 of an image's uint8 pixels in row-major order, as the column `crc` has it."""
    return f"{zlib.crc32(image.tobytes()):08X}"


def read(path: PathLike) -> list[Correction]:
    """Read the corrections in the file's order; a missing file holds none.

    FormatError names line, column and value of what cannot be understood, and both lines if an id is there
    twice; InputError: the file cannot be opened.
    """
    return parse_lines(read_bytes(path), path)


def read_bytes(path: PathLike) -> bytes:
    """The bytes of the file; none if there is no file. InputError: it cannot be opened."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def parse_lines(data: bytes, path: PathLike) -> list[Correction]:
    """The corrections in the bytes of the file `path`. Raises as `read`."""
    return [part.correction for part in _parse_parts(data, path) if part.correction]


def digest(path: PathLike) -> str:
    """The SHA-256 of what the file changes: id, was and now of its lines, in any order.

    Lines that say `ok`, checksums, notes and comments do not count, because a change in them needs nothing
    made again. If a line cannot be understood, it is the SHA-256 of the file's bytes. InputError: the file
    cannot be read.
    """
    return digest_of(read_bytes(path))


def digest_of(data: bytes) -> str:
    """As `digest`, from the bytes of a file."""
    with contextlib.suppress(FormatError):  # the job that applies it says what is wrong
        lines = sorted((line.id, line.was, line.now) for line in parse_lines(data, "") if line.now != OK)
        data = repr(lines).encode()
    return hashlib.sha256(data).hexdigest()


def stamp(path: PathLike, renewed: str) -> str:
    """Twenty digits that differ where `digest` does, or where `renewed` does."""
    return hashlib.sha256(f"{digest(path)} {renewed}".encode()).hexdigest()[:20]


def record(path: PathLike, corrections: Iterable[Correction]) -> None:
    """Put corrections into the file. It is created if missing, and written only if something is new.

    A line with the same id is replaced in place, and keeps its note unless the correction has one; other
    corrections are added at the end. Raises as `read`.
    """
    corrections = {correction.id: correction for correction in corrections}.values()
    _edit(path, lambda parts: _recorded(parts, corrections))


def remove(path: PathLike, ids: Collection[int]) -> None:
    """Remove the lines with these ids from the file; it is written only if there are any. Raises as `read`.

    A note stays as a comment, because somebody wrote it.
    """

    def left(part: _Part) -> str:
        line = part.correction
        if line is None or line.id not in ids:
            return part.text
        end = part.text[len(part.text.rstrip("\r\n")) :]
        return f"# {line.id}: {' '.join(line.note.split())}{end}" if line.note.strip() else ""

    _edit(path, lambda parts: [left(part) for part in parts])


def fill_in_checksums(path: PathLike, known: Iterable[Correction]) -> int:
    """Write the checksums of `known` into those of their lines that have none; return how many.

    A line is recognised by its id, was and now. The rest of it stays, and so does the time of the file: it
    says the same as before, so nothing needs to be made again. Raises as `read`.
    """
    checksums = {(line.id, line.was, line.now): line.crc for line in known}

    def filled(line: Correction) -> Correction:
        what = line.id, line.was, line.now
        return line if line.crc else replace(line, crc=checksums.get(what, ""))

    count = sum(1 for line in read(path) if filled(line) != line)
    if count:
        _edit(path, lambda parts: _rewritten(parts, filled, path), keep_time=True)
    return count


def renumber(path: PathLike, ids: Mapping[int, int], checksums: Mapping[int, str] | None = None) -> None:
    """Give lines new ids and new checksums, by their old ids; the rest of each line stays. Raises as `read`.

    InputError: two lines would have the same id; then nothing is written.
    """
    crcs = checksums or {}

    def renumbered(line: Correction) -> Correction:
        return replace(line, id=ids.get(line.id, line.id), crc=crcs.get(line.id, line.crc))

    _edit(path, lambda parts: _rewritten(parts, renumbered, path))


@dataclass(frozen=True)
class _Part:
    """A record of the file, or a blank line or comment: its text as in the file, line end included."""

    text: str
    correction: Correction | None = None
    is_header: bool = False


def _recorded(parts: Sequence[_Part], corrections: Iterable[Correction]) -> list[str]:
    """The texts of a file with corrections put into it."""
    texts = [part.text for part in parts]
    places = {part.correction.id: at for at, part in enumerate(parts) if part.correction}
    newline = "\r\n" if parts and parts[0].text.endswith("\r\n") else "\n"
    added = []
    for new in corrections:
        if new.id not in places:
            added.append(format_line(new) + newline)
            continue
        at = places[new.id]
        old = parts[at].correction
        new = replace(new, note=new.note or old.note, line=old.line)
        if new != old:
            text = texts[at]
            texts[at] = format_line(new) + text[len(text.rstrip("\r\n")) :]
    if added:
        if texts and not texts[-1].endswith(("\n", "\r")):
            texts[-1] += newline
        if not any(part.is_header for part in parts):
            texts.append(",".join(HEADER) + newline)
        if not parts:
            texts.append(COMMENT + newline)
    return texts + added


@functools.lru_cache(maxsize=2)  # who decides on the page has the same bytes read several times each time
def _parse_parts(data: bytes, path: PathLike) -> tuple[_Part, ...]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"{path}, line {line}: byte {data[error.start]:#04x} is not UTF-8; save the file as CSV in UTF-8"
        ) from None
    refuse_excels_line(path, text.removeprefix(BOM).partition("\n")[0])
    parts, first, header = [], {}, False
    for line, raw, fields in _split(text, path):
        if not fields:
            parts.append(_Part(raw))
        elif not header:
            header = _check_header(fields, f"{path}, line {line}")
            parts.append(_Part(raw, is_header=True))
        else:
            correction = _parse(fields, line, f"{path}, line {line}")
            if (other := first.setdefault(correction.id, line)) != line:
                raise FormatError(
                    f"{path}, line {line}: column id: {correction.id} is already in line {other}; "
                    "keep the line that is right and delete the other"
                )
            parts.append(_Part(raw, correction))
    return tuple(parts)


def _split(text: str, path: PathLike) -> Iterator[tuple[int, str, list[str]]]:
    """Yield line number, text and fields of each record; a blank line or comment has no fields."""
    lines = list(io.StringIO(text, newline=""))  # with their line ends
    at = 0
    while at < len(lines):
        start, line = at, lines[at].removeprefix(BOM) if at == 0 else lines[at]
        at += 1
        fields = []
        if '"' not in line and len(line) < csv.field_size_limit():  # most lines, in half the time
            fields = line.rstrip("\r\n").split(",")
        elif line.strip() and not line.lstrip().startswith("#"):
            # A quoted note may go on for several lines.
            reader = csv.reader(
                itertools.chain([line], (lines[k] for k in range(at, len(lines)))), strict=True
            )
            try:
                fields = next(reader)
            except csv.Error as error:
                _check_separators(lines, path)
                raise FormatError(
                    f"{path}, line {start + 1}: {line.strip()!r}: {error}; a note that begins with a quote "
                    'must end with one, and quotes inside it must be doubled: "a ""4"", not a 9"'
                ) from None
            at = start + reader.line_num
        # Spreadsheets give blank lines and comments the commas of all columns.
        if not any(map(str.strip, fields)) or fields[0].lstrip().startswith("#"):
            fields = []
        yield start + 1, "".join(lines[start:at]), fields


def _check_separators(lines: list[str], path: PathLike) -> None:
    """FormatError: a line is the header, quoted or not, with other separators; so all lines have these."""
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(BOM).strip()
        if "," not in text and {*HEADER[:3]} <= _words(text):
            _check_header([text], f"{path}, line {number}")


def _words(text: str) -> set[str]:
    return {word.strip(' "').lower() for word in re.split("[,;\t]", text)}


def _check_header(fields: list[str], where: str) -> bool:
    if [field.strip() for field in fields] == list(HEADER):
        return True
    text = ",".join(fields)
    if {*HEADER[:3]} <= _words(text):
        how = "write it in place of this line, and the columns below in the same order, separated by commas"
    else:
        how = "write that header above the corrections, and separate the columns by commas"
    raise FormatError(f"{where}: {text!r} should be the header {','.join(HEADER)}; {how}")


def _parse(fields: list[str], line: int, where: str) -> Correction:
    if not 3 <= len(fields) <= len(HEADER):
        raise FormatError(
            f"{where}: {','.join(fields)!r} has {len(fields)} fields; should have {','.join(HEADER)} (crc "
            "and note may be left out); put a note that has a comma in quotes"
        )
    id_, was, now, crc, note = fields + [""] * (len(HEADER) - len(fields))
    id_, was, now, crc = (field.strip(" \t") for field in (id_, was, now, crc))
    if not ID.fullmatch(id_):
        raise FormatError(
            f"{where}: column id: {id_!r} should be a row number of the training CSV, counted from 1; it is "
            "also the name of the image's PNG file"
        )
    if not was:
        raise FormatError(
            f"{where}: column was: empty; write the label that the training CSV has for row {id_}"
        )
    if not now:
        raise FormatError(f"{where}: column now: empty; write the right label, {DROP} or {OK}")
    if crc and not CRC.fullmatch(crc):
        raise FormatError(
            f"{where}: column crc: {crc!r} should be 8 hexadecimal digits or nothing; a spreadsheet may have "
            "changed it: clear the field"
        )
    return Correction(int(id_), was, now, crc.upper(), note, line)


def format_line(correction: Correction) -> str:
    """The line without its end."""
    line = io.StringIO(newline="")
    fields = (correction.id, correction.was, correction.now, correction.crc, correction.note)
    csv.writer(line, lineterminator="\r\n").writerow(fields)  # so CR and LF are quoted
    return line.getvalue().removesuffix("\r\n")


def _rewritten(
    parts: Sequence[_Part], change: Callable[[Correction], Correction], path: PathLike
) -> list[str]:
    """The texts of a file whose lines get the fields that differ in what `change` makes of them."""
    texts, first = [], {}
    for part in parts:
        text = part.text
        if old := part.correction:
            new = change(old)
            if (other := first.setdefault(new.id, old.line)) != old.line:
                raise InputError(
                    f"{path}, lines {other} and {old.line}: both would be about row {new.id}; nothing was "
                    "changed. Delete the line that is wrong"
                )
            for column, name in enumerate(HEADER):
                if (value := getattr(new, name)) != getattr(old, name):
                    text = _with_field(text, column, str(value))
        texts.append(text)
    return texts


def _with_field(text: str, column: int, value: str) -> str:
    """The text of a line with another value in a column; commas are added if the line ends before it."""
    at = 0
    for _ in range(column):
        at = FIELD.match(text, at).end()
        if text[at : at + 1] != ",":
            text = f"{text[:at]},{text[at:]}"
        at += 1
    return text[:at] + value + text[FIELD.match(text, at).end() :]


def _edit(path: PathLike, change: Callable[[Sequence[_Part]], list[str]], keep_time: bool = False) -> None:
    """Write what `change` makes of the parts of the file, if that differs."""
    with _locked(path):
        while True:
            data = read_bytes(path)
            new = "".join(change(_parse_parts(data, path))).encode("utf-8")
            with contextlib.suppress(_ChangedMeanwhile):
                if new != data:
                    _replace(path, data, new, keep_time)
                return


@contextlib.contextmanager
def _locked(path: PathLike) -> Iterator[None]:
    """Keep other programs of digitflow from writing the file; editors know nothing of the lock.

    It is a lock on the folder, because each of them replaces the file itself.
    """
    folder = Path(os.path.realpath(path)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise DigitflowError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


class _ChangedMeanwhile(Exception):
    """Another program wrote the file after it was read."""


def _replace(path: PathLike, old: bytes, new: bytes, keep_time: bool) -> None:
    """Replace the bytes of the file. _ChangedMeanwhile: they are no longer `old`, and were left alone."""
    target = Path(os.path.realpath(path))  # a link stays a link
    with atomic_path(target) as temporary:
        with open(temporary, "wb") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())  # so that nothing takes time between the comparison and the rename
        if target.exists():
            copy = shutil.copystat if keep_time else shutil.copymode
            copy(target, temporary)
        if read_bytes(target) != old:
            raise _ChangedMeanwhile
