"""MXNet lists: their text, and what the folders of a tree say and may not say."""

import logging

import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.formats import lst

TEXT = "2\t7.000000\ttrain/7/02.png\n10\t0.000000\ttrain/0/10.png\n"


def listing(n):
    return lst.Listing(np.arange(1, n + 1), np.arange(n) % 10, [f"{row}.png" for row in range(1, n + 1)])


def rows(listed):
    return list(zip(listed.index.tolist(), listed.label.tolist(), listed.path, strict=True))


def make(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


def test_a_line_is_index_float_label_and_path(tmp_path):
    lst.write(
        tmp_path / "a.lst",
        lst.Listing(np.array([2, 10]), np.array([7, 0]), ["train/7/02.png", "train/0/10.png"]),
    )
    assert (tmp_path / "a.lst").read_text() == TEXT


def test_what_is_written_is_read(tmp_path):
    lst.write(tmp_path / "a.lst", listing(25))
    read = lst.read(tmp_path / "a.lst")
    assert (read.index.dtype, read.label.dtype) == (np.int64, np.int64)
    assert rows(read) == rows(listing(25))


def test_an_empty_list_has_no_rows(tmp_path):
    lst.write(tmp_path / "a.lst", listing(0))
    assert rows(lst.read(tmp_path / "a.lst")) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3 1 a.png", r"line 3: '3 1 a.png\\n'; a line is index, tab, label, tab, path"),
        ("11\t1\t2\ta.png", "line 3: .* a line is index"),
        ("", "line 3: .* a line is index"),
        ("11\t1\t", "line 3: .* a line is index"),
        ("-1\t1\ta.png", "line 3: index '-1'"),
        ("eleven\t1\ta.png", "line 3: index 'eleven'"),
        ("11\t1.5\ta.png", "line 3: label '1.5'; a label is a class"),
        ("11\tnan\ta.png", "line 3: label 'nan'"),
        ("11\t-1\ta.png", "line 3: label '-1'"),
        ("10\t1\ta.png", "line 3: index 10 after 10"),
        ("9\t1\ta.png", "line 3: index 9 after 10"),
        ("11\t1\ttrain/7/11.png", "line 3: index 11 and label 1, but the path is train/7/11.png"),
        ("11\t1\ttrain/1/12.png", "line 3: index 11 and label 1, but the path is train/1/12.png"),
        ("11\t1\ta\0.png", "line 3: .* a line is index"),
        ("11\t1\ta.png\r12\t1\tb.png", "line 3: .* a line is index"),
        ("11\t0\ttest/12.png", "line 3: index 11 and label 0, but the path is test/12.png"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    (tmp_path / "a.lst").write_text(f"{TEXT}{line}\n")
    with pytest.raises(FormatError, match=rf"a\.lst: {message}"):
        lst.read(tmp_path / "a.lst")


def test_a_list_that_ends_within_a_line_is_refused(tmp_path):
    for length in {*range(1, len(TEXT))} - {TEXT.index("\n") + 1}:
        (tmp_path / "a.lst").write_text(TEXT[:length])
        with pytest.raises(FormatError, match="has no line end: a truncated list"):
            lst.read(tmp_path / "a.lst")


def test_a_flipped_bit_of_an_index_or_a_label_is_found(tmp_path):
    text = "1\t3.000000\ttrain/3/1.png\n"
    for byte in (0, 2):
        for bit in range(8):
            damaged = bytearray(text.encode())
            damaged[byte] ^= 1 << bit
            (tmp_path / "a.lst").write_bytes(damaged)
            with pytest.raises(FormatError, match=r"a\.lst: (line 1|not a list)"):
                lst.read(tmp_path / "a.lst")


def test_a_test_list_that_leaves_an_image_out_is_not_complete(tmp_path):
    lst.write(tmp_path / "a.lst", listing(4))
    assert len(lst.read_complete(tmp_path / "a.lst")) == 4
    lst.write(tmp_path / "a.lst", listing(4).select(np.array([True, False, True, True])))
    with pytest.raises(FormatError, match=r"a\.lst: line 2: index 3, not 2; no test image is left out"):
        lst.read_complete(tmp_path / "a.lst")


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.lst: cannot be opened: No such file"):
        lst.read(tmp_path / "a.lst")


def test_a_recordio_file_is_no_list(tmp_path):
    (tmp_path / "a.lst").write_bytes(b"\x0a\x23\xd7\xce")
    with pytest.raises(FormatError, match=r"a\.lst: "):
        lst.read(tmp_path / "a.lst")


@pytest.mark.parametrize(("n", "parts"), [(0, 3), (2, 3), (10, 1), (10, 3), (10, 10)])
def test_shards_are_contiguous_and_together_the_whole(n, parts):
    shards = [lst.shard(listing(n), k, parts) for k in range(parts)]
    assert [row for part in shards for row in rows(part)] == rows(listing(n))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_labels_come_from_the_folders_names_and_order_from_the_ids(tmp_path):
    make(tmp_path, "train/9/001.png", "train/2/010.png", "train/2/002.png")
    listed = lst.scan_tree(tmp_path / "train", tmp_path, classes=10)
    assert rows(listed) == [(1, 9, "train/9/001.png"), (2, 2, "train/2/002.png"), (10, 2, "train/2/010.png")]


def test_test_images_lie_in_one_folder_and_have_label_0(tmp_path):
    make(tmp_path, "test/2.png", "test/10.png", *(f"test/{row}.png" for row in (1, 3, 4, 5, 6, 7, 8, 9)))
    listed = lst.scan_tree(tmp_path / "test", tmp_path)
    assert rows(listed) == [(row, 0, f"test/{row}.png") for row in range(1, 11)]


def test_paths_are_relative_to_the_root(tmp_path):
    make(tmp_path, "png/test/1.png")
    for root, path in (("png/test", "1.png"), ("png", "test/1.png"), (".", "png/test/1.png")):
        assert lst.scan_tree(tmp_path / "png/test", tmp_path / root).path == [path]


def test_an_image_that_was_moved_has_the_label_of_its_new_folder(tmp_path):
    make(tmp_path, "train/1/1.png", "train/1/2.png", "train/7/3.png")
    (tmp_path / "train/1/2.png").rename(tmp_path / "train/7/2.png")
    assert lst.scan_tree(tmp_path / "train", tmp_path, classes=10).label.tolist() == [1, 7, 7]


def test_hidden_files_and_those_of_file_managers_are_passed_over(tmp_path):
    make(tmp_path, "train/1/1.png", "train/1/.DS_Store", "train/1/Thumbs.db", "train/.snakemake_timestamp")
    assert lst.scan_tree(tmp_path / "train", tmp_path, classes=10).path == ["train/1/1.png"]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            "train/1/copy of 1.png",
            "copy of 1.png: not an image of this tree; their names are CSV rows, as 00017.png",
        ),
        ("train/1/2.PNG", "2.PNG: not an image"),
        ("train/1/2.jpg", "2.jpg: not an image"),
        ("train/1/0.png", "0.png: not an image"),
        ("train/1/2.png/x", "2.png: not an image"),
        ("train/10/2.png", "train/10: not the folder of a class; those are 0 to 9"),
        ("train/unsure/2.png", "train/unsure: not the folder of a class"),
        ("train/01/2.png", "train/01: not the folder of a class"),
        ("train/2.png", "train/2.png: not the folder of a class"),
        ("train/7/1.png", "image 1 is there twice: train/1/1.png and train/7/1.png; remove one"),
        ("train/1/01.png", "image 1 is there twice: train/1/01.png and train/1/1.png"),
        ("train/1/6.png", "train/1/6.png: image 6 of a CSV with 5 rows"),
    ],
)
def test_what_is_out_of_place_is_named(tmp_path, file, message):
    make(tmp_path, "train/1/1.png", file)
    with pytest.raises(InputError, match=message):
        lst.scan_tree(tmp_path / "train", tmp_path, classes=10, rows=5)


