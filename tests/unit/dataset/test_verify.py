"""The whole data set read back: every flipped bit in any of its files is found and named."""

import shutil

import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.dataset import verify
from digitflow.dataset.views import update_tree
from digitflow.formats import idx, lst, png, recordio

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 2, 2), np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 2


def convert(folder):
    idx.write(folder / "images", IMAGES)
    idx.write(folder / "labels", LABELS)
    tree = folder / "png/train"
    update_tree(folder / "images", tree, folder / "png/train.sfv", None, LABELS, LABELS, ["0", "1"])
    update_tree(folder / "images", folder / "png/test", folder / "png/test.sfv")
    relist(folder)


def relist(folder):
    root = folder / "png"
    trees = lst.scan_tree(root / "train", root, classes=2), lst.scan_tree(root / "test", root)
    lst.write_split(*trees, *(folder / f"{name}.lst" for name in ("train", "valid", "test")), 2, 0.3, seed=0)
    for name in ("train", "valid", "test"):
        recordio.write(
            folder / f"{name}.rec", folder / f"{name}.idx", lst.read(folder / f"{name}.lst"), folder / "png"
        )


@pytest.fixture
def dataset(tmp_path):
    convert(tmp_path)
    return tmp_path


def check(folder, names=("train", "valid")):
    return verify.verify(
        folder / "images",
        folder / "png/train",
        folder / "png",
        [folder / f"{name}.lst" for name in names],
        [[(folder / f"{name}.rec", folder / f"{name}.idx")] for name in names],
        folder / "labels",
        classes=2,
    )


def test_a_data_set_that_was_just_made_is_right(dataset):
    assert check(dataset) == {"rows": 12, "images": 12, "deleted": 0, "relabelled": 0, "records": 12}


def test_a_test_set_has_one_list_and_no_labels(dataset):
    recs = [[(dataset / "test.rec", dataset / "test.idx")]]
    counts = verify.verify(
        dataset / "images", dataset / "png/test", dataset / "png", [dataset / "test.lst"], recs
    )
    assert counts["records"] == counts["rows"] == 12


def test_records_may_lie_in_parts(dataset):
    listings = [dataset / "train.lst", dataset / "valid.lst"]
    parts = [[], [(dataset / "valid.rec", dataset / "valid.idx")]]
    for k in range(3):
        parts[0].append((dataset / f"train_{k}.rec", dataset / f"train_{k}.idx"))
        recordio.write(*parts[0][k], lst.shard(lst.read(listings[0]), k, 3), dataset / "png")
    trees = dataset / "png/train", dataset / "png"
    assert verify.verify(dataset / "images", *trees, listings, parts, classes=2)["records"] == 12


def test_records_are_optional(dataset):
    listings = [dataset / "train.lst", dataset / "valid.lst"]
    counts = verify.verify(dataset / "images", dataset / "png/train", dataset / "png", listings, classes=2)
    assert (counts["images"], counts["records"]) == (12, 0)


def test_moved_and_deleted_images_are_counted_once_the_lists_know(dataset):
    (dataset / "png/train/1/02.png").rename(dataset / "png/train/0/02.png")
    (dataset / "png/train/1/04.png").unlink()
    with pytest.raises(FormatError, match="make the lists again"):
        check(dataset)
    relist(dataset)
    assert check(dataset) == {"rows": 12, "images": 11, "deleted": 1, "relabelled": 1, "records": 11}


def test_more_rows_than_a_block_are_all_compared(tmp_path):
    images = np.arange(4100, dtype=np.uint16).view(np.uint8).reshape(-1, 1, 2)
    idx.write(tmp_path / "images", images)
    update_tree(tmp_path / "images", tmp_path / "test", tmp_path / "test.sfv")
    lst.write(tmp_path / "test.lst", lst.scan_tree(tmp_path / "test", tmp_path))
    compare = (tmp_path / "images", tmp_path / "test", tmp_path, [tmp_path / "test.lst"])
    assert verify.verify(*compare)["images"] == 4100
    images[4099] = 77
    idx.write(tmp_path / "images", images)
    with pytest.raises(FormatError, match=r"4100\.png: row 0, column 0: 3; image 4100 of .*images has 77"):
        verify.verify(*compare)


def flipped_bytes(data):
    """The data with one bit of each byte flipped, another in each."""
    for byte in range(len(data)):
        damaged = bytearray(data)
        damaged[byte] ^= 1 << byte * 3 % 8
        yield bytes(damaged)


@pytest.mark.parametrize(
    "name", ["images", "png/train/1/02.png", "train.lst", "valid.lst", "valid.rec", "train.idx"]
)
def test_a_flipped_bit_is_found_wherever_it_is(dataset, name):
    data = (dataset / name).read_bytes()
    for damaged in flipped_bytes(data):
        (dataset / name).write_bytes(damaged)
        with pytest.raises(InputError):
            check(dataset)


def test_a_flipped_pixel_is_named_with_its_image(dataset):
    data = bytearray((dataset / "images").read_bytes())
    data[16 + 4 * 6 + 3] ^= 1  # image 7, row 1, column 1
    (dataset / "images").write_bytes(data)
    with pytest.raises(FormatError, match=r"07\.png: row 1, column 1: \d+; image 7 of .*images has \d+"):
        check(dataset)


def test_a_flipped_label_of_a_record_is_named_with_its_image(dataset):
    data = bytearray((dataset / "valid.rec").read_bytes())
    data[15] ^= 0x40
    (dataset / "valid.rec").write_bytes(data)
    first = lst.read(dataset / "valid.lst").index[0]
    with pytest.raises(
        FormatError, match=rf"valid.rec: record of image {first} at byte 0: labels \[.*\]; .*valid.lst has"
    ):
        check(dataset)


def test_a_record_with_another_picture_is_named(dataset):
    [path, *_] = lst.read(dataset / "valid.lst").path
    shutil.copy(dataset / "png/test/05.png", dataset / "png" / path)
    recordio.write(
        dataset / "valid.rec", dataset / "valid.idx", lst.read(dataset / "valid.lst"), dataset / "png"
    )
    row = int(path[-6:-4]) - 1
    (dataset / "png" / path).write_bytes(png.encode(IMAGES[row : row + 1])[0])
    with pytest.raises(
        FormatError, match=rf"valid.rec: record .* at byte 0: not the bytes of {path}; pack it again"
    ):
        check(dataset)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("train",), "is in no list"),
        (("train", "valid", "train"), "train.lst and .*train.lst: image .* is listed twice"),
        (("train", "valid", "test"), r"(train|valid).lst and .*test.lst: image \d+ is listed twice"),
    ],
)
def test_the_lists_hold_every_image_once(dataset, names, message):
    with pytest.raises(FormatError, match=message):
        check(dataset, names)


def test_a_listed_image_that_is_not_in_the_tree_is_named(dataset):
    (dataset / "png/train/1/12.png").unlink()
    with pytest.raises(FormatError, match=r"train.lst: image 12 is not in the tree; make the lists again"):
        check(dataset)


@pytest.mark.parametrize("change", [-1, 1])
def test_records_are_as_many_as_lines(dataset, change):
    listing = lst.read(dataset / "train.lst")
    n = len(listing) + change
    longer = lst.Listing(
        np.append(listing.index, 13)[:n], np.append(listing.label, 0)[:n], [*listing.path, "test/01.png"][:n]
    )
    recordio.write(dataset / "train.rec", dataset / "train.idx", longer, dataset / "png")
    message = "has no record" if change < 0 else "image 13: .*train.lst has no line for this record"
    with pytest.raises(FormatError, match=message):
        check(dataset)
