"""What a finished run offers to look at: its last line, and its report, opened away from the run."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from tests.browser import driver as drivers
from tests.workflow.conftest import copy_of

from digitflow.look.page import read_content

TARGETS = ("all", "results/look/index.html")
CATEGORIES = {
    "results/look/summary.html": "Look",
    "results/look/suspects.png": "Look",
    "results/run.json": "Run",
    "results/scores.csv": "Scores",
    "results/submission.csv": "Submission",
}


@pytest.fixture(scope="module")
def report(finished_numpy_run, tmp_path_factory) -> Path:
    """The unpacked report, where nothing of the run is."""
    folder = tmp_path_factory.mktemp("report")
    clone = copy_of(finished_numpy_run[0], folder)
    for command in (TARGETS, (*TARGETS, "--report", "report.zip")):
        result = clone.snakemake(*command)
        assert result.returncode == 0, result.stdout
    with zipfile.ZipFile(clone.folder / "report.zip") as archive:
        archive.extractall(folder / "elsewhere")
    shutil.rmtree(clone.folder)
    return folder / "elsewhere" / "report" / "report.html"


def held(report: Path, variable: str) -> dict:
    """What a variable of the report's script holds."""
    text = report.read_text()
    start = re.search(rf"^ *var {variable} = (?=\{{)", text, re.MULTILINE).end()
    return json.JSONDecoder().raw_decode(text, start)[0]


def test_it_holds_summary_suspects_and_record_under_their_categories_with_captions(report):
    results = held(report, "results")
    categories = held(report, "categories")
    for path, category in CATEGORIES.items():
        assert path in [one for paths in categories[category].values() for one in paths]
        assert results[path]["caption"].startswith("<p>"), path
        assert (report.parent / results[path]["data_uri"]).is_file(), path
    record = json.loads((report.parent / results["results/run.json"]["data_uri"]).read_text())
    assert record["configuration"]["merge"]["models"] == ["wide", "plain"]
    summary = (report.parent / results["results/look/summary.html"]["data_uri"]).read_text()
    assert "600 training images · 200 test images · 10 classes" in summary


@pytest.mark.skipif(drivers.MISSING is not None, reason=str(drivers.MISSING))
@pytest.mark.allow_hosts(["127.0.0.1", "::1"])
def test_it_opens_elsewhere_without_a_network(report, tmp_path, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):  # the browser's driver is here
        monkeypatch.setenv(name, "localhost,127.0.0.1")
    summary = held(report, "results")["results/look/summary.html"]["data_uri"]
    with drivers.browser(tmp_path / "profile", tmp_path) as driver:
        drivers.navigate(driver, report.as_uri())
        page = drivers.Page(driver)
        drivers.wait_for(lambda: "Look" in page.text("body") and "Run" in page.text("body"))
        drivers.navigate(driver, (report.parent / summary).as_uri())
        assert (
            page.run("return [...document.images].filter((image) => image.naturalWidth === 28).length") == 10
        )
        outside = [url for url in page.requests() if not url.startswith((report.parent.as_uri(), "data:"))]
        assert [url for url in outside if not url.startswith(("about:", "chrome"))] == []


def test_a_run_ends_with_the_command_for_the_page_to_look_at(finished_numpy):
    folder = finished_numpy.folder
    finished_numpy.configure("source: files", "source: files, corrections: own/my corrections.csv")
    (folder / "own" / "my corrections.csv").write_text("id,was,now,crc,note\n")
    closing = "look: snakemake -j4 results/look/index.html --configfile tiny.yaml   correct: digitflow look"
    assert closing in finished_numpy.snakemake("results/submission.csv", "--force").stdout
    target, *rest = closing.removeprefix("look: snakemake -j4 ").split("   ")[0].split()
    assert rest == ["--configfile", "tiny.yaml"]
    printed = finished_numpy.snakemake("results/submission.csv", target, "--forcerun", "merge").stdout
    assert read_content(folder / target)["correctionsFile"] == "own/my corrections.csv"
    assert f"look: {target}   correct: digitflow look" in printed
    shutil.rmtree(folder / "results/look/page")
    assert finished_numpy.planned_rules(target) == {"look_page": 1}
    assert finished_numpy.snakemake(target).returncode == 0
    assert (folder / "results/look/page").is_dir()
    assert not finished_numpy.planned(target)
    alone = ("results/submission.csv", "--force", "--rerun-triggers", "mtime")
    other = finished_numpy.snakemake(*alone, "--config", "validation={fraction: 0.2}").stdout
    assert "look: the same command with the target results/look/index.html" in other
    finished_numpy.configure("device: cpu", "device: cpu\nvalidation: {fraction: 0}")
    without = finished_numpy.snakemake(*alone).stdout
    assert "submission: results/submission.csv" in without
    assert "look: " not in without
