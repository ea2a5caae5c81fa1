"""Notes of jobs that began but did not end well, so that their old outputs are made again.

A job's outputs stay in place until the new ones are complete (Snakemake's `update`). When the job fails,
Snakemake puts a copy of the old ones back, with the current time: they would then look newer than the input
that the job failed on. It also records the failed job's settings and the checksums of its inputs as those
that the old outputs were made from. So a job's shell command writes a note of its outputs before anything
can fail, and deletes it when all has ended well. The next run gives the outputs in the notes an old time,
and writes into Snakemake's record that they were made with other settings, because times may tell nothing.
"""

import contextlib
import json
from pathlib import Path

from digitflow.base import records

NOTES = Path(".snakemake", "digitflow-unfinished")
LOCKS = Path(".snakemake", "locks")

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
        with contextlib.suppress(FileNotFoundError):  # a job that outlived its Snakemake may end just now
            for name in filter(None, note.read_text().split("\n")):
                # If Snakemake was killed, it notices this itself.
                if not records.record_of(name, records.INCOMPLETE).exists():
                    records.make_again(name, records.FAILED)
            note.unlink()


def left_on_cluster() -> str | None:
    """A line for the user if jobs that a killed run sent to a cluster may still run there, or None."""
    numbers = set()
    for mark in records.INCOMPLETE.rglob("*"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            numbers.add(json.loads(mark.read_text()).get("external_jobid"))
    if not (found := sorted(map(str, numbers - {None}))):
        return None
    return (
        f"warning: jobs of a run that was killed may still be on the cluster ({', '.join(found)}); if so, "
        "stop this run and cancel them, because both write the same files"
    )
