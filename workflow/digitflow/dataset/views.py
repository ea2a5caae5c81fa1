"""Trees of PNG files: a view of the rows of an IDX file, brought up to date in place.

`<tree>/<label>/<id>.png`, the label in a form that any file system accepts, or `<tree>/<id>.png` if there are
no labels; ids are rows from 1, padded with zeros. Nothing learns from a tree. What a person put into one, or
changed in one, is left alone.
"""

import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from digitflow.base.errors import DigitflowError, InputError
from digitflow.base.files import PathLike
from digitflow.base.progress import Progress
from digitflow.dataset import classes as class_names
from digitflow.dataset.inventory import (
    NOWHERE,
    RUN_TREES,
    Inventory,
    file_name,
    name_stranger,
    picture_path,
    read_inventory,
    save_inventory,
    scan,
    settle,
    some,
    understand,
    write_manifest,
)
from digitflow.dataset.trees import atomic_tree, open_folders, read_file, reason, spare_folder, write_files
from digitflow.dataset.treetimes import folder_times
from digitflow.formats import idx, lst, png

log = logging.getLogger("digitflow")

BLOCK = 4096  # images at a time, fewer large ones: a few megabytes
LARGEST = 8192  # pixels a side of an enlarged picture: Pillow takes more than 89 million in all for an attack
MAX_FOLDERS = np.iinfo(np.int16).max  # an inventory keeps their places


@dataclass
class Counts:
    """What an update did, in pictures."""

    written: int = 0
    moved: int = 0
    removed: int = 0

    def __str__(self) -> str:
        said = {
            f"{self.written:,} written": self.written,
            f"{self.moved:,} moved to their labels' folders": self.moved,
            f"{self.removed:,} removed, whose rows are dropped or no longer in the CSV": self.removed,
        }
        return (
            ", ".join(text for text, count in said.items() if count) or "all pictures are as they should be"
        )


def update_from_lists(
    images_idx: PathLike,
    tree: PathLike,
    manifest: PathLike,
    lists: Sequence[PathLike],
    labels_idx: PathLike | None = None,
    classes_csv: PathLike | None = None,
    corrections: str = "",
    source: str = "",
    enlarge: int = 1,
) -> Counts:
    """Bring a tree up to date with the lists of its images: `update_tree`, with the labels of the CSV."""
    read = [lst.read(path) for path in lists]
    ids, labels = (np.concatenate([getattr(part, name) for part in read]) for name in ("index", "label"))
    if labels_idx is None:
        return update_tree(images_idx, tree, manifest, ids, enlarge=enlarge)
    given, names = idx.read(labels_idx, ndim=1), class_names.read(classes_csv)
    return update_tree(images_idx, tree, manifest, ids, labels, given, names, corrections, source, enlarge)


def update_tree(
    images_idx: PathLike,
    tree: PathLike,
    manifest: PathLike,
    ids: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    given: np.ndarray | None = None,
    classes: Sequence[str] | None = None,
    corrections: str = "",
    source: str = "",
    enlarge: int = 1,
) -> Counts:
    """Bring a tree up to date with an IDX file, writing only what differs, and write its manifest.

    `ids`: the rows, from 1, that have a picture; None: all. With `classes`, whose labels name the folders:
    `labels`, int, of these rows, and `given`, int, the label that the CSV gives each row of the file.
    `corrections`, `source`: the paths of what it shows, for the inventory. `enlarge`: each pixel is a square
    of so many pixels a side. A picture that a person edited, moved, deleted or added since the corrections
    were read is left alone and named in the log; if there is no manifest, a missing one is made again.
    InputError: `tree` is a folder of something else, or its pictures would be too large; DigitflowError: the
    disk is full. What was right stays.
    """
    tree = Path(tree)
    rows, *shape = idx.read_header(images_idx, idx.IMAGES)
    if enlarge > 1 and (side := max(shape[:2])) * enlarge > LARGEST:
        raise InputError(
            f"{tree}: images of {shape[0]} x {shape[1]} pixels, {enlarge} times as wide and high, have more "
            f"than {LARGEST:,} pixels a side; set png.enlarge to {max(LARGEST // side, 1)}"
        )
    if given is not None and len(given) != rows:
        raise InputError(f"{images_idx}: {rows:,} images, but {len(given):,} labels; make both files again")
    place = np.full(rows, NOWHERE, np.int16)
    place[slice(None) if ids is None else np.asarray(ids) - 1] = 0 if labels is None else labels
    names = [""] if classes is None else _folders(classes)
    given = np.zeros(rows, np.int16) if given is None else np.asarray(given, np.int16)
    pixels = np.fromiter(
        (zlib.crc32(image) for _, block in _blocks(images_idx) for image in block), np.uint32
    )
    goal = Inventory(
        names=names,
        given=given,
        place=place,
        file_crc=np.zeros(rows, np.uint32),
        pixel_crc=pixels,
        next_place=place,
        next_pixel_crc=pixels,
        shape=np.array(shape),
        corrections=corrections,
        source=source,
    )
    try:
        with suppress(OSError):
            tree.rmdir()  # only if it is empty: then it is made as a whole, which is quicker
        with Progress(f"{tree}: PNG", rows, "images") as progress:
            if tree.exists():
                inventory, counts = _update(images_idx, tree, goal, progress, Path(manifest), enlarge)
            else:
                inventory, counts = _make(images_idx, tree, goal, progress, enlarge)
    except OSError as error:
        raise DigitflowError(f"{tree}: cannot be written: {reason(error)}") from error
    write_manifest(manifest, inventory)
    log.info(f"{tree}: {counts}")
    return counts


