"""Take the screenshots of docs/looking.md from a page that a run has made, in a real browser.

Usage: make_screenshots.py [INDEX], from the project's folder; INDEX is results/look/index.html if left out.
`make screenshots` makes the page first, with config/quick_audit.yaml. It needs selenium, chromium and
chromium-driver. What it decides on the page is forgotten with the browser. Beside the pictures it leaves a
digest of the page's own files, which a test compares: so the pictures show the page as it is.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "workflow")]

from tests.browser.driver import MISSING, Page, browser, wait_for  # noqa: E402

from digitflow.config.environments import clone_digest  # noqa: E402
from digitflow.look.page import ASSETS  # noqa: E402

FOLDER = PROJECT / "docs" / "looking"
DIGEST = "page.digest"  # of the page's files when the pictures were made
SIZE = 1280, 800  # pixels
# The keys for some of the first suspects of the default CSV, by their ids: those that are plain to see.
DECISIONS = {29952: "7", 6666: "5", 41751: "9", 20522: "k", 4812: "6", 27736: "x", 29993: "x"}
NEXT = 4625  # given 5, and plainly a 3: the next decision
COLOURS = 128  # of a picture's palette: a third of the bytes, and no difference to the eye


def decide(page: Page) -> None:
    """A few decisions on suspects of the default CSV, as somebody made them who looked at these images."""
    for id_, key in DECISIONS.items():
        select(page, id_)
        page.press(key)
    select(page, NEXT)


def select(page: Page, id_: int) -> None:
    """Select an image, which must be among the first of the section."""
    found = """return [...document.querySelectorAll('.tile')].find(
        (tile) => Number(tile.querySelector('.line').firstChild.textContent) === arguments[0])"""
    tile = page.run(found, id_)
    if tile is None:
        sys.exit(
            f"training image {id_} is not among the first suspects; make the page with: make screenshots"
        )
    tile.find_element("css selector", ".picture").click()


def export(page: Page) -> None:
    """The lines that those decisions leave as."""
    page.click("#export")


PICTURES: dict[str, tuple[str, Callable[[Page], None] | None]] = {
    "overview": ("overview", None),
    "suspects": ("suspects", decide),
    "confusion": ("confusion", None),
    "mistakes": ("mistakes", None),
    "export": ("suspects", export),
}


def save(path: Path, data: bytes) -> None:
    """Write a screenshot with a palette."""
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def main(index: str = "results/look/index.html") -> None:
    """Write every picture of PICTURES into FOLDER."""
    if MISSING:
        sys.exit(MISSING)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder) / "profile", Path(folder)) as driver:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False},
        )
        page = Page(driver)
        page.open(Path(index).resolve())
        for name, (section, act) in PICTURES.items():
            page.go(section)
            if act is not None:
                act(page)
            wait_for(
                lambda: page.run("return getComputedStyle(document.getElementById('toast')).opacity === '0'")
            )
            save(FOLDER / f"{name}.png", driver.get_screenshot_as_png())
    (FOLDER / DIGEST).write_text(f"{clone_digest(ASSETS)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
