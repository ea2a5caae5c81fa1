"""Trees as views: only what differs is written, what people did is left alone, and a kill loses nothing."""

import errno
import io
import os
import resource
import shutil
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.dataset.killed import killed_at

from digitflow.base.errors import DigitflowError, FormatError, InputError
from digitflow.config import schema
from digitflow.dataset import inventory, trees, treetimes, views
from digitflow.dataset.adoption import find_changes
from digitflow.dataset.classes import label_of_folder
from digitflow.dataset.views import Counts, update_tree
from digitflow.formats import idx, png
from digitflow.formats.corrections import Correction, record

CLASSES = ["0", "1", "2", "3"]
LABELS = np.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3], np.uint8)


class Project:
    """Twelve real digits in four classes, their tree and its manifest."""

    def __init__(self, folder: Path, images: np.ndarray):
        self.folder, self.images = folder, images
        self.idx, self.tree, self.manifest = folder / "images", folder / "png/train", folder / "png/train.sfv"
        idx.write(self.idx, images)

    def update(self, labels=LABELS, ids=None, enlarge=1) -> Counts:
        if ids is None:
            ids = np.arange(1, len(labels) + 1)
        return update_tree(
            self.idx,
            self.tree,
            self.manifest,
            ids,
            labels[ids - 1],
            np.resize(LABELS, len(self.images)),
            CLASSES,
            enlarge=enlarge,
        )

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.tree)): path.read_bytes()
            for path in sorted(self.tree.rglob("*"))
            if path.is_file()
        }

    def expected(self, labels=LABELS, ids=range(1, 13), enlarge=1) -> dict[str, bytes]:
        files = png.encode_enlarged(self.images, enlarge)
        return dict(sorted((f"{labels[id_ - 1]}/{id_:02}.png", files[id_ - 1]) for id_ in ids))

    def wishes(self) -> list[str]:
        return find_changes(self.tree, self.manifest, self.folder / "corrections.csv").lines


@pytest.fixture
def project(tmp_path, digits):
    return Project(tmp_path, digits[0][:12])


@pytest.fixture
def made(project):
    project.update()
    return project


def stats(tree):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tree.rglob("*")}


def test_a_labelled_tree_has_a_folder_for_every_class_and_padded_row_numbers(project):
    assert project.update(np.minimum(LABELS, 2)) == Counts(written=12)
    assert sorted(path.name for path in project.tree.iterdir()) == CLASSES
    assert project.files() == project.expected(np.minimum(LABELS, 2))


def test_the_manifest_has_path_and_checksum_of_every_picture_in_the_order_of_rows(made):
    *lines, comment = made.manifest.read_text().splitlines()
    assert comment.startswith("; pixels ")  # and whose corrections it shows, where that is known
    assert [line.split("/")[1][:2] for line in lines] == [f"{id_:02}" for id_ in range(1, 13)]
    for line in lines:
        path, crc = line.split(" ")
        assert crc == f"{zlib.crc32((made.tree / path).read_bytes()):08X}"


def test_alphabetical_order_of_an_unlabelled_tree_is_row_order(project):
    tree = project.folder / "png/test"
    update_tree(project.idx, tree, tree.with_suffix(".sfv"))
    read = [png.decode(path.read_bytes(), path.name) for path in sorted(tree.iterdir())]
    assert np.array_equal(read, project.images)
    assert tree.with_suffix(".sfv").read_text().startswith("01.png ")


def test_more_images_than_one_block_are_written_and_read_again(tmp_path):
    images = np.arange(views.BLOCK + 2, dtype=np.uint16).view(np.uint8).reshape(-1, 1, 2)
    idx.write(tmp_path / "images", images)
    for written in (len(images), 0):
        assert update_tree(tmp_path / "images", tmp_path / "test", tmp_path / "test.sfv") == Counts(written)
    last = tmp_path / "test" / f"{len(images)}.png"
    assert np.array_equal(png.decode(last.read_bytes(), "it"), images[-1])


