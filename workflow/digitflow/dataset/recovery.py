"""An inventory that was lost, made again: from the manifest of its tree and the data that the tree shows.

The manifest has the folder and the checksum of every picture, the path of the corrections that the tree
shows, and a digest of all pixels, by which data that have changed since are recognised. The copies of the
corrections that were applied tell what is not yet in the tree. So what a person did in the tree is still told
from what the tool did.
"""

import os
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from digitflow.base.checksums import read_made_from
from digitflow.base.errors import InputError
from digitflow.base.files import PathLike
from digitflow.dataset import applied as last_applied
from digitflow.dataset import classes as class_names
from digitflow.dataset.applied import APPLIED, Applied, same_file
from digitflow.dataset.classes import folder_names, label_of_folder
from digitflow.dataset.inventory import (
    NOWHERE,
    RUN_TREES,
    Inventory,
    move_away,
    read_manifest,
    save_inventory,
    scan,
)
from digitflow.dataset.treetimes import inventory_path
from digitflow.dataset.views import LARGEST, shown_crcs
from digitflow.formats import idx, png
from digitflow.formats.corrections import DROP, OK


def recover_inventory(
    tree: PathLike,
    manifest: PathLike,
    images_idx: PathLike,
    labels_idx: PathLike,
    classes_csv: PathLike,
    source: str = "",
    applied: PathLike = APPLIED,
) -> bool:
    """Write the inventory of a tree of training pictures, as the last update left it, from its manifest.

    The IDX files are those of the training images, `source` the data that they were made from; `applied`:
    the copies of corrections. Returns whether there was all that it takes. InputError: the data have changed
    since the tree was made, so that nobody knows what its pictures show; FormatError: one of the files is
    damaged.
    """
    tree, files = Path(tree), (manifest, images_idx, labels_idx, classes_csv)
    if not (tree.is_dir() and all(map(os.path.exists, files))):
        return False
    lines, shown, digest = read_manifest(manifest)
    images, names = idx.open_memmap(images_idx, idx.IMAGES), folder_names(class_names.read(classes_csv))
    rows, *shape = images.shape
    given = idx.read_labels(labels_idx, rows, len(names)).astype(np.int16)
    names += sorted({folder for folder, _, _ in lines} - {*names})
    codes, digits = {name: code for code, name in enumerate(names)}, len(str(rows))
    place, file_crc = np.full(rows, NOWHERE, np.int16), np.zeros(rows, np.uint32)
    for folder, id_, crc in lines:
        if len(id_) != digits or int(id_) > rows:
            raise _other_images(tree, manifest, images_idx, f"it has no {rows:,} rows")
        place[int(id_) - 1], file_crc[int(id_) - 1] = codes[folder], int(crc, 16)
    crcs = np.array([zlib.crc32(image) for image in images], np.uint32)

    def wanted(copy: Applied) -> np.ndarray:
        return _places(copy, given, names, crcs)

    if shown:
        copy = replace(last_applied.read(shown, applied), path=shown)
    else:  # a manifest of an earlier version: the copy that explains it best; of two that do, the last one
        copies = [*reversed(last_applied.read_copies(applied)), Applied()]
        copy = max(copies, key=lambda copy: np.count_nonzero(wanted(copy) == place))
    # Where these corrections have it otherwise than the tree, an update is still to come. Without copies, all
    # was as the last one wanted it.
    goal = wanted(copy) if Path(applied).exists() else place
    inventory = Inventory(
        names=names,
        given=given,
        place=place,
        file_crc=file_crc,
        pixel_crc=crcs,
        next_place=goal,
        next_pixel_crc=crcs,
        shape=np.array(shape),
        corrections=copy.path,
        source=source,
    )
    if digest != inventory.digest_of_pixels():  # other data, or a manifest of an earlier version
        _check_pictures(tree, manifest, images_idx, images, inventory)
    save_inventory(tree, inventory, times={})  # so that all folders are read
    return True


def data_shown(checksums: PathLike, csv: PathLike | None, source: str | None) -> str:
    """What the converted training images were made from: `source`, which is or is in the file `csv`, or the
    file that the checksums name; "": not known.
    """
    names = [*read_made_from([checksums])] if Path(checksums).exists() else []
    if csv and any(same_file(name, csv) for name in names):
        return source or ""
    return names[0] if names else ""


def check_is_last(tree: PathLike, corrections: PathLike, applied: PathLike = APPLIED) -> None:
    """InputError: other corrections than these were applied last, so that what was done by hand in a tree
    whose inventory cannot be recovered may belong to those.
    """
    copies = last_applied.read_copies(applied)
    if copies and not same_file(own := copies[-1].path, corrections):
        raise InputError(
            f"{inventory_path(tree)}: missing, so {tree} may show {own}, which was used last, and not "
            f"{corrections}; nothing was changed. First set data.corrections: {own} and {RUN_TREES}; or, if "
            f"nothing was done in the tree by hand: {move_away(tree, f'{tree}.sfv')}"
        )


def _check_pictures(
    tree: Path, manifest: PathLike, images_idx: PathLike, images: np.ndarray, inventory: Inventory
) -> None:
    """InputError: a picture was not made from the image that its row has now, as far as can be told."""
    found = scan(tree, inventory)
    sizes = [times for times in range(1, png.MOST_ENLARGED + 1) if max(images.shape[1:3]) * times <= LARGEST]
    for row in np.flatnonzero(inventory.place != NOWHERE).tolist():
        data = b""
        if found.place[row] != NOWHERE:
            with suppress(FileNotFoundError):  # deleted meanwhile
                data = (tree / found.path(row)).read_bytes()
        if inventory.pixel_crc[row] in shown_crcs(data, inventory.shape):
            continue
        # Edited or deleted by hand: what it was is known if the same pixels give the same file, in one size.
        for times in sizes or [1]:
            if zlib.crc32(png.encode_enlarged(images[[row]], times)[0]) == inventory.file_crc[row]:
                sizes = [times, *(other for other in sizes if other != times)]  # probably that of all
                break
        else:
            example = f"{inventory.path(row)} shows no image of row {row + 1}"
            raise _other_images(tree, manifest, images_idx, example)


def _other_images(tree: Path, manifest: PathLike, images_idx: PathLike, example: str) -> InputError:
    return InputError(
        f"{inventory_path(tree)}: missing, and {images_idx} has other images than {manifest}: {example}. So "
        f"what was done by hand in {tree} is not known, and nothing was changed. Move the tree away: "
        f"{move_away(tree, manifest)}; then {RUN_TREES}, and move pictures again in the new tree"
    )


def _places(copy: Applied, given: np.ndarray, names: list[str], crcs: np.ndarray) -> np.ndarray:
    """Where the pictures belong by the corrections in `copy`: int16 (rows,)."""
    codes = {label_of_folder(name): code for code, name in enumerate(names)}
    places = given.copy()
    for line in copy.lines():
        row = line.id - 1
        if row < len(given) and line.crc in ("", f"{crcs[row]:08X}") and line.now != OK:
            places[row] = NOWHERE if line.now == DROP else codes.get(line.now, given[row])
    return places
