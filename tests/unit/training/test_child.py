"""A function in a process of its own: what it returns and raises comes back, whatever ends the process."""

import math
import os
import signal
import subprocess
import sys

import pytest

from digitflow.training import child

# Starts a child and ends without waiting for it.
ABANDONED = """
import os, time
from digitflow.training import child
if __name__ == "__main__":
    child.begin(time.sleep, 0.3)
    os._exit(0)
"""


def test_it_is_another_process():
    assert child.call(os.getpid) != os.getpid()


def test_several_run_at_the_same_time_and_each_answers():
    waiting = [child.begin(math.sqrt, number) for number in (4, 9)]
    assert [wait() for wait in waiting] == [2, 3]


def test_what_the_function_raises_is_raised():
    with pytest.raises(ValueError, match="math domain error"):
        child.call(math.sqrt, -1)


def test_a_function_that_ends_the_process_is_an_error():
    with pytest.raises(ChildProcessError, match=f"exit status -{signal.SIGABRT.value}"):
        child.call(signal.raise_signal, signal.SIGABRT)


def test_it_does_not_outlive_what_it_was_asked_for(tmp_path):
    script = tmp_path / "abandoned.py"
    script.write_text(ABANDONED)
    # Its output ends when the last process does that could still write there.
    subprocess.run([sys.executable, script], capture_output=True, check=True, timeout=60)
