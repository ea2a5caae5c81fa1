"""Where messages go: to standard error, and to the log of a job."""

import logging
import sys
from pathlib import Path

log = logging.getLogger("digitflow")


def start(path: str | None) -> None:
    """Send messages to standard error and, with the time of day, to a file that is new each time."""
    logging.raiseExceptions = False  # a line that finds no room in the log is printed all the same
    log.setLevel(logging.INFO)
    log.handlers = [logging.StreamHandler(sys.stderr)]
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, mode="w", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        log.addHandler(handler)


def finish(seconds: float) -> None:
    """Note in the log how long the job took."""
    for handler in log.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.emit(logging.makeLogRecord({"msg": f"done in {seconds:.2f} s"}))
