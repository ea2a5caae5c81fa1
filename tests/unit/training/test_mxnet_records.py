"""RecordIO files are compared with the lists that they were packed from before MXNet sees them."""

import numpy as np

from digitflow.base.errors import FormatError
from digitflow.dataset import lists, packing
from digitflow.formats import idx, lst
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
