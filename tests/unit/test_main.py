"""The command `digitflow`: it finds a verb, runs it, and maps what happens to an exit status."""

import logging
import os
import re
import signal
import subprocess
import sys

import pytest
from tests.conftest import PROJECT

from digitflow import __main__
from digitflow.base.errors import InputError
from digitflow.verbs import commandline
from digitflow.verbs.commandline import Output


@pytest.fixture(autouse=True)
def _as_before(tmp_path, monkeypatch):
    """A folder of one's own, and the log as it was."""
    monkeypatch.chdir(tmp_path)
    log = logging.getLogger("digitflow")
    before = log.handlers, log.level
    yield
    log.handlers, log.level = before


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that runs a verb which does what it is told; returns its exit status and what it printed."""

    def run(action, *arguments: str) -> tuple[int, str]:
        def sample(out: Output) -> None:
            """A verb."""
            action(out)

        monkeypatch.setattr(commandline, "all_verbs", lambda: {"sample": sample})
        status = __main__.main(["sample", "--out", "result", *arguments])
        return status, capsys.readouterr().err

    return run


def failing(error):
    def action(_):
        raise error

    return action


def test_an_exit_status_of_the_verbs_own_is_passed_on(monkeypatch):
    monkeypatch.setattr(commandline, "all_verbs", lambda: {"worse": lambda: 1, "same": lambda: 0})
    assert [__main__.main([name]) for name in ("worse", "same")] == [1, 0]


def test_a_verb_that_ends_well_is_status_0(run, tmp_path):
    status, printed = run(lambda out: out.write_text("done"))
    assert (status, printed) == (0, "")
    assert (tmp_path / "result").read_text() == "done"


@pytest.mark.parametrize("error", [InputError("a.csv, line 3: no"), OSError(28, "No space left on device")])
def test_what_the_user_can_put_right_is_status_1_and_one_message(run, error):
    status, printed = run(failing(error))
    assert status == 1
    assert printed == f"error: {error}\n"


def test_an_interruption_is_status_130(run):
    assert run(failing(KeyboardInterrupt()))[0] == 130


def test_a_fault_of_our_own_is_status_2_with_its_traceback_and_a_request(run):
    status, printed = run(failing(ZeroDivisionError("ours")))
    assert status == 2
    assert "report it with" in printed
    assert "ZeroDivisionError: ours" in printed


def test_the_log_has_what_was_printed_and_how_long_it_took(run, tmp_path):
    log = logging.getLogger("digitflow")
    run(lambda out: log.info("a line"), "--log", "logs/sample.log")
    first, last = (tmp_path / "logs" / "sample.log").read_text().splitlines()
    assert first.endswith("a line")
    assert re.fullmatch(r"[0-9:]{8} done in \d+\.\d\d s", last)


def test_too_little_memory_is_no_fault_of_digitflow(run):
    status, printed = run(failing(MemoryError("Unable to allocate 9 TiB")))
    assert status == 1
    assert "Unable to allocate 9 TiB: this needs more memory than there is" in printed


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_verbs_for_people_and_says_how_to_see_the_others(capsys, arguments):
    assert __main__.main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.out == commandline.overview() + "\n"
    assert printed.out.endswith("\ndigitflow --help all: also the verbs that rules call\n")
    assert printed.err == ""


def test_help_all_lists_every_verb(capsys):
    assert __main__.main(["--help", "all"]) == 0
    assert capsys.readouterr().out == commandline.overview(every=True) + "\n"


@pytest.mark.parametrize(
    ("verb", "hint"),
    [("lok", "did you mean look? "), ("trian_keras", "did you mean train_keras? "), ("?", "")],
)
def test_an_unknown_verb_is_answered_in_one_line_with_the_nearest_one(capsys, verb, hint):
    assert __main__.main([verb]) == 1
    assert capsys.readouterr() == (
        "",
        f"error: {verb}: no such verb; {hint}digitflow --help lists the verbs\n",
    )


def test_the_module_is_run_as_a_command_without_keras_or_mxnet_or_pandas():
    program = "import sys; from digitflow.__main__ import main; main(['--help']); "
    program += "sys.exit(bool({'keras', 'mxnet', 'pandas', 'numpy'} & sys.modules.keys()))"
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}
    command = {"capture_output": True, "text": True, "env": environment, "check": False}
    assert subprocess.run([sys.executable, "-c", program], **command).returncode == 0
    done = subprocess.run([sys.executable, "-m", "digitflow", "--help"], **command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: digitflow VERB")


def test_a_reader_that_has_seen_enough_is_no_error():
    command = [sys.executable, "-m", "digitflow", "why", "formats/png"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = os.environ | {"PYTHONPATH": f"{PROJECT}/workflow"}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_verb_whose_output_is_closed_goes_on(tmp_path):
    environment = os.environ | {"PYTHONPATH": f"{PROJECT}/workflow"}
    command = f"{sys.executable} -m digitflow why formats/png >&-"
    assert subprocess.run(command, shell=True, env=environment, check=False).returncode == 0