def test_nothing_is_written_where_nothing_differs(made):
    before = stats(made.tree)
    manifest = made.manifest.read_bytes()
    assert made.update() == Counts()
    assert stats(made.tree) == before
    assert made.manifest.read_bytes() == manifest


def test_what_an_update_did_is_said_in_words_that_frighten_nobody():
    assert str(Counts()) == "all pictures are as they should be"
    assert str(Counts(written=42_000)) == "42,000 written"
    assert str(Counts(0, 499, 41_500)) == (
        "499 moved to their labels' folders, 41,500 removed, whose rows are dropped or no longer in the CSV"
    )


def test_only_what_differs_is_moved_removed_and_written(made):
    before = stats(made.tree)
    labels = LABELS.copy()
    labels[[0, 1]] = 3
    ids = np.array([1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12])  # the third is dropped
    (made.tree / "3/04.png").unlink()
    made.manifest.unlink()  # so it is to be made again
    (made.tree / "0/05.png").write_bytes(b"")
    assert made.update(labels, ids) == Counts(written=2, moved=2, removed=1)
    assert made.files() == made.expected(labels, ids)
    after = stats(made.tree)
    kept = [made.tree / path for path in made.expected(labels, ids) if path[:1] != "3"]
    assert all(before[path] == after[path] for path in kept if path.name != "05.png")
    assert after[made.tree / "3/01.png"] == before[made.tree / "0/01.png"]
    assert made.update() == Counts(written=1, moved=2)
    assert made.files() == made.expected()


def test_rows_with_other_pixels_are_written_again(made):
    made.images = made.images.copy()
    made.images[[3, 7]] = 255 - made.images[[3, 7]]
    idx.write(made.idx, made.images)
    assert made.update() == Counts(written=2)
    assert made.files() == made.expected()


def test_the_same_bytes_in_another_shape_are_other_pictures(made):
    made.images = made.images.reshape(-1, 14, 56)
    idx.write(made.idx, made.images)
    assert made.update() == Counts(written=12)
    assert made.files() == made.expected()


def test_a_file_with_more_or_fewer_rows_renames_moves_and_removes(made, digits):
    for rows in (9, 120, 12):
        images, labels = digits[0][:rows], np.resize(LABELS, rows)
        idx.write(made.idx, images)
        update_tree(made.idx, made.tree, made.manifest, None, labels, labels, CLASSES)
        width = len(str(rows))
        files = png.encode(images)
        expected = {f"{labels[row]}/{row + 1:0{width}}.png": files[row] for row in range(rows)}
        assert made.files() == dict(sorted(expected.items()))
        assert made.wishes() == []


def test_another_set_of_classes_moves_the_pictures_and_removes_the_empty_folders(made):
    names = ["zero", "1", "b"]
    labels = np.minimum(LABELS, 2)
    counts = update_tree(made.idx, made.tree, made.manifest, None, labels, labels, names)
    assert counts == Counts(moved=9)
    assert sorted(path.name for path in made.tree.iterdir()) == sorted(names)
    assert list(made.files()) == sorted(f"{names[label]}/{row:02}.png" for row, label in enumerate(labels, 1))
    assert made.wishes() == []


@pytest.mark.parametrize("name", ["a/b", "..", "", ".hidden", "ok"])
def test_a_label_that_no_folder_can_have_is_written_so_that_it_can_be_read_back(project, name):
    update_tree(project.idx, project.tree, project.manifest, None, LABELS, LABELS, ["0", "1", "2", name])
    folders = {path.name for path in project.tree.iterdir()}
    assert len(folders) == 4
    assert {label_of_folder(folder) for folder in folders} == {"0", "1", "2", name}


def test_a_tree_of_pictures_in_colour_is_made_and_brought_up_to_date(project):
    images = np.random.default_rng(0).integers(0, 256, (len(LABELS), 6, 5, 3), np.uint8)
    idx.write(project.idx, images)
    update_tree(project.idx, project.tree, project.manifest, None, LABELS, LABELS, list("0123"))
    for row, label in enumerate(LABELS.tolist(), start=1):
        picture = np.asarray(Image.open(project.tree / f"{label}/{row:02}.png"))
        assert np.array_equal(picture, images[row - 1])
    again = update_tree(project.idx, project.tree, project.manifest, None, LABELS, LABELS, list("0123"))
    assert again == Counts()


