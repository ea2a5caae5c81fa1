"""Tables of config/README.md and the map in CONTRIBUTING.md are those of the code; links lead to files."""

import re
import runpy
import subprocess

import pytest
from tests.conftest import PROJECT

PAGES = runpy.run_path(str(PROJECT / "docs" / "make_tables.py"))


@pytest.mark.parametrize("page", PAGES["PAGES"], ids=lambda page: page.name)
def test_what_make_docs_writes_stands_in_the_page(page):
    assert PAGES["filled"](page.read_text(), PAGES["PAGES"][page]()) == page.read_text()


def test_every_part_has_its_place_in_a_page():
    for page, parts in PAGES["PAGES"].items():
        for name, text in parts():
            assert text in page.read_text(), name


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="what a clone has is asked of git")
def test_links_lead_to_files_that_a_clone_has():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True, text=True
    )
    files = {PROJECT / name for name in listed.stdout.split("\0") if name}
    folders = {parent for file in files for parent in file.parents}
    pages = [file for file in files if file.suffix == ".md"]
    links = {
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in link
    }
    assert len(links) > 20
    lost = {(page, link) for page, link in links if (page.parent / link).resolve() not in files | folders}
    assert not lost
