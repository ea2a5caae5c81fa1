"""Parse clean text of whole numbers from 0 to 255, all bytes at once."""

import numpy as np

NEWLINE, ZERO = b"\n0"
BLANK_PASSES = 6  # each halves the runs of blanks: enough for 32


def parse(block: bytes, columns: int, separator: bytes) -> np.ndarray | None:
    """Return uint8 (rows, columns) of a block of clean rows, or None if anything about it is unusual.

    Each byte gets the value of a cell that would end there, from itself and the two bytes before it; then the
    bytes followed by a separator are picked. Some 25 passes over bytes in cache, vectorised by numpy.
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
    separators = np.count_nonzero(text == ord(separator))
    if surplus or separators != rows * (columns - 1) or (line_ends != NEWLINE).any():
        return None
    return value.take(ends).reshape(rows, columns)


def single_blanks(block: bytes) -> bytes | None:
    """A block whose cells are separated by blanks, with single ones, and none at either end of a line.

    None: it has other white space, which also separates cells, or very long runs of blanks.
    """
    if any(space in block for space in (b"\t", b"\r", b"\v", b"\f")):
        return None
    for _ in range(BLANK_PASSES):
        if b"  " not in block:
            return block.replace(b" \n", b"\n").replace(b"\n ", b"\n").removeprefix(b" ")
        block = block.replace(b"  ", b" ")
    return None


def cells_of(block: bytes, columns: int, separator: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    """Where the cells of a block of rows start and end, int64 (rows, columns) each.

    None: a row has another number of cells. A separator inside quotes also counts as one.
    """
    text = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero((text == ord(separator)) | (text == NEWLINE))
    rows, surplus = divmod(len(ends), columns)
    if surplus:
        return None
    ends = ends.reshape(rows, columns)
    if (text[ends[:, -1]] != NEWLINE).any() or np.count_nonzero(text == NEWLINE) != rows:
        return None
    return np.concatenate([[0], ends.ravel()[:-1] + 1]).reshape(rows, columns), ends


def texts_at(places: list[int], block: bytes, starts: np.ndarray, ends: np.ndarray) -> dict[int, list[bytes]]:
    """The cells of some columns of a block, by place; `starts` and `ends` as from `cells_of`."""
    return {
        place: [block[a:b] for a, b in zip(starts[:, place].tolist(), ends[:, place].tolist(), strict=True)]
        for place in places
    }


def cut_columns(
    block: bytes, columns: int, places: list[int], separator: bytes
) -> tuple[bytes, dict[int, list[bytes]]] | None:
    """Cut some columns out of a block of rows: return the block without them, and their cells by place.

    None: there is a quote in the block, or a row has another number of cells.
    """
    if b'"' in block:
        return None
    if (found := cells_of(block, columns, separator)) is None:
        return None
    starts, ends = found
    text = np.frombuffer(block, np.uint8)
    cells = texts_at(places, block, starts, ends)
    # A column is cut with the separator after it, the last ones of a row with the one before them.
    kept = [place for place in range(columns) if place not in cells]
    step = np.zeros(len(text) + 1, np.int8)
    for place in places:
        behind = place > kept[-1]
        np.add.at(step, starts[:, place] - behind, 1)
        np.add.at(step, ends[:, place] + (not behind), -1)
    return text[np.cumsum(step[:-1], dtype=np.int8) == 0].tobytes(), cells
