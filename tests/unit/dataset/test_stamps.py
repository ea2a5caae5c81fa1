"""Stamps: another file or folder has another stamp, and what did not change keeps its own."""

import os
import shutil

import pytest

from digitflow.dataset import stamps

LARGE = bytes(stamps.SMALL + 1)


@pytest.fixture
def folder(tmp_path):
    """A folder of pictures by class."""
    for name in ("3/a.png", "3/b.png", "7/c.png"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, (1000, 1000))
    return tmp_path / "pictures"


def test_a_small_file_counts_by_its_contents_and_not_by_its_time(tmp_path):
    file = tmp_path / "corrections.csv"
    file.write_text("id,was\n")
    before = stamps.of(file)
    os.utime(file, (1000, 1000))
    assert stamps.of(file) == before
    file.write_text("id,now\n")
    os.utime(file, (1000, 1000))
    assert stamps.of(file) != before


def at_one_time(path, data):
    """A file of these bytes; all files made here have the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (1000, 1000))
    return path


def test_a_large_file_counts_by_its_size_and_its_time_in_whole_seconds(tmp_path):
    file = tmp_path / "train.csv"
    file.write_bytes(LARGE)
    os.utime(file, (1000.75, 1000.75))
    before = stamps.of(file)
    os.utime(file, (1000, 1000))  # as tar keeps it
    assert stamps.of(file) == before
    os.utime(file, (999, 999))
    assert stamps.of(file) != before
    file.write_bytes(LARGE + b"1")
    os.utime(file, (1000, 1000))
    assert stamps.of(file) != before


@pytest.mark.parametrize("place", [0, 1000, stamps.SMALL * 2, stamps.SMALL * 4 - 1])
def test_a_large_file_counts_by_samples_of_its_contents(tmp_path, place):
    data = bytearray(stamps.SMALL * 4)
    before = stamps.of(at_one_time(tmp_path / "train.csv", data))
    data[place : place + 200_000] = b"1" * len(data[place : place + 200_000])
    assert stamps.of(at_one_time(tmp_path / "other.csv", data)) != before


def test_of_a_file_that_is_little_larger_every_byte_counts(tmp_path):
    data = bytearray(LARGE)
    before, found = stamps.of(at_one_time(tmp_path / "train.csv", data)), set()
    places = range(0, len(data), 9973)
    for place in places:
        data[place] = 1
        found.add(stamps.of(at_one_time(tmp_path / "train.csv", data)))
        data[place] = 0
    assert len(found - {before}) == len(places)


def test_another_file_behind_a_link_counts_also_where_size_and_time_are_the_same(tmp_path):
    for version in ("v1", "v2"):
        at_one_time(tmp_path / version / "train.csv", version.encode() * stamps.SMALL)
    (tmp_path / "now").symlink_to("v1")
    before = stamps.of(tmp_path / "now/train.csv")
    (tmp_path / "now").unlink()
    (tmp_path / "now").symlink_to("v2")
    assert stamps.of(tmp_path / "now/train.csv") != before


@pytest.mark.parametrize("most", [stamps.FILES, 4])
def test_another_folder_behind_a_link_counts_also_where_sizes_and_times_are_the_same(
    tmp_path, monkeypatch, most
):
    monkeypatch.setattr(stamps, "FILES", most)
    for version in ("v1", "v2"):
        for row in range(10):
            at_one_time(tmp_path / version / f"7/{row}.png", f"{version} {row}".encode())
    (tmp_path / "pics").symlink_to("v1")
    before = stamps.of(tmp_path / "pics")
    (tmp_path / "pics").unlink()
    (tmp_path / "pics").symlink_to("v2")
    assert stamps.of(tmp_path / "pics") != before


def test_pictures_that_exchange_their_names_count_also_where_sizes_and_times_are_the_same(folder):
    before = stamps.of(folder)
    one, other = folder / "3/a.png", folder / "7/c.png"
    one.rename(folder / "kept")
    other.rename(one)
    (folder / "kept").rename(other)
    assert stamps.of(folder) != before


def test_of_a_large_folder_no_more_files_are_read_than_of_a_small_one(folder, monkeypatch):
    read = []
    monkeypatch.setattr(stamps, "_end_of", lambda path, size: read.append(path) or b"")
    for most, expected in ((3, 3), (2, 2), (1, 1)):
        monkeypatch.setattr(stamps, "FILES", most)
        stamps.of(folder)
        assert len(read) == expected
        read.clear()


def test_nothing_waits_for_what_is_no_file_in_a_folder(folder):
    before = stamps.of(folder)
    os.mkfifo(folder / "7/pipe")
    assert stamps.of(folder) != before


def overwrite(folder):
    (folder / "3/a.png").write_bytes(b"another picture")


def overwrite_with_the_same_size(folder):
    (folder / "3/a.png").write_bytes(b"3/A.png")


def add(folder):
    (folder / "7/d.png").write_bytes(b"x")


def add_in_a_new_folder(folder):
    (folder / "7/more").mkdir()
    (folder / "7/more/d.png").write_bytes(b"x")


def delete(folder):
    (folder / "7/c.png").unlink()


def rename(folder):
    (folder / "3/a.png").rename(folder / "3/d.png")


def move(folder):
    (folder / "3/a.png").rename(folder / "7/a.png")


@pytest.mark.parametrize(
    "change",
    [*(overwrite, overwrite_with_the_same_size, add, add_in_a_new_folder, delete, rename, move)],
)
def test_a_folder_changes_with_every_file_below_it(folder, change):
    before = stamps.of(folder)
    change(folder)
    assert stamps.of(folder) != before


def test_a_folder_that_was_copied_with_its_times_is_the_same(folder, tmp_path):
    os.utime(folder / "3/a.png", (1000.75, 1000.75))
    shutil.copytree(folder, tmp_path / "copy")
    assert stamps.of(tmp_path / "copy") == stamps.of(folder)
    os.utime(tmp_path / "copy/3/a.png", (1000, 1000))  # as tar keeps it
    assert stamps.of(tmp_path / "copy") == stamps.of(folder)


def test_what_systems_leave_changes_no_folder(folder):
    before = stamps.of(folder)
    for name in (".DS_Store", "3/._a.png", "7/Thumbs.db", "3/Icon\r"):
        (folder / name).write_bytes(b"x")
    (folder / "@eaDir").mkdir()
    (folder / "@eaDir/a.png").write_bytes(b"x")
    assert stamps.of(folder) == before


def test_links_are_followed_once(folder, tmp_path):
    (folder / "3/round").symlink_to(folder)
    (tmp_path / "elsewhere").mkdir()
    (folder / "8").symlink_to(tmp_path / "elsewhere")
    before = stamps.of(folder)
    (tmp_path / "elsewhere/d.png").write_bytes(b"x")
    assert stamps.of(folder) != before


def test_an_empty_folder_has_a_stamp(tmp_path):
    (tmp_path / "empty").mkdir()
    assert stamps.of(tmp_path / "empty") != stamps.of(tmp_path / "missing")


def test_nothing_and_what_is_not_there_have_stamps_too(tmp_path, folder):
    (folder / "3/gone.png").symlink_to("nowhere")
    assert stamps.of() == stamps.of(None, [])
    assert stamps.of(tmp_path / "missing.csv") != stamps.of()
    assert stamps.of(folder) == stamps.of(folder)
