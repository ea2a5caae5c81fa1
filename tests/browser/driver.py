"""A real browser without a window, and what a person does with it on the page."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

try:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select
except ImportError:
    webdriver = None

T = TypeVar("T")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1440,900",
)
PATIENCE = 120  # seconds: a busy machine fails no test
CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = None
if webdriver is None:
    MISSING = "the package selenium is not installed: run make test, which installs what tests need"
elif CHROMIUM is None or CHROMEDRIVER is None:
    MISSING = "there is no browser: apt-get install chromium chromium-driver"


def wait_for(seen: Callable[[], T]) -> T:
    """Ask until the answer is true, and return it. AssertionError after PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while not (answer := seen()):
        assert time.monotonic() < end, f"still {answer!r} after {PATIENCE} seconds"
        time.sleep(0.02)
    return answer


def navigate(driver: "webdriver.Chrome", address: str = "") -> None:
    """Go to another page, or load this one anew, until it has come with all that belongs to it.

    AssertionError after PATIENCE seconds.
    """

    def has_come() -> bool:
        try:
            return driver.execute_script("return !window.left && document.readyState === 'complete'")
        except WebDriverException:  # between two documents
            return False

    driver.execute_script("window.left = true")
    driver.get(address) if address else driver.refresh()
    wait_for(has_come)


class Page:
    """The page in one tab of a browser."""

    def __init__(self, driver: "webdriver.Chrome"):
        self.driver = driver

    def open(self, address: str | Path, section: str = "") -> None:
        """Open the page anew, at a section."""
        if isinstance(address, Path):
            address = address.as_uri()
        navigate(self.driver, "about:blank")  # else only the part behind # would change
        navigate(self.driver, f"{address}#{section}")
        self.wait_until_ready()

    def reload(self) -> None:
        navigate(self.driver)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.run("return document.body?.dataset.ready === 'yes'"))

    def go(self, section: str) -> None:
        """Go to another section, as its link does."""
        self.run("location.hash = arguments[0]", section)
        wait_for(lambda: self.run("return location.hash.slice(1) === arguments[0]", section))
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(getattr(Keys, key, key))

    def choose(self, filter_: str, text: str) -> None:
        Select(self.driver.find_element(By.ID, filter_)).select_by_visible_text(text)

    def click(self, css: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, css).click()

    def text(self, css: str) -> str:
        return self.driver.find_element(By.CSS_SELECTOR, css).text

    def texts(self, css: str) -> list[str]:
        """The texts of all elements, hidden ones too."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", css)

    @property
    def ids(self) -> list[int]:
        """The ids of the images that are in the page, in their order."""
        found = """return [...document.querySelectorAll('.tile')].map((tile) =>
            [Number(tile.dataset.k), tile.querySelector('.line').firstChild.textContent])"""
        return [int(id_) for _, id_ in sorted(self.run(found))]

    @property
    def selected(self) -> int:
        """The id of the selected image."""
        return int(self.text("#facts dd"))

    @property
    def decision(self) -> str:
        """What the panel says of the selected image."""
        return self.text("#decision")

    @property
    def count(self) -> int:
        """The counter of decisions."""
        return int(self.text("#count"))

    def exported(self, whole: bool = True) -> str:
        """The text box of the export."""
        self.click("#export")
        self.click(f"input[name=which][value={'whole' if whole else 'new'}]")
        text = self.run("return document.getElementById('export-text').value")
        self.click("#export-dialog .close")
        return text

    def errors(self) -> list[str]:
        """What the browser's console holds, and forgets with this."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


@contextmanager
def browser(profile: Path, downloads: Path) -> Iterator["webdriver.Chrome"]:
    """A browser with a profile of its own, closed in the end."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.set_capability("unhandledPromptBehavior", "accept")
    # Chromedriver misses the end of some of a thousand navigations, so nothing waits for it: `navigate` does.
    options.page_load_strategy = "none"
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def scroll_through(page: Page) -> float:
    """Scroll a section in 120 jumps to its end; return the longest time between two frames, in ms."""
    return page.driver.execute_async_script("""
        const done = arguments[0], main = document.getElementById('main');
        let step = 0, last = performance.now(), longest = 0;
        const frame = (now) => {
            longest = Math.max(longest, now - last);
            last = now;
            if (step++ === 120) return done(longest);
            main.scrollTop = (main.scrollHeight * step) / 120;
            requestAnimationFrame(frame);
        };
        requestAnimationFrame((now) => { last = now; requestAnimationFrame(frame); });
    """)
