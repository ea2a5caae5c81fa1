"""Snakemake started as a fork of a process that has imported it, and parsed the project's rules, already.

The tests start Snakemake some hundred times, and most of what a start costs is its imports and its parser.
What runs is its own command line all the same, in a process, a folder and an environment of its own. Tests
that stop or kill Snakemake itself start it without this.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO

PROJECT = Path(__file__).parents[2]

# What a run has imported at its end, apart from digitflow and its logger, which are those of the clone.
IMPORTED = (
    *("snakemake.cli", "snakemake.profiles", "snakemake.report.html_reporter", "snakemake.storage"),
    *("argparse_dataclass", "docutils.core", "graphlib", "jinja2", "multiprocessing.resource_tracker"),
    *("numpy", "platformdirs", "requests", "smart_open", "yte"),
)


class Forks:
    """Starts the server when it is first asked, and asks it for one start at a time."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def run(
        self, command: Sequence[str | Path], cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess:
        """As `subprocess.run`, of Snakemake's command; both output streams are in `stdout`."""
        request = {
            "arguments": [str(part) for part in command],
            "folder": str(cwd),
            "environment": dict(env),
        }
        with self._lock, tempfile.NamedTemporaryFile("r") as output:
            returncode = self._ask(json.dumps(request | {"output": output.name}))
            return subprocess.CompletedProcess(request["arguments"], returncode, output.read())

    def close(self) -> None:
        """End the server."""
        if self._server:
            self._server.communicate()

    def _ask(self, request: str) -> int:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            )
        print(request, file=self._server.stdin, flush=True)
        return int(self._server.stdout.readline())


FORKS = Forks()  # one for all tests of a process


def serve(requests: IO[str], answers: int) -> dict:
    """Fork for each request, and answer with how the child ended; in the child, give back the request."""
    for line in requests:
        child = os.fork()
        if not child:
            return json.loads(line)
        _, status = os.waitpid(child, 0)
        os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    raise SystemExit


def become(arguments: list[str], folder: str, environment: dict[str, str], output: str) -> None:
    """Make this process what it would be if it had been started so."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, path, mode in ((0, os.devnull, os.O_RDONLY), (1, output, os.O_WRONLY)):
        opened = os.open(path, mode)
        os.dup2(opened, stream)
        os.close(opened)
    os.dup2(1, 2)  # not opened again: both have one place in the file
    sys.argv, sys.orig_argv = arguments, [sys.executable, *arguments]
    added = environment.get("PYTHONPATH", "")
    sys.path[:1] = [str(Path(arguments[0]).parent), *filter(None, added.split(os.pathsep))]
    sys.modules.pop("sitecustomize", None)  # the server's, if its Python has one
    with contextlib.suppress(ModuleNotFoundError):  # every Python begins with it, where there is one
        importlib.import_module("sitecustomize")


def list_modules_once() -> None:
    """Let Snakemake, which looks among all that is installed for its plugins, find what is there now."""
    look = pkgutil.iter_modules
    installed = {folder: [*look([folder])] for folder in sys.path}

    def iter_modules(path: Sequence[str] | None = None, prefix: str = "") -> Iterator[pkgutil.ModuleInfo]:
        for folder in sys.path if path is None else path:
            known = installed.get(folder) if path is None and not prefix else None
            yield from look([folder], prefix) if known is None else known

    pkgutil.iter_modules = iter_modules


def parse_once() -> None:
    """Let Snakemake, which would parse the same rules in every clone, take what came out here.

    Rules that a test has edited are parsed.
    """
    workflow = sys.modules["snakemake.workflow"]
    parse, here = workflow.parse, "where the rules are"
    opened = SimpleNamespace(sourcecache=SimpleNamespace(open=lambda path: path.file.open()))
    known = {}
    for file in (PROJECT / "Snakefile", *(PROJECT / "rules").glob("*.smk")):
        path = SimpleNamespace(file=file, get_path_or_uri=lambda secret_free: here)
        lines: dict[int, int] = {}
        known[file.read_text()] = (*parse(path, opened, lines), lines)

    def parse_unless_known(path, opened, linemap, overwrite_shellcmd=None, rulecount=0):
        with opened.sourcecache.open(path) as file:
            text = file.read()
        if text not in known:
            return parse(path, opened, linemap, overwrite_shellcmd, rulecount)
        code, rules, lines = known[text]
        linemap |= lines
        return code.replace(repr(here), repr(path.get_path_or_uri(secret_free=True))), rulecount + rules

    workflow.parse = parse_unless_known


def main() -> None:
    """Import Snakemake, then serve."""
    for name in IMPORTED:
        importlib.import_module(name)
    list_modules_once()
    parse_once()
    assert threading.active_count() == 1  # a fork has only the thread that forks
    # Otherwise a fork that collects its garbage copies all that was imported: half of what a fork costs.
    gc.collect()
    gc.freeze()
    request = serve(os.fdopen(os.dup(0)), os.dup(1))
    become(**request)
    sys.modules["snakemake.cli"].main()


if __name__ == "__main__":
    main()
