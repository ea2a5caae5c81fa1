"""Whether somebody may have changed a tree since it was last looked at: told by times, without listing it.

Every start of Snakemake asks this, so it imports nothing large.
"""

import os
from pathlib import Path

PathLike = str | os.PathLike


def inventory_path(tree: PathLike) -> Path:
    """The inventory's file, beside the tree."""
    tree = Path(tree)
    return tree.with_name(f"{tree.name}.inventory")


def is_understood(tree: PathLike) -> bool:
    """Whether no folder of the tree has changed since everything in it was known: ten calls, no listing."""
    with os.scandir(tree) as entries:
        folders = [changed_at(entry.stat()) for entry in entries if entry.is_dir()]
    return max(changed_at(Path(tree).stat()), *folders, 0) < inventory_path(tree).stat().st_mtime_ns


def changed_at(status: os.stat_result) -> int:
    """When a folder changed, in ns: what keeps times (rsync -a, tar) sets back mtime, but not ctime."""
    return max(status.st_mtime_ns, status.st_ctime_ns)


def wants_a_look(tree: PathLike) -> bool:
    """Whether the tree is gone, or one of its folders has changed, since its inventory was written."""
    return inventory_path(tree).exists() and not (Path(tree).is_dir() and is_understood(tree))
