"""Stamps: another file or folder has another one, and what did not change has the same."""

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
    shutil.copytree(folder, tmp_path / "copy")
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


def test_nothing_and_what_is_not_there_have_stamps_too(tmp_path, folder):
    (folder / "3/gone.png").symlink_to("nowhere")
    assert stamps.of() == stamps.of(None, [])
    assert stamps.of(tmp_path / "missing.csv") != stamps.of()
    assert stamps.of(folder) == stamps.of(folder)
