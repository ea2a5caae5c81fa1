"""A tree of training pictures beside its inventory: what people did in it, and what they hardly meant."""

import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from digitflow.base.errors import InputError
from digitflow.base.files import PathLike
from digitflow.dataset.applied import flag, same_file
from digitflow.dataset.classes import as_setting, label_of_folder
from digitflow.dataset.corrections import check_classes, meant_by
from digitflow.dataset.inventory import (
    NOWHERE,
    RUN_TREES,
    Inventory,
    as_command,
    move_away,
    name_stranger,
    read_inventory,
    scan,
    some,
)
from digitflow.dataset.trees import open_folders, read_file
from digitflow.dataset.treetimes import folder_times, inventory_path, is_recent, read_about
from digitflow.dataset.views import shown_crcs
from digitflow.formats.corrections import DROP, OK, Correction, read

HANDFUL = 5  # deletions or moves in a class that are believed, however small it is


@dataclass(frozen=True)
class Changes:
    """What people did in a tree: the corrections to record, and a line about each.

    `after`: the inventory with them; None if no folder changed. `adopted`: whether it differs from the one
    before. `notes`: what else to say.
    """

    corrections: list[Correction] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    after: Inventory | None = None
    adopted: bool = False
    notes: Sequence[str] = ()


def correction_of(known: Inventory, row: int, place: int) -> Correction:
    """The correction that a picture in another folder, or in none, stands for."""
    given = known.given[row]
    now = DROP if place == NOWHERE else OK if place == given else label_of_folder(known.names[place])
    return Correction(row + 1, label_of_folder(known.names[given]), now, f"{known.next_pixel_crc[row]:08X}")


def _with_folder(path: Path) -> list[list[PathLike]]:
    """The command that makes the folder of a picture, if it is gone."""
    return [] if path.parent.is_dir() else [["mkdir", path.parent]]


