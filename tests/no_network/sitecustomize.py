"""Where this folder's copy is on a Python's path, an attempt to reach the network ends that Python's work."""

import atexit
import os
import sys


def refuse(event: str, arguments: tuple) -> None:
    """Let sockets of this machine's file system through, and nothing else."""
    if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(arguments[1], tuple)):
        raise RuntimeError(f"a test reaches for the network: {event} {arguments[1:]}")


sys.addaudithook(refuse)


def write_modules(folder: str) -> None:
    """Write which modules of the package this Python has imported, to a file named after the verb that it
    ran.
    """
    names = sorted(name for name in sys.modules if name.split(".")[0] == "digitflow")
    if "digitflow.__main__" in sys.modules or len(sys.argv) > 1:
        with open(f"{folder}/{os.getpid()}", "w") as file:
            file.write("\n".join([sys.argv[1] if len(sys.argv) > 1 else "", *names]))


if "DIGITFLOW_TRACE" in os.environ:
    atexit.register(write_modules, os.environ["DIGITFLOW_TRACE"])
