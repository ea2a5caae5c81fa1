"""Progress of long work: a live line if the process has the terminal to itself, else plain lines."""

import logging
import sys
import time

from digitflow.base import logs

log = logging.getLogger("digitflow")

TERMINAL_SECONDS = 0.2  # how often the live line is redrawn
LOG_SECONDS = 10.0  # how often a plain line is logged: a handful for a conversion of 1M rows
SHORT_SECONDS = 3.0  # in a run, a job with shorter work writes its rate only to the log file


class Progress:
    """Count units of work done; report done, total, rate and time left.

    Use as a context manager and call `advance(n)`. `total` None: unknown, no time left is shown. A line is
    redrawn only if no other process writes to the terminal (`logs.may_redraw`).
    """

    def __init__(self, what: str, total: int | None, unit: str = "rows"):
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self._live = logs.may_redraw()

    def __enter__(self) -> "Progress":
        self._start = self._drawn = self._logged = time.monotonic()
        return self

    def __exit__(self, failed, *_) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")
        if not failed:
            now = time.monotonic()
            told = logs.job is None or now - self._start >= SHORT_SECONDS
            log.log(logging.INFO if told else logging.DEBUG, self._line(now))

    def advance(self, n: int) -> None:
        """Add `n` finished units."""
        self.done += n
        now = time.monotonic()
        if self._live and now - self._drawn >= TERMINAL_SECONDS:
            self._drawn = now
            sys.stderr.write(f"\r\x1b[K{self._line(now)}")
            sys.stderr.flush()
        if now - self._logged >= LOG_SECONDS:
            self._logged = now
            log.info(self._line(now))

    def _line(self, now: float) -> str:
        elapsed = max(now - self._start, 1e-9)
        rate = self.done / elapsed
        if self.total is None:
            return f"{self.what}: {self.done:,} {self.unit}, {rate:,.0f} {self.unit}/s"
        line = f"{self.what}: {self.done:,} of {self.total:,} {self.unit}, {rate:,.0f} {self.unit}/s"
        if self.done < self.total:
            left = (self.total - self.done) / rate if rate else float("inf")
            return f"{line}, {left:,.0f} s left"
        return f"{line}, {elapsed:.1f} s"
