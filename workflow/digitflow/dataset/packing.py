"""RecordIO files of a list, packed from an IDX file: the PNG files' own bytes, without a tree."""

import itertools
from collections.abc import Iterator

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import PathLike
from digitflow.formats import idx, png, recordio
from digitflow.formats.lst import Listing

BATCH = 1024  # images read at a time: few enough to stay in the processor's cache


def pack(rec_path: PathLike, idx_path: PathLike, listing: Listing, images_idx: PathLike) -> None:
    """Pack the rows of a listing: byte for byte what `im2rec.py --pass-through` makes of the same list and
    tree.

    Raises as `read_listed`.
    """
    blocks = read_listed(images_idx, listing.index)
    contents = itertools.chain.from_iterable(map(png.encode, blocks))
    rows = zip(listing.index.tolist(), listing.label.tolist(), contents, strict=True)
    recordio.write(rec_path, idx_path, rows, len(listing))


def read_listed(images_idx: PathLike, index: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the images of an IDX file whose rows, from 1 and ascending, are in `index`: uint8 (k, ...).

    FormatError: there is no such row.
    """
    count, *_ = idx.read_header(images_idx, idx.IMAGES)
    if len(index) and index[-1] > count:
        raise FormatError(f"{images_idx}: {count} images; the list has image {index[-1]}")
    first = 1
    for block in idx.read_blocks(images_idx, BATCH):
        start, stop = np.searchsorted(index, (first, first + len(block)))
        yield block[index[start:stop] - first]
        first += len(block)
