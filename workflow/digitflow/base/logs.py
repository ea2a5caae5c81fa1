"""Where messages go: to standard error and, with the time of day, to the job's log."""

import logging
import os
import sys
from pathlib import Path

log = logging.getLogger("digitflow")

# Set by snakemake_logger_plugin_digitflow, which prints the error of a failed job from the job's log.
CONSOLE = "DIGITFLOW_CONSOLE"

job: str | None = None  # the name of this process's job in a run; None if the verb is called by hand
_process: int | None = None  # the process that `start` was called in


def start(path: str | None, name: str | None = None) -> None:
    """Send messages to standard error and to a new log file.

    `name` is the job's name in a run; it begins each line on standard error, where the lines of several jobs
    mix. A verb called by hand has none. The log also gets DEBUG messages. OSError: the log cannot be written.
    """
    global job, _process
    job, _process = name, os.getpid()
    logging.raiseExceptions = False  # a line that does not fit into the log is printed all the same
    log.setLevel(logging.DEBUG)
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(logging.INFO)
    if name:
        screen.setFormatter(_Prefixed(name))
    log.handlers = [screen]
    if path:
        file = _LogFile(path)
        log.handlers = [file, screen]  # in this order: the screen asks whether the file took the message
        if CONSOLE in os.environ:
            screen.addFilter(lambda record: record.levelno < logging.ERROR or file.failed)


def name_of(path: str) -> str:
    """The name of the job of a log: for `logs/train_keras/cnn-seed0.log`, `train_keras cnn-seed0`."""
    return " ".join(Path(path).with_suffix("").parts[1:])


def may_redraw() -> bool:
    """Whether this process has the terminal to itself: it is neither a run's job nor a child of a verb."""
    return job is None and _process == os.getpid() and sys.stderr.isatty()


class _Prefixed(logging.Formatter):
    """Messages with the job's name before each of their lines."""

    def __init__(self, job: str):
        super().__init__()
        self._prefix = f"{job} | "

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(self._prefix + line for line in super().format(record).splitlines())


class _LogFile(logging.FileHandler):
    """A log that knows whether there was no room for a message."""

    def __init__(self, path: str):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, mode="w", encoding="utf-8")
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        self.failed = False

    def handleError(self, record: logging.LogRecord) -> None:
        self.failed = True
