"""Decide what size images have, from the configuration and from how many pixels there are and their names."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from digitflow.base.errors import InputError, ask_which
from digitflow.formats.layout import size_in_words

AUTO = "auto"
# The defaults of `data.image`.
IMAGE = {"height": AUTO, "width": AUTO, "channels": AUTO, "transpose": False, "planar": False}


def image_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the section says of the images, with the defaults for what it leaves out."""
    return IMAGE | (data.get("image") or {})


def _ask_for_size(where: str, sizes: Iterable[tuple[int, ...]], more: str = "") -> NoReturn:
    readings = []
    for size in sizes:
        height, width, channels = (*size, 1)[:3]
        line = f"image: {{height: {height}, width: {width}, channels: {channels}}}"
        readings.append((line, size_in_words(size)))
    ask_which(where, readings, more)


def decide_size(
    where: str, pixels: int, image: Mapping[str, Any], grid: tuple[int, ...] | None
) -> tuple[tuple[int, ...], str]:
    """The size of images of this many `pixels`, (h, w) or (h, w, 3), and why it is this one.

    `where`: begins messages. `image`: as `image_of` gives it. `grid`: how many rows, columns and channels the
    names of the pixels count, None: they do not. InputError: no size fits, or several do.
    """
    where = f"{where}: {pixels:,} columns of pixels"
    told = {key: image[key] for key in ("height", "width", "channels") if image[key] != AUTO}
    if grid and image["planar"]:  # the names count the channels first, or do not count them
        if grid[0] != 3 and grid[-1] == 3:
            raise InputError(
                f"{where}, whose names count the 3 channels last: they are read in the order of their names, "
                "so these images are not planar; take planar: true out of data.image"
            )
        grid = (*grid[1:], grid[0]) if len(grid) == 3 and grid[0] == 3 else None
    counts_pixels = grid and len(grid) == 2 and grid[1] == told.get("channels") == 3
    if grid and image["transpose"] and not counts_pixels:  # the names count columns first
        grid = (grid[1], grid[0], *grid[2:])
    if grid and (named := _named_size(where, pixels, told, grid)):
        return named, "the names of the pixels count their rows and columns"
    fitting = possible_sizes(pixels, image)
    if len(fitting) == 1:
        return fitting[0], f"{pixels:,} pixels: {size_in_words(fitting[0])}"
    if fitting:
        _ask_for_size(f"{where} can have several sizes", fitting)
    sizes = [] if told.keys() & {"height", "width"} else _likely_sizes(pixels, told.get("channels"))
    if told and not sizes:
        raise InputError(f"{where} do not fit data.image, which says {_in_words(told)}")
    if not sizes:
        raise InputError(
            f"{where} make no square and no other image, in grey or in RGB: is one missing, or not a pixel?"
        )
    hint = "these are only the likeliest sizes; digitflow describe with --sheet shows how the images look"
    _ask_for_size(f"{where} make no square", sizes, hint)


def possible_sizes(pixels: int, image: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """The sizes, (h, w) or (h, w, 3), that this many pixels may have; squares if no side is known."""
    height, width, channels = (image[key] for key in ("height", "width", "channels"))
    sizes = []
    for depth in (1, 3) if channels == AUTO else (channels,):
        area, rest = divmod(pixels, depth)
        if rest or area < 1:
            continue
        side = math.isqrt(area)
        if height == AUTO and width == AUTO:
            size = side, side
        elif height == AUTO:
            size = area // width, width
        else:
            size = height, area // height if width == AUTO else width
        if size[0] * size[1] == area:
            sizes.append(size if depth == 1 else (*size, depth))
    return sizes


def _named_size(
    where: str, pixels: int, told: Mapping[str, int], grid: tuple[int, ...]
) -> tuple[int, ...] | None:
    """The size that the names of the pixels count, if the configuration says the same of the image.

    None: the names count pixels and their colours, and the configuration says so.
    """
    counted = " x ".join(map(str, grid))
    if len(grid) > 3 or grid[2:] not in ((), (1,), (3,)):
        raise InputError(
            f"{where}, and their names count {counted}: rows, columns and then 1 or 3 channels are needed, "
            "as in pixel_0_0_0 to pixel_27_27_2; if the 3 channels come first, write image: {channels: 3, "
            "planar: true} under data: in the configuration"
        )
    named = dict(zip(("height", "width", "channels"), (*grid, 1), strict=False))
    colours = possible_sizes(pixels, IMAGE | {"channels": 3}) if len(grid) == 2 and grid[1] == 3 else []
    if colours and not told:
        _ask_for_size(f"{where} are named {counted}", (*colours, grid))
    if all(named[key] == value for key, value in told.items()):
        return grid if grid[2:] != (1,) else grid[:2]
    if colours and told.get("channels", 3) == 3:
        return None
    raise InputError(
        f"{where}, and their names count {counted}, but data.image says {_in_words(told)}; correct it"
    )


def _likely_sizes(pixels: int, channels: int | None) -> list[tuple[int, ...]]:
    """The two nearest to squares, landscape and portrait, in grey and in RGB, or with these channels."""
    sizes: list[tuple[int, ...]] = []
    for depth in (channels,) if channels else (1, 3):
        area, rest = divmod(pixels, depth)
        heights = [] if rest else [side for side in range(math.isqrt(area), 1, -1) if area % side == 0][:2]
        for height in heights:
            width, colour = area // height, (3,) * (depth == 3)
            sizes += [(height, width, *colour), (width, height, *colour)]
    return sizes


def _in_words(told: Mapping[str, int]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in told.items())