def test_a_tree_is_made_in_any_size_and_brought_to_another_picture_by_picture(project):
    assert project.update(enlarge=3) == Counts(written=12)
    assert project.files() == project.expected(enlarge=3)
    assert Image.open(project.tree / "0/01.png").size == (3 * 28, 3 * 28)
    assert project.update(enlarge=3) == Counts()
    assert project.update(3 - LABELS, enlarge=3) == Counts(moved=12)
    for enlarge in (2, 1, 16):
        assert project.update(enlarge=enlarge).written == 12
        assert project.files() == project.expected(enlarge=enlarge)
    assert project.wishes() == []


def test_what_is_done_by_hand_in_an_enlarged_tree_is_told_as_in_any_other(project, caplog):
    project.update(enlarge=4)
    (project.tree / "2/07.png").rename(project.tree / "0/07.png")
    (project.tree / "1/02.png").write_bytes(saved_again(project.images[1].repeat(4, 0).repeat(4, 1), "RGB"))
    drawn = project.images[2].repeat(4, 0).repeat(4, 1)
    drawn[50, 51] ^= 255  # a single pixel of a square
    (project.tree / "2/03.png").write_bytes(saved_again(drawn))
    [line] = project.wishes()
    assert "image 7: 2 -> 0" in line
    for enlarge in (4, 5):
        caplog.clear()
        project.update(enlarge=enlarge)
        assert "2/03.png: edited pictures" in caplog.text
        assert "02.png" not in caplog.text
    assert project.files()["2/03.png"] == saved_again(drawn)
    assert project.files()["1/02.png"] == project.expected(enlarge=5)["1/02.png"]


def test_an_update_to_another_size_can_be_killed_anywhere(tmp_path, digits):
    first = Project(tmp_path / "first", digits[0][:12])
    first.update()
    step, came = 0, True
    while came:
        shutil.copytree(tmp_path / "first", tmp_path / str(step))
        project = Project(tmp_path / str(step), digits[0][:12])
        came = killed_at(step, lambda project=project: project.update(enlarge=2))
        assert project.wishes() == []
        enlarge = 2 + step % 2  # or the configuration is changed once more
        project.update(enlarge=enlarge)
        assert project.files() == project.expected(enlarge=enlarge)
        assert project.wishes() == []
        step += 1
    assert step > 20


@pytest.mark.parametrize(
    ("first", "killed", "last"),
    [
        (("small", 2), ("large", 2), ("small", 2)),
        (("small", 1), ("small", 2), ("large", 2)),
        (("small", 1), ("small", 2), ("large", 1)),
        (("large", 1), ("small", 2), ("large", 1)),
        (("small", 1), ("large", 3), ("small", 1)),
        (("small", 1), ("large", 1), ("small", 1)),
    ],
)
def test_an_update_to_images_of_another_shape_can_be_killed_anywhere(tmp_path, first, killed, last):
    draw = np.random.default_rng(0)
    sets = {"small": draw.integers(0, 256, (12, 4, 4), np.uint8)}
    sets |= {"large": draw.integers(0, 256, (12, 8, 8), np.uint8)}
    sets["large"][3:6] = 0  # which may be an enlargement of anything black
    project = Project(tmp_path / "first", sets[first[0]])
    project.update(enlarge=first[1])
    resaved = saved_again(sets[first[0]][2].repeat(first[1], 0).repeat(first[1], 1))
    (project.tree / "2/03.png").write_bytes(resaved)
    for step in range(0, 60, 2):
        shutil.copytree(tmp_path / "first", tmp_path / str(step))
        project = Project(tmp_path / str(step), sets[killed[0]])
        killed_at(step, lambda project=project: project.update(enlarge=killed[1]))
        found = find_changes(project.tree, project.manifest, project.folder / "corrections.csv")
        assert not found.lines
        assert not found.notes
        project = Project(tmp_path / str(step), sets[last[0]])
        project.update(enlarge=last[1])
        expected = project.expected(enlarge=last[1])
        files = project.files()
        if first == last and files["2/03.png"] == resaved:  # the kill came before it was written
            expected["2/03.png"] = resaved
        assert files == expected
        assert project.wishes() == []


