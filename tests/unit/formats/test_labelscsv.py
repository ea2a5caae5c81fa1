"""Solutions, samples and lists of labels as people have them: read if they can mean only one thing."""

import string

import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.formats import labelscsv
from digitflow.formats.labelscsv import HEADER, Form


def test_names_ids_and_header_are_written_as_they_are_told(tmp_path):
    labelscsv.write(tmp_path / "s.csv", np.array([1, 0]), ["ka", "b,c"], Form(("id", "label"), ["x7", "x8"]))
    assert (tmp_path / "s.csv").read_text() == 'id,label\nx7,"b,c"\nx8,ka\n'
    assert labelscsv.read(tmp_path / "s.csv", ["ka", "b,c"], Form(HEADER, ["x7", "x8"])).tolist() == [1, 0]


@pytest.mark.parametrize(
    "text",
    [
        "ImageId,Label\n1,7\n10,1\n2,0\n3,9\n4,4\n5,5\n6,6\n7,7\n8,8\n9,2\n",
        "id,label,Usage\n" + "".join(f"{k}.0,{k % 10}.0,Public\n" for k in range(10, 0, -1)),
    ],
)
def test_rows_in_another_order_floats_and_a_usage_column_are_understood(tmp_path, text):
    (tmp_path / "s.csv").write_text(text)
    rows = {int(float(line.split(",")[0])): int(float(line.split(",")[1])) for line in text.splitlines()[1:]}
    assert labelscsv.read(tmp_path / "s.csv", string.digits).tolist() == [rows[k] for k in range(1, 11)]


