"""The store of finished trainings: what comes back, what misses, what is damaged, two at once, kills."""

import contextlib
import errno
import json
import os
import resource
import time

import pytest
from tests.unit.dataset.killed import killed_at

from digitflow.competing import store

NAMES = ["model.bin", "metrics.json"]
PARTS = {
    "settings": {
        "architecture": "small_cnn",
        "epochs": 20,
        "learning_rate": 0.004,
        "augment": {"rotate": 10},
    },
    "seed": 0,
    "fold": None,
    "lists": "a" * 8,
    "images": "b" * 8,
    "code": "c" * 8,
    "versions": {"keras": "3.13", "numpy": "2.0"},
    "threads": 2,
}


def key_of(parts) -> str:
    return store.key_of(json.dumps(parts))


def train(folder, content: bytes = b"weights") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(content)
    (folder / "metrics.json").write_text(json.dumps({"of": content.decode()}))


def run(project, shelf, parts) -> bool:
    """A run of one training: whether it had to train. The files tell what they were made from."""
    key = key_of(parts)
    folder = project / "seed0"
    if store.bring_back(shelf, key, folder, NAMES):
        return False
    train(folder, json.dumps(parts, sort_keys=True).encode())
    store.keep(shelf, key, folder, NAMES)
    return True


def test_going_there_and_back_trains_twice_not_thrice_with_the_same_bytes(tmp_path):
    a, b = PARTS, PARTS | {"seed": 1}
    trained = []
    for parts in (a, b, a):
        trained.append(run(tmp_path, tmp_path / "store", parts))
        last = (tmp_path / "seed0" / "model.bin").read_bytes()
        assert last == json.dumps(parts, sort_keys=True).encode()
    assert trained == [True, True, False]


@pytest.mark.parametrize("part", PARTS)
def test_a_change_of_any_part_misses(tmp_path, part):
    changed = PARTS | {part: "another" if part != "settings" else PARTS["settings"] | {"epochs": 21}}
    assert run(tmp_path, tmp_path / "store", PARTS)
    assert run(tmp_path, tmp_path / "store", changed)


@pytest.mark.parametrize("name", [*NAMES, store.ENTRY])
def test_a_flipped_bit_is_found_and_that_entry_is_made_again(tmp_path, name, caplog):
    shelf = tmp_path / "store"
    run(tmp_path, shelf, PARTS)
    path = shelf / key_of(PARTS) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert run(tmp_path, shelf, PARTS)
    assert "removed, to be made again" in caplog.text
    assert not run(tmp_path, shelf, PARTS)


def test_a_file_that_is_missing_from_an_entry_makes_it_again(tmp_path):
    run(tmp_path, tmp_path / "store", PARTS)
    (tmp_path / "store" / key_of(PARTS) / "model.bin").unlink()
    assert run(tmp_path, tmp_path / "store", PARTS)


def test_what_comes_back_is_a_copy_with_a_time_of_its_own(tmp_path):
    shelf = tmp_path / "store"
    run(tmp_path / "one", shelf, PARTS)
    stored = shelf / key_of(PARTS) / "model.bin"
    os.utime(stored, (1, 1))
    assert not run(tmp_path / "two", shelf, PARTS)
    back = tmp_path / "two" / "seed0" / "model.bin"
    assert back.stat().st_ino != stored.stat().st_ino
    assert time.time() - back.stat().st_mtime < 3600
    back.write_bytes(b"edited by hand")
    assert not run(tmp_path / "three", shelf, PARTS)


def test_over_its_limit_the_store_loses_what_was_unused_for_longest(tmp_path):
    shelf = tmp_path / "store"
    keys = []
    for seed in range(3):
        train(tmp_path / "a", b"x" * 1000)
        keys.append(key_of(PARTS | {"seed": seed}))
        store.keep(shelf, keys[-1], tmp_path / "a", NAMES, limit=1 << 30)
        os.utime(shelf / keys[-1], (1000 + seed, 1000 + seed))
    assert store.bring_back(shelf, keys[0], tmp_path / "b", NAMES)  # used now
    last = key_of(PARTS | {"seed": 3})
    store.keep(shelf, last, tmp_path / "a", NAMES, limit=7000)
    assert {path.name for path in shelf.iterdir()} == {keys[0], keys[2], last}
    store.keep(shelf, keys[1], tmp_path / "a", NAMES, limit=1)
    assert [path.name for path in shelf.iterdir()] == [keys[1]]


def test_what_else_lies_in_the_folder_of_the_store_is_never_removed(tmp_path):
    shelf = tmp_path / "shared"
    others = ["thesis/chapter.tex", "photographs/entry.json", f"{'0' * 64}/no-entry.txt"]
    for name in others:
        (shelf / name).parent.mkdir(parents=True)
        (shelf / name).write_bytes(b"x" * 1000)
        os.utime((shelf / name).parent, (1, 1))
    train(tmp_path / "a")
    for seed in range(2):
        store.keep(shelf, key_of(PARTS | {"seed": seed}), tmp_path / "a", NAMES, limit=1)
    assert {str(path.relative_to(shelf)) for path in shelf.glob("*/*")} == {
        *others,
        *(f"{key_of(PARTS | {'seed': 1})}/{name}" for name in (*NAMES, store.ENTRY)),
    }


