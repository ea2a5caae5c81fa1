"""Pixel CSVs: one image per row, one number per pixel; read by a layout that says what each column is.

The file is read in blocks of whole lines. A block of nothing but digits, separators and line ends is parsed
densely (`dense`); that path takes only what is surely right, after columns of text were cut out. If there are
quotes, blanks or fractions, each spelling is understood once and then looked up (`spellings`). Any other
block is split into cells (`_Reader._exactly`), and each error is named with line, column and value.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from digitflow.base.archives import Stream, open_csv
from digitflow.base.errors import InputError, how_many
from digitflow.base.files import PathLike
from digitflow.base.progress import Progress
from digitflow.formats import dense, foreign
from digitflow.formats.layout import (
    DECIMAL_COMMA,
    DECIMAL_COMMAS,
    SEPARATORS,
    THOUSANDS,
    THOUSANDS_COMMAS,
    Block,
    Layout,
    is_missing,
    label_fault,
    label_of,
    number_of,
    place_of_one,
    shown,
    split_line,
    text_of,
    unquoted,
)
from digitflow.formats.spellings import Spellings

Fault = tuple[int, int, str]  # the line, the place of the column, and what is wrong
TRUE_AND_FALSE = (
    "the pixels are True and False: save them as 1 and 0, and write values: {from: 0, to: 1} under data: in "
    "the configuration"
)
BLOCK_BYTES = 1 << 19  # smaller: numpy's overhead a call; larger: scratch arrays leave the core's own cache
HEAD_BYTES = 1 << 20  # the header and some rows, unless they are long
FIRST_LINE_BYTES = 64 << 20  # of the largest image that the schema allows, in colour, names and all
LINE_BYTES_PER_COLUMN = 64  # a line of more bytes (at least 64 KiB) is damage, not data
FIRST_ROWS = 100  # enough to show whether all have one cell too many
MAX_SHOWN = 10  # findings in a message
FEW = 10  # findings that are mistakes in cells; with more, their range is what is wrong
MAX_COUNTED = 100_000  # findings after which reading stops
MAX_SPELLINGS = 1 << 16  # remembered; numbers of many digits may have as many as there are pixels

BOM = b"\xef\xbb\xbf"
BLANK = b" \t\r\n"
NEWLINE = ord("\n")
# Whole numbers as they are usually spelt, and what they mean; `_whole` understands other spellings, too.
WHOLE = {form % value: value for value in range(256) for form in (b"%d", b'"%d"')}
NUMBERS = [b"%d" % number for number in range(256)]
LONE_CR = "lone CR line ends (old Mac): save the file with LF or CRLF line ends"
SCALES = ((0, 1), (-1, 1), (0, 16), (0, 255))  # what fractions usually mean, 0 to 255 rounded
SCALE_ENDS = (1, 16)  # whole numbers that end here are hardly meant as nearly black
DEEP = (0, 65_535)
NUMBER_BYTES = b"0123456789+-.eE \t"


class Findings:
    """What is wrong with a file: the first few in words, and how many in all."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.count = 0

    def add(self, finding: str) -> None:
        self.shown = [*self.shown, finding][:MAX_SHOWN]
        self.count += 1

    def __str__(self) -> str:
        more = self.count - len(self.shown)
        return "\n".join(self.shown) + (f"\nand {more:,} more, {self.count:,} errors in all" if more else "")


def read_head(path: PathLike) -> bytes:
    """The whole lines in the first mebibyte of a CSV, and its first two lines, without its byte order mark.

    Line 2 is left out if it is much longer than line 1 may be. InputError: the file is empty or no text, or
    line 1 has no end within FIRST_LINE_BYTES.
    """
    with open_csv(path) as stream:
        head = piece = stream.read(HEAD_BYTES)
        while len(piece) == HEAD_BYTES and (ends := head.count(b"\n")) < 2:
            if len(head) > FIRST_LINE_BYTES * (1 + ends):
                break
            piece = stream.read(HEAD_BYTES)
            head += piece
    head = head.removeprefix(BOM)
    if not head:
        raise InputError(f"{path}: empty: one row per image is needed")
    if looks := foreign.looks_like(head):
        raise InputError(f"{path}: this looks like {looks}")
    if len(piece) == HEAD_BYTES:  # then the last line may be cut off
        if b"\n" not in head:
            raise InputError(f"{path}, line 1: no line end in {len(head):,} bytes: not a pixel CSV")
        head = head[: head.rindex(b"\n") + 1]
    line = head.partition(b"\n")[0].removesuffix(b"\r")
    if b"\0" in line:
        raise InputError(f"{path}, line 1: {foreign.NULL_BYTES}")
    if b"\r" in line:
        raise InputError(f"{path}, line 1: {LONE_CR}")
    if not line.strip(BLANK):
        raise InputError(f"{path}, line 1: blank, but the header or the first row must be here")
    foreign.refuse_excels_line(path, line.decode("latin-1"))
    return head


