"""From a CSV to IDX files, classes and ids: all of them right, or none at all."""

import logging
import zipfile

import numpy as np
import pytest

from digitflow.base.errors import InputError
from digitflow.dataset import classes
from digitflow.dataset.conversion import looks_planar
from digitflow.dataset.sources import convert_source, files_read
from digitflow.formats import idx, labelscsv

SQUARE = "p0,p1,p2,p3"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def convert(tmp_path, text, data=None, like=None, **outputs):
    (tmp_path / "a.csv").write_bytes(text.encode(errors="surrogateescape"))
    paths = {name: tmp_path / "out" / name for name in outputs if outputs[name]}
    return convert_source(tmp_path / "a.csv", data or {}, tmp_path / "out" / "images", **paths, like=like)


def test_three_hundred_classes_have_indices_of_four_bytes_and_come_back(tmp_path, out):
    rows = "".join(f"{label * 3},0,1,2,200\n" for label in range(299, -1, -1))
    assert convert(tmp_path, f"label,{SQUARE}\n{rows}", labels=True, classes=True) == 300
    assert (out / "labels").read_bytes()[:4] == b"\0\0\x0c\x01"
    names = classes.read(out / "classes")
    assert [names[index] for index in idx.read(out / "labels")] == [str(k * 3) for k in range(299, -1, -1)]
    assert idx.read(out / "labels").dtype == np.int32


def test_classes_that_are_told_keep_their_order_and_one_without_images_is_warned_of(tmp_path, out, caplog):
    data = {"classes": ["ten", "b", "a"]}
    with caplog.at_level(logging.WARNING, "digitflow"):
        convert(tmp_path, f"label,{SQUARE}\na,1,2,3,200\nb,1,2,3,200\n", data, labels=True, classes=True)
    assert idx.read(out / "labels").tolist() == [2, 1]
    assert classes.read(out / "classes") == ["ten", "b", "a"]
    assert "no image has the label ten" in caplog.text


@pytest.mark.parametrize("lightest", [0, 16, 63, 64, 255])
def test_images_that_are_nearly_black_are_warned_of(tmp_path, caplog, lightest):
    data = {"values": {"from": 0, "to": 255}, "invert": lightest == 63}
    with caplog.at_level(logging.WARNING, "digitflow"):
        convert(tmp_path, f"{SQUARE}\n0,0,0,{lightest}\n0,0,0,0\n", data, ids=True)
    assert (f"a.csv: no pixel is above {lightest} of 255: nearly black" in caplog.text) == (lightest < 64)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 28), (20, 30), (31, 17)])
def test_planes_of_colour_that_are_read_as_pixels_look_like_planes(height, width, transposed):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    spots = rng.uniform(0, (height, width), (50, 2))  # of another colour in each image, on another ground
    near = np.exp(-((y - spots[:, :1, None]) ** 2 + (x - spots[:, 1:, None]) ** 2) / 40)
    colours, grounds = rng.uniform(0, 120, (2, 50, 1, 1, 3))
    pixels = np.rint(grounds + near[..., None] * colours + rng.uniform(0, 8, (50, height, width, 1))).astype(
        np.uint8
    )
    file = pixels.swapaxes(1, 2) if transposed else pixels
    planes = np.moveaxis(file, 3, 1).reshape(file.shape)
    assert not looks_planar(pixels, transposed)
    assert looks_planar(planes.swapaxes(1, 2) if transposed else planes, transposed)


def test_a_file_of_planes_is_warned_of_with_the_line_that_reads_it(tmp_path, caplog):
    plane = np.add.outer(np.arange(8) * 20, np.arange(8) * 5)
    rows = "".join(f"{','.join(map(str, [*plane.ravel()] * 3))}\n" for _ in range(5))
    header = ",".join(f"p{k}" for k in range(192))
    line = "write image: {channels: 3, planar: true} under data: in the configuration"
    with caplog.at_level(logging.WARNING, "digitflow"):
        convert(tmp_path, f"{header}\n{rows}", {"image": {"channels": 3, "planar": True}}, ids=True)
        assert line not in caplog.text
        convert(tmp_path, f"{header}\n{rows}", {"image": {"channels": 3}}, ids=True)
        assert line in caplog.text


def test_what_was_decided_is_in_the_log(tmp_path, caplog):
    with caplog.at_level(logging.DEBUG, "digitflow"):
        convert(tmp_path, f"{SQUARE};Class\n".replace(",", ";") + "1;2;3;200;x\n", labels=True)
    for reason in ("separated by semicolons", "label: column Class", "4 pixels: 2 x 2 images"):
        assert reason in caplog.text


def test_labels_come_from_a_file_of_their_own(tmp_path, out):
    (tmp_path / "labels.csv").write_text("b\na\n")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "labels.csv", "labels.csv")
    for path in (tmp_path / "labels.csv", tmp_path / "all.zip" / "labels.csv"):
        data = {"labels_csv": path}
        convert(tmp_path, f"{SQUARE}\n1,2,3,200\n4,5,6,7\n", data, labels=True, classes=True)
        assert idx.read(out / "labels").tolist() == [1, 0]
        watched = files_read(tmp_path / "train.csv", data, None, train=True)
        assert watched == [tmp_path / "train.csv", tmp_path / path.relative_to(tmp_path).parts[0]]


