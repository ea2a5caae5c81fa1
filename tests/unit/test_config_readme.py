"""The tables of config/README.md are those of the code."""

import runpy

from tests.conftest import PROJECT

TABLES = runpy.run_path(str(PROJECT / "docs" / "config_tables.py"))


def test_the_tables_of_the_configurations_page_are_what_make_docs_writes():
    page = (PROJECT / "config" / "README.md").read_text()
    assert TABLES["filled"](page) == page


def test_each_table_has_its_place_in_the_page():
    page = (PROJECT / "config" / "README.md").read_text()
    for name, text in TABLES["tables"]():
        assert text in page, name
