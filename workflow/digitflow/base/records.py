"""Snakemake's records of what it made from what, and files that are not those of the record.

Snakemake knows a file by its name. If an older `data/` or `results/` is put back, from a backup or by moving
it aside and back, it takes the files for those that its latest jobs made, whatever has changed in between.
Times tell them apart: files that were put back are older than the records of their names.
"""

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from digitflow.base.files import write_json

METADATA = Path(".snakemake", "metadata")  # what outputs were made from
INCOMPLETE = Path(".snakemake", "incomplete")  # outputs of jobs that were running when Snakemake was killed
# Instead of all settings in a record, why a job runs again; the console's plan knows these words.
FAILED, PUT_BACK, IN_PART = "unfinished", "put back", "gone in part"
LONG_AGO = 1  # seconds since 1970: older than any input
SLACK = 60  # seconds by which clocks may differ: outputs may lie on a disk of another machine


def record_of(output: str, folder: Path) -> Path:
    """Where Snakemake keeps a record of an output: its name in base64, in parts if it is long."""
    name = base64.urlsafe_b64encode(output.encode()).decode()
    parts = [name[start : start + 254] for start in range(0, len(name), 254)]
    return folder.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])


def make_again(output: str, why: str) -> None:
    """Have Snakemake make an output again: by an old time, and by the one setting FAILED, PUT_BACK
    or IN_PART.
    """
    with contextlib.suppress(OSError):
        os.utime(output, (LONG_AGO, LONG_AGO))
    record = record_of(output, METADATA)
    try:
        known = json.loads(record.read_text())
        write_json(record, {**known, "params": [repr(why)], "input_checksums": {}})
    except FileNotFoundError:
        pass
    except (ValueError, TypeError):  # damaged
        record.unlink()


def find_put_back() -> Iterator[str]:
    """The outputs that are older than the records of their names.

    When a job ends, Snakemake gives its outputs the current time, and right after that writes the record.
    """
    for folder, _, names in os.walk(METADATA):
        parts = Path(folder).relative_to(METADATA).parts
        for name in names:
            with contextlib.suppress(OSError, ValueError):
                output = base64.urlsafe_b64decode("".join(part[1:] for part in parts) + name).decode()
                made = Path(output).lstat().st_mtime
                if made != LONG_AGO and made < Path(folder, name).stat().st_mtime - SLACK:
                    yield output


def are_missing(output: str) -> bool:
    """Whether an output exists, but Snakemake has no record of anything, so that no change can be noticed."""
    return Path(output).exists() and not any(METADATA.glob("*")) and not any(INCOMPLETE.glob("*"))