def _folders(classes: Sequence[str]) -> list[str]:
    if len(classes) > MAX_FOLDERS:
        raise InputError(
            f"{len(classes):,} classes, but a tree has at most {MAX_FOLDERS:,} folders; do without trees: "
            "png: {enabled: false}"
        )
    return class_names.folder_names(classes)


def _blocks(images_idx: PathLike) -> Iterator[tuple[int, np.ndarray]]:
    start = 0
    for images in idx.read_blocks(images_idx, BLOCK, idx.IMAGES):
        yield start, images
        start += len(images)


def _make(
    images_idx: PathLike, tree: Path, goal: Inventory, progress: Progress, enlarge: int
) -> tuple[Inventory, Counts]:
    """Make a tree that does not exist; it gets its name when it is whole."""
    file_crc = goal.file_crc.copy()
    with (
        atomic_tree(tree, replace=False) as temporary,  # a person may put one back meanwhile
        open_folders(*(temporary / name for name in goal.names), make=True) as folders,
    ):
        for start, images in _blocks(images_idx):
            place = goal.place[start : start + len(images)]
            # One folder after the other: this saves the file system 0.5 us per file.
            order = np.argsort(place, kind="stable")
            order = order[place[order] != NOWHERE]
            files = png.encode_enlarged(images[order], enlarge)
            file_names = map(goal.name, (order + start).tolist())
            write_files(files, file_names, [folders[label] for label in place[order].tolist()])
            file_crc[start + order] = [zlib.crc32(file) for file in files]
            progress.advance(len(images))
        if tree.exists():
            raise InputError(f"{tree}: was put back meanwhile; nothing in it was changed: run again")
        # After a kill right after the tree gets its name, the next run knows whose pictures these are. All of
        # them are older.
        begun = save_inventory(tree, replace(goal, place=np.full_like(goal.place, NOWHERE)))
    made = replace(goal, file_crc=file_crc)
    save_inventory(tree, made)
    times = folder_times(tree)
    mtime, ctime = times.pop("")
    if all(max(of_folder) < begun for of_folder in times.values()):  # else somebody was there
        # Taking its name has changed the tree; something put into it would change its mtime, too.
        understand(tree, max(mtime, ctime) if mtime < begun else begun)
    return made, Counts(written=int((made.place != NOWHERE).sum()))


def _update(
    images_idx: PathLike, tree: Path, goal: Inventory, progress: Progress, manifest: Path, enlarge: int
) -> tuple[Inventory, Counts]:
    """Bring an existing tree up to date, picture by picture; each is whole at any time."""
    recorded = read_inventory(tree)
    known = (_recognise(tree, goal) if recorded is None else recorded).fit(goal.names, len(goal))
    # A tree without folders has no wishes, and a deleted manifest asks for what is missing. If nothing told
    # what had been there, the next look at the tree decides.
    deletions_count = goal.names != [""] and (recorded is None or manifest.exists())
    update = _Update(tree, known, goal, deletions_count, enlarge)
    update.begin()
    with (
        open_folders(*(tree / name for name in known.names), make=True) as folders,
        spare_folder(tree) as spare,
    ):
        for start, images in _blocks(images_idx):
            update.bring(start, images, folders, spare)
            progress.advance(len(images))
        update.remove()
    for name in known.names[len(goal.names) :]:
        with suppress(OSError):
            (tree / name).rmdir()  # only if it is empty
    return update.end(), update.counts


