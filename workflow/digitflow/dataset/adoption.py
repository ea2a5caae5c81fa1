"""Turn what people did in the tree of training pictures (moved, deleted, copied files) into corrections."""

import os
import shlex
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from digitflow.base.errors import InputError
from digitflow.base.files import atomic_path
from digitflow.dataset import applied as last_applied
from digitflow.dataset.applied import APPLIED, flag, is_blank, may_be_lost, same_file
from digitflow.dataset.classes import as_setting, label_of_folder
from digitflow.dataset.corrections import check_classes, meant_by
from digitflow.dataset.inventory import (
    NOWHERE,
    RUN_TREES,
    Found,
    Inventory,
    file_name,
    name_stranger,
    picture_path,
    read_inventory,
    scan,
    settle,
    some,
)
from digitflow.dataset.trees import open_folders, read_file
from digitflow.dataset.treetimes import (
    folder_times,
    inventory_path,
    is_recent,
    is_understood,
    read_about,
)
from digitflow.dataset.views import shown_crc
from digitflow.formats.corrections import DROP, HEADER, OK, Correction, read, record

HANDFUL = 5  # deletions or moves in a class that are believed, however small it is
PathLike = str | os.PathLike


@dataclass(frozen=True)
class Changes:
    """What people did in a tree: the corrections to record, and a line about each.

    `after`: the inventory with them; None if no folder changed. `adopted`: whether it differs from the one
    before. `notes`: what else to say.
    """

    corrections: list[Correction]
    lines: list[str]
    after: Inventory | None = None
    adopted: bool = False
    notes: Sequence[str] = ()


def adopt(
    tree: PathLike,
    manifest: PathLike,
    corrections: PathLike,
    deletions: bool = False,
    moves: bool = False,
    source: PathLike | None = None,
) -> list[str]:
    """Write what people did in a tree into the file of corrections; return a line about each, and notes.

    Raises as `find_changes`, and then writes nothing.
    """
    changes = find_changes(tree, manifest, corrections, deletions, moves, source)
    # In this order: after a kill between the two, the next run finds the changes again, already recorded.
    if changes.corrections:
        record(corrections, changes.corrections)
    if changes.after:
        settle(tree, changes.after, changes.adopted)
    return [*changes.lines, *changes.notes]


def find_changes(
    tree: PathLike,
    manifest: PathLike,
    corrections: PathLike,
    deletions: bool = False,
    moves: bool = False,
    source: PathLike | None = None,
) -> Changes:
    """Compare a tree with what the tool has put there. Nothing is written.

    A picture in another folder is a correction to that label, a deleted one is `drop`, and one that is back
    where the CSV has it is `ok`. It takes a dozen system calls if no folder has changed since the last
    update; in a folder that has, or in all if pictures are gone, every picture is read, and edited ones are
    named.

    InputError, and no change is adopted, for a file that is no picture of the tree; a picture that is there
    twice or under another's name; one whose line in `corrections` says something else; a tree that is gone;
    too many deletions or moves, unless `deletions` or `moves` says that they are meant. If the manifest was
    deleted, too, many deletions are only noted: the next update makes the pictures again. With `source`, the
    training data of this configuration, also for a change in a tree that shows other data or another file of
    corrections.
    """
    tree, manifest = Path(tree), Path(manifest)
    if not inventory_path(tree).exists():
        return Changes([], [])  # no tree of digitflow's, or one that the next update has to recognise
    if not tree.is_dir():
        if manifest.exists() and (read_inventory(tree).place != NOWHERE).any():
            raise InputError(
                f"{tree}: is gone; no image is dropped because of that. To make the pictures again, delete "
                f"{manifest} and {RUN_TREES}"
            )
        return Changes([], [])
    if is_understood(tree):
        return Changes([], [])
    known = read_inventory(tree)
    comparison = _Comparison(tree, manifest, known, scan(tree, known.names, len(known), len(str(len(known)))))
    comparison.check_files()
    if not deletions:
        comparison.check_deletions(corrections)
    if not moves:
        comparison.check_moves(corrections)
    comparison.check_unfinished()
    comparison.check_contents()
    if source is not None:
        comparison.check_owner(corrections, source)
    return comparison.changes(corrections)