def test_whatever_is_read_in_another_way_than_it_is_written_is_said_in_the_log(tmp_path, caplog):
    caplog.set_level("INFO", "digitflow")
    (tmp_path / "plain.csv").write_text("ImageId,Label\n1,7\n2,0\n")
    labelscsv.read(tmp_path / "plain.csv", string.digits)
    assert caplog.messages == []
    path = tmp_path / "odd.csv"
    path.write_text("id,Usage,label\n2,Public,07\n1.0,Private,9.0\n")
    assert labelscsv.read(path, string.digits).tolist() == [9, 7]
    assert caplog.messages == [
        f"{path}: the column Usage was ignored",
        f"{path}, line 2: 07 was read as 7, and 2 more numbers likewise",
        f"{path}: the rows are not in the order of the images, and were sorted by their ids",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ImageId,Label\n1,7\n3,1\n", "2 rows, should be 3: ImageId '2' is missing"),
        (
            "ImageId,Label\n1,7\n2,1\n4,1\n",
            "line 4: ImageId '4' is not an id of a test image; ImageId '3' is missing",
        ),
        ("ImageId,Label\n1,7\n2,1\n2,1\n", "line 4: ImageId '2' is already in line 3"),
        ("ImageId,Label\n1,7\n2,eleven\n3,1\n", "line 3: Label 'eleven', should be one of 0 to 9"),
        ("ImageId,Label\n1,7\n2\n3,1\n", "line 3: 1 cells, not 2"),
    ],
)
def test_a_solution_that_does_not_fit_is_named_exactly(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        labelscsv.read(tmp_path / "s.csv", string.digits, Form(HEADER, ["1", "2", "3"]))


@pytest.mark.parametrize("rows", [100, 30_000])  # more than a cell of Python's csv module may have
def test_a_quote_that_is_not_closed_is_named_with_its_line(tmp_path, rows):
    path = tmp_path / "s.csv"
    lines = ["ImageId,Label", *(f"{k},{k % 10}" for k in range(1, rows))]
    lines[7] = '7,"7'
    path.write_text("\n".join(lines) + "\n")
    message = f"{path}, line 8: a quote is opened but not closed: close it in the same line"
    for read in (
        lambda: labelscsv.read(path, string.digits),
        lambda: labelscsv.read_sample(path),
        lambda: labelscsv.read_list(path, rows),
    ):
        with pytest.raises(FormatError) as error:
            read()
        assert str(error.value) == message


def test_messages_show_no_more_than_the_beginning_of_a_long_text(tmp_path):
    path, long = tmp_path / "s.csv", "x" * 1000

    def message(text, read):
        path.write_text(text)
        with pytest.raises(InputError) as error:
            read(path)
        return str(error.value)

    def solution(path):
        labelscsv.read(path, string.digits, Form(HEADER, ["1", "2"]))

    for text, read in (
        (f"ImageId,Label\n1,{long}\n", solution),
        (f"ImageId,Label\n{long},1\n{long},1\n", solution),
        (f"ImageId,Label\n{long},1\n2,1\n", solution),
        (f"id,label\n{long},1,2\n", labelscsv.read_sample),
        (f"id,label\n1,{long}\n", lambda path: labelscsv.read_own(path, string.digits, 1)),
        (f"id,label\n{long},1\n", lambda path: labelscsv.read_list(path, 1)),
        (f"{long}\n1\n", lambda path: labelscsv.read_list(path, 1, classes=["1"])),
        (f"{long}\n1\n", lambda path: labelscsv.read_list(path, 1)),
    ):
        assert f"{long[:30]}" in message(text, read)
        assert len(message(text, read)) < 400


@pytest.fixture
def ids(tmp_path):
    """The file of the ids of two test images, a and b."""
    labelscsv.write_ids(tmp_path / "ids.csv", ["a", "b"])
    return tmp_path / "ids.csv"


def test_a_form_comes_from_the_sample_or_the_test_file_or_the_first_number(tmp_path, ids):
    (tmp_path / "sample.csv").write_text("id,label\na,0\nb,0\n")
    sample = {"sample": tmp_path / "sample.csv"}
    labelscsv.write_ids(tmp_path / "none.csv", [])
    for without in (None, tmp_path / "none.csv"):
        form = labelscsv.submission_form(sample, 2, without, "test.csv")
        assert form == Form(("id", "label"), ["a", "b"])
    assert labelscsv.submission_form(sample, 2, ids, "test.csv").ids == ["a", "b"]
    told = {"id": "id", "label": "digit", "first": 0}
    assert labelscsv.submission_form(told, 2, None, "test.csv") == Form(("id", "digit"), ["0", "1"])
    assert labelscsv.submission_form({}, 2, ids, "test.csv") == Form(("ImageId", "Label"), ["a", "b"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\na,0\nb,0\nc,0\n", "3 rows, but test.csv has 2; set submission.sample"),
        ("id,label\na,0\nc,0\n", r"line 3: 'c' is not an id of test\.csv; set submission.sample"),
        ("id,label\na,0\na,0\n", "line 3: 'a,0', should be an id that no other"),
        ("id,label,x\na,0,0\n", "line 1: 'id,label,x', should be two names"),
        ("id,label\na\n", "line 2: 'a', should be an id"),
    ],
)
def test_a_sample_of_another_test_file_is_refused(tmp_path, ids, text, message):
    (tmp_path / "sample.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        labelscsv.submission_form({"sample": tmp_path / "sample.csv"}, 2, ids, "test.csv")


@pytest.mark.parametrize(
    "read", [labelscsv.read_sample, lambda path: labelscsv.read(path, string.digits), labelscsv.check_header]
)
@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_a_sample_or_solution_that_excel_separates_otherwise_is_refused_by_that(tmp_path, read, mark, name):
    (tmp_path / "s.csv").write_text(f"ImageId{mark}Label\n1{mark}7\n")
    message = rf"line 1: .* looks like cells separated by {name}: save the file with commas between them$"
    with pytest.raises(FormatError, match=message):
        read(tmp_path / "s.csv")


def test_a_sample_in_another_order_than_the_test_file_leaves_the_order_to_it(tmp_path, ids):
    (tmp_path / "sample.csv").write_text("Id,Digit\nb,0\na,0\n")
    form = labelscsv.submission_form({"sample": tmp_path / "sample.csv"}, 2, ids, "test.csv")
    assert form == (("Id", "Digit"), ["a", "b"])


@pytest.mark.parametrize("text", ["7\nka\n", "label\n7\nka\n", "id,label\n1,7\n2,ka\n", "7.0\r\nka\r\n\r\n"])
def test_labels_in_a_file_of_their_own_are_read_in_order(tmp_path, text):
    (tmp_path / "labels.csv").write_text(text)
    assert labelscsv.read_list(tmp_path / "labels.csv", 2) == ["7", "ka"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7\n", "1 labels for 2 images$"),
        ("label\n", "0 labels for 2 images$"),
        ("y\nx\n", "1 labels for 2 images; if line 1, 'y', is a label, add the header label above it$"),
        ("numeral\n7\n8\n", "3 labels for 2 images; if line 1, 'numeral', is a header, replace it by label"),
        ("7\n\n8\n", "line 2"),
        ("7\n1e3\n", "line 2: '1e3' is a number, but not a whole one: .* list all labels in data.classes"),
        (
            "id,label\n2,7\n1,8\n",
            "line 2: id '2', should be 1, because a.csv has no ids: count its",
        ),
        ("0,7\n1,8\n", "line 1: '0,7', should be the header id,label, or one label per line$"),
        ("\n", "line 1: empty, should be the header id,label, or one label per line$"),
        ("\n7\n8\n", "line 1: empty, should be the header id,label, or one label per line$"),
    ],
)
def test_labels_that_do_not_fit_the_images_are_refused(tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        labelscsv.read_list(tmp_path / "labels.csv", 2, images="a.csv")


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (["3", "1", "2"], "id,label\n1,b\n2,c\n3,a\n"),
        (["1", "0", "2"], "Label,ImageId\nb,0\na,1\nc,2.0\n"),
        (["1", "01", "1.0"], "id,label\n01,b\n1.0,c\n1,a\n"),
        (["x7", "é", "07"], "id,label,Usage\n7,c,Public\né,b,Public\nx7,a,Public\n"),
        (["2", "1", "3"], "a\nb\nc\n"),
        (["2", "1", "3"], "label\na\nb\nc\n"),
    ],
)
def test_labels_go_by_the_ids_of_the_images_where_both_files_have_some(tmp_path, ids, text):
    (tmp_path / "labels.csv").write_text(text)
    assert labelscsv.read_list(tmp_path / "labels.csv", 3, ids) == ["a", "b", "c"]


