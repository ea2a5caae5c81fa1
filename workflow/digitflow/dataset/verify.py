"""Read the PNG trees, IDX files, lists and RecordIO files back and compare them with each other."""

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.progress import Progress
from digitflow.dataset.trees import read_files
from digitflow.formats import idx, lst, png, recordio

PathLike = str | os.PathLike


def verify(
    images_idx: PathLike,
    tree: PathLike,
    root: PathLike,
    listings: Sequence[PathLike],
    recs: Sequence[Sequence[tuple[PathLike, PathLike]]] = (),
    labels_idx: PathLike | None = None,
    classes: int | None = None,
) -> dict[str, int]:
    """Compare one data set in all its forms; return counts.

    Checked: the lists together name exactly the tree's images and give the labels of their folders; every PNG
    has the pixels of its IDX row; `recs[k]`, the (.rec, .idx) parts of `listings[k]` in order, hold the PNG
    files' own bytes, the list's indices and labels. An image that the user relabelled or deleted is counted,
    not an error. FormatError names the file and the image that differ.
    """
    rows, *_ = idx.read_header(images_idx, ndim=3)
    there = lst.scan_tree(tree, root, classes, rows)
    read = [lst.read(path) for path in listings]
    _compare_tree(there, read, listings)
    counts = {"rows": rows, "images": len(there), "deleted": rows - len(there), "relabelled": 0, "records": 0}
    if labels_idx is not None:
        labels = idx.read_labels(labels_idx, rows, classes)
        counts["relabelled"] = int((labels[there.index - 1] != there.label).sum())
    with Progress(f"{tree}: verify", len(there), "images") as progress:
        for name, listing, parts in zip(listings, read, recs or [None] * len(read), strict=True):
            records = None if parts is None else _records(parts)
            for at, data in _compare_pixels(images_idx, listing, root):
                if records:
                    _compare_record(next(records, None), listing, at, data, name)
                    counts["records"] += 1
                progress.advance(1)
            if records and (extra := next(records, None)):
                raise FormatError(f"{extra[0]}: image {extra[1].index}: {name} has no line for this record")
    return counts


def _compare_tree(there: lst.Listing, read: list[lst.Listing], names: Sequence[PathLike]) -> None:
    """The lists must name the tree's images, each once and with the label and path that it has there."""

    def named(image: int) -> str:
        lists = [str(name) for name, part in zip(names, read, strict=True) if image in part.index]
        return f"{' and '.join(lists)}: image {image}"

    index, label = (np.concatenate([getattr(part, column) for part in read]) for column in ("index", "label"))
    path = [path for part in read for path in part.path]
    order = np.argsort(index)
    index, label = index[order], label[order]
    for image in index[1:][index[1:] == index[:-1]]:
        raise FormatError(f"{named(image)} is listed twice")
    for image in np.setdiff1d(index, there.index):
        raise FormatError(f"{named(image)} is not in the tree; make the lists again")
    for row in np.flatnonzero(~np.isin(there.index, index)):
        raise FormatError(f"{there.path[row]}: image {there.index[row]} is in no list; make them again")
    for row, at in enumerate(order.tolist()):
        if label[row] != there.label[row] or path[at] != there.path[row]:
            raise FormatError(
                f"{named(index[row])}: label {label[row]}, {path[at]}; in the tree: "
                f"label {there.label[row]}, {there.path[row]}; make the lists again"
            )


def _compare_pixels(
    images_idx: PathLike, listing: lst.Listing, root: PathLike
) -> Iterator[tuple[int, bytes]]:
    """Compare every PNG file with its IDX row; yield its place in the listing and its contents."""
    files = read_files(listing.path, root)
    first, start = 1, 0
    for block in idx.read_blocks(images_idx):
        stop = int(np.searchsorted(listing.index, first + len(block)))
        for at in range(start, stop):
            data, index, where = next(files), int(listing.index[at]), f"{root}/{listing.path[at]}"
            expected, found = block[index - first], png.decode(data, where)
            if found.shape != expected.shape:
                raise FormatError(f"{where}: shape {found.shape}; {images_idx} has {expected.shape}")
            if not np.array_equal(found, expected):
                y, x = np.argwhere(found != expected)[0]
                raise FormatError(
                    f"{where}: row {y}, column {x}: {found[y, x]}; "
                    f"image {index} of {images_idx} has {expected[y, x]}"
                )
            yield at, data
        first, start = first + len(block), stop


def _records(parts: Iterable[tuple[PathLike, PathLike]]) -> Iterator[tuple[PathLike, recordio.Record]]:
    """Yield name of the file and record, over all parts, each part verified first."""
    for rec_path, idx_path in parts:
        recordio.verify(rec_path, idx_path)
        for record in recordio.read(rec_path):
            yield rec_path, record


def _compare_record(
    found: tuple[PathLike, recordio.Record] | None, listing: lst.Listing, at: int, data: bytes, name: PathLike
) -> None:
    index, label, path = int(listing.index[at]), int(listing.label[at]), listing.path[at]
    if found is None:
        raise FormatError(f"{name}: line {at + 1}: image {index} has no record")
    rec_path, record = found
    where = f"{rec_path}: record of image {record.index} at byte {record.offset}"
    if record.index != index:
        raise FormatError(f"{where}: line {at + 1} of {name} is image {index}")
    if record.labels.tolist() != [label]:
        raise FormatError(f"{where}: labels {record.labels.tolist()}; {name} has {label}")
    if record.payload != data:
        raise FormatError(f"{where}: not the bytes of {path}; pack it again")
