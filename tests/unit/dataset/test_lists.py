"""Which rows train and which validate: the lists of a split and of folds, with corrected labels."""

import logging

import numpy as np
import pytest

from digitflow.base import checksums
from digitflow.base.errors import FormatError, InputError
from digitflow.dataset import classes, lists
from digitflow.dataset.applied import Applied
from digitflow.dataset.corrections import doubtful_ids
from digitflow.dataset.split import validation_mask
from digitflow.formats import corrections, idx, labelscsv, lst
from digitflow.verbs import convert

NAMES = ["a", "b"]


def labelled(rows=20, names=NAMES):
    return lists.of_rows("train", rows, np.arange(rows) % len(names), names)


def rows_of(listing):
    return list(zip(listing.index.tolist(), listing.label.tolist(), listing.path, strict=True))


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "train.lst", tmp_path / "valid.lst"


def split(paths, listing, fraction=0.2, names=NAMES, seed=0):
    lists.write_split(listing, *paths, names, fraction, seed)
    return [lst.read(path) for path in paths]


def test_a_rows_path_is_that_of_its_tree_ids_padded_so_that_names_sort_as_rows():
    assert rows_of(labelled(10))[::9] == [(1, 0, "train/a/01.png"), (10, 1, "train/b/10.png")]
    assert rows_of(lists.of_rows("test", 3))[1] == (2, 0, "test/2.png")


def test_every_class_is_split_and_no_image_is_lost(paths, caplog):
    caplog.set_level(logging.INFO, "digitflow")
    train, valid = split(paths, labelled(35))
    assert np.bincount(train.label).tolist() == [14, 14]
    assert np.bincount(valid.label).tolist() == [4, 3]
    assert sorted([*train.index, *valid.index]) == [*range(1, 36)]
    assert "valid.lst: 7 validation images; fewest of class b: 3" in caplog.text


def test_with_a_fraction_of_0_every_row_trains_and_none_validates(paths):
    train, valid = split(paths, labelled(), fraction=0)
    assert (len(train), len(valid)) == (20, 0)


def test_a_fraction_that_leaves_a_class_nothing_to_train_on_is_refused(paths):
    message = r"class a: validation\.fraction: 0\.99 leaves it no training image; lower it"
    with pytest.raises(InputError, match=message):
        split(paths, labelled(), fraction=0.99)
    assert not any(path.exists() for path in paths)


def test_a_fraction_of_less_than_an_image_is_refused_with_the_way_on(paths):
    with pytest.raises(InputError, match=r"validation\.fraction: 0\.01 .* set it to 0 to train on all rows"):
        split(paths, labelled(), fraction=0.01)


def folds_of(tmp_path, listing, folds, seed=0, names=NAMES, first=None):
    trains, valids = ([tmp_path / f"{part}{k}.lst" for k in range(folds)] for part in ("train", "valid"))
    lists.write_folds(listing, trains, valids, names, seed, first)
    return [[lst.read(path) for path in part] for part in (trains, valids)]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_each_row_is_left_out_once_and_trains_in_all_other_folds(tmp_path, folds):
    listing = labelled(31).select(np.arange(31) != 11)
    trains, valids = folds_of(tmp_path, listing, folds)
    assert sorted(row for part in valids for row in rows_of(part)) == rows_of(listing)
    for train, valid in zip(trains, valids, strict=True):
        assert sorted(rows_of(train) + rows_of(valid)) == rows_of(listing)


def test_every_class_is_divided_equally_among_the_folds(tmp_path):
    _, valids = folds_of(tmp_path, labelled(43), 5)
    for label in range(2):
        counts = [int((part.label == label).sum()) for part in valids]
        assert max(counts) - min(counts) <= 1


def test_the_first_of_five_folds_leaves_out_what_a_fraction_of_a_fifth_does(tmp_path, paths):
    _, valid = split(paths, labelled(50), fraction=0.2, seed=3)
    _, valids = folds_of(tmp_path, labelled(50), 5, seed=3)
    assert rows_of(valids[0]) == rows_of(valid)
    mask = validation_mask(labelled(50).index, labelled(50).label, 0.2, 3)
    assert valid.index.tolist() == labelled(50).index[mask].tolist()