def read_blocks(
    layout: Layout, progress: Progress | None = None, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Yield the rows of a file in order.

    `progress` is advanced by the rows of a block; its total is estimated from the bytes, if they are known.
    Raises InputError with up to ten findings and their number; no block is yielded after a wrong one. The
    range of the numbers is known only at the end of the file: use nothing before the last block has come.
    """
    _keep_freed_memory()
    reader, rows = _Reader(layout), 0
    with open_csv(layout.path) as stream:
        for first, text in _whole_lines(stream, layout, block_bytes):
            block = reader.parse(first, text)
            rows += len(block.images)
            _advance(progress, stream, len(block.images))
            if not reader.findings.count:
                yield block
    reader.finish()
    if not rows:
        what = "a header and no rows" if layout.header else "no rows"
        raise InputError(f"{layout.path}: {what}: one row per image is needed")


def _keep_freed_memory() -> None:
    """Make glibc keep the memory of a block for the next one: parsing then takes a third of the time.

    It returns what is larger than a threshold to the kernel, and each page that comes back costs a fault.
    Freeing one large array, never touched, raises the threshold to its size (mallopt(3), M_MMAP_THRESHOLD).
    """
    np.empty(1 << 24, np.uint8)


def _advance(progress: Progress | None, stream: Stream, rows: int) -> None:
    if progress is not None:
        if stream.size:
            progress.total = round((progress.done + rows) * stream.size / stream.total)
        progress.advance(rows)


# Blocks of whole lines


def _whole_lines(stream: Stream, layout: Layout, block_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield the number of the first line and the text of blocks of whole lines, the header left out.

    No block ends with a blank line: those wait in `rest` until a row follows (a finding) or the file ends.
    """
    number, limit = 1, max(1 << 16, LINE_BYTES_PER_COLUMN * len(layout.names))
    rest = stream.read(len(BOM)).removeprefix(BOM)
    if layout.header:
        while b"\n" not in rest and (piece := stream.read(max(block_bytes, len(rest)))):
            rest += piece
        number, rest = 2, rest.partition(b"\n")[2]
    while True:
        end = _end_of_rows(rest)
        if end:
            yield number, rest[:end]
            number += np.count_nonzero(np.frombuffer(rest, np.uint8, end) == NEWLINE)
            rest = rest[end:]
        if len(rest) > limit:
            where = f"{layout.path}, line {number}"
            raise InputError(f"{where}: no line end, or only blanks, in {limit:,} bytes: is it damaged?")
        piece = stream.read(max(block_bytes, len(rest)))  # doubling: a long line takes few reads
        if not piece:
            break
        rest += piece
    if rest.strip(BLANK):
        yield number, rest + b"\n"


def _end_of_rows(text: bytes) -> int:
    """The end of the last whole line that is not blank; 0: there is none."""
    end = text.rfind(b"\n") + 1
    while end:
        start = text.rfind(b"\n", 0, end - 1) + 1
        if text[start:end].strip(BLANK):
            return end
        end = start
    return 0


# Rows


class _Reader:
    """Parses the blocks of one file; keeps what is wrong with it, and the range of its numbers."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.findings = Findings()
        self._beyond_scales = 0  # findings that no other scale of the values would fix
        self._beyond: Fault | None = None  # the first of these
        self._how_to_write = ""  # such pixels as numbers, if that is known
        self._lowest, self._highest = math.inf, -math.inf
        self._text = sorted({*range(len(layout.names))} - {*layout.pixels} - {layout.label})
        self._texts_and_label = sorted({*self._text} | ({layout.label} - {None}))
        self._label_is_text = False  # or a whole number from 0 to 255
        self._is_clean = True  # the last block
        self._is_first = True  # the next block
        self._in_file = sorted(layout.pixels)
        order = np.searchsorted(self._in_file, layout.pixels)
        self._order = order if (np.diff(order) < 0).any() else None
        self._classes = None if layout.classes is None else dict.fromkeys(layout.classes)
        self._whole = None if layout.values is None else bytes_of_whole_numbers(*layout.values)
        self._understand = _whole if self._whole is None else self._scaled
        self._label = functools.lru_cache(MAX_SPELLINGS)(self._label_and_fault)
        self._spellings = Spellings(self._understand)
        names = [self._understand(layout.names[at].encode()) for at in self._in_file]
        may_be_row = layout.header and None not in names
        self._header = np.array(names, np.uint8) if may_be_row else None  # as the pixels of a row

    def parse(self, first: int, text: bytes) -> Block:
        """Parse a block whose first line has the number `first`; without rows if something is wrong."""
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        if b"\r" in text:  # only `_exactly` finds lone ones
            block = self._exactly(first, text)
        else:
            plain = dense.single_blanks(text) if self.layout.separator == b" " else text
            block = plain and (self._densely(plain) or self._by_spelling(plain))
            block = block or self._as_numbers(text) or self._exactly(first, text)
        self._is_first = False
        if self._beyond_scales > MAX_COUNTED:
            raise InputError(f"{self.findings}; reading stopped there{self._way_on()}")
        return block

    def finish(self) -> None:
        """Raise InputError if something was wrong, or if the numbers are hardly meant as they are."""
        if self.findings.count:
            raise InputError(f"{self.findings}{self._way_on()}")
        if self.layout.values is None:
            check_scale(self.layout.path, self._highest, self.layout.train)

    def _way_on(self) -> str:
        """A line on what to do about the findings, if that is known."""
        if self._how_to_write:
            return f"\n{self._how_to_write}"
        if self._beyond is None:
            return self._fitting_values()
        finding = self._finding(self._beyond)
        if finding in self.findings.shown:
            return ""
        return f"\nthe first of another kind: {finding}{self._fitting_values()}"

    def _finding(self, fault: Fault) -> str:
        line, _, what = fault
        return f"{self.layout.path}, line {line}{what}"

    def _note_beyond(self, faults: list[Fault]) -> None:
        """Keep the first finding that no other scale would fix: it may be behind thousands that one would."""
        self._beyond = min([*faults, *([self._beyond] if self._beyond else [])], default=None)

    def _fitting_values(self) -> str:
        """A line on how the file's numbers can be read, if they can."""
        low, high = self._lowest + 0.0, self._highest  # no -0
        if self.layout.values is not None and self.findings.count <= FEW:  # then these are wrong
            return ""
        deep = self.findings.count > FEW and low >= 0 and DEEP[1] / 16 < high <= DEEP[1]
        fits = [scale for scale in SCALES if scale[0] <= low and high <= scale[1]] or [DEEP] * deep
        if not fits and self.layout.values is None and self.findings.count <= FEW:
            return ""
        how = _scaled_by(fits[0] if fits else None, self.layout.values, self.layout.train)
        return f"\nthe numbers go from {low:g} to {high:g}: {how}"

    def _block(self, table: np.ndarray, cells: dict[int, list[bytes]], labels: list[str] | None) -> Block:
        """The rows of `table`, pixels uint8 (n, pixels) in the order of the file."""
        if self.layout.values is None and self._highest <= max(SCALE_ENDS):  # beyond that it tells nothing
            self._highest = max(self._highest, int(table.max(initial=0)))
        if self._order is not None:
            table = table.take(self._order, axis=1)
        height, width, *channels = self.layout.shape
        sides = (width, height) if self.layout.transposed else (height, width)
        if self.layout.planar:
            images = np.moveaxis(table.reshape(-1, *channels, *sides), 1, -1)
        else:
            images = table.reshape(-1, *sides, *channels)
        if self.layout.transposed:
            images = images.swapaxes(1, 2)
        ids = None if self.layout.id is None else [text_of(cell) for cell in cells[self.layout.id]]
        return Block(images, labels, ids)

    # Densely

    def _densely(self, text: bytes) -> Block | None:
        """The rows of a clean block; None if it may not be clean."""
        layout = self.layout
        if not self._is_clean and self._dense_rows(text[: text.index(b"\n") + 1]) is None:
            return None  # after a block that was not clean, one row shows whether the next may be
        block = self._dense_rows(text)
        if block is None and layout.label is not None and not self._label_is_text:
            self._label_is_text = True
            block = self._dense_rows(text)
            self._label_is_text = block is not None
        self._is_clean = block is not None
        return block

    def _dense_rows(self, text: bytes) -> Block | None:
        layout, cells = self.layout, {}
        places = self._texts_and_label if self._label_is_text else self._text
        if places:
            cut = dense.cut_columns(text, len(layout.names), places, layout.separator)
            if cut is None:
                return None
            text, cells = cut
        table = dense.parse(text, len(layout.names) - len(places), layout.separator)
        if table is None:
            return None
        if layout.label is not None and not self._label_is_text:
            at = layout.label - sum(place < layout.label for place in places)
            cells[layout.label] = [NUMBERS[number] for number in table[:, at].tolist()]
            table = table[:, 1:] if at == 0 else np.delete(table, at, axis=1)
        if self._whole is not None:
            low, high = layout.values
            if table.min(initial=255) < low or table.max(initial=0) > high:
                return None
            table = self._whole.take(table)
        return self._right_block(table, cells)

    # By the spellings of its cells

    def _by_spelling(self, text: bytes) -> Block | None:
        """The rows of a correct block with few spellings; None if it may be anything else."""
        layout = self.layout
        found = dense.cells_of(text, len(layout.names), layout.separator)
        if found is None:
            return None
        cells = dense.texts_at(self._texts_and_label, text, *found)
        if any(cell.count(b'"') % 2 for column in cells.values() for cell in column):
            return None  # a separator between quotes
        pixels = [np.delete(edges, self._texts_and_label, axis=1).ravel() for edges in found]
        table = self._spellings.look_up(text, *pixels)
        return None if table is None else self._right_block(table.reshape(-1, len(layout.pixels)), cells)

    # As numbers of any spelling, without quotes

    def _as_numbers(self, text: bytes) -> Block | None:
        """The rows of a correct block; None if it may be anything else."""
        layout, columns = self.layout, len(self.layout.names)
        if layout.values is None or b'"' in text:
            return None
        places = self._texts_and_label
        rows, cut = [], []
        for line in text[:-1].split(b"\n"):
            cells = line.split() if layout.separator == b" " else line.split(layout.separator)
            if len(cells) != columns:
                return None
            cut.append([cells.pop(place) for place in reversed(places)])
            # Of these bytes, float accepts what `NUMBER` accepts, with blanks around it.
            if b"".join(cells).translate(None, NUMBER_BYTES):
                return None
            try:
                rows.append(np.array([*map(float, cells)]))
            except ValueError:
                return None
        numbers, (low, high) = np.array(rows), layout.values
        if not (numbers.min() >= low and numbers.max() <= high):
            return None
        table = np.rint((numbers - low) * 255 / (high - low)).astype(np.uint8)
        return self._right_block(table, dict(zip(reversed(places), zip(*cut, strict=True), strict=True)))

    def _right_block(self, table: np.ndarray, cells: dict[int, Sequence[bytes]]) -> Block | None:
        """The rows of `table`, as in `_block`; None if a text is wrong, or a row may be the header again."""
        if self._header is not None and (table == self._header).all(axis=1).any():
            return None
        labels, faults = self._texts(cells, range(len(table)))
        return None if faults else self._block(table, cells, labels)

    # Cell by cell

    def _exactly(self, first: int, text: bytes) -> Block:
        """The rows of a block; if something is wrong with it, no rows, and findings in the file's order."""
        layout, columns = self.layout, len(self.layout.names)
        wrong, lines, flat = [], [], []
        rows = text[:-1].split(b"\n")
        if self._is_first and layout.header:
            self._refuse_one_more([split_line(line, layout.separator) for line in rows[:FIRST_ROWS]])
        for number, line in enumerate(rows, first):
            cells = split_line(line, layout.separator)
            odd = len(cells) != columns or b'"' in line or b"\r" in line or self._repeats_header(cells)
            if odd and (fault := self._line_fault(line, cells)):
                wrong.append((number, 0, f": {fault}"))
                continue
            lines.append(number)
            flat += cells
        text_cells = {place: flat[place::columns] for place in self._texts_and_label}
        for gone, place in enumerate(reversed(self._texts_and_label)):
            del flat[place :: columns - gone]
        labels, wrong_texts = self._texts(text_cells, lines)
        wrong += wrong_texts
        self._beyond_scales += len(wrong)
        self._note_beyond(wrong)
        pixels = {cell: self._understand(cell) for cell in {*flat}}
        if None in pixels.values():
            wrong_pixels, more = self._wrong_pixels(flat, pixels, lines)
            wrong += wrong_pixels
            self.findings.count += more
        if wrong:
            for fault in sorted(wrong):
                self.findings.add(self._finding(fault))
            return Block(np.empty((0, *layout.shape), np.uint8), None, None)
        table = np.frombuffer(bytes(map(pixels.__getitem__, flat)), np.uint8)
        return self._block(table.reshape(len(lines), len(layout.pixels)), text_cells, labels)

    def _refuse_one_more(self, rows: list[list[bytes]]) -> None:
        """InputError: each of the first rows has one cell more than the header."""
        if any(len(cells) != len(self.layout.names) + 1 for cells in rows):
            return
        way = "are the first ones names of the rows? R leaves them out by write.csv(..., row.names = FALSE)"
        if not any(unquoted(cells[-1]) for cells in rows):
            way = f"delete the {SEPARATORS[self.layout.separator][:-1]} at the end of each line"
        cells = f"{len(rows[0]):,} cells, one more than the header in line 1"
        raise InputError(f"{self.layout.path}: the rows have {cells}: {way}")

    def _line_fault(self, line: bytes, cells: list[bytes]) -> str | None:
        """What is wrong with a line, before its cells are understood; None: nothing."""
        layout = self.layout
        if not line.strip():
            return "an empty line between rows: delete it"
        if line.count(b'"') % 2:
            return "a quote is opened but not closed: close it in the same line"
        if b"\r" in line:
            return LONE_CR
        if self._repeats_header(cells):
            return "the header again, as in files that were joined: delete this line"
        if len(cells) == len(layout.names):
            return None
        for other, name in SEPARATORS.items():
            if len(cells) == 1 and other != b" " and other in cells[0]:
                return f"this line looks separated by {name}, but {SEPARATORS[layout.separator]} are needed"
        return f"{how_many(len(cells), 'cell')}, not {len(layout.names):,}: {layout}"

    def _repeats_header(self, cells: list[bytes]) -> bool:
        names = self.layout.names
        return self.layout.header and text_of(cells[0]) == names[0] and tuple(map(text_of, cells)) == names

    def _wrong_pixels(
        self, cells: list[bytes], meanings: dict[bytes, int | None], lines: list[int]
    ) -> tuple[list[Fault], int]:
        """What is wrong with the first pixels that mean None, and how many more do."""
        wrong = {cell for cell, value in meanings.items() if value is None}
        numbers = [number for cell in meanings if (number := number_of(cell)) is not None]
        self._lowest = min(self._lowest, *numbers, math.inf)
        self._highest = max(self._highest, *numbers, -math.inf)
        no_numbers = {cell for cell in wrong if number_of(cell) is None}
        self._beyond_scales += sum(map(no_numbers.__contains__, cells))
        hint = _how_to_write(no_numbers)
        # 3,152 may have a decimal comma, as 0,25 tells in a later block.
        if not self._how_to_write or (self._how_to_write, hint) == (THOUSANDS_COMMAS, DECIMAL_COMMAS):
            self._how_to_write = hint
        start, end = self.layout.values or (0, 255)
        wanted = f"a {'whole ' * (self._whole is None)}number from {start:g} to {end:g}"
        columns = len(self._in_file)

        def fault(at: int) -> Fault:
            column = self._in_file[at % columns]
            cell = shown(cells[at].decode(errors="replace"))
            what = f", column {self.layout.names[column]}: {cell} is not {wanted}"
            return lines[at // columns], column, what

        beyond = itertools.compress(range(len(cells)), map(no_numbers.__contains__, cells))
        self._note_beyond([fault(at) for at in itertools.islice(beyond, 1)])
        places = itertools.compress(range(len(cells)), map(wrong.__contains__, cells))
        found = [fault(at) for at in itertools.islice(places, MAX_SHOWN)]
        return found, sum(1 for _ in places)

    def _scaled(self, cell: bytes) -> int | None:
        """The byte that the number in a cell means, None if there is none or it is out of range."""
        start, end = self.layout.values
        number = number_of(cell)
        if number is None or not start <= number <= end:
            return None
        return round((number - start) * 255 / (end - start))

    # Columns of text

    def _texts(
        self, cells: dict[int, Sequence[bytes]], lines: Sequence[int]
    ) -> tuple[list[str] | None, list[Fault]]:
        """The labels of rows, and what is wrong with the columns of text; `lines` are those of the rows."""
        layout, labels, wrong = self.layout, None, []
        if layout.one_hot:
            labels, wrong = self._one_hot_labels(cells, lines)
        elif layout.label is not None:
            known = {cell: self._label(cell)[0] for cell in {*cells[layout.label]}}
            labels = [known[cell] for cell in cells[layout.label]]
        for place, fault_of in (
            (layout.label, lambda cell: self._label(cell)[1]),
            (layout.unfilled, _unfilled_fault),
            (layout.id, _id_fault),
        ):
            column = () if place is None else cells[place]
            if faults := {cell: fault for cell in {*column} if (fault := fault_of(cell))}:
                where = f", column {layout.names[place]}: "
                wrong += [
                    (line, place, where + faults[cell])
                    for line, cell in zip(lines, column, strict=True)
                    if cell in faults
                ]
        return labels, wrong

    def _label_and_fault(self, cell: bytes) -> tuple[str, str | None]:
        """The label in a cell, and what is wrong with it, None: nothing."""
        label = label_of(text_of(cell))
        fault = label_fault(label, self._classes)
        return label, fault and f"{WHOLE.get(cell, shown(cell.decode(errors='replace')))} {fault}"

    def _one_hot_labels(
        self, cells: dict[int, list[bytes]], lines: Sequence[int]
    ) -> tuple[list[str], list[Fault]]:
        names = self.layout.names
        places, labels = zip(*self.layout.one_hot, strict=True)
        found, wrong = [], []
        for line, row in zip(lines, zip(*(cells[place] for place in places), strict=True), strict=True):
            if (at := place_of_one(row)) is not None:
                found.append(labels[at])
            else:
                text = shown(",".join(cell.decode(errors="replace") for cell in row))
                where = f", columns {names[places[0]]} to {names[places[-1]]}"
                wrong.append((line, places[0], f"{where}: {text} is not a single 1 among zeros"))
        return found, wrong


def _unfilled_fault(cell: bytes) -> str | None:
    if not is_missing(text := text_of(cell)):
        return (
            f"{shown(text)} is a label, but the first rows have none: fill in all, or list it in "
            "data.columns.ignore"
        )
    return None


def _id_fault(cell: bytes) -> str | None:
    if not unquoted(cell):
        return "the id is missing: give each image one"
    if not cell.isascii() and cell.decode(errors="ignore").encode() != cell:
        return f"{shown(cell.decode(errors='replace'))} is not UTF-8: save the file as UTF-8"
    return None


def check_scale(where: PathLike, highest: float, train: bool) -> None:
    """Pixels without `values` go up to 255 or nearly so. InputError: their highest was meant as white.

    `train`: whether they are those of the training images.
    """
    if highest in SCALE_ENDS:
        raise InputError(
            f"{where}: the pixels are whole numbers up to {highest}, nearly black on a scale to 255: "
            f"{_scaled_by((0, highest), None, train)}; or, if they are right as they are, write values: "
            "{from: 0, to: 255}"
        )


def _scaled_by(scale: tuple[int, int] | None, values: tuple[float, float] | None, train: bool) -> str:
    """What to do about numbers on a scale, None: an unknown one, that is not the one in `values`."""
    start, end = values or (0, 255)
    numbers = f"numbers from {start:g} to {end:g}"
    if values is not None and not train:
        return f"rescale this file to {numbers}, because data.values is one scale for all files"
    if scale is None and values is not None:
        return "data.values does not fit them"
    black, white = scale or ("A", "B")
    write = f"write values: {{from: {black}, to: {white}}} under data: in the configuration"
    if values is None and train:
        return f"if {black} is black and {white} white, {write}"
    return (
        f"if {black} is black and {white} white in all files, for which data.values is one scale, {write}; "
        f"if only in this one, rescale it to {numbers}"
    )


def _how_to_write(cells: set[bytes]) -> str:
    """How to write pixels that are no numbers, if they are numbers or truth in another spelling; else ""."""
    texts = {unquoted(cell).lower() for cell in cells}
    if commas := [text for text in texts if b"," in text]:
        if all(map(THOUSANDS.fullmatch, commas)):
            return THOUSANDS_COMMAS
        if any(map(DECIMAL_COMMA.fullmatch, commas)):
            return DECIMAL_COMMAS
    return TRUE_AND_FALSE if {b"true", b"false"} <= texts else ""


def _whole(cell: bytes) -> int | None:
    """The whole number 0..255 in a cell, None if there is none."""
    text = unquoted(cell)
    if not text.isdigit():  # of bytes: only 0 to 9
        return None
    return WHOLE.get(text.lstrip(b"0") or b"0")


def bytes_of_whole_numbers(start: float, end: float) -> np.ndarray:
    """The byte that each number from 0 to 255 means if `start` to `end` means 0 to 255, uint8 (256,)."""
    numbers = np.clip(np.arange(256), start, end)
    return np.rint((numbers - start) * 255 / (end - start)).astype(np.uint8)
