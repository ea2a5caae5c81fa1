"""Further images to predict: a CSV, whose labels are not looked at, or a folder of PNG files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digitflow.dataset import conversion, sources
from digitflow.formats import idx

PathLike = str | os.PathLike


def convert(source: Path, images: PathLike, ids: PathLike, data: Mapping[str, Any], like: PathLike) -> None:
    """Write the images of a CSV or a folder as an IDX file, and their ids, if they have any, to `ids`.

    The ids of a CSV are its own, those of a folder its files' paths below it, sorted. `data` is that section
    of the configuration, `like` the IDX file of the training images. InputError: what `source` holds is not
    such images.
    """
    if not source.is_dir():
        found = conversion.read_csv(source, data, train=False, labels=False)
    else:
        found = sources.read_pictures_below(source)
        if data.get("source") == "folder":  # then they are like those to train on
            found = sources.as_told(found, data, check=False)
    sources.check_channels(found, data)
    sources.check_like(found, idx.read_header(like, idx.IMAGES)[1:], like)
    conversion.to_idx(found, data, images, ids=ids)
