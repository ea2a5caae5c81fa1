"""The labels of the test images: read from any form of a solution, in the order of the images."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitflow.base.errors import FormatError, InputError
from digitflow.dataset import classes as class_names
from digitflow.dataset.testset import write_solution
from digitflow.formats import idx, labelscsv
from digitflow.verbs import score

CLASSES = ["zero", "one", "a, b"]


@pytest.fixture
def project(tmp_path, monkeypatch, digits):
    """Four test images, with ids of their own."""
    monkeypatch.chdir(tmp_path)
    idx.write("images", digits[0][:4])
    class_names.write("classes.csv", CLASSES)
    Path("ids.csv").write_text("id\nx9\nx2\nx7\nx4\n")
    return tmp_path


def labels_of(text: str, submission: dict | None = None, data: dict | None = None) -> list[int]:
    """What the verb makes of a solution."""
    Path("solution.csv").write_text(text, newline="")
    score.solution_to_idx(
        Path("solution.csv"),
        Path("images"),
        Path("classes.csv"),
        Path("labels"),
        Path("labels.sfv"),
        "csv",
        data or {},
        submission or {},
        Path("ids.csv"),
    )
    return idx.read("labels", ndim=1).tolist()


@pytest.mark.parametrize("header", ["", "label\n", "Class\n"])
def test_labels_without_ids_are_those_of_the_test_rows_in_their_order(project, caplog, header):
    caplog.set_level("INFO", "digitflow")
    assert labels_of(f'{header}one\n"a, b"\nzero\none\n\n') == [1, 2, 0, 1]
    assert caplog.messages == ["solution.csv: labels without ids, read in the order of the test images"]


@pytest.mark.parametrize("ids", ["1 10 2 3", "a1 a10 a2 b1", "x1 x10-1 x2-9 x2"])
def test_labels_alone_are_refused_for_pictures_whose_names_sort_otherwise_by_number(project, ids):
    ids = ids.split()
    labelscsv.write_ids("ids.csv", ids)
    with pytest.raises(
        InputError, match=r"10\S*\.png comes before \S*2\S*\.png; .*, below the header ImageId,Label"
    ):
        labels_of("one\nzero\nzero\none\n", data={"source": "folder"})
    rows = "".join(f"{id_},{label}\n" for id_, label in zip(ids, ["one", "zero", "zero", "one"], strict=True))
    assert labels_of(f"ImageId,Label\n{rows}", data={"source": "folder"}) == [1, 0, 0, 1]
    assert labels_of("one\nzero\nzero\none\n") == [1, 0, 0, 1]  # of the rows of a CSV, in their order


@pytest.mark.parametrize("ids", ["01 02 09 10", "a-1 a.5 a b", "1 2 3 9", "img_1_9 img_1a img_2 imh"])
def test_labels_alone_are_those_of_pictures_in_the_order_of_their_names(project, ids):
    labelscsv.write_ids("ids.csv", ids.split())
    assert labels_of("one\nzero\nzero\none\n", data={"source": "folder"}) == [1, 0, 0, 1]


@pytest.mark.parametrize("has_ids", [True, False])
def test_a_sample_submission_in_the_place_of_a_solution_is_warned_of(project, caplog, digits, has_ids):
    def told(labels: list[str]) -> str:
        idx.write("images", np.resize(digits[0], (len(labels), 28, 28)))
        labelscsv.write_ids("ids.csv", map(str, ids := range(1, len(labels) + 1)))
        rows = [f"{id_},{label}" for id_, label in zip(["id", *ids], ["label", *labels], strict=True)]
        caplog.clear()
        labels_of("\n".join(rows if has_ids else labels), {"id": "id", "label": "label"})
        return caplog.text

    warned = "solution.csv: all 21 labels are 'one', as in a sample submission: if it is one"
    assert warned in told(["one"] * 21)
    assert "sample" not in told([*["one"] * 20, "zero"])
    assert "sample" not in told(["one"] * 20)  # by chance


def test_names_that_look_like_numbers_or_none_are_labels_if_they_are_classes(project):
    class_names.write("classes.csv", ["nan", "ok", "1e3"])
    assert labels_of("1e3\nok\nnan\n1e3\n") == [2, 1, 0, 2]


def test_labels_with_ids_are_put_into_the_order_of_the_test_rows(project):
    assert labels_of("id,label\nx2,one\nx9,zero\nx4,one\nx7,zero\n") == [0, 1, 0, 1]


def test_a_solution_may_have_the_header_of_a_submission(project):
    form = {"id": "filename", "label": "category"}
    assert labels_of("filename,category\nx2,one\nx9,zero\nx4,one\nx7,zero\n", form) == [0, 1, 0, 1]
    labelscsv.check_header(Path("solution.csv"), ("filename", "category"))
    with pytest.raises(FormatError, match="should be the header"):
        labelscsv.check_header(Path("solution.csv"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one\nzero\none\n", "solution.csv: 3 labels for 4 images"),
        ("label\none\nzero\none\none\none\n", "solution.csv: 5 labels for 4 images"),
        (
            "numeral\none\nzero\none\none\n",
            "line 1: 'numeral' is not a class from .*; if it is a header, replace it by label",
        ),
        ("one\nzero\ntwo\none\n", "solution.csv, line 3: 'two' is not a class from 'zero', 'one', 'a, b'$"),
        ("label\none\nzero,one\none\none\n", "solution.csv, line 3: 2 cells, not 1"),
        ("id\nx9\nx2\nx7\nx4\n", "solution.csv, line 1: 'id', should be the header ImageId,Label"),
    ],
)
def test_a_list_that_does_not_fit_the_test_rows_is_refused(project, text, message):
    with pytest.raises(InputError, match=message):
        labels_of(text)
    assert not Path("labels").exists()


@pytest.mark.parametrize("kind", ["idx", "pixels"])
def test_a_file_of_other_test_rows_is_refused(project, kind):
    idx.write("solution", np.zeros(3, np.uint8))
    if kind == "pixels":
        Path("solution").write_text("label,pixel0\none,0\none,0\none,255\n")
    with pytest.raises(InputError, match="solution: 3 labels for 4 test images"):
        write_solution("labels", "solution", "images", "classes.csv", kind=kind)


@given(st.lists(st.integers(0, 2), min_size=4, max_size=4), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_any_labels_come_back(tmp_path_factory, indices, header, newline):
    folder = tmp_path_factory.mktemp("solution")
    idx.write(folder / "images", np.zeros((4, 2, 2), np.uint8))
    class_names.write(folder / "classes.csv", CLASSES)
    text = io.StringIO()
    rows = [["label"]] * header + [[CLASSES[label]] for label in indices]
    csv.writer(text, lineterminator=newline).writerows(rows)
    (folder / "solution.csv").write_text(text.getvalue(), newline="")
    write_solution(folder / "labels", *(folder / name for name in ("solution.csv", "images", "classes.csv")))
    assert idx.read(folder / "labels", ndim=1).tolist() == indices
