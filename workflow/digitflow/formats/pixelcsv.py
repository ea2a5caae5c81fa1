"""Pixel CSVs as Kaggle's Digit Recognizer has them: one image a row, a whole number 0..255 a cell.

The file is read in blocks of whole lines. A block of nothing but digits, commas and line ends is parsed
densely, all its bytes at once (`_parse_fast`); that path takes only what is surely right. Any other block is
parsed cell by cell (`_parse_exactly`), which understands quotes and spaces and says where and what is wrong.
"""

import contextlib
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from digitflow.base.archives import Stream, open_csv
from digitflow.base.errors import InputError
from digitflow.base.progress import Progress
from digitflow.formats import idx

PathLike = str | os.PathLike
BLOCK_BYTES = 1 << 19  # smaller: numpy's overhead a call; larger: scratch arrays leave the core's own cache
LINE_BYTES_PER_COLUMN = 64  # a line of more bytes (at least 64 KiB) is damage, not data
MAX_SHOWN = 10  # findings in a message
MAX_COUNTED = 100_000  # findings after which the file is given up

BOM = b"\xef\xbb\xbf"
SPACES = b" \t"
BLANK = b" \t\r\n"
COMMA, NEWLINE, ZERO = b",\n0"
# The usual spellings, looked up at once; `_value` understands the others.
VALUES = {form % value: value for value in range(256) for form in (b"%d", b'"%d"')}
LONE_CR = "lone CR line ends (old Mac): save it with LF or CRLF"
SEPARATORS = {";": "semicolons", "\t": "tabs"}
OTHER_FORMATS = {
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"BZh": "a bzip2 file: unpack it",
    b"\xfd7zXZ": "an xz file: unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it",
    b"7z\xbc\xaf": "a 7-Zip file: unpack it",
    b"PAR1": "a Parquet file: export it as CSV",
    b"\x1f\x8b": "a gzip file inside of another archive: unpack it",
    b"PK\x03\x04": "a zip archive inside of another: unpack it",
    b"<": "a web page: a download that needs an account?",
}


@dataclass(frozen=True)
class Spec:
    """What a CSV must hold: the size of an image, the number of classes, and whether there is a label."""

    height: int
    width: int
    classes: int
    labelled: bool

    @property
    def names(self) -> list[str]:
        """The columns: label (if labelled), pixel0, pixel1, ... in row-major order."""
        return ["label"] * self.labelled + [f"pixel{i}" for i in range(self.height * self.width)]

    def __str__(self) -> str:
        label = "label, " if self.labelled else ""
        return f"{label}pixel0 to pixel{self.height * self.width - 1} ({self.height} x {self.width} images)"


@dataclass(frozen=True)
class Layout:
    """The header of one file that satisfies a spec.

    `names`: the columns as they stand in the file. `order`: where the spec's columns stand among them; None:
    they stand in the spec's order.
    """

    path: Path
    spec: Spec
    names: list[str]
    order: list[int] | None


