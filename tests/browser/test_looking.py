"""The page in a real browser, opened from the file system."""

import dataclasses
import io
import shutil
from pathlib import Path

import numpy as np
import pytest

from digitflow.formats import corrections
from digitflow.formats.corrections import Correction
from digitflow.look.page import write_page
from tests.browser.driver import Page, navigate, scroll_through, wait_for
from tests.browser.example import NO_DUPLICATES, NO_OUTLIERS, example

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", "::1"])

HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '"quoted", with a comma',
    "'single'",
    "&amp; & &lt;",
    "ünïcödé ✓ 数字 🙂",
    "a/b\\c",
    "..",
    " spaces ",
    "#hash?query%20",
    "=1+1",
    "${injected}",
)
SECTIONS = (
    *(
        "overview",
        "suspects",
        "duplicates",
        "outliers",
        "mistakes",
        "disagree",
        "helps",
        "hurts",
        "random",
        "confusion",
    ),
    *("cell-4-9", "class-3", "test", "decisions"),
)


def test_a_key_of_a_class_relabels_the_image_and_moves_on(page, data):
    page.go("suspects")
    first, second = data.audit["id"][:2]
    given, other = (label := int(data.labels[first - 1])), (label + 1) % 10
    assert page.selected == first
    page.press(str(other))
    assert (page.selected, page.count) == (second, 1)
    page.press("ARROW_LEFT")
    assert page.decision == f"Decided: → {other}"
    crc = corrections.pixel_crc(data.images[first - 1])
    assert page.exported() == f"id,was,now,crc,note\n{first},{given},{other},{crc},\n"


def test_relabelling_to_the_label_that_the_csv_has_says_ok(page, data):
    page.go("suspects")
    page.press(str(data.labels[page.selected - 1]), "ARROW_LEFT")
    assert page.decision == "Decided: ok"


def test_x_drops_k_confirms_and_u_undoes_one_after_the_other(page, data):
    page.go("suspects")
    first, second, third = data.audit["id"][:3]
    page.press("x", "k")
    assert (page.selected, page.count) == (third, 2)
    assert page.texts(".mark")[:3] == ["drop", "ok", ""]
    page.press("u")
    assert (page.selected, page.count) == (second, 1)
    page.press("u")
    assert (page.selected, page.count, page.decision) == (first, 0, "Not looked at yet.")
    page.press("u")
    assert page.texts("#toast") == ["Nothing to undo."]


def test_arrows_move_by_images_and_by_rows_and_stop_at_the_ends(page):
    page.go("suspects")
    ids, columns = page.ids, int(page.run("return document.querySelector('.row').children.length"))
    moves = {"ARROW_RIGHT": 1, "ARROW_DOWN": columns + 1, "ARROW_LEFT": columns, "ARROW_UP": 0}
    for key, place in moves.items():
        page.press(key)
        assert page.selected == ids[place]
    page.press("ARROW_LEFT", "ARROW_UP")
    assert page.selected == ids[0]
    page.press("END")
    assert page.text("#facts dd:last-of-type") == "1,500 of 1,500"
    assert page.selected == page.ids[-1]


def test_the_selected_image_has_the_focus_and_says_what_it_is(page, data):
    page.go("suspects")
    page.press("ARROW_RIGHT")
    focused = page.driver.switch_to.active_element
    row = data.audit.iloc[1]
    assert focused.get_attribute("role") == "gridcell"
    assert focused.get_attribute("aria-label").startswith(f"{row['id']:04d}, given {row['given']}, proposed ")


def test_decisions_and_undo_survive_a_reload(page):
    page.go("suspects")
    page.press("x", "3")
    page.reload()
    assert page.count == 2
    marks = page.texts(".mark")[:2]
    assert marks[0] == "drop"
    assert marks[1] in ("→ 3", "ok")
    page.press("u")
    assert (page.count, page.texts(".mark")[:2]) == (1, ["drop", ""])


@pytest.mark.parametrize(
    "broken",
    [
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no') }})",
        "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }",
    ],
)
def test_a_browser_that_keeps_nothing_asks_before_it_forgets_decisions(page, index, broken):
    asks = """const leaving = new Event("beforeunload", {cancelable: true});
        return !window.dispatchEvent(leaving)"""
    page.go("suspects")
    page.press("x")
    assert page.run(asks) is False  # it is kept
    page.press("u")
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": broken})
    try:
        page.open(index, "suspects")
        before = page.run(asks)
        page.press("x")
        decided = page.run(asks)
        page.press("u")
        undone = page.run(asks)
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    assert (before, decided, undone) == (False, True, False)


