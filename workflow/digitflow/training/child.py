"""Call a function in a fresh process: beside what this one does, or because it may end the process."""

import contextlib
import multiprocessing
import signal
import traceback
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from digitflow.base.errors import DigitflowError

Result = TypeVar("Result")


def call(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a fresh process.

    Raises what it raises of DigitflowError, OSError and MemoryError; RuntimeError, with the traceback, for
    other exceptions; ChildProcessError if the process ends. Ctrl-C, of which the terminal tells all
    processes, is for this one alone.
    """
    return begin(function, *arguments)()


def begin(function: Callable[..., Result], *arguments: Any) -> Callable[[], Result]:
    """As `call`, without waiting for it: what is returned, called once, waits and returns or raises.

    The process ends with the function, whatever has become of this one by then.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, function, arguments), daemon=True)
    resource_tracker.ensure_running()  # else it would be started below, and unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which the new process inherits
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()  # so that the pipe ends where the process does

    def wait() -> Result:
        with ours:
            try:
                error, result = ours.recv()
            except EOFError:
                process.join()
                how = _ending(process.exitcode)
                raise ChildProcessError(f"the process of {function.__name__} {how}; run it again") from None
        if error:
            raise error
        return result

    return wait


def _ending(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name} (perhaps for want of memory)"
    return f"ended with exit status {status}"


def _send(connection: Connection, function: Callable, arguments: tuple) -> None:
    try:
        found = None, function(*arguments)
    except (DigitflowError, OSError, MemoryError) as error:
        found = error, None
    except Exception:  # of any kind, which may not come through a pipe: where it happened matters
        found = RuntimeError(traceback.format_exc()), None
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
        connection.send(found)