class Findings:
    """What is wrong with a file: the first few in words, and how many in all."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.count = 0

    def add(self, finding: str) -> None:
        self.shown = [*self.shown, finding][:MAX_SHOWN]
        self.count += 1

    def extend(self, other: "Findings") -> None:
        self.shown = [*self.shown, *other.shown][:MAX_SHOWN]
        self.count += other.count

    def __str__(self) -> str:
        more = self.count - len(self.shown)
        return "\n".join(self.shown) + (f"\nand {more:,} more, {self.count:,} errors in all" if more else "")


def csv_to_idx(
    csv: PathLike,
    images: PathLike,
    spec: Spec,
    labels: PathLike | None = None,
    threads: int = 1,
    invert: bool = False,
) -> int:
    """Convert a pixel CSV to IDX files of images and, if it is labelled, of labels; return the rows.

    `invert`: write 255 - pixel, for dark digits on white. Raises InputError; then no file is written.
    """
    if (labels is not None) != spec.labelled:
        raise ValueError("a labelled CSV has labels to write, an unlabelled one has none")
    with contextlib.ExitStack() as stack:
        image_writer = stack.enter_context(idx.Writer(images, (spec.height, spec.width)))
        label_writer = stack.enter_context(idx.Writer(labels, ())) if spec.labelled else None
        progress = stack.enter_context(Progress(f"{csv}", None))
        for image_block, label_block in read_blocks(csv, spec, progress, threads):
            image_writer.append(~image_block if invert else image_block)
            if label_writer:
                label_writer.append(label_block)
    return image_writer.count


def read_blocks(
    path: PathLike,
    spec: Spec,
    progress: Progress | None = None,
    threads: int = 1,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield the rows in order: images uint8 (n, height, width), labels uint8 (n,) or None.

    `progress` is advanced by the rows of a block; its total is guessed from the bytes where they are known.
    Raises InputError with up to ten findings and their number; no block is yielded after a wrong one.
    """
    _keep_freed_memory()
    findings, rows = Findings(), 0
    with open_csv(path) as stream:
        layout, rest = _read_header(stream, Path(path), spec, block_bytes)
        blocks = _whole_lines(stream, layout, rest, block_bytes)
        for table, found in _map_in_order(partial(_parse, layout), blocks, threads):
            rows += len(table)
            _advance(progress, stream, len(table))
            findings.extend(found)
            if findings.count > MAX_COUNTED:
                raise InputError(f"{findings}; reading stopped there")
            if not findings.count:
                yield _images_and_labels(table, spec)
    if findings.count:
        raise InputError(str(findings))
    if not rows:
        raise InputError(f"{path}: a header and no rows: one row an image is needed")


def _keep_freed_memory() -> None:
    """Have glibc keep the memory of a block for the next one: parsing takes a third of the time.

    It gives what is larger than a threshold back to the kernel, and each page that comes again costs a fault.
    Freeing one large array, never touched, raises the threshold to its size (mallopt(3), M_MMAP_THRESHOLD).
    """
    np.empty(1 << 24, np.uint8)


def _advance(progress: Progress | None, stream: Stream, rows: int) -> None:
    if progress is not None:
        if stream.size:
            progress.total = round((progress.done + rows) * stream.size / stream.total)
        progress.advance(rows)


def _images_and_labels(table: np.ndarray, spec: Spec) -> tuple[np.ndarray, np.ndarray | None]:
    """Split a table, uint8 (n, columns), into images and labels."""
    images = table[:, int(spec.labelled) :].reshape(-1, spec.height, spec.width)
    return images, table[:, 0] if spec.labelled else None


def _map_in_order(function: Callable, items: Iterable, threads: int) -> Iterator:
    """Map in threads, results in order; at most `threads` + 1 items are in flight, for flat memory."""
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


# The header


def _read_header(stream: Stream, path: Path, spec: Spec, block_bytes: int) -> tuple[Layout, bytes]:
    """Read and check the first line; return it and the bytes that were read after it."""
    data = b""
    while b"\n" not in data and len(data) < _line_limit(len(spec.names)):
        piece = stream.read(max(block_bytes, len(data)))
        if not piece:
            break
        data += piece
    data = data.removeprefix(BOM)
    if not data:
        raise InputError(f"{path}: empty: a header and one row an image are needed")
    line, _, rest = data.partition(b"\n")
    line = line.removesuffix(b"\r")
    _refuse_other_formats(path, line)
    if not line.strip(BLANK):
        raise InputError(f"{path}, line 1: blank, where the header must be: {spec}")
    names = [_unquote(cell).decode(errors="replace") for cell in line.split(b",")]
    _check_names(path, names, spec)
    position = {name: i for i, name in enumerate(names)}
    order = None if names == spec.names else [position[name] for name in spec.names]
    return Layout(path, spec, names, order), rest


def _refuse_other_formats(path: Path, line: bytes) -> None:
    """Say what the file looks like if its first line is no line of text."""
    for signature, looks in OTHER_FORMATS.items():
        if line.startswith(signature):
            raise InputError(f"{path}: this looks like {looks}")
    if b"\0" in line:
        raise InputError(
            f"{path}, line 1: null bytes: this looks like UTF-16, an archive or no text: save it as UTF-8"
        )
    if b"\r" in line:
        raise InputError(f"{path}, line 1: {LONE_CR}")


