"""Logs: what goes to the screen, what to the file, and what is found there after a second attempt."""

import contextlib
import logging
import os
import re
import sys

import pytest

import snakemake_logger_plugin_digitflow as console
from digitflow.base import logs

log = logging.getLogger("digitflow")


@pytest.fixture(autouse=True)
def unstarted(monkeypatch):
    """Each test starts the logs itself, and leaves them as they were."""
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "level", log.level)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(logs, "job", None)
    monkeypatch.setattr(logs, "_process", None)
    monkeypatch.delenv(logs.CONSOLE, raising=False)
    yield
    for handler in log.handlers:
        with contextlib.suppress(OSError):  # /dev/full
            handler.close()


def test_a_message_goes_to_the_screen_as_it_is_and_to_the_log_with_the_time(tmp_path, capsys):
    logs.start(str(tmp_path / "logs" / "verb.log"))
    log.info("done")
    assert capsys.readouterr().err == "done\n"
    assert re.fullmatch(r"\d\d:\d\d:\d\d done\n", (tmp_path / "logs" / "verb.log").read_text())


def test_each_line_of_a_job_says_which_job_it_comes_from(capsys):
    logs.start(None, "train_keras keras_cnn-seed0")
    log.info("epoch 1/2\nepoch 2/2")
    assert capsys.readouterr().err == (
        "train_keras keras_cnn-seed0 | epoch 1/2\ntrain_keras keras_cnn-seed0 | epoch 2/2\n"
    )


def test_details_go_to_the_log_only(tmp_path, capsys):
    logs.start(str(tmp_path / "verb.log"))
    log.debug("42,000 rows/s")
    assert capsys.readouterr().err == ""
    assert "42,000 rows/s" in (tmp_path / "verb.log").read_text()


def test_a_log_is_new_each_time(tmp_path):
    for message in ("first", "second"):
        logs.start(str(tmp_path / "verb.log"))
        log.info(message)
    assert "first" not in (tmp_path / "verb.log").read_text()


def test_the_console_of_a_run_is_left_to_print_the_error(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(logs.CONSOLE, "1")
    logs.start(str(tmp_path / "verb.log"), "verb")
    log.warning("careful")
    log.error("error: wrong")
    assert capsys.readouterr().err == "verb | careful\n"
    assert "error: wrong" in (tmp_path / "verb.log").read_text()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device without room is Linux's")  # noqa: PTH110
def test_an_error_that_finds_no_room_in_the_log_is_printed_all_the_same(capsys, monkeypatch):
    monkeypatch.setenv(logs.CONSOLE, "1")
    logs.start("/dev/full", "verb")
    log.error("error: no space left")
    assert capsys.readouterr().err == "verb | error: no space left\n"


def test_an_error_without_a_log_is_printed(capsys, monkeypatch):
    monkeypatch.setenv(logs.CONSOLE, "1")
    logs.start(None, "verb")
    log.error("error: wrong")
    assert capsys.readouterr().err == "verb | error: wrong\n"


def test_lines_are_redrawn_only_where_a_verb_was_called_by_hand_in_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert not logs.may_redraw(), "nothing is known of who else writes there"
    logs.start(None)
    assert logs.may_redraw()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        assert not logs.may_redraw(), "a child process writes beside others"
    logs.start(None, "csv_to_idx train")
    assert not logs.may_redraw()


def test_the_name_of_a_job_is_that_of_its_log():
    assert logs.name_of("logs/write_lst.log") == "write_lst"
    assert logs.name_of("logs/train_keras/lr~0.1-seed0.log") == "train_keras lr~0.1-seed0"


def test_verbs_and_the_console_mean_the_same_variable():
    assert logs.CONSOLE == console.CONSOLE
