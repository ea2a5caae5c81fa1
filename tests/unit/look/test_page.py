"""What the page's files hold, without a browser."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.browser.example import example
from tests.conftest import PROJECT

from digitflow.base.errors import FormatError, InputError
from digitflow.config.environments import clone_digest
from digitflow.formats import corrections
from digitflow.formats.corrections import Correction
from digitflow.look import page
from digitflow.look.audit import AUDIT_COLUMNS
from digitflow.look.lookdata import LookData, read_look_table
from digitflow.look.page import read_content, write_page
from digitflow.look.report import suspects_figure, write_summary

TRAIN, ALL = 300, 400


@pytest.fixture(scope="module")
def data(digits) -> LookData:
    images, labels = digits
    return example(images[:ALL], labels[:ALL], TRAIN)


@pytest.fixture(scope="module")
def index(data, tmp_path_factory) -> Path:
    index = tmp_path_factory.mktemp("look") / "index.html"
    write_page(index, data)
    return index


def contents(index: Path) -> dict[str, bytes]:
    files = [path for path in index.parent.rglob("*") if path.is_file()]
    return {str(path.relative_to(index.parent)): path.read_bytes() for path in files}


def test_equal_data_give_an_equal_page_byte_for_byte(digits, index, tmp_path):
    images, labels = digits
    write_page(tmp_path / "index.html", example(images[:ALL], labels[:ALL], TRAIN))
    assert contents(tmp_path / "index.html") == contents(index)


def test_another_seed_draws_another_sample_and_changes_nothing_else(data, index, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "SEED", 1)
    write_page(tmp_path / "index.html", data)
    ours, theirs = contents(tmp_path / "index.html"), contents(index)
    assert {name for name in ours if ours[name] != theirs[name]} == {"page/data.js"}


def test_a_page_that_is_made_again_leaves_nothing_of_the_old_one(data, tmp_path):
    write_page(tmp_path / "index.html", data)
    without_test = dict.fromkeys(["test_images", "test_merged"])
    small = dataclasses.replace(data, **without_test, duplicates=data.duplicates.head(0))
    write_page(tmp_path / "index.html", small)
    assert [name for name in contents(tmp_path / "index.html") if "test-" in name] == []


@pytest.mark.parametrize("name", ["notes.txt", "train-00-00.jpg", "my pictures", "own.js"])
def test_a_folder_beside_the_page_that_holds_something_else_is_not_replaced(data, tmp_path, name):
    write_page(tmp_path / "index.html", data)
    (tmp_path / "page" / name).mkdir() if name == "my pictures" else (tmp_path / "page" / name).write_text(
        "mine"
    )
    before = contents(tmp_path / "index.html")
    with pytest.raises(InputError, match=rf"page: .*not its own: {name}\. Nothing was changed; move it away"):
        write_page(tmp_path / "index.html", dataclasses.replace(data, png=None))
    assert contents(tmp_path / "index.html") == before


def test_a_folder_of_the_same_names_without_a_pages_data_is_not_replaced(data, tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "data.js").write_text("const mine = 1;\n")
    (tmp_path / "page" / "train-00-00.png").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"not its own: data\.js, train-00-00\.png"):
        write_page(tmp_path / "index.html", data)
    assert not (tmp_path / "index.html").exists()
    assert (tmp_path / "page" / "train-00-00.png").read_bytes() == b"mine"


def test_an_empty_folder_and_what_systems_leave_are_no_hindrance(data, index, tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / ".DS_Store").write_bytes(b"icons")
    write_page(tmp_path / "index.html", data)
    (tmp_path / "page" / "Thumbs.db").write_bytes(b"icons")
    write_page(tmp_path / "index.html", data)
    assert contents(tmp_path / "index.html") == contents(index)


def test_every_image_lies_where_the_data_say(data, index):
    content = read_content(index)
    every = np.concatenate([data.images, data.test_images])
    found, at = set(), 0
    for file, across, down, count in content["sheets"]:
        sheet = np.asarray(Image.open(index.parent / page.FOLDER / file))
        assert sheet.shape == (down * 28, across * 28)
        for slot in range(count):
            place = content["order"][at + slot]
            y, x = divmod(slot, across)
            assert np.array_equal(sheet[y * 28 :, x * 28 :][:28, :28], every[place])
            found.add(place)
        at += count
    assert found == set(range(ALL))


def test_a_class_is_sorted_by_suspicion(data, index):
    content = read_content(index)
    ranks = {int(id_) - 1: rank for rank, id_ in enumerate(data.audit["id"])}
    fours = [place for place in content["order"] if place < TRAIN and data.labels[place] == 4]
    assert fours == sorted(fours, key=ranks.get)


def test_probabilities_of_the_given_and_the_proposed_label_are_told(data, index):
    train, merged = read_content(index)["train"], data.predictions.merged
    rows = np.arange(TRAIN)
    assert np.allclose(np.array(train["pGiven"]) / 10_000, merged[rows, data.labels], atol=6e-5)
    assert np.allclose(np.array(train["pProposed"]) / 10_000, merged.max(axis=1), atol=6e-5)


def test_the_proposed_labels_probability_is_of_the_same_models_as_the_given_ones(data, index, tmp_path):
    votes = np.eye(len(data.names))[data.predictions.merged.argmax(axis=1)]
    voted = dataclasses.replace(data, predictions=dataclasses.replace(data.predictions, merged=votes))
    write_page(tmp_path / "index.html", voted)
    ours, of_mean = read_content(tmp_path / "index.html")["train"], read_content(index)["train"]
    assert (ours["pGiven"], ours["pProposed"]) == (of_mean["pGiven"], of_mean["pProposed"])


def test_the_checksums_are_those_of_corrections(data, index):
    train = read_content(index)["train"]
    assert train["crc"][8 * 6 : 8 * 7] == corrections.pixel_crc(data.images[6])


def test_the_digest_is_of_rows_labels_and_classes_and_not_of_predictions(data):
    without = dataclasses.replace(data, predictions=None, audit=None, splits=np.roll(data.splits, 1))
    assert without.digest == data.digest
    changes = {"labels": np.roll(data.labels, 1), "images": data.images[::-1], "names": "abcdefghij"}
    for name, value in changes.items():
        assert dataclasses.replace(data, **{name: value}).digest != data.digest


def test_corrected_labels_are_those_that_count(data, tmp_path):
    first, second = Correction(1, str(data.labels[0]), "9"), Correction(2, str(data.labels[1]), "drop")
    third = Correction(3, str(data.labels[2]), "ok")
    corrected = dataclasses.replace(data, corrections=[first, second, third])
    assert corrected.corrected[:3].tolist() == [9, -1, data.labels[2]]
    write_page(tmp_path / "index.html", corrected)
    content = read_content(tmp_path / "index.html")
    assert sum(content["overview"]["counts"]) == TRAIN - 1
    assert content["train"]["was"] == data.labels.tolist()
    assert content["train"]["given"][:3] == [9, -1, data.labels[2]]
    mistakes = next(section for section in content["sections"] if section["key"] == "mistakes")
    assert 1 not in mistakes["items"]


def test_names_cannot_leave_the_script(data, tmp_path):
    names = ["</script><script>alert(1)", "\u2028", '"', *"3456789"]
    hostile = dataclasses.replace(data, names=names, audit=None)
    write_page(tmp_path / "index.html", hostile)
    script = (tmp_path / "page" / "data.js").read_bytes()
    assert script.isascii()
    assert re.fullmatch(rb"window\.LOOK = \{[^\n]*\};\n", script)
    assert read_content(tmp_path / "index.html")["names"] == names
    assert b"alert" not in (tmp_path / "index.html").read_bytes()


def test_the_page_has_no_address_of_the_network_in_it():
    text = "".join(asset.read_text() for asset in page.ASSETS.iterdir())
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {
        "http://www.w3.org/2000/svg"
    }  # a name, not asked for


def test_the_page_calls_the_file_of_corrections_as_the_configuration_does(data, tmp_path):
    for asset in page.ASSETS.iterdir():
        assert "corrections.csv" not in asset.read_text(), asset.name
    write_page(tmp_path / "index.html", dataclasses.replace(data, corrections_file="by hand/ours.csv"))
    assert read_content(tmp_path / "index.html")["correctionsFile"] == "by hand/ours.csv"


def test_without_folds_the_page_says_whose_labels_were_not_judged(data, tmp_path):
    write_page(tmp_path / "index.html", dataclasses.replace(data, audit=data.audit.head(100)))
    suspects = read_content(tmp_path / "index.html")["sections"][0]
    assert "The other 200 training rows" in suspects["about"]
    assert len(suspects["items"]) == 100
    judged = set(data.audit["id"][:100])
    margin = read_content(tmp_path / "index.html")["train"]["margin"]
    assert {place + 1 for place, value in enumerate(margin) if value is not None} == judged


def test_tables_are_read_with_names_as_they_stand_there(tmp_path):
    file = tmp_path / "labels.csv"
    header = ",".join(AUDIT_COLUMNS)
    file.write_text(f"{header}\n7,007,NA,0.25,-0.5,True,fold 1\n8,null,1e3,0.5,0.5,False,valid\n")
    table = read_look_table(file, AUDIT_COLUMNS)
    assert table["given"].tolist() == ["007", "null"]
    assert table["proposed"].tolist() == ["NA", "1e3"]
    assert table["flagged"].tolist() == [True, False]
    assert table["self_confidence"].tolist() == [0.25, 0.5]


def test_a_table_without_its_columns_is_named(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("id,given\n1,2\n")
    with pytest.raises(
        FormatError, match=r"labels\.csv: damaged: no column proposed; delete it and run again"
    ):
        read_look_table(file, AUDIT_COLUMNS)
    with pytest.raises(FormatError, match="damaged"):
        file.write_text("")
        read_look_table(file, AUDIT_COLUMNS)
    with pytest.raises(InputError, match="there is no such file"):
        read_look_table(tmp_path / "none.csv", AUDIT_COLUMNS)


def test_the_suspects_sheet_of_the_report_is_the_same_each_time(data, tmp_path):
    for name in ("one.png", "two.png"):
        suspects_figure(tmp_path / name, data)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert Image.open(tmp_path / "one.png").size[0] > 1000


def test_the_suspects_sheet_takes_any_names_colours_and_no_audit(data, tmp_path):
    names = ["$x^$", "a class with a long name", "<b>", *"3456789"]
    audit = data.audit.assign(given=[names[int(label)] for label in data.audit["given"]])
    colour = np.stack([data.images] * 3, axis=-1)
    suspects_figure(tmp_path / "hostile.png", dataclasses.replace(data, audit=audit, images=colour))
    suspects_figure(tmp_path / "none.png", dataclasses.replace(data, audit=None, missing={"audit": "none"}))
    assert (tmp_path / "hostile.png").exists()
    assert (tmp_path / "none.png").exists()


def test_the_summary_counts_the_classes_after_the_corrections_in_one_file(data, tmp_path):
    names = ("<b>0</b>", *data.names[1:])
    row = int(np.flatnonzero(data.labels == 0)[0])
    dropped = Correction(int(data.ids[row]), names[0], "drop")
    write_summary(tmp_path / "summary.html", dataclasses.replace(data, names=names, corrections=[dropped]))
    text = (tmp_path / "summary.html").read_text()
    zeros, flagged = int((data.labels == 0).sum()), int(data.audit["flagged"].sum())
    assert (
        f"{TRAIN} training images · {ALL - TRAIN} test images · 10 classes · {flagged} labels flagged" in text
    )
    line = next(line for line in text.splitlines() if "&lt;b&gt;0&lt;/b&gt;" in line)
    cells = re.findall(r"<td>([^<]*)</td>", line)
    assert (cells[0], cells[-1]) == (str(zeros - 1), str(zeros))
    assert not re.findall(r"(?:src|href)=\"(?!data:)", text)


def test_the_summary_says_why_something_is_missing(data, tmp_path):
    missing = {"test_images": "there is no test set", "test_merged": "there is no test set"}
    bare = dataclasses.replace(data, test_images=None, test_merged=None, missing=missing)
    write_summary(tmp_path / "summary.html", bare)
    text = (tmp_path / "summary.html").read_text()
    assert text.count("there is no test set") == 1
    assert "test images" not in text


def test_the_screenshots_show_the_page_as_it_is():
    """Where this fails, the page was changed since: look at it, and run `make screenshots`."""
    assert (PROJECT / "docs" / "looking" / "page.digest").read_text() == f"{clone_digest(page.ASSETS)}\n"
