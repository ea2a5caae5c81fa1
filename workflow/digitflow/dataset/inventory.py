"""What is in a tree of PNG files, and what the tool has put there.

The inventory of `data/png/train/` is the file `data/png/train.inventory`: for every row the folder where its
picture was put, the checksums of its file and of its pixels, and the label that the CSV gives it; and for the
tree the file of corrections and the data that it shows. It tells what a person has moved, deleted or edited
since. Unlike the manifest, it is no output of a rule: nothing removes it before a job, or after one that
failed. An update first writes into it where each picture is to be, so what a killed update leaves is not
taken for somebody's wishes.
"""

import array
import json
import os
import re
import shlex
import time
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.base.files import PathLike, atomic_open, atomic_path
from digitflow.dataset.locations import SYSTEM_FILES
from digitflow.dataset.treetimes import ABOUT, About, folder_times, inventory_path, read_about

# What to type to have a tree made again: other targets that are up to date do not notice that it is missing.
RUN_TREES = "run again with the target trees, e.g. snakemake -j2 trees"
LINES = 4096  # of a manifest, made at a time
NOWHERE = -1  # in the place of a folder: the row has no picture
MANIFEST_LINE = re.compile(r"(.+)/(0*[1-9][0-9]*)\.png ([0-9A-F]{8})")
CORRECTIONS, PIXELS = "; corrections ", "; pixels "  # begin the comments at the end of a manifest
COPY = re.compile(r"copy of ([0-9]+)\.png|([0-9]+)[ _(-].*\.png", re.IGNORECASE)


@dataclass(frozen=True)
class Inventory:
    """Where the picture of each row was put: arrays of (rows,), folders as places in `names` or NOWHERE.

    `names`: the folders, as `classes.folder_names` has them; one empty name for a tree without. `given`: the
    CSV's label. `place`: the folder. `file_crc`, `pixel_crc`: CRC-32 of the file and of the pixels in it.
    `next_place`, `next_pixel_crc`: what an update that has begun makes of them; after its end, they differ
    only for an edited picture of a dropped row, which stays where it is. `corrections`, `source`,
    `next_corrections`: as `About` has them.
    """

    names: list[str]
    given: np.ndarray  # int16
    place: np.ndarray  # int16
    file_crc: np.ndarray  # uint32
    pixel_crc: np.ndarray  # uint32
    next_place: np.ndarray  # int16
    next_pixel_crc: np.ndarray  # uint32
    shape: np.ndarray  # height, width, and 3 in colour
    corrections: str = ""
    source: str = ""
    next_corrections: str = ""

    def __len__(self) -> int:
        return len(self.place)

    def name(self, row: int) -> str:
        """The name of a row's picture."""
        return file_name(row, len(str(len(self))))

    def path(self, row: int) -> str:
        """The path of a row's picture, relative to the tree, where it was put."""
        return picture_path(self.names, self.place[row], self.name(row))

    def changed(self, found: "Found") -> np.ndarray:
        """The rows, a mask, whose pictures somebody moved, deleted or put there.

        What an unfinished update has moved, or not yet moved, is nobody's wish.
        """
        return (found.place != self.place) & (found.place != self.next_place)

    def fit(self, names: list[str], rows: int) -> "Inventory":
        """The same with `names` first, others in use after them, and at least `rows` rows."""
        in_use = {self.names[code] for code in np.unique([self.place, self.next_place]) if code != NOWHERE}
        others = in_use.difference(names)
        names = [*names, *(name for name in self.names if name in others)]
        found = {name: code for code, name in enumerate(names)}
        codes = np.array([found.get(name, NOWHERE) for name in self.names] + [NOWHERE], np.int16)
        more = max(rows - len(self), 0)
        places = {
            name: np.pad(codes[getattr(self, name)], (0, more), constant_values=NOWHERE)
            for name in ("given", "place", "next_place")
        }
        checksums = {
            name: np.pad(getattr(self, name), (0, more))
            for name in ("file_crc", "pixel_crc", "next_pixel_crc")
        }
        return replace(self, names=names, **places, **checksums)

    def digest_of_pixels(self) -> str:
        """A CRC-32 of the shape and the pixels of all rows, by which other data are recognised."""
        parts = self.shape.astype("<u4"), self.pixel_crc.astype("<u4")
        return f"{zlib.crc32(b''.join(part.tobytes() for part in parts)):08X}"

    def by_corrections(self) -> np.ndarray:
        """The folders by the file `corrections`: an update that has begun may be for another one."""
        of_another = self.corrections and self.next_corrections not in ("", self.corrections)
        return self.place if of_another else self.next_place

    def moved(self) -> np.ndarray:
        """The rows, from 0, whose pictures are in no folder, or in another than that of the CSV's label."""
        return np.flatnonzero(self.by_corrections() != self.given)


