"""The console: what real runs of small Snakefiles print, by the plugin that the profile names."""

import contextlib
import io
import os
import pty
import re
import signal
import subprocess
import sys
import time
import tokenize
from pathlib import Path

import pytest
from tests.conftest import PROJECT
from tests.workflow.forks import FORKS

import snakemake_logger_plugin_digitflow as console
from digitflow.base import logs, unfinished

SNAKEMAKE = [Path(sys.executable).with_name("snakemake"), "--logger", "digitflow", "--cores", "2"]
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{PROJECT}/workflow", "TERM": "xterm"}

TWO_JOBS = """
rule all:
    input: "train.txt", "test.txt"
rule convert:
    output: "{part}.txt"
    log: "logs/{part}.log"
    shell: "echo converted {wildcards.part} >&2; touch {output}"
"""
# Messages as verbs log them; `cat` because a log is written while Snakemake looks on.
ONE_FAILS = """
onerror: print("the Snakefile's own words")
rule all:
    output: "all.txt"
    log: "logs/all.log"
    shell: "cat message > {log}; exit 1"
"""


def start(folder: Path, snakefile: str, *arguments: str, **options) -> subprocess.Popen:
    """Start Snakemake; both of its streams come from `stdout`."""
    (folder / "Snakefile").write_text(snakefile)
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} | options
    return subprocess.Popen([*SNAKEMAKE, *arguments], cwd=folder, env=ENVIRONMENT, **options)


@pytest.fixture
def run(tmp_path):
    """A function that runs a Snakefile to its end and returns what it printed."""

    def to_the_end(snakefile: str, *arguments: str, fails: bool = False) -> str:
        (tmp_path / "Snakefile").write_text(snakefile)
        finished = FORKS.run([*SNAKEMAKE, *arguments], tmp_path, ENVIRONMENT)
        assert (finished.returncode != 0) == fails, finished.stdout
        assert "Traceback" not in finished.stdout
        return finished.stdout

    return to_the_end


def wait_for(path: Path, process: subprocess.Popen) -> None:
    """Wait until a job of a run has made a file."""
    while not path.exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)


def test_a_run_prints_its_decision_a_line_per_job_and_its_time(run):
    lines = run(TWO_JOBS).splitlines()
    of_jobs = [line for line in lines if line.startswith("converted ")]  # they come when they come
    decision, *finished, last, end = [line for line in lines if line not in of_jobs]
    assert sorted(of_jobs) == ["converted test", "converted train"]
    assert decision == "3 jobs: 2 convert, 1 all"
    assert sorted(line.split()[1] for line in finished) == ["test", "train"]
    assert re.fullmatch(r"all +\d+\.\d s  \[3 of 3\]", last)
    assert len({line.index("[") for line in [*finished, last]}) == 1, "the lines are aligned"
    assert re.fullmatch(r"done in \d+\.\d s", end)


def test_a_second_run_says_that_nothing_is_to_be_done(run):
    run(TWO_JOBS)
    assert run(TWO_JOBS).splitlines() == [
        "Nothing to be done (all requested files are present and up to date)."
    ]


def test_a_dry_run_names_each_job_with_its_reason_and_ends_with_their_number(run, tmp_path):
    assert run(TWO_JOBS, "--dry-run").splitlines() == [
        "convert test                     missing: test.txt",
        "convert train                    missing: train.txt",
        "all                              after convert",
        "3 jobs would run; this was a dry run",
    ]
    run(TWO_JOBS)
    (tmp_path / "test.txt").unlink()
    assert run(TWO_JOBS, "-n").splitlines()[0] == "convert test                     missing: test.txt"


def test_a_dry_run_shows_commands_or_only_numbers_when_asked_to(run):
    assert run(TWO_JOBS, "--dry-run", "--printshellcmds").splitlines()[:2] == [
        "convert test                     missing: test.txt",
        "    echo converted test >&2; touch test.txt",
    ]
    for quiet in (["--quiet"], ["--quiet", "rules"], ["--quiet", "all"]):
        assert run(TWO_JOBS, "--dry-run", *quiet) == "3 jobs would run: 2 convert, 1 all\n"


