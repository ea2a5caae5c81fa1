"""Every format: random data come back; damaged files give the same data or an error, never others or a hang.

What "others" can mean depends on a format's redundancy. PNG, RecordIO with its PNG files and index, gzip and
zip have checksums or say things twice. A list says index and label twice. IDX has a length but no checksum:
a flipped pixel is a pixel, which only `verify` sees, by the PNG files. Probabilities have sums.
"""

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.fuzz.targets import SPLIT, TARGETS, rows

from digitflow.base import archives
from digitflow.base.errors import DigitflowError
from digitflow.dataset import lists, packing
from digitflow.dataset.verify import verify
from digitflow.formats import idx, labelscsv, lst, png, recordio
from digitflow.formats.probabilities import read_probabilities, write_probabilities

CRASHERS = Path(__file__).parents[2] / "fuzz" / "crashers"
CLASSES = 3
PART = st.floats(0, 1, width=16)
quick = settings(max_examples=25)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("formats")


@st.composite
def datasets(draw) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, h, w) and labels uint8 (n,), every class at least once."""
    n, height, width = draw(st.integers(CLASSES, 12)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    labels = [*range(CLASSES), *draw(st.lists(st.integers(0, CLASSES - 1), min_size=n, max_size=n))]
    return draw(arrays(np.uint8, (len(labels), height, width))), np.array(labels, np.uint8)


@st.composite
def damaged(draw, data: bytes, other: bytes = b"") -> bytes:
    """The bytes after one to three flipped bits, cuts, insertions, deletions and splices."""
    for _ in range(draw(st.integers(1, 3))):
        at, length = draw(st.integers(0, max(len(data) - 1, 0))), draw(st.integers(1, 8))
        match draw(st.sampled_from(["flip", "flip", "truncate", "insert", "delete", "splice"])):
            case "flip" if data:
                data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
            case "truncate":
                data = data[:at]
            case "insert":
                data = data[:at] + draw(st.binary(min_size=length, max_size=length)) + data[at:]
            case "delete":
                data = data[:at] + data[at + length :]
            case "splice":
                data = data[:at] + (other or data)[draw(st.integers(0, len(other or data))) :]
    return data


@quick
@given(dataset=datasets())
def test_any_data_set_comes_back_from_all_its_forms(folder, dataset):
    images, labels = dataset
    idx.write(folder / "images", images)
    idx.write(folder / "labels", labels)
    assert np.array_equal(idx.read(folder / "images", 3), images)
    assert np.array_equal(idx.read_labels(folder / "labels", len(labels), CLASSES), labels)
    listing = lists.of_rows("train", len(labels), labels, "abc")
    lst.write(folder / "a.lst", listing)
    assert rows(lst.read(folder / "a.lst")) == rows(listing)
    packing.pack(folder / "a.rec", folder / "a.idx", listing, folder / "images")
    for record, image, label in zip(recordio.read(folder / "a.rec"), images, labels, strict=True):
        assert record.labels.tolist() == [label]
        assert np.array_equal(png.decode(record.payload, "it"), image)
    parts = [[(folder / "a.rec", folder / "a.idx")]]
    assert verify(folder / "images", [folder / "a.lst"], parts)["records"] == len(images)


@quick
@given(
    values=arrays(
        np.float32, st.tuples(st.integers(1, 9), st.integers(2, 5)), elements=st.floats(0, 1, width=16)
    )
)
def test_any_probabilities_and_their_submission_come_back(folder, values):
    values = (values + 1e-3) / (values + 1e-3).sum(axis=1, keepdims=True)
    write_probabilities(folder / "p.npy", values)
    assert np.array_equal(read_probabilities(folder / "p.npy", len(values)), values)
    labelscsv.write(folder / "s.csv", values.argmax(axis=1))
    assert np.array_equal(
        labelscsv.read(folder / "s.csv", [*map(str, range(values.shape[1]))]), values.argmax(axis=1)
    )


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60)
@given(data=st.data())
def test_damaged_files_are_refused_or_read_as_a_second_reading_confirms(folder, name, data):
    target, seeds = TARGETS[name]
    target(data.draw(damaged(data.draw(st.sampled_from(seeds)), data.draw(st.sampled_from(seeds)))), folder)


@pytest.mark.parametrize("name", TARGETS)
def test_undamaged_files_are_accepted_by_the_targets(folder, name):
    target, seeds = TARGETS[name]
    assert all(target(seed, folder) for seed in seeds)


@pytest.mark.parametrize(
    "path", sorted(CRASHERS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_what_fuzzing_found_is_mended(folder, path):
    TARGETS[path.parent.name][0](path.read_bytes(), folder)


# Formats with redundancy: the same data or an error


@settings(max_examples=150)
@given(data=st.data(), image=arrays(np.uint8, st.tuples(st.just(1), st.integers(1, 9), st.integers(1, 9))))
def test_a_damaged_png_file_has_the_same_pixels_or_is_refused(data, image):
    [file] = png.encode(image)
    try:
        found = png.decode(data.draw(damaged(file)), "it")
    except DigitflowError:
        return
    assert np.array_equal(found, image[0])


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_records_are_the_same_images_in_the_same_order_or_refused(folder, data):
    contents, offsets = TARGETS["rec"][1][0][1:].split(SPLIT)
    (folder / "b.rec").write_bytes(data.draw(damaged(contents)))
    (folder / "b.idx").write_bytes(offsets)
    (folder / "good.rec").write_bytes(contents)
    try:
        list(recordio.read_verified(folder / "b.rec", folder / "b.idx"))
    except DigitflowError:
        return
    found, good = ([(r.index, r.payload) for r in recordio.read(folder / f"{n}.rec")] for n in ("b", "good"))
    assert found == good  # a label is four bytes that only the list knows: `verify` compares them


@settings(max_examples=150)
@given(data=st.data())
def test_a_list_with_a_damaged_index_or_label_is_refused(folder, data):
    listing = lists.of_rows("train", 12, np.arange(12) % CLASSES, "012")  # every folder has several images
    lst.write(folder / "c.lst", listing)
    lines = (folder / "c.lst").read_text().splitlines(keepends=True)
    number = data.draw(st.integers(0, 11))
    columns = lines[number].encode().partition(b".000000\t")
    lines[number] = (data.draw(damaged(columns[0])) + b"".join(columns[1:])).decode("latin-1")
    (folder / "c.lst").write_bytes("".join(lines).encode("latin-1"))
    try:
        found = lst.read(folder / "c.lst")
    except DigitflowError:
        return
    assert rows(found) == rows(listing)


def packed(kind: str, text: bytes) -> bytes:
    if kind == "gzip":
        return gzip.compress(text)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.csv", text)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["gzip", "zip"])
@settings(max_examples=100)
@given(data=st.data(), text=st.binary(max_size=99))
def test_a_damaged_archive_unpacks_to_the_same_text_or_is_refused(folder, kind, data, text):
    damage = data.draw(damaged(packed(kind, text)))
    (folder / "train.csv").write_bytes(damage)
    try:
        with archives.open_csv(folder / "train.csv") as stream:
            found = stream.read(1 << 20)
    except DigitflowError:
        return
    # Without its first bytes it is no archive but text, which the CSV reader refuses; two gzip files are one.
    assert found in (text, damage, text + text)