def check_not_lost(corrections: PathLike, tree: PathLike, applied: PathLike = APPLIED) -> None:
    """InputError: there is no file of corrections, or an empty one, though there was one with lines.

    The message says how to restore it and how to go on without it.
    """
    if not may_be_lost(corrections, tree, applied):
        return
    copy, shown = _remembered(corrections, tree, applied)
    if lost := len({line.id for line in (*copy.lines(), *shown)}):
        state = "empty" if os.path.lexists(corrections) else "gone"
        empty = f"echo {','.join(HEADER)} > {shlex.quote(os.fspath(corrections))}"
        raise InputError(
            f"{corrections}: is {state}, and {_count(lost)} with it; nothing was changed. To restore it: "
            f"digitflow restore_corrections{flag(corrections)}; to give up all corrections: {empty}"
        )


def restore_corrections(corrections: PathLike, tree: PathLike, applied: PathLike = APPLIED) -> str:
    """Write a file of corrections again, from the copy of it that was applied last and from the tree.

    Returns a line that says so. InputError: there is such a file that is not empty, or nothing is known of
    one.
    """
    if os.path.lexists(corrections) and not is_blank(corrections):
        raise InputError(
            f"{corrections}: exists, and was not changed; to restore the last one, move this one away first"
        )
    copy, shown = _remembered(corrections, tree, applied)
    if not (copy.lines() or shown):
        raise InputError(
            f"{corrections}: nothing is known of such a file: {applied} has no copy of it, and {tree} shows "
            "none of its corrections; if there were some, type this in the folder of the project that "
            "applied them"
        )
    with atomic_path(corrections) as temporary:
        temporary.write_text(copy.text, encoding="utf-8", newline="")
        record(temporary, shown)
        written = _count(len(read(temporary)))
    if shown:
        return (
            f"{corrections}: {written} written, {len(shown):,} of them as {tree} shows them; the notes of "
            f"these are lost, and so are lines that said {OK}"
        )
    return f"{corrections}: {written} written, as they were last applied"


def _remembered(
    corrections: PathLike, tree: PathLike, applied: PathLike
) -> tuple[last_applied.Applied, list[Correction]]:
    """What is known of a lost file: its copy, and corrections that only the tree shows."""
    copy, known = last_applied.read(corrections, applied), read_inventory(tree)
    if known is None or not same_file(known.corrections or corrections, corrections):
        return copy, []
    typed = {line.id: line.now for line in copy.lines()}
    if typed and inventory_path(tree).stat().st_mtime_ns < Path(applied).stat().st_mtime_ns:
        return copy, []  # the tree is not yet up to date with the copy
    shown = [_correction(known, row, known.next_place[row]) for row in known.moved().tolist()]
    return copy, [line for line in shown if typed.get(line.id) != line.now]


def _correction(known: Inventory, row: int, place: int) -> Correction:
    """The correction that a picture in another folder, or in none, stands for."""
    given = known.given[row]
    now = DROP if place == NOWHERE else OK if place == given else label_of_folder(known.names[place])
    return Correction(row + 1, label_of_folder(known.names[given]), now, f"{known.next_pixel_crc[row]:08X}")


def _count(corrections: int) -> str:
    return "1 correction" if corrections == 1 else f"{corrections:,} corrections"