def test_a_verbose_dry_run_keeps_snakemakes_words(run):
    printed = run(TWO_JOBS, "--dry-run", "--verbose")
    assert re.search(
        r"^rule convert:\n    output: train.txt\n(    .*\n)*    reason: Missing output", printed, re.M
    )
    assert re.search(r"^convert +2$", printed, re.MULTILINE)


def test_many_jobs_of_a_rule_share_a_line_of_a_dry_run(run):
    printed = run(
        """
rule all:
    input: expand("{number}.txt", number=range(30))
rule make:
    output: "{number}.txt"
    shell: "touch {output}"
""",
        "--dry-run",
    )
    make, last, total = printed.splitlines()
    assert re.fullmatch(r"make \(30 jobs\) +missing: 0.txt, 1.txt, 10.txt, .* and 22 more", make)
    assert last.split() == ["all", "after", "make"]
    assert total == "31 jobs would run; this was a dry run"


WITH_SETTINGS = """
rule all:
    input: "given.txt", "other.txt"
    output: update("all.txt")
    params: settings='{"rate": 0.1, "depth": 2}', code="0123456789abcdef", stamp="00112233445566778899"
    shell: "touch {output}"
"""


def test_a_dry_run_says_what_failed_when_it_was_tried_last(run, tmp_path, monkeypatch):
    for name in ("given.txt", "other.txt"):
        (tmp_path / name).write_text("as it was")
    # As folders of pictures are: their times say nothing.
    snakefile = WITH_SETTINGS.replace('"given.txt", "other.txt"', 'ancient("given.txt")')
    run(snakefile)
    (tmp_path / unfinished.NOTES).mkdir()
    (tmp_path / unfinished.NOTES / "all.log").write_text("all.txt\n")
    monkeypatch.chdir(tmp_path)
    unfinished.make_old()
    assert "changed: it failed when it was tried last" in run(snakefile, "--dry-run")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: (folder / "all.txt").unlink(), "missing: all.txt"),
        (lambda folder: (folder / "given.txt").write_text("edited"), "changed: given.txt"),
        (("0.1", "0.5"), "changed: rate 0.1 -> 0.5"),
        (('{"rate"', '{"seed": 3, "rate"'), "changed: seed default -> 3"),
        ((', "depth": 2}', "}"), "changed: depth 2 -> default"),
        (("0123", "9999"), "changed: code or pins"),
        (("0011", "ffff"), "changed: files of yours that it reads"),
        (("touch", "touch -c"), "changed: the rule itself"),
        ((', "other.txt"', ""), "changed: which files it reads"),
    ],
)
def test_a_dry_run_says_in_few_words_what_has_changed(run, tmp_path, change, reason):
    for name in ("given.txt", "other.txt"):
        (tmp_path / name).write_text("as it was")
    run(WITH_SETTINGS)
    if callable(change):
        change(tmp_path)
    planned, total = run(
        WITH_SETTINGS if callable(change) else WITH_SETTINGS.replace(*change), "--dry-run"
    ).splitlines()
    assert planned.split(maxsplit=1) == ["all", reason]
    assert total == "1 job would run; this was a dry run"


def test_the_error_of_a_job_comes_last_and_once(run, tmp_path):
    (tmp_path / "message").write_text(
        "12:00:00 reading\n12:00:01 error: own/train.csv, line 5: x\n  no number\n"
    )
    printed = run(ONE_FAILS, fails=True)
    before, last = printed.split("\n\n")
    assert last == "all failed, log: logs/all.log\nerror: own/train.csv, line 5: x\n  no number\n"
    lines = before.splitlines()
    lines.remove("the Snakefile's own words")  # anywhere: what the console says comes in a thread of its own
    decision, failed = lines
    assert decision == "1 job: 1 all"
    assert re.fullmatch(r"all failed after \d+\.\d s", failed)
    assert "cat message" not in printed, "the command is of no use to a person"


