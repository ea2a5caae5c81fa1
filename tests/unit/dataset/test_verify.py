"""The whole data set read back: a flipped bit in any byte of its files is found and named."""

import json
import shutil

import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.dataset import lists, packing, verify
from digitflow.dataset.views import update_tree
from digitflow.formats import idx, lst, png, recordio

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 2, 2), np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 2
NAMES = ["0", "1"]
PARTS = ("train", "valid")


@pytest.fixture
def dataset(tmp_path):
    """Twelve images in two classes: IDX file, tree, lists and records."""
    idx.write(tmp_path / "images", IMAGES)
    update_tree(
        tmp_path / "images", tmp_path / "png/train", tmp_path / "png/train.sfv", None, LABELS, LABELS, NAMES
    )
    labelled = lists.of_rows("train", 12, LABELS, NAMES)
    lists.write_split(labelled, *(tmp_path / f"{part}.lst" for part in PARTS), NAMES, 0.3, seed=0)
    for part in PARTS:
        pack(tmp_path, part)
    return tmp_path


def pack(folder, part):
    listing = lst.read(folder / f"{part}.lst")
    packing.pack(folder / f"{part}.rec", folder / f"{part}.idx", listing, folder / "images")


def check(folder, parts=PARTS, tree="png/train", enlarge=1):
    listings = [folder / f"{part}.lst" for part in parts]
    recs = [[(folder / f"{part}.rec", folder / f"{part}.idx")] for part in parts]
    return verify.verify(folder / "images", listings, recs, tree and folder / tree, enlarge)


def test_a_data_set_that_was_just_made_is_right(dataset):
    assert check(dataset) == {"rows": 12, "images": 12, "records": 12, "dropped": 0}


def test_without_a_tree_lists_and_records_are_compared(dataset):
    shutil.rmtree(dataset / "png")
    assert check(dataset, tree=None)["records"] == 12


def test_records_may_lie_in_parts(dataset):
    train = lst.read(dataset / "train.lst")
    parts = []
    for k in range(3):
        parts += [dataset / f"train_{k}.rec", dataset / f"train_{k}.idx"]
        packing.pack(*parts[-2:], lst.shard(train, k, 3), dataset / "images")
    recs, idxs = [*parts[::2], dataset / "valid.rec"], [*parts[1::2], dataset / "valid.idx"]
    by_list = [verify.by_list(recs[:3], idxs[:3], 3)[0], verify.by_list(recs[3:], idxs[3:], 1)[0]]
    listings = [dataset / f"{part}.lst" for part in PARTS]
    assert verify.verify(dataset / "images", listings, by_list)["records"] == 12


def test_a_dropped_image_is_counted(dataset):
    valid = lst.read(dataset / "valid.lst")
    lst.write(dataset / "valid.lst", valid.select(np.arange(len(valid)) > 0))
    pack(dataset, "valid")
    assert check(dataset) == {"rows": 12, "images": 11, "records": 11, "dropped": 1}


def flipped(path):
    """Flip one bit of each byte, one after the other: the lowest, then the next, round and round."""
    whole = path.read_bytes()
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        yield
    path.write_bytes(whole)


FILES = ["images", "train.lst", "valid.lst", "valid.rec", "train.idx"]


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found_wherever_it_is(dataset, name):
    for _ in flipped(dataset / name):
        with pytest.raises((FormatError, InputError)):
            check(dataset)


def test_a_flipped_bit_in_a_file_of_the_tree_is_found(dataset):
    path = dataset / "png/train" / lst.read(dataset / "train.lst").path[0].removeprefix("train/")
    for _ in flipped(path):
        with pytest.raises(FormatError, match=f"{path.name}: not the image of its record"):
            check(dataset)


def test_an_enlarged_tree_is_compared_byte_for_byte_too(dataset):
    of = (dataset / "png/train", dataset / "png/train.sfv", None, LABELS, LABELS, NAMES)
    update_tree(dataset / "images", *of, enlarge=2)
    assert check(dataset, enlarge=2)["records"] == 12
    with pytest.raises(FormatError, match="not the image of its record"):
        check(dataset)
    path = dataset / "png/train" / lst.read(dataset / "train.lst").path[0].removeprefix("train/")
    for _ in flipped(path):
        with pytest.raises(FormatError, match=f"{path.name}: not the image of its record"):
            check(dataset, enlarge=2)


def test_a_flipped_pixel_is_named_with_its_image(dataset):
    images = IMAGES.copy()
    row = int(lst.read(dataset / "train.lst").index[0])
    images[row - 1, 1, 0] ^= 1
    idx.write(dataset / "images", images)
    with pytest.raises(FormatError, match=rf"record of image {row} .*: at 1, 0: \d+; the IDX file has \d+"):
        check(dataset)


def test_a_record_with_another_label_is_named(dataset):
    listing = lst.read(dataset / "valid.lst")
    rows = zip(
        listing.index.tolist(),
        (1 - listing.label).tolist(),
        png.encode(IMAGES[listing.index - 1]),
        strict=True,
    )
    recordio.write(dataset / "valid.rec", dataset / "valid.idx", rows)
    with pytest.raises(FormatError, match=rf"record of image {listing.index[0]} .*: labels"):
        check(dataset)


@pytest.mark.parametrize(("part", "more"), [("train", -1), ("train", 1)])
def test_records_are_as_many_as_lines(dataset, part, more):
    listing = lst.read(dataset / f"{part}.lst")
    if more > 0:
        lst.write(dataset / f"{part}.lst", listing.select(np.arange(len(listing)) < len(listing) - 1))
        message = f"image {listing.index[-1]}: .* has no line for this record"
    else:
        fewer = listing.select(np.arange(len(listing)) < len(listing) - 1)
        packing.pack(dataset / f"{part}.rec", dataset / f"{part}.idx", fewer, dataset / "images")
        message = f"image {listing.index[-1]} has no record"
    with pytest.raises(FormatError, match=message):
        check(dataset)


def test_an_image_in_two_lists_is_named_with_both(dataset):
    row = int(lst.read(dataset / "valid.lst").index[0])
    labelled = lists.of_rows("train", 12, LABELS, NAMES)
    lst.write(dataset / "train.lst", labelled)
    pack(dataset, "train")
    with pytest.raises(FormatError, match=rf"train.lst and .*valid.lst: image {row} is listed twice"):
        check(dataset)


def test_a_file_that_is_gone_from_the_tree_is_named_with_the_way_on(dataset):
    path = dataset / "png/train" / lst.read(dataset / "train.lst").path[0].removeprefix("train/")
    path.unlink()
    with pytest.raises(FormatError, match=rf"{path.name}: cannot be read: .*snakemake -j2 trees"):
        check(dataset)


def test_more_rows_than_a_block_are_all_compared(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (5000, 1, 1), np.uint8)
    idx.write(tmp_path / "images", images)
    lst.write(tmp_path / "test.lst", lists.of_rows("test", 5000))
    pack(tmp_path, "test")
    assert check(tmp_path, ["test"], tree=None)["records"] == 5000
    images[4999] ^= 1
    idx.write(tmp_path / "images", images)
    with pytest.raises(FormatError, match="record of image 5000 "):
        check(tmp_path, ["test"], tree=None)


def test_the_report_holds_the_counts(dataset):
    verify.write_report(dataset / "verify.json", {"train": check(dataset)})
    assert json.loads((dataset / "verify.json").read_text())["train"]["records"] == 12
