"""Progress: what a log and a terminal are told."""

import logging
import re
import sys

import pytest

from digitflow.base import logs, progress
from digitflow.base.progress import Progress


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """However slow the machine, all work here is short, and no line is due unless a test says so."""
    for name in ("TERMINAL_SECONDS", "LOG_SECONDS", "SHORT_SECONDS"):
        monkeypatch.setattr(progress, name, 3600)


@pytest.fixture
def logged(caplog):
    """What the log has been told so far, by `logged.messages`."""
    caplog.set_level(logging.INFO, "digitflow")
    return caplog


def test_a_log_gets_plain_lines_with_done_rate_and_time_left(logged, monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0)
    with Progress("reading", 2000) as work:
        work.advance(500)
        work.advance(1500)
    assert re.fullmatch(r"reading: 500 of 2,000 rows, [\d,]+ rows/s, [\d,]+ s left", logged.messages[0])
    assert re.fullmatch(r"reading: 2,000 of 2,000 rows, [\d,]+ rows/s, \d+\.\d s", logged.messages[-1])
    assert "\r" not in logged.text


def test_short_work_leaves_one_line(logged):
    with Progress("reading", 10) as work:
        for _ in range(10):
            work.advance(1)
    assert len(logged.messages) == 1


def test_short_work_of_a_job_leaves_its_rate_to_the_log_file(logged, monkeypatch):
    monkeypatch.setattr(logs, "job", "csv_to_idx train")
    with Progress("reading", 10) as work:
        work.advance(10)
    assert not logged.messages
    monkeypatch.setattr(progress, "SHORT_SECONDS", 0)
    with Progress("reading", 10) as work:
        work.advance(10)
    assert len(logged.messages) == 1


def test_a_job_of_a_run_redraws_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(logs, "job", "csv_to_idx train")
    monkeypatch.setattr(progress, "TERMINAL_SECONDS", 0)
    with Progress("reading", 10) as work:
        work.advance(4)
    assert "\r" not in capsys.readouterr().err


def test_without_a_total_no_time_is_left(logged):
    with Progress("reading", None) as work:
        work.advance(7)
    assert re.fullmatch(r"reading: 7 rows, [\d,]+ rows/s", logged.messages[-1])


def test_failed_work_reports_no_end(logged):
    with pytest.raises(ValueError, match="stop"), Progress("reading", 10) as work:
        work.advance(1)
        raise ValueError("stop")
    assert not logged.messages


def test_a_terminal_gets_one_line_that_is_redrawn(monkeypatch, capsys):
    monkeypatch.setattr(logs, "may_redraw", lambda: True)
    monkeypatch.setattr(progress, "TERMINAL_SECONDS", 0)
    with Progress("reading", 10) as work:
        work.advance(4)
        work.advance(6)
    drawn = capsys.readouterr().err
    assert drawn.count("\r") == 3  # twice drawn, once cleared
    assert "reading: 4 of 10 rows" in drawn
    assert "\n" not in drawn