OF_ABOUT = ("corrections", "source", "next_corrections")
ARRAYS = [name for name in Inventory.__dataclass_fields__ if name not in OF_ABOUT]


def file_name(row: int, digits: int) -> str:
    """The name of the picture of a row, from 0: its id, from 1. Alphabetical order is numeric order."""
    return f"{row + 1:0{digits}}.png"


def picture_path(names: list[str], place: int, name: str) -> str:
    """The path of a picture, relative to the tree."""
    return f"{names[place]}/{name}" if names[place] else name


def read_inventory(tree: PathLike) -> Inventory | None:
    """Read the inventory of a tree; None if there is none. FormatError: the file is damaged."""
    path = inventory_path(tree)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            # numpy reads no further than an array's header says, so it may not come to the checksum.
            if damaged := arrays.zip.testzip():
                raise zipfile.BadZipFile(f"the part {damaged}")
            inventory = Inventory(**{name: arrays[name] for name in ARRAYS})
            # Not by `read_about`: a damaged name would be taken for one that is not known. Old inventories
            # lack this part; if it only seems to be missing, the archive's list of its parts is damaged.
            is_old = ABOUT.encode() not in path.read_bytes()
            about = About() if is_old else About(**json.loads(arrays.zip.read(ABOUT)))
    except FileNotFoundError:
        return None
    # zipfile, zlib, json and numpy raise a dozen unrelated types for damaged bytes.
    except Exception as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, ValueError):
            reason = "no inventory"  # numpy's reason is on pickles
        raise FormatError(
            f"{path}: damaged: {reason}; delete it and {RUN_TREES}: it is made again from {tree}.sfv"
        ) from error
    return replace(
        inventory, names=inventory.names.tolist(), **{name: getattr(about, name) for name in OF_ABOUT}
    )


def save_inventory(
    tree: PathLike, inventory: Inventory, times: dict[str, list[int]] | None = None, adopted: bool = False
) -> int:
    """Write the inventory of a tree, dated so that anything may have been done in it by hand since.

    `times`: of its folders, as `folder_times` has them, when all in them was known; None: now. `adopted`:
    changes by hand have just become corrections. Returns the time of writing in nanoseconds.
    """
    times = folder_times(tree) if times is None else times
    last = time.time_ns() if adopted else (read_about(tree) or About()).adopted
    with atomic_path(inventory_path(tree)) as temporary:
        with open(temporary, "wb") as file:
            np.savez(file, **{name: getattr(inventory, name) for name in ARRAYS})
        told = {name: getattr(inventory, name) for name in OF_ABOUT}
        about = About(moved=len(inventory.moved()), times=times, adopted=last, **told)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(zipfile.ZipInfo(ABOUT), json.dumps(asdict(about)))
        written = temporary.stat().st_mtime_ns
        os.utime(temporary, ns=(0, 0))
    return written


def understand(tree: PathLike, until: int) -> None:
    """Note that the inventory has all that was done in the tree until then, which becomes the file's time."""
    os.utime(inventory_path(tree), ns=(until, until))


def settle(tree: PathLike, inventory: Inventory, adopted: bool = False) -> None:
    """Write the inventory, and note that it is complete if it is: another change may have come meanwhile."""
    written = save_inventory(tree, inventory, adopted=adopted)
    now = scan(tree, inventory)
    if np.array_equal(now.place, inventory.place) and not (now.strangers or now.doubled):
        understand(tree, written)


def write_manifest(path: PathLike, inventory: Inventory) -> None:
    """Write the manifest of a tree: path and CRC-32 of a picture per line, in the order of rows.

    Comments at the end say, for the recovery of a lost inventory, which file of corrections the tree shows,
    and which pixels all rows had.
    """
    digits = len(str(len(inventory)))
    prefixes = [f"{name}/" if name else "" for name in inventory.names]
    line = f"%s%0{digits}d.png %08X\n"  # as `file_name` has it, in half the time
    with atomic_open(path, "w") as file:
        for start in range(0, len(inventory), LINES):
            rows = start + np.flatnonzero(inventory.place[start : start + LINES] != NOWHERE)
            folders = [prefixes[place] for place in inventory.place[rows].tolist()]
            crcs = inventory.file_crc[rows].tolist()
            file.writelines(map(line.__mod__, zip(folders, (rows + 1).tolist(), crcs, strict=True)))
        if inventory.corrections:
            file.write(f"{CORRECTIONS}{json.dumps(inventory.corrections)}\n")
        file.write(f"{PIXELS}{inventory.digest_of_pixels()}\n")


