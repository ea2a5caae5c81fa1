"""What the columns of a CSV are: found if one reading is possible, else asked for with lines to write."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import yaml

from digitflow.base.errors import ConfigError, InputError
from digitflow.dataset import columns, csv_head
from digitflow.formats import pixelcsv

SQUARE = "pixel0,pixel1,pixel2,pixel3"


@pytest.fixture
def csv(tmp_path):
    """A function that writes the text of a CSV and returns its path."""

    def write(text: str):
        path = tmp_path / "train.csv"
        path.write_bytes(text.encode())
        return path

    return write


def rows_of(path, data=None, train=True):
    """Images as lists, labels and ids of a file."""
    layout = columns.decide(path, data or {}, train)
    [block] = pixelcsv.read_blocks(layout)
    return block.images.tolist(), block.labels, block.ids


def message_of(path, data=None, train=True, error=InputError) -> str:
    with pytest.raises(error) as found:
        rows_of(path, data, train)
    return str(found.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize("name", ["label", "Label", "CLASS", "character", "target", "y", "digit", " label "])
def test_the_label_is_found_by_its_name_in_any_case_and_place(csv, name):
    path = csv(f"pixel0,pixel1,{name},pixel2,pixel3\n1,2,eight,3,200\n")
    assert rows_of(path) == ([[[1, 2], [3, 200]]], ["eight"], None)


@pytest.mark.parametrize(
    "names",
    [
        "pixel3,pixel1,pixel2,pixel0",
        "pixel4,pixel2,pixel3,pixel1",
        "pixel0003,pixel0001,pixel0002,pixel0000",
        "pixel_1_1,pixel_0_1,pixel_1_0,pixel_0_0",
        "2x2,1x2,2x1,1x1",
        "3,1,2,0",
        "Block 4,Block 2,Block 3,Block 1",
    ],
)
def test_pixels_are_ordered_by_the_numbers_in_their_names(csv, names):
    assert rows_of(csv(f"label,{names}\n7,200,2,3,1\n"))[0] == [[[1, 2], [3, 200]]]


def names_of(*sizes):
    return ",".join("p_" + "_".join(map(str, place)) for place in np.ndindex(*sizes))


@pytest.mark.parametrize("form", ["r{}c{}", "R{}C{}", "p-{}-{}", "{}-{}", "row_{}_col_{}", "r{}_c{}"])
def test_rows_and_columns_may_be_counted_in_other_ways(csv, form):
    header = ",".join(form.format(y, x) for x in range(4) for y in range(3))
    path = csv(f"label,{header}\n7,{numbers(12)}\n")
    expected = np.arange(12).reshape(4, 3).T.tolist()
    assert rows_of(path)[0] == [expected]
    path = csv(f"{header}\n{numbers(12)}\n")
    data = {"columns": {"label": 0}, "image": {"height": 3, "width": 4}}
    assert rows_of(path, data, train=False) == ([expected], None, None)
    last = form.format(2, 3)
    message = message_of(csv(f"label,{header.removesuffix(last)}{form.format(2, 4)}\n7,{numbers(12)}\n"))
    assert f"columns missing: {form.format(0, 4)!r}, {form.format(1, 4)!r}, {last!r}: each pixel" in message


@pytest.mark.parametrize("names", ["r1c{}", "p-1-{}", "image 2c{}"])
def test_a_single_row_of_such_names_counts_pixels(csv, names):
    header = ",".join(names.format(k) for k in (0, 1, 2, 3))
    assert rows_of(csv(f"label,{header}\n7,1,2,3,200\n"))[0] == [[[1, 2], [3, 200]]]


def test_equal_groups_that_make_an_image_are_to_be_renamed_and_others_to_be_ignored(csv):
    header = ",".join(f"x{x}y{y}" for y in range(4) for x in range(4))
    message = message_of(csv(f"label,{header}\n7,{numbers(16)}\n"))
    assert "rename them by row and column, 0x0, 0x1, ..." in message
    assert "ignore" not in message
    header = ",".join(f"{stem}{k}" for stem in "ab" for k in range(4))
    message = message_of(csv(f"label,{header}\n7,{numbers(8)}\n"))
    assert "the pixels may be any of 'a...', 'b...': list the others in data.columns.ignore" in message


def numbers(count):
    return ",".join(str(number % 256) for number in range(count))


def test_names_that_may_count_pixels_and_colours_are_asked_about(csv):
    path = csv(f"label,{names_of(16, 3)}\n7,{numbers(48)}\n")
    asked, *lines = message_of(path).splitlines()
    assert "48 columns of pixels are named 16 x 3: write one of these lines" in asked
    assert [line.partition("#")[0].strip() for line in lines] == [
        "image: {height: 4, width: 4, channels: 3}",
        "image: {height: 16, width: 3, channels: 1}",
    ]
    for size in ((4, 4, 3), (16, 3, 1)):
        image = dict(zip(("height", "width", "channels"), size, strict=True))
        expected = np.arange(48).reshape(size if size[2] == 3 else size[:2]).tolist()
        assert rows_of(path, {"image": image})[0] == [expected]


def test_named_colour_of_any_size_is_read_as_its_names_say(csv):
    path = csv(f"label,{names_of(4, 5, 3)}\n7,{numbers(60)}\n")
    for image in ({}, {"channels": 3}, {"height": 4, "width": 5, "channels": 3}):
        assert rows_of(path, {"image": image})[0] == [np.arange(60).reshape(4, 5, 3).tolist()]
    message = message_of(path, {"image": {"height": 5}})
    assert "names count 4 x 5 x 3, but data.image says height: 5" in message


@pytest.mark.parametrize("sizes", [(3, 4, 4), (4, 4, 4), (4, 4, 2)])
@pytest.mark.parametrize("image", [{}, {"channels": 3}])
def test_names_that_count_the_channels_first_or_too_many_are_refused(csv, sizes, image):
    count = int(np.prod(sizes))
    path = csv(f"label,{names_of(*sizes)}\n7,{numbers(count)}\n")
    message = message_of(path, {"image": image})
    assert f"names count {' x '.join(map(str, sizes))}: rows, columns and then 1 or 3 channels" in message


def test_a_header_of_more_than_a_mebibyte_is_read_whole(csv):
    side = 330
    names = ",".join(f"pixel{number}" for number in range(side * side))
    assert len(names) > 1 << 20
    path = csv(f"label,{names}\n7,{numbers(side * side)}\n")
    assert columns.decide(path, {}, train=True).shape == (side, side)


def test_labels_below_a_header_of_nearly_a_mebibyte_are_seen_in_a_test_file(csv):
    side = 300
    names = ",".join(f"pixel{number}" for number in range(side * side))
    assert len(names) < 1 << 20 < len(names) + 2 * side * side
    path = csv(f"label,{names}\n7,{numbers(side * side)}\n")
    assert rows_of(path, train=False)[1] == ["7"]


def test_a_first_row_without_an_end_in_sight_is_left_to_those_who_read_the_rows(csv, monkeypatch):
    monkeypatch.setattr(pixelcsv, "HEAD_BYTES", 30)
    monkeypatch.setattr(pixelcsv, "FIRST_LINE_BYTES", 60)
    path = csv(f"label,{SQUARE}\n{'7' * 1000}")
    assert pixelcsv.read_head(path) == f"label,{SQUARE}\n".encode()
    message = message_of(csv("7" * 1000))
    assert message == "train.csv, line 1: no line end in 90 bytes: not a pixel CSV"


def test_no_more_columns_are_taken_for_classes_than_there_are_rows(csv, monkeypatch):
    looks, is_one_hot = [], csv_head.Table.is_one_hot
    monkeypatch.setattr(
        csv_head.Table,
        "is_one_hot",
        lambda table, places, **told: looks.append(len(places)) or is_one_hot(table, places, **told),
    )
    three = f"{'0,' * 400}1,0,0\n{'0,' * 400}0,1,0\n{'0,' * 400}0,0,1\n"
    assert rows_of(csv(three))[1] == ["0", "1", "2"]
    assert max(looks) <= 3


def test_file_names_in_a_test_file_without_a_header_are_asked_about(csv):
    path = csv("a.png,1,2,3,200\nb.png,4,5,6,7\n")
    assert rows_of(path)[1] == ["a.png", "b.png"]
    message = message_of(path, train=False)
    for line in ("columns: {id: 0}", "columns: {label: 0}"):
        assert line in message
    assert rows_of(path, {"columns": {"id": 0}}, train=False)[1:] == (None, ["a.png", "b.png"])


def test_a_column_without_a_name_is_ignored_wherever_it_stands(csv):
    data = {"columns": {"ignore": [""]}}
    assert rows_of(csv(f"label,{SQUARE},\n7,1,2,3,200,\n"), data)[0] == [[[1, 2], [3, 200]]]
    assert rows_of(csv(f"{SQUARE},\n1,2,3,200,\n"), data, train=False)[0] == [[[1, 2], [3, 200]]]


def test_the_name_of_two_columns_is_told_with_their_places(csv):
    path = csv(f"x,x,{SQUARE}\n7,0,1,2,3,200\n")
    assert "'x' is the name of 2 columns: give the place of the right one, 0 or 1" in message_of(
        path, {"columns": {"label": "x"}}
    )


def test_without_a_header_a_column_is_told_by_its_place(csv):
    message = message_of(csv("7,1,2,3,200\n"), {"columns": {"label": "digit"}}, error=ConfigError)
    assert message == (
        "data.columns: 'digit': train.csv has no header; give the column's place, such as 0 or -1"
    )


def test_names_that_count_rows_and_columns_give_the_size(csv):
    names = ",".join(f"{row}x{column}" for row in (1, 2) for column in (1, 2, 3))
    assert columns.decide(csv(f"label,{names}\n"), {}, train=True).shape == (2, 3)


@pytest.mark.parametrize(("pixels", "shape"), [(4, (2, 2)), (12, (2, 2, 3)), (192, (8, 8, 3)), (64, (8, 8))])
def test_the_size_is_found_where_one_square_fits(csv, pixels, shape):
    header = ",".join(["label", *(f"p{k}" for k in range(pixels))])
    assert columns.decide(csv(header), {}, train=True).shape == shape


def test_a_size_that_is_no_square_is_asked_for(csv):
    header = ",".join(["label", *(f"p{k}" for k in range(6))])
    assert message_of(csv(header)).splitlines() == [
        "train.csv, line 1: 6 columns of pixels make no square: write one of these lines under data: in the "
        "configuration:",
        "  image: {height: 2, width: 3, channels: 1}  # 2 x 3 images",
        "  image: {height: 3, width: 2, channels: 1}  # 3 x 2 images",
        "these are only the likeliest sizes; digitflow describe with --sheet shows how the images look",
    ]
    assert columns.decide(csv(header), {"image": {"height": 2, "channels": 1}}, train=True).shape == (2, 3)


def test_colour_is_offered_where_it_fits_and_alone_where_it_is_told(csv):
    path = csv(",".join(["label", *(f"p{k}" for k in range(1680))]))
    upright = "  image: {height: 28, width: 20, channels: 3}  # 28 x 20 RGB images"
    assert upright in message_of(path).splitlines()
    offered = message_of(path, {"image": {"channels": 3}}).splitlines()[1:-1]
    assert upright in offered
    assert all("RGB" in line for line in offered)
    assert "do not fit data.image" in message_of(path, {"image": {"channels": 3, "height": 9}})


def test_a_transposed_image_stands_upright_and_has_the_height_that_is_told(csv):
    data = {"image": {"height": 3, "width": 2, "transpose": True}}
    header = ",".join(["label", *(f"p{k}" for k in range(6))])
    images, *_ = rows_of(csv(f"{header}\n0,1,2,3,40,50,60\n"), data)
    assert images == [[[1, 40], [2, 50], [3, 60]]]


PLANES = {"image": {"channels": 3, "planar": True}}


def test_names_may_count_the_channels_first(csv):
    header = ",".join(f"p_{channel}_{y}_{x}" for channel in range(3) for y in range(2) for x in range(2))
    path = csv(f"label,{header}\n0,1,2,3,4,10,20,30,40,100,150,200,250\n")
    images, *_ = rows_of(path, PLANES)
    assert images == [[[[1, 10, 100], [2, 20, 150]], [[3, 30, 200], [4, 40, 250]]]]
    assert "if the 3 channels come first, write image: {channels: 3, planar: true}" in message_of(path)


@pytest.mark.parametrize("sizes", [(4, 5, 3), (20, 3)])
def test_names_that_count_the_channels_last_are_not_planar(csv, sizes):
    path = csv(f"label,{names_of(*sizes)}\n7,{numbers(60)}\n")
    message = message_of(path, {"image": {"channels": 3, "planar": True}})
    assert "names count the 3 channels last" in message
    assert "take planar: true out of data.image" in message


@pytest.mark.parametrize("image", [{}, {"height": 3, "width": 2}])
def test_names_that_count_columns_first_are_read_with_transpose(csv, image):
    path = csv(f"label,{names_of(2, 3)}\n0,1,2,3,40,50,60\n")
    images, *_ = rows_of(path, {"image": {"transpose": True, **image}})
    assert images == [[[1, 40], [2, 50], [3, 60]]]


def test_planes_whose_pixels_come_column_by_column_stand_upright(csv):
    data = {"image": {"height": 1, "width": 2, "channels": 3, "planar": True, "transpose": True}}
    header = ",".join(["label", *(f"p{k}" for k in range(6))])
    images, *_ = rows_of(csv(f"{header}\n0,1,2,10,20,100,200\n"), data)
    assert images == [[[[1, 10, 100], [2, 20, 200]]]]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_separator_is_found_in_the_header(csv, separator):
    text = f"label,{SQUARE}\n7,1,2,3,200\n".replace(",", separator)
    assert rows_of(csv(text)) == ([[[1, 2], [3, 200]]], ["7"], None)


def test_blanks_separate_however_many_there_are(csv):
    data = {"columns": {"label": -1}}
    assert rows_of(csv(" 1  2 3 200 7 \r\n"), data) == ([[[1, 2], [3, 200]]], ["7"], None)


def test_without_a_header_the_label_is_asked_for_with_both_lines(csv):
    assert message_of(csv("3,0,0,9,200\n3,0,0,8,100\n")).splitlines()[1:] == [
        "  columns: {label: 0}   # the first column is the label, here only 3",
        "  columns: {label: -1}  # the last column is the label, here 200, 100",
    ]


def test_words_without_a_header_can_only_be_the_label(csv):
    assert rows_of(csv("ka,0,0,9,200\n")) == ([[[0, 0], [9, 200]]], ["ka"], None)


def test_words_in_most_columns_may_be_names_though_the_lines_below_have_words_there_too(csv):
    message = message_of(csv("cat,v,w,1\ndog,v,u,2\n"))
    assert message.startswith("train.csv, line 1: numbers and 'cat', 'v', 'w' may be names or a row")


def test_a_row_that_is_not_read_to_its_end_at_first_says_nothing_about_the_columns(csv, monkeypatch):
    monkeypatch.setattr(pixelcsv, "HEAD_BYTES", 30)
    path = csv("1,2,3,200,cat\n5,6,7,8,dog\n9,9,9,9,cat\n")  # of the third row it has a word less
    assert path.read_bytes()[:30].endswith(b"\n9,9,")
    assert rows_of(path)[1] == ["cat", "dog", "cat"]


def test_a_byte_order_mark_before_a_row_that_is_not_read_to_its_end_changes_nothing(csv, monkeypatch):
    monkeypatch.setattr(pixelcsv, "HEAD_BYTES", 30)
    path = csv("\ufeff1,2,3,200,cat\n5,6,7,8,dog\n9,9,9,9,cat\n")
    assert path.read_bytes()[:30].endswith(b"\n9")
    assert rows_of(path)[1] == ["cat", "dog", "cat"]


def test_a_header_that_was_compared_with_the_rows_is_none_of_them(csv):
    path = csv("label,10,30,20,40\n7,1,2,3,200\n")  # the lines below tell that these are names
    assert csv_head.read_first_lines(path, {}, needed=True).rows == [[b"7", b"1", b"2", b"3", b"200"]]


def test_numbers_that_count_may_be_names_or_pixels_and_are_asked_about(csv):
    path = csv("0,1,2,3\n9,8,7,200\n")
    message = message_of(path, train=False)
    assert "columns: {header: true} " in message
    assert "columns: {header: false}" in message
    assert rows_of(path, {"columns": {"header": True}}, train=False)[0] == [[[9, 8], [7, 200]]]


def test_a_number_of_thousands_of_digits_counts_no_columns(csv):
    message = message_of(csv(f"0,1,2,{'3' * 5000}\n0,1,2,3\n"), train=False)
    assert message.startswith("train.csv, line 1, column 4: '3333333")


def in_text_order(count):
    return ",".join(sorted(map(str, range(count))))


def test_names_that_count_in_the_order_of_text_are_no_image(csv):
    image = ",".join(["9"] * 16)
    path = csv(f"{in_text_order(16)}\n{image}\n")
    assert "0 to 15 may be names or pixels" in message_of(path, train=False)
    pixels, *_ = rows_of(path, {"columns": {"header": True}}, train=False)
    assert pixels == [[[9] * 4] * 4]
    path = csv(f"{in_text_order(16)},label\n{image},a\n{image},b\n")
    assert rows_of(path)[1] == ["a", "b"]
    path = csv(f"{in_text_order(784)}\n{','.join(['9'] * 784)}\n")
    assert len(rows_of(path, train=False)[0]) == 1


def test_a_row_with_the_name_of_labels_as_its_label_is_a_row_if_numbers_repeat(csv):
    data = {"columns": {"label": 0}}
    black = ",".join(["0"] * 14)
    assert rows_of(csv(f"y,{black},9,200\n5,{black},8,100\n"), data)[1] == ["y", "5"]
    assert "may be names or a row" in message_of(csv("label,1,2,2,3\n5,0,0,8,100\n"), {})
    assert "may be names or a row" in message_of(csv("y,1,2,3,200\nx,1,2,3,200\n"), data)


def test_a_first_row_that_was_taken_for_a_header_and_saved_is_named(csv):
    message = message_of(csv("0,0.1,0.2,0.3,3\n0,0,0,9,200\n"), {"columns": {"label": 0}})
    assert message.startswith(
        "train.csv, line 1: '0.1' where the lines below have whole numbers: the first row"
    )


@pytest.mark.parametrize(
    ("rows", "listed"),
    [
        ("ka,0,0,9,200,1\nki,0,0,8,100,2\n", "column 1"),
        ("0,ka,v,0,0,9,200\n0,ki,u,0,0,8,100\n", "columns 2, 3"),
        ("a,b,c,d,e,f,9,9,9,9,9,9,9,9,8\n" * 2, "columns 1, 2, 3, 4, 5, ..."),
    ],
)
def test_words_that_cannot_all_be_the_label_are_told_with_their_places(csv, rows, listed):
    assert message_of(csv(rows)).startswith(f"train.csv, line 1: words in {listed}, and no header: give the")


def test_columns_that_are_not_known_are_listed_and_those_that_are_there_twice(csv):
    unknown = message_of(csv(f"a,b,c,d,label,{SQUARE}\n1,2,3,4,7,1,2,3,200\n"))
    assert unknown.startswith(
        "train.csv, line 1: columns not known: 'a', 'b', 'c', 'd': if they are not needed"
    )
    doubled = message_of(csv(f"a,a,b,label,{SQUARE}\n1,2,3,7,1,2,3,200\n"))
    assert doubled.startswith("train.csv, line 1: columns not known: 'a', 'a', 'b'; more than once: 'a': if")


def test_an_index_that_pandas_has_named_is_asked_about(csv):
    message = message_of(csv(f"Unnamed: 0,label,{SQUARE}\n0,7,1,2,3,200\n"))
    told = (
        'columns: {ignore: ["Unnamed: 0"]}  # Unnamed: 0 is not needed, such as the row numbers that pandas'
    )
    assert told in message


def test_ids_are_kept_and_an_index_is_asked_about(csv):
    assert rows_of(csv(f"id,{SQUARE}\na7,1,2,3,200\n"), train=False) == ([[[1, 2], [3, 200]]], None, ["a7"])
    path = csv(f",label,{SQUARE}\n0,7,1,2,3,200\n")
    assert 'columns: {ignore: [""]}  # the column without a name is not needed' in message_of(path)
    assert rows_of(path, {"columns": {"ignore": [0]}}) == ([[[1, 2], [3, 200]]], ["7"], None)


@pytest.mark.parametrize(("header", "offered"), [(",label", True), (",label,id", False)])
def test_an_index_is_offered_as_ids_only_where_there_are_none(csv, header, offered):
    message = message_of(csv(f"{header},{SQUARE}\n{'0,' * (header.count(',') + 1)}1,2,3,200\n"))
    assert 'columns: {ignore: [""]}' in message
    assert ('columns: {id: ""}' in message) == offered


def test_two_columns_that_may_be_the_label_are_asked_about(csv):
    path = csv(f"label,class,{SQUARE}\n1,seven,1,2,3,200\n")
    assert "columns: {label: label, ignore: [class]}  # label is the label" in message_of(path)
    assert rows_of(path, {"columns": {"label": "class", "ignore": ["label"]}})[1] == ["seven"]
    message = message_of(csv(f"label,label,{SQUARE}\n1,seven,1,2,3,200\n"))
    assert message == "train.csv, line 1: more than one column is called 'label': keep one of them"


def test_a_label_column_of_another_name_can_be_told(csv):
    path = csv(f"what,{SQUARE}\n7,1,2,3,200\n")
    assert "columns: {label: what}" in message_of(path)
    assert rows_of(path, {"columns": {"label": "what"}})[1] == ["7"]
    message = message_of(path, {"columns": {"label": "where"}})
    assert message.startswith(
        "train.csv, line 1: no column 'where', which data.columns.label names; there are 'what'"
    )


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (f"class_b,class_a,{SQUARE}", "0,1,1,2,3,200\n1,0,1,2,3,200"),
        (f"{SQUARE},label_b,label_a", "1,2,3,200,0.0,1.0\n1,2,3,200,1.0,0.0"),
    ],
)
def test_a_one_hot_label_is_found_by_its_names(csv, header, row):
    assert rows_of(csv(f"{header}\n{row}\n"))[1] == ["a", "b"]


def sorted_one_hot(stem: str, classes: int = 4, rows: int = 2 * csv_head.SAMPLE) -> str:
    """A CSV with one column for each class, sorted by class, this many rows of each."""
    lines = [",".join([str(int(k == row)) for k in range(classes)]) for row in range(classes)]
    header = ",".join(f"{stem}{k}" for k in range(classes))
    pixels = ",".join(f"pixel{k}" for k in range(9))
    return f"{header},{pixels}\n" + "".join(f"{line},{numbers(9)}\n" * rows for line in lines)


@pytest.mark.parametrize("train", [True, False])
def test_a_one_hot_label_is_found_by_its_names_if_the_first_rows_have_one_class(csv, train):
    layout = columns.decide(csv(sorted_one_hot("label_")), {}, train)
    assert layout.one_hot == tuple((k, str(k)) for k in range(4))


@pytest.mark.parametrize(("stem", "classes"), [("c", 4), ("c", 3), ("label_", 2)])
def test_what_may_be_a_one_hot_label_in_rows_sorted_by_class_is_asked_about(csv, stem, classes):
    path = csv(sorted_one_hot(stem, classes))
    first, *others = message_of(path).splitlines()[1:]
    data = yaml.safe_load(first.partition("#")[0])
    assert data == {"columns": {"label": [f"{stem}{k}" for k in range(classes)]}}
    assert any("columns: {ignore: [" in line for line in others)
    assert len(columns.decide(path, data, train=True).one_hot) == classes


def test_a_one_hot_label_can_be_told_and_must_have_a_single_1(csv):
    path = csv("1,2,3,200,0,1\n1,2,3,200,1,1\n")
    message = message_of(path, {"columns": {"label": [-2, -1]}})
    assert message == "train.csv, line 2, columns 5 to 6: '1,1' is not a single 1 among zeros"


@pytest.mark.parametrize("separator", [",", " "])
@pytest.mark.parametrize("header", ["", f"label,{SQUARE}"])
def test_what_numpy_savetxt_writes_is_read(tmp_path, header, separator):
    """Labels such as 7.000000000000000000e+00, and a header after a number sign."""
    table = np.array([[7, 0, 1, 2, 200], [0, 4, 5, 6, 255], [1e3, 9, 9, 9, 9]])
    header = header.replace(",", separator)
    np.savetxt(tmp_path / "train.csv", table, delimiter=separator, header=header)
    data = {"values": {"from": 0, "to": 255}, "columns": {} if header else {"label": 0}}
    images, labels, _ = rows_of(tmp_path / "train.csv", data)
    assert (np.reshape(images, (3, 4)) == table[:, 1:]).all()
    assert labels == ["7", "0", "1000"]


def test_a_number_sign_elsewhere_is_part_of_a_name(csv):
    path = csv(f"label,# of strokes,{SQUARE}\n7,4,1,2,3,200\n")
    assert rows_of(path, {"columns": {"ignore": ["# of strokes"]}})[1] == ["7"]


@pytest.mark.parametrize("prefix", ["label", "shape"])
def test_what_get_dummies_of_pandas_writes_is_read(tmp_path, prefix):
    pixels = pd.DataFrame([[0, 1, 2, 200]] * 3, columns=SQUARE.split(","))
    hot = pd.get_dummies(pd.Series(["b", "c", "a"]), prefix=prefix)
    pd.concat([hot, pixels], axis=1).to_csv(tmp_path / "train.csv", index=False)
    data = {}
    if prefix != "label":
        message = message_of(tmp_path / "train.csv")
        assert "a column for each class, one of which is 1" in message
        data = yaml.safe_load(message.splitlines()[1])
    start = f"{prefix}_" if data else ""  # of names that were told nothing is left out
    assert rows_of(tmp_path / "train.csv", data)[1] == [f"{start}{label}" for label in "bca"]


def test_two_flags_may_be_no_label(csv):
    path = csv(f"left,right,{SQUARE}\n0,1,1,2,3,200\n1,0,1,2,3,200\n")
    assert "columns: {ignore: [left, right]}" in message_of(path)
    assert "label: [" not in message_of(path, {"labels_csv": "labels.csv"})


def test_a_one_hot_label_of_words_is_found_without_a_header(csv):
    path = csv("True,False,1,2,3,200\nFalse,True,1,2,3,200\n")
    assert rows_of(path)[1] == ["0", "1"]


def test_labels_with_gaps_and_of_any_script_are_read(csv):
    labels = ["24", "ж", "character_01_ka", "-1", "٣", "a/b"]
    path = csv(f"label,{SQUARE}\n" + "".join(f"{label},1,2,3,200\n" for label in labels))
    assert rows_of(path)[1] == labels


@pytest.mark.parametrize("label", ["", "nan", "2.5", "NA", "N/A", "<NA>", "NULL", "None"])
def test_what_is_no_label_is_named(csv, label):
    path = csv(f"label,{SQUARE}\n{label},1,2,3,200\n")
    message = message_of(path)
    assert message.startswith(f"train.csv, line 2, column label: {label!r} is ")
    if label:
        assert message.endswith("if it is a name, list all labels in data.classes") or label == "2.5"
        assert rows_of(path, {"classes": [label, "other"]})[1] == [label]


def test_an_empty_column_of_labels_in_a_test_file_is_one_to_be_filled_in(csv):
    path = csv(f"label,{SQUARE}\n,1,2,3,200\n,1,2,3,200\n")
    assert rows_of(path, train=False)[1] is None
    rows = ",1,2,3,200\n" * csv_head.SAMPLE
    message = message_of(csv(f"label,{SQUARE}\n{rows}7,1,2,3,200\n"), train=False)
    assert message.startswith(
        "train.csv, line 502, column label: '7' is a label, but the first rows have none"
    )
    assert message_of(path).startswith("train.csv, line 2, column label: '' is not a label")
    path = csv(f"label,{SQUARE}\nNA,1,2,3,200\n,1,2,3,200\n")
    assert rows_of(path, train=False)[1] is None
    path = csv(f"label,{SQUARE}\nNA,1,2,3,200\nNA,1,2,3,200\n")
    assert rows_of(path, {"classes": ["NA", "other"]}, train=False)[1] == ["NA", "NA"]


def test_classes_that_are_told_are_the_only_ones(csv):
    path = csv(f"label,{SQUARE}\nc,1,2,3,200\n")
    message = message_of(path, {"classes": ["a", "b"]})
    assert message == "train.csv, line 2, column label: 'c' is not a class from 'a', 'b'"
    for classes, message in (
        ([True, "b"], "data.classes: True is not a label: write it in quotes"),
        (["a", "b", "a"], "data.classes: 'a' is listed more than once"),
    ):
        assert message_of(path, {"classes": classes}, error=ConfigError) == message


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ("0,1,1,1", "0, to: 1"),
        ("0,8,16,4", "0, to: 16"),
        ("0.0,0.5,1.0,0.25", "0, to: 1"),
        ("-1,0,1.0,0.5", "-1, to: 1"),
        ("0.0,13.0,16.0,4.0", "0, to: 16"),
        ("0.0,13.0,255.0,4.0", "0, to: 255"),
    ],
)
def test_numbers_of_another_scale_stop_with_the_line_that_fits(csv, cells, values):
    assert f"values: {{from: {values}}} under data: in the configuration" in message_of(
        csv(f"label,{SQUARE}\n7,{cells}\n")
    )


@pytest.mark.parametrize(("start", "end"), [(0, 1), (-1, 1), (0, 16), (0, 255), (0, 65535), (0.5, 1.5)])
def test_values_are_mapped_exactly_and_what_is_out_of_range_stops(csv, start, end):
    data = {"values": {"from": start, "to": end}}
    levels = np.arange(256).reshape(64, 4)
    lines = [",".join(repr(start + (end - start) * int(level) / 255) for level in row) for row in levels]
    path = csv(f"label,{SQUARE}\n" + "".join(f"7,{line}\n" for line in lines))
    images, *_ = rows_of(path, data)
    assert np.array_equal(np.array(images).reshape(64, 4), levels)
    message = message_of(csv(f"label,{SQUARE}\n7,0.5,{end},{end + 0.001},{start}\n"), data)
    assert f"is not a number from {start:g} to {end:g}" in message


def test_values_that_end_before_they_begin_are_refused():
    with pytest.raises(ConfigError, match="from 1 to 0: the first number must be the lower one"):
        columns.values_of({"values": {"from": 1, "to": 0}})


def test_whole_numbers_that_are_right_as_they_are_can_be_told(csv):
    data = {"values": {"from": 0, "to": 255}}
    assert rows_of(csv(f"label,{SQUARE}\n7,0,1,1,0\n"), data)[0] == [[[0, 1], [1, 0]]]


def test_a_train_file_may_have_its_labels_elsewhere_but_not_twice(csv):
    data = {"labels_csv": "labels.csv"}
    assert rows_of(csv(f"{SQUARE}\n1,2,3,200\n"), data)[1] is None
    for label, cell in (("label", "7"), ("class_0,class_1,class_2", "0,1,0")):
        path = csv(f"{label},{SQUARE}\n{cell},1,2,3,200\n")
        assert "labels in this file and in data.labels_csv" in message_of(path, data)


FOREIGN = {
    "an IDX file": b"\0\0\x08\x03" + bytes(20),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n",
    "a Parquet file": b"PAR1",
    "an ARFF file": b"% a comment\n\n@RELATION digits\n",
    "libsvm text": b"7 1:0.5 2:-1 256:0.25\n",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 76775041\n",
    "a web page": b"<!DOCTYPE html>\n<title>Sign in</title>",
    "a numpy array (npy)": b"\x93NUMPY\1\0",
    "an Excel workbook (xls)": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "JSON": b'{"label": [7]}',
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_csv_is_named_for_what_it_is_with_the_way_on(tmp_path, what):
    path = tmp_path / "train.csv"
    path.write_bytes(FOREIGN[what])
    message = message_of(path)
    assert f"train.csv: this looks like {what}" in message
    assert ": " in message.partition(what)[2]


@pytest.mark.parametrize(
    ("told", "row"),
    [
        ({"label": 0, "ignore": [1]}, "99,{}"),
        ({"label": 0, "ignore": [-1]}, "{},99"),
        ({"label": 9, "id": -1}, "{},99"),
        ({"label": 10, "id": 0}, "99,{}"),
        ({"label": 1, "id": 0, "ignore": [-1]}, "99,{},77"),
        ({"label": [0, 1, 2], "ignore": [3]}, "99,{}"),
        ({"label": [-3, -2, -1], "ignore": [0]}, "99,{}"),
    ],
)
def test_without_the_label_the_places_behind_it_move_up_in_a_test_file(csv, told, row):
    pixels = ",".join(map(str, range(10, 100, 10)))
    images, labels, _ = rows_of(csv(f"{row.format(pixels)}\n" * 2), {"columns": told}, train=False)
    assert images == [np.arange(10, 100, 10).reshape(3, 3).tolist()] * 2
    assert labels is None


@pytest.mark.parametrize("told", [{"label": 0, "ignore": [10]}, {"label": 9, "id": 10}])
def test_a_test_file_without_one_of_two_columns_is_asked_which(csv, told):
    message = message_of(csv(f"{numbers(10)}\n"), {"columns": {"header": False, **told}}, train=False)
    assert "10 columns, and data.columns names the one at 10: is this column missing" in message
    assert "Give the places behind the label from the end" in message


# 3 x 3 pixels under the label, 7 and then 2, but without the column that `data.columns` also names.
@pytest.mark.parametrize(
    ("told", "row", "classes"),
    [
        ({"label": 0, "ignore": [-1]}, "{label},{pixels}", "auto"),
        ({"label": 0, "ignore": [5]}, "{label},{pixels}", 10),
        ({"label": 0, "id": -1}, "{label},{pixels}", "auto"),
        ({"label": -1, "ignore": [0]}, "{pixels},{label}", "auto"),
        ({"label": 10, "id": 0}, "{pixels},{label}", "auto"),
        ({"label": 1, "id": 0, "ignore": [-1]}, "5,{label},{pixels}", ["2", "7"]),
    ],
)
def test_a_test_file_with_labels_and_without_another_column_is_not_read_as_one_without_labels(
    csv, told, row, classes
):
    rows = [row.format(label=label, pixels=numbers(9)) for label in (7, 2)]
    data = {"columns": {"header": False, **told}, "classes": classes}
    message = message_of(csv("\n".join(rows) + "\n"), data, train=False)
    other = told["ignore"][0] if "ignore" in told else told["id"]
    assert f"is the label missing here, or the column at {other}? Column" in message
    assert "may be the label, here 7, 2; give the files headers, or give this one all columns" in message


def test_a_pixel_that_is_no_class_is_not_taken_for_the_label_of_a_test_file(csv):
    path = csv(f"30,{numbers(8)},99\n40,{numbers(8)},99\n")
    data = {"columns": {"header": False, "label": 0, "ignore": [-1]}, "classes": 10}
    images, labels, _ = rows_of(path, data, train=False)
    assert (np.ravel(images)[[0, 9]].tolist(), labels) == ([30, 40], None)


@pytest.mark.parametrize(
    ("label", "header", "row", "ids"),
    [
        (0, "pixel0,pixel1,pixel2,pixel3", "1,2,3,200", None),
        (0, "pixel1,pixel2,pixel3,pixel4", "1,2,3,200", None),
        (-1, "pixel0,pixel1,pixel2,pixel3", "1,2,3,200", None),
        (0, "id,pixel0,pixel1,pixel2,pixel3", "9,1,2,3,200", ["9"]),
        ([0, 1], "pixel0,pixel1,pixel2,pixel3", "1,2,3,200", None),
    ],
)
def test_a_test_file_may_have_ids_or_pixels_where_labels_are_given_by_place(csv, label, header, row, ids):
    data = {"columns": {"label": label}}
    assert rows_of(csv(f"{header}\n{row}\n"), data, train=False) == ([[[1, 2], [3, 200]]], None, ids)


def test_a_test_files_column_of_another_name_at_the_labels_place_is_asked_about_and_may_be_ids(csv):
    path = csv("filename,pixel0,pixel1,pixel2,pixel3\na.png,1,2,3,200\n")
    with pytest.raises(InputError) as error:
        rows_of(path, {"columns": {"label": 0}}, train=False)
    first, second = (yaml.safe_load(line) for line in str(error.value).splitlines()[1:])
    assert first == {"columns": {"label": 0, "id": "filename"}}
    assert second == {"columns": {"label": "filename"}}
    expected = [[[1, 2], [3, 200]]], None, ["a.png"]
    assert rows_of(path, first, train=False) == expected
    by_place = {"columns": {"label": 0, "id": 0}}
    assert rows_of(csv("a.png,1,2,3,200\n"), by_place, train=False) == expected
    # The training file has no header, and labels there.
    assert rows_of(csv("7,1,2,3,200\n"), first) == ([[[1, 2], [3, 200]]], ["7"], None)
    with pytest.raises(ConfigError, match=r"label and id are the same column of .*, column 0; leave one"):
        rows_of(csv("7,1,2,3,200\n"), by_place)


@pytest.mark.parametrize(
    ("header", "told", "row", "test_header", "test_row"),
    [
        ("V1,V2,V3,V4,V5", {"label": "V1"}, "7,1,2,3,200", "V1,V2,V3,V4", "1,2,3,200"),
        ("V1,V2,V3,V4,V5", {"label": 0}, "7,1,2,3,200", "V1,V2,V3,V4", "1,2,3,200"),
        ("x0,x1,x2,x3,x4", {"label": "x0"}, "7,1,2,3,200", "x0,x1,x2,x3", "1,2,3,200"),
        (
            "x0,x1,x2,x3,x4,x5",
            {"label": "x1", "id": "x0"},
            "a,7,1,2,3,200",
            "x0,x1,x2,x3,x4",
            "a,1,2,3,200",
        ),
        (
            "x0,x1,x2,x3,x4,x5",
            {"label": "x1", "ignore": ["x0"]},
            "9,7,1,2,3,200",
            "x0,x1,x2,x3,x4",
            "9,1,2,3,200",
        ),
    ],
)
def test_the_label_may_be_called_like_a_pixel_and_a_pixel_of_the_test_file_like_the_label(
    csv, header, told, row, test_header, test_row
):
    """As in R, which calls columns without names V1, V2, ..."""
    data, pixels = {"columns": told}, [[[1, 2], [3, 200]]]
    ids = ["a"] if "id" in told else None
    assert rows_of(csv(f"{header}\n{row}\n"), data) == (pixels, ["7"], ids)
    assert rows_of(csv(f"{header}\n{row}\n"), data, train=False) == (pixels, ["7"], ids)
    assert rows_of(csv(f"{test_header}\n{test_row}\n"), data, train=False) == (pixels, None, ids)


def test_a_pixel_that_is_ignored_is_missing(csv):
    path = csv("label,pixel1,pixel2,pixel3,pixel4\n7,1,2,3,200\n")
    message = message_of(path, {"columns": {"ignore": ["pixel1"]}})
    assert "columns missing: 'pixel1': each pixel needs one column" in message


def test_a_large_number_in_a_name_takes_no_memory(csv):
    tracemalloc.start()
    message = message_of(csv("label,pixel999999999\n7,1\n"))
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
    assert "columns too few: 1 of 999,999,999" in message


@pytest.mark.parametrize("label", [[0, 1, 2, 3], ["class1", "class2", "class3", "class4"]])
def test_columns_of_a_one_hot_label_are_no_image(csv, label):
    path = csv(f"class1,class2,class3,class4,{SQUARE}\n0,0,1,0,1,2,3,200\n")
    expected = [[[1, 2], [3, 200]]], ["class3"], None
    assert rows_of(path, {"columns": {"label": label}}, train=False) == expected


@pytest.mark.parametrize("header", ["label,pixel0,pixel1,pixel2,pixel3", "x0,x1,x2,x3,x4"])
def test_labels_of_a_test_file_are_read_where_they_are_given_by_place(csv, header):
    path, data = csv(f"{header}\n7,1,2,3,200\n"), {"columns": {"label": 0}}
    assert rows_of(path, data, train=False) == rows_of(path, data) == ([[[1, 2], [3, 200]]], ["7"], None)


def in_all_files(white: int, other: int) -> str:
    """What is said of numbers that go to `white` in one file and may go to `other` in another."""
    return (
        f"if 0 is black and {white} white in all files, for which data.values is one scale, write values: "
        f"{{from: 0, to: {white}}} under data: in the configuration; if only in this one, rescale it to "
        f"numbers from 0 to {other}"
    )


@pytest.mark.parametrize(
    ("values", "highest", "told"),
    [
        (1, 255, f"the numbers go from 0 to 255: {in_all_files(255, 1)}"),
        (255, 65_000, f"the numbers go from 0 to 65000: {in_all_files(65_535, 255)}"),
        (1, 70_000, "the numbers go from 0 to 70000: data.values does not fit them"),
    ],
)
def test_values_that_do_not_fit_the_numbers_are_told_from_a_few_wrong_numbers(csv, values, highest, told):
    data = {"values": {"from": 0, "to": values}}
    rows = f"1,0,{highest},{highest},0\n"
    last = message_of(csv(f"label,{SQUARE}\n{rows * 8}"), data).splitlines()[-1]
    assert last == told
    assert "the numbers" not in message_of(csv(f"label,{SQUARE}\n{rows}"), data)


RESCALE = "rescale this file to numbers from 0 to 1, because data.values is one scale for all files"


@pytest.mark.parametrize(
    ("values", "pixels", "told"),
    [
        (None, "0,0.5,1,0.25", f"the numbers go from 0 to 1: {in_all_files(1, 255)}"),
        (
            None,
            "0,1,0,1",
            f"nearly black on a scale to 255: {in_all_files(1, 255)}; or, if they are right as they are, "
            "write values: {from: 0, to: 255}",
        ),
        ({"from": 0, "to": 1}, "0,1,255,3", f"the numbers go from 0 to 255: {RESCALE}"),
        ({"from": 0, "to": 1}, "0,1,70000,3", f"the numbers go from 0 to 70000: {RESCALE}"),
    ],
)
def test_a_test_file_on_another_scale_is_to_be_rescaled(csv, values, pixels, told):
    path = csv(f"{SQUARE}\n" + f"{pixels}\n" * 20)
    assert message_of(path, {"values": values}, train=False).endswith(told)


STANDARDISED = "-0.4242,2.8215,0.5,1\n"


def test_numbers_of_no_usual_scale_are_told_with_their_range_and_the_line_to_write(csv):
    write = "write values: {from: A, to: B} under data: in the configuration"
    path = csv(f"label,{SQUARE}\n" + f"7,{STANDARDISED}" * 20)
    line = message_of(path).splitlines()[-1]
    assert line == f"the numbers go from -0.4242 to 2.8215: if A is black and B white, {write}"
    assert rows_of(path, {"values": {"from": -0.4242, "to": 2.8215}})[0][0] == [[0, 255], [73, 112]]
    line = message_of(csv(f"{SQUARE}\n" + STANDARDISED * 20), train=False).splitlines()[-1]
    assert f"if A is black and B white in all files, for which data.values is one scale, {write}" in line
    assert line.endswith("; if only in this one, rescale it to numbers from 0 to 255")
    assert "the numbers go" not in message_of(csv(f"label,{SQUARE}\n7,{STANDARDISED}"))
    *_, word, line = message_of(
        csv(f"label,{SQUARE}\n" + f"7,{STANDARDISED}" * 20 + "7,x,1,2,3\n")
    ).splitlines()
    assert word.startswith("the first of another kind: ")
    assert "line 22, " in word
    assert line.startswith("the numbers go from -0.4242 to 3: ")


@pytest.mark.parametrize("separator", [",", " "])
def test_names_of_rows_that_the_header_does_not_have_are_told_once(csv, separator):
    rows = "".join(f'"{row}",7,1,2,3,200\n' for row in range(20))
    message = message_of(csv(f"label,{SQUARE}\n{rows}".replace(",", separator)))
    assert message == (
        "train.csv: the rows have 6 cells, one more than the header in line 1: are the first ones names of "
        "the rows? R leaves them out by write.csv(..., row.names = FALSE)"
    )


@pytest.mark.parametrize(("separator", "name"), [(",", "comma"), (";", "semicolon"), ("\t", "tab")])
def test_a_separator_at_the_end_of_each_row_is_told_once(csv, separator, name):
    message = message_of(csv((f"label,{SQUARE}\n" + "7,1,2,3,200,\n" * 20).replace(",", separator)))
    assert message.endswith(f"one more than the header in line 1: delete the {name} at the end of each line")
    longer = message_of(csv((f"label,{SQUARE}\n7,1,2,3,200\n" + "7,1,2,3,200,\n").replace(",", separator)))
    assert "line 3: 6 cells, not 5" in longer


def test_decimal_commas_are_named_where_reading_stops(csv, monkeypatch):
    monkeypatch.setattr(pixelcsv, "MAX_COUNTED", 50)
    path = csv(f"label;{SQUARE.replace(',', ';')}\n" + "1;0,5;0;1;0,25\n" * 60)
    assert message_of(path).endswith(
        "reading stopped there\nthe numbers have decimal commas: save the file with "
        "decimal points, 0.5 for 0,5"
    )


@pytest.mark.parametrize("first", [0, 1])
def test_a_first_column_that_counts_rows_is_told_from_pixels(csv, first):
    rows = "".join(f"{first + row},{label},1,2,3,200\n" for row, label in enumerate([7, 2, 7]))
    message = message_of(csv(rows))
    assert message.startswith(
        "train.csv, line 1: no header, and 6 columns, the first of which counts the rows"
    )
    assert "columns: {label: 1, ignore: [0]}   # the second column is the label, here 7, 2" in message
    told = {"columns": {"label": 1, "ignore": [0]}}
    assert rows_of(csv(rows), told)[1] == ["7", "2", "7"]
    two = "".join(rows.splitlines(keepends=True)[:2])
    assert "counts the rows" not in message_of(csv(two))


def test_all_pixels_in_one_cell_are_refused_with_the_line_that_splits_them(csv):
    path = csv("emotion,pixels,Usage\n0,1 2 3 200,Training\n2,4 5 6 7,Training\n")
    message = message_of(path)
    assert message.startswith("train.csv, line 1: column pixels has 4 numbers in each cell")
    table = pd.read_csv(path)
    line = message.partition("in pandas: ")[2]
    names = eval(line, {"table": table}).columns.tolist()
    assert names == ["emotion", "Usage", "pixel0", "pixel1", "pixel2", "pixel3"]