def test_ids_that_differ_only_by_zeros_are_told_apart_in_a_solution(tmp_path):
    ids, path = ["1", "01", "001", "2", "02"], tmp_path / "s.csv"
    labelscsv.write(path, np.arange(5)[::-1], form=Form(HEADER, ids[::-1]))
    assert labelscsv.read(path, "01234", Form(HEADER, ids)).tolist() == [0, 1, 2, 3, 4]
    path.write_text("id,label\n1,0\n01,0\n001,0\n2.0,0\n02,0\n")
    with pytest.raises(
        FormatError, match=r"line 5: id '2\.0' is not an id of a test image; id '2' is missing"
    ):
        labelscsv.read(path, "01234", Form(HEADER, ids))


def test_quotes_that_are_part_of_a_text_are_read_as_in_a_pixel_csv(tmp_path):
    (tmp_path / "l.csv").write_text('id,label\n"""1""", """q,r"""\n1, "q,r"\n"x ""y",A\n"5"" 6",A\n')
    ids = ["1", '"1"', 'x "y', '5" 6']
    assert labelscsv.read_list(tmp_path / "l.csv", 4, ids) == ["q,r", '"q,r"', "A", "A"]


def test_blanks_that_are_no_ascii_are_part_of_a_label_or_id(tmp_path):
    path, labels, ids = tmp_path / "l.csv", ["\u00a0a", "a", "\u3000a\u2003"], ["\u00a01", "1", "2"]
    path.write_text(
        "id,label\n" + "".join(f" {pair[0]}\t, {pair[1]} \n" for pair in zip(ids, labels, strict=True))
    )
    assert labelscsv.read_list(path, 3, ids) == labels
    assert labelscsv.read(path, labels, Form(HEADER, ids)).tolist() == [0, 1, 2]
    path.write_text("label\n" + "".join(f" {label}\t\n" for label in labels))
    assert labelscsv.read_list(path, 3) == labels


