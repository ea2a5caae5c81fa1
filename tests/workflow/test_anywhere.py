"""One clone, projects in folders of their own, and any characters in the paths of either."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import PROJECT
from tests.workflow.conftest import Clone, copy_code, link_environment, write_data
from tests.workflow.forks import FORKS

UV = PROJECT / ".tools" / "bin"  # where it is not on the PATH: it lists what MXNet's environment has
AWKWARD = Path("it's a {strange} é", "-place")


def call(clone: Path, project: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a project from outside both folders, as the README says."""
    command = [
        *(Path(sys.executable).with_name("snakemake"), "-j2", "-s", clone / "Snakefile", "-d", project),
        *(*arguments, "--configfile", project / "tiny.yaml"),
    ]
    added = {"PYTHONPATH": f"{clone}/workflow", "PATH": f"{os.environ['PATH']}:{UV}"}
    return FORKS.run(command, project.parent, os.environ | added)


@pytest.fixture
def clone(tmp_path) -> Path:
    folder = tmp_path / "clone" / AWKWARD
    copy_code(folder)
    return folder


@pytest.fixture
def project(tmp_path, digits) -> Path:
    folder = tmp_path / "project" / AWKWARD
    folder.mkdir(parents=True)
    write_data(folder, digits, configuration="numpy.yaml")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    """All files but what Python compiles."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_any_characters_may_stand_in_the_paths_of_clone_and_project(clone, project, finished_numpy_run):
    before = files_of(clone)
    result = call(clone, project, "all", "records", "results/verify.json")
    assert result.returncode == 0, result.stdout
    for name in ("results/submission.csv", "data/rec/train.lst", "data/png/train.sfv"):
        assert (project / name).read_bytes() == (finished_numpy_run[0].folder / name).read_bytes()
    assert files_of(clone) == before
    again = call(clone, project, "--dry-run")
    assert "Nothing to be done" in again.stdout, again.stdout


def test_mxnet_and_keras_train_there_too(clone, project, mxnet_python):
    link_environment(clone / ".venvs" / "mxnet", mxnet_python)
    shutil.copy2(PROJECT / "tests" / "workflow" / "tiny.yaml", project)
    Clone(project).configure("keras_cnn: {epochs: 5", "keras_cnn: {architecture: mlp, epochs: 1")
    Clone(project).configure("mxnet_cnn: {epochs: 5", "mxnet_cnn: {epochs: 1")
    for name in ("keras", "mxnet", "random", "signal"):  # notebooks' scripts, perhaps
        (project / f"{name}.py").write_text("raise SystemExit('imported')\n")
    result = call(clone, project, "results/submission.csv")
    assert result.returncode == 0, result.stdout


def test_an_environment_that_the_clone_has_lost_is_installed_again(clone, project, mxnet_python):
    link_environment(clone / ".venvs" / "mxnet", mxnet_python)
    target = ".venvs/mxnet/installed.txt"
    assert call(clone, project, target).returncode == 0
    assert "Nothing to be done" in call(clone, project, target).stdout
    for name in ("bin", "lib"):
        (clone / ".venvs" / "mxnet" / name).unlink()  # links: what is installed is the tests' own
    again = call(clone, project, target)
    assert again.returncode == 0, again.stdout
    python = clone / ".venvs" / "mxnet" / "bin" / "python"
    assert "mxnet==" in (project / target).read_text()
    assert subprocess.run([python, "-c", "import mxnet"], check=False).returncode == 0


def test_a_clone_in_a_folder_with_a_colon_is_refused_before_the_first_job(tmp_path, project):
    clone = tmp_path / "a:b"
    copy_code(clone)
    result = call(clone, project, "results/submission.csv")
    assert result.returncode == 1
    assert "which separates the folders of PATH; move the clone" in result.stdout.splitlines()[-1]
    assert "Traceback" not in result.stdout
    assert not (project / "data").exists()


def test_two_projects_of_one_clone_do_not_touch_each_other(clone, project, tmp_path, digits):
    other = tmp_path / "other"
    other.mkdir()
    write_data(other, digits, train_rows=300, test_rows=50, configuration="numpy.yaml")
    Clone(other).configure("epochs: 5", "epochs: 2")
    targets = ("results/submission.csv", "data/png/train.sfv")
    assert call(clone, project, *targets).returncode == 0
    first = files_of(project)
    assert call(clone, other, *targets).returncode == 0
    assert files_of(project) == first
    for folder, rows in ((project, 200), (other, 50)):
        assert len((folder / "results" / "submission.csv").read_text().splitlines()) == rows + 1
        assert "Nothing to be done" in call(clone, folder, "--dry-run", *targets).stdout
