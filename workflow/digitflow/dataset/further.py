"""Further images to predict: a CSV without labels, or a folder of PNG files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.errors import InputError
from digitflow.base.files import atomic_open
from digitflow.formats import idx, pixelcsv, png

PathLike = str | os.PathLike


def convert(source: Path, images: PathLike, names: PathLike, data: Mapping[str, Any]) -> None:
    """Write the images of a CSV or a folder as an IDX file, and their ids, one per line, to `names`.

    The ids of a CSV are its rows from 1, those of a folder its files' paths below it, sorted. `data` is that
    section of the configuration. InputError: what `source` holds is not such images.
    """
    if source.is_dir():
        ids = _convert_folder(source, images, data)
    else:
        spec = pixelcsv.Spec(**data["image"], classes=data["classes"], labelled=False)
        ids = map(str, range(1, pixelcsv.csv_to_idx(source, images, spec, invert=data["invert"]) + 1))
    with atomic_open(names, "w") as file:
        file.writelines(f"{name}\n" for name in ids)


def _convert_folder(folder: Path, images: PathLike, data: Mapping[str, Any]) -> list[str]:
    files = sorted(path for path in folder.rglob("*.png") if not path.name.startswith("."))
    if not files:
        raise InputError(f"{folder}: no PNG file in it")
    shape = (data["image"]["height"], data["image"]["width"])
    with idx.Writer(images, shape) as writer:
        for path in files:
            image = png.decode(path.read_bytes(), str(path))
            if image.shape != shape:
                size, wanted = (" x ".join(map(str, one)) for one in (image.shape, shape))
                raise InputError(f"{path}: {size} pixels; the configuration has {wanted} (data.image)")
            writer.append(np.ascontiguousarray(~image if data["invert"] else image)[None])
    return [str(path.relative_to(folder)) for path in files]
