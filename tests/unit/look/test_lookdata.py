"""What the page is made from, read from the files of a run."""

from pathlib import Path

import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.dataset import classes
from digitflow.formats import idx, lst
from digitflow.formats.probabilities import write_probabilities
from digitflow.look import lookdata

TABLES = {
    "labels.csv": "id,given,proposed,self_confidence,margin,flagged,split\n3,b,a,0.25,-0.5,True,train\n",
    "duplicates.csv": "first_part,first_id,first_label,second_part,second_id,second_label,kind,distance,down,"
    "right,conflict\ntrain,1,a,train,3,b,near,2.50,0,1,True\ntrain,2,a,test,2,,exact,0.00,0,0,False\n",
    "outliers.csv": "part,id,label,reason,distance\ntrain,1,a,blank,\ntest,2,,outlier,70.25\n",
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Three training images, two test images, two classes, and the tables about them."""
    monkeypatch.chdir(tmp_path)
    for name, rows in (("train", 3), ("test", 2)):
        idx.write(f"{name}-images", np.arange(rows * 4, dtype=np.uint8).reshape(rows, 2, 2))
    idx.write("train-labels", np.array([0, 0, 1], np.uint8))
    classes.write("classes.csv", ["a", "b"])
    lst.write("valid.lst", lst.Listing(np.array([2]), np.array([0]), ["train/a/2.png"]))
    for name, text in TABLES.items():
        Path(name).write_text(text)


def read(test_images="test-images", probabilities=(), merge=None, corrections=None):
    return lookdata.read(
        *("train-images", "train-labels", "classes.csv"),
        splits=["valid.lst"],
        valid_lst="valid.lst",
        probabilities=probabilities,
        merge=merge or {},
        weights=None,
        test_images=test_images,
        test_probabilities=[],
        audit="labels.csv",
        duplicates="duplicates.csv",
        outliers="outliers.csv",
        corrections=corrections,
        corrections_file="corrections.csv",
        png=None,
    )


def test_an_audit_of_rows_that_were_not_held_out_is_refused_with_its_line(run):
    write_probabilities("rows.npy", np.full((1, 2), 0.5))
    merge = {"method": "mean", "seeds": [("net", 1)], "weights": None}
    with pytest.raises(FormatError, match=r"labels\.csv, line 2: valid\.lst has no image 3; delete it"):
        read(probabilities=[Path("rows.npy")], merge=merge)


def test_a_correction_typed_since_the_lists_were_made_is_checked_like_all_others(run):
    Path("corrections.csv").write_text("id,was,now,crc,note\n3,b,a\n")
    assert read(corrections="corrections.csv").corrected.tolist() == [0, 0, 0]
    Path("corrections.csv").write_text("id,was,now,crc,note\n3,b,A B\n")
    with pytest.raises(FormatError, match=r"line 2: column now: 'A B' should be one of a, b"):
        read(corrections="corrections.csv")


@pytest.mark.parametrize("name", ["drop", "ok"])
def test_a_class_whose_name_means_something_else_in_corrections_is_refused_before_there_are_any(run, name):
    classes.write("classes.csv", ["a", name])
    with pytest.raises(InputError, match=f"class '{name}': in the column now of corrections"):
        read()


def test_tables_about_the_images_are_read(run):
    data = read()
    assert data.splits.tolist() == ["train", "valid", "train"]
    assert data.audit["id"].tolist() == [3]
    assert data.places_of(data.outliers["part"], data.outliers["id"]).tolist() == [0, 4]
    assert data.duplicates["distance"].tolist() == [2.5, 0.0]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("labels.csv", "3,b", "4,b", "line 2: id 4, should be one of the 3 training images"),
        ("labels.csv", "3,b", "0,b", "line 2: id 0, should be one of the 3 training images"),
        ("labels.csv", "b,a", "b,7", "line 2: proposed '7', should be one of 'a', 'b'"),
        ("labels.csv", "b,a", "7,a", "line 2: given '7', should be one of 'a', 'b'"),
        (
            "duplicates.csv",
            "train,3",
            "train,-1",
            "line 2: second_id -1, should be one of the 3 training images",
        ),
        ("duplicates.csv", "test,2", "test,3", "line 3: second_id 3, should be one of the 2 test images"),
        ("outliers.csv", "test,2", "test,3", "line 3: id 3, should be one of the 2 test images"),
        ("outliers.csv", "train,1", "train,9", "line 2: id 9, should be one of the 3 training images"),
    ],
)
def test_tables_of_other_data_are_refused(run, name, old, new, message):
    assert TABLES[name].count(old) == 1
    Path(name).write_text(TABLES[name].replace(old, new))
    with pytest.raises(FormatError) as refused:
        read()
    assert str(refused.value) == f"{name}, {message}; delete the file and run again"


def test_pairs_with_test_images_are_refused_if_there_are_none(run):
    with pytest.raises(FormatError, match=r"duplicates\.csv, line 3: second_id 2, .* the 0 test images"):
        read(test_images=None)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("labels.csv", "3,b", "three,b"),
        ("labels.csv", "3,b", "99999999999999999999,b"),
        ("labels.csv", "True", "perhaps"),
        ("labels.csv", "0.25", "low"),
        ("duplicates.csv", "2.50", "near"),
        ("outliers.csv", "test,2", "test,2.5"),
    ],
)
def test_cells_of_another_type_are_refused(run, name, old, new):
    Path(name).write_text(TABLES[name].replace(old, new))
    with pytest.raises(FormatError, match=rf"^{name}: damaged: .*; delete it and run again$"):
        read()
