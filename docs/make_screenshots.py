"""Take the screenshots of docs/looking.md from a page that a run has made, in a real browser.

Usage: make_screenshots.py [INDEX], from the project's folder; INDEX is results/look/index.html if left out.
It needs selenium, chromium and chromium-driver. What it decides on the page is forgotten with the browser.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "workflow")]

from tests.browser.driver import MISSING, Page, browser, wait_for  # noqa: E402

FOLDER = PROJECT / "docs" / "looking"
SIZE = 1280, 800  # pixels
COLOURS = 128  # of a picture's palette: a third of the bytes, and no difference to the eye


def decide(page: Page) -> None:
    """A few decisions, as somebody makes them who looks at suspects."""
    page.press("k", "x", "k", "k", "ARROW_RIGHT")


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


if __name__ == "__main__":
    main(*sys.argv[1:])
