"""Further images to predict: a CSV, whose labels are ignored, or a folder of PNG files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digitflow.base.archives import names_in_zip
from digitflow.base.errors import InputError
from digitflow.base.files import PathLike
from digitflow.dataset import conversion, sources
from digitflow.formats import foreign, idx


def convert(source: Path, images: PathLike, ids: PathLike, data: Mapping[str, Any], like: PathLike) -> None:
    """Write the images of a CSV or a folder as an IDX file, and their ids, if they have any, to `ids`.

    The ids of a CSV are its own, those of a folder its files' paths below it, sorted. `data` is that section
    of the configuration, `like` the IDX file of the training images. InputError: what `source` holds is not
    such images.
    """
    if not source.is_dir():
        _refuse_pictures(source)
        found = conversion.read_csv(source, data, train=False, labels=False)
    else:
        found = sources.read_pictures_below(source)
        if data.get("source") == "folder":  # then they are like those to train on
            found = sources.as_told(found, data, train=False, check=False)
    sources.check_channels(found, data)
    sources.check_like(found, idx.read_header(like, idx.IMAGES)[1:], like)
    conversion.to_idx(found, data, images, ids=ids)


def _refuse_pictures(source: Path) -> None:
    """InputError: a file is no CSV, but has images that can be trained on with another `data.source`."""
    names = [name for name in names_in_zip(source) if not name.endswith("/")]
    if names and all(name.lower().endswith(".png") for name in names):
        kind, way_on = "a zip archive of PNG files", "unpack it and name the folder"
    elif foreign.is_png(source):
        kind, way_on = "a PNG picture", "name the folder that it is in"
    elif foreign.is_idx(source):
        kind, way_on = "an IDX file", "save its images as one of these"
    else:
        return
    raise InputError(f"{source}: {kind}; `predict` takes CSVs and folders of PNG files: {way_on}")
