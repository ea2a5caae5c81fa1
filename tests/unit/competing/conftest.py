"""A small Kaggle on this machine (endpoint.py), and its client in an environment of its own (client.py)."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.conftest import PROJECT

KAGGLE_PYTHON = PROJECT / ".venvs" / "kaggle" / "bin" / "python"
TOKEN = "KGAT_of_nobody_0123456789"
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def kaggle_python() -> Path:
    """The interpreter of the environment that has Kaggle's client."""
    if not KAGGLE_PYTHON.exists():
        pytest.skip(
            "no environment for Kaggle's client: `snakemake -j1 .venvs/kaggle/installed.txt` makes it"
        )
    return KAGGLE_PYTHON


@dataclass
class Kaggle:
    """The small Kaggle: its folder, and how its client is called."""

    client: subprocess.Popen
    folder: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def set(self, **world: object) -> None:
        """Say how the service behaves from now on; what it remembers is forgotten."""
        key = "Basic c29tZW9uZTpLRVlfb2Zfbm9ib2R5"  # someone:KEY_of_nobody
        told = {"reset": True, "authorized": [f"Bearer {TOKEN}", key], "files": {}} | world
        temporary = self.folder / "world.partial"
        temporary.write_text(json.dumps(told))
        temporary.replace(self.folder / "world.json")
        (self.folder / "log.jsonl").unlink(missing_ok=True)

    def change(self, **world: object) -> None:
        """Say what is otherwise from now on; nothing is forgotten."""
        path = self.folder / "world.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | world))

    def call(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess:
        """Have client.py do something, with a token unless `environment` says otherwise."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("KAGGLE")}
        texts = {name: self.folder / f"client.{name}" for name in ("stdout", "stderr")}
        asked = {
            "arguments": [*map(str, arguments)],
            "environment": inherited | {"KAGGLE_API_TOKEN": TOKEN} | self.environment | environment,
            "folder": str(self.home),
        }
        print(json.dumps(asked | {name: str(path) for name, path in texts.items()}), file=self.client.stdin)
        self.client.stdin.flush()
        status = int(self.client.stdout.readline())
        told = (texts[name].read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(arguments, status, *told)

    def requests(self) -> list[dict]:
        """The requests that came since `set`."""
        log = self.folder / "log.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def methods(self) -> list[str]:
        return [request["method"] for request in self.requests()]

    def state(self) -> dict:
        return json.loads((self.folder / "state.json").read_text())


@contextlib.contextmanager
def running_endpoint(folder: Path) -> Iterator[str]:
    """Run endpoint.py in a folder: its port."""
    with subprocess.Popen([sys.executable, HERE / "endpoint.py", folder]) as server:
        while not (folder / "port").exists():
            assert server.poll() is None, "endpoint.py ended"
            time.sleep(0.02)
        try:
            yield (folder / "port").read_text()
        finally:
            server.terminate()


@contextlib.contextmanager
def running_client() -> Iterator[subprocess.Popen]:
    """Run client.py, which does what it is told line by line."""
    command = [KAGGLE_PYTHON, HERE / "client.py", "serve"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow"), "PYTHONDONTWRITEBYTECODE": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        yield process
        process.stdin.close()


@pytest.fixture(scope="session")
def endpoint(kaggle_python, tmp_path_factory):
    """The folder of a running endpoint.py, and its port."""
    folder = tmp_path_factory.mktemp("endpoint")
    with running_endpoint(folder) as port:
        yield folder, port


@pytest.fixture(scope="session")
def client(kaggle_python):
    """A running client.py."""
    with running_client() as process:
        yield process


@pytest.fixture
def kaggle(endpoint, client, tmp_path) -> Kaggle:
    """The small Kaggle, well behaved, and a home without credentials."""
    return small_kaggle(client, *endpoint, tmp_path)


def small_kaggle(client: subprocess.Popen, folder: Path, port: str, home: Path) -> Kaggle:
    environment = {
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "http_proxy": f"http://127.0.0.1:{port}",
        "HTTP_PROXY": f"http://127.0.0.1:{port}",
        "HOME": str(home),
        "VERBOSE": "1",  # what makes Kaggle's own command print the token
    }
    service = Kaggle(client, folder, home, environment)
    service.set()
    return service