def test_a_missing_tree_is_named(tmp_path):
    with pytest.raises(InputError, match="train: cannot be listed: No such file"):
        lst.scan_tree(tmp_path / "train", tmp_path, classes=10)


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ([1, 3, 4, 5], "1 of 5 images missing, the first is 2"),
        ([1, 2, 3], "2 of 5 images missing, the first is 4"),
        ([2, 3, 4, 5], "1 of 5 images missing, the first is 1"),
        ([], "5 of 5 images missing, the first is 1"),
    ],
)
def test_a_deleted_image_is_an_error_for_test_and_a_warning_for_train(tmp_path, caplog, there, message):
    make(tmp_path, "test/.hidden", "train/.hidden", *(f"test/{row}.png" for row in there))
    make(tmp_path, *(f"train/0/{row}.png" for row in there))
    with pytest.raises(InputError, match=f"test: {message}; make the tree again"):
        lst.scan_tree(tmp_path / "test", tmp_path, rows=5)
    assert len(lst.scan_tree(tmp_path / "train", tmp_path, classes=10, rows=5)) == len(there)
    assert f"train: {message}; no model will see them" in caplog.text


@pytest.fixture
def trees(tmp_path):
    """Twenty training images in two classes, three test images."""
    make(tmp_path, *(f"png/train/{row % 2}/{row:02}.png" for row in range(1, 21)))
    make(tmp_path, *(f"png/test/{row}.png" for row in (1, 2, 3)))
    return tmp_path


