"""Decide what each column of a pixel CSV is, from its first rows and the configuration's section `data`.

What is left at `auto` is decided only if one reading is possible. Otherwise an InputError lists the readings,
each with the line of the configuration that chooses it.
"""

import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

from digitflow.base.errors import ConfigError, InputError, ask_which
from digitflow.dataset.csv_head import Table, from_start, is_known, read_first_lines
from digitflow.dataset.image_size import AUTO, decide_size, possible_sizes
from digitflow.dataset.pixel_names import PIXEL_NAME, pixel_groups, pixels_by_name
from digitflow.formats.layout import (
    ID_NAMES,
    LABEL_NAMES,
    Layout,
    abbreviated,
    as_yaml,
    hot_of,
    is_missing,
    label_fault,
    label_of,
)

ONE_HOT_NAME = re.compile(rf"({'|'.join(LABEL_NAMES)})[_. -](.+)", re.IGNORECASE)


class _Columns(NamedTuple):
    """What the columns are: places, and the names of the classes of a one-hot label."""

    pixels: list[int]
    label: int | None
    one_hot: list[tuple[int, str]]
    id: int | None
    grid: tuple[int, ...] | None  # rows, columns and channels as the pixels' names count them


def decide(path: str | os.PathLike, data: Mapping[str, Any], train: bool) -> Layout:
    """Decide what the columns of a file are; `data` is that section of the configuration.

    A `train` file must have labels, unless `data.labels_csv` has them; a test file may. InputError: no
    reading is possible, or several are; ConfigError: the section contradicts itself.
    """
    table = read_first_lines(path, data, needed=train and not data.get("labels_csv"))
    classes, unfilled = classes_of(data), None
    chosen = _named_columns(table) if table.names else _placed_columns(table, classes)
    if not train and chosen.label is not None and _is_unfilled(table.cells(chosen.label), classes):
        unfilled, chosen = chosen.label, chosen._replace(label=None)
    if train and data.get("labels_csv") and (chosen.label is not None or chosen.one_hot):
        raise InputError(
            f"{path}: there are labels in this file and in data.labels_csv: write labels_csv: null, or list "
            "the column of the labels in data.columns.ignore"
        )
    shape, why = decide_size(table.where, len(chosen.pixels), table.image, chosen.grid)
    layout = Layout(
        path,
        tuple(table.names or [str(place + 1) for place in range(table.width)]),
        tuple(chosen.pixels),
        shape,
        transposed=table.image["transpose"],
        planar=len(shape) == 3 and table.image["planar"],
        label=chosen.label,
        one_hot=tuple(chosen.one_hot),
        id=chosen.id,
        unfilled=unfilled,
        separator=table.separator,
        header=table.names is not None,
        classes=classes,
        values=values_of(data),
        train=train,
    )
    return replace(layout, reasons=(*table.reasons, why, *_reasons(layout)))


def _is_unfilled(texts: list[str], classes: Sequence[str] | None) -> bool:
    """Whether none of these cells, of which there are some, has a label."""
    return bool(texts) and all(is_missing(text) and text not in (classes or ()) for text in texts)


def _reasons(layout: Layout) -> Iterator[str]:
    """What the columns are that are no pixels, in words."""
    names, one_hot = layout.names, [layout.names[place] for place, _ in layout.one_hot]
    if one_hot:
        yield f"label: {len(one_hot)} columns, {one_hot[0]} to {one_hot[-1]}, one of which is 1"
    else:
        yield "no label" if layout.label is None else f"label: column {names[layout.label]}"
    if layout.id is not None:
        yield f"ids: column {names[layout.id]}"
    if layout.ignored:
        yield f"ignored: {abbreviated([names[place] for place in layout.ignored])}"


