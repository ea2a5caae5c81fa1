"""A function in a process of its own: what it returns and raises comes back, whatever ends the process."""

import math
import os
import signal
import subprocess
import sys

import pytest

from digitflow.base.errors import InputError
from digitflow.formats import lst
from digitflow.training import child

# What the terminal does at Ctrl-C, at two moments: all processes of the group are told.
INTERRUPTED = """
import os, signal, time
from digitflow.training import child
if __name__ == "__main__":
    waiting = [child.begin(time.sleep, 0.5) for _ in range(2)]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of this process
    os.killpg(0, signal.SIGINT)  # they are starting
    time.sleep(0.3)
    os.killpg(0, signal.SIGINT)
    print(*[wait() for wait in waiting])
"""
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
    with pytest.raises(RuntimeError, match=r"in _send(.|\n)*ValueError: math domain error"):
        child.call(math.sqrt, -1)
    with pytest.raises(InputError, match=r"nowhere\.lst"):
        child.call(lst.read, "nowhere.lst")


def test_a_function_that_ends_the_process_is_an_error():
    with pytest.raises(ChildProcessError, match="was ended by SIGABRT"):
        child.call(signal.raise_signal, signal.SIGABRT)


def test_an_interruption_is_for_the_process_that_waits(tmp_path):
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    command = [sys.executable, script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, start_new_session=True)
    assert (done.stdout, done.stderr) == ("None None\n", "")


def test_it_does_not_outlive_what_it_was_asked_for(tmp_path):
    script = tmp_path / "abandoned.py"
    script.write_text(ABANDONED)
    # Its output ends when the last process does that could still write there.
    subprocess.run([sys.executable, script], capture_output=True, check=True, timeout=60)