def test_an_error_that_a_verb_logs_is_printed_once(run):
    printed = run(
        f"""
rule all:
    log: "logs/verb.log"
    shell: '''{sys.executable} -c "
import logging
from digitflow.base import logs
logs.start('{{log}}', 'all')
logging.getLogger('digitflow').info('reading')
logging.getLogger('digitflow').error('error: a wrong cell')
raise SystemExit(1)"'''
""",
        fails=True,
    )
    assert printed.count("error: a wrong cell") == 1
    assert printed.endswith("\nerror: a wrong cell\n")
    assert "all | reading\n" in printed


def test_that_a_file_to_be_updated_was_not_there_is_not_said_when_its_job_fails(run):
    printed = run(
        'rule all:\n    output: update("a.txt"), update("b.txt")\n    log: "all.log"\n'
        "    shell: \"echo 'error: wrong' >{log}; exit 1\"\n",
        fails=True,
    )
    assert "restore" not in printed
    assert printed.endswith("\nall failed, log: all.log\nerror: wrong\n")


def test_a_log_without_an_error_shows_its_last_lines(run, tmp_path):
    (tmp_path / "message").write_text("".join(f"line {number}\n" for number in range(30)))
    printed = run(ONE_FAILS, fails=True)
    assert printed.endswith("".join(f"line {number}\n" for number in range(20, 30)))
    assert "line 19" not in printed


def test_an_error_of_an_earlier_run_is_not_taken_for_this_ones(run, tmp_path):
    log = tmp_path / "logs" / "all.log"
    log.parent.mkdir()
    log.write_text("12:00:00 error: of yesterday\n")
    os.utime(log, (0, 0))
    printed = run('rule all:\n    log: "logs/all.log"\n    shell: "false"\n', fails=True)
    assert "yesterday" not in printed
    *_, told, silent = printed.splitlines()
    assert (told, silent) == ("all failed, log: logs/all.log", console.SILENT)


def test_without_a_log_the_command_is_shown(run):
    printed = run('rule all:\n    shell: "test -e nowhere"\n', fails=True)
    assert printed.endswith("\nall failed\ntest -e nowhere\n")


def test_a_killed_job_is_told_from_one_that_failed(run):
    printed = run('rule all:\n    shell: "kill -KILL $$"\n', fails=True)
    assert "\nall was ended by SIGKILL (perhaps it ran out of memory)\n" in printed


def test_a_job_that_succeeds_when_tried_again_leaves_no_error(run):
    printed = run('rule all:\n    retries: 1\n    shell: "test -e tried || {{ touch tried; exit 1; }}"\n')
    assert "failed after" in printed
    assert "Trying to restart" in printed
    assert printed.splitlines()[-1].startswith("done in")


def test_while_others_still_run_a_failure_is_told_at_once_and_its_error_at_the_end(tmp_path):
    process = start(
        tmp_path,
        """
rule all:
    input: "long.txt", "bad.txt"
rule long:
    output: "long.txt"
    shell: "touch begun; until test -e go; do sleep 0.1; done; touch {output}"
rule bad:
    output: "bad.txt"
    log: "bad.log"
    shell: "until test -e begun; do sleep 0.1; done; echo 'error: wrong' > {log}; exit 1"
""",
    )
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith("bad failed"):
            (tmp_path / "go").touch()  # `long` ends only now that the failure has been told
    assert process.wait() == 1
    text = "".join(printed)
    assert re.search(r"bad failed after \d+\.\d s, log: bad.log\nlong +\d+\.\d s  \[1 of 3\]\n", text)
    assert text.count("error: wrong") == 1
    assert text.endswith("\nbad failed, log: bad.log\nerror: wrong\n")


WRONG_CONFIG = '\nraise WorkflowError("config.yaml: no key `modles`\\nmeant: models")\n'
NO_INPUT = """
rule all:
    input: "nowhere.csv"
"""
WRONG_FUNCTION = """
def files(wildcards):
    raise ValueError("no such model")
rule all:
    input: files
"""
UNCLOSED = "\nunclosed(\n"


def what_python_says(text: str) -> str:
    """Why a text is not Python: each version has words of its own."""
    with pytest.raises(tokenize.TokenError) as error:
        [*tokenize.generate_tokens(io.StringIO(text).readline)]
    return str(error.value)


