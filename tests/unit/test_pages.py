"""The tables of config/README.md and the map in CONTRIBUTING.md are those of the code."""

import runpy

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
