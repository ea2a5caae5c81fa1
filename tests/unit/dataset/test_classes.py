"""What the classes are called: written, read, and refused where the file is not theirs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitflow.base.errors import FormatError, InputError
from digitflow.dataset import classes


def test_a_line_has_the_index_and_the_label(tmp_path):
    classes.write(tmp_path / "classes.csv", ["0", "ka", "a,b"])
    assert (tmp_path / "classes.csv").read_bytes() == b'index,label\n0,0\n1,ka\n2,"a,b"\n'


NAMES = st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\0"), min_size=1))


@given(names=NAMES)
def test_any_names_come_back(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "classes.csv"
    classes.write(path, names)
    assert classes.read(path) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1"),
        ("label,index\n", "line 1: .* should be index,label; delete it and run again"),
        ("index,label\n0,a\n2,b\n", r"line 3: \['2', 'b'\], should be 1 and a label"),
        ("index,label\n0\n", "line 2"),
        ("index,label\n0,a,b\n", "line 2"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, message):
    (tmp_path / "classes.csv").write_text(text)
    with pytest.raises(FormatError, match=rf"classes\.csv, {message}"):
        classes.read(tmp_path / "classes.csv")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"classes\.csv: cannot be read"):
        classes.read(tmp_path / "classes.csv")
