"""Runs a function in a child process that is killed before one of its changes to the file system."""

import os
import signal
import sys

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime"}


def killed_at(step: int, function) -> bool:
    """Run `function` in a child, SIGKILL it before its change number `step`; return whether it got that far.

    A write of bytes counts as a change; half of it is done.
    """
    child = os.fork()
    if not child:
        try:
            _kill_before(step)
            function()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def _kill_before(step: int) -> None:
    left, write = step, os.write

    def count() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    def watch(event: str, arguments: tuple) -> None:
        writes = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if (event in CHANGES or writes) and count():
            os.kill(os.getpid(), signal.SIGKILL)

    def half(file: int, data: bytes) -> int:
        if count():
            write(file, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(file, data)

    sys.addaudithook(watch)
    os.write = half
