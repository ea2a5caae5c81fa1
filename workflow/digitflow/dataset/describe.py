"""Say what a file of images is, what was decided about it, and which configuration reads it."""

import json
import math
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.archives import names_in_zip, split_member
from digitflow.base.errors import DigitflowError, InputError
from digitflow.base.files import PathLike, atomic_path
from digitflow.dataset import classes as class_names
from digitflow.dataset import columns, image_size, sources
from digitflow.dataset.conversion import Source, warned_of_planes
from digitflow.dataset.locations import LEFT_BEHIND, idx_files, names_of_classes
from digitflow.formats import foreign, labelscsv, pixelcsv
from digitflow.formats.layout import Layout, size_in_words

SHEET = 100  # images, ten in a row
CELL = 56  # pixels of an image on the sheet, at least
GAP = 4
MAX_CLASSES = 50  # listed with their counts


def describe_files(
    paths: Iterable[PathLike], data: Mapping[str, Any], sheet: PathLike | None = None
) -> Iterator[tuple[str, bool]]:
    """Say what files or folders are, in some lines of text each, and whether they can be read; draw their
    first hundred images.

    `data`: that section of the configuration. `sheet`: a PNG file; with several tables, each gets its own,
    numbered, unless it cannot be read. InputError: no such file, or the sheet is no PNG file.
    """
    paths = [*map(Path, paths)]
    within = sheet and any(Path(sheet).resolve().is_relative_to(path.resolve()) for path in paths)
    if sheet and (within or Path(sheet).suffix.lower() != ".png"):
        raise InputError(f"{sheet}: a sheet must be a PNG file of its own, outside of what is described")
    parts = []
    for path in paths:
        if not split_member(path)[0].exists():
            raise InputError(f"{path}: no such file")
        parts += _parts(path)
    for number, path in enumerate(parts, start=1):
        own = sheet and Path(sheet)
        if own and len(parts) > 1:
            own = own.with_name(f"{own.stem}-{number}{own.suffix}")
        try:
            yield _describe(path, data, own), True
        except DigitflowError as error:
            yield f"{path}\n{_indented(str(error).splitlines())}", False


def _parts(path: Path) -> list[Path]:
    """What there is to describe: an archive's CSVs, a folder's train and test images, or the path itself."""
    if path.is_dir():
        if folders := [path / part for part in ("train", "test") if (path / part).is_dir()]:
            return folders
        return sorted(file for part in ("train", "test") for file in idx_files(path, part, "images")) or [
            path
        ]
    tables = [path / name for name in names_in_zip(path) if name.lower().endswith(".csv")]
    return tables if len(tables) > 1 else [path]


def _describe(path: Path, data: Mapping[str, Any], sheet: PathLike | None) -> str:
    if path.is_dir():
        return _describe_pictures(path, data, sheet)
    if path.is_file() and foreign.is_idx(path):
        return _describe_idx(path, data, sheet)
    if submission := _as_submission(path):
        return submission
    first_line = pixelcsv.read_head(path).partition(b"\n")[0]
    if not re.search(rb"\S[,;\s]+\S", first_line) and labelscsv.is_list(path):
        return (
            f"{path}\n  one column: perhaps labels of the training images, for data.labels_csv, or of the "
            "test images, for data.solution_csv"
        )
    layout = _decide(path, data)
    source = Source(f"{path}", layout.shape, warned_of_planes(pixelcsv.read_blocks(layout), layout))
    kind = "a pixel CSV with labels" if layout.labelled else "a pixel CSV without labels: a test file"
    return _report(path, source, kind, layout.reasons, configuration(layout), sheet)


def _describe_pictures(path: Path, data: Mapping[str, Any], sheet: PathLike | None) -> str:
    labelled = any(entry.is_dir() and not LEFT_BEHIND.fullmatch(entry.name) for entry in path.iterdir())
    source = sources.as_told(sources.read_pictures(path, labelled), data, labelled)
    part = "train" if labelled else "test"
    reasons = [
        "label: the name of the folder that a picture is in"
        if labelled
        else "no label: the pictures are not in folders; their names are their ids"
    ]
    whole = path.absolute()
    if whole.name != part:
        reasons.append(f"{part} images are looked for in a folder called {part}: rename this one")
    parent = path.parent if path.name else whole.parent
    lines = _folder_configuration("folder", parent, source.shape, data)
    return _report(path, source, "a folder of PNG files", reasons, lines, sheet)


def _describe_idx(path: Path, data: Mapping[str, Any], sheet: PathLike | None) -> str:
    shape = sources.read_idx_shape(path)
    if len(shape) < 3:
        counts = Counter(sources.read_idx_labels(path))
        return f"{path}\n  an IDX file of labels: {shape[0]:,} rows\n  {_classes(counts)}"
    part = next((part for part in ("train", "test") if path in idx_files(path.parent, part, "images")), None)
    beside = idx_files(path.parent, part, "labels") if part else []
    source = sources.read_idx(path, beside[0] if beside else None)
    colour = ", red, green and blue" * (len(shape) == 4)
    reasons = [f"{len(shape)} dimensions: images, rows, columns{colour}"]
    reasons.append(f"label: in {beside[0].name}" if beside else "no label: no IDX file of labels beside it")
    if beside and (names := names_of_classes(path.parent)):
        reasons.append(f"the labels have their names from {names.name}")
    if part is None:
        reasons.append(
            f"images are looked for under names such as train-images-idx{len(shape)}-ubyte, and labels as "
            "train-labels-idx1-ubyte: rename this file"
        )
    source = sources.as_told(source, data, part != "test")
    return _report(
        path,
        source,
        "an IDX file",
        reasons,
        _folder_configuration("idx", path.parent, source.shape, data),
        sheet,
    )


