"""The store of finished trainings: what comes back, what misses, what is damaged, two at once, kills."""

import contextlib
import errno
import hashlib
import json
import os
import re
import resource
import time
from pathlib import Path

import pytest
from tests.unit.dataset.killed import killed_at

from digitflow.base.errors import ConfigError, DigitflowError
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


def kept(shelf, folder) -> store.Kept:
    """The store as a training sees it whose files are in a folder."""
    return store.Kept(shelf, [folder / name for name in NAMES])


def keep(shelf, fingerprint: str, folder) -> None:
    kept(shelf, folder).keep(fingerprint)


def bring_back(shelf, fingerprint: str, folder) -> bool:
    return kept(shelf, folder).bring_back(fingerprint)


def entry_of(shelf, fingerprint: str) -> Path:
    return shelf / hashlib.sha256(fingerprint.encode()).hexdigest()


def train(folder, content: bytes = b"weights") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(content)
    (folder / "metrics.json").write_text(json.dumps({"of": content.decode()}))


def run(project, shelf, parts) -> bool:
    """A run of one training: whether it had to train. The files tell what they were made from."""
    folder = project / "seed0"
    if bring_back(shelf, json.dumps(parts), folder):
        return False
    train(folder, json.dumps(parts, sort_keys=True).encode())
    keep(shelf, json.dumps(parts), folder)
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
    path = entry_of(shelf, json.dumps(PARTS)) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert run(tmp_path, shelf, PARTS)
    assert "removed, to be made again" in caplog.text
    assert not run(tmp_path, shelf, PARTS)


def test_a_file_that_is_missing_from_an_entry_makes_it_again(tmp_path):
    run(tmp_path, tmp_path / "store", PARTS)
    (entry_of(tmp_path / "store", json.dumps(PARTS)) / "model.bin").unlink()
    assert run(tmp_path, tmp_path / "store", PARTS)


def test_what_comes_back_is_a_copy_with_a_time_of_its_own(tmp_path):
    shelf = tmp_path / "store"
    run(tmp_path / "one", shelf, PARTS)
    stored = entry_of(shelf, json.dumps(PARTS)) / "model.bin"
    os.utime(stored, (1, 1))
    assert not run(tmp_path / "two", shelf, PARTS)
    back = tmp_path / "two" / "seed0" / "model.bin"
    assert back.stat().st_ino != stored.stat().st_ino
    assert time.time() - back.stat().st_mtime < 3600
    back.write_bytes(b"edited by hand")
    assert not run(tmp_path / "three", shelf, PARTS)


def test_over_its_limit_the_store_loses_what_was_unused_for_longest(tmp_path, monkeypatch):
    shelf = tmp_path / "store"
    train(tmp_path / "a", b"x" * 1000)
    for seed in range(3):
        keep(shelf, f"seed {seed}", tmp_path / "a")
        os.utime(entry_of(shelf, f"seed {seed}"), (1000 + seed, 1000 + seed))
    assert bring_back(shelf, "seed 0", tmp_path / "b")  # used now
    monkeypatch.setattr(store, "LIMIT", 7000)
    keep(shelf, "seed 3", tmp_path / "a")
    assert {*shelf.iterdir()} == {entry_of(shelf, f"seed {seed}") for seed in (0, 2, 3)}
    monkeypatch.setattr(store, "LIMIT", 1)
    keep(shelf, "seed 1", tmp_path / "a")
    assert [*shelf.iterdir()] == [entry_of(shelf, "seed 1")]


def test_what_else_lies_in_the_folder_of_the_store_is_never_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "LIMIT", 1)
    shelf = tmp_path / "shared"
    others = ["thesis/chapter.tex", "photographs/entry.json", f"{'0' * 64}/no-entry.txt"]
    for name in others:
        (shelf / name).parent.mkdir(parents=True)
        (shelf / name).write_bytes(b"x" * 1000)
        os.utime((shelf / name).parent, (1, 1))
    train(tmp_path / "a")
    for seed in range(2):
        keep(shelf, f"seed {seed}", tmp_path / "a")
    assert {str(path.relative_to(shelf)) for path in shelf.glob("*/*")} == {
        *others,
        *(f"{entry_of(shelf, 'seed 1').name}/{name}" for name in (*NAMES, store.ENTRY)),
    }


