"""Turn what people did in the tree of training pictures (moved, deleted, copied files) into corrections."""

import os
import shlex
from pathlib import Path

from digitflow.base.errors import InputError, how_many
from digitflow.base.files import PathLike, atomic_path
from digitflow.dataset import applied as last_applied
from digitflow.dataset.applied import APPLIED, flag, is_blank, may_be_lost, same_file
from digitflow.dataset.comparison import Changes, Comparison, correction_of
from digitflow.dataset.inventory import NOWHERE, RUN_TREES, read_inventory, settle
from digitflow.dataset.treetimes import read_about, wants_a_look
from digitflow.formats.corrections import HEADER, OK, Correction, read, record


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
    if not wants_a_look(tree):  # nor does one without an inventory, which the next update has to recognise
        return Changes()
    if not tree.is_dir():
        if manifest.exists() and (read_inventory(tree).place != NOWHERE).any():
            raise InputError(
                f"{tree}: is gone; no image is dropped because of that. To make the pictures again, delete "
                f"{manifest} and {RUN_TREES}"
            )
        return Changes()
    comparison = Comparison(tree, manifest, corrections)
    comparison.check_files()
    if not deletions:
        comparison.check_deletions()
    if not moves:
        comparison.check_moves()
    comparison.check_unfinished()
    comparison.check_contents()
    if source is not None:
        comparison.check_owner(source)
    return comparison.changes()


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
            f"{corrections}: is {state}, and {how_many(lost, 'correction')} with it; nothing was changed. "
            f"To restore it: digitflow restore_corrections{flag(corrections)}; to give up all corrections: "
            f"{empty}"
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
    with atomic_path(os.path.realpath(corrections)) as temporary:  # a link to the file stays a link
        temporary.write_text(copy.text, encoding="utf-8", newline="")
        record(temporary, shown)
        written = how_many(len(read(temporary)), "correction")
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
    was_last = typed and last_applied.was_last(corrections, applied)
    if was_last and read_about(tree).adopted < Path(applied).stat().st_mtime_ns:
        return copy, []  # it has all that was adopted, and the tree may not be up to date with it
    places = known.by_corrections()
    shown = [correction_of(known, row, places[row]) for row in known.moved().tolist()]
    rows = {line.id for line in shown}
    images = {line.crc for line in copy.lines() if line.id not in rows}  # by their new numbers
    return copy, [line for line in shown if typed.get(line.id) != line.now and line.crc not in images]