@pytest.mark.parametrize(
    ("snakefile", "arguments", "words"),
    [
        (WRONG_CONFIG, [], "error: config.yaml: no key `modles`\nmeant: models\n"),
        (WRONG_CONFIG, ["--dry-run"], "error: config.yaml: no key `modles`\nmeant: models\n"),
        (WRONG_CONFIG, ["--quiet", "all"], "error: config.yaml: no key `modles`\nmeant: models\n"),
        ("\nunknown()\n", [], "name 'unknown' is not defined\n"),
        (UNCLOSED, [], f"{what_python_says(UNCLOSED)}\n"),
        (WRONG_FUNCTION, [], "ValueError: no such model\nWildcards:\n"),
        (NO_INPUT, [], "Missing input files for rule all:\n    affected files:\n        nowhere.csv\n"),
    ],
)
def test_errors_of_snakemakes_own_come_in_full_and_last(run, snakefile, arguments, words):
    printed = run(snakefile, *arguments, fails=True)
    assert printed.endswith(words)
    assert "  File " not in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["-n", "--configfile", "mine.yaml", "results/submission.csv"],
            "error: results/submission.csv: read as configuration, because --configfile takes all "
            "words after it; put what is to be made first:\n"
            "snakemake results/submission.csv --logger digitflow --cores 2 -n --configfile mine.yaml\n",
        ),
        (
            ["--configfile", "mine.yaml", "train.txt"],
            "train.txt --logger digitflow --cores 2 --configfile mine.yaml\n",
        ),
        (["--config", "a=1", "it's"], "snakemake 'it'\"'\"'s' --logger digitflow --cores 2 --config a=1\n"),
        (
            ["--config", "validation={folds:", "5}"],
            "error: --config validation={folds: 5}: the shell takes this apart; put it in quotes: "
            "--config 'validation={folds: 5}'\n",
        ),
        (
            ["--config", "merge.method=vote"],
            "error: merge.method=vote: a key within a key goes in braces: --config 'merge={method: vote}'\n",
        ),
        (
            ["--config", "validation: {seed: 1}"],
            "error: validation: {seed: 1}: --config takes KEY=VALUE: --config 'validation={seed: 1}'\n",
        ),
        (
            ["--configfile", "mime.yaml"],
            "\nerror: mime.yaml: there is no such file; did you mean mine.yaml?\n",
        ),
        (["--configfile", "mine.yaml", "tab.yaml"], "close every bracket and quote\n"),
        (["--configfile", "list.yaml"], "such as data: {source: kaggle}\n"),
    ],
)
def test_a_wrong_configuration_or_order_of_words_ends_with_one_clear_line(run, tmp_path, arguments, words):
    (tmp_path / "mine.yaml").write_text("a: 1\n")
    (tmp_path / "tab.yaml").write_text("a:\n\tb: 1\n")
    (tmp_path / "list.yaml").write_text("- a\n")
    (tmp_path / "train.txt").write_text("of an earlier run\n")
    printed = run(TWO_JOBS, *arguments, fails=True)
    assert printed.endswith(words)
    assert printed.count("\n") <= 3, "nothing of Snakemake's"


def test_ctrl_c_prints_one_line(tmp_path):
    process = start(
        tmp_path,
        """
rule all:
    input: "quick.txt"
    shell: ": >begun; exec sleep 600"  # bash goes on after a Ctrl-C that comes while it waits for a command
rule quick:
    output: "quick.txt"
    shell: "touch {output}"
""",
        start_new_session=True,
    )
    wait_for(tmp_path / "begun", process)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate()
    assert process.returncode == 1
    decision, quick, last = printed.splitlines()
    assert decision == "2 jobs: 1 quick, 1 all"
    assert quick.startswith("quick ")
    assert last == "interrupted: running jobs are being stopped; the same command will go on from here"


def test_ctrl_c_before_the_first_job_prints_one_line(tmp_path):
    slow = 'from pathlib import Path\nimport time\nPath("begun").touch()\ntime.sleep(600)\n'
    process = start(tmp_path, slow)
    wait_for(tmp_path / "begun", process)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate()
    assert process.returncode == -signal.SIGINT
    assert printed == "interrupted\n"


