"""Call a function in a fresh process: to run it alongside this one, or because it may end its process."""

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

    DigitflowError, OSError and MemoryError are raised here as they were there; other exceptions become a
    RuntimeError with the traceback. Raises ChildProcessError if the process ends early. Ctrl-C, which the
    terminal sends to all processes, reaches only this one.
    """
    return begin(function, *arguments)()


def begin(function: Callable[..., Result], *arguments: Any) -> Callable[[], Result]:
    """As `call`, without waiting: the function that is returned, to be called once, waits for the result.

    The process ends with the function, whatever has become of this one by then.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, function, arguments), daemon=True)
    resource_tracker.ensure_running()  # or it would be started below, and unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which the new process inherits
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()  # so that the pipe ends when the process does

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
        return f"was ended by {signal.Signals(-status).name} (perhaps it ran out of memory)"
    return f"ended with exit status {status}"


def _send(connection: Connection, function: Callable, arguments: tuple) -> None:
    try:
        found = None, function(*arguments)
    except (DigitflowError, OSError, MemoryError) as error:
        found = error, None
    except Exception:  # of any kind: it may not pass through a pipe, and where it happened matters
        found = RuntimeError(traceback.format_exc()), None
    with contextlib.suppress(BrokenPipeError):  # nobody is waiting for it any more
        connection.send(found)