class _Comparison:
    """A tree as it was found, beside its inventory.

    `changed`: rows, a mask, that somebody else changed. `made_again`: rows, a mask, whose pictures are gone
    and will be made again.
    """

    def __init__(self, tree: Path, manifest: Path, known: Inventory, found: Found):
        self.tree, self.manifest, self.known, self.found = tree, manifest, known, found
        # What an unfinished update has moved, or not yet moved, is nobody's wish.
        self.changed = (found.place != known.place) & (found.place != known.next_place)
        self.made_again = np.zeros_like(self.changed)
        self.edited: set[int] = set()
        self.labels = [label_of_folder(name) for name in known.names]

    def _name(self, row: int) -> str:
        return file_name(row + 1, len(str(len(self.known))))

    def _path(self, row: int) -> str:
        """Where a picture was found, or, if it is gone, where it was."""
        place = self.found.place[row]
        if place == NOWHERE:
            return picture_path(self.known.names, self.known.place[row], self._name(row))
        return picture_path(self.known.names, place, self.found.names.get(row, self._name(row)))

    def check_files(self) -> None:
        """Every file must be a picture of the tree, and every picture be there once."""
        if self.found.strangers:
            told = f"{self.tree}: {some([name_stranger(path) for path in self.found.strangers])}: "
            gone = np.flatnonzero(self.changed & (self.found.place == NOWHERE)).tolist()
            if gone:  # perhaps renamed: moving it out of the tree would drop the image
                missing = some([self._path(row) for row in gone], 3)
                raise InputError(
                    f"{told}not made by digitflow; missing: {missing}; nothing was changed. If it is one of "
                    "these, give it its old name; if not, move it out of the tree: then the missing images "
                    f"are dropped{self._class_of_strangers()}"
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

    def check_deletions(self, corrections: PathLike) -> None:
        """Few deletions are wishes; a class that is gone, or more than a tenth of one, is an accident."""
        gone = self.changed & (self.found.place == NOWHERE)
        sizes, losses = (
            np.bincount(places[places != NOWHERE], minlength=len(self.known.names))
            for places in (self.known.place, self.known.place[gone])
        )
        many = (losses > np.maximum(HANDFUL, sizes // 10)) | ((losses == sizes) & (losses > 0))
        if not many.any():
            return
        if not self.manifest.exists():
            self.made_again = gone & many[self.known.place]
            self.changed &= ~self.made_again
            return
        place = int(many.argmax())
        raise InputError(
            f"{self.tree}: {losses[place]:,} of the {sizes[place]:,} pictures of class "
            f"{self.labels[place]} are gone: too many to drop without asking, and nothing was changed. "
            f"To make them again, delete {self.manifest} and {RUN_TREES}; to drop these images: "
            f"digitflow adopt{flag(self.known.corrections or corrections)} --deletions true"
        )

    def check_moves(self, corrections: PathLike) -> None:
        """A change of most of a class, or of most corrections, at once is an accident: a folder was moved, or
        an older tree put back. In a tree that took the place of another, two corrections are enough.
        """
        known, found = self.known, self.found.place
        own = known.corrections or corrections
        was_elsewhere = self.changed & (found == known.given) & (known.place != known.given)
        typed = {line.id for line in read(own) if line.now != OK}
        back = sum(row + 1 in typed for row in np.flatnonzero(was_elsewhere).tolist())
        ways = (
            f"Nothing was changed. To make the tree again as {own} says: "
            f"{shlex.join(['mv', os.fspath(self.tree), f'{self.tree}.old'])} && "
            f"{shlex.join(['rm', '-f', os.fspath(self.manifest)])}, and {RUN_TREES}; to write these moves "
            f"into {own}: digitflow adopt{flag(own)} --moves true"
        )
        if back > max(HANDFUL, len(typed) // 2) or (back > 1 and self._is_another_tree()):
            raise InputError(
                f"{self.tree}: {back:,} pictures are back where the CSV has them, which would undo "
                f"{back:,} of the {len(typed):,} corrections in {own}; is this an older tree? {ways}"
            )
        moved = self.changed & ~was_elsewhere & (known.place != NOWHERE) & (found != NOWHERE)
        sizes, losses = (
            np.bincount(places[places != NOWHERE], minlength=len(known.names))
            for places in (known.place, known.place[moved])
        )
        if (many := losses > np.maximum(HANDFUL, sizes // 2)).any():
            place = int(many.argmax())
            raise InputError(
                f"{self.tree}: {losses[place]:,} of the {sizes[place]:,} pictures of class "
                f"{self.labels[place]} were moved: too many to relabel without asking. {ways}"
            )

    def _is_another_tree(self) -> bool:
        """Whether the tree and all of its folders have changed: moving pictures by hand changes only some."""
        then = read_about(self.tree).times
        return all(then.get(name) != times for name, times in folder_times(self.tree).items())

    def check_owner(self, corrections: PathLike, source: PathLike) -> None:
        """What was done in a tree is about the data, and belongs in the corrections, that the tree shows."""
        known, rows = self.known, np.flatnonzero(self.changed).tolist()
        own = known.corrections or os.fspath(corrections)
        of_these = same_file(own, corrections)
        if not rows or (of_these and same_file(known.source or source, source)):
            return
        told = some([self._tell(row, _correction(known, row, self.found.place[row])) for row in rows], 3)
        commands = f"To write that into {own}: digitflow adopt{flag(own)}"
        if not of_these:
            this = shlex.quote(os.fspath(corrections))
            commands += f"; into {corrections}: digitflow adopt --corrections {this}"
        raise InputError(
            f"{self.tree}: shows {known.source} with {own}, not {source} with {corrections}; nothing was "
            f"changed. Done in it by hand: {told}. {commands}; then run again"
        )

    def check_unfinished(self) -> None:
        """Where an update has yet to write other pixels, only the picture tells which image was meant."""
        known, found = self.known, self.found.place
        folders = [self.tree / name for name in known.names]
        for row in np.flatnonzero(self.changed & (known.pixel_crc != known.next_pixel_crc)).tolist():
            path, is_gone = self._path(row), found[row] == NOWHERE
            if (
                is_gone
                or shown_crc(self._read(row, folders[found[row]]), known.shape) != known.next_pixel_crc[row]
            ):
                done = "deleted" if is_gone else "put there"
                raise InputError(
                    f"{self.tree}: {path} was {done} by hand, but an update that did not end was giving the "
                    "rows other images, and it is not known which one was meant; nothing was changed. "
                    f"{self._put_back(row)}; then {RUN_TREES}, and do it again in the tree that is made"
                )

    def _read(self, row: int, folder: int | Path) -> bytes:
        """The file of a picture in a folder as `open_folders` has it."""
        try:
            return read_file(self.found.names.get(row, self._name(row)), folder)
        except FileNotFoundError:
            raise InputError(
                f"{self.tree}: {self._path(row)} was moved or deleted meanwhile; nothing was changed: run "
                "again"
            ) from None

    def check_contents(self) -> None:
        """Read the pictures of all folders that changed: one may have the name of another, or be edited.

        If pictures are gone, one may also have been copied over another's, which changes no folder.
        """
        are_gone = (self.changed & (self.found.place == NOWHERE)).any()
        known, since = self.known, inventory_path(self.tree).stat().st_mtime_ns
        then, now = read_about(self.tree).times, folder_times(self.tree)
        for place, name in enumerate(known.names):
            folder = self.tree / name
            as_it_was = name in then and then[name] == now.get(name) and not is_recent(max(now[name]), since)
            if (as_it_was and not are_gone) or not folder.is_dir():
                continue
            with open_folders(folder) as (opened,):
                for row in np.flatnonzero(self.found.place == place).tolist():
                    data = self._read(row, opened)
                    if zlib.crc32(data) != known.file_crc[row]:
                        self._check_picture(row, shown_crc(data, known.shape))

    def _check_picture(self, row: int, shown: int | None) -> None:
        known, path = self.known, self._path(row)
        if shown in (known.pixel_crc[row], known.next_pixel_crc[row]):
            return
        others = np.flatnonzero(known.pixel_crc == shown) if shown is not None else []
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
        if shown is not None or self.changed[row]:
            self.edited.add(row)

    def _put_right(self, row: int, other: int) -> str:
        """Commands for a picture that has the name of `row` and shows the row `other`."""
        path = self.tree / self._path(row)
        is_there = self.found.place[other] != NOWHERE
        commands = [["rm", path] if is_there else ["mv", path, path.with_name(self._name(other))]]
        if self.known.place[row] != NOWHERE:  # its own picture is lost, and its absence would count as a wish
            commands += [["touch", path], ["rm", "-f", self.manifest]]
        commands = [shlex.join(map(str, command)) for command in commands]
        return f"Type {' && '.join(commands)}"

    def changes(self, path: PathLike) -> Changes:
        """The corrections that the changes are, against those in the file."""
        rows = np.flatnonzero(self.changed).tolist()
        notes = self._notes(path)
        if not rows:
            return Changes([], [], self.known, notes=notes)
        check_classes(self.labels)
        typed = {correction.id: correction for correction in read(path)}
        corrections, lines = [], []
        for row in rows:
            correction = _correction(self.known, row, self.found.place[row])
            line = typed.get(row + 1)
            if line:
                self._check_line(row, line, correction, path)
            else:
                self._check_elsewhere(row, typed.values(), path)
            # Without a line, one that says ok: a line about this row may have been removed since.
            if line is None or self._place_of(line) != self.found.place[row]:
                corrections.append(correction)
                lines.append(f"{path}: {self._tell(row, correction)}")
        place, next_place = (
            np.where(self.changed, self.found.place, places)
            for places in (self.known.place, self.known.next_place)
        )
        after = replace(self.known, place=place, next_place=next_place)
        return Changes(corrections, lines, after, adopted=True, notes=notes)

    def _notes(self, corrections: PathLike) -> list[str]:
        """What to say of pictures that will be made again, and of those that were edited in place."""
        notes = []
        if gone := [self._path(row) for row in np.flatnonzero(self.made_again).tolist()]:
            notes.append(
                f"{self.tree}: {some(gone, 3)}: missing, and so is {self.manifest}. To make them again, "
                f"{RUN_TREES}; to drop these images: "
                f"digitflow adopt{flag(self.known.corrections or corrections)} --deletions true"
            )
        if not (paths := [self._path(row) for row in sorted(self.edited) if not self.changed[row]]):
            return notes
        return [
            *notes,
            f"{self.tree}: {some(paths)}: pixels edited; models take them from the CSV, not from here. To "
            f"restore a picture, empty its file, delete {self.manifest} and {RUN_TREES}",
        ]

    def _place_of(self, line: Correction) -> int | None:
        """Where a picture belongs by its line; None: not a class of this tree."""
        if line.now == DROP:
            return NOWHERE
        label = line.was if line.now == OK else line.now
        return self.labels.index(label) if label in self.labels else None

    def _check_line(self, row: int, line: Correction, correction: Correction, path: PathLike) -> None:
        """What a person typed is replaced only if the tree had it before, and if it is about this image."""
        if line.crc and line.crc not in self._shown(row):
            raise InputError(
                f"{path}, line {line.line}: is about another image than {self.tree} shows as {row + 1}: "
                f"{self._older(row)}"
            )
        if line.was != correction.was:
            raise InputError(
                f"{path}, line {line.line}: column was: {line.was!r}, but in {self.tree} row {row + 1} has "
                f"the label {correction.was!r}: correct the line; if the training CSV has another label now, "
                f"{self._older(row)}"
            )
        place = self._place_of(line)
        if place not in (self.known.place[row], self.known.next_place[row], self.found.place[row]):
            done = "was deleted" if correction.now == DROP else f"was moved to {self._path(row)}"
            raise InputError(
                f"{path}, line {line.line}: column now: {line.now!r}, but the picture {self._name(row)} in "
                f"{self.tree} {done}; write {correction.now!r} into the line, or put the picture back"
            )

    def _check_elsewhere(self, row: int, typed: Iterable[Correction], path: PathLike) -> None:
        """The line of an image without one may be under its new number, if rows have others by now."""
        shown, known = self._shown(row), self.known
        for line in typed:
            other = line.id - 1
            if line.crc in shown and not (other < len(known) and line.crc in self._shown(other)):
                raise InputError(
                    f"{path}, line {line.line}: is about the image that {self.tree} shows as {row + 1}, by "
                    f"its new number {line.id}: {self._older(row)}"
                )

    def _shown(self, row: int) -> set[str]:
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
        known, path = self.known, self.tree / self._path(row)
        if known.place[row] == NOWHERE:
            commands = [["rm", path]]
        else:
            back = self.tree / picture_path(known.names, known.place[row], self._name(row))
            is_gone = self.found.place[row] == NOWHERE
            commands = [["touch", back], ["rm", "-f", self.manifest]] if is_gone else [["mv", path, back]]
        return f"Put the picture back: {' && '.join(shlex.join(map(str, command)) for command in commands)}"

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
