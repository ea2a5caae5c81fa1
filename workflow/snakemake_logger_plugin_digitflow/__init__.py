"""What a run prints: the jobs that it decided on, one line per finished job, and an error last of all.

Snakemake finds this plugin by the package's name (`logger: digitflow` in the profile). What happens comes
as log records with an `event`, in a thread of its own; `close` is called when all else has been said, the
Snakefile's `onerror` included. `--verbose` keeps Snakemake's own words.
"""

import functools
import logging
import os
import re
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter, is_quiet_about
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_digitflow import mistakes
from snakemake_logger_plugin_digitflow.plan import NAME_WIDTH, Plan, counted

# Verbs that find this variable leave their error to the console, which prints it once, and last.
# ASSUME: digitflow.base.logs has the same name. An import would fix which clone's digitflow a Snakefile gets.
CONSOLE = "DIGITFLOW_CONSOLE"

# What Snakemake says of how it goes about its work. All else is printed: a new release may have more to say.
NOISE = re.compile(
    "Config file .* is extended|Assuming unrestricted shared filesystem|Building DAG of jobs"
    "|Using shell: |Select jobs to execute"
    "|(Group jobs|Conda environments|Singularity containers): (inactive|ignored)"
    "|Removing (temporary output|output files of failed job|local copy of storage file)"
    "|Storing output in storage|Finished (retrieval|upload)"
    "|Cannot restore .*: no backup found|Restored previous version of"
    "|Reasons:|Some jobs were triggered by provenance|Rules with provenance triggered jobs|This was a dry-run"
    "|Shutting down|Exiting because a job execution failed|Complete log"
    "|--keep-incomplete mode is set|Cleaning up SLURM log files"
)
# What Snakemake adds to all that a cluster says of a job that failed there.
POINTER = "For further error details see the cluster/cloud log and the log files of the involved rule(s)."
STAMP = re.compile(r"\d\d:\d\d:\d\d ")  # how a message begins in the log of a job
TRACE = re.compile(r'^(Traceback:\n|  File ".*", line \d+, in .*\n?)', re.MULTILINE)
# The message of an input function; Snakemake adds its place, and the wildcards.
INPUT_FUNCTION = re.compile(
    r"InputFunctionException in rule .*\nError:\n  WorkflowError:\n(.*?)(\nWildcards:.*)?", re.DOTALL
)
SILENT = "it wrote nothing into its log; if it said anything, that stands above, or in the cluster's own log"
TAIL = 10  # lines of a log that has no error message
CLOCKS = 2.0  # seconds by which a file system's clock may be behind


@dataclass(frozen=True)
class Job:
    """A job that runs: what it is called, and since when (seconds since the epoch)."""

    name: str
    started: float