class Comparison:
    """A tree as it was found, beside its inventory.

    `own`: the file of corrections that the tree shows. `changed`: rows, a mask, that somebody else changed.
    `made_again`: rows, a mask, whose pictures are gone and will be made again.
    """

    def __init__(self, tree: Path, manifest: Path, corrections: PathLike):
        self.tree, self.manifest, self.corrections = tree, manifest, corrections
        self.known = known = read_inventory(tree)
        self.found = found = scan(tree, known)
        self.own = known.corrections or os.fspath(corrections)
        self.changed = known.changed(found)
        self.made_again = np.zeros_like(self.changed)
        self.edited: set[int] = set()
        self.labels = [label_of_folder(name) for name in known.names]

    @property
    def deleted(self) -> np.ndarray:
        """Rows, a mask, whose pictures somebody deleted."""
        return self.changed & (self.found.place == NOWHERE)

    def _path(self, row: int) -> str:
        """Where a picture was found, or, if it is gone, where it was."""
        return (self.known if self.found.place[row] == NOWHERE else self.found).path(row)

    def _paths(self, rows: np.ndarray) -> list[str]:
        return [self._path(row) for row in np.flatnonzero(rows).tolist()]

    def check_files(self) -> None:
        """Every file must be a picture of the tree, and every picture be there once."""
        if self.found.strangers:
            told = f"{self.tree}: {some([name_stranger(path) for path in self.found.strangers])}: "
            if gone := self._paths(self.deleted):  # perhaps renamed: moving it out would drop the image
                raise InputError(
                    f"{told}not made by digitflow; missing: {some(gone, 3)}; nothing was changed. If it is "
                    "one of these, give it its old name; if not, move it out of the tree: then the missing "
                    f"images are dropped{self._class_of_strangers()}"
                )
            raise InputError(
                f"{told}not made by digitflow and used by nothing; move it out of the tree. Images to learn "
                "from belong in the training CSV"
            )
        for row, path in self.found.doubled:
            raise InputError(
                f"{self.tree}: {self._path(row)} and {path} are the same image; delete the one that is wrong"
            )

    def _class_of_strangers(self) -> str:
        """What to say if somebody made a folder for a class that the data do not have."""
        folders = sorted({path.split("/")[0] for path in self.found.strangers if path.endswith("/")})
        if not folders:
            return ""
        label = label_of_folder(folders[0])
        if meant := meant_by(label, self.labels):
            way = {
                DROP: "to drop what was moved into it, delete the folder and all in it",
                OK: "a picture that is right stays in the folder of its label",
            }.get(meant)
            return f". {folders[0]} is none of the classes: {way or f'did you mean {meant}?'}"
        names = as_setting([*self.labels, label])
        return f". For a class that no row has yet, put the picture back and set {names} in the configuration"

    def _losses(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many pictures each folder had, and how many of these are of the rows, a mask."""
        folders, had = len(self.known.names), self.known.place != NOWHERE
        return tuple(np.bincount(self.known.place[some_], minlength=folders) for some_ in (had, had & rows))

    def _tell_losses(self, place: int, sizes: np.ndarray, losses: np.ndarray) -> str:
        return (
            f"{self.tree}: {losses[place]:,} of the {sizes[place]:,} pictures of class {self.labels[place]}"
        )

    def check_deletions(self) -> None:
        """Few deletions are wishes; a class that is gone, or more than a tenth of one, is an accident."""
        sizes, losses = self._losses(self.deleted)
        # Of a folder that is gone, some pictures may have been moved elsewhere before.
        gone = (losses == sizes) | [not (self.tree / name).is_dir() for name in self.known.names]
        many = (losses > np.maximum(HANDFUL, sizes // 10)) | (gone & (losses > 0))
        if not many.any():
            return
        if not self.manifest.exists():
            self.made_again = self.deleted & many[self.known.place]
            self.changed &= ~self.made_again
            return
        raise InputError(
            f"{self._tell_losses(int(many.argmax()), sizes, losses)} are gone: too many to drop without "
            f"asking, and nothing was changed. To make them again, delete {self.manifest} and {RUN_TREES}; "
            f"{self._way_to_drop()}"
        )

    def _way_to_drop(self) -> str:
        return f"to drop these images: digitflow adopt{flag(self.own)} --deletions true"

    def check_moves(self) -> None:
        """A change of most of a class, or of most corrections, at once is an accident: a folder was moved, or
        an older tree put back. In a tree that took the place of another, two corrections are enough.
        """
        known, found, own = self.known, self.found.place, self.own
        was_elsewhere = self.changed & (found == known.given) & (known.place != known.given)
        corrected = {line.id for line in read(own) if line.now != OK}
        back = sum(row + 1 in corrected for row in np.flatnonzero(was_elsewhere).tolist())
        ways = (
            f"Nothing was changed. To make the tree again as {own} says: "
            f"{move_away(self.tree, self.manifest)}, and {RUN_TREES}; to write these moves into {own}: "
            f"digitflow adopt{flag(own)} --moves true"
        )
        if back > max(HANDFUL, len(corrected) // 2) or (back > 1 and self._is_another_tree()):
            raise InputError(
                f"{self.tree}: {back:,} pictures are back where the CSV has them, which would undo "
                f"{back:,} of the {len(corrected):,} corrections in {own}; is this an older tree? {ways}"
            )
        sizes, losses = self._losses(self.changed & ~was_elsewhere & (found != NOWHERE))
        if (many := losses > np.maximum(HANDFUL, sizes // 2)).any():
            raise InputError(
                f"{self._tell_losses(int(many.argmax()), sizes, losses)} were moved: too many to relabel "
                f"without asking. {ways}"
            )

    def _is_another_tree(self) -> bool:
        """Whether the tree and all of its folders have changed: moving pictures by hand changes only some."""
        then = read_about(self.tree).times
        return all(then.get(name) != times for name, times in folder_times(self.tree).items())

    def check_owner(self, source: PathLike) -> None:
        """What was done in a tree is about the data, and belongs in the corrections, that the tree shows."""
        known, own, rows = self.known, self.own, np.flatnonzero(self.changed).tolist()
        of_these = same_file(own, self.corrections)
        if not rows or (of_these and same_file(known.source or source, source)):
            return
        told = some([self._tell(row, self._correction(row)) for row in rows], 3)
        commands = f"To write that into {own}: digitflow adopt{flag(own)}"
        if not of_these:
            this = as_command(["digitflow", "adopt", "--corrections", self.corrections])
            commands += f"; into {self.corrections}: {this}"
        raise InputError(
            f"{self.tree}: shows {known.source or source} with {own}, not {source} with {self.corrections}; "
            f"nothing was changed. Done in it by hand: {told}. {commands}; then run again"
        )

    def check_unfinished(self) -> None:
        """Where an update has yet to write other pixels, only the picture tells which image was meant."""
        known, found = self.known, self.found.place
        for row in np.flatnonzero(self.changed & (known.pixel_crc != known.next_pixel_crc)).tolist():
            done = "deleted"
            if found[row] != NOWHERE:
                done = "put there"
                data = self._read(row, self.tree / known.names[found[row]])
                if known.next_pixel_crc[row] in shown_crcs(data, known.shape):
                    continue
            raise InputError(
                f"{self.tree}: {self._path(row)} was {done} by hand, but an update that did not end was "
                "giving the rows other images, and it is not known which one was meant; nothing was changed. "
                f"{self._put_back(row)}; then {RUN_TREES}, and do it again in the tree that is made"
            )

    def _read(self, row: int, folder: int | Path) -> bytes:
        """The file of a picture in a folder as `open_folders` has it."""
        try:
            return read_file(self.found.name(row), folder)
        except FileNotFoundError:
            raise InputError(
                f"{self.tree}: {self._path(row)} was moved or deleted meanwhile; nothing was changed: run "
                "again"
            ) from None

    def check_contents(self) -> None:
        """Read the pictures of all folders that changed: one may have the name of another, or be edited.

        If pictures are gone, one may also have been copied over another's, which changes no folder.
        """
        are_gone = self.deleted.any()
        known, since = self.known, inventory_path(self.tree).stat().st_mtime_ns
        then, now = read_about(self.tree).times, folder_times(self.tree)
        for place, name in enumerate(known.names):
            if name not in now:  # the folder is gone
                continue
            as_it_was = then.get(name) == now[name] and not is_recent(max(now[name]), since)
            if as_it_was and not are_gone:
                continue
            with open_folders(self.tree / name) as (opened,):
                for row in np.flatnonzero(self.found.place == place).tolist():
                    data = self._read(row, opened)
                    if zlib.crc32(data) != known.file_crc[row]:
                        self._check_picture(row, shown_crcs(data, known.shape))

    def _check_picture(self, row: int, shown: set[int]) -> None:
        known, path = self.known, self._path(row)
        if not shown.isdisjoint((known.pixel_crc[row], known.next_pixel_crc[row])):
            return
        others = np.flatnonzero(np.isin(known.pixel_crc, [*shown]))
        if len(others):
            raise InputError(
                f"{self.tree}: {path} shows image {others[0] + 1}, not {row + 1}; nothing was changed. "
                f"{self._put_right(row, int(others[0]))}, then {RUN_TREES}"
            )
        if known.place[row] == NOWHERE:
            raise InputError(
                f"{self.tree}: {path} shows no image of the training CSV, but has the name of a row; move it "
                "out of the tree"
            )
        # One that is empty or damaged is made again; if it was moved, that is a correction all the same.
        if shown or self.changed[row]:
            self.edited.add(row)

    def _put_right(self, row: int, other: int) -> str:
        """Commands for a picture that has the name of `row` and shows the row `other`."""
        path = self.tree / self._path(row)
        is_there = self.found.place[other] != NOWHERE
        commands = [["rm", path] if is_there else ["mv", path, path.with_name(self.known.name(other))]]
        if self.known.place[row] != NOWHERE:
            # Its own picture is lost: neither its absence nor where the other one was put is a wish.
            commands += self._make_room(row)
        return f"Type {as_command(*commands)}"

    def _make_room(self, row: int) -> list[list[PathLike]]:
        """Commands after which the next update makes a lost picture again where it was."""
        path = self.tree / self.known.path(row)
        return [*_with_folder(path), ["touch", path], ["rm", "-f", self.manifest]]

    def changes(self) -> Changes:
        """The corrections that the changes are, against those in the file."""
        rows, known, path = np.flatnonzero(self.changed).tolist(), self.known, self.corrections
        notes = self._notes()
        if not rows:
            return Changes(after=known, notes=notes)
        check_classes(self.labels)
        lines_of = {line.id: line for line in read(path)}
        corrections, told = [], []
        for row in rows:
            correction, line = self._correction(row), lines_of.get(row + 1)
            if line:
                self._check_line(row, line, correction)
            else:
                self._check_elsewhere(row, lines_of.values())
            # Without a line, one that says ok: a line about this row may have been removed since.
            if line is None or self._place_of(line) != self.found.place[row]:
                corrections.append(correction)
                told.append(f"{path}: {self._tell(row, correction)}")
        place, next_place = (
            np.where(self.changed, self.found.place, places) for places in (known.place, known.next_place)
        )
        # From now on these changes are in that file, so nobody else's: an inventory may not have known whose.
        after = replace(known, place=place, next_place=next_place, corrections=self.own)
        return Changes(corrections, told, after, adopted=True, notes=notes)

    def _notes(self) -> list[str]:
        """What to say of pictures that will be made again, and of those that were edited in place."""
        notes = []
        if gone := self._paths(self.made_again):
            notes.append(
                f"{self.tree}: {some(gone, 3)}: missing, and so is {self.manifest}. To make them again, "
                f"{RUN_TREES}; {self._way_to_drop()}"
            )
        if paths := [self._path(row) for row in sorted(self.edited) if not self.changed[row]]:
            notes.append(
                f"{self.tree}: {some(paths)}: pixels edited; models take them from the CSV, not from here. "
                f"To restore a picture, empty its file, delete {self.manifest} and {RUN_TREES}"
            )
        return notes

    def _correction(self, row: int) -> Correction:
        """The correction that the place of a picture stands for."""
        return correction_of(self.known, row, self.found.place[row])

    def _place_of(self, line: Correction) -> int | None:
        """Where a picture belongs by its line; None: not a class of this tree."""
        if line.now == DROP:
            return NOWHERE
        label = line.was if line.now == OK else line.now
        return self.labels.index(label) if label in self.labels else None

    def _check_line(self, row: int, line: Correction, correction: Correction) -> None:
        """What a person typed is replaced only if the tree had it before, and if it is about this image."""
        where = f"{self.corrections}, line {line.line}:"
        if line.crc and line.crc not in self._checksums(row):
            raise InputError(
                f"{where} is about another image than {self.tree} shows as {row + 1}: {self._older(row)}"
            )
        if line.was != correction.was:
            raise InputError(
                f"{where} column was: {line.was!r}, but in {self.tree} row {row + 1} has the label "
                f"{correction.was!r}: correct the line; if the training CSV has another label now, "
                f"{self._older(row)}"
            )
        place = self._place_of(line)
        if place not in (self.known.place[row], self.known.next_place[row], self.found.place[row]):
            done = "was deleted" if correction.now == DROP else f"was moved to {self._path(row)}"
            raise InputError(
                f"{where} column now: {line.now!r}, but the picture {self.known.name(row)} in {self.tree} "
                f"{done}; write {correction.now!r} into the line, or put the picture back"
            )

    def _check_elsewhere(self, row: int, lines: Iterable[Correction]) -> None:
        """The line of an image without one may be under its new number, if rows have others by now."""
        own = self._checksums(row)
        for line in lines:
            other = line.id - 1
            if line.crc in own and not (other < len(self.known) and line.crc in self._checksums(other)):
                raise InputError(
                    f"{self.corrections}, line {line.line}: is about the image that {self.tree} shows as "
                    f"{row + 1}, by its new number {line.id}: {self._older(row)}"
                )

    def _checksums(self, row: int) -> set[str]:
        """The checksums of the pixels that a picture may show."""
        return {f"{crc[row]:08X}" for crc in (self.known.pixel_crc, self.known.next_pixel_crc)}

    def _older(self, row: int) -> str:
        """What to say of a picture whose row the training CSV has changed since the tree was made."""
        return (
            f"the tree is older than the training CSV; nothing was changed. {self._put_back(row)}; then "
            f"{RUN_TREES}, and look for the image in the new tree"
        )

    def _put_back(self, row: int) -> str:
        """Commands that undo what was done with a picture."""
        path = self.tree / self._path(row)
        if self.known.place[row] == NOWHERE:
            commands = [["rm", path]]
        elif self.found.place[row] == NOWHERE:
            commands = self._make_room(row)
        else:
            was = self.tree / self.known.path(row)
            commands = [*_with_folder(was), ["mv", path, was]]
        return f"Put the picture back: {as_command(*commands)}"

    def _tell(self, row: int, correction: Correction) -> str:
        path = self.tree / self._path(row)
        if correction.now == DROP:
            return f"image {row + 1}: {DROP}, because {path} was deleted"
        label = (
            f"{OK} ({correction.was})" if correction.now == OK else f"{correction.was} -> {correction.now}"
        )
        edited = (
            "; its pixels were edited, too, but models take them from the CSV" if row in self.edited else ""
        )
        return f"image {row + 1}: {label}, because its picture was put at {path}{edited}"
