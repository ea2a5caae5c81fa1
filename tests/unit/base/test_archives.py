"""Opening CSVs: plain, gzipped or zipped, told apart by content; whatever is wrong is an InputError."""

import contextlib
import gzip
import io
import os
import random
import stat
import zipfile
from pathlib import Path

import pytest

from digitflow.base import archives
from digitflow.base.errors import InputError

TEXT = b"label,pixel0\n" + b"".join(b"%d,%d\n" % (i % 10, i % 256) for i in range(20_000))
HIDDEN = "__MACOSX/._train.csv"


def read(path: Path, size: int = 1000) -> bytes:
    with archives.open_csv(path) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


def error_of(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read(path)
    return str(error.value)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


PACKED = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "gzip in several members": gzip.compress(TEXT[:50]) + gzip.compress(b"") + gzip.compress(TEXT[50:]),
    "zip": zipped({"train.csv": TEXT}),
    "zip, stored": zipped({"train.csv": TEXT}, zipfile.ZIP_STORED),
    "zip, LZMA": zipped({"train.csv": TEXT}, zipfile.ZIP_LZMA),
    "zip with other files": zipped({"data/": b"", "data/TRAIN.CSV": TEXT, "read.me": b"", HIDDEN: b"x"}),
}


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz", "train.zip"])
@pytest.mark.parametrize("data", PACKED.values(), ids=PACKED.keys())
def test_the_text_is_found_by_content_whatever_the_name(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert read(tmp_path / name) == TEXT


def test_the_size_is_known_of_a_plain_file_only(tmp_path):
    for kind, size in (("plain", len(TEXT)), ("gzip", None), ("zip", None)):
        (tmp_path / kind).write_bytes(PACKED[kind])
        with archives.open_csv(tmp_path / kind) as stream:
            stream.read(500)
            assert (stream.size, stream.total) == (size, 500)


@pytest.mark.parametrize("kind", ["gzip", "gzip in several members", "zip", "zip, stored", "zip, LZMA"])
def test_a_truncated_archive_is_an_input_error(tmp_path, kind):
    path = tmp_path / "train.csv"
    for length in (5, 20, len(PACKED[kind]) // 2, len(PACKED[kind]) - 9, len(PACKED[kind]) - 1):
        path.write_bytes(PACKED[kind][:length])
        assert error_of(path).startswith(f"{path}: a damaged or unreadable ")


@pytest.mark.parametrize("kind", ["gzip", "zip", "zip, LZMA"])
def test_a_damaged_archive_gives_the_text_or_an_input_error(tmp_path, kind):
    path, draw = tmp_path / "train.csv", random.Random(0)
    for _ in range(300):
        data = bytearray(PACKED[kind])
        for _ in range(draw.randint(1, 3)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data)
        with contextlib.suppress(InputError):
            # Not refused: a byte that means nothing was changed, or the magic, which makes it a plain file.
            assert read(path) in (TEXT, bytes(data))


def test_an_archive_must_hold_exactly_one_csv(tmp_path):
    path = tmp_path / "digits.zip"
    path.write_bytes(zipped({"test.csv": TEXT, "train.csv": TEXT, "a.txt": b""}))
    expected = "a zip archive must hold one .csv file, not 2: ['test.csv', 'train.csv', 'a.txt']"
    assert error_of(path) == f"{path}: {expected}; name the one you mean, such as digits.zip/test.csv"
    path.write_bytes(zipped({f"{i}.txt": b"" for i in range(20)}))
    assert "not 0: ['0.txt', " in error_of(path)
    path.write_bytes(zipped({}))
    assert "not 0: []" in error_of(path)


def test_one_of_several_files_in_an_archive_is_named_behind_its_path(tmp_path):
    path = tmp_path / "digit-recognizer.zip"
    path.write_bytes(zipped({"train.csv": TEXT, "a/test.csv": b"other"}))
    for name, text in (("train.csv", TEXT), ("a/test.csv", b"other"), ("test.csv", b"other")):
        with archives.open_csv(path / name) as stream:
            assert stream.read(1 << 20) == text
    archives.check_readable(path / "train.csv")
    message = error_of(path / "solution.csv")
    assert message == f"{path}: this archive has no 'solution.csv', only ['train.csv', 'a/test.csv']"


@pytest.mark.parametrize(
    ("names", "looks"),
    [
        (["x.npy", "y.npy"], "numpy arrays (npz)"),
        (["[Content_Types].xml", "xl/workbook.xml"], "an Excel workbook (xlsx)"),
        (["mimetype", "content.xml"], "an OpenDocument spreadsheet"),
        (["7/1.png", "7/2.png"], "a zip archive of PNG files"),
    ],
)
def test_an_archive_of_another_kind_is_named_for_what_it_is(tmp_path, names, looks):
    path = tmp_path / "train.csv"
    path.write_bytes(zipped(dict.fromkeys(names, b"x")))
    assert f"this looks like {looks}" in error_of(path)


@pytest.mark.parametrize(
    "name", ["../train.csv", "a/../../b.csv", "/etc/a.csv", "C:/a.csv", "..\\a.csv", "\\a.csv"]
)
@pytest.mark.parametrize("other", [{}, {"train.csv": TEXT}])
def test_an_archive_that_points_outside_itself_is_refused(tmp_path, name, other):
    path = tmp_path / "train.zip"
    path.write_bytes(zipped({name: TEXT, **other}))
    assert f"{name!r} points outside the archive" in error_of(path)


def test_a_link_in_an_archive_is_refused(tmp_path):
    link = zipfile.ZipInfo("train.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert error_of(path) == f"{path}: 'train.csv' is a link, not a file"


def test_an_encrypted_archive_is_refused(tmp_path):
    data = bytearray(PACKED["zip"])
    data[6] |= 1  # the flags in the local header and in the central directory (APPNOTE 4.3.7, 4.3.12)
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path = tmp_path / "train.zip"
    path.write_bytes(data)
    assert error_of(path) == f"{path}: 'train.csv' is encrypted: unpack it yourself"


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped({"train.csv": data})])
def test_a_bomb_is_refused_and_a_small_blank_table_is_not(tmp_path, monkeypatch, pack):
    blank = b"0," * 1_000_000
    path = tmp_path / "train.zip"
    path.write_bytes(pack(blank))
    assert len(blank) > archives.MAX_RATIO * path.stat().st_size
    assert read(path, 1 << 16) == blank
    monkeypatch.setattr(archives, "RATIO_FLOOR", 1_000_000)
    assert "unpacks to more than 200 times its size, like a decompression bomb" in error_of(path)
    monkeypatch.setattr(archives, "MAX_UNPACKED", 0)
    assert "unpacks to more than 0 GiB" in error_of(path)


def test_what_is_no_readable_file_is_said(tmp_path):
    (tmp_path / "link").symlink_to("nowhere.csv")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    expected = {
        "missing.csv": "no such file",
        "link": "a link to nowhere.csv, which does not exist",
        "loop": "a link to loop, which does not exist",
        "pipe": "a pipe or device, not a regular file",
        "": "a folder, not a CSV file",
        "n" * 300: "cannot be opened: File name too long",
    }
    for name, reason in expected.items():
        assert error_of(tmp_path / name) == f"{tmp_path / name}: {reason}"


def test_a_file_without_permission_is_said(tmp_path):
    path = tmp_path / "train.csv"
    path.write_bytes(TEXT)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read everything
        os.seteuid(65534)
    try:
        assert error_of(path) == f"{path}: no permission to read it"
    finally:
        os.seteuid(user)


def test_an_archive_with_two_files_of_a_name_is_asked_which(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for name in ("a/train.csv", "b/train.csv"):
            archive.writestr(name, "label,pixel0\n7,1\n")
    message = r"two\.zip: which of 'a/train\.csv', 'b/train\.csv'\? Write two\.zip/a/train\.csv"
    with pytest.raises(InputError, match=message), archives.open_csv(tmp_path / "two.zip" / "train.csv"):
        pass


def test_the_names_of_a_damaged_archive_are_an_error_of_the_input(tmp_path):
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train.csv", "label,pixel0\n7,1\n")
    assert archives.names_in_zip(path) == ["train.csv"]
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02")] ^= 1  # of the list of its files
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged\.zip: a damaged or unreadable zip archive"):
        archives.names_in_zip(path)
    assert archives.names_in_zip(tmp_path) == []
