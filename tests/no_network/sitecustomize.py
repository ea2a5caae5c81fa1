"""Where this folder's copy is on a Python's path, an attempt to reach the network ends that Python's work."""

import sys


def refuse(event: str, arguments: tuple) -> None:
    """Let sockets of this machine's file system through, and nothing else."""
    if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(arguments[1], tuple)):
        raise RuntimeError(f"a test reaches for the network: {event} {arguments[1:]}")


sys.addaudithook(refuse)
