"""Read IDX files, lists, RecordIO files and PNG trees back, and compare them image by image."""

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import PathLike, write_json
from digitflow.base.progress import Progress
from digitflow.dataset.packing import read_listed
from digitflow.formats import idx, lst, png, recordio

log = logging.getLogger("digitflow")

Parts = Sequence[tuple[PathLike, PathLike]]  # the .rec and .idx of each shard of a list, in order


def by_list(recs: Sequence[PathLike], idxs: Sequence[PathLike], shards: int) -> list[Parts]:
    """The RecordIO files of several lists, `shards` pairs for each."""
    pairs = list(zip(recs, idxs, strict=True))
    return [pairs[start : start + shards] for start in range(0, len(pairs), shards)]


def verify(
    images_idx: PathLike,
    listings: Sequence[PathLike],
    recs: Sequence[Parts],
    tree: PathLike | None = None,
    enlarge: int = 1,
) -> dict[str, int]:
    """Compare one data set in all its forms; return counts.

    Checked: no image is listed twice; `recs[k]` hold the list's indices and labels, and PNG files with the
    pixels of the IDX rows; in the tree, if there is one, the file of each image is the record's own bytes, or
    those of the image enlarged. Images that the user has dropped are counted. FormatError names the file and
    the image that differ.
    """
    rows, *_ = idx.read_header(images_idx, idx.IMAGES)
    read = [lst.read(path) for path in listings]
    _refuse_doubles(read, listings)
    counts = {"rows": rows, "images": sum(map(len, read)), "records": 0}
    counts["dropped"] = rows - counts["images"]
    root = Path(tree).parent if tree else None
    with Progress(f"{images_idx}: verify", counts["images"], "images") as progress:
        for name, listing, parts in zip(listings, read, recs, strict=True):
            records = _records(parts)
            images = itertools.chain.from_iterable(read_listed(images_idx, listing.index))
            for at, pixels in enumerate(images):
                record = _compare_record(next(records, None), listing, at, pixels, name)
                if root:
                    _compare_file(root / listing.path[at], record, pixels, enlarge, tree)
                counts["records"] += 1
                progress.advance(1)
            if extra := next(records, None):
                raise FormatError(f"{extra[0]}: image {extra[1].index}: {name} has no line for this record")
    return counts


def write_report(path: PathLike, report: Mapping[str, Mapping[str, int]]) -> None:
    """Write and log the counts of each data set."""
    for name, counts in report.items():
        log.info(f"{name}: " + ", ".join(f"{count:,} {what}" for what, count in counts.items()))
    write_json(path, report)


def _refuse_doubles(read: Sequence[lst.Listing], names: Sequence[PathLike]) -> None:
    """No image may be listed twice, in one list or in two."""
    index = np.sort(np.concatenate([listing.index for listing in read]))
    for image in index[1:][index[1:] == index[:-1]]:
        lists = [str(name) for name, part in zip(names, read, strict=True) if image in part.index]
        raise FormatError(
            f"{' and '.join(lists)}: image {image} is listed twice; delete the lists and run again"
        )


def _records(parts: Iterable[tuple[PathLike, PathLike]]) -> Iterator[tuple[PathLike, recordio.Record]]:
    """Yield name of the file and record, over all parts, each record verified first."""
    for rec_path, idx_path in parts:
        for record, _ in recordio.read_verified(rec_path, idx_path):
            yield rec_path, record


def _compare_record(
    found: tuple[PathLike, recordio.Record] | None,
    listing: lst.Listing,
    at: int,
    pixels: np.ndarray,
    name: PathLike,
) -> recordio.Record:
    index, label = int(listing.index[at]), int(listing.label[at])
    if found is None:
        raise FormatError(f"{name}: line {at + 1}: image {index} has no record")
    rec_path, record = found
    where = f"{rec_path}: record of image {record.index} at byte {record.offset}"
    if record.index != index:
        raise FormatError(f"{where}: line {at + 1} of {name} is image {index}")
    if record.labels.tobytes() != np.float32(label).tobytes():  # as bytes: -0 is not 0
        raise FormatError(f"{where}: labels {record.labels.tolist()}; {name} has {label}")
    image = png.decode(record.payload, where)
    if image.shape != pixels.shape:
        raise FormatError(f"{where}: shape {image.shape}; the IDX file has {pixels.shape}")
    if not np.array_equal(image, pixels):
        place = tuple(np.argwhere(image != pixels)[0])
        raise FormatError(
            f"{where}: at {place[0]}, {place[1]}: {image[place]}; the IDX file has {pixels[place]}"
        )
    return record


def _compare_file(
    path: Path, record: recordio.Record, pixels: np.ndarray, enlarge: int, tree: PathLike
) -> None:
    file = record.payload if enlarge == 1 else png.encode_enlarged(pixels[np.newaxis], enlarge)[0]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(
            f"{path}: cannot be read: {error.strerror}; make it again: snakemake -j2 trees"
        ) from error
    if data != file:
        raise FormatError(
            f"{path}: not the image of its record. To restore it, empty the file and delete "
            f"{tree}.sfv; then: snakemake -j2 trees"
        )
