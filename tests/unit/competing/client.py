"""What the tests run in the environment of Kaggle's client, which has no pytest: `python client.py WORK ...`.

One JSON object on stdout; a DigitflowError is one line on stderr and exit status 1, as a verb makes of it.
"""

import hashlib
import json
import logging
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from digitflow.base.errors import DigitflowError
from digitflow.competing import download, receipts, submit
from digitflow.competing.kaggle import Kaggle

KILLING = {"open", "os.rename", "os.remove", "os.mkdir", "socket.connect", "fcntl.flock"}
FAST = {"settle": 0.05, "pause": 0.01}


def plan(file: str, competition: str, message: str) -> dict:
    sha256 = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    counts = {"0": 1, "1": 2}
    facts = {"competition": competition, "file": file, "sha256": sha256}
    return facts | {"rows": 3, "class_counts": counts, "message": message}


def run_fetch(staging: str, timeout: str, *names: str) -> dict:
    with Kaggle("digit-recognizer", float(timeout)) as kaggle:
        download.fetch(kaggle, staging, names or ["train.csv"])
    return json.loads(Path(staging, download.MANIFEST).read_text())


def run_submit(
    file: str,
    folder: str,
    competition: str = "digit-recognizer",
    timeout: str = "60",
    patience: str = "60",
    message: str = "a test",
) -> dict:
    planned = plan(file, competition, message)
    with Kaggle(competition, float(timeout)) as kaggle:
        receipt = submit.submit(kaggle, planned, folder, "runs", patience=float(patience), **FAST)
    return asdict(receipt)


def run_kills(endpoint: str, file: str, folder: str, step: str, second_step: str) -> dict:
    """Kill a submission at each request, before and after it is handled, and at each file it touches.

    Each time another process goes on; then one submission with one reference must be there, and no byte of
    the file may have been taken twice. `step`: of how many moments one is tried. The second process is
    killed, too, at each of its moments in steps of `second_step`, unless that is 0.
    """
    attempt = _attempts(endpoint, lambda: run_submit(file, folder))
    shutil.rmtree(folder, ignore_errors=True)
    first, events = _moments(*attempt(reset=True))  # unharmed
    second = range(1, events + 1, int(second_step)) if int(second_step) else [0]
    kills, wrong = 0, _faults(endpoint, file, folder)
    for point in first[:: int(step)]:
        for event in second:
            shutil.rmtree(folder, ignore_errors=True)
            attempt(reset=True, **point)
            if event:
                attempt(event=event)
            attempt()
            kills += 1 + bool(event)
            wrong += [f"{point}, then {event}: {fault}" for fault in _faults(endpoint, file, folder)]
    return {"kills": kills, "wrong": wrong}


def run_fetch_kills(endpoint: str, staging: str, step: str) -> dict:
    """Kill a download at each request and at each file it touches; `step`: of how many moments one is tried.

    After the kill a file that has its name must be whole, and another process must bring all that is missing.
    """
    offered = json.loads(Path(endpoint, "world.json").read_text())["files"]
    attempt = _attempts(endpoint, lambda: run_fetch(staging, "60", *offered))
    shutil.rmtree(staging, ignore_errors=True)
    points, _ = _moments(*attempt(reset=True))
    wrong = []
    for point in points[:: int(step)]:
        shutil.rmtree(staging, ignore_errors=True)
        attempt(reset=True, **point)
        for name, path in offered.items():
            staged = Path(staging, name)
            if staged.exists() and staged.read_bytes() != Path(path).read_bytes():
                wrong.append(f"{point}: {name} is half-written")
        attempt()
        left = sorted(path.name for path in Path(staging).rglob("*"))
        if left != sorted([*offered, download.MANIFEST]):
            wrong.append(f"{point}: {left}")
    return {"kills": len(points[:: int(step)]), "wrong": wrong}


def _attempts(endpoint: str, work: Callable[[], dict]) -> Callable[..., tuple[int, int]]:
    """A function that does a piece of work in a child: how many requests and events there were so far.

    `reset`: the endpoint forgets all; `kill`: the request at which the child ends; `event`: the event.
    """
    world = json.loads(Path(endpoint, "world.json").read_text())

    def attempt(reset: bool = False, kill: dict | None = None, event: int = 0) -> tuple[int, int]:
        told = world | {"reset": reset, "kill": kill or {}}
        Path(endpoint, "world.json").write_text(json.dumps(told))
        events = _in_a_child(endpoint, work, event)
        return json.loads(Path(endpoint, "state.json").read_text())["requests"], events

    return attempt


def _moments(requests_made: int, events: int) -> tuple[list[dict], int]:
    """What `attempt` takes to kill at each moment; and the number of events."""
    numbers = range(1, requests_made + 1)
    points = [
        {"kill": {"request": number, "when": when}} for number in numbers for when in ("before", "after")
    ]
    return [*points, *({"event": number} for number in range(1, events + 1))], events


def _in_a_child(endpoint: str, work: Callable[[], dict], event: int) -> int:
    """Work in a child, killed at its so manieth event; how many events there were, as far as it came."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def audit(name: str, _: tuple) -> None:
            nonlocal count
            if name in KILLING:
                count += 1
                if count == event:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            Path(endpoint, "client.pid").write_text(str(os.getpid()))
            sys.addaudithook(audit)
            work()
            os.write(writing, str(count).encode())
            status = 0
        except DigitflowError as error:
            print(error, file=sys.stderr)
        finally:
            os._exit(status)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading) as pipe:
        return int(pipe.read() or 0)


def _faults(endpoint: str, file: str, folder: str) -> list[str]:
    state = json.loads(Path(endpoint, "state.json").read_text())
    kept = receipts.read_all(folder)
    made = [(entry["ref"], entry["sha256"]) for entry in state["submissions"]]
    faults = []
    if len(made) != 1:
        faults.append(f"{len(made)} submissions")
    if [(receipt.ref, receipt.sha256) for receipt in kept] != made:
        faults.append(f"receipts {kept}")
    if sum(place["puts"] for place in state["uploads"].values()) > 1:
        faults.append(f"uploads {state['uploads']}")
    if any(receipt.public_score != "0.99571" or receipt.rank != 3 for receipt in kept):
        faults.append(f"no score in {kept}")
    left = [
        path.name for path in Path(folder).rglob("*") if path.suffix == ".upload" or "partial" in path.name
    ]
    return faults + ([f"left behind: {left}"] if left else [])


def run(work: str, *arguments: str) -> int:
    """Do one piece of work as a verb does: the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        print(json.dumps(globals()[f"run_{work}"](*arguments)), flush=True)
    except DigitflowError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


def serve() -> None:
    """Do each piece of work that a line of stdin asks for, in a fork: Kaggle's client is loaded but once.

    A line is {arguments, environment, folder, stdout, stderr}, the last two paths; the answer is its status.
    """
    import kagglesdk.kaggle_creds  # noqa: F401
    import requests  # noqa: F401

    os.fsync = lambda _: None  # a power cut is not tried, and each takes as long as all the rest
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 70  # a traceback
            try:
                os.environ.clear()
                os.environ.update(asked["environment"])
                os.chdir(asked["folder"])
                for number, name in ((1, "stdout"), (2, "stderr")):
                    os.dup2(os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
                status = run(*asked["arguments"])
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        sys.exit(run(*sys.argv[1:]))
