"""Notes of jobs that have begun and not ended well, so that what they were to replace is made again.

A job's outputs stay where they are until it has whole new ones (Snakemake's `update`). When the job fails,
Snakemake puts a copy of the old ones back, with the time of that moment: they would then look newer than the
input that the job failed on. It also records the failed job's settings, and checksums of its inputs, as those
that the old ones were made from. So the shell of a job writes a note of its outputs, before anything of the
job can fail, and deletes it when all has ended well. The next run makes what is noted old, and writes into
Snakemake's record that it was made with other settings: the time of an input may say nothing.
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
INCOMPLETE = Path(".snakemake", "incomplete")  # outputs of jobs that Snakemake saw no end of
FAILED = "unfinished"  # all settings that a record says then; the console's plan knows the word
LONG_AGO = 1  # seconds since 1970: older than any input


# The shell text around a job's own, with the fields that Snakemake fills in. A note has a name of an output
# in each line. It is named like the job's log, so that a second try deletes the note of the first. Bash does
# all that without starting another program, but for a folder that is not there.
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
    """Set the times of the outputs that notes name back, and forget them, so that Snakemake makes them again.

    Nothing is done while Snakemake's lock is there: the notes may be those of jobs that are running.
    """
    if is_locked():
        return
    for note in NOTES.glob("*"):
        for name in filter(None, note.read_text().split("\n")):
            if _record_of(name, INCOMPLETE).exists():  # Snakemake was killed, and sees that itself
                continue
            with contextlib.suppress(OSError):
                os.utime(name, (LONG_AGO, LONG_AGO))
            _spoil(_record_of(name, METADATA))
        note.unlink(missing_ok=True)


def _spoil(record: Path) -> None:
    """Let a record say settings that no job has, and no checksums."""
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
