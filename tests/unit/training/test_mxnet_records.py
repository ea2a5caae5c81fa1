"""RecordIO files are compared with the lists that they were packed from before MXNet sees them."""

import numpy as np
import pytest

from digitflow.base.errors import FormatError
from digitflow.dataset import lists, packing
from digitflow.formats import idx, lst, png, recordio
from digitflow.training import mxnet_trainer

IMAGES = np.arange(12 * 4, dtype=np.uint8).reshape(12, 2, 2)
TRUE = np.arange(12, dtype=np.uint8) % 3


def test_records_are_those_of_their_lists(tmp_path):
    listing = lists.of_rows("train", 12, TRUE, "012")
    idx.write(tmp_path / "images", IMAGES)
    lst.write(tmp_path / "train.lst", listing)

    def checked(packed: lst.Listing) -> str:
        pair = tmp_path / "train.rec", tmp_path / "train.idx"
        packing.pack(*pair, packed, tmp_path / "images")
        try:
            mxnet_trainer.check_records([pair], 3, tmp_path / "train.lst")
        except FormatError as error:
            return str(error).replace(f"{tmp_path}/", "")
        return ""

    assert checked(listing) == ""
    assert checked(listing.select(np.arange(12) < 5)).startswith("train.lst, line 6: image 6 has no record; ")
    assert "index 2: label 1; train.lst, line 1, has image 1 with label 0; delete" in checked(
        listing.select(np.arange(12) > 0)
    )


def test_an_image_of_another_size_than_the_first_is_named_whatever_file_it_is_in(tmp_path):
    parts = [(tmp_path / f"{name}.rec", tmp_path / f"{name}.idx") for name in "ab"]
    for part, shape in zip(parts, ((2, 2), (2, 3)), strict=True):
        (image,) = png.encode(np.zeros((1, *shape), np.uint8))
        recordio.write(*part, [(1, 0, image)])
    checked = mxnet_trainer.check_records(parts[1:], 3)
    assert checked.shape == (1, 2, 3)
    with pytest.raises(FormatError, match=r"b\.rec: record 1, index 1: an image of \(2, 3\) .* has \(2, 2\)"):
        mxnet_trainer.check_records(parts, 3)