def test_what_the_snakefile_logs_comes_in_its_place(run):
    printed = run('rule all:\n    shell: "true"\nonsuccess: logger.info("the table")\n')
    assert re.search(r"\[1 of 1\]\nthe table\ndone in", printed)


def test_quiet_prints_what_jobs_print_and_no_more(run):
    assert run(TWO_JOBS, "--quiet", "progress", "--cores", "1").count("\n") == 2
    assert run(TWO_JOBS, "--quiet", "all", "--forceall", "--cores", "1").count("\n") == 2


def test_shell_commands_are_printed_when_asked_for(run):
    assert "echo converted train" not in run(TWO_JOBS)
    assert "echo converted train" in run(TWO_JOBS, "--forceall", "--printshellcmds")


def test_verbose_gives_snakemakes_own_words_and_the_error_last_all_the_same(run, tmp_path):
    (tmp_path / "message").write_text("12:00:01 error: wrong\n")
    (tmp_path / "Snakefile").write_text(ONE_FAILS)
    process = start(tmp_path, ONE_FAILS, "--verbose")
    printed, _ = process.communicate()
    assert "Building DAG of jobs..." in printed
    assert printed.endswith("\nall failed, log: logs/all.log\nerror: wrong\n")


def test_an_error_is_red_on_a_terminal_and_plain_elsewhere(run, tmp_path):
    (tmp_path / "message").write_text("12:00:01 error: wrong\n")
    assert "\x1b" not in run(ONE_FAILS, fails=True)
    terminal, stderr = pty.openpty()
    start(tmp_path, ONE_FAILS, stderr=stderr).communicate()
    os.close(stderr)
    printed = b""
    with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as screen:  # EIO at its end
        while more := screen.read(10000):
            printed += more
    assert b"\x1b[31m\r\nall failed, log: logs/all.log\r\nerror: wrong\x1b[0m" in printed


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("12:00:00 a\n12:00:01 error: b\n  c\n", "error: b\n  c"),
        ("12:00:00 error: old\n12:00:01 goes on\nKilled\n", "12:00:00 error: old\n12:00:01 goes on\nKilled"),
        ("downloading\nerror: no such package\n  Caused by: x\n", "error: no such package\n  Caused by: x"),
        ("12:00:00 a\nerror: of a tool\n", "error: of a tool"),
        ("12:00:00 a\n12:00:01 a fault\n" + "line\n" * 30, "a fault" + "\nline" * 30),
        ("", ""),
    ],
)
def test_the_last_words_of_a_log_are_its_error_or_its_end(log, words):
    assert console.last_words(log) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (99.9, "99.9 s"), (100, "1 min 40 s"), (7260, "2 h 1 min")]
)
def test_durations_are_said_as_a_person_says_them(seconds, words):
    assert console.in_words(seconds) == words


def test_a_jobs_name_is_its_rule_and_what_its_wildcards_stand_for():
    assert console.job_name("pack_rec", {"part": "train", "shard": ""}) == "pack_rec train"
    assert console.job_name("train_keras", {"model": "cnn", "seed": "0"}) == "train_keras cnn-seed0"
    assert console.job_name("write_lst", {"fold": "/fold1"}) == "write_lst fold1"
    assert console.job_name("all", {}) == "all"


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ({"model": "rates/min_lr~0.1/epochs~3", "seed": "0"}, "rates/min_lr~0.1/epochs~3-seed0.log"),
        ({"model": "cnn", "seed": "0", "fold": "/fold1"}, "cnn-seed0/fold1.log"),
        (
            {"model": "cnn", "seed": "1", "fold": "/given/fold1", "images": "test"},
            "cnn-seed1/given/fold1-test.log",
        ),
    ],
)
def test_a_job_has_the_same_name_when_it_ends_as_in_lines_of_its_own(values, log):
    assert console.job_name("train_keras", values) == logs.name_of(f"logs/train_keras/{log}")