def test_decisions_on_other_data_are_not_shown(page, data, tmp_path):
    page.go("suspects")
    page.press("x")
    other = dataclasses.replace(data, labels=np.roll(data.labels, 1))
    write_page(tmp_path / "index.html", other)
    page.open(tmp_path / "index.html", "suspects")
    assert page.count == 0


def test_decisions_on_earlier_data_are_offered_as_lines_until_they_are_forgotten(page, data, tmp_path):
    index = tmp_path / "index.html"
    write_page(index, data)
    page.open(index, "suspects")
    first = int(data.audit["id"][0])
    page.press("x", "k", "u")
    crc = corrections.pixel_crc(data.images[first - 1])
    line = f"{first},{data.labels[first - 1]},drop,{crc},"
    later = dataclasses.replace(data, labels=np.roll(data.labels, 1))
    write_page(index, later)
    page.open(index)
    assert page.text("#lost-count") == "1 decision for earlier data is not in corrections.csv:"
    page.click("#lost-again")
    assert page.run("return document.getElementById('export-text').value") == f"{line}\n"
    page.click("#export-dialog .close")
    # The lines were added to the file, and the page made again.
    write_page(index, dataclasses.replace(later, corrections_text=f"id,was,now,crc,note\n{line}\n"))
    page.open(index)
    assert page.text("#lost-count") == ""
    write_page(index, later)
    page.open(index)
    page.click("#lost-leave")
    page.driver.switch_to.alert.accept()
    page.reload()
    assert page.text("#lost-count") == ""


def test_a_page_that_was_made_again_shows_no_other_images_and_takes_no_key(page, data, tmp_path):
    index = tmp_path / "index.html"
    write_page(index, data)
    page.open(index)
    write_page(index, dataclasses.replace(data, audit=None))  # all sheets in another order
    page.go("class-3")
    said = "pictures are missing: if the page was made again, reload it"
    wait_for(lambda: page.text("#saved") == said)
    page.press("4")
    assert (page.count, page.texts("#toast")) == (0, ["Pictures are missing: reload this page."])
    page.errors()
    page.reload()
    page.press("4")
    assert (page.count, page.text("#saved")) == (1, "1 not yet in corrections.csv")


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        ([*map(str, range(1, 11))], "1234567890"),
        (["7", "cat", "0", "dog"], "7102"),
        (["cat", "dog"], "01"),
    ],
)
def test_a_digit_is_the_key_of_the_class_with_that_name(page, data, tmp_path, names, keys):
    labels = data.labels % len(names)
    few = dataclasses.replace(
        data,
        names=names,
        labels=labels,
        **dict.fromkeys(["audit", "predictions", "test_merged"]),
    )
    write_page(tmp_path / "index.html", few)
    page.open(tmp_path / "index.html", "random")
    for name, key in zip(names, keys, strict=True):
        given = names[labels[page.selected - 1]]
        page.press(key, "ARROW_LEFT")
        assert page.decision == f"Decided: {'ok' if name == given else f'→ {name}'}"


def test_caps_lock_changes_no_key(page):
    page.go("suspects")
    page.press("X", "K", "U")
    assert (page.count, page.texts(".mark")[0]) == (1, "drop")


def type_key(page: Page, key: str, code: str, **more: object) -> None:
    """Press a key of any keyboard: what it writes, and where it is on one with the layout of the US."""
    for kind in ("keyDown", "keyUp"):
        page.driver.execute_cdp_cmd(
            "Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code, **more}
        )


@pytest.mark.parametrize(
    ("keys", "marks"),
    [
        ([("ч", "KeyX"), ("Л", "KeyK")], ["drop", "ok"]),  # Cyrillic
        ([("χ", "KeyX"), ("κ", "KeyK")], ["drop", "ok"]),  # Greek
        ([("ס", "KeyX"), ("ל", "KeyK")], ["drop", "ok"]),  # Hebrew
        ([("ء", "KeyX"), ("ن", "KeyK")], ["drop", "ok"]),  # Arabic
        ([("x", "KeyB"), ("k", "KeyV")], ["drop", "ok"]),  # Dvorak
        ([("x", "KeyX"), ("é", "Digit2")], ["drop", "→ 2"]),  # AZERTY
        ([("x", "KeyX"), ("2", "Numpad2")], ["drop", "→ 2"]),
    ],
)
def test_keys_mean_the_same_on_keyboards_with_other_letters_or_signs(page, data, keys, marks):
    page.go("suspects")
    assert data.labels[data.audit["id"][1] - 1] != 2
    for key, code in keys:
        type_key(page, key, code)
    assert page.texts(".mark")[:2] == marks