def split(folder, fraction, classes=2):
    lists = [folder / "rec" / f"{name}.lst" for name in ("train", "valid", "test")]
    root = folder / "png"
    labelled, test = lst.scan_tree(root / "train", root, classes), lst.scan_tree(root / "test", root)
    lst.write_split(labelled, test, *lists, classes, fraction, seed=0)
    return [lst.read(path) for path in lists]


def test_every_class_is_split_and_no_image_is_lost(trees, caplog):
    caplog.set_level(logging.INFO, "digitflow")
    train, valid, test = split(trees, 0.2)
    assert np.bincount(train.label).tolist() == [8, 8]
    assert np.bincount(valid.label).tolist() == [2, 2]
    assert sorted([*train.index, *valid.index]) == [*range(1, 21)]
    assert rows(test) == [(row, 0, f"test/{row}.png") for row in (1, 2, 3)]
    assert "valid.lst: 4 valid images, of classes 0 to 1: [2, 2]" in caplog.text


def test_without_a_validation_fraction_its_list_is_empty(trees):
    train, valid, _ = split(trees, 0)
    assert (len(train), len(valid)) == (20, 0)


def test_a_fraction_that_leaves_a_class_nothing_to_train_on_is_refused(trees):
    with pytest.raises(
        InputError, match=r"class 0: a validation fraction of 0\.99 leaves it no training image"
    ):
        split(trees, 0.99)


def test_a_class_without_images_is_warned_of(trees, caplog):
    split(trees, 0.2, classes=4)
    assert "no image of classes [2, 3]" in caplog.text


def test_a_deleted_image_is_in_no_list(trees):
    (trees / "png/train/1/07.png").unlink()
    train, valid, _ = split(trees, 0.2)
    assert sorted([*train.index, *valid.index]) == [row for row in range(1, 21) if row != 7]


def test_rows_without_a_tree_are_listed_as_their_tree_would_be(trees):
    labels = np.arange(1, 21, dtype=np.uint8) % 2
    from_tree = lst.scan_tree(trees / "png/train", trees / "png", classes=2)
    assert rows(lst.of_rows("train", 20, labels)) == rows(from_tree)
    assert rows(lst.of_rows("test", 3)) == rows(lst.scan_tree(trees / "png/test", trees / "png"))