def test_blanks_before_the_name_of_a_picture_or_folder_are_part_of_it(tmp_path):
    labelscsv.write_ids(tmp_path / "ids.csv", [" 1", "1"])
    assert labelscsv.read_ids(tmp_path / "ids.csv", 2) == [" 1", "1"]
    labelscsv.write(tmp_path / "s.csv", np.array([1, 0]), ["a", " a"], Form(HEADER, [" 1", "1"]))
    assert labelscsv.read_own(tmp_path / "s.csv", ["a", " a"], 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("ids", "text", "message"),
    [
        (
            "ab",
            "id,label\na,1\nc,2\n",
            "line 3: id 'c' is not an id of a training image; id 'b' is missing: list",
        ),
        (
            "ab",
            "id,label\na,1\n",
            "1 rows, should be 2: id 'b' is missing: list each id of a.csv",
        ),
        ("ab", "id,label\nb,1\nb,2\n", "line 3: id 'b' is already in line 2: delete one"),
        ("ab", "id,label\nb,1\na,\n", "line 3: label '' is not a label: give the row one"),
        (["7", "7"], "id,label\n7,1\n8,2\n", "a.csv: rows 1 and 2 have the same id, '7'"),
        (
            ["7", "07"],
            "id,label\n7,1\n7.0,2\n",
            "line 3: id '7.0' is not an id of a .* image; id '07' is missing",
        ),
    ],
)
def test_labels_whose_ids_are_not_those_of_the_images_are_refused(tmp_path, ids, text, message):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        labelscsv.read_list(tmp_path / "labels.csv", 2, [*ids], "a.csv")


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("id;label\n1;7\n2;8\n", 1, "semicolons"),
        ("label\n1;7\n2;8\n", 2, "semicolons"),
        ("1\t7\n2\t8\n", 1, "tabs"),
        ("1|7\n2|8\n", 1, "vertical bars"),
        ("1 7\n2 8\n", 1, "blanks"),
    ],
)
def test_labels_separated_by_something_else_are_not_read_with_their_ids(tmp_path, text, line, name):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(FormatError, match=rf"line {line}: .* separated by {name}: save .* with commas"):
        labelscsv.read_list(tmp_path / "labels.csv", 2)


def test_a_sample_may_have_no_ids_where_there_are_no_test_images(tmp_path):
    (tmp_path / "sample.csv").write_text("id,label\n")
    form = labelscsv.submission_form({"sample": tmp_path / "sample.csv"}, 0, None, "test.csv")
    assert form == Form(("id", "label"), [])


def test_classes_that_are_told_may_look_separated(tmp_path):
    (tmp_path / "labels.csv").write_text("a;b\n1 7\n")
    assert labelscsv.read_list(tmp_path / "labels.csv", 2, classes=["a;b", "1 7"]) == ["a;b", "1 7"]


@pytest.mark.parametrize("text", ["label\n7\n8\n", "7\n8\n", "Digit\r\n7.0\r\n8.0\r\n", '"a, b"\nka\n'])
def test_one_column_of_labels_is_told_from_other_files(tmp_path, text):
    path = tmp_path / "s.csv"
    path.write_text(text, newline="")
    assert labelscsv.is_list(path)
    labelscsv.check_header(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ImageId\n1\n2\n", "should be the header ImageId,Label"),
        ("ImageId;Label\n1;7\n", "separated by semicolons"),
        ("ImageId\tLabel\n1\t7\n", "separated by tabs"),
        ("\n7\n", "should be the header ImageId,Label"),
        ("label,label\n7,7\n", "should be the header ImageId,Label"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "should be the header"),
        ("<!DOCTYPE html>\n<html>\n", "should be the header ImageId,Label"),
    ],
)
def test_what_is_neither_ids_with_labels_nor_labels_is_no_solution(tmp_path, text, told):
    (tmp_path / "s.csv").write_text(text)
    assert not labelscsv.is_list(tmp_path / "s.csv")
    with pytest.raises(FormatError, match=rf"s\.csv, line 1: .* {told}"):
        labelscsv.check_header(tmp_path / "s.csv")


@pytest.mark.parametrize("line", ["\t,7", ",7", "1,7", "1", "2,7,7"])
def test_a_line_of_a_sample_or_a_submission_without_an_id_of_its_own_is_named(tmp_path, line):
    (tmp_path / "s.csv").write_text(f"id,label\n1,7\n{line}\n")
    for read in (labelscsv.read_sample, lambda path: labelscsv.read_own(path, string.digits, 2)):
        with pytest.raises(FormatError, match=r"s\.csv, line 3: .*, should be an id that no other line has"):
            read(tmp_path / "s.csv")


