"""Which columns of a pixel CSV are pixels, and in which order, by their names in its header."""

import itertools
import json
import math
import re
from collections import Counter

from digitflow.base.errors import InputError
from digitflow.dataset.csv_head import Table, is_known
from digitflow.dataset.image_size import possible_sizes
from digitflow.formats.layout import NUMBER, abbreviated, as_yaml

# A pixel's name ends with a number, or with those of its row, column and channel: pixel7, pixel_0_7, 1x7.
PIXEL_NAME = re.compile(r"(?P<stem>.*?)(?P<numbers>[0-9]{1,9}(?:[x_,.][0-9]{1,9}){0,2})")
# Where the names above would leave the rows of an image apart, these count rows, too: r0c7, 0-7, row_0_col_7.
GRID_NAME = re.compile(
    r"(?P<stem>.*?)(?P<numbers>[0-9]{1,9}(?:(?:[x_,.-]|_?c(?:ol)?_?)[0-9]{1,9}){1,2})", re.IGNORECASE
)
DIGITS = re.compile("[0-9]+")
PACKED = 4  # numbers in one cell: hardly a label or an id

# Pixels that are named alike, with the same stem and as many numbers: their places, each with its numbers.
Groups = dict[tuple[str, int], dict[int, tuple[int, ...]]]


def pixels_by_name(table: Table, places: list[int]) -> tuple[list[int], tuple[int, ...] | None]:
    """The places of the pixels in the order of their numbers; the grid, if they count rows and columns."""
    names = table.names
    groups, pattern = pixel_groups(names, places)
    if not groups:
        _refuse_packed(table, places)
        raise InputError(
            f"{table.where}: no columns of pixels, such as pixel0, pixel1, ..., among {abbreviated(names)}: "
            "their names should end with numbers; if line 1 is no header, write columns: {header: false} "
            "under data: in the configuration"
        )
    (stem, dimensions), group = max(groups.items(), key=lambda item: len(item[1]))
    if len(stems := _largest(groups)) > 1:
        way = "list the others in data.columns.ignore of the configuration"
        if possible_sizes(len(stems) * len(group), table.image):  # rows, of which no one should train on one
            way = (
                "together they make an image: if they are its rows, columns or colours, rename them by row "
                "and column, 0x0, 0x1, ..., in colour also by channel, 0x0x0, 0x0x1, ..."
            )
        listed = abbreviated([f"{stem}..." for stem in stems])
        raise InputError(f"{table.where}: the pixels may be any of {listed}: {way}")
    others = [names[place] for place in places if place not in group and not is_known(names[place])]
    example = pattern.fullmatch(names[next(iter(group))])
    _check_complete(table, group, others, _numbers_taken(table, stem, places), example)
    pixels = sorted(group, key=group.__getitem__)
    if dimensions == 1:
        return pixels, None
    return pixels, tuple(max(axis) - min(axis) + 1 for axis in zip(*group.values(), strict=True))


def pixel_groups(names: list[str], places: list[int]) -> tuple[Groups, re.Pattern]:
    """The columns that are named like pixels, and how: as `GRID_NAME` if it makes one group of equal ones."""
    groups = _grouped(names, places, PIXEL_NAME)
    if groups and len(_largest(groups)) > 1:
        grids = _grouped(names, places, GRID_NAME)
        if grids and len(_largest(grids)) == 1 and _most(grids) > _most(groups):
            return grids, GRID_NAME
    return groups, PIXEL_NAME


def _grouped(names: list[str], places: list[int], pattern: re.Pattern) -> Groups:
    """The columns that are named like pixels."""
    groups: Groups = {}
    for place in places:
        if match := pattern.fullmatch(names[place]):
            numbers = tuple(map(int, DIGITS.findall(match["numbers"])))
            groups.setdefault((match["stem"], len(numbers)), {})[place] = numbers
    return groups


def _largest(groups: Groups) -> list[str]:
    """The stems of the largest groups."""
    most = _most(groups)
    return [stem for (stem, _), group in groups.items() if len(group) == most]


def _most(groups: Groups) -> int:
    """The size of the largest group."""
    return max(map(len, groups.values()))


def _numbers_taken(table: Table, stem: str, left: list[int]) -> set[int]:
    """The numbers in the names of columns like the pixels', of which the configuration says what they are."""
    taken = {*range(table.width)} - {*left}
    matches = [match for place in taken if (match := PIXEL_NAME.fullmatch(table.names[place]))]
    numbers = [match["numbers"] for match in matches if match["stem"] == stem]
    return {int(number) for number in numbers if number.isdigit()}


def _check_complete(
    table: Table, group: dict[int, tuple[int, ...]], others: list[str], taken: set[int], example: re.Match
) -> None:
    """Every number from the first, 0 or 1, to the last must be there once, in each dimension.

    Behind `taken` numbers, a later one may be the first, as V2 behind the label V1; but not if an image needs
    these numbers, too.
    """
    axes = [*zip(*group.values(), strict=True)]
    first = [min(1, min(axis)) for axis in axes]
    before = range(1, min(axes[0]))
    are_taken = len(before) <= len(taken) and taken.issuperset(before)  # a number may be large
    if len(axes) == 1 and are_taken and not possible_sizes(len(group) + len(before), table.image):
        first = [min(axes[0])]
    ranges = [range(start, max(axis) + 1) for start, axis in zip(first, axes, strict=True)]
    found = Counter(group.values())
    wanted = math.prod(map(len, ranges))
    wrong = []
    if wanted > 4 * len(group) + 64:
        wrong.append(f"too few: {len(group):,} of {wanted:,}")
    else:
        missing = [_like(example, at) for at in itertools.product(*ranges) if at not in found]
        if missing:
            wrong.append(f"missing: {abbreviated(missing)}")
    doubled = [place for place, numbers in group.items() if found[numbers] > 1]
    if doubled:
        listed = dict.fromkeys(table.names[place] for place in doubled)
        wrong.append(f"more than once: {abbreviated([*listed])}")
    if wrong and others:
        wrong.append(f"others: {abbreviated(others)}")
    if wrong:
        raise InputError(f"{table.where}: columns {'; '.join(wrong)}: each pixel needs one column")


def _like(match: re.Match, numbers: tuple[int, ...]) -> str:
    """The name that a pixel with these numbers would have, after another pixel's."""
    left = iter(numbers)

    def number(old: re.Match) -> str:
        return str(next(left)).zfill(len(old[0]) if old[0].startswith("0") else 0)

    return match["stem"] + DIGITS.sub(number, match["numbers"])


def _refuse_packed(table: Table, places: list[int]) -> None:
    """InputError: a column has all pixels of an image in each cell, as FER2013 has."""
    for place in places:
        name, numbers = table.names[place], "".join(table.cells(place)[:1]).split()
        if len(numbers) >= PACKED and all(map(NUMBER.fullmatch, numbers)):
            raise InputError(
                f"{table.where}: column {as_yaml(name)} has {len(numbers):,} numbers in each cell: give each "
                f"pixel a column of its own; in pandas: table.join(table.pop({json.dumps(name)})"
                '.str.split(expand=True).add_prefix("pixel"))'
            )
