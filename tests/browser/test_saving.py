"""The page served by `digitflow look`: every decision is in corrections.csv before the page says so."""

import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from digitflow.formats import corrections
from digitflow.formats.corrections import Correction
from digitflow.look.page import write_page
from digitflow.look.server import LookServer
from tests.browser.driver import Page, navigate, wait_for

SERVE = """
import sys
from digitflow.look.server import LookServer
server = LookServer(*sys.argv[1:])
print(server.url, flush=True)
server.serve_forever()
"""
STRAY = "is about other data: make this page again; that run names a line that is wrong"
pytestmark = pytest.mark.allow_hosts(["127.0.0.1", "::1"])


@contextmanager
def serving(index: Path, file: Path, png: Path | None = None, port: int = 0) -> Iterator[LookServer]:
    with LookServer(index, file, png, port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server(index, tmp_path) -> Iterator[LookServer]:
    with serving(index, tmp_path / "corrections.csv", index.parents[2] / "data" / "png") as server:
        yield server


@pytest.fixture
def hostile(data, tmp_path) -> Path:
    """A project in a folder with a hostile name: the page, and the picture of its first suspect."""
    from PIL import Image

    project = tmp_path / "<img src=x onerror=\"document.title='owned'\"> #1 100% & 50%20 'a' ?b"
    write_page(project / "results" / "look" / "index.html", data)
    id_ = int(data.audit["id"][0])
    picture = project / "data" / "png" / "train" / str(data.labels[id_ - 1]) / f"{id_:04d}.png"
    picture.parent.mkdir(parents=True)
    Image.fromarray(data.images[id_ - 1]).save(picture)
    return project


@pytest.fixture
def served(page, server) -> Page:
    page.open(server.url, "suspects")
    return page


def open_whole(page: Page, address: str) -> None:
    """Open the page, and wait for the last of its sheets: without one, it takes no decision."""
    page.open(address, "suspects")
    count = "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('.png')).length"
    wait_for(lambda: page.run(f"return {count} >= asked.size"))


def saved(page: Page) -> str:
    """Wait until the page says that all is saved, and return how it says so."""
    return wait_for(lambda: (text := page.text("#saved")).startswith("saved in") and text)


def test_a_decision_is_in_the_file_with_label_and_checksum_once_the_page_says_saved(served, data, tmp_path):
    file = tmp_path / "corrections.csv"
    assert served.text("#saved") == f"saves into {file}"
    first, second = data.audit["id"][:2]
    served.press("x", "k")
    wait_for(lambda: served.text("#saved") == f"saved in {file}")
    wanted = [
        Correction(int(id_), str(data.labels[id_ - 1]), now, corrections.pixel_crc(data.images[id_ - 1]))
        for id_, now in ((first, "drop"), (second, "ok"))
    ]
    wait_for(lambda: [_unplaced(line) for line in corrections.read(file)] == wanted)


def test_the_path_of_the_file_can_be_read_to_its_end_in_a_narrow_window(served, tmp_path):
    before = served.driver.get_window_size()
    served.driver.set_window_size(1200, 800)
    end = served.run(
        """const counter = document.getElementById("counter").getBoundingClientRect();
        const saved = document.getElementById("saved").getClientRects();
        return [...saved].every((line) =>
            line.right <= counter.right + 1 && line.bottom <= counter.bottom + 1)"""
    )
    served.driver.set_window_size(before["width"], before["height"])
    assert end, "a line of it is cut off"


def _unplaced(line: Correction) -> Correction:
    return Correction(line.id, line.was, line.now, line.crc, line.note)


def test_undo_takes_the_line_out_of_the_file_again(served, tmp_path):
    file = tmp_path / "corrections.csv"
    served.press("x")
    saved(served)
    served.press("u")
    wait_for(lambda: served.count == 0 and corrections.read(file) == [])
    served.press("k")
    wait_for(lambda: [line.now for line in corrections.read(file)] == ["ok"])


def test_undo_keeps_a_note_that_was_typed_into_the_line_since(served, data, tmp_path):
    file = tmp_path / "corrections.csv"
    served.press("x")
    wait_for(lambda: file.exists() and len(corrections.read(file)) == 1)
    file.write_text(file.read_text().rstrip("\n") + "a smudge\n")
    served.press("ARROW_LEFT")
    wait_for(lambda: served.decision == "Decided: drop (a smudge)")
    served.press("u")
    wait_for(lambda: corrections.read(file) == [])
    assert f"# {data.audit['id'][0]}: a smudge\n" in file.read_text()


def test_what_a_server_did_not_take_is_sent_to_the_next_one_at_the_same_port(page, index, tmp_path):
    file, environment = tmp_path / "corrections.csv", {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVE, str(index), str(file)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        open_whole(page, process.stdout.readline().strip())
        process.kill()
    page.press("x", "k")
    wait_for(lambda: page.text("#saved").startswith("2 NOT SAVED: the server does not answer"))
    port = int(page.run("return location.port"))
    with serving(index, file, port=port) as server:
        wait_for(lambda: page.text("#saved").startswith("2 NOT SAVED: this address is outdated"))
        page.open(server.url, "suspects")
        wait_for(lambda: file.exists() and [line.now for line in corrections.read(file)] == ["drop", "ok"])


def test_a_page_that_is_older_than_the_file_says_so_and_shows_no_line_at_another_row(served, data, tmp_path):
    file = tmp_path / "corrections.csv"
    first, second = (int(id_) for id_ in data.audit["id"][:2])
    served.press("x")
    wait_for(lambda: file.exists() and len(corrections.read(file)) == 1)
    # Rows were put in above, and the lines follow them.
    corrections.renumber(file, {first: second})
    said = f"saved in {file}; 1 line there {STRAY}"
    wait_for(lambda: served.text("#saved") == said)
    assert (served.count, served.text("#lost-count")) == (0, "")


@pytest.mark.parametrize("same", [True, False], ids=["of the same rows", "of other rows"])
def test_a_page_that_is_made_again_while_it_is_open_says_so_and_shows_no_line_of_other_rows(
    page, data, tmp_path, same
):
    index, file = tmp_path / "results" / "look" / "index.html", tmp_path / "corrections.csv"
    write_page(index, data)
    with serving(index, file) as server:
        open_whole(page, server.url)
        change = {"png": None} if same else {"labels": np.roll(data.labels, 1)}
        later = dataclasses.replace(data, **change)
        write_page(index, later)
        reload = "; this page was made again: reload it"
        wait_for(lambda: page.text("#saved") == f"saves into {file}{reload}")
        first = page.selected
        file.write_text(f"id,was,now,crc,note\n{first},{later.labels[first - 1]},drop,,\n")
        if same:
            wait_for(lambda: page.decision == "Decided: drop")
            page.press("ARROW_RIGHT", "k")
            wait_for(lambda: page.text("#saved") == f"saved in {file}{reload}")
            assert (page.count, page.texts(".mark")[:2]) == (2, ["drop", "ok"])
        else:
            polls = """return performance.getEntriesByType("resource")
                .filter((one) => one.name.includes("?version=")).length"""
            before = page.run(polls)
            wait_for(lambda: page.run(polls) > before + 1)
            assert (page.count, page.decision) == (0, "Not looked at yet.")


def test_a_line_about_no_row_hides_neither_that_a_decision_is_saved_nor_where(served, tmp_path):
    file = tmp_path / "corrections.csv"
    file.write_text("id,was,now,crc,note\n99999,1,2,,\n")
    served.press("x")
    wait_for(lambda: saved(served) == f"saved in {file}; 1 line there {STRAY}")
    assert [line.now for line in corrections.read(file)] == ["2", "drop"]


def test_a_note_and_a_comment_that_somebody_wrote_stay(served, data, tmp_path):
    file = tmp_path / "corrections.csv"
    id_ = int(data.audit["id"][0])
    file.write_text(f"# mine\nid,was,now,crc,note\n{id_},{data.labels[id_ - 1]},drop,,a smudge\n")
    wait_for(lambda: served.decision == "Decided: drop (a smudge)")
    served.press(str(data.labels[id_ - 1]))
    wait_for(lambda: [(line.now, line.note) for line in corrections.read(file)] == [("ok", "a smudge")])
    assert file.read_text().startswith("# mine\n")


def test_an_editor_that_writes_what_it_had_read_before_is_noticed_and_the_decisions_written_again(
    served, tmp_path
):
    file = tmp_path / "corrections.csv"
    file.write_text(old := "id,was,now,crc,note\n# mine\n")
    served.press("x", "k")
    saved(served)
    wait_for(lambda: len(corrections.read(file)) == 2)
    wanted = corrections.read(file)
    assert not served.driver.find_element("id", "lost").is_displayed()
    file.write_text(old + "# and more\n")
    gone = f"2 decisions are no longer in {file}:"
    wait_for(lambda: served.text("#lost-count") == gone)
    served.reload()
    wait_for(lambda: served.text("#lost-count") == gone)
    served.click("#lost-again")
    wait_for(lambda: [_unplaced(line) for line in corrections.read(file)] == list(map(_unplaced, wanted)))
    assert file.read_text().startswith(old + "# and more\n")
    wait_for(lambda: not served.driver.find_element("id", "lost").is_displayed())
    file.write_text(old)
    wait_for(lambda: served.driver.find_element("id", "lost").is_displayed())
    served.click("#lost-leave")
    wait_for(lambda: not served.driver.find_element("id", "lost").is_displayed())
    assert file.read_text() == old


def test_decisions_of_one_tab_appear_in_the_other(served, server):
    first = served.driver.current_window_handle
    served.driver.switch_to.new_window("tab")
    served.open(server.url, "suspects")
    served.press("x")
    saved(served)
    served.driver.switch_to.window(first)
    wait_for(lambda: served.texts(".mark")[0] == "drop")
    assert served.count == 1


def test_undo_leaves_what_another_tab_has_decided_since(served, server, data, tmp_path):
    first = served.driver.current_window_handle
    served.press("x")
    saved(served)
    served.driver.switch_to.new_window("tab")
    served.open(server.url, "suspects")
    served.press(str(data.labels[served.selected - 1]))
    saved(served)
    served.driver.switch_to.window(first)
    wait_for(lambda: served.texts(".mark")[0] == "ok")
    served.press("u")
    assert "decided again elsewhere" in served.texts("#toast")[0]
    assert [line.now for line in corrections.read(tmp_path / "corrections.csv")] == ["ok"]


def test_after_a_reload_the_page_shows_the_file_and_undo_still_works(served, tmp_path):
    served.press("x")
    saved(served)
    served.reload()
    assert (served.count, served.texts(".mark")[0]) == (1, "drop")
    served.press("u")
    wait_for(lambda: corrections.read(tmp_path / "corrections.csv") == [])


def test_what_the_server_cannot_write_is_not_called_saved_and_is_sent_again(served, tmp_path):
    file = tmp_path / "corrections.csv"
    file.write_text("id,was,now,crc,note\nseven,1,2,,\n")
    served.press("x")
    problem = wait_for(lambda: (text := served.text("#saved")).startswith("1 NOT SAVED") and text)
    assert "corrections.csv, line 2: column id: 'seven'" in problem
    assert file.read_text() == "id,was,now,crc,note\nseven,1,2,,\n"
    file.unlink()
    saved(served)
    assert [line.now for line in corrections.read(file)] == ["drop"]


def test_a_decision_that_is_refused_can_be_undone_and_others_are_saved_then(served, data, tmp_path):
    file = tmp_path / "corrections.csv"
    first, second = (int(id_) for id_ in data.audit["id"][:2])
    served.press("x")
    saved(served)
    stray = f"{second},{data.labels[second - 1]},drop,{corrections.pixel_crc(data.images[first - 1])},\n"
    file.write_text("id,was,now,crc,note\n" + stray)
    wait_for(lambda: served.text("#saved") == f"saved in {file}; 1 line there {STRAY}")
    served.press("k")
    refused = f"line 2 of {file} is about another image"
    wait_for(lambda: served.text("#saved").startswith(f"1 NOT SAVED: {refused}"))
    served.press("ARROW_LEFT", "ARROW_LEFT", "k")
    wait_for(lambda: served.text("#saved").startswith(f"2 NOT SAVED: {refused}"))
    served.press("u")
    wait_for(lambda: served.text("#saved").startswith(f"1 NOT SAVED: {refused}"))
    served.press("u")
    saved(served)
    assert [line.now for line in corrections.read(file)] == ["drop"]
    served.press("HOME", "k")
    wait_for(lambda: [(line.id, line.now) for line in corrections.read(file)][1:] == [(first, "ok")])


def test_without_an_answer_the_page_says_what_is_not_saved_and_offers_it_as_lines(page, index, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVE, str(index), str(tmp_path / "corrections.csv")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        open_whole(page, process.stdout.readline().strip())
        process.kill()
    id_ = page.selected
    page.press("x")
    wait_for(lambda: page.text("#saved").startswith("1 NOT SAVED: the server does not answer"))
    page.click("#export")
    (line,) = page.run("return document.getElementById('export-text').value").splitlines()
    assert line.startswith(f"{id_},")
    assert "Decisions that are not in" in page.text("#export-about")
    assert page.run("return document.getElementById('download').hidden") is False
    page.click("#export-dialog .close")


def test_what_the_page_calls_saved_is_in_the_file_when_the_server_is_killed_at_that_moment(
    page, data, index, tmp_path
):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    file, ids = tmp_path / "corrections.csv", data.audit["id"][:6].tolist()
    for count in range(1, len(ids) + 1):
        command = [sys.executable, "-c", SERVE, str(index), str(file)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            page.open(process.stdout.readline().strip(), "suspects")
            page.press(*["ARROW_RIGHT"] * (count - 1), "x")
            wait_for(lambda wanted=count: page.count == wanted and page.text("#saved") == f"saved in {file}")
            process.kill()
        assert [line.id for line in corrections.read(file)] == ids[:count]


def test_the_served_page_asks_only_its_own_server_and_logs_no_error(page, server):
    page.requests(), page.errors()
    page.open(server.url)
    for section in ("suspects", "confusion", "test", "decisions", "overview"):
        page.go(section)
    own = server.url.split("/results/")[0] + "/"
    others = [url for url in page.requests() if not url.startswith((own, "data:", "about:", "chrome"))]
    assert others == []
    assert page.errors() == []


def test_an_image_opens_its_png_file_from_the_server(page, server, data, index):
    from PIL import Image

    page.open(server.url, "suspects")
    id_ = page.selected
    file = index.parents[2] / "data" / "png" / "train" / str(data.labels[id_ - 1]) / f"{id_:04d}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(data.images[id_ - 1]).save(file)
    assert opened_picture(page) == [28, 28]


def opened_picture(page: Page) -> list[int]:
    """Follow the link of the selected image, and return the size of the picture that opens."""
    navigate(page.driver, page.driver.find_element("css selector", "#facts a").get_attribute("href"))
    return page.run(
        "const {naturalWidth, naturalHeight} = document.images[0]; return [naturalWidth, naturalHeight]"
    )


@pytest.mark.parametrize("tree", ["data/png", ".."])
def test_the_name_of_a_folder_is_text_and_its_pictures_open_from_the_server(page, hostile, tree):
    file = hostile / "corrections.csv"
    # With pictures outside of the project's folder, its name is a part of the page's address.
    with serving(hostile / "results" / "look" / "index.html", file, hostile / tree) as server:
        page.open(server.url, "suspects")
        page.press("x", "ARROW_LEFT")
        assert saved(page) == f"saved in {file}"
        assert page.driver.title == "Look: digitflow"
        assert page.run("return document.querySelectorAll('body img').length") == 0
        assert page.errors() == []
        assert opened_picture(page) == [28, 28]
    assert [line.now for line in corrections.read(file)] == ["drop"]


def test_the_name_of_a_folder_is_text_and_its_pictures_open_from_the_file_system(page, hostile):
    page.open(hostile / "results" / "look" / "index.html", "suspects")
    assert page.driver.title == "Look: digitflow"
    assert page.errors() == []
    assert opened_picture(page) == [28, 28]
