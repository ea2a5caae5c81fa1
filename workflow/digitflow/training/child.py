"""Call a function in a fresh process: beside what this one does, or because it may end the process."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Result = TypeVar("Result")


def call(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a fresh process. Raises what it raises; ChildProcessError if the process ends."""
    return begin(function, *arguments)()


def begin(function: Callable[..., Result], *arguments: Any) -> Callable[[], Result]:
    """As `call`, without waiting for it: what is returned, called once, waits and returns or raises.

    The process ends with the function, whatever has become of this one by then.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()  # so that the pipe ends where the process does

    def wait() -> Result:
        with ours:
            try:
                error, result = ours.recv()
            except EOFError:
                process.join()
                raise ChildProcessError(f"a process ended with exit status {process.exitcode}") from None
        if error:
            raise error
        return result

    return wait


def _send(connection: Connection, function: Callable, arguments: tuple) -> None:
    try:
        found = None, function(*arguments)
    except Exception as error:
        found = error, None
    connection.send(found)