class LogHandler(LogHandlerBase):
    """Prints what a person wants to know of a run, as it happens, and errors when everything else is over."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.stream = sys.stdout if settings.stdout else sys.stderr
        formatter = DefaultFormatter(settings.quiet, settings.show_failed_logs)
        self.plain = ColorizingTextHandler(settings.nocolor, self.stream, formatter)
        self.plain.addFilter(
            DefaultFilter(
                settings.quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
            )
        )
        self.own_words = not settings.verbose
        self.is_quiet_about = functools.partial(is_quiet_about, settings.quiet or ())
        self.shows_progress = not self.is_quiet_about("progress")
        self.started = time.time()
        self.folder = Path.cwd()
        self.width = NAME_WIDTH
        self.finished = self.total = 0
        self.running: dict[int, Job] = {}
        self.endings: dict[int | None, str] = {}  # by thread: an exception, perhaps that of a failed job
        self.failures: dict[int, str] = {}  # by job: one that is tried again may yet succeed
        self.errors: list[str] = []
        self.interrupted = False
        self.targets: Callable[[], Mapping[str, str]] | None = None  # set by the Snakefile once it is read
        self.plan = Plan(settings.printshellcmds) if settings.dryrun and self.own_words else None
        if not settings.dryrun:
            os.environ[CONSOLE] = "1"

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, keep it for the end, or drop it."""
        try:
            self._handle(record, getattr(record, "event", None))
        except BrokenPipeError:  # `snakemake | head` has seen enough
            pass
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Print what would run, and the errors, below all that Snakemake and the Snakefile have said."""
        if self.plan and self.plan.stats:
            text, self.plan.stats = "\n".join(self.plan.lines()), {}
            self._print(text)
        errors = [*self.errors, *self.endings.values(), *self.failures.values()]
        if self.interrupted:
            errors = [error for error in errors if "was ended by SIGINT" not in error]
        if isinstance(sys.exception(), KeyboardInterrupt):  # Snakemake lets it pass before the first job
            sys.excepthook = lambda *_: None
            errors = []
            self._print("interrupted")
        if errors and sys.stdout:  # None if it was closed
            sys.stdout.flush()  # what the Snakefile has printed
        for error in errors:
            self._print("\n" + error, red=True)
        for kept in self.errors, self.endings, self.failures:
            kept.clear()  # Python closes all handlers again as it ends
        super().close()

    def _handle(self, record: logging.LogRecord, event: LogEvent | None) -> None:
        if event == LogEvent.ERROR:
            self._keep(record)
            return
        if event == LogEvent.JOB_INFO:
            self.running[record.jobid] = Job(job_name(record.rule_name, record.wildcards), record.created)
            self.failures.pop(record.jobid, None)
        elif event == LogEvent.JOB_ERROR:
            self._job_failed(record)
        if self.own_words:
            self._in_own_words(record, event)
        else:
            self.plain.handle(record)

    def _in_own_words(self, record: logging.LogRecord, event: LogEvent | None) -> None:
        if event == LogEvent.RUN_INFO and self.plan:
            self.plan.stats = record.stats
        elif event == LogEvent.RUN_INFO:
            self.total = record.stats["total"]
            if self.shows_progress:
                self._print(counted(record.stats))
        elif event == LogEvent.JOB_INFO and self.plan and not self.is_quiet_about("rules"):
            self.plan.add(self.running[record.jobid].name, record)
        elif event == LogEvent.JOB_FINISHED:
            self._job_finished(record)
        elif event == LogEvent.DEBUG_DAG or (event == LogEvent.SHELLCMD and not self.plan):
            self.plain.handle(record)
        elif event is None and not NOISE.match(str(record.msg)):
            self._message(record)

    def _keep(self, record: logging.LogRecord) -> None:
        """Keep an exception for the end: one that a job has failed with is told from others by its thread."""
        text = record.getMessage()
        if "At least one job did not complete successfully" in text:
            return
        if not self.common_settings.verbose:
            text = TRACE.sub("", text).rstrip()
            text = re.sub(r'^WorkflowError( in file ".*", line \d+)?:\n', "error: ", text)
            if found := INPUT_FUNCTION.fullmatch(text):
                text = f"error: {textwrap.dedent(found[1]).rstrip()}"
            text = self._explained(text)
        if record.thread in self.endings:
            self.errors.append(self.endings[record.thread])
        self.endings[record.thread] = text

    def _explained(self, text: str) -> str:
        """An error's text, or a better one where the mistake is in the command or the folder is locked."""
        if self.total:  # jobs are decided on: the command was understood
            return text
        if found := mistakes.of_the_lock(text, sys.argv[1:]):
            return found
        if self.targets:
            return mistakes.of_the_target(text, sys.argv[1:], self.targets)
        if found := mistakes.of_the_command(sys.argv[1:], self.folder):
            return found
        return f"error: {text.splitlines()[-1]}" if text.startswith("Traceback ") else text

    def _job_failed(self, record: logging.LogRecord) -> None:
        job = self.running.pop(record.jobid, Job(record.rule_name, record.created))
        text, log = self.endings.pop(record.thread, ""), ""
        if self.interrupted:
            return
        if not text or "CalledProcessError" in text:
            ending = how_it_ended(text)
            log, text = find_last_words(record.log, job.started - CLOCKS)
            if not text.startswith("error: ") and (told := told_by_cluster(record)):
                text = f"{text}\n{told}".lstrip()
            text = text or (SILENT if record.log else (record.shellcmd or "").strip())
        else:
            ending = "failed"
        where = f", log: {log or record.log[0]}" if record.log else ""
        self.failures[record.jobid] = f"{job.name} {ending}{where}\n{text}".rstrip()
        if self.own_words and "SIGINT" not in ending:
            after = f"{job.name} {ending} after {in_words(record.created - job.started)}"
            # Other jobs may run on for long, and the error itself comes last.
            self._print(after + (where if self.running else ""), red=True)

    def _job_finished(self, record: logging.LogRecord) -> None:
        job = self.running.pop(record.job_id)
        self.finished += 1
        if self.shows_progress:
            self.width = max(self.width, len(job.name))
            took = in_words(record.created - job.started)
            count = f"[{self.finished:{len(str(self.total))}} of {self.total}]"
            self._print(f"{job.name:{self.width}} {took:>12}  {count}")

    def _message(self, record: logging.LogRecord) -> None:
        """Print a message of Snakemake's or the Snakefile's."""
        text = str(record.msg)
        if text.startswith("Terminating processes on user request"):
            self.interrupted = True
            self._print("interrupted: running jobs are being stopped; the same command will go on from here")
        elif text.startswith("Elapsed time: "):
            if self.finished == self.total and self.shows_progress:
                self._print(f"done in {in_words(record.created - self.started)}")
        elif record.levelno != logging.INFO:
            self.plain.handle(record)
        elif not self.is_quiet_about("all"):
            self._print(text)

    def _print(self, text: str, *, red: bool = False) -> None:
        if red and not self.plain.nocolor:
            text = f"\x1b[31m{text}\x1b[0m"
        self.stream.write(f"{text}\n")
        self.stream.flush()


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """What a job is called: its rule, and what its wildcards stand for (`train_keras keras_cnn-seed0`).

    The lines that trainings, predictions and studies print themselves begin with the same name, from their
    log's path.
    """
    values = [f"{key}{value}" if value.isdigit() else value for key, value in wildcards.items() if value]
    return " ".join([rule, *"-".join(values).replace("-/", " ").replace("/", " ").split()])


