"""What a folder with a copy of this file adds to every Python that has it on its path.

An attempt to reach the network ends that Python's work. With DIGITFLOW_TRACE it leaves what a verb has
imported and how often it has written; with DIGITFLOW_STOP it stops a verb, or Snakemake itself, at one of
these writes.
"""

# ruff: noqa: PTH109, PTH115, PTH118, PTH206, PTH208
# Every Python of a run begins with this: it imports nothing that the program might not.

import atexit
import os
import signal
import sys

HERE = os.getcwd()
VERB = sys.orig_argv[3] if sys.orig_argv[1:3] == ["-m", "digitflow"] and len(sys.orig_argv) > 3 else ""
SNAKEMAKE = "snakemake" if sys.orig_argv[1:2] and sys.orig_argv[1].endswith("/snakemake") else ""
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime")
PASSED_OVER = ("logs", ".snakemake", "trace", "stops")  # what is written there is no output


def refuse(event: str, arguments: tuple) -> None:
    """Let sockets of this machine's file system through, and nothing else."""
    if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(arguments[1], tuple)):
        raise RuntimeError(f"a test reaches for the network: {event} {arguments[1:]}")


sys.addaudithook(refuse)


def is_write(event: str, arguments: tuple) -> bool:
    """Whether an event is about to change a file below the working folder, apart from logs and notes."""
    if event == "open":
        path, mode, flags = arguments
        if isinstance(mode, str) and not set(mode) & set("wax+"):
            return False
        if mode is None and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return False
    elif event in CHANGES:
        path = arguments[0]
    else:
        return False
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    folder = HERE
    if event in CHANGES and (opened := arguments[2 if event == "os.rename" else -1]) >= 0:
        folder = os.readlink(f"/proc/self/fd/{opened}")
    path = os.path.relpath(os.path.join(folder, os.fsdecode(path)), HERE)
    return path.split(os.sep)[0] not in (*PASSED_OVER, os.pardir) and "__pycache__" not in path


class Stop:
    """Counts the writes of a program, and stops it, once, before one of them, or at its "end".

    It leaves a file `stops/<its process>`: whoever finds that may do what he likes, and send SIGCONT.
    """

    def __init__(self, moment: str):
        self.moment, self.writes, self.waits = moment, 0, False

    def count(self, event: str, arguments: tuple) -> None:
        if not self.waits and is_write(event, arguments):
            self.writes += 1
            if self.moment == str(self.writes):
                self.stop()

    def at_end(self) -> None:
        if self.moment == "end":
            self.stop()

    def stop(self) -> None:
        self.waits = True
        if not os.listdir("stops"):
            open(f"stops/{os.getpid()}", "x").close()
            os.kill(os.getpid(), signal.SIGSTOP)
        self.waits = False


def leave_trace(folder: str, stop: Stop) -> None:
    """Write which packages and modules of ours the verb has imported, and how often it has written."""
    names = sorted(name for name in sys.modules if name.startswith("digitflow.") or "." not in name)
    stop.waits = True
    with open(f"{folder}/{os.getpid()}", "w") as file:
        file.write("\n".join([VERB, *names]))
    with open(f"{folder}/writes-{os.getpid()}", "w") as file:
        file.write(f"{VERB} writes\n{stop.writes}")


if VERB or SNAKEMAKE:
    _wanted, _, _moment = os.environ.get("DIGITFLOW_STOP", "").partition(":")
    _stop = Stop(_moment if _wanted == (VERB or SNAKEMAKE) else "")
    sys.addaudithook(_stop.count)
    atexit.register(_stop.at_end)
    if VERB and "DIGITFLOW_TRACE" in os.environ:
        atexit.register(leave_trace, os.environ["DIGITFLOW_TRACE"], _stop)
