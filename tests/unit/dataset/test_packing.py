"""RecordIO files from pixels: the PNG files' own bytes, of the rows of a list and no others."""

import numpy as np
import pytest

from digitflow.base.errors import FormatError
from digitflow.dataset import packing
from digitflow.dataset.lists import of_rows
from digitflow.formats import idx, lst, png, recordio

ROWS = 50
LABELS = np.arange(ROWS) % 10


@pytest.fixture
def images(tmp_path, digits):
    idx.write(tmp_path / "images", digits[0][:ROWS])
    return digits[0][:ROWS]


def pack(folder, listing):
    packing.pack(folder / "a.rec", folder / "a.idx", listing, folder / "images")
    assert len(list(recordio.read_verified(folder / "a.rec", folder / "a.idx"))) == len(listing)
    return list(recordio.read(folder / "a.rec"))


@pytest.mark.parametrize("batch", [7, 1024])
def test_each_record_is_the_png_file_of_its_row_with_the_label_of_the_list(
    tmp_path, images, monkeypatch, batch
):
    monkeypatch.setattr(packing, "BATCH", batch)
    chosen = np.isin(np.arange(ROWS), [0, 6, 7, 20, 48, 49])
    records = pack(tmp_path, of_rows("train", ROWS, LABELS, "0123456789").select(chosen))
    assert [record.index for record in records] == [1, 7, 8, 21, 49, 50]
    assert [record.labels.tolist() for record in records] == [[0], [6], [7], [0], [8], [9]]
    for record in records:
        assert record.payload == png.encode(images[record.index - 1][None])[0]
        assert np.array_equal(png.decode(record.payload, "it"), images[record.index - 1])


def test_shards_together_are_the_whole(tmp_path, images):
    listing = of_rows("train", ROWS, LABELS, "0123456789")
    pack(tmp_path, listing)
    whole = (tmp_path / "a.rec").read_bytes()
    parts = b""
    for k in range(3):
        pack(tmp_path, lst.shard(listing, k, 3))
        parts += (tmp_path / "a.rec").read_bytes()
    assert parts == whole


def test_an_empty_list_makes_empty_files(tmp_path, images):
    assert pack(tmp_path, of_rows("train", 0)) == []


def test_a_list_of_other_images_is_refused_and_nothing_is_written(tmp_path, images):
    with pytest.raises(FormatError, match="images: 50 images; the list has image 51"):
        pack(tmp_path, of_rows("test", 51))
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