@pytest.mark.parametrize(
    ("labels", "first", "has"),
    [([0, 0, 0, 0, 1], None, "one row"), ([0, 0, 0, 1, 1], [1, 2, 3, 4, 4], "2 rows of the same image")],
)
def test_a_class_of_a_single_image_would_be_unknown_to_a_fold_and_is_refused(tmp_path, labels, first, has):
    listing = lists.of_rows("train", 5, np.array(labels), NAMES)
    with pytest.raises(InputError, match=f"class b: it has {has}, so one of the 2 folds .* {{folds: 1,"):
        folds_of(tmp_path, listing, 2, first=None if first is None else np.array(first))


def test_fewer_folds_are_proposed_where_a_class_has_several_images(tmp_path):
    listing = lists.of_rows("train", 9, np.array([0, 0, 0, 0, 1, 1, 1, 1, 1]), NAMES)
    first = np.array([1, 2, 3, 4, 5, 5, 5, 5, 9])  # one image four times
    with pytest.raises(InputError, match=r"class b: validation\.folds: 2 leaves it .* in fold 0; lower it"):
        folds_of(tmp_path, listing, 2, seed=1, first=first)


@pytest.fixture
def data(tmp_path):
    """Images, labels and classes of six rows; the corrections are for each test to write."""
    idx.write(tmp_path / "images", np.arange(24, dtype=np.uint8).reshape(6, 2, 2))
    idx.write(tmp_path / "labels", np.array([0, 1, 0, 1, 0, 1], np.uint8))
    classes.write(tmp_path / "classes.csv", NAMES)
    return tmp_path


def corrected(folder, corrections=None, ids=None):
    files = (folder / name for name in ("images", "labels", "classes.csv"))
    return lists.read_corrected(*files, corrections, ids)


def test_with_folds_the_whole_lists_have_every_row(data, paths):
    given, folds = (data / "images", data / "labels", data / "classes.csv"), (data / "fold0", data / "fold1")
    checksums.write(data / "train.sfv", given[:2])
    train_lsts, valid_lsts, sums = (
        [folder / name for folder in folds] for name in ("train.lst", "valid.lst", "lists.sfv")
    )
    convert.write_lst(
        *given,
        [data / "train.sfv"],
        *paths,
        [data / "lists.sfv", *sums],
        {"seed": 0},
        fold_train_lsts=train_lsts,
        fold_valid_lsts=valid_lsts,
    )
    assert [rows_of(lst.read(path)) for path in paths] == [rows_of(corrected(data)[0])] * 2
    checksums.check([data / "lists.sfv"], *paths)


def test_without_corrections_every_row_has_the_label_of_its_csv(data):
    listing, names, copy = corrected(data)
    assert (names, copy) == (NAMES, Applied())
    assert rows_of(listing) == rows_of(labelled(6))


def test_a_correction_moves_a_row_to_its_label_and_drop_leaves_it_out(data, caplog):
    caplog.set_level(logging.INFO, "digitflow")
    header = ",".join(corrections.HEADER)
    path = data / "corrections.csv"
    crc = corrections.pixel_crc(np.arange(16, 20, dtype=np.uint8))
    path.write_text(text := f"{header}\n2,b,a,,\n5,a,drop,{crc},no digit\n6,b,ok,,\n")
    listing, _, copy = corrected(data, path)
    assert (copy.path, copy.text, list(copy.crc)) == (str(path), text, ["2", "6"])
    assert copy.crc["2"] == corrections.pixel_crc(np.arange(4, 8, dtype=np.uint8))
    assert listing.index.tolist() == [1, 2, 3, 4, 6]
    assert listing.label.tolist() == [0, 0, 0, 1, 1]
    assert listing.path[1] == "train/a/2.png"
    assert "corrections.csv: 3 corrections; 1 image dropped" in caplog.text


