"""Files that appear whole or not at all."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from digitflow.errors import FormatError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it to `path` on success, remove it on failure.

    The temporary name ends like the final one, for libraries that choose a format by the suffix, and is the
    same each time, so that the next run overwrites what a killed one left.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial.{path.name}")
    try:
        yield temporary
        # The data must be on the disk before the name is: a rename can outlive a power cut that data do not.
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_open(path: str | os.PathLike, mode: str = "wb", **options: Any) -> Iterator[IO]:
    """Open a file for writing that takes its final name only when the block ends without an error.

    Text is UTF-8 with bare newlines, whatever the locale.
    """
    if "b" not in mode:
        options = {"encoding": "utf-8", "newline": "\n", **options}
    with atomic_path(path) as temporary, open(temporary, mode, **options) as file:
        yield file


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Read a file that holds one JSON object. FormatError names the file and what is wrong with it."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: damaged: {error}; delete it and run again") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path}: damaged: no JSON object; delete it and run again")
    return value
