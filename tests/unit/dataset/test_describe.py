"""What `describe` says of a file, and the sheet of its images."""

import gzip
import zipfile

import numpy as np
import pytest
import yaml
from PIL import Image

from digitflow.base.errors import InputError
from digitflow.dataset import classes, columns, sources
from digitflow.dataset.describe import CELL, GAP, describe_files
from digitflow.dataset.mnist import write_csv
from digitflow.formats import idx


def describe_file(path, data, sheet=None):
    return "\n\n".join(text for text, _ in describe_files([path], data, sheet))


def pasted(text):
    """The section data of the configuration that a description gives."""
    return yaml.safe_load(text.partition("the configuration:")[2].replace("\n  ", "\n"))["data"]


@pytest.fixture
def train_csv(digits, tmp_path):
    images, labels = digits
    twice = [*range(119), 0]
    write_csv(tmp_path / "train.csv", images[twice].reshape(-1, 784), labels[twice])
    return tmp_path / "train.csv"


def test_a_csv_is_told_in_numbers_and_with_the_configuration_that_reads_it(train_csv, digits):
    text = describe_file(train_csv, {})
    assert "a pixel CSV with labels: 120 rows, 28 x 28 images" in text
    assert "duplicates: 1 images are the same as an earlier one" in text
    sevens = int((digits[1][:119] == 7).sum())
    assert f"7 ({sevens:,})" in text
    data = pasted(text)
    assert data["train_csv"] == str(train_csv)
    assert columns.decide(train_csv, data, train=True) == columns.decide(train_csv, {}, train=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1,2,3,200,7\n", {"columns": {"label": -1}}),
        ("0;a;1;2;3;200\n", {"columns": {"label": 1, "ignore": [0]}, "image": {"transpose": True}}),
        (f"label,{','.join(f'p{k}' for k in range(12))}\n7{',9' * 12}\n", {"image": {"planar": True}}),
        ("0 .5 .5 1 0 1\n1 .5 .5 1 1 0\n", {"values": {"from": 0, "to": 1}}),
        ("id,class_a,class_b,p0,p1,p2\nx,1,0,1,2,3\ny,0,1,1,2,3\n", {"image": {"height": 1, "width": 3}}),
    ],
)
def test_the_configuration_to_paste_leaves_the_layout_as_it_is(tmp_path, text, told):
    path = tmp_path / "train.csv"
    path.write_text(text)
    said = describe_file(path, told)
    data = pasted(said)
    assert columns.decide(path, data, train=True) == columns.decide(path, told, train=True)


