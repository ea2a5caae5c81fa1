"""Files: there whole or not at all, whoever else writes the same one."""

import csv
import subprocess
import sys

import pytest

from digitflow.base.errors import DigitflowError
from digitflow.base.files import atomic_open, check_writable, write_rows

# Writes "old", and waits half-way for a line on its standard input.
SLOW_WRITER = """
import sys
from digitflow.base.errors import DigitflowError
from digitflow.base.files import atomic_open, check_writable
with atomic_open(sys.argv[1]) as file:
    file.write(b"o")
    file.flush()
    print("half", flush=True)
    sys.stdin.readline()
    file.write(b"ld")
"""


@pytest.fixture
def outlived(tmp_path):
    """A process that has written half of a file, as a job that goes on when Snakemake is killed."""
    command = [sys.executable, "-c", SLOW_WRITER, tmp_path / "file"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env={"PYTHONPATH": ":".join(sys.path)}, **pipes) as process:
        assert process.stdout.readline() == "half\n"
        yield process
        process.kill()


def test_a_file_has_no_name_until_it_is_whole(tmp_path):
    with atomic_open(tmp_path / "file", "w") as file:
        file.write("new")
        file.flush()
        assert not (tmp_path / "file").exists()
    assert (tmp_path / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("before")
    with pytest.raises(KeyError), atomic_open(tmp_path / "file") as file:
        file.write(b"new")
        raise KeyError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_whether_a_file_can_be_written_is_found_out_and_changes_nothing(tmp_path):
    (tmp_path / "file").write_text("before")
    check_writable(tmp_path / "file")
    check_writable(tmp_path / "another")
    check_writable(tmp_path / "folder" / "file")
    with pytest.raises(DigitflowError, match="nnn: cannot be written: File name too long"):
        check_writable(tmp_path / (300 * "n"))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_an_error_of_another_file_is_not_told_as_if_the_one_that_is_written_had_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="another"), atomic_open(tmp_path / "file"):
        (tmp_path / "another").read_bytes()


def test_a_job_that_outlived_its_snakemake_cannot_spoil_the_file_of_the_next(tmp_path, outlived):
    with atomic_open(tmp_path / "file") as file:
        file.write(b"n")
        file.flush()
        _, errors = outlived.communicate("\n")
        assert "cannot be written: No such file or directory" in errors
        file.write(b"ew")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


def test_what_a_killed_job_left_is_removed_by_the_next(tmp_path, outlived):
    outlived.kill()
    outlived.wait()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"o"]
    with atomic_open(tmp_path / "file") as file:
        file.write(b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


def test_cells_with_any_line_end_come_back_and_lines_end_in_a_bare_newline(tmp_path):
    rows = [["id", "a\rb"], ["1\r", "\r\n"], ["\n", 'x "y"'], ["plain", 2]]
    write_rows(tmp_path / "a.csv", rows)
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        assert [*csv.reader(file)] == [[*map(str, row)] for row in rows]
    assert (tmp_path / "a.csv").read_bytes().endswith(b"plain,2\n")