def classes_of(data: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The labels that are allowed, None: those that are found. ConfigError: a list of something else."""
    classes = data.get("classes", AUTO)
    if classes == AUTO:
        return None
    if isinstance(classes, int):
        return tuple(map(str, range(classes)))
    for label in classes:
        if isinstance(label, bool) or not isinstance(label, int | str):
            raise ConfigError(f"data.classes: {label!r} is not a label: write it in quotes")
    labels = tuple(label_of(str(label)) for label in classes)
    if doubled := [label for label, count in Counter(labels).items() if count > 1]:
        raise ConfigError(f"data.classes: {doubled[0]!r} is listed more than once")
    return labels


def values_of(data: Mapping[str, Any]) -> tuple[float, float] | None:
    """The numbers that mean 0 and 255; None: these themselves. ConfigError: they cannot mean that."""
    values = data.get("values") or AUTO
    if values == AUTO:
        return None
    start, end = float(values["from"]), float(values["to"])
    if not (math.isfinite(start) and math.isfinite(end) and start < end):
        raise ConfigError(
            f"data.values: from {start:g} to {end:g}: the first number must be the lower one; for dark "
            "digits on white, write invert: true"
        )
    return start, end


# Columns by name


def _named_columns(table: Table) -> _Columns:
    names, columns = table.names, table.columns
    ignored = {place for name in columns["ignore"] if (place := table.place(name)) is not None}
    label, one_hot = _chosen_label(table, columns["label"])
    id_ = None if columns["id"] == AUTO else table.place(columns["id"])
    if not table.needed and _holds_no_label(table, ignored | {id_}):
        label, one_hot = None, []
    label = _label_or_id(table, label, id_)
    by_place = not table.needed and label is not None and isinstance(columns["label"], int)
    if by_place and not (is_known(names[label]) or PIXEL_NAME.fullmatch(names[label])):
        _ask_for_ids(table.where, names[label], columns["label"])
    taken = ignored | {label, id_} | {place for place, _ in one_hot}
    left = [place for place in range(table.width) if place not in taken]
    pixels, grid = pixels_by_name(table, left)
    table.reasons.append(f"pixels: {names[pixels[0]]} to {names[pixels[-1]]}, in the order of their numbers")
    rest = sorted({*left} - {*pixels})
    if columns["id"] == AUTO:
        id_ = _only(table, "id", [place for place in rest if names[place].lower() in ID_NAMES])
        rest = [place for place in rest if place != id_]
    if columns["label"] == AUTO:
        found = [place for place in rest if names[place].lower() in LABEL_NAMES]
        label = _only(table, "label", found)
        if label is None:
            one_hot = _one_hot_by_name(table, rest)
        rest = [place for place in rest if place != label and place not in dict(one_hot)]
    if rest:
        _ask_for_columns(table, rest, no_label=label is None and not one_hot, no_id=id_ is None)
    if table.needed and label is None and not one_hot:
        raise InputError(
            f"{table.where}: no column label: is this a test file? For a train file, name the label column, "
            "columns: {label: NAME}, or the file that has the labels, labels_csv: PATH, under data: in the "
            "configuration"
        )
    return _Columns(pixels, label, one_hot, id_, grid)


def _label_or_id(table: Table, label: int | None, id_: int | None) -> int | None:
    """The column of the labels; in a test file its place may be that of the ids."""
    if label is None or label != id_:
        return label
    if table.needed:
        raise ConfigError(
            f"data.columns: label and id are the same column of {table.path}, column {label}; leave one out"
        )
    return None


def _chosen_label(table: Table, label: str | int | list | None) -> tuple[int | None, list[tuple[int, str]]]:
    """The column of the labels, or those of a one-hot label, as the configuration says."""
    if label == AUTO:
        return None, []
    wanted = label if isinstance(label, list) else [label]
    places = [table.place(column) for column in wanted]
    if None in places:
        if table.needed:
            names = abbreviated(table.names) if table.names else f"{table.width} columns without names"
            raise InputError(
                f"{table.where}: no column {wanted[places.index(None)]!r}, which data.columns.label "
                f"names; there are {names}"
            )
        return None, []
    if not isinstance(label, list):
        return places[0], []
    classes = [table.names[place] if table.names else str(k) for k, place in enumerate(places)]
    return None, list(zip(places, _without_common_start(classes), strict=True))


def _holds_no_label(table: Table, others: set[int | None]) -> bool:
    """Whether a test file has ids or pixels where the configuration says that there are labels.

    `others`: the places of what else it names. A pixel may have the name of the label, too: in R, the first
    column of every file without names becomes V1.
    """
    label, image = table.columns["label"], table.image
    wanted = label if isinstance(label, list) else [label]
    places = [] if label == AUTO else [table.place(column) for column in wanted]
    if not places or None in places:
        return False
    names = [table.names[place] for place in places]
    found = zip(wanted, names, strict=True)
    if any(isinstance(column, int) and name.lower() in ID_NAMES for column, name in found):
        return True
    pattern = pixel_groups(table.names, [*range(table.width)])[1]
    matches = [pattern.fullmatch(name) for name in table.names]
    stem = matches[places[0]] and matches[places[0]]["stem"]
    alike = {at for at, match in enumerate(matches) if match and match["stem"] == stem} - others
    if image["channels"] == AUTO:
        image = {**image, "channels": 1}  # colour must be in the configuration
    if (
        {*places} < alike
        and possible_sizes(len(alike), image)
        and not possible_sizes(len(alike - {*places}), image)
    ):
        table.reasons.append(f"no label, because there are pixels at its place: {abbreviated(names)}")
        return True
    return False


def _without_common_start(names: list[str]) -> list[str]:
    """What tells names like class_0 and class_1 apart."""
    match = [ONE_HOT_NAME.fullmatch(name) for name in names]
    return [found[2] for found in match] if all(match) else names


def _only(table: Table, kind: str, found: list[int]) -> int | None:
    """The one place among those found, None if there is none."""
    names = table.names
    if len(found) > 1:
        if len({names[place] for place in found}) < len(found):
            raise InputError(
                f"{table.where}: more than one column is called {names[found[0]]!r}: keep one of them"
            )
        readings = []
        for place in found:
            others = ", ".join(as_yaml(names[other]) for other in found if other != place)
            line = f"columns: {{{kind}: {as_yaml(names[place])}, ignore: [{others}]}}"
            readings.append((line, f"{names[place]} is the {kind}"))
        ask_which(f"{table.where}: more than one column may be the {kind}", readings)
    return found[0] if found else None


def _one_hot_by_name(table: Table, rest: list[int]) -> list[tuple[int, str]]:
    """Columns like class_0, class_1, ... of which each row has one 1.

    Of two columns, one that is always 1 may be anything.
    """
    match = {place: found for place in rest if (found := ONE_HOT_NAME.fullmatch(table.names[place]))}
    if len(match) < 2 or not table.is_one_hot([*match], sorted_=len(match) > 2):
        return []
    return [(place, found[2]) for place, found in match.items()]


def _ask_for_columns(table: Table, rest: list[int], no_label: bool, no_id: bool) -> NoReturn:
    """Ask what the columns are that are no pixels."""
    names = table.names
    readings = []
    if no_label and table.needed and len(rest) > 1 and table.is_one_hot(rest, sorted_=True):
        listed = ", ".join(as_yaml(names[place]) for place in rest)
        readings.append((f"columns: {{label: [{listed}]}}", "a column for each class, one of which is 1"))
        if len(rest) > 3 or table.is_one_hot(rest):
            ask_which(table.where, [*readings, (f"columns: {{ignore: [{listed}]}}", "they are not needed")])
    unnamed = [place for place in rest if not names[place] or names[place].startswith("Unnamed: ")]
    if len(rest) > 3 or (len({*names}) < len(names) and not unnamed):
        doubled = [name for name, count in Counter(names[place] for place in rest).items() if count > 1]
        known = f"; more than once: {abbreviated(doubled)}" if doubled else ""
        raise InputError(
            f"{table.where}: columns not known: {abbreviated([names[place] for place in rest])}{known}: if "
            "they are not needed, list them in data.columns.ignore of the configuration"
        )
    for place in rest:
        # By its name, even an empty one: the test file has it in another place.
        column = as_yaml(names[place]) if names[place] or names.count("") == 1 else place
        name = names[place] or "the column without a name"
        index = ", such as the row numbers that pandas writes" if place in unnamed else ""
        readings.append((f"columns: {{ignore: [{column}]}}", f"{name} is not needed{index}"))
        if no_id:
            readings.append((f"columns: {{id: {column}}}", f"{name} has the ids of the images"))
        if no_label:
            readings.append((f"columns: {{label: {column}}}", f"{name} has the labels"))
    ask_which(f"{table.where}: columns not known: {abbreviated([names[place] for place in rest])}", readings)


def _ask_for_ids(where: str, name: str, place: int) -> NoReturn:
    """Ask about a test file's column at the place of the label, named like neither ids nor labels."""
    quoted = json.dumps(name, ensure_ascii=False)
    ask_which(
        where,
        [
            (f"columns: {{label: {place}, id: {quoted}}}", f"{name} has ids, where train has labels"),
            (f"columns: {{label: {quoted}}}", f"{name} has labels, as in the training file"),
        ],
    )


# Columns by place


def _placed_columns(table: Table, classes: Sequence[str] | None) -> _Columns:
    """The columns of a file without a header; `classes` as in `Layout`."""
    columns = table.columns if table.needed else _with_or_without_label(table, classes)
    found = _columns_at(table, columns)
    if not found.pixels:
        raise InputError(f"{table.where}: no columns of pixels are left: correct data.columns")
    table.reasons.append(f"pixels: {len(found.pixels)} columns, in their order")
    return found


def _with_or_without_label(table: Table, classes: Sequence[str] | None) -> Mapping[str, Any]:
    """What `data.columns` means in a test file: the same places, or those without the label's.

    InputError: it may mean either, or another column than the label may be missing.
    """
    columns, image = table.columns, table.image
    label, others = _places_told(columns)
    without = _without(table, columns, label)
    # An id at the place of the label also says that the label is missing.
    if not label or columns["id"] in label or without is None:
        return columns
    same, moved = (_columns_at(table, told) for told in (columns, without))
    if not possible_sizes(len(moved.pixels), image):
        return columns
    where = f"{table.where}: {table.width:,} columns"
    if same != moved and possible_sizes(len(same.pixels), image):
        if absent := [place for place in (*label, *others) if table.place(place) is None]:
            way = "behind the label from the end, where -1 is the last column"
            if absent[0] < 0:
                way = "before the label from the start, where 0 is the first column"
            raise InputError(
                f"{where}, and data.columns names the one at {absent[0]}: is this column missing here, or "
                f"the label? Give the places {way}, or give the files headers"
            )
        return columns
    for other in others:
        if (told := _without(table, columns, [other])) is None:
            continue
        found = _columns_at(table, told)
        fits = found.pixels != moved.pixels and possible_sizes(len(found.pixels), image)
        if fits and found.label is not None and _may_be_labels(table.cells(found.label), classes):
            raise InputError(
                f"{where}, one fewer than in the training file: is the label missing here, or the column at "
                f"{other}? Column {found.label + 1} may be the label, here {table.seen(found.label)}; "
                "give the files headers, or give this one all columns of the training file but the label"
            )
    return without


def _may_be_labels(texts: list[str], classes: Sequence[str] | None) -> bool:
    """Whether these are different labels; a pixel at the edge of an image, where it stands, hardly varies."""
    labels = {*map(label_of, texts)}
    return len(labels) > 1 and not any(label_fault(label, classes) for label in labels)


def _columns_at(table: Table, columns: Mapping[str, Any]) -> _Columns:
    """The columns at the places that `columns` says; the others are pixels."""
    label, one_hot = _chosen_label(table, columns["label"])
    # A name is for a test file that has a header.
    id_ = None if isinstance(columns["id"], str) else table.place(columns["id"])
    label = _label_or_id(table, label, id_)
    ignored = [table.place(column) for column in columns["ignore"]]
    taken = {*ignored, label, id_, *(place for place, _ in one_hot)}
    left = [place for place in range(table.width) if place not in taken]
    if columns["label"] == AUTO:
        label, one_hot = _label_by_content(table, left)
    pixels = [place for place in left if place != label and place not in dict(one_hot)]
    return _Columns(pixels, label, one_hot, id_, None)


def _places_told(columns: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """The places that the configuration names: those of the label, and the others."""
    label = columns["label"] if isinstance(columns["label"], list) else [columns["label"]]
    others = [columns["id"], *columns["ignore"]]
    return [at for at in label if isinstance(at, int)], [at for at in others if isinstance(at, int)]


def _without(table: Table, columns: Mapping[str, Any], gone: list[int]) -> dict[str, Any] | None:
    """What `columns` says where the columns at the places `gone` are missing: those behind them move up.

    None: even with these, there would be no such places.
    """
    width = table.width + len(gone)
    missing = [from_start(place, width) for place in gone]
    if None in missing:
        return None

    def moved(column: int | str) -> int | str | None:
        at = from_start(column, width) if isinstance(column, int) else None
        if at is None:
            return column
        return None if at in missing else at - sum(place < at for place in missing)

    label = columns["label"]
    return {
        "label": [*map(moved, label)] if isinstance(label, list) else moved(label),
        "id": moved(columns["id"]),
        "ignore": [*map(moved, columns["ignore"])],
    }


def _label_by_content(table: Table, left: list[int]) -> tuple[int | None, list[tuple[int, str]]]:
    """The label among columns without names, if the first rows leave only one reading."""
    image, needed = table.image, table.needed
    words = [
        place for place in left if any(hot_of(row[place]) is None for row in table.rows if place < len(row))
    ]
    if len(words) == 1 and possible_sizes(len(left) - 1, image):
        if not needed:
            ask_which(
                f"{table.where}: no header, and words in column {words[0] + 1}, {table.seen(words[0])}",
                (
                    (f"columns: {{id: {words[0]}}}", "it has the ids of the images"),
                    (f"columns: {{label: {words[0]}}}", "it has the labels"),
                ),
            )
        return words[0], []
    if words:
        listed = ", ".join(str(place + 1) for place in words[:5]) + ", ..." * (len(words) > 5)
        raise InputError(
            f"{table.where}: words in column{'s' * (len(words) > 1)} {listed}, and no header: give the "
            "places of the label and of what to ignore, such as columns: {label: 0, ignore: [1]}, under "
            "data: in the configuration"
        )
    if not needed and possible_sizes(len(left), image):
        return None, []
    if possible_sizes(len(left) - 1, image):
        first, last = left[0], left[-1]
        readings = [
            (f"columns: {{label: {line}}}", f"the {end} column is the label, here {table.seen(place)}")
            for line, end, place in ((0, "first", first), (-1, "last", last))
        ]
        if not needed:
            readings.append(("columns: {id: 0}", "the first column has the ids of the images"))
        ask_which(
            f"{table.where}: no header, and {len(left):,} columns: one more than an image has", readings
        )
    if needed and possible_sizes(len(left) - 2, image) and _counts_rows(table.cells(left[0])):
        readings = [
            (f"columns: {{label: {line}, ignore: [0]}}", f"the {end} is the label, here {table.seen(place)}")
            for line, end, place in ((1, "second column", left[1]), (-1, "last column", left[-1]))
        ]
        ask_which(
            f"{table.where}: no header, and {len(left):,} columns, the first of which counts the rows",
            readings,
        )
    found = _one_hot_by_content(table, left)
    if len(found) == 1:
        return None, [(place, str(number)) for number, place in enumerate(found[0])]
    if needed and possible_sizes(len(left), image):
        raise InputError(
            f"{table.where}: {len(left):,} columns are an image without a label: is this a test file? If the "
            "labels are in a file of their own, write labels_csv: PATH under data: in the configuration"
        )
    return None, []  # no size fits, as `decide_size` will say


def _counts_rows(texts: list[str]) -> bool:
    """Whether these are the numbers of rows, as pandas writes them."""
    return len(texts) > 2 and any(texts == [*map(str, range(first, first + len(texts)))] for first in (0, 1))


def _one_hot_by_content(table: Table, left: list[int]) -> list[list[int]]:
    """The runs of columns at either end that hold one 1 per row and leave an image."""
    return [
        places
        for count in range(2, min(len(left), len(table.rows) + 1))  # each column needs a row with its 1
        if possible_sizes(len(left) - count, table.image)
        for places in (left[:count], left[-count:])
        if table.is_one_hot(places)
    ]
