"""Trees of files: whole, or not there at all."""

import resource

import numpy as np
import pytest

from digitflow.base.errors import DigitflowError
from digitflow.dataset.trees import atomic_tree, open_folders, read_file
from digitflow.dataset.views import update_tree
from digitflow.formats import idx


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("before", [[], ["tree"], ["tree", "tree/old"]])
def test_a_tree_takes_its_name_at_the_end_in_place_of_what_was_there(tmp_path, before):
    for name in before:
        (tmp_path / name).mkdir()
    with atomic_tree(tmp_path / "tree") as temporary:
        (temporary / "new").touch()
        assert set(before) <= set(names(tmp_path))
    assert names(tmp_path) == ["tree", "tree/new"]


def test_a_failure_leaves_the_old_tree_and_no_other(tmp_path):
    (tmp_path / "tree" / "old").mkdir(parents=True)
    with pytest.raises(KeyError), atomic_tree(tmp_path / "tree") as temporary:
        (temporary / "new").touch()
        raise KeyError
    assert names(tmp_path) == ["tree", "tree/old"]


def test_a_tree_that_came_back_meanwhile_is_not_replaced_where_that_is_not_wanted(tmp_path):
    with (
        pytest.raises(DigitflowError, match="cannot be written: Directory not empty"),
        atomic_tree(tmp_path / "tree", replace=False) as temporary,
    ):
        (temporary / "new").touch()
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "of a person").touch()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["tree", "tree/of a person"]


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    killed = atomic_tree(tmp_path / "tree")
    (killed.__enter__() / "half").touch()
    with atomic_tree(tmp_path / "tree") as temporary:
        (temporary / "new").touch()
    assert names(tmp_path) == ["tree", "tree/new"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(DigitflowError, match="file/tree: cannot be written: Not a directory"),
        atomic_tree(tmp_path / "file" / "tree"),
    ):
        pass


def test_a_file_is_read_whole_whatever_its_size(tmp_path):
    contents = {"b": b"", "a": b"x" * (1 << 16), "c": bytes(range(256)) * 1000}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    with open_folders(tmp_path) as (folder,):
        assert [read_file(name, folder) for name in contents] == list(contents.values())


def test_a_tree_may_have_more_folders_than_a_process_may_have_open_files(tmp_path):
    classes = [f"class {number}" for number in range(300)]
    labels = np.arange(300)
    images = np.random.default_rng(0).integers(0, 256, (300, 4, 4), dtype=np.uint8)
    idx.write(tmp_path / "images", images)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        for written in (300, 0):  # made, and brought up to date
            counts = update_tree(
                *(tmp_path / "images", tmp_path / "tree", tmp_path / "tree.sfv"),
                *(labels + 1, labels, labels, classes),
            )
            assert counts.written == written
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(list((tmp_path / "tree").glob("*/*.png"))) == 300
