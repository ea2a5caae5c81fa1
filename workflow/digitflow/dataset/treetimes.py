"""Whether somebody may have changed a tree since the last look at it: told by times, without listing it.

Every start of Snakemake asks this, and what the tree shows, so this module imports nothing large.
"""

import json
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from digitflow.base.files import PathLike

ABOUT = "about.json"  # in the inventory
FUTURE = 60 * 10**9  # ns; a time further ahead comes from a clock that was ahead


@dataclass(frozen=True)
class About:
    """What the inventory says of its tree as a whole.

    `corrections` and `source`: the file of corrections and the training data that it shows, as the
    configuration names them; empty: not known. `moved`: how many pictures are not where the CSV has them;
    None: not known. `times`: of the tree and its folders, as `folder_times` has them. `adopted`: when
    changes by hand were adopted last, in ns; 0: never, or not known. The tree then needs an update, even if
    the corrections are taken back. `next_corrections`: the file that an update which has begun will show; ""
    after its end.
    """

    corrections: str = ""
    source: str = ""
    moved: int | None = None
    times: dict[str, list[int]] = field(default_factory=dict)
    adopted: int = 0
    next_corrections: str = ""


def inventory_path(tree: PathLike) -> Path:
    """The inventory's file, beside the tree."""
    tree = Path(tree)
    return tree.with_name(f"{tree.name}.inventory")


def is_understood(tree: PathLike) -> bool:
    """Whether no folder of the tree has changed since everything in it was known: a dozen calls, no listing.

    Times are compared for equality: a clock that was ahead, or a copy of the project, may leave any. In the
    folders with pictures, a time equal to that of the look counts as a change. The tree itself may have got
    its name then.
    """
    about, times, known = read_about(tree), folder_times(tree), inventory_path(tree).stat().st_mtime_ns
    if not known or about is None or about.times != times:
        return False
    of_tree = max(times.pop(""))
    return (of_tree == known or not is_recent(of_tree, known)) and not any(
        is_recent(max(of_folder), known) for of_folder in times.values()
    )


def is_recent(changed: int, known: int) -> bool:
    """Whether a folder that changed at this time, in ns, may have changed again since all was `known`.

    One from the future cannot: a clock was ahead, and today's times are others.
    """
    return known <= changed <= known + FUTURE


def folder_times(tree: PathLike) -> dict[str, list[int]]:
    """Mtime and ctime in ns of the tree, whose name is empty, and of its folders; empty: no tree."""
    try:
        found = {"": Path(tree).stat()}
        with os.scandir(tree) as entries:
            found |= {entry.name: entry.stat() for entry in entries if entry.is_dir()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {name: [status.st_mtime_ns, status.st_ctime_ns] for name, status in found.items()}


def wants_a_look(tree: PathLike) -> bool:
    """Whether the tree is gone, or one of its folders has changed, since its inventory was written."""
    return inventory_path(tree).exists() and not (Path(tree).is_dir() and is_understood(tree))


def read_about(tree: PathLike) -> About | None:
    """What the inventory says of a tree; None: there is none. One that is damaged, or old, says nothing."""
    try:
        with zipfile.ZipFile(inventory_path(tree)) as archive:
            return About(**json.loads(archive.read(ABOUT)))
    except FileNotFoundError:
        return None
    # zipfile, zlib and json raise a dozen unrelated types for damaged bytes.
    except Exception:
        return About()
