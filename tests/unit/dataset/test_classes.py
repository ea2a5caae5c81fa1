"""The names of classes: their order, their file, and folders that are safe on every system."""

import re

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from digitflow.base.errors import FormatError, InputError
from digitflow.dataset import classes, sources
from digitflow.formats import idx

ODD = [
    "a/b",
    "..",
    "con",
    "",
    "drop",
    "ok",
    "A",
    "a",
    "x.",
    " y",
    "%41",
    "ж",
    "NUL.txt",
    "~",
    ".A",
    ".a",
    "#1",
]


def test_labels_stand_in_natural_order():
    labels = ["b10", "10", "b9", "-1", "9", "a", "B", "b10", "c1d10", "c1d9"]
    assert classes.in_natural_order(labels) == ["-1", "9", "10", "B", "a", "b9", "b10", "c1d9", "c1d10"]


def test_odd_labels_have_safe_and_different_folders_that_lead_back():
    names = classes.folder_names(ODD)
    assert [classes.label_of_folder(name) for name in names] == ODD
    assert len({name.casefold() for name in names}) == len(ODD)
    assert not any(
        re.search(r'[/\\:*?"<>|]|^[. ]|[. ]$', name) or name in ("", "con", "drop") for name in names
    )


def test_no_end_of_a_line_that_a_label_has_ends_a_line_of_a_manifest():
    ends = [*"\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"]
    names = classes.folder_names([f"a{end}b" for end in ends])
    assert all(name.splitlines() == [name] for name in names)
    assert [classes.label_of_folder(name) for name in names] == [f"a{end}b" for end in ends]


def test_usual_labels_are_their_own_folders():
    usual = ["0", "10", "A", "character_01_ka", "ж", "two words", "a" * 255]
    assert classes.folder_names(usual) == usual


def test_a_label_too_long_for_the_name_of_a_folder_is_refused():
    with pytest.raises(InputError, match=r"the label 'ж+'\.\.\. is too long for the name of a folder"):
        classes.folder_names(["ж" * 128])


@given(labels=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), unique=True))
def test_any_labels_lead_back_from_their_folders(labels):
    labels = [*dict.fromkeys(map(classes.label_of, labels))]
    names = classes.folder_names(labels)
    assert [classes.label_of_folder(name) for name in names] == labels
    assert not any({*name} & {*"/\\\0"} or name in ("", ".", "..") for name in names)
    assert all(name.splitlines() == [name] for name in names)  # each is in one line of a manifest


@given(
    labels=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")), unique=True
    )
)
def test_any_classes_come_back_from_their_file(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("classes") / "classes.csv"
    classes.write(path, labels)
    assert classes.read(path) == labels


def test_the_file_has_a_line_per_class(tmp_path):
    classes.write(tmp_path / "classes.csv", ["A", "b,c"])
    assert (tmp_path / "classes.csv").read_text() == 'index,label\n0,A\n1,"b,c"\n'


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "line 1"),
        ("label,index\n", "line 1"),
        ("index,label\n1,a\n", "line 2"),
        ("index,label\n0,a\n1,a\n", "line 3"),
        ("index,label\n0,a\n1\n", "line 3"),
        ("index,label\n0,\xe9\n", "cannot be read as CSV"),
        ('index,label\n0,"a\n', "cannot be read as CSV"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path, text, where):
    (tmp_path / "classes.csv").write_text(text, encoding="latin-1")
    with pytest.raises(FormatError, match=where):
        classes.read(tmp_path / "classes.csv")


def test_more_than_256_classes_have_four_bytes_each():
    names = [*map(str, range(257))]
    assert classes.indices(names[:256], names[:256], "it").dtype == np.uint8
    assert classes.indices(names, names, "it").tolist() == [*range(257)]
    assert classes.indices(names, names, "it").dtype == np.int32


def test_there_may_be_65_536_classes_and_no_more():
    names = [*map(str, range(65_537))]
    found = classes.indices(names[:65_536], names[:65_536], "it")
    assert (found.dtype, found[-1]) == (np.int32, 65_535)
    with pytest.raises(
        InputError, match=r"it: 65,537 classes, more than 65,536: is this the column of the labels\?"
    ):
        classes.indices(names, names, "it")


@pytest.mark.parametrize("count", [65_536, 65_537])
def test_a_csv_may_have_65_536_different_labels_and_no_more(tmp_path, count):
    rows = "".join(f"{label},255\n" for label in range(count))
    (tmp_path / "train.csv").write_text(f"label,pixel0\n{rows}")
    arguments = tmp_path / "train.csv", {}, tmp_path / "images", tmp_path / "labels", tmp_path / "classes"
    if count > 65_536:
        with pytest.raises(InputError, match="65,537 classes, more than 65,536"):
            sources.convert_source(*arguments)
        assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]
        return
    assert sources.convert_source(*arguments) == count
    assert np.array_equal(idx.read(tmp_path / "labels"), np.arange(count))
    assert len(classes.read(tmp_path / "classes")) == count


def test_an_unknown_label_is_named_with_its_row():
    told = r"test.csv, row 2: 'x' is none of the 2 classes, 'a', 'b'; correct it, because no model can learn"
    with pytest.raises(InputError, match=told):
        classes.indices(["a", "x"], ["a", "b"], "test.csv")


def test_classes_are_shown_as_a_configuration_has_them():
    assert classes.as_setting(["0", "10", "ten", "no", "07", "a b"]) == (
        'data: {classes: [0, 10, ten, "no", "07", "a b"]}'
    )
    setting = classes.as_setting(names := ["0", "07", "ten", "no", "a: b", "é", "null", "y", "1e3", "x_1"])
    assert list(map(str, yaml.safe_load(setting)["data"]["classes"])) == names
    assert classes.as_setting(list(map(str, range(60)))) == "data.classes to the list of all of them"