def warnings_of(data, caplog, ids, lines):
    labelscsv.write_ids(data / "ids.csv", ids)
    (data / "corrections.csv").write_text("\n".join([",".join(corrections.HEADER), *lines, ""]))
    caplog.clear()
    corrected(data, data / "corrections.csv", data / "ids.csv")
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_typed_line_that_may_mean_an_id_of_the_csv_is_warned_of_with_the_other_row(data, caplog):
    sealed = f"1,a,ok,{corrections.pixel_crc(np.arange(4, dtype=np.uint8))}"
    lines = [sealed, "3,a,drop,,no digit"]
    (warning,) = warnings_of(data, caplog, ["0", "1", "02", "3", "4.0", "5"], lines)
    assert warning == (
        f"{data}/corrections.csv, line 3: column id: this counts the rows of the training CSV from 1: row 3 "
        "has the id 02; if you mean the CSV's id 3, write 4,b,drop,,no digit"
    )


def test_a_line_that_can_mean_no_other_row_is_not_warned_of(data, caplog):
    crc, zero = corrections.pixel_crc(np.arange(8, 12, dtype=np.uint8)), [*"012345"]
    assert not warnings_of(data, caplog, zero, [f"3,a,drop,{crc}", "6,b,a"])  # sealed; no id of the CSV
    assert not warnings_of(data, caplog, [*"123456"], ["3,a,drop"])
    assert not warnings_of(data, caplog, [*"abcdef"], ["3,a,drop"])
    assert not warnings_of(data, caplog, [], ["3,a,drop"])
    assert not warnings_of(data, caplog, ["01", "2.0", *"3456"], ["1,a,drop", "2,b,drop"])


def test_where_a_line_does_not_fit_its_row_the_warning_says_which_it_may_mean(data, caplog):
    with pytest.raises(FormatError, match=r"line 2: column id: 12, but the training CSV has 6 rows"):
        warnings_of(data, caplog, [f"{row}" for row in range(10, 16)], ["12,a,drop"])
    assert "from 1; if you mean the CSV's id 12, write 3,a,drop" in caplog.text
    with pytest.raises(FormatError, match=r"line 2: column was: 'b'"):
        warnings_of(data, caplog, [*"012345"], ["3,b,drop"])
    assert "write 4,b,drop" in caplog.text


def test_of_many_lines_that_may_mean_other_rows_ten_are_named():
    lines = [corrections.Correction(row, "a", "b", line=row + 1) for row in range(1, 20)]
    ids = [str(row) for row in range(20)]
    told = doubtful_ids(np.zeros(20, np.uint8), ids, NAMES, lines, "corrections.csv")
    assert len(told) == 11
    assert told[-1] == "corrections.csv: the same holds for 9 more lines"


def test_a_class_of_the_configuration_without_images_is_refused_with_the_classes_that_there_are(data):
    classes.write(data / "classes.csv", [*NAMES, "c", "d"])
    message = (
        r'data\.classes: no image has the label c, d, .* the labels that there are: classes: \["a", "b"\]'
    )
    with pytest.raises(InputError, match=message):
        lists.check_every_class(*corrected(data))


def test_a_class_whose_images_were_all_corrected_away_is_refused_with_the_line(data):
    path = data / "corrections.csv"
    path.write_text("\n".join([",".join(corrections.HEADER), "1,a,ok,,", "2,b,a,,", "4,b,drop,,", "6,b,a,,"]))
    message = r"corrections\.csv, line 3: class b: no image is left .* 3 corrections took .* Undo one"
    with pytest.raises(InputError, match=message):
        lists.check_every_class(*corrected(data, path))


def test_a_class_that_only_corrections_fill_is_one(data):
    classes.write(data / "classes.csv", [*NAMES, "c"])
    path = data / "corrections.csv"
    path.write_text("\n".join([",".join(corrections.HEADER), "2,b,c,,"]))
    lists.check_every_class(*corrected(data, path))
