"""Images that a data set has twice, or should not have: duplicates, leaks, outliers and blank images.

The rules of thumb are Datalab's (https://docs.cleanlab.ai): near duplicates are closer than a fraction of the
median distance to the nearest image, outliers are far from their nearest ten.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from digitflow.base.errors import InputError
from digitflow.base.files import PathLike, write_rows
from digitflow.base.progress import Progress
from digitflow.dataset.split import first_of_equal
from digitflow.formats import idx, lst

log = logging.getLogger("digitflow")

NEAR = 0.13  # of the median distance to the nearest image: closer pairs are near duplicates
INVISIBLE = 3.0  # grey levels: pairs no further apart look the same, whatever the median is
NEIGHBOURS = 10  # how many nearest images an outlier is far from
FENCE = 1.7  # interquartile ranges above the third quartile
# Half of the moves by a pixel, down and right: the other half is the same with the two images swapped.
MOVES = ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1))

COMPONENTS = 48  # fewer are quicker, but find more outliers than the distances of all pixels do
SAMPLE = 1024  # images from which the principal components and the median distance are estimated
REFERENCES = 70_000  # images among which neighbours are looked for: of more, evenly spaced ones
BLOCK = 256  # images compared with others at a time, fewer if DISTANCES is not enough
DISTANCES = BLOCK * 70_000  # distances in memory at a time: as float32, 72 MB
READ_PIXELS = 1 << 21  # pixels read at a time: as float32, 8 MB
GROUP = 64  # distances of which at first only the smallest is looked at

PAIR_COLUMNS = [
    *("first_part", "first_id", "first_label", "second_part", "second_id", "second_label"),
    *("kind", "distance", "down", "right", "conflict"),
]
OUTLIER_COLUMNS = ["part", "id", "label", "reason", "distance"]


@dataclass(frozen=True)
class Part:
    """Images of one split: `name` is train, valid or test.

    `images` uint8 (m, h, w) or (m, h, w, c), a memory map will do; `rows` int64 (n,): which of them belong
    to the split; `labels`: n names, or None if they are not known.
    """

    name: str
    images: np.ndarray
    rows: np.ndarray
    labels: Sequence[str] | None = None


class Pool:
    """The images of several parts as one sequence: places 0..n-1, in the order of the parts."""

    def __init__(self, parts: Sequence[Part]):
        shapes = {part.images.shape[1:] for part in parts}
        if len(shapes) > 1:
            found = ", ".join(f"{part.name}: {' x '.join(map(str, part.images.shape[1:]))}" for part in parts)
            raise InputError(f"images of different sizes cannot be compared: {found}")
        self.parts = parts
        (self.shape,) = shapes
        self.starts = np.cumsum([0, *(len(part.rows) for part in parts)])
        self.block = max(READ_PIXELS // math.prod(self.shape), 1)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, places: np.ndarray) -> np.ndarray:
        """The images uint8 (k, h, w[, c]) at places int (k,)."""
        taken = np.empty((len(places), *self.shape), np.uint8)
        for part, start, stop in zip(self.parts, self.starts, self.starts[1:], strict=False):
            mine = (places >= start) & (places < stop)
            taken[mine] = part.images[part.rows[places[mine] - start]]
        return taken

    def blocks(self, places: np.ndarray) -> Iterator[np.ndarray]:
        """The images at places int (k,), `block` of them at a time."""
        for start in range(0, len(places), self.block):
            yield self.take(places[start : start + self.block])

    def describe(self, place: int) -> tuple[str, int, str]:
        """The part, the id and the label of an image; the label is empty if it is not known."""
        number = int(np.searchsorted(self.starts, place, side="right")) - 1
        part, row = self.parts[number], place - self.starts[number]
        return part.name, int(part.rows[row]) + 1, "" if part.labels is None else part.labels[row]


class Pairs(NamedTuple):
    """Pairs of images of a pool; all arrays are (n,).

    `first` < `second`: places int64; `distance`: root mean square in grey levels over their overlap, once
    the first is moved by `down` and `right` pixels. Without a move and a distance, the images are equal.
    """

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray
    down: np.ndarray
    right: np.ndarray


class Findings(NamedTuple):
    """Duplicates, and the places int64 of blank images (all pixels the same) and of outliers, farthest first.

    `distance` is each outlier's mean distance to its neighbours, in grey levels (root mean square).
    """

    pairs: Pairs
    blank: np.ndarray
    outliers: np.ndarray
    distance: np.ndarray


def find_duplicates(pool: Pool) -> Findings:
    """Look for duplicates, blank images and outliers.

    Duplicates are all pairs of equal images, and all pairs closer than NEAR of the median nearest distance or
    than INVISIBLE, as they are or moved by a pixel in any of eight directions; at most NEIGHBOURS pairs per
    image and direction. Time grows with the square of the number of images.
    """
    everything = np.arange(len(pool))
    first = first_of_equal(pool.blocks(everything))
    one_colour = [
        (block == block[:, :1, :1]).reshape(len(block), -1).all(axis=1) for block in pool.blocks(everything)
    ]
    blank = np.flatnonzero(np.concatenate([[], *one_colour]))
    again = np.flatnonzero(first != everything)
    zero = np.zeros(len(again), np.int64)
    exact = Pairs(first[again], again, zero.astype(float), zero, zero)
    distinct = np.setdiff1d(np.flatnonzero(first == everything), blank)
    if len(distinct) < 2:
        return Findings(exact, blank, zero[:0], np.zeros(0))
    near, far = _nearest(pool, distinct)
    pairs = _near_pairs(pool, distinct, _near_limit(pool, distinct, near))
    quarter, three_quarters = np.quantile(far, [0.25, 0.75])
    outliers = np.flatnonzero(far > three_quarters + FENCE * (three_quarters - quarter))
    outliers = outliers[np.argsort(-far[outliers], kind="stable")]
    return Findings(_join(exact, pairs), blank, distinct[outliers], far[outliers])


class Projection:
    """A window of the images projected on its principal components, and the length of the remainder.

    Distances between projected images are at most those between the windows themselves, so that no near pair
    is missed. A window is given as the slices of rows and columns that it takes from an image.
    """

    def __init__(self, pool: Pool, places: np.ndarray, window: tuple[slice, slice]):
        sample = self._windows(pool.take(evenly_spaced(places, SAMPLE)), window)
        self.mean = sample.mean(axis=0)
        sample -= self.mean
        # From the products of images with each other: to decompose the images themselves takes far longer.
        along = np.linalg.eigh(sample @ sample.T)[1][:, : -COMPONENTS - 1 : -1]
        self.axes = np.linalg.qr(sample.T @ along)[0]

    def project(self, pool: Pool, places: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
        """Points float32 (n, up to COMPONENTS + 1) of the images at `places` int (n,)."""
        points = []
        for block in pool.blocks(places):
            pixels = self._windows(block, window) - self.mean
            along = pixels @ self.axes
            left = np.einsum("ij,ij->i", pixels, pixels) - np.einsum("ij,ij->i", along, along)
            points.append(np.column_stack([along, np.sqrt(np.maximum(left, 0))]))
        return np.concatenate(points)

    @staticmethod
    def _windows(images: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
        return images[:, *window].reshape(len(images), -1).astype(np.float32)


class Distances:
    """Squared distances from blocks of queries to points float32 (n, d), in one buffer."""

    def __init__(self, points: np.ndarray):
        squares = np.einsum("ij,ij->i", points, points)
        self._columns = np.ascontiguousarray(np.column_stack([points, squares]).T)
        self.block = max(min(BLOCK, DISTANCES // len(points)), 1)
        self._buffer = np.empty(self.block * len(points), np.float32)
        self.rounding = 1e-5 * float(squares.max())

    def to(self, queries: np.ndarray, start: int, stop: int) -> np.ndarray:
        """From up to `block` queries (m, d) to the points from `start` to `stop`: a view of the buffer."""
        found = self._buffer[: len(queries) * (stop - start)].reshape(len(queries), stop - start)
        left = np.column_stack([-2 * queries, np.ones(len(queries), np.float32)])
        np.matmul(left, self._columns[:, start:stop], out=found)
        found += np.einsum("ij,ij->i", queries, queries)[:, None]
        return found


def evenly_spaced(places: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the places, evenly spaced."""
    return places[:: -(-len(places) // count)]


def smallest(values: np.ndarray, count: int) -> np.ndarray:
    """The columns int64 (m, count) of the `count` smallest values in each row of (m, n), in no order.

    They lie in the `count` groups of columns with the smallest minima: only these groups are searched.
    """
    rows, width = values.shape
    groups = width // GROUP
    if groups <= count:
        return np.argpartition(values, count - 1, axis=1)[:, :count]
    # Group g has the columns g, g + groups, ...: this makes minima over whole rows of groups quick.
    minima = values[:, : groups * GROUP].reshape(rows, GROUP, groups).min(axis=1)
    best = np.argpartition(minima, count - 1, axis=1)[:, :count]
    columns = (best[:, None, :] + groups * np.arange(GROUP)[:, None]).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(groups * GROUP, width), (rows, width - groups * GROUP))
    columns = np.concatenate([columns, rest], axis=1)
    chosen = np.argpartition(np.take_along_axis(values, columns, axis=1), count - 1, axis=1)[:, :count]
    return np.take_along_axis(columns, chosen, axis=1)


def _nearest(pool: Pool, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For images at `places`: the place of the nearest other one, and the mean distance to the NEIGHBOURS
    nearest.
    """
    whole = (slice(None), slice(None))
    points = Projection(pool, places, whole).project(pool, places, whole)
    step = -(-len(places) // REFERENCES)
    distances = Distances(points[::step])
    references = len(points[::step])
    count = min(NEIGHBOURS, references - 1)
    nearest, far = np.empty(len(places), np.int64), np.empty(len(places))
    with Progress("distances between images", len(places), "images") as progress:
        for start in range(0, len(places), distances.block):
            block = np.arange(start, min(start + distances.block, len(places)))
            found = distances.to(points[block], 0, references)
            itself = block % step == 0
            found[itself, block[itself] // step] = np.inf
            columns = smallest(found, count)
            squares = np.maximum(np.take_along_axis(found, columns, axis=1), 0)
            nearest[block] = columns[np.arange(len(block)), squares.argmin(axis=1)] * step
            far[block] = np.sqrt(squares).mean(axis=1)
            progress.advance(len(block))
    return places[nearest], far / math.sqrt(math.prod(pool.shape))


def _near_limit(pool: Pool, places: np.ndarray, nearest: np.ndarray) -> float:
    """How near is near, in grey levels: a fraction of the median distance to the nearest image."""
    chosen = evenly_spaced(np.arange(len(places)), SAMPLE)
    images, others = (pool.take(each[chosen]).astype(np.float32) for each in (places, nearest))
    return max(NEAR * float(np.median(_apart(images, others))), INVISIBLE)


def _apart(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The distance between each image and its other one: root mean square (n,) of float32 (n, ...)."""
    differences = (images - others).reshape(len(images), -1)
    return np.sqrt(np.einsum("ij,ij->i", differences, differences) / differences.shape[1])


def _near_pairs(pool: Pool, places: np.ndarray, limit: float) -> Pairs:
    """Pairs of images at `places` that are at most `limit` apart, after one of MOVES or none.

    The inside of one image, without a border of one pixel, is compared with the same part of another, moved.
    Both are ordered by their first component, in which near images are near, too: others are never compared.
    """
    height, width = pool.shape[:2]
    moves = MOVES if min(height, width) > 4 else MOVES[:1]
    border = 1 if len(moves) > 1 else 0
    inside = (slice(border, height - border), slice(border, width - border))
    projection = Projection(pool, places, inside)
    points = projection.project(pool, places, inside)
    order = np.argsort(points[:, 0], kind="stable")
    places, points = places[order], points[order]
    distances = Distances(points)
    reach = math.sqrt(limit**2 * math.prod(pool.shape) + distances.rounding)
    found = []
    with Progress("near duplicates", len(moves) * len(places), "images") as progress:
        for down, right in moves:
            moved = (
                slice(border - down, height - border - down),
                slice(border - right, width - border - right),
            )
            queries = points if (down, right) == (0, 0) else projection.project(pool, places, moved)
            order = np.argsort(queries[:, 0], kind="stable")
            for start in range(0, len(order), distances.block):
                block = order[start : start + distances.block]
                query, column = _within(distances, points[:, 0], queries, block, reach)
                found.append(_check(pool, places[query], places[column], down, right, limit))
                progress.advance(len(block))
    return _join(*found)


def _within(
    distances: Distances, first_component: np.ndarray, queries: np.ndarray, block: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the queries in `block`, and for each a point other than itself within `reach` of it."""
    low, high = queries[block[[0, -1]], 0]
    start, stop = np.searchsorted(first_component, [low - reach, high + reach])
    if stop == start:
        return block[:0], block[:0]
    squares = distances.to(queries[block], start, stop)
    itself = (block >= start) & (block < stop)
    squares[itself, block[itself] - start] = np.inf
    rows = np.flatnonzero(squares.min(axis=1) <= reach**2)
    if not len(rows):
        return block[:0], block[:0]
    squares = squares[rows]
    columns = smallest(squares, min(NEIGHBOURS, stop - start))
    row, place = np.nonzero(np.take_along_axis(squares, columns, axis=1) <= reach**2)
    return block[rows[row]], columns[row, place] + start


def _check(pool: Pool, images: np.ndarray, others: np.ndarray, down: int, right: int, limit: float) -> Pairs:
    """The pairs of places that are at most `limit` apart, once the images are moved by `down` and `right`."""
    height, width = pool.shape[:2]

    def overlap(move: int, size: int) -> slice:
        return slice(max(move, 0), size + min(move, 0))

    distance = [np.zeros(0)]
    for one, other in zip(pool.blocks(images), pool.blocks(others), strict=True):
        moved = one[:, overlap(-down, height), overlap(-right, width)]
        still = other[:, overlap(down, height), overlap(right, width)]
        distance.append(_apart(moved.astype(np.float32), still.astype(np.float32)))
    distance = np.concatenate(distance)
    kept = distance <= limit
    swap = np.where(images > others, -1, 1)[kept]  # in the other order, the move is the other way, too
    ends = np.sort(np.column_stack([images, others])[kept], axis=1)
    return Pairs(ends[:, 0], ends[:, 1], distance[kept], down * swap, right * swap)


def _join(*found: Pairs) -> Pairs:
    """All pairs, each once, with the smallest distance and, among equal ones, the move that came first."""
    fields = [np.concatenate(arrays) for arrays in zip(*found, strict=True)]
    first, second, distance = fields[:3]
    order = np.lexsort((np.arange(len(first)), distance, second, first))
    again = (np.diff(first[order], prepend=-1) == 0) & (np.diff(second[order], prepend=-1) == 0)
    return Pairs(*(field[order[~again]] for field in fields))


def report_duplicates(
    lists: Mapping[str, PathLike],
    images: PathLike,
    test_lst: PathLike | None,
    test_images: PathLike | None,
    names: Sequence[str],
    duplicates_csv: PathLike,
    outliers_csv: PathLike,
) -> None:
    """Write what `find_duplicates` finds in the IDX files `images` and, if there is one, `test_images`.

    `lists`: the .lst of each split of the training rows, by its name; `names`: the classes, by their index.
    """
    pixels, parts = idx.open_memmap(images), []
    for name, path in lists.items():
        listing = lst.read(path)
        labels = [names[label] for label in listing.label.tolist()]
        parts.append(Part(name, pixels, listing.index - 1, labels))
    if test_images is not None:
        listing = lst.read(test_lst)
        parts.append(Part("test", idx.open_memmap(test_images), listing.index - 1))
    pool = Pool(parts)
    findings = find_duplicates(pool)
    conflicts = write_duplicates(duplicates_csv, pool, findings.pairs)
    write_outliers(outliers_csv, pool, findings)
    pairs = len(findings.pairs.first)
    log.info(
        f"{duplicates_csv}: {pairs:,} pairs of similar images, {conflicts:,} of them with different labels"
    )
    blank, outliers = len(findings.blank), len(findings.outliers)
    log.info(f"{outliers_csv}: {blank:,} blank images, {outliers:,} unlike any other")


def write_duplicates(path: PathLike, pool: Pool, pairs: Pairs) -> int:
    """Write pairs as CSV: conflicting labels first, then pairs across parts, then the nearest ones.

    Return how many pairs have conflicting labels.
    """
    rows = []
    for first, second, distance, down, right in zip(*(field.tolist() for field in pairs), strict=True):
        one, other = pool.describe(first), pool.describe(second)
        conflict = bool(one[2] and other[2]) and one[2] != other[2]
        kind = "shifted" if down or right else "near" if distance else "exact"
        rank = (not conflict, one[0] == other[0], distance, first, second)
        rows.append((rank, [*one, *other, kind, f"{distance:.2f}", down, right, conflict]))
    rows.sort(key=lambda row: row[0])
    write_rows(path, [PAIR_COLUMNS, *(row for _, row in rows)])
    return sum(not rank[0] for rank, _ in rows)


def write_outliers(path: PathLike, pool: Pool, findings: Findings) -> None:
    """Write blank images and outliers as CSV, blank ones first, then the farthest."""
    blank = [[*pool.describe(place), "blank", ""] for place in findings.blank.tolist()]
    outliers = [
        [*pool.describe(place), "outlier", f"{distance:.2f}"]
        for place, distance in zip(findings.outliers.tolist(), findings.distance.tolist(), strict=True)
    ]
    write_rows(path, [OUTLIER_COLUMNS, *blank, *outliers])