def how_it_ended(exception: str) -> str:
    """How a job's command ended, from the words of a CalledProcessError."""
    if found := re.search(r"Signals\.(SIG\w+)", exception):
        name = found[1]
    elif (found := re.search(r"exit status (\d+)", exception)) and int(found[1]) - 128 in set(signal.Signals):
        name = signal.Signals(int(found[1]) - 128).name  # the shell's way to say it
    else:
        return "failed"
    return f"was ended by {name}" + (" (perhaps it ran out of memory)" if name == "SIGKILL" else "")


def told_by_cluster(record: logging.LogRecord) -> str:
    """What a cluster says of a job that failed there, and the paths of its own logs; "": nothing."""
    words = " ".join((record.rule_msg or "").removesuffix(POINTER).split())
    logs = record.log[1:]  # behind the rule's own
    return f"{words} Log: {', '.join(logs)}" if words and logs else words


def find_last_words(logs: list[str], since: float) -> tuple[str, str]:
    """Return the path and the `last_words` of the first log written since a time; empty texts: none was."""
    for log in logs:
        path = Path(log)
        if path.is_file() and path.stat().st_mtime >= since:
            words = last_words(path.read_text(encoding="utf-8", errors="replace"))
            if words:
                return log, words
    return "", ""


def last_words(log: str) -> str:
    """Return the error that a log ends with, or else its last lines, the whole last message among them."""
    lines = log.rstrip().splitlines()
    stamped = [number for number, line in enumerate(lines) if STAMP.match(line)]
    last = lines[stamped[-1] if stamped else 0 :]
    last[:1] = [STAMP.sub("", line, count=1) for line in last[:1]]
    errors = [number for number, line in enumerate(last) if line.startswith("error: ")]
    if errors:
        return "\n".join(last[errors[0] :])
    return "\n".join(last if stamped and len(last) > TAIL else lines[-TAIL:])


def in_words(seconds: float) -> str:
    """A duration as a person says it."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
