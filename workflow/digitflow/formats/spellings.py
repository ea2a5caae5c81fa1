"""Numbers of any spelling, a whole block of cells at once: for files with few spellings that come often.

Pixels have some 256 values: however they are written, with quotes, blanks or sixteen decimals, a file has few
different cells. Each is understood once, and from then on found in a table by its bytes.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

WORD = 8  # bytes that are compared at once
LONGEST = 3 * WORD  # bytes of a cell: 0.00392156862745098 has 19, and 21 between quotes
MANY = 1024  # spellings after which the table is of no use
SAMPLE = 256  # cells that tell whether most are spelt alike
SLOT_BITS = 20  # enough slots for some factors to give each spelling its own
MASKS = np.array([(1 << 8 * size) - 1 for size in range(WORD + 1)], "<u8")  # of the first `size` bytes

Words = tuple[np.ndarray | slice, np.ndarray]  # which cells, and eight bytes of each as a number, uint64


class Spellings:
    """What cells mean: bytes, as `understand` says, which gives None for a cell that it does not know."""

    def __init__(self, understand: Callable[[bytes], int | None]) -> None:
        self._understand = understand
        self._known: dict[bytes, int] = {}
        self._are_few = True
        self._make_table()

    def look_up(self, block: bytes, starts: np.ndarray, ends: np.ndarray) -> np.ndarray | None:
        """What the cells from `starts` to `ends`, both int64 (n,), mean: uint8 (n,).

        None: one is not understood, is empty or too long, or there are more than MANY spellings.
        """
        lengths = ends - starts
        if not self._are_few or b"\0" in block or not 0 < lengths.min() <= lengths.max() <= LONGEST:
            return None
        usual = _usual_cell(block, starts, ends)
        if usual is None:
            return self._in_table(block, starts, ends)
        others = np.flatnonzero(~_are_spelt(usual, block, starts, lengths))
        background = self._in_table(usual, np.array([0]), np.array([len(usual)]))
        found = self._in_table(block, starts[others], ends[others])
        if background is None or found is None:
            return None
        meanings = np.repeat(background, len(starts))
        meanings[others] = found
        return meanings

    def _in_table(self, block: bytes, starts: np.ndarray, ends: np.ndarray) -> np.ndarray | None:
        """As `look_up`, of cells of any length from 1 to LONGEST."""
        lengths = ends - starts
        words = _words(block, starts, lengths)
        numbers = self._numbers.take(self._slots(words))
        wrong = self._lengths.take(numbers) != lengths
        for known, (places, word) in zip(self._words, words, strict=False):
            wrong[places] |= known.take(numbers[places]) != word
        if not wrong.any():
            return self._meanings.take(numbers)
        cells = zip(starts[wrong].tolist(), ends[wrong].tolist(), strict=True)
        return self._in_table(block, starts, ends) if self._learn({block[a:b] for a, b in cells}) else None

    def _learn(self, cells: Iterable[bytes]) -> bool:
        """Take new spellings into the table; return whether all are understood and there is room."""
        found = {cell: self._understand(cell) for cell in cells}
        if None in found.values():
            return False
        self._known |= found
        self._are_few = len(self._known) <= MANY
        if self._are_few:
            self._make_table()
        return self._are_few

    def _make_table(self) -> None:
        """Find factors with which each known spelling has a slot of its own."""
        lengths = np.array([len(cell) for cell in self._known], np.int64)
        words = _words(b"".join(self._known), np.cumsum(lengths) - lengths, lengths)
        none = len(lengths)  # the number in slots that no spelling has
        self._lengths = np.append(lengths, 0)
        self._meanings = np.array([*self._known.values(), 0], np.uint8)
        self._words = np.zeros((LONGEST // WORD, none + 1), np.uint64)
        for known, (places, word) in zip(self._words, words, strict=False):
            known[:none][places] = word
        draw = random.Random(0)
        while True:
            self._factors = [np.uint64(draw.getrandbits(64) | 1) for _ in self._words]
            slots = self._slots(words)
            if len(np.unique(slots)) == none:
                break
        self._numbers = np.full(1 << SLOT_BITS, none, np.uint16)
        self._numbers[slots] = np.arange(none)

    def _slots(self, words: Sequence[Words]) -> np.ndarray:
        mixed = words[0][1] * self._factors[0]
        for (places, word), factor in zip(words[1:], self._factors[1:], strict=False):
            mixed[places] += word * factor
        return (mixed >> np.uint64(64 - SLOT_BITS)).view(np.int64)


def _usual_cell(block: bytes, starts: np.ndarray, ends: np.ndarray) -> bytes | None:
    """The cell of the background, as over half of a sample are spelt; None: they differ, as in photos."""
    step = max(len(starts) // SAMPLE, 1)
    sample = [block[a:b] for a, b in zip(starts[::step].tolist(), ends[::step].tolist(), strict=True)]
    ((cell, count),) = Counter(sample).most_common(1)
    return cell if 2 * count > len(sample) else None


def _are_spelt(cell: bytes, block: bytes, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Which cells have just these bytes: bool (n,)."""
    text = np.frombuffer(block + bytes(LONGEST), np.uint8)
    begins_here = np.ones(len(block), bool)
    for offset, byte in enumerate(cell):
        begins_here &= text[offset : offset + len(block)] == byte
    return begins_here.take(starts) & (lengths == len(cell))


def _words(block: bytes, starts: np.ndarray, lengths: np.ndarray) -> Sequence[Words]:
    """The first WORD bytes of all cells, the next ones of longer cells, and so on; 0 after a cell's end."""
    padded = block + bytes(LONGEST)
    words = []
    for offset in range(0, max(int(lengths.max(initial=0)), 1), WORD):
        places = np.flatnonzero(lengths > offset) if offset else slice(None)
        at_each_byte = np.ndarray((len(block) + 1,), "<u8", padded, offset, strides=(1,))
        masks = MASKS.take(np.minimum(lengths[places] - offset, WORD))
        words.append((places, at_each_byte[starts[places]] & masks))
    return words