def _check_names(path: Path, names: list[str], spec: Spec) -> None:
    found, expected = Counter(names), set(spec.names)
    missing = [name for name in spec.names if name not in found]
    extra = [name for name in found if name not in expected]
    doubled = [name for name, count in found.items() if count > 1 and name in expected]
    if missing and (separated := _other_separator(names)):
        raise InputError(f"{path}, line 1: {separated}")
    right = f"the columns must be, in any order, {spec}"
    if all(re.fullmatch(r"[-+.\d]+", name) for name in names):
        raise InputError(f"{path}, line 1: numbers, where the header must be: {right}")
    if missing == ["label"] and not extra:
        raise InputError(f"{path}, line 1: no column label: is this a test file? {right.capitalize()}")
    if extra == ["label"] and not missing:
        raise InputError(f"{path}, line 1: a column label: is this a train file? {right.capitalize()}")
    kinds = (("missing", missing), ("not known", extra), ("more than once", doubled))
    wrong = [f"{kind}: {_abbreviate(some)}" for kind, some in kinds if some]
    if wrong:
        raise InputError(f"{path}, line 1: columns {'; '.join(wrong)}: {right}")


def _other_separator(cells: list[str]) -> str | None:
    """Say what separates the cells of a line that has no comma, if that is known."""
    for separator, looks in SEPARATORS.items():
        if len(cells) == 1 and separator in cells[0]:
            return f"this looks separated by {looks}: commas are needed"
    return None


def _abbreviate(names: list[str]) -> str:
    shown = ", ".join(_show(name) for name in names[:5])
    return shown + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


# Blocks of whole lines


def _line_limit(columns: int) -> int:
    return max(1 << 16, LINE_BYTES_PER_COLUMN * columns)