def test_labels_in_a_file_of_their_own_go_by_the_ids_of_the_training_images(tmp_path, out):
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\n1,b\n2,a\n3,a\n")
    outputs, pixels = {"labels": True, "classes": True}, "1,2,3,200"
    text = f"id,{SQUARE}\n3,{pixels}\n1,{pixels}\n2,{pixels}\n"
    convert(tmp_path, text, {"labels_csv": labels}, **outputs)
    assert idx.read(out / "labels").tolist() == [0, 1, 0]
    with pytest.raises(
        InputError, match=r"line 4: id '3' is not an id of a training image; id '4' is missing"
    ):
        convert(tmp_path, text.replace("\n3", "\n4"), {"labels_csv": labels}, **outputs)


@pytest.mark.parametrize("text", ["1e3\nnan\n", "label\n1e3\nnan\n", "id,label\n2,nan\n1,1e3\n"])
def test_the_classes_say_which_labels_a_file_of_their_own_may_have(tmp_path, out, text):
    (tmp_path / "labels.csv").write_text(text)
    ids = ["id,", "1,", "2,"] if "id" in text else [""] * 3
    rows = [f"{id_}{row}" for id_, row in zip(ids, (SQUARE, "1,2,3,200", "4,5,6,7"), strict=True)]
    data = {"labels_csv": tmp_path / "labels.csv"}
    convert(tmp_path, "\n".join(rows), data | {"classes": ["nan", "1e3"]}, labels=True, classes=True)
    assert idx.read(out / "labels").tolist() == [1, 0]
    with pytest.raises(InputError, match=r"labels\.csv, line \d: .*'1e3' is not a class from 'nan', '1e4'"):
        convert(tmp_path, "\n".join(rows), data | {"classes": ["nan", "1e4"]}, labels=True, classes=True)


def test_the_ids_of_a_test_file_are_listed_whether_it_has_labels_or_not(tmp_path, out):
    for header, rows in (
        ("id,label", ("x9,b,1,2,3,200", "x1,a,4,5,6,7")),
        ("id", ("x9,1,2,3,200", "x1,4,5,6,7")),
    ):
        convert(tmp_path, "\n".join([f"{header},{SQUARE}", *rows, ""]), ids=True)
        assert labelscsv.read_ids(out / "ids", 2) == ["x9", "x1"]


def test_the_ids_of_a_training_file_are_listed_whatever_they_are(tmp_path, out):
    outputs = {"labels": True, "classes": True, "ids": True}
    for header, row, expected in (("id,label", "x9,b", ["x9", "x9"]), ("label", "b", None)):
        convert(tmp_path, f"{header},{SQUARE}\n{row},1,2,3,200\n{row},4,5,6,7\n", **outputs)
        assert labelscsv.read_ids(out / "ids", 2) == expected


@pytest.mark.parametrize(
    ("text", "outputs", "message"),
    [
        (
            f"id,{SQUARE}\nx,1,2,3,200\nx,4,5,6,7\n",
            {"ids": True},
            "rows 1 and 2 have the same id, 'x'",
        ),
        (f"id,{SQUARE}\n,1,2,3,200\n", {"ids": True}, "line 2, column id: the id is missing"),
        (f"id,{SQUARE}\ncaf\udce9,1,2,3,200\n", {"ids": True}, "line 2, column id: 'caf\ufffd' is not UTF-8"),
        (f"label,{SQUARE}\n7,1,2,3,1\n7,1,2,16,1\n", {"labels": True, "classes": True}, "numbers up to 16"),
        (f"label,{SQUARE}\n7,1,2,3,0.5\n", {"labels": True, "classes": True}, "values: {from: 0, to: 16}"),
    ],
)
def test_a_refused_file_leaves_nothing(tmp_path, out, text, outputs, message):
    with pytest.raises(InputError) as error:
        convert(tmp_path, text, **outputs)
    assert message in str(error.value)
    assert not any(out.glob("*"))


@pytest.mark.parametrize("outputs", [{"labels": True, "classes": True}, {"ids": True}])
def test_training_and_test_images_have_one_size_whichever_is_converted(tmp_path, out, outputs):
    label = "label," if "labels" in outputs else ""
    other = "" if label else "label,"
    cells = {4: "1,2,3,200", 9: "1,2,3,200,0,0,0,0,0"}
    names = {4: SQUARE, 9: ",".join(f"p{place}" for place in range(9))}
    text = f"{label}{names[4]}\n{label and '5,'}{cells[4]}\n"

    def convert_beside(pixels):
        (tmp_path / "b.csv").write_text(f"{other}{names[pixels]}\n{other and '5,'}{cells[pixels]}\n")
        return convert(tmp_path, text, like=tmp_path / "b.csv", **outputs)

    with pytest.raises(InputError, match=r"a\.csv: 2 x 2 images, but .*b\.csv has 3 x 3 images"):
        convert_beside(9)
    assert not any(out.glob("*"))
    assert convert_beside(4) == 1


def test_test_images_that_cannot_be_read_do_not_stop_the_training_images(tmp_path):
    (tmp_path / "b.csv").write_text("nothing\n")
    text = f"label,{SQUARE}\n5,1,2,3,200\n"
    assert convert(tmp_path, text, labels=True, classes=True, like=tmp_path / "b.csv") == 1
