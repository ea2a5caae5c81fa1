"""Read the PNG trees, IDX files, lists and RecordIO files back and compare them with each other."""

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from digitflow import idx, lst, png, rec
from digitflow.errors import FormatError
from digitflow.progress import Progress
from digitflow.trees import read_files

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
    """Compare one data set in all its forms; return counts. FormatError names the file and the image that differ.

    Checked: the lists together name exactly the tree's images and give the labels of their folders; every PNG
    has the pixels of its IDX row; `recs[k]`, the (.rec, .idx) parts of `listings[k]` in order, hold the PNG
    files' own bytes, the list's indices and labels. An image that the user relabelled or deleted is counted,
    not an error.
    """
    rows, *_ = idx.read_header(images_idx)
    read = [lst.read(path) for path in listings]
    _compare_tree(lst.scan_tree(tree, root, classes, rows), read, listings)
    images = sum(map(len, read))
    counts = {"rows": rows, "images": images, "deleted": rows - images, "relabelled": 0, "records": 0}
    with Progress(f"verify {tree}", images, "images") as progress:
        for k, listing in enumerate(read):
            records = _records(recs[k]) if recs else None
            for at, pixels, data in _walk(images_idx, listing, root):
                _compare_pixels(
                    pixels, data, f"{root}/{listing.path[at]}", images_idx, int(listing.index[at])
                )
                if records is not None:
                    _compare_record(next(records, None), listing, at, data, listings[k])
                    counts["records"] += 1
                progress.advance(1)
            if records is not None and (extra := next(records, None)):
                raise FormatError(
                    f"{extra[0]}: index {extra[1].index}: more records than {listings[k]} has lines"
                )
    if labels_idx is not None:
        labels = idx.read(labels_idx)
        if labels.shape != (rows,):
            raise FormatError(f"{labels_idx}: shape {labels.shape}; {images_idx} has {rows} images")
        counts["relabelled"] = sum(int((labels[part.index - 1] != part.label).sum()) for part in read)
    return counts


def _compare_tree(tree: lst.Listing, read: list[lst.Listing], names: Sequence[PathLike]) -> None:
    """The lists must name the tree's images, each once and with the label of its folder."""
    listed = {}
    for part, name in zip(read, names, strict=True):
        for index, label, path in zip(part.index.tolist(), part.label.tolist(), part.path, strict=True):
            if index in listed:
                raise FormatError(f"{name}: image {index} is in {listed[index][2]} too")
            listed[index] = label, path, name
    for index, label, path in zip(tree.index.tolist(), tree.label.tolist(), tree.path, strict=True):
        if index not in listed:
            raise FormatError(f"{path}: image {index} is in none of the lists; make them again")
        listed_label, listed_path, name = listed.pop(index)
        if (listed_label, listed_path) != (label, path):
            raise FormatError(
                f"{name}: image {index}: label {listed_label}, {listed_path}; "
                f"the tree has label {label}, {path}; make the lists again"
            )
    if listed:
        index, (_, path, name) = next(iter(listed.items()))
        raise FormatError(f"{name}: image {index}: {path} is not in the tree; make the lists again")


def _walk(
    images_idx: PathLike, listing: lst.Listing, root: PathLike
) -> Iterator[tuple[int, np.ndarray, bytes]]:
    """Yield place in the listing, pixels of the IDX row, and contents of the PNG file."""
    files = read_files(listing.path, root)
    first, at = 1, 0
    for block in idx.read_blocks(images_idx):
        end = int(np.searchsorted(listing.index, first + len(block)))
        for at, data in zip(range(at, end), files, strict=False):
            yield at, block[listing.index[at] - first], data
        first, at = first + len(block), end


def _compare_pixels(pixels: np.ndarray, data: bytes, where: str, images_idx: PathLike, index: int) -> None:
    found = png.decode(data, where)
    if found.shape != pixels.shape:
        raise FormatError(f"{where}: shape {found.shape}; {images_idx} has {pixels.shape}")
    if not np.array_equal(found, pixels):
        y, x = np.argwhere(found != pixels)[0]
        raise FormatError(
            f"{where}: row {y}, column {x} is {found[y, x]}; image {index} of {images_idx} has {pixels[y, x]} there"
        )


def _records(parts: Iterable[tuple[PathLike, PathLike]]) -> Iterator[tuple[PathLike, rec.Record]]:
    """Yield name of the file and record, over all parts, each part verified first."""
    for rec_path, idx_path in parts:
        rec.verify(rec_path, idx_path)
        for record in rec.read(rec_path):
            yield rec_path, record


def _compare_record(
    found: tuple[PathLike, rec.Record] | None, listing: lst.Listing, at: int, data: bytes, name: PathLike
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
