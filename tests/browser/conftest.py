"""One browser for all tests of the page, and a page of 1,500 + 500 real digits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from digitflow.look.lookdata import LookData
from digitflow.look.page import write_page
from tests.browser import driver as drivers
from tests.browser.example import example

HERE = Path(__file__).parent
TRAIN, ALL = 1500, 2000


def pytest_collection_modifyitems(items) -> None:
    if drivers.MISSING:
        for item in items:
            if item.path.parent == HERE:
                item.add_marker(pytest.mark.skip(reason=drivers.MISSING))


def pytest_terminal_summary(terminalreporter) -> None:
    """Say in one line what was left out; of skipped tests, pytest says no more than how many."""
    if drivers.MISSING:
        terminalreporter.write_line(f"tests/browser was skipped: {drivers.MISSING}")


@pytest.fixture(scope="package")
def driver(tmp_path_factory) -> Iterator:
    with pytest.MonkeyPatch.context() as patch:
        # tests/conftest.py sends all requests to a proxy that is not there; the browser's driver is here.
        for name in ("no_proxy", "NO_PROXY"):
            patch.setenv(name, "localhost,127.0.0.1")
        folder = tmp_path_factory.mktemp("browser")
        with drivers.browser(folder / "profile", folder / "downloads") as started:
            yield started


@pytest.fixture
def page(driver, index) -> Iterator[drivers.Page]:
    """A tab, with nothing kept from another test."""
    page = drivers.Page(driver)
    page.open(index)
    page.run("localStorage.clear(); sessionStorage.clear()")
    page.errors(), page.requests()
    page.open(index)
    first = driver.current_window_handle
    yield page
    for window in driver.window_handles:
        if window != first:
            driver.switch_to.window(window)
            driver.close()
    driver.switch_to.window(first)
    drivers.navigate(driver, "about:blank")


@pytest.fixture(scope="session")
def data(digits) -> LookData:
    images, labels = digits
    return example(images[:ALL], labels[:ALL], TRAIN)


@pytest.fixture(scope="session")
def index(data, tmp_path_factory) -> Path:
    """The page, to be opened from the file system; tests only read it."""
    index = tmp_path_factory.mktemp("project") / "results" / "look" / "index.html"
    write_page(index, data)
    return index