def _recognise(tree: Path, goal: Inventory) -> Inventory:
    """The inventory of a tree that has none, if all that is in it are pictures of the rows.

    A picture in another folder than the CSV's or the wanted one was moved there by hand.
    """
    found = scan(tree, goal)
    file_crc = goal.file_crc.copy()
    wrong = [*found.strangers, *(path for _, path in found.doubled)]
    for row in np.flatnonzero(found.place != NOWHERE).tolist():
        with suppress(FileNotFoundError):  # deleted or moved meanwhile
            data = (tree / found.path(row)).read_bytes()
            file_crc[row] = zlib.crc32(data)
            if goal.pixel_crc[row] not in shown_crcs(data, goal.shape):
                wrong.append(found.path(row))
    if wrong:
        raise InputError(
            f"{tree}: exists, but digitflow did not make it: it holds {some(wrong)}. Nothing in it was "
            "changed; move it away, or do without trees: png: {enabled: false}"
        )
    there = found.place != NOWHERE
    unmoved = there & ((found.place == goal.given) | (goal.place == NOWHERE))
    place = np.where(unmoved, found.place, goal.place) if there.any() else found.place
    return replace(goal, place=place, next_place=place, file_crc=file_crc)


def shown_crcs(data: bytes, shape: Sequence[int]) -> set[int]:
    """The CRC-32 of the pixels that a picture shows, in colour if `shape` is, and of those of each image of
    which it may be an enlargement; empty: it is no picture.

    An update that was killed may have been for images of another shape than those before and after it.
    """
    picture = png.read_picture(data, colour=len(shape) == 3)
    return set() if picture is None else {zlib.crc32(image.copy()) for image in png.reductions(picture)}