def test_a_letter_that_means_nothing_here_is_not_the_one_at_its_place_on_another_keyboard(page):
    page.go("suspects")
    type_key(page, "q", "KeyX")  # Dvorak
    type_key(page, "!", "Digit1", modifiers=8)  # with Shift
    type_key(page, "Clear", "Numpad5")
    assert page.count == 0


def test_a_section_goes_on_where_it_was_left(page):
    page.go("suspects")
    page.press("ARROW_RIGHT", "ARROW_DOWN")
    left = page.selected
    page.go("class-5")
    assert page.selected != left
    page.driver.back()
    wait_for(lambda: page.text("#title") == "Suspects")
    assert page.selected == left


@pytest.mark.parametrize(("width", "height"), [(720, 400), (500, 560), (1024, 700)])
def test_images_can_be_seen_in_a_small_window(page, width, height):
    before = page.driver.get_window_size()
    page.driver.set_window_size(width, height + 140)
    page.go("suspects")
    room, across, window = page.run(
        """const main = document.getElementById("main");
        return [main.clientHeight, document.documentElement.scrollWidth, window.innerWidth]"""
    )
    page.driver.set_window_size(before["width"], before["height"])
    assert room > 250  # two rows of images
    assert across <= window


def test_what_has_no_panel_has_the_whole_width_of_a_small_window(page):
    before = page.driver.get_window_size()
    page.driver.set_window_size(720, 600)
    widths = """const parts = ["main", "panel"].map((id) => document.getElementById(id).offsetWidth);
        return [...parts, document.documentElement.clientWidth]"""
    found = {}
    for section in ("overview", "confusion", "suspects"):
        page.go(section)
        found[section] = page.run(widths)
    page.driver.set_window_size(before["width"], before["height"])
    for section in ("overview", "confusion"):
        main, panel, window = found[section]
        assert (main, panel) == (window, 0)
    main, panel, window = found["suspects"]
    assert main + panel == window
    assert panel < main


def test_two_tabs_of_a_file_show_each_others_decisions(page, index):
    page.go("suspects")
    page.press("x")
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open(index, "suspects")
    assert page.count == 1
    page.press("ARROW_RIGHT", "k")
    page.driver.switch_to.window(first)
    wait_for(lambda: page.texts(".mark")[:3] == ["drop", "ok", ""])
    page.press("ARROW_RIGHT", "x")
    assert page.count == 3


def test_filters_leave_images_of_a_class_a_split_and_those_not_looked_at(page, data):
    page.go("suspects")
    total = len(data.ids)
    page.choose("filter-class", "4")
    fours = int((data.labels == 4).sum())
    assert page.text("#about").startswith(f"{fours} of {total:,} images")
    assert {int(data.labels[id_ - 1]) for id_ in page.ids} == {4}
    page.choose("filter-split", "fold 2")
    both = (data.labels == 4) & (data.splits == "fold 2")
    assert page.text("#about").startswith(f"{both.sum()} of {total:,} images")
    page.press("x", "x")
    page.choose("filter-looked", "not looked at yet")
    assert page.text("#about").startswith(f"{both.sum() - 2} of {total:,} images")
    page.choose("filter-looked", "decided")
    assert page.text("#about").startswith(f"2 of {total:,} images")


def test_choosing_a_filter_by_keys_leaves_the_focus_there(page):
    page.go("suspects")
    page.run("document.getElementById('filter-class').focus()")
    page.press("ARROW_DOWN", "ARROW_DOWN")
    wait_for(lambda: page.run("return document.getElementById('filter-class').value") == "1")
    assert page.driver.switch_to.active_element.get_attribute("id") == "filter-class"
    assert page.count == 0


def test_a_filter_that_nothing_passes_says_so(page):
    page.go("class-3")
    page.choose("filter-class", "4")
    assert page.text(".empty") == "No image passes the filters above."
    page.press("ARROW_RIGHT", "x")
    assert page.count == 0


@pytest.mark.parametrize(
    ("section", "shown"), [("overview", False), ("confusion", False), ("suspects", True)]
)
def test_filters_are_shown_where_there_are_images_to_filter(page, section, shown):
    page.go(section)
    assert bool(page.text("#filters")) is shown  # the text that can be seen


