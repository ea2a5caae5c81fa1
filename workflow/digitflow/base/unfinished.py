"""Notes of jobs that have begun and not ended well, so that what they were to replace is made again.

A job's outputs stay where they are until it has whole new ones (Snakemake's `update`). When the job fails,
Snakemake puts a copy of the old ones back, with the time of that moment: they would then look newer than the
input that the job failed on. It also records the failed job's settings, and checksums of its inputs, as those
that the old ones were made from. So a job leaves a note of its outputs until it has ended well, and the next
run makes what is noted old, and takes Snakemake's record away.
"""

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

NOTES = Path(".snakemake", "digitflow-unfinished")
LOCKS = Path(".snakemake", "locks")
METADATA = Path(".snakemake", "metadata")
LONG_AGO = 1  # seconds since 1970: older than any input


@contextlib.contextmanager
def marked(outputs: Sequence[str | os.PathLike]) -> Iterator[None]:
    """Keep a note of a job's outputs, relative to the working folder, unless the block ends well."""
    if not outputs or not NOTES.parent.is_dir():  # not called by Snakemake
        yield
        return
    names = sorted(map(str, outputs))
    note = NOTES / hashlib.sha256("\0".join(names).encode()).hexdigest()[:32]
    NOTES.mkdir(exist_ok=True)
    note.write_text(json.dumps(names))
    yield
    note.unlink(missing_ok=True)


def is_locked() -> bool:
    """Whether another Snakemake runs in this folder, or one was killed here."""
    return any(LOCKS.glob("*"))


def make_old() -> None:
    """Set the times of the outputs that notes name back, and forget them, so that Snakemake makes them again.

    Nothing is done while Snakemake's lock is there: the notes may be those of jobs that are running.
    """
    if is_locked():
        return
    for note in NOTES.glob("*"):
        with contextlib.suppress(ValueError):  # half-written: its job had not begun
            for name in json.loads(note.read_text()):
                with contextlib.suppress(OSError):
                    os.utime(name, (LONG_AGO, LONG_AGO))
                _record_of(name).unlink(missing_ok=True)
        note.unlink(missing_ok=True)


def _record_of(output: str) -> Path:
    """Where Snakemake records what an output was made from: its name in base64, in parts if it is long."""
    name = base64.urlsafe_b64encode(output.encode()).decode()
    parts = [name[start : start + 254] for start in range(0, len(name), 254)]
    return METADATA.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