class _Update:
    """One update of an existing tree.

    `deletions_count`: a picture that is missing was deleted since the corrections were read, and stays so.
    `left_alone`: the rows, a mask, whose pictures a person moved, deleted, doubled or edited, against what is
    wanted. `wanted`: the folder of each row's picture in the end. `kept`: dropped rows whose pictures stay
    where they are, because somebody edited them.
    """

    def __init__(self, tree: Path, known: Inventory, goal: Inventory, deletions_count: bool, enlarge: int):
        self.tree, self.known, self.rows, self.enlarge = tree, known, len(goal), enlarge
        self.beginning = png.beginning(*(goal.shape[:2] * enlarge).tolist())
        self.goal = goal = goal.fit(known.names, len(known))
        self.digits = len(str(self.rows))
        self.deletions_count = deletions_count
        self.counts = Counts()
        self.found = found = scan(tree, known, self.digits)
        self.same_shape = np.array_equal(known.shape, goal.shape)
        self.file_crc = known.file_crc.copy()
        self.edited: list[str] = []
        self.taken: list[str] = []
        self.kept: list[int] = []
        theirs, there = known.changed(found) & (found.place != goal.place), found.place != NOWHERE
        self.moved, self.missing = theirs & there, theirs & ~there
        self.left_alone = self.moved | (self.missing & deletions_count)
        self.left_alone[[row for row, _ in found.doubled]] = True
        # What a killed update was about to do is what the person saw, unless it was for another file.
        self.was = np.where(theirs, known.by_corrections(), known.place)
        self.wanted = np.where(self.left_alone, self.was, goal.place)

    def begin(self) -> None:
        """Write down what is to come, before anything is changed, and name what is left alone."""
        known, goal, found = self.known, self.goal, self.found
        # What is done by hand before the end belongs to the file and the data that the tree has shown.
        is_theirs = known.corrections in ("", goal.corrections) and known.source in ("", goal.source)
        begun = replace(
            known,
            given=goal.given if is_theirs else np.where(known.given == NOWHERE, goal.given, known.given),
            place=np.where(self.left_alone, self.was, found.place),
            next_place=self.wanted,
            next_pixel_crc=goal.pixel_crc,
            next_corrections=goal.corrections,
        )
        # An edited picture of a dropped row stays in its place for good.
        resting = (known.place == begun.place) & (known.next_place == self.wanted)
        same = ((begun.place == self.wanted) | resting).all()
        if not (same and np.array_equal(known.pixel_crc, goal.pixel_crc) and self.same_shape):
            save_inventory(self.tree, begun)
        since = "since the corrections were read; the next run adds them to the corrections"
        self._warn(
            "no pictures of this tree, and used by nothing; move them out of it",
            map(name_stranger, found.strangers),
        )
        self._warn(
            "each is there twice; delete one of the two",
            (f"{found.path(row)} and {path}" for row, path in found.doubled),
        )
        self._warn(f"moved by hand {since}", map(found.path, np.flatnonzero(self.moved).tolist()))
        self._warn(
            f"deleted {since}"
            if self.deletions_count
            else "missing, and made again; to drop an image, delete its picture again",
            map(self._was_at, np.flatnonzero(self.missing).tolist()),
        )

    def _was_at(self, row: int) -> str:
        """Where the picture of a row was put."""
        return picture_path(self.known.names, self.known.place[row], file_name(row, self.digits))

    def _warn(self, what: str, paths: Iterable[str]) -> None:
        if paths := list(paths):
            log.warning(f"{self.tree}: {some(paths)}: {what}")

    def bring(self, start: int, images: np.ndarray, folders: list[int | Path], spare: Path) -> None:
        """Bring the pictures of a block of rows to their places, and write those that are not right."""
        found, goal = self.found, self.goal
        rows = np.arange(start, start + len(images))
        rows = rows[~self.left_alone[rows] & (goal.place[rows] != NOWHERE)]
        rows = rows[np.argsort(found.place[rows], kind="stable")]
        wrong = []
        for row, place, to in zip(
            rows.tolist(), found.place[rows].tolist(), goal.place[rows].tolist(), strict=True
        ):
            if place == NOWHERE:
                wrong.append(row)
                continue
            name, old_name = file_name(row, self.digits), found.name(row)
            path = picture_path(goal.names, to, name)
            try:
                data = read_file(old_name, folders[place])
                if (place, old_name) != (to, name):
                    (self.tree / found.path(row)).rename(self.tree / path)
                    self.counts.moved += 1
            except FileNotFoundError:  # deleted or moved by hand since the tree was listed
                if self.deletions_count:
                    self.left_alone[row] = True
                    self.wanted[row] = place
                    self.taken.append(found.path(row))
                else:
                    wrong.append(row)
                continue
            # ASSUME: every file is read. Only looking at times and sizes would take half as long, but miss an
            # edited picture whose program keeps the time.
            if (judgement := self._judge(row, data)) == "wrong":
                wrong.append(row)
            elif judgement == "edited":
                self.edited.append(path)
        self._write(wrong, images[np.array(wrong, np.int64) - start], spare)

    def _judge(self, row: int, data: bytes) -> str:
        """Whether a file is right, wrong (the tool's own but not these pixels, or damaged) or edited."""
        known, goal = self.known, self.goal
        crc = zlib.crc32(data)
        if data and crc == known.file_crc[row]:  # 0 if it is not known, as for one that a person copied back
            same = self.same_shape and known.pixel_crc[row] == goal.pixel_crc[row]
            return "right" if same and self._has_size(data) else "wrong"
        shown = shown_crcs(data, goal.shape)
        # Saved again by another program, or by an update that was killed.
        if goal.pixel_crc[row] in shown and self._has_size(data):
            self.file_crc[row] = crc
            return "right"
        own = {goal.pixel_crc[row], known.pixel_crc[row], known.next_pixel_crc[row]}
        return "edited" if shown and shown.isdisjoint(own) else "wrong"

    def _has_size(self, data: bytes) -> bool:
        """Whether a picture is as large as it should be; one that is no PNG file is left as it is."""
        return data.startswith(self.beginning) or not data.startswith(png.SIGNATURE)

    def _write(self, rows: list[int], images: np.ndarray, spare: Path) -> None:
        """Write pictures beside the tree, then rename them into it, so that they are whole at any time."""
        files = png.encode_enlarged(images, self.enlarge)
        names = [file_name(row, self.digits) for row in rows]
        with open_folders(spare) as (folder,):
            write_files(files, names, [folder] * len(rows))
        for row, name, file in zip(rows, names, files, strict=True):
            target = picture_path(self.goal.names, self.goal.place[row], name)
            (spare / name).replace(self.tree / target)
            self.file_crc[row] = zlib.crc32(file)
        self.counts.written += len(rows)

    def remove(self) -> None:
        """Remove the pictures of rows that should have none, but no edited ones."""
        found = self.found
        rows = ~self.left_alone & (found.place != NOWHERE) & (self.goal.place == NOWHERE)
        for row in np.flatnonzero(rows).tolist():
            path = self.tree / found.path(row)
            with suppress(FileNotFoundError):  # deleted or moved meanwhile
                if self._judge(row, path.read_bytes()) == "edited":
                    self.left_alone[row] = True
                    self.kept.append(row)
                    self.edited.append(found.path(row))
                else:
                    path.unlink()
                    self.counts.removed += 1

    def end(self) -> Inventory:
        """Write down what is in the tree now, and whether anybody else changed it meanwhile."""
        self._warn(
            "deleted or moved by hand during this update; the next run adds them to the corrections",
            self.taken,
        )
        self._warn(
            "edited pictures; models take the pixels from the CSV, not from here. To restore one, "
            f"empty its file, delete {self.tree}.sfv and {RUN_TREES}",
            self.edited,
        )
        place, rows = self.wanted.copy(), slice(self.rows)
        place[self.kept] = self.found.place[self.kept]
        pixel_crc = np.where(self.left_alone, self.known.pixel_crc, self.goal.pixel_crc)[rows]
        done = replace(
            self.goal,
            given=self.goal.given[rows],
            place=place[rows],
            file_crc=self.file_crc[rows],
            pixel_crc=pixel_crc,
            next_place=self.wanted[rows],
            next_pixel_crc=pixel_crc,
        )
        settle(self.tree, done)
        return done
