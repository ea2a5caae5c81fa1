"""Notes of jobs that began but did not end well, so that their old outputs are made again.

A job's outputs stay in place until the new ones are complete (Snakemake's `update`). When the job fails,
Snakemake puts a copy of the old ones back, with the current time: they would then look newer than the input
that the job failed on. It also records the failed job's settings and the checksums of its inputs as those
that the old outputs were made from. So a job's shell command writes a note of its outputs before anything
can fail, and deletes it when all has ended well. The next run gives the outputs in the notes an old time,
and writes into Snakemake's record that they were made with other settings, because times may tell nothing.
"""

import base64
import contextlib
import json
import os
from pathlib import Path

from digitflow.base.files import write_json

NOTES = Path(".snakemake", "digitflow-unfinished")
LOCKS = Path(".snakemake", "locks")
METADATA = Path(".snakemake", "metadata")  # what outputs were made from
INCOMPLETE = Path(".snakemake", "incomplete")  # outputs of jobs that were running when Snakemake was killed
FAILED = "unfinished"  # the only setting in a record then; the console's plan knows the word
LONG_AGO = 1  # seconds since 1970: older than any input


# The shell text around a job's own, with the fields that Snakemake fills in. A note has the name of one
# output per line. It is named like the job's log, so that a second try deletes the note of the first. Bash
# does all this without starting another program, except to make a missing folder.
NOTED = f"""note={{log:q}} && note={NOTES}/"${{{{note//\\//%}}}}" && \\
{{{{ [ -d {NOTES} ] || mkdir -p {NOTES}; }}}} && \\
printf '%s\\n' {{output:q}} >"$note" && \\
"""
DONE = """ && \\
rm -f "$note\""""


def is_locked() -> bool:
    """Whether another Snakemake runs in this folder, or one was killed here."""
    return any(LOCKS.glob("*"))


def make_old() -> None:
    """Give the outputs named in notes an old time, so that Snakemake makes them again; delete the notes.

    Nothing is done while Snakemake's lock exists: the notes may be those of running jobs.
    """
    if is_locked():
        return
    for note in NOTES.glob("*"):
        for name in filter(None, note.read_text().split("\n")):
            if _record_of(name, INCOMPLETE).exists():  # Snakemake was killed, and notices this itself
                continue
            with contextlib.suppress(OSError):
                os.utime(name, (LONG_AGO, LONG_AGO))
            _spoil(_record_of(name, METADATA))
        note.unlink(missing_ok=True)


def _spoil(record: Path) -> None:
    """Put settings that no job has into a record, and no checksums."""
    try:
        known = json.loads(record.read_text())
        write_json(record, {**known, "params": [repr(FAILED)], "input_checksums": {}})
    except FileNotFoundError:
        pass
    except (ValueError, TypeError):  # damaged
        record.unlink()


def _record_of(output: str, folder: Path) -> Path:
    """Where Snakemake keeps a record of an output: its name in base64, in parts if it is long."""
    name = base64.urlsafe_b64encode(output.encode()).decode()
    parts = [name[start : start + 254] for start in range(0, len(name), 254)]
    return folder.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