def _decide(path: Path, data: Mapping[str, Any]) -> Layout:
    """The layout of a train file or, if it cannot be one, of a test file."""
    try:
        return columns.decide(path, data, train=True)
    except InputError as error:
        try:
            return columns.decide(path, data, train=False)
        except InputError:
            raise error from None


def _as_submission(path: Path) -> str | None:
    """What a submission or a solution is, None if the file is neither."""
    if len(pixelcsv.read_head(path).partition(b"\n")[0].split(b",")) != 2:
        return None
    try:
        form = labelscsv.read_sample(path)
    except InputError:
        return None
    header = ",".join(form.header)
    ids = f", ids {form.ids[0]} to {form.ids[-1]}" if form.ids else ""
    archive, name = split_member(path)
    sample, unpack = path, ""
    if name:  # the sample is looked for as a file of its own
        sample = Path(name).name
        unpack = f"  unpack it first: {shlex.join(['unzip', '-j', str(archive), name])}\n"
    return (
        f"{path}\n  a submission or solution: {header}, {len(form.ids):,} rows{ids}\n{unpack}\n"
        f"  submission: {{sample: {json.dumps(str(sample))}}}"
    )


def _report(
    path: Path,
    source: Source,
    kind: str,
    reasons: Iterable[str],
    lines: list[str],
    sheet: PathLike | None,
) -> str:
    rows, counts, values, first, digests = 0, Counter(), np.zeros(256, bool), [], Counter()
    for block in source.blocks:
        rows += len(block.images)
        counts.update(block.labels or ())
        values[np.unique(block.images)] = True
        first += [*block.images[: SHEET - len(first)]]
        digests.update(blake2b(image.tobytes(), digest_size=16).digest() for image in block.images)
    if drawn := sheet is not None and bool(first):
        draw_sheet(sheet, np.array(first))
    used = np.flatnonzero(values)
    told = [
        f"{kind}: {rows:,} rows, {size_in_words(source.shape)}",
        f"pixels: {len(used)} different values from {used.min()} to {used.max()}, as bytes" if rows else "",
        f"duplicates: {rows - len(digests):,} images are the same as an earlier one",
        *([_classes(counts)] if counts else []),
        *(f"decided: {reason}" for reason in reasons),
        f"the first {len(first)} images: {sheet}" if drawn else "",
    ]
    paste = ["", "the configuration:", "", *lines] if lines else []
    return f"{path}\n{_indented([line for line in told if line] + paste)}"


def _classes(counts: Counter) -> str:
    names = class_names.in_natural_order(counts)
    listed = ", ".join(f"{name} ({counts[name]:,})" for name in names[:MAX_CLASSES])
    return f"{len(names):,} classes: {listed}{', ...' * (len(names) > MAX_CLASSES)}"


def _indented(lines: Iterable[str]) -> str:
    return "\n".join(f"  {line}".rstrip() for line in lines)


def configuration(layout: Layout) -> list[str]:
    """The lines of the configuration that read a file as its layout does, with nothing left to `auto`."""
    key = "train_csv" if layout.labelled else "test_csv"
    chosen = {"header": layout.header}
    if layout.labelled:
        one_hot = [_name(layout, place) for place, _ in layout.one_hot]
        chosen["label"] = one_hot or _name(layout, layout.label)
    if layout.id is not None:
        chosen["id"] = _name(layout, layout.id)
    if layout.ignored:
        chosen["ignore"] = [_name(layout, place) for place in layout.ignored]
    height, width, *channels = layout.shape
    image = {"height": height, "width": width, "channels": channels[0] if channels else 1}
    if layout.transposed:
        image["transpose"] = True
    if layout.planar:
        image["planar"] = True
    lines = [
        "data:",
        "  source: files",
        f"  {key}: {json.dumps(str(layout.path))}",
        f"  columns: {_flow(chosen)}",
        f"  image: {_flow(image)}",
    ]
    return lines + _values_line(layout.values)


def _folder_configuration(
    source: str, folder: Path, shape: tuple[int, ...], data: Mapping[str, Any]
) -> list[str]:
    """The lines of the configuration that read the images in a folder."""
    image = {"channels": 3} if len(shape) == 3 else {}
    if image_size.image_of(data)["transpose"]:
        image["transpose"] = True
    lines = ["data:", f"  source: {source}", f"  folder: {json.dumps(str(folder))}"]
    return lines + [f"  image: {_flow(image)}"] * bool(image) + _values_line(columns.values_of(data))


def _values_line(values: tuple[float, float] | None) -> list[str]:
    return [] if values is None else [f"  values: {_flow({'from': values[0], 'to': values[1]})}"]


def _flow(mapping: Mapping[str, Any]) -> str:
    """A mapping as YAML on one line."""
    pairs = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in mapping.items())
    return f"{{{', '.join(pairs)}}}"


def _name(layout: Layout, place: int) -> str | int:
    """How the configuration names a column: by its name, if no other column has the same, else by place."""
    name = layout.names[place]
    return name if layout.header and layout.names.count(name) == 1 else place


def draw_sheet(path: PathLike, images: np.ndarray) -> None:
    """Draw images uint8 (n, h, w) or (n, h, w, 3) in rows of ten, enlarged evenly, as a PNG file."""
    from PIL import Image

    _, height, width, *channels = images.shape
    scale = max(1, math.ceil(CELL / max(height, width)))
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    across = math.isqrt(SHEET)
    down = math.ceil(len(images) / across)
    step_y, step_x = height * scale + GAP, width * scale + GAP
    sheet = np.full((down * step_y + GAP, across * step_x + GAP, *channels), 128, np.uint8)
    for k, image in enumerate(images):
        y, x = GAP + k // across * step_y, GAP + k % across * step_x
        sheet[y : y + height * scale, x : x + width * scale] = image
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