def test_pictures_too_large_to_look_at_are_refused_before_anything_is_written(made, monkeypatch):
    monkeypatch.setattr(views, "LARGEST", 100)
    before = stats(made.tree)
    with pytest.raises(InputError, match=r"28 x 28 pixels, 4 times .*; set png\.enlarge to 3$"):
        made.update(enlarge=4)
    assert stats(made.tree) == before
    assert made.update(enlarge=3) == Counts(written=12)


def test_the_most_that_pictures_are_enlarged_is_what_the_schema_allows():
    assert schema.schema()["properties"]["png"]["properties"]["enlarge"]["maximum"] == png.MOST_ENLARGED


def saved_again(image, mode="L", kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, kind, optimize=True)
    return file.getvalue()


@pytest.mark.parametrize(("mode", "kind"), [("L", "PNG"), ("RGB", "PNG"), ("L", "BMP")])
def test_a_picture_that_another_program_saved_with_the_same_pixels_is_right(made, mode, kind):
    (made.tree / "0/01.png").write_bytes(saved_again(made.images[0], mode, kind))
    assert made.update() == Counts()
    assert made.update(3 - LABELS) == Counts(moved=12)
    crc = f"{zlib.crc32((made.tree / '3/01.png').read_bytes()):08X}"
    assert made.manifest.read_text().splitlines()[0] == f"3/01.png {crc}"


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_an_edited_picture_is_named_and_kept_wherever_its_label_takes_it(made, caplog, mode):
    edited = saved_again(255 - made.images[0], mode)
    stat = (made.tree / "0/01.png").stat()
    (made.tree / "0/01.png").write_bytes(edited)
    os.utime(made.tree / "0/01.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    labels = LABELS.copy()
    for path, args in (("0", ()), ("2", (labels,)), ("2", (labels, np.arange(2, 13)))):
        labels[0] = 2
        caplog.clear()
        made.update(*args)
        assert made.files()[f"{path}/01.png"] == edited
        assert f"{path}/01.png: edited pictures; models take the pixels from the CSV" in caplog.text
        assert made.wishes() == []


def test_hand_added_files_are_named_and_kept_and_those_of_systems_passed_over(made, caplog):
    added = {"0/mine.png": "0/mine.png", "1/02 - Copy.png": "1/02 - Copy.png (by its name a copy of 02.png)"}
    system = [
        ".DS_Store",
        "0/._01.png",
        "1/Thumbs.db",
        "ehthumbs.db",
        "2/desktop.ini",
        "Icon\r",
        "3/.DS_Store",
    ]
    for name in [*added, *system]:
        (made.tree / name).write_bytes(b"mine")
    (made.tree / "0/@eaDir").mkdir()
    (made.tree / "#recycle").mkdir()
    before = stats(made.tree)
    assert made.update() == Counts()
    assert stats(made.tree) == before
    for told in added.values():
        assert told in caplog.text
    assert "DS_Store" not in caplog.text
    assert "eaDir" not in caplog.text


def test_a_picture_moved_by_hand_after_the_corrections_were_read_stays_there_until_the_next_run(made, caplog):
    (made.tree / "0/01.png").rename(made.tree / "3/01.png")
    made.update(ids=np.arange(2, 13))
    assert "3/01.png: moved by hand since the corrections were read" in caplog.text
    assert (made.tree / "3/01.png").exists()
    [line] = made.wishes()
    assert "image 1: 0 -> 3, because its picture was put at" in line


def test_a_picture_deleted_after_the_corrections_were_read_stays_away_until_the_next_run(made, caplog):
    (made.tree / "0/01.png").unlink()
    (made.tree / "3/04.png").unlink()
    labels = LABELS.copy()
    labels[[3, 4]] = 1  # the run has other labels, one of them of a picture that is gone
    assert made.update(labels) == Counts(moved=1)
    assert "0/01.png, 3/04.png: deleted since the corrections were read; the next run adds" in caplog.text
    assert ["1: drop" in line or "4: drop" in line for line in made.wishes()] == [True, True]


def test_a_picture_deleted_after_an_update_was_killed_stays_away_until_the_next_run(
    made, monkeypatch, caplog
):
    with monkeypatch.context() as patch:
        patch.setattr(views._Update, "bring", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made.update(3 - LABELS)
    (made.tree / "0/01.png").unlink()
    assert made.update(3 - LABELS) == Counts(moved=11)
    assert "0/01.png: deleted since the corrections were read; the next run adds" in caplog.text
    [line] = made.wishes()
    assert "image 1: drop" in line


@pytest.mark.parametrize("to", [None, "2"])
def test_what_is_done_to_a_picture_that_a_killed_update_had_moved_replaces_the_line_that_moved_it(
    made, monkeypatch, to
):
    labels = LABELS.copy()
    labels[0] = 3
    record(made.folder / "corrections.csv", [Correction(1, "0", "3")])
    with monkeypatch.context() as patch:
        patch.setattr(views._Update, "remove", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made.update(labels)
    moved = made.tree / "3/01.png"
    moved.rename(made.tree / to / "01.png") if to else moved.unlink()
    made.update(labels)
    [line] = made.wishes()
    assert f"image 1: {f'0 -> {to}' if to else 'drop'}" in line


@pytest.mark.parametrize("to", [None, "3/01.png"])
def test_a_picture_that_is_taken_away_during_an_update_is_left_to_the_next_run(made, monkeypatch, caplog, to):
    """One of a row that keeps its picture, one of a row whose label moves it, and one of a dropped row."""
    taken, begin = ("0/01.png", "0/05.png", "2/07.png"), views._Update.begin

    def meanwhile(update):
        begin(update)
        for name in taken:
            made.tree.joinpath(name).rename(made.folder / name.replace("/", "-"))
        if to:
            (made.folder / "0-01.png").rename(made.tree / to)

    labels = LABELS.copy()
    labels[4] = 3
    ids = np.delete(np.arange(1, 13), 6)
    monkeypatch.setattr(views._Update, "begin", meanwhile)
    made.update(labels, ids)
    assert "0/01.png, 0/05.png: deleted or moved by hand during this update; the next run" in caplog.text
    assert [path for path in taken if (made.tree / path).exists()] == []
    first, second = made.wishes()
    assert ("image 1: 0 -> 3" if to else "image 1: drop") in first
    assert "image 5: drop" in second


def test_a_picture_that_is_taken_away_during_an_update_of_a_tree_without_folders_is_made_again(
    project, monkeypatch, caplog
):
    begin = views._Update.begin

    def meanwhile(update):
        begin(update)
        (project.tree / "01.png").unlink()

    update_tree(project.idx, project.tree, project.manifest)
    before = project.files()
    monkeypatch.setattr(views._Update, "begin", meanwhile)
    assert update_tree(project.idx, project.tree, project.manifest) == Counts(written=1)
    assert project.files() == before
    assert "during this update" not in caplog.text


@pytest.mark.parametrize("lost", ["nothing", "the inventory"])
def test_a_picture_that_is_missing_in_a_tree_without_folders_is_made_again(project, lost):
    def update() -> Counts:
        return update_tree(project.idx, project.tree, project.manifest)

    update()
    (project.tree / "01.png").unlink()
    if lost == "the inventory":
        inventory.inventory_path(project.tree).unlink()
    assert update() == Counts(written=1)


def test_a_picture_that_is_there_twice_is_named_and_neither_is_touched(made, caplog):
    shutil.copy(made.tree / "0/01.png", made.tree / "3/01.png")
    made.update(3 - LABELS)
    assert "0/01.png and 3/01.png: each is there twice" in caplog.text
    assert {"0/01.png", "3/01.png"} <= made.files().keys()


def test_a_folder_of_something_else_is_refused_and_not_touched(project):
    photos = {"1.png": saved_again(project.images[4]), "holiday.jpg": b"a beach", "0/02.png": b"no picture"}
    (project.tree / "0").mkdir(parents=True)
    for name, data in photos.items():
        (project.tree / name).write_bytes(data)
        for rest in photos.keys() - {name}:
            (project.tree / rest).unlink(missing_ok=True)
        before = stats(project.folder)
        with pytest.raises(
            InputError, match=f"exists, but digitflow did not make it: it holds {name}. Nothing in it was"
        ):
            project.update()
        assert stats(project.folder) == before


def test_a_tree_without_its_inventory_is_recognised_by_its_pictures(made):
    (made.tree / "0/01.png").rename(made.tree / "3/01.png")
    (made.tree / "0/05.png").unlink()
    inventory.inventory_path(made.tree).unlink()
    before = stats(made.tree)
    assert made.update() == Counts()
    assert stats(made.tree) == before
    moved, deleted = made.wishes()
    assert "image 1: 0 -> 3" in moved
    assert "image 5: drop" in deleted


def test_a_damaged_inventory_is_named_with_the_way_on(made):
    inventory.inventory_path(made.tree).write_bytes(inventory.inventory_path(made.tree).read_bytes()[:500])
    with pytest.raises(
        FormatError, match=r"train\.inventory: damaged: .*; delete it and run again .* from .*train\.sfv$"
    ):
        made.update()


def test_an_inventory_with_a_flipped_bit_is_refused_or_read_as_it_was(made):
    path = inventory.inventory_path(made.tree)
    whole, right = path.read_bytes(), repr(inventory.read_inventory(made.tree))
    refused = 0
    for at in range(0, len(whole), 2):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at // 2 % 8
        path.write_bytes(damaged)
        assert isinstance(treetimes.read_about(made.tree), treetimes.About)
        try:
            assert repr(inventory.read_inventory(made.tree)) == right
        except FormatError:
            refused += 1
    assert refused > len(whole) / 4
    name = whole.rindex(treetimes.ABOUT.encode())  # in the archive's list of its parts
    comment = name - 46 - len("shape.npy") - 13  # the length of the comment before it, which may swallow it
    for at in (name, comment):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"train\.inventory: damaged: "):
            inventory.read_inventory(made.tree)


def test_a_disk_that_takes_no_more_leaves_what_was_right_and_nothing_half(made):
    made.images = np.random.default_rng(0).integers(0, 256, made.images.shape, np.uint8)
    idx.write(made.idx, made.images)
    before, manifest = made.files(), made.manifest.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(DigitflowError, match="cannot be written: File too large"):
            made.update()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert made.files() == before
    assert made.manifest.read_bytes() == manifest
    assert sorted(path.name for path in made.tree.parent.iterdir()) == [
        "train",
        "train.inventory",
        "train.sfv",
    ]


def test_a_full_disk_in_the_middle_leaves_whole_pictures_and_no_wishes(made, monkeypatch):
    made.images = 255 - made.images
    idx.write(made.idx, made.images)
    old, new = png.encode(255 - made.images), png.encode(made.images)

    def full(contents, names, folders):
        trees.write_files(list(contents)[:5], list(names)[:5], list(folders)[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(views, "write_files", full)
    with pytest.raises(DigitflowError, match="No space left on device; each file takes a disk block"):
        made.update(3 - LABELS)
    monkeypatch.undo()
    assert len(made.files()) == 12
    assert all(data in old or data in new for data in made.files().values())
    assert made.wishes() == []
    made.update(3 - LABELS)
    assert made.files() == made.expected(3 - LABELS)


def test_labels_of_another_number_than_images_are_refused(made):
    with pytest.raises(InputError, match="images: 12 images, but 11 labels"):
        update_tree(made.idx, made.tree, made.manifest, None, LABELS, LABELS[:11], CLASSES)


def test_more_classes_than_a_tree_has_room_for_are_refused(made, monkeypatch):
    before = made.files()
    monkeypatch.setattr(views, "MAX_FOLDERS", 3)
    with pytest.raises(InputError, match="4 classes, but a tree has at most 3 folders; do without trees: "):
        made.update()
    assert made.files() == before


def test_a_bad_idx_file_leaves_tree_and_manifest(made):
    before = stats(made.folder / "png")
    made.idx.write_bytes(made.idx.read_bytes()[:-1])
    with pytest.raises(FormatError, match="truncated"):
        made.update(3 - LABELS)
    assert stats(made.folder / "png") == before


@pytest.mark.parametrize("most", [0, 1])
def test_more_folders_than_may_be_open_hold_the_same_tree(project, monkeypatch, most):
    monkeypatch.setattr(trees, "MOST_OPEN", most)
    project.update()
    project.update(3 - LABELS)
    assert project.files() == project.expected(3 - LABELS)


def test_a_first_tree_that_was_killed_anywhere_is_made_by_the_next_run(tmp_path, digits):
    step, came = 0, True
    while came:
        project = Project(tmp_path / str(step), digits[0][:12])
        came = killed_at(step, project.update)
        assert project.wishes() == []
        if project.tree.exists():
            assert project.files() == project.expected()
        project.update()
        assert project.files() == project.expected()
        assert project.wishes() == []
        assert sorted(path.name for path in project.tree.parent.iterdir()) == [
            "train", "train.inventory", "train.sfv",
        ]  # fmt: skip
        step += 1
    assert step > 30


def test_an_update_that_was_killed_anywhere_is_finished_by_the_next_and_nothing_is_taken_for_a_wish(
    tmp_path, digits
):
    """Pictures to move, remove and write for the tool; one moved and one doubled folder's file by hand."""
    labels = LABELS.copy()
    labels[:5] = 3 - labels[:5]
    ids = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 11])  # two are dropped
    wish = "image 7: 2 -> 0, because its picture was put at"
    first = Project(tmp_path / "first", digits[0][:12])
    first.update(ids=np.arange(2, 13))  # the first has no picture yet
    images = first.images.copy()
    images[[3, 5]] = 255 - images[[3, 5]]
    step, came = 0, True
    while came:
        shutil.copytree(tmp_path / "first", tmp_path / str(step))
        project = Project(tmp_path / str(step), images)
        (project.tree / "2/07.png").rename(project.tree / "0/07.png")
        (project.tree / "0/09.png").write_bytes(b"damaged")
        [line] = project.wishes()
        assert wish in line
        came = killed_at(step, lambda project=project: project.update(labels, ids))

        [line] = project.wishes()
        assert wish in line
        whole = set(png.encode(images)) | set(png.encode(first.images)) | {b"damaged"}
        assert set(project.files().values()) <= whole
        # Here the user moves another picture, if it is where it should be.
        project.update(labels, ids)
        expected = project.expected(labels, ids)
        expected["0/07.png"] = expected.pop("2/07.png")
        assert project.files() == dict(sorted(expected.items()))
        [line] = project.wishes()
        assert wish in line
        step += 1
    assert step > 20


def test_an_update_to_another_number_of_rows_can_be_killed_anywhere(tmp_path, digits):
    """From two digits to three: every picture gets another name."""
    first = Project(tmp_path / "first", digits[0][:12])
    first.update()
    labels = np.resize(LABELS, 101)
    for step in range(0, 80, 7):
        shutil.copytree(tmp_path / "first", tmp_path / str(step))
        project = Project(tmp_path / str(step), digits[0][:101])
        killed_at(step, lambda project=project: project.update(labels))
        assert project.wishes() == []
        project.update(labels)
        assert len(project.files()) == 101
        assert list(project.files()) == sorted(f"{label}/{id_:03}.png" for id_, label in enumerate(labels, 1))
        assert project.wishes() == []


def test_memory_does_not_grow_with_the_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(views, "BLOCK", 128)
    idx.write(tmp_path / "images", np.zeros((4000, 50, 50), np.uint8))
    for _ in range(2):
        tracemalloc.start()
        update_tree(tmp_path / "images", tmp_path / "test", tmp_path / "test.sfv")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4000 * 50 * 50 / 3