@pytest.mark.parametrize("section", ["overview", "confusion"])
def test_a_section_without_images_is_scrolled_by_keys_as_soon_as_it_is_opened(page, index, section):
    before = page.driver.get_window_size()
    page.driver.set_window_size(1200, 400)
    page.open(index, section)
    page.press("PAGE_DOWN")
    wait_for(lambda: page.run("return document.getElementById('main').scrollTop") > 0)
    page.driver.set_window_size(before["width"], before["height"])


@pytest.fixture
def corrected(data, tmp_path) -> tuple[Path, Path]:
    """A page that was made with a corrections.csv beside which comments stand; both."""
    file = tmp_path / "corrections.csv"
    text = '# by hand\nid,was,now,crc,note\n7,{7},8,,"two\nlines"\n9,{9},drop,,\n'
    file.write_text(text.format(*["", *data.labels.tolist()]))
    index = tmp_path / "results" / "look" / "index.html"
    found = corrections.read(file)
    write_page(index, dataclasses.replace(data, corrections=found, corrections_text=file.read_text()))
    return index, file


def test_corrections_that_are_there_are_shown_and_counted(page, corrected):
    page.open(corrected[0], "decisions")
    assert page.count == 2
    assert (page.ids, page.texts(".mark")) == ([7, 9], ["→ 8", "drop"])
    assert page.decision == "Decided: → 8 (two\nlines)".replace("\n", " ")


def test_the_export_is_what_recording_the_same_decisions_makes_of_the_file(page, data, corrected):
    index, file = corrected
    page.open(index, "decisions")
    page.press(str(data.labels[6]))
    page.go("suspects")
    page.press("x")
    suspect = int(data.audit["id"][0])
    made = [
        Correction(id_, str(data.labels[id_ - 1]), now, corrections.pixel_crc(data.images[id_ - 1]))
        for id_, now in ((7, "ok"), (suspect, "drop"))
    ]
    corrections.record(file, made)
    assert page.exported() == file.read_text()
    assert page.exported(whole=False).count("\n") == 3  # the note has two lines


@pytest.mark.parametrize("header", ['"id","was","now","crc","note"', '\ufeff"id",was,now,crc,note'])
def test_the_export_of_a_file_whose_header_is_in_quotes_has_no_second_one(page, data, tmp_path, header):
    file = tmp_path / "corrections.csv"
    text = f"{header}\n"
    file.write_text(text)
    assert corrections.read(file) == []
    write_page(tmp_path / "index.html", dataclasses.replace(data, corrections_text=text))
    page.open(tmp_path / "index.html", "suspects")
    page.press("x")
    file.write_text(page.exported())
    assert file.read_text().startswith(text)
    assert [line.now for line in corrections.read(file)] == ["drop"]


def test_k_agrees_with_what_is_given_and_undoes_no_correction(page, corrected):
    index, file = corrected
    page.open(index, "decisions")
    page.press("k", "k")
    assert page.texts(".mark") == ["→ 8", "drop"]
    assert page.exported() == file.read_text()
    page.press("HOME", "3", "HOME", "k")
    assert page.texts(".mark") == ["→ 3", "drop"]


def test_the_lines_to_add_are_offered_first_where_a_file_was_there(page, corrected):
    page.open(corrected[0], "suspects")
    page.press("x")
    page.click("#export")
    assert page.run("return document.querySelector('input[name=which]:checked').value") == "new"
    assert page.run("return document.getElementById('export-text').value").count("\n") == 1
    assert page.text("#download") == "Download corrections-to-add.csv"


def test_a_key_that_is_held_down_decides_one_image(page):
    page.go("suspects")
    page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", "key": "x"})
    for _ in range(3):
        page.driver.execute_cdp_cmd(
            "Input.dispatchKeyEvent", {"type": "keyDown", "key": "x", "autoRepeat": True}
        )
    assert page.count == 1
    page.press("x")
    page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", "key": "u", "autoRepeat": True})
    assert page.count == 2


def hold(page: Page, key: str, **more: object) -> None:
    """Press a key, and hold it down until it has come again three times."""
    event = {"type": "keyDown", "key": key, **more}
    page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", event)
    for _ in range(3):
        page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {**event, "autoRepeat": True})
    page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", "key": key})


def is_choosing(page: Page) -> bool:
    return page.run("return document.getElementById('choose-dialog').open")