def _whole_lines(
    stream: Stream, layout: Layout, rest: bytes, block_bytes: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the number of the first line and the text of blocks of whole lines.

    No block ends with a blank line: those wait in `rest` until a row follows (a finding) or the file ends.
    """
    number, limit = 2, _line_limit(len(layout.names))
    while True:
        end = _end_of_rows(rest)
        if end:
            yield number, rest[:end]
            number += np.count_nonzero(np.frombuffer(rest, np.uint8, end) == NEWLINE)
            rest = rest[end:]
        if len(rest) > limit:
            where = f"{layout.path}, line {number}"
            raise InputError(f"{where}: no line end, or blanks only, in {limit:,} bytes: a damaged file?")
        piece = stream.read(max(block_bytes, len(rest)))  # doubling: a long line takes few reads
        if not piece:
            break
        rest += piece
    if rest.strip(BLANK):
        yield number, rest + b"\n"


def _end_of_rows(text: bytes) -> int:
    """Where the last whole line ends that is not blank; 0: there is none."""
    end = text.rfind(b"\n") + 1
    while end:
        start = text.rfind(b"\n", 0, end - 1) + 1
        if text[start:end].strip(BLANK):
            return end
        end = start
    return 0


def _parse(layout: Layout, numbered: tuple[int, bytes]) -> tuple[np.ndarray, Findings]:
    """Parse a block into uint8 (rows, columns in the spec's order) and what is wrong with it."""
    first, block = numbered
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    findings = Findings()
    table = _parse_fast(block, len(layout.names))
    if table is None or not _labels_are_classes(table, layout):
        table = _parse_exactly(layout, first, block, findings)
    if layout.order is not None:
        table = table.take(layout.order, axis=1)
    return table, findings


def _labels_are_classes(table: np.ndarray, layout: Layout) -> bool:
    spec = layout.spec
    return not spec.labelled or bool((table[:, layout.names.index("label")] < spec.classes).all())


def _parse_fast(block: bytes, columns: int) -> np.ndarray | None:
    """Return uint8 (rows, columns) of a block of clean rows, or None if anything about it is unusual.

    Each byte gets the value of a cell that would end there, from itself and the two bytes before it; then
    those bytes are picked that a separator follows. Some 25 passes over bytes in cache, vectorised by numpy.
    """
    text = np.frombuffer(b"\n\n" + block, np.uint8)  # so that the first cell has two bytes before it as well
    digit = text - np.uint8(ZERO)
    is_digit = digit <= 9
    digit *= is_digit.view(np.uint8)  # separators count as 0
    two = is_digit[:-1] & is_digit[1:]
    three = two[:-1] & two[1:]
    hundreds = digit[:-2] * three.view(np.uint8)
    below = digit[1:-1] * np.uint8(10) + digit[2:]
    value = hundreds * np.uint8(100) + below
    empty_cell = not (is_digit[1:-1] | is_digit[2:]).all()
    above_255 = hundreds.max() > 2 or (value < below).any()  # 256 to 299 wrap around in uint8
    four_digits = (three[:-1] & three[1:]).any()
    if empty_cell or above_255 or four_digits:
        return None
    ends = np.flatnonzero(~is_digit[3:])
    rows, surplus = divmod(len(ends), columns)
    line_ends = text[3:][ends[columns - 1 :: columns]]
    commas = np.count_nonzero(text == COMMA)
    if surplus or commas != rows * (columns - 1) or (line_ends != NEWLINE).any():
        return None
    return value.take(ends).reshape(rows, columns)


# Cell by cell


def _parse_exactly(layout: Layout, first: int, block: bytes, findings: Findings) -> np.ndarray:
    """Return uint8 (good rows, columns) of a block, in the file's order; add what is wrong to `findings`."""
    label = layout.names.index("label") if layout.spec.labelled else None
    table = bytearray()
    for number, line in enumerate(block[:-1].split(b"\n"), first):
        values = [VALUES.get(cell) for cell in line.split(b",")]
        if None in values or len(values) != len(layout.names):
            values = _parse_line(layout, number, line, findings)
        if label is not None and values and values[label] >= layout.spec.classes:
            where = f"{layout.path}, line {number}, column label"
            findings.add(f"{where}: {values[label]} is not {_wanted('label', layout.spec)}")
        table += bytes(values)
    return np.frombuffer(table, np.uint8).reshape(-1, len(layout.names))


def _parse_line(layout: Layout, number: int, line: bytes, findings: Findings) -> list[int]:
    """Return the values of one line, or nothing after adding what is wrong to `findings`."""
    where, columns = f"{layout.path}, line {number}", len(layout.names)
    cells = line.split(b",")
    if not line.strip():
        findings.add(f"{where}: an empty line between rows")
    elif line.count(b'"') % 2:
        findings.add(f"{where}: a quote is opened and not closed")
    elif b"\r" in line:
        findings.add(f"{where}: {LONE_CR}")
    elif len(cells) != columns:
        separated = _other_separator([cell.decode(errors="replace") for cell in cells[:2]])
        count = f"{len(cells):,} cell{'s' * (len(cells) > 1)}, not {columns:,}: {layout.spec}"
        findings.add(f"{where}: {separated or count}")
    else:
        values = [_value(cell) for cell in cells]
        if None not in values:
            return values
        for name, cell, value in zip(layout.names, cells, values, strict=True):
            if value is None:
                shown = _show(cell.decode(errors="replace"))
                findings.add(f"{where}, column {name}: {shown} is not {_wanted(name, layout.spec)}")
    return []


def _wanted(name: str, spec: Spec) -> str:
    """What would be right in a column."""
    return f"a class from 0 to {spec.classes - 1}" if name == "label" else "a whole number from 0 to 255"


def _value(cell: bytes) -> int | None:
    """The whole number 0..255 in a cell, None if there is none."""
    text = _unquote(cell)
    if not text.isdigit():  # of bytes: only 0 to 9
        return None
    text = text.lstrip(b"0") or b"0"
    return VALUES.get(text)


def _unquote(cell: bytes) -> bytes:
    cell = cell.strip(SPACES)
    if len(cell) > 1 and cell[:1] == cell[-1:] == b'"':
        cell = cell[1:-1].strip(SPACES)
    return cell


def _show(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