def read_manifest(manifest: PathLike) -> tuple[list[tuple[str, str, str]], str, str]:
    """Folder, id and checksum of every picture, as texts, in a manifest with folders; the path of the
    corrections that the tree shows and the digest of all pixels, empty if it does not say so.

    FormatError: a line is damaged.
    """
    lines = Path(manifest).read_text(encoding="utf-8", errors="replace").splitlines()
    digest = lines.pop().removeprefix(PIXELS) if lines and lines[-1].startswith(PIXELS) else ""
    shown = ""
    with suppress(ValueError):  # damaged: the line stays, and is named
        if lines and lines[-1].startswith(CORRECTIONS):
            shown = str(json.loads(lines[-1].removeprefix(CORRECTIONS)))
            lines.pop()
    found = [MANIFEST_LINE.fullmatch(line) for line in lines]
    if None in found:
        number = found.index(None)
        raise FormatError(
            f"{manifest}, line {number + 1}: damaged: {lines[number]!r}; delete the file and {RUN_TREES}"
        )
    return [line.groups() for line in found], shown, digest


@dataclass(frozen=True)
class Found:
    """What is in a tree. `place`: the folder of each row's picture, int16 (rows,), or NOWHERE.

    `folders`: as the inventory has them. `digits`: of the usual file names. `names`: other file names, by
    row. `doubled`: the rows, from 0, of pictures that are there twice, and the second path. `strangers`:
    paths of what is no picture of the tree.
    """

    place: np.ndarray
    folders: list[str]
    digits: int
    names: dict[int, str] = field(default_factory=dict)
    doubled: list[tuple[int, str]] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def name(self, row: int) -> str:
        """The file name of a row's picture."""
        return self.names.get(row) or file_name(row, self.digits)

    def path(self, row: int) -> str:
        """The path of a row's picture, which is there, relative to the tree."""
        return picture_path(self.folders, self.place[row], self.name(row))


def scan(tree: PathLike, inventory: Inventory, digits: int | None = None) -> Found:
    """List a tree with the folders and rows of an inventory; what systems leave in folders is skipped.

    `digits`: of the usual file names; None: as many as the inventory's have.
    """
    rows, folders = len(inventory), inventory.names
    found = Found(np.full(rows, NOWHERE, np.int16), folders, digits or len(str(rows)))
    if folders != [""]:
        known = {*folders}
        with os.scandir(tree) as entries:
            for entry in entries:
                if not (entry.name in known and entry.is_dir()) and not SYSTEM_FILES.fullmatch(entry.name):
                    found.strangers.append(entry.name + "/" * entry.is_dir())
    for place, folder in enumerate(folders):
        if (path := Path(tree, folder)).is_dir():
            _scan_folder(path, place, found)
    found.strangers.sort()
    return found


def _scan_folder(path: Path, place: int, found: Found) -> None:
    rows = array.array("q")
    unusual: dict[int, list[str]] = {}  # names by row
    with os.scandir(path) as entries:
        for entry in entries:
            stem, _, kind = entry.name.partition(".")
            row = int(stem) - 1 if kind == "png" and stem.isascii() and stem.isdecimal() else -1
            if 0 <= row < len(found.place) and entry.is_file():
                rows.append(row)
                if len(stem) != found.digits:
                    unusual.setdefault(row, []).append(entry.name)
            elif not SYSTEM_FILES.fullmatch(entry.name):
                found.strangers.append(picture_path(found.folders, place, entry.name))
    once, times = np.unique(np.array(rows, np.int64), return_counts=True)
    again = (times > 1) | (found.place[once] != NOWHERE)
    for row, count in zip(once[again].tolist(), times[again].tolist(), strict=True):
        names = unusual.get(row, [])
        name = file_name(row, found.digits) if len(names) < count else names[-1]
        found.doubled.append((row, picture_path(found.folders, place, name)))
    found.names.update((row, names[0]) for row, names in unusual.items() if found.place[row] == NOWHERE)
    found.place[once[found.place[once] == NOWHERE]] = place


def as_command(*commands: Sequence[PathLike]) -> str:
    """Commands as a person types them, one after the other."""
    return " && ".join(shlex.join(map(os.fspath, command)) for command in commands)


def move_away(tree: PathLike, manifest: PathLike) -> str:
    """The commands after which a tree is made anew; the old one stays beside it."""
    return as_command(["mv", tree, f"{tree}.old"], ["rm", "-f", manifest])


def name_stranger(stranger: str) -> str:
    """A path that `scan` did not know, and what it may be."""
    name = stranger.rsplit("/", 1)[-1]
    if copy := COPY.fullmatch(name):
        return f"{stranger} (by its name a copy of {copy[1] or copy[2]}.png)"
    return stranger


def some(paths: Sequence[str], most: int = 5) -> str:
    """The first of many paths in words."""
    more = len(paths) - most
    return ", ".join(paths[:most]) + (f" and {more:,} more" if more > 0 else "")