def test_enter_that_is_held_down_opens_the_chooser_or_takes_one_class(page):
    page.go("suspects")
    hold(page, "Enter")
    assert (page.count, is_choosing(page)) == (0, True)
    hold(page, "Enter")
    assert (page.count, is_choosing(page)) == (1, False)


def test_enter_that_is_held_down_on_a_button_presses_it_once(page):
    page.go("suspects")
    page.run("document.querySelector('#keys [data-now=ok]').focus()")
    hold(page, "Enter", text="\r", windowsVirtualKeyCode=13)
    assert (page.count, is_choosing(page)) == (1, False)


def test_decisions_that_the_file_has_by_now_are_new_no_longer(page, data, corrected):
    page.go("suspects")
    page.press("x")
    assert "not yet in corrections.csv" in page.text("#saved")
    suspect = Correction(page.selected, "", "", "")
    page.press("ARROW_LEFT")
    suspect = Correction(page.selected, str(data.labels[page.selected - 1]), "drop", line=2)
    write_page(corrected[0], dataclasses.replace(data, corrections=[suspect]))
    page.open(corrected[0])
    assert (page.count, page.text("#saved")) == (1, "")


def test_a_decision_whose_line_was_taken_out_of_the_file_again_does_not_come_back(
    page, data, index, corrected
):
    page.go("suspects")
    suspect = page.selected
    page.press("x")
    line = Correction(suspect, str(data.labels[suspect - 1]), "drop", line=2)
    write_page(corrected[0], dataclasses.replace(data, corrections=[line]))
    page.open(corrected[0])
    page.press("u")
    assert (page.count, page.texts("#toast")) == (1, ["Nothing to undo."])
    page.open(index, "suspects")
    assert (page.count, page.decision, page.text("#saved")) == (0, "Not looked at yet.", "")


def test_the_download_is_the_text_of_the_export(page, tmp_path):
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.go("suspects")
    page.press("x", "k")
    text = page.exported()
    page.click("#export")
    page.click("#download")
    file = tmp_path / "corrections.csv"
    wait_for(file.exists)
    assert file.read_text() == text
    assert [c.now for c in corrections.read(file)].count("drop") == 1
    page.click("#export-dialog .close")


def test_texts_and_the_download_have_the_name_of_the_configured_file(page, data, tmp_path):
    downloads = tmp_path / "downloads"
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)}
    )
    name = "by hand/<b>ours.csv"
    line = Correction(7, str(data.labels[6]), "drop", line=2)
    changed = dataclasses.replace(data, corrections=[line], corrections_file=name)
    write_page(tmp_path / "index.html", changed)
    page.open(tmp_path / "index.html")
    assert f"1 line in {name} when this page was made" in page.text(".overview .facts")
    page.go("decisions")
    assert page.text("#about").endswith(f"What {name} says, and what you decided.")
    page.go("suspects")
    page.press("x")
    assert page.text("#saved") == f"1 not yet in {name}"
    assert page.text("#export") == "<b>ours.csv…"
    page.click("#export")
    assert page.text("#export-title") == name
    assert page.text("#download") == "Download <b>ours.csv"
    page.click("#download")
    file = wait_for(lambda: next(downloads.glob("*ours.csv"), None))  # without < and > in a browser's files
    assert len(corrections.read(file)) == 1
    page.click("#export-dialog .close")
    page.click("#help")
    assert page.text("#help-dialog p").startswith(f"A decision is a line of {name}: ")
    page.click("#help-dialog .close")
    assert "corrections.csv" not in page.run("return document.documentElement.textContent")
    assert page.errors() == []