def test_the_sheet_shows_the_first_hundred_images_upright(train_csv, digits, tmp_path):
    describe_file(train_csv, {}, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (10 * (CELL + GAP) + GAP,) * 2
    for k in (0, 11, 99):
        y, x = (GAP + place * (CELL + GAP) for place in divmod(k, 10))
        assert np.array_equal(sheet[y : y + CELL : 2, x : x + CELL : 2], digits[0][k])


def test_what_cannot_be_read_is_told_and_leaves_no_sheet(tmp_path):
    (tmp_path / "train.csv").write_bytes(b"\0\0\x0d\x02" + bytes(50))
    assert "values of type 0x0d (float)" in describe_file(tmp_path / "train.csv", {}, tmp_path / "sheet.png")
    (tmp_path / "train.csv").write_text("label,p0,p1,p2,p3\n7,0,16,3,4\n")
    assert "values: {from: 0, to: 16}" in describe_file(tmp_path / "train.csv", {}, tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_each_table_of_a_competitions_archive_is_described(tmp_path):
    with zipfile.ZipFile(tmp_path / "digit-recognizer.zip", "w") as archive:
        archive.writestr("train.csv", "label,p0,p1,p2,p3\n7,0,200,3,4\n")
        archive.writestr("test.csv", "p0,p1,p2,p3\n0,200,3,4\n")
        archive.writestr("sample_submission.csv", "ImageId,Label\n1,0\n")
    text = describe_file(tmp_path / "digit-recognizer.zip", {})
    assert "digit-recognizer.zip/train.csv\n  a pixel CSV with labels: 1 rows, 2 x 2 images" in text
    assert "digit-recognizer.zip/test.csv\n  a pixel CSV without labels: a test file" in text
    archive = tmp_path / "digit-recognizer.zip"
    assert text.endswith(
        "  a submission or solution: ImageId,Label, 1 rows, ids 1 to 1\n"
        f"  unpack it first: unzip -j {archive} sample_submission.csv\n\n"
        '  submission: {sample: "sample_submission.csv"}'
    )


def test_idx_files_are_described_with_the_lines_that_read_them(tmp_path, digits):
    images = digits[0][:5].swapaxes(1, 2)
    idx.write(tmp_path / "train-images-idx3-ubyte", images)
    idx.write(tmp_path / "train-labels-idx1-ubyte", digits[1][:5])
    told = {"image": {"transpose": True}}
    text = describe_file(tmp_path / "train-images-idx3-ubyte", told)
    assert "an IDX file: 5 rows, 28 x 28 images" in text
    assert "decided: label: in train-labels-idx1-ubyte" in text
    assert "classes: 0 (1), 1 (1), 4 (1), 5 (1), 9 (1)" in text
    data = pasted(text)
    assert data == {"source": "idx", "folder": str(tmp_path), "image": {"transpose": True}}
    source = sources.open_source(tmp_path / "train-images-idx3-ubyte", data, True)
    assert np.array_equal(next(iter(source.blocks)).images, digits[0][:5])
    labels = describe_file(tmp_path / "train-labels-idx1-ubyte", {})
    assert "an IDX file of labels: 5 rows\n  5 classes: 0 (1)" in labels
    classes.write(tmp_path / "classes.csv", "abcdefghij")
    assert "5 classes: a (1), b (1), e (1)" in describe_file(tmp_path / "train-labels-idx1-ubyte", {})


def test_a_folder_of_idx_files_packed_or_not_is_described_part_by_part(tmp_path, digits):
    for part in ("train", "test"):
        idx.write(tmp_path / "plain", digits[0][:5])
        packed = gzip.compress((tmp_path / "plain").read_bytes())
        (tmp_path / f"emnist-{part}-images-idx3-ubyte.gz").write_bytes(packed)
    text = describe_file(tmp_path, {})
    assert "emnist-train-images-idx3-ubyte.gz\n  an IDX file: 5 rows" in text
    assert "emnist-test-images-idx3-ubyte.gz\n  an IDX file: 5 rows" in text
    assert "no label: no IDX file of labels beside it" in text
    assert "rename this file" in describe_file(tmp_path / "plain", {})


def test_a_nearly_black_idx_file_is_told_with_the_line_that_reads_it(tmp_path, digits):
    idx.write(tmp_path / "train-images-idx3-ubyte", digits[0][:5] // 16)
    assert "values: {from: 0, to: 15}" not in describe_file(tmp_path / "train-images-idx3-ubyte", {})
    idx.write(tmp_path / "train-images-idx3-ubyte", digits[0][:5] // 255)
    assert "write values: {from: 0, to: 1}" in describe_file(tmp_path / "train-images-idx3-ubyte", {})
    told = {"values": {"from": 0, "to": 1}}
    assert pasted(describe_file(tmp_path / "train-images-idx3-ubyte", told))["values"] == {"from": 0, "to": 1}


def test_a_hidden_folder_among_test_pictures_is_not_taken_for_a_label(tmp_path, digits):
    (tmp_path / "test/.ipynb_checkpoints").mkdir(parents=True)
    Image.fromarray(digits[0][0]).save(tmp_path / "test/a.png")
    text = describe_file(tmp_path / "test", {})
    assert "a folder of PNG files: 1 rows, 28 x 28 images" in text
    assert "no label: the pictures are not in folders" in text


def test_a_folder_of_pictures_is_described_with_the_lines_that_read_it(tmp_path, digits):
    for name, image in (("train/7", digits[0][0]), ("test", np.stack([digits[0][1]] * 3, axis=-1))):
        (tmp_path / "scans" / name).mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "scans" / name / "1.png")
    text = describe_file(tmp_path / "scans" / "train", {})
    assert "a folder of PNG files: 1 rows, 28 x 28 images" in text
    assert "decided: label: the name of the folder that a picture is in" in text
    assert pasted(text) == {"source": "folder", "folder": str(tmp_path / "scans")}
    both = describe_file(tmp_path / "scans", {})
    assert "scans/train\n" in both
    assert "scans/test\n  a folder of PNG files: 1 rows, 28 x 28 RGB images" in both
    assert pasted(describe_file(tmp_path / "scans" / "test", {}))["image"] == {"channels": 3}
    (tmp_path / "scans" / "train").rename(tmp_path / "scans" / "digits")
    assert "in a folder called train: rename this one" in describe_file(tmp_path / "scans" / "digits", {})


def test_each_of_several_tables_has_a_sheet_of_its_own(train_csv, digits, tmp_path):
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.writestr("train.csv", train_csv.read_bytes())
        archive.writestr("test.csv", "p0,p1,p2,p3\n0,200,3,4\n")
    idx.write(tmp_path / "images", digits[0][5:9])
    described = describe_files([tmp_path / "both.zip", tmp_path / "images"], {}, tmp_path / "sheet.png")
    texts = [text for text, _ in described]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [f"sheet-{k}.png" for k in (1, 2, 3)]
    for number, (text, count) in enumerate(zip(texts, (100, 1, 4), strict=True), start=1):
        assert f"the first {count} images: {tmp_path}/sheet-{number}.png" in text
    sheet = np.asarray(Image.open(tmp_path / "sheet-3.png"))
    assert np.array_equal(sheet[GAP : GAP + CELL : 2, GAP : GAP + CELL : 2], digits[0][5])


def test_a_header_alone_is_told_as_a_submission_without_rows(tmp_path):
    path = tmp_path / "ho.csv"
    path.write_text("ImageId,Label\n")
    assert f"{path}\n  a submission or solution: ImageId,Label, 0 rows\n" in describe_file(path, {})
    with pytest.raises(InputError, match=r"nothing\.csv: no such file"):
        describe_file(tmp_path / "nothing.csv", {})


@pytest.mark.parametrize("text", ["7\n0\n9\n", "label\n7\n0\n", "ka\nkha\n"])
def test_a_single_column_is_told_to_be_labels_perhaps(tmp_path, text):
    (tmp_path / "l.csv").write_text(text)
    said = describe_file(tmp_path / "l.csv", {})
    assert "perhaps labels of the training images, for data.labels_csv" in said
