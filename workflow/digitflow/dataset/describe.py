"""What a file of images is, what was decided about it, and the configuration that reads it."""

import json
import math
import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.errors import DigitflowError, InputError
from digitflow.base.files import atomic_path
from digitflow.dataset import columns, sources
from digitflow.dataset.classes import in_natural_order
from digitflow.dataset.conversion import Source
from digitflow.formats import foreign, labelscsv, pixelcsv
from digitflow.formats.layout import Layout, size_in_words

PathLike = str | os.PathLike
SHEET = 100  # images, ten in a row
CELL = 56  # pixels of an image on the sheet, at least
GAP = 4
MAX_CLASSES = 50  # listed with their counts


def describe(path: PathLike, data: Mapping[str, Any], sheet: PathLike | None = None) -> str:
    """Say what a file or folder is, in some lines of text; draw its first hundred images as a PNG file.

    `data`: that section of the configuration. What cannot be read is said as well; then there is no sheet.
    """
    path = Path(path)
    if members := _tables_in(path):
        return "\n\n".join(describe(path / member, data) for member in members)
    try:
        return _describe(path, data, sheet)
    except DigitflowError as error:
        return f"{path}\n{_indented(str(error).splitlines())}"


def _tables_in(path: Path) -> list[str]:
    """The names of the CSVs in a zip archive that has several."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
    tables = [name for name in names if name.lower().endswith(".csv")]
    return tables if len(tables) > 1 else []


def _describe(path: Path, data: Mapping[str, Any], sheet: PathLike | None) -> str:
    if path.is_dir():
        labelled = any(entry.is_dir() for entry in path.iterdir())
        return _report(path, sources.read_folder(path, labelled), "a folder of PNG files", [], [], sheet)
    if path.is_file() and foreign.is_idx(path):
        return _report(path, sources.read_idx(path), "an IDX file", [], [], sheet)
    if submission := _as_submission(path):
        return submission
    layout = _decide(path, data)
    source = Source(f"{path}", layout.shape, pixelcsv.read_blocks(layout))
    kind = "a pixel CSV with labels" if layout.labelled else "a pixel CSV without labels: a test file"
    return _report(path, source, kind, layout.reasons, configuration(layout), sheet)


def _decide(path: Path, data: Mapping[str, Any]) -> Layout:
    """The layout of a train file or, where it cannot be one, of a test file."""
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
    return (
        f"{path}\n  a submission or solution: {header}, {len(form.ids):,} rows, ids {form.ids[0]} to "
        f"{form.ids[-1]}\n\n  submission: {{sample: {json.dumps(str(path))}}}"
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
    if sheet is not None and first:
        draw_sheet(sheet, np.array(first))
    used = np.flatnonzero(values)
    told = [
        f"{kind}: {rows:,} rows, {size_in_words(source.shape)}",
        f"pixels: {len(used)} different values from {used.min()} to {used.max()}, as bytes" if rows else "",
        f"duplicates: {rows - len(digests):,} images are the same as an earlier one",
        *([_classes(counts)] if counts else []),
        *(f"decided: {reason}" for reason in reasons),
    ]
    paste = ["", "the configuration:", "", *lines] if lines else []
    return f"{path}\n{_indented([line for line in told if line] + paste)}"


def _classes(counts: Counter) -> str:
    names = in_natural_order(counts)
    listed = ", ".join(f"{name} ({counts[name]:,})" for name in names[:MAX_CLASSES])
    return f"{len(names):,} classes: {listed}{', ...' * (len(names) > MAX_CLASSES)}"


def _indented(lines: Iterable[str]) -> str:
    return "\n".join(f"  {line}".rstrip() for line in lines)


def configuration(layout: Layout) -> list[str]:
    """The lines of the configuration that read a file as its layout does, with nothing left to `auto`."""
    key = "train_csv" if layout.labelled else "test_csv"
    left = {*range(len(layout.names))} - {*layout.pixels, layout.label, layout.id}
    ignored = sorted(left - {place for place, _ in layout.one_hot})
    chosen = {"header": layout.header}
    if layout.labelled:
        one_hot = [_name(layout, place) for place, _ in layout.one_hot]
        chosen["label"] = one_hot or _name(layout, layout.label)
    if layout.id is not None:
        chosen["id"] = _name(layout, layout.id)
    if ignored:
        chosen["ignore"] = [_name(layout, place) for place in ignored]
    height, width, *channels = layout.shape
    image = {"height": height, "width": width, "channels": channels[0] if channels else 1}
    if layout.transposed:
        image["transpose"] = True
    lines = [
        "data:",
        "  source: files",
        f"  {key}: {json.dumps(str(layout.path))}",
        f"  columns: {_flow(chosen)}",
        f"  image: {_flow(image)}",
    ]
    if layout.values is not None:
        start, end = layout.values
        lines.append(f"  values: {_flow({'from': start, 'to': end})}")
    return lines


def _flow(mapping: Mapping[str, Any]) -> str:
    """A mapping as YAML on one line."""
    pairs = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in mapping.items())
    return f"{{{', '.join(pairs)}}}"


def _name(layout: Layout, place: int) -> str | int:
    """How the configuration names a column: by its name, where there is one of its own."""
    name = layout.names[place]
    return name if layout.header and name and layout.names.count(name) == 1 else place


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