CONTRAST = """
    const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const luminance = (colour) => {
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const parts = [...context.getImageData(0, 0, 1, 1).data].map((byte) => byte / 255);
        const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = parts.map(linear);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        const colour = getComputedStyle(element).backgroundColor;
        return colour === "rgba(0, 0, 0, 0)" ? behind(element.parentElement) : colour;
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let text; (text = texts.nextNode()); ) {
        const element = text.parentElement;
        if (!text.data.trim() || !element.checkVisibility()) continue;
        if (element.closest("option, noscript, #toast, :disabled")) continue;
        const style = getComputedStyle(element);
        const colours = [element instanceof SVGElement ? style.fill : style.color, behind(element)];
        const [dark, light] = colours.map(luminance).sort((a, b) => a - b);
        found.push([(light + 0.05) / (dark + 0.05), text.data, ...colours]);
    }
    return found"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_a_contrast_of_at_least_4_5_to_1(page, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    page.go("suspects")
    page.press("x", "k", "ARROW_LEFT")
    found = []
    for section in ("suspects", "overview", "confusion", "test", "decisions"):
        page.go(section)
        found += page.run(CONTRAST)
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(found) > 500
    assert [text for text in found if text[0] < 4.5] == []


def test_the_cells_of_the_confusion_matrix_open_their_images(page, data):
    predicted = data.predictions.merged.argmax(axis=1)
    expected = {row + 1 for row in np.flatnonzero((data.labels == 4) & (predicted == 9))}
    page.go("confusion")
    page.click('a[href="#cell-4-9"]')
    wait_for(lambda: set(page.ids) == expected)


def test_of_300_classes_the_most_frequent_confusions_are_listed_and_open_their_images(page, digits, tmp_path):
    images, labels = digits[0][:1500], np.arange(1500) % 300
    data = example(images, labels, 1200, [f"class {label}" for label in range(300)])
    write_page(tmp_path / "index.html", data)
    page.open(tmp_path / "index.html", "confusion")
    predicted = data.predictions.merged.argmax(axis=1)
    wrong = predicted != data.labels
    assert f"{wrong.sum():,} of 1,200 differ." in page.text(".confusion p")
    lines = page.texts(".confusion tbody tr")
    assert len(lines) == 200
    pairs, counts = np.unique(np.stack([data.labels, predicted])[:, wrong], axis=1, return_counts=True)
    first = counts.argmax()
    given, other = pairs[:, first]
    assert lines[0] == f"class {given}class {other}{counts[first]}"
    page.click(".confusion tbody a")
    expected = {row + 1 for row in np.flatnonzero((data.labels == given) & (predicted == other))}
    wait_for(lambda: set(page.ids) == expected)
    assert page.errors() == []


def test_each_image_is_the_one_that_its_id_names(page, data):
    page.go("suspects")
    read = """const [tile, done] = arguments;
        const style = getComputedStyle(tile.querySelector('.picture'));
        const image = new Image();
        image.onload = () => {
            const canvas = Object.assign(document.createElement('canvas'), {width: 28, height: 28});
            const scale = parseFloat(style.width) / 28;
            const [x, y] = style.backgroundPosition.split(' ').map((v) => -parseFloat(v) / scale);
            const [across] = style.backgroundSize.split(' ').map((v) => parseFloat(v) / scale);
            done([image.src.split('/').pop(), x / 28, y / 28, across / 28, image.width / 28]);
        };
        image.src = style.backgroundImage.slice(5, -2);"""
    from PIL import Image

    for tile in page.driver.find_elements("css selector", ".tile")[:12]:
        file, x, y, across, width = page.driver.execute_async_script(read, tile)
        assert across == width  # the sheet is neither stretched nor cut
        address = page.run("return document.baseURI").removeprefix("file://").split("#")[0]
        sheet = np.asarray(Image.open(Path(address).parent / "page" / file))
        shown = sheet[round(y) * 28 :, round(x) * 28 :][:28, :28]
        assert np.array_equal(shown, data.images[int(tile.text.split()[0]) - 1])


def test_an_image_links_to_its_png_file_in_the_tree(page, data, index):
    page.go("suspects")
    id_ = page.selected
    link = page.driver.find_element("css selector", "#facts a").get_attribute("href")
    tree = index.parents[2] / "data" / "png" / "train"
    assert link == (tree / str(data.labels[id_ - 1]) / f"{id_:04d}.png").as_uri()


def test_under_each_image_stand_its_linked_id_the_labels_the_probability_and_the_split(page, data, index):
    page.go("suspects")
    tree = index.parents[2] / "data" / "png" / "train"
    tiles = page.driver.find_elements("css selector", ".tile")[:12]
    for tile, row in zip(tiles, data.audit.head(12).to_dict("records"), strict=True):
        parts = {
            name: tile.find_element("css selector", f".{name}")
            for name in ("given", "proposed", "p", "split")
        }
        assert all(part.is_displayed() for part in parts.values())
        shown = {name: part.text for name, part in parts.items()}
        probability = 100 * data.predictions.merged[row["id"] - 1, int(row["proposed"])]
        assert float(shown.pop("p").removesuffix(" %")) == pytest.approx(probability, abs=0.5)
        assert shown == {name: row[name] for name in ("given", "proposed", "split")}
        link = tile.find_element("css selector", "a")
        assert link.is_displayed()
        assert link.text == f"{row['id']:04d}"
        assert link.get_attribute("href") == (tree / row["given"] / f"{link.text}.png").as_uri()


def test_hostile_names_are_text_and_can_be_chosen_from_a_list(page, digits, tmp_path):
    images, labels = digits
    data = example(images[:300], labels[:300], 250, HOSTILE)
    write_page(tmp_path / "index.html", data)
    page.open(tmp_path / "index.html")
    for section in (*SECTIONS, "class-0", "class-1"):
        page.go(section)
        assert page.run("return document.querySelectorAll('body img, body script').length") == 0
    assert page.driver.title == "Look: digitflow"
    page.go("suspects")
    id_ = page.selected
    page.press("r")
    page.press(*"quoted", "ENTER")
    page.press("ARROW_LEFT")
    was = HOSTILE[data.labels[id_ - 1]]
    assert page.decision == ("Decided: ok" if was == HOSTILE[2] else f"Decided: → {HOSTILE[2]}")
    (tmp_path / "corrections.csv").write_text(page.exported(), newline="")
    (line,) = corrections.read(tmp_path / "corrections.csv")
    assert (line.id, line.now) == (id_, "ok" if was == HOSTILE[2] else HOSTILE[2])
    assert page.errors() == []


HEBREW = ("אפס", "אחת", "שתיים", "שלוש", "ארבע", "חמש", "שש", "שבע", "שמונה", "תשע")
# Where the first text of an element that fits a pattern is drawn: its left and its right end.
SPAN_OF = """const spanOf = (element, pattern) => {
        const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
        for (let text; (text = texts.nextNode()); ) {
            const found = pattern.exec(text.data);
            if (!found) continue;
            const range = document.createRange();
            range.setStart(text, found.index);
            range.setEnd(text, found.index + found[0].length);
            const {left, right} = range.getBoundingClientRect();
            return [left, right];
        }
    };"""


def test_a_probability_stands_whole_after_a_name_that_is_written_from_right_to_left(page, digits, tmp_path):
    images, labels = digits
    write_page(tmp_path / "index.html", example(images[:300], labels[:300], 250, HEBREW))
    page.open(tmp_path / "index.html", "suspects")
    spans = """
        return [...document.querySelectorAll("#facts dd")].filter((fact) => fact.textContent.includes("%"))
            .map((fact) => [/[א-ת]+/, /[0-9.]+/, /%/].map((pattern) => spanOf(fact, pattern)))"""
    found = page.run(SPAN_OF + spans)
    assert len(found) == 2  # given and proposed
    for name, number, sign in found:
        assert name[1] < number[0] < number[1] < sign[0] < number[1] + 10


def test_a_note_stands_after_a_name_that_is_written_from_right_to_left(page, digits, tmp_path):
    images, labels = digits
    line = Correction(1, HEBREW[labels[0]], HEBREW[(labels[0] + 1) % 10], note="12", line=2)
    write_page(tmp_path / "index.html", example(images[:300], labels[:300], 250, HEBREW, [line]))
    page.open(tmp_path / "index.html", "decisions")
    spans = """
        const decision = document.getElementById("decision");
        return [/→/, /[א-ת]+/, /12/].map((pattern) => spanOf(decision, pattern))"""
    arrow, name, note = page.run(SPAN_OF + spans)
    assert arrow[1] <= name[0] < name[1] < note[0]


def test_the_chooser_stays_open_where_no_class_is_found_and_says_so(page):
    page.go("suspects")
    page.press("r", *"no", "ENTER")
    assert (page.count, is_choosing(page)) == (0, True)
    assert page.text("#choose-hint") == "There is no such class. Esc leaves things as they are."
    page.press("BACK_SPACE", "BACK_SPACE")
    assert page.text("#choose-hint").startswith("Enter takes the marked class")
    page.press("7", "ENTER")
    assert (page.count, is_choosing(page)) == (1, False)


def test_the_chooser_can_be_left_by_mouse_and_leaves_things_as_they_are(page):
    page.go("suspects")
    first = page.selected
    page.press("r")
    page.click("#choose-dialog .close")
    assert (page.count, is_choosing(page), page.selected) == (0, False, first)


@pytest.mark.parametrize("sign", [{"isComposing": True}, {"keyCode": 229}], ids=["others", "Safari"])
def test_enter_that_ends_the_composition_of_a_character_takes_no_class(page, sign):
    page.go("suspects")
    page.press("r")
    page.run(
        """const enter = {key: "Enter", bubbles: true, cancelable: true, ...arguments[0]};
        document.getElementById("choose-text").dispatchEvent(new KeyboardEvent("keydown", enter))""",
        sign,
    )
    assert (page.count, is_choosing(page)) == (0, True)
    page.press("ENTER")
    assert (page.count, is_choosing(page)) == (1, False)


def test_all_sections_are_drawn_without_an_error_and_without_a_request_outside_the_folder(page, index):
    page.requests()
    page.open(index)
    for section in SECTIONS:
        page.go(section)
        page.press("END")
    assert page.errors() == []
    folder = index.parent.as_uri() + "/"
    others = [url for url in page.requests() if not url.startswith((folder, "data:", "about:", "chrome"))]
    assert others == []


def test_sections_without_data_are_left_out_and_the_page_says_why(page, data, tmp_path):
    bare = dataclasses.replace(
        data,
        test_images=None,
        test_merged=None,
        predictions=None,
        audit=None,
        duplicates=NO_DUPLICATES,
        outliers=NO_OUTLIERS,
        png=None,
        missing={
            "test_images": "no test set",
            "predictions": "nothing was trained yet",
            "audit": "no audit of the labels",
        },
    )
    write_page(tmp_path / "index.html", bare)
    page.open(tmp_path / "index.html")
    text = page.text(".missing")
    assert "no test set" in text
    assert "Worst mistakes: nothing was trained yet" in text
    assert "Suspects: no audit of the labels" in text
    links = page.run("return [...document.querySelectorAll('nav a')].map((a) => a.hash)")
    assert links == [
        "#overview",
        "#duplicates",
        "#outliers",
        "#random",
        "#decisions",
        *(f"#class-{label}" for label in range(10)),
    ]
    page.go("random")
    page.press("x")
    assert page.count == 1
    assert page.errors() == []


def test_a_page_that_was_copied_without_its_data_says_so(page, index, tmp_path):
    folder = shutil.copytree(index.parent, tmp_path / "copy")
    (folder / "page" / "data.js").unlink()
    navigate(page.driver, (folder / "index.html").as_uri())
    wait_for(lambda: page.text("#title") == "The data are missing")
    assert "Copy the whole folder" in page.text("#about")


def test_test_images_cannot_be_relabelled(page):
    page.go("test")
    page.press("3", "x", "k")
    assert page.count == 0
    assert page.decision == "Test images have no label to correct."


def test_colour_images_of_another_size_are_shown(page, digits, tmp_path):
    images, labels = digits
    colour = np.stack([images[:60, :20, :]] * 3, axis=-1)
    data = example(colour, labels[:60], 50)
    write_page(tmp_path / "index.html", data)
    page.open(tmp_path / "index.html", "random")
    for element, size in ((".picture", (84, 60)), ("#big", (224, 160))):
        found = page.driver.find_element("css selector", element).size
        assert (found["width"], found["height"]) == size
    assert page.errors() == []


def test_large_pictures_keep_thin_lines_and_small_ones_their_pixels(page, digits, data, index, tmp_path):
    lines = np.arange(5, 200, 10)
    images = np.zeros((20, 200, 200), np.uint8)
    images[:, :, lines] = 255
    write_page(tmp_path / "index.html", example(images, digits[1][:20], 15, models={"small": 10}))
    page.open(tmp_path / "index.html", "random")
    shown = shot(page, ".picture").mean(axis=0)
    assert len(shown) == 84
    places = (lines + 0.5) * 84 / 200
    assert [x for x in places if shown[int(x) - 1 : int(x) + 2].max() < 30] == []
    page.open(index, "suspects")
    assert {*shot(page, ".picture")[4:-4, 4:-4].flat} <= {*data.images[page.selected - 1].flat}


def shot(page: Page, css: str) -> np.ndarray:
    """What an element with a picture looks like once that is loaded: its red, uint8 (height, width)."""
    from PIL import Image

    def look() -> np.ndarray | None:
        png = page.driver.find_element("css selector", css).screenshot_as_png
        pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[:, :, 0]
        return pixels if pixels[4:-4, 4:-4].any() else None

    return wait_for(lambda: None if (pixels := look()) is None else [pixels])[0]


def test_70_000_images_scroll_with_few_of_them_in_the_page(page, digits, tmp_path):
    images, labels = digits
    write_page(tmp_path / "index.html", example(images, labels, 42_000))
    page.open(tmp_path / "index.html", "suspects")
    scroll_through(page)  # how long it takes, benchmarks/look.py measures
    assert len(page.ids) < 400
    page.press("END")
    assert page.text("#facts dd:last-of-type") == "42,000 of 42,000"
