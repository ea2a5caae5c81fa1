"""What `describe` says of a file, and the sheet of its images."""

import zipfile

import numpy as np
import pytest
import yaml
from PIL import Image

from digitflow.dataset import columns
from digitflow.dataset.describe import CELL, GAP, describe
from digitflow.dataset.mnist import write_csv
from digitflow.formats import idx


@pytest.fixture
def train_csv(digits, tmp_path):
    images, labels = digits
    twice = [*range(119), 0]
    write_csv(tmp_path / "train.csv", images[twice].reshape(-1, 784), labels[twice])
    return tmp_path / "train.csv"


def test_a_csv_is_told_in_numbers_and_with_the_configuration_that_reads_it(train_csv, digits):
    text = describe(train_csv, {})
    assert "a pixel CSV with labels: 120 rows, 28 x 28 images" in text
    assert "duplicates: 1 images are the same as an earlier one" in text
    sevens = int((digits[1][:119] == 7).sum())
    assert f"7 ({sevens:,})" in text
    data = yaml.safe_load(text.partition("the configuration:")[2].replace("\n  ", "\n"))["data"]
    assert data["train_csv"] == str(train_csv)
    assert columns.decide(train_csv, data, train=True) == columns.decide(train_csv, {}, train=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1,2,3,200,7\n", {"columns": {"label": -1}}),
        ("0;a;1;2;3;200\n", {"columns": {"label": 1, "ignore": [0]}, "image": {"transpose": True}}),
        ("0 .5 .5 1 0 1\n1 .5 .5 1 1 0\n", {"values": {"from": 0, "to": 1}}),
        ("id,class_a,class_b,p0,p1,p2\nx,1,0,1,2,3\ny,0,1,1,2,3\n", {"image": {"height": 1, "width": 3}}),
    ],
)
def test_the_configuration_to_paste_leaves_the_layout_as_it_is(tmp_path, text, told):
    path = tmp_path / "train.csv"
    path.write_text(text)
    said = describe(path, told)
    data = yaml.safe_load(said.partition("the configuration:")[2].replace("\n  ", "\n"))["data"]
    assert columns.decide(path, data, train=True) == columns.decide(path, told, train=True)


def test_the_sheet_shows_the_first_hundred_images_upright(train_csv, digits, tmp_path):
    describe(train_csv, {}, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (10 * (CELL + GAP) + GAP,) * 2
    for k in (0, 11, 99):
        y, x = (GAP + place * (CELL + GAP) for place in divmod(k, 10))
        assert np.array_equal(sheet[y : y + CELL : 2, x : x + CELL : 2], digits[0][k])


def test_what_cannot_be_read_is_told_and_leaves_no_sheet(tmp_path):
    (tmp_path / "train.csv").write_bytes(b"\0\0\x0d\x02" + bytes(50))
    assert "values of type 0x0d (float)" in describe(tmp_path / "train.csv", {}, tmp_path / "sheet.png")
    (tmp_path / "train.csv").write_text("label,p0,p1,p2,p3\n7,0,16,3,4\n")
    assert "values: {from: 0, to: 16}" in describe(tmp_path / "train.csv", {}, tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_each_table_of_a_competitions_archive_is_described(tmp_path):
    with zipfile.ZipFile(tmp_path / "digit-recognizer.zip", "w") as archive:
        archive.writestr("train.csv", "label,p0,p1,p2,p3\n7,0,200,3,4\n")
        archive.writestr("test.csv", "p0,p1,p2,p3\n0,200,3,4\n")
        archive.writestr("sample_submission.csv", "ImageId,Label\n1,0\n")
    text = describe(tmp_path / "digit-recognizer.zip", {})
    assert "digit-recognizer.zip/train.csv\n  a pixel CSV with labels: 1 rows, 2 x 2 images" in text
    assert "digit-recognizer.zip/test.csv\n  a pixel CSV without labels: a test file" in text
    assert "a submission or solution: ImageId,Label, 1 rows" in text


def test_a_folder_and_an_idx_file_are_described(tmp_path, digits):
    idx.write(tmp_path / "images", digits[0][:5])
    assert "an IDX file: 5 rows, 28 x 28 images" in describe(tmp_path / "images", {})
    (tmp_path / "tree" / "7").mkdir(parents=True)
    Image.fromarray(digits[0][0]).save(tmp_path / "tree" / "7" / "1.png")
    assert "a folder of PNG files: 1 rows, 28 x 28 images" in describe(tmp_path / "tree", {})