def test_no_room_for_what_comes_back_is_said_and_harms_no_entry(tmp_path):
    run(tmp_path / "one", tmp_path / "store", PARTS)
    with (
        largest_file(10),
        pytest.raises(store.DigitflowError, match=r"model\.bin: cannot be written: File too"),
    ):
        run(tmp_path / "two", tmp_path / "store", PARTS)
    assert not any((tmp_path / "two" / "seed0").iterdir())
    assert not run(tmp_path / "two", tmp_path / "store", PARTS)


def test_no_room_in_the_store_leaves_nothing_there(tmp_path):
    train(tmp_path / "a", b"x" * 1000)
    with largest_file(500), pytest.raises(store.DigitflowError, match="store: cannot be written"):
        store.keep(tmp_path / "store", key_of(PARTS), tmp_path / "a", NAMES)
    assert not any((tmp_path / "store").iterdir())


def test_a_store_that_is_only_read_serves_what_it_has(tmp_path, monkeypatch):
    run(tmp_path / "one", tmp_path / "store", PARTS)

    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "utime", refuse)
    assert not run(tmp_path / "two", tmp_path / "store", PARTS)


@contextlib.contextmanager
def largest_file(size: int):
    """A limit on what this process may write into a file, in bytes: stands for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_two_runs_that_keep_the_same_training_leave_one_entry(tmp_path):
    shelf = tmp_path / "store"
    train(tmp_path / "a")
    for _ in range(2):
        store.keep(shelf, "key", tmp_path / "a", NAMES)
    assert [path.name for path in shelf.iterdir()] == ["key"]


def test_runs_at_the_same_time_get_whole_trainings_or_none(tmp_path):
    """Four processes keep, bring back and, over the limit, remove the same five trainings."""
    shelf = tmp_path / "store"

    def work(number: int) -> None:
        for turn in range(40):
            name = f"key{(turn + number) % 5}"
            folder = tmp_path / f"of{number}"
            if store.bring_back(shelf, name, folder, NAMES):
                assert (folder / "model.bin").read_bytes() == name.encode() * 100
            else:
                train(folder, name.encode() * 100)
                store.keep(shelf, name, folder, NAMES, limit=4000)

    children = []
    for number in range(4):
        children.append(os.fork())
        if children[-1] == 0:
            status = 1
            try:
                work(number)
                status = 0
            finally:
                os._exit(status)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4


def test_a_kill_at_any_file_leaves_a_store_that_serves_whole_entries_or_none(tmp_path):
    shelf = tmp_path / "store"
    train(tmp_path / "a")
    step = 0
    while killed_at(step, lambda: store.keep(shelf, "key", tmp_path / "a", NAMES)):
        step += 1
        if store.bring_back(shelf, "key", tmp_path / "b", NAMES):
            assert (tmp_path / "b" / "model.bin").read_bytes() == b"weights"
            store._remove(shelf / "key")
    assert step > 5
    old = [path for path in shelf.iterdir() if path.name.startswith(store.PASSING)]
    assert old
    for path in old:
        os.utime(path, (1, 1))
    store.keep(shelf, "key", tmp_path / "a", NAMES)
    assert [path.name for path in shelf.iterdir()] == ["key"]


def test_an_entry_has_the_permissions_of_its_store_for_whoever_shares_it(tmp_path):
    train(tmp_path / "a")
    (tmp_path / "shelf").mkdir(mode=0o700)
    (tmp_path / "shelf").chmod(0o775)
    store.keep(tmp_path / "shelf", "key", tmp_path / "a", NAMES)
    assert (tmp_path / "shelf" / "key").stat().st_mode & 0o777 == 0o775


def test_an_entry_that_cannot_be_read_just_now_is_left_alone(tmp_path, monkeypatch, caplog):
    train(tmp_path / "a")
    store.keep(tmp_path / "shelf", "key", tmp_path / "a", NAMES)

    def fail(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(store, "read_json", fail)
        assert not store.bring_back(tmp_path / "shelf", "key", tmp_path / "b", NAMES)
    assert "cannot be read ([Errno 24] Too many open files): training anew" in caplog.text
    (tmp_path / "b").mkdir(exist_ok=True)
    assert store.bring_back(tmp_path / "shelf", "key", tmp_path / "b", NAMES)


def test_a_store_that_cannot_be_written_says_which(tmp_path):
    train(tmp_path / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(store.DigitflowError, match=r"file.*make room there, or set another `store`"):
        store.keep(tmp_path / "file", "key", tmp_path / "a", NAMES)