def test_no_room_for_what_comes_back_is_said_and_harms_no_entry(tmp_path):
    run(tmp_path / "one", tmp_path / "store", PARTS)
    with (
        largest_file(10),
        pytest.raises(DigitflowError, match=r"model\.bin: cannot be written: File too"),
    ):
        run(tmp_path / "two", tmp_path / "store", PARTS)
    assert not any((tmp_path / "two" / "seed0").iterdir())
    assert not run(tmp_path / "two", tmp_path / "store", PARTS)


def test_no_room_in_the_store_leaves_nothing_there(tmp_path, caplog):
    train(tmp_path / "a", b"x" * 1000)
    with largest_file(500):
        keep(tmp_path / "store", "key", tmp_path / "a")
    assert "store: cannot be written" in caplog.text
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
        keep(shelf, "key", tmp_path / "a")
    assert [*shelf.iterdir()] == [entry_of(shelf, "key")]


def test_runs_at_the_same_time_get_whole_trainings_or_none(tmp_path, monkeypatch):
    """Four processes keep, bring back and, over the limit, remove the same five trainings."""
    shelf = tmp_path / "store"
    monkeypatch.setattr(store, "LIMIT", 4000)

    def work(number: int) -> None:
        for turn in range(40):
            name = f"key{(turn + number) % 5}"
            folder = tmp_path / f"of{number}"
            if bring_back(shelf, name, folder):
                assert (folder / "model.bin").read_bytes() == name.encode() * 100
            else:
                train(folder, name.encode() * 100)
                keep(shelf, name, folder)

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
    while killed_at(step, lambda: keep(shelf, "key", tmp_path / "a")):
        step += 1
        if bring_back(shelf, "key", tmp_path / "b"):
            assert (tmp_path / "b" / "model.bin").read_bytes() == b"weights"
            store._remove(entry_of(shelf, "key"))
    assert step > 5
    old = [path for path in shelf.iterdir() if path.name.startswith(store.PASSING)]
    assert old
    for path in old:
        os.utime(path, (1, 1))
    keep(shelf, "key", tmp_path / "a")
    assert [*shelf.iterdir()] == [entry_of(shelf, "key")]


def test_an_entry_has_the_permissions_of_its_store_for_whoever_shares_it(tmp_path):
    train(tmp_path / "a")
    (tmp_path / "shelf").mkdir(mode=0o700)
    (tmp_path / "shelf").chmod(0o775)
    keep(tmp_path / "shelf", "key", tmp_path / "a")
    assert entry_of(tmp_path / "shelf", "key").stat().st_mode & 0o777 == 0o775


def test_an_entry_that_cannot_be_read_just_now_is_left_alone(tmp_path, monkeypatch, caplog):
    train(tmp_path / "a")
    keep(tmp_path / "shelf", "key", tmp_path / "a")

    def fail(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(store, "read_json", fail)
        assert not bring_back(tmp_path / "shelf", "key", tmp_path / "b")
    assert "cannot be read ([Errno 24] Too many open files): training anew" in caplog.text
    (tmp_path / "b").mkdir(exist_ok=True)
    assert bring_back(tmp_path / "shelf", "key", tmp_path / "b")


def test_a_store_that_may_not_be_searched_is_left_alone(tmp_path, monkeypatch, caplog):
    def refuse(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", refuse)
        assert not bring_back(tmp_path / "shelf", "key", tmp_path / "b")
    assert "Permission denied" in caplog.text
    assert ": training anew" in caplog.text


def test_a_store_in_a_home_that_is_not_known_is_named(tmp_path):
    with pytest.raises(ConfigError, match="store: ~nobody-of-that-name/store: "):
        kept("~nobody-of-that-name/store", tmp_path)


def test_a_store_that_cannot_be_written_says_which(tmp_path, caplog):
    train(tmp_path / "a")
    (tmp_path / "file").write_text("")
    keep(tmp_path / "file", "key", tmp_path / "a")
    assert re.search(r"warning: not kept: .*file.*make room there, or set another `store`", caplog.text)