@pytest.mark.parametrize("line", ["sep=,", '"SEP=;"\r', "\ufeffsep=\t"])
@pytest.mark.parametrize(
    "read", [labelscsv.read_sample, labelscsv.check_header, lambda path: labelscsv.read_list(path, 2)]
)
def test_a_line_that_is_for_excel_only_is_to_be_deleted(tmp_path, line, read):
    (tmp_path / "s.csv").write_text(f"{line}\nImageId,Label\n1,7\n2,0\n", newline="")
    with pytest.raises(
        InputError, match=r"(?i)s\.csv, line 1: '.*sep=.*' is a line for Excel only: delete it"
    ):
        read(tmp_path / "s.csv")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("label\n7\n3\n".encode("utf-16"), ": this looks like UTF-16 text: save it as UTF-8"),
        ("label\n7\n3\n".encode("utf-16-le"), ", line 1: null bytes: this looks like UTF-16"),
        ("label\n7\nä\n".encode("latin-1"), ", line 3: this is not UTF-8: save the file as UTF-8"),
    ],
)
def test_labels_in_another_encoding_are_to_be_saved_as_utf_8(tmp_path, data, message):
    (tmp_path / "labels.csv").write_bytes(data)
    with pytest.raises(InputError, match=f"labels.csv{message}"):
        labelscsv.read_list(tmp_path / "labels.csv", 2)


def test_ids_of_thousands_of_digits_count_no_images(tmp_path):
    ids = [f"{k}" * 5000 for k in (2, 1)]
    (tmp_path / "sample.csv").write_text("id,label\n" + "".join(f"{id_},0\n" for id_ in ids))
    sample = {"sample": str(tmp_path / "sample.csv")}
    assert labelscsv.submission_form(sample, 2, None, "test.csv").ids == ids


def test_a_pixel_csv_in_the_place_of_labels_is_named_without_all_its_columns(tmp_path):
    (tmp_path / "s.csv").write_text(",".join(["label", *(f"pixel{i}" for i in range(784))]) + "\n")
    with pytest.raises(FormatError, match=r"should be the header ImageId,Label") as told:
        labelscsv.check_header(tmp_path / "s.csv")
    assert len(str(told.value)) < len(str(tmp_path)) + 150


def test_ids_come_back_from_their_file(tmp_path):
    ids = ["0", "a,b", "ж"]
    labelscsv.write_ids(tmp_path / "ids.csv", ids)
    assert labelscsv.read_ids(tmp_path / "ids.csv", 3) == ids
    with pytest.raises(FormatError, match="3 ids for 4 images"):
        labelscsv.read_ids(tmp_path / "ids.csv", 4)
    for damaged in ("0\na\nb\n", "id\n0\na,b\nc\n"):
        (tmp_path / "ids.csv").write_text(damaged)
        with pytest.raises(
            FormatError, match=r"ids\.csv: not a list of ids, one per line under the header id"
        ):
            labelscsv.read_ids(tmp_path / "ids.csv", 3)


def test_a_sample_that_counts_the_images_in_another_order_is_refused_where_they_have_no_ids(tmp_path):
    sample = tmp_path / "sample.csv"
    rows = [*range(1, 12)]
    for order, line in ((sorted(rows, key=str), "line 5: ImageId 2 after 11"), (rows[::-1], "line 3")):
        sample.write_text("ImageId,Label\n" + "".join(f"{id_},0\n" for id_ in order))
        with pytest.raises(FormatError, match=f"{line}.* sort them by their numbers"):
            labelscsv.submission_form({"sample": sample}, 11, None, "test.csv")
    for ids in (["7", "5", "40"], ["b", "a", "c"], ["0", "1", "2"]):  # which do not count, or in order
        sample.write_text("ImageId,Label\n" + "".join(f"{id_},0\n" for id_ in ids))
        assert labelscsv.submission_form({"sample": sample}, 3, None, "test.csv").ids == ids
