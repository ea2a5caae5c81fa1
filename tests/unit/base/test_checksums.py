"""Checksums of IDX files and lists: a flipped bit or a missing line is found."""

import hashlib
import zlib

import numpy as np
import pytest

from digitflow.base import checksums
from digitflow.base.errors import FormatError, InputError
from digitflow.formats import idx


@pytest.fixture
def summed(tmp_path):
    """Two IDX files and the .sfv file with their checksums."""
    for name, value in (("images", 1), ("labels", 2)):
        idx.write(tmp_path / name, np.full((3, 2, 2), value, np.uint8))
    checksums.write(tmp_path / "checksums.sfv", [tmp_path / "images", tmp_path / "labels"])
    return tmp_path


def test_checksums_are_those_of_zlib_in_sfv_form(summed):
    expected = [f"{name} {zlib.crc32((summed / name).read_bytes()):08X}" for name in ("images", "labels")]
    assert (summed / "checksums.sfv").read_text().splitlines() == expected
    checksums.check([summed / "checksums.sfv"], summed / "images", summed / "labels")


def test_any_flipped_bit_is_found_and_its_file_named(summed):
    whole = (summed / "labels").read_bytes()
    for at in range(8 * len(whole)):
        (summed / "labels").write_bytes(
            whole[: at // 8] + bytes([whole[at // 8] ^ 1 << at % 8]) + whole[at // 8 + 1 :]
        )
        with pytest.raises(FormatError, match=r"labels: damaged: its CRC-32 is [0-9A-F]{8}, .*; delete it"):
            checksums.check([summed / "checksums.sfv"], summed / "images", summed / "labels")


def test_a_file_without_a_line_or_damaged_checksums_are_no_proof(summed):
    (summed / "checksums.sfv").write_bytes(b"\xff\nimages\n")
    with pytest.raises(FormatError, match="sfv: no checksum"):
        checksums.check([summed / "checksums.sfv"], summed / "images")


def test_without_checksums_nothing_is_known_and_nothing_refused(summed):
    checksums.check([], summed / "images")


@pytest.mark.parametrize("name", ["train.csv", 'a "b" c.csv', "two\nlines.csv", "é \udcff.csv"])
def test_what_files_were_made_from_is_noted_by_name_and_is_no_checksum(summed, name):
    source = summed / name
    source.write_bytes(b"label,pixel0\n")
    with checksums.watched(source) as digests:
        source.read_bytes()
    checksums.write(summed / "checksums.sfv", [summed / "images"], digests)
    checksums.check([summed / "checksums.sfv"], summed / "images")
    expected = hashlib.sha256(b"label,pixel0\n").hexdigest()
    assert checksums.read_made_from([summed / "checksums.sfv"]) == {str(source): expected}


@pytest.mark.parametrize(
    "change", [lambda path: path.write_bytes(b"and more"), lambda path: (path.parent / "new").rename(path)]
)
def test_a_file_that_changes_while_it_is_read_is_named(tmp_path, change):
    source = tmp_path / "train.csv"
    for path in (source, tmp_path / "new"):
        path.write_bytes(b"same")
    message = r"train\.csv: it was changed while it was read; run again"
    with pytest.raises(InputError, match=message), checksums.watched(source):
        change(source)


@pytest.mark.parametrize("line", ["; sha256 ab", '; sha256 ab "train.csv', "; sha256 ab []"])
def test_a_damaged_note_of_what_files_were_made_from_is_named(tmp_path, line):
    (tmp_path / "train.sfv").write_text(line)
    with pytest.raises(FormatError, match=r"train\.sfv: damaged: .*; delete it and run again"):
        checksums.read_made_from([tmp_path / "train.sfv"])
