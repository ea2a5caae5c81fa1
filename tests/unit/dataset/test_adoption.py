"""What people do in a tree becomes corrections; what the tool or an accident did never does."""

import os
import re
import shutil
import subprocess
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.dataset.killed import killed_at

from digitflow.base import checksums
from digitflow.base.errors import DigitflowError, FormatError, InputError
from digitflow.dataset import applied, comparison, inventory, treetimes, views
from digitflow.dataset.adoption import adopt, check_not_lost, find_changes, restore_corrections
from digitflow.dataset.applied import Applied
from digitflow.dataset.corrections import apply
from digitflow.dataset.views import update_tree
from digitflow.formats import idx, png
from digitflow.formats.corrections import Correction, pixel_crc, read
from digitflow.verbs import tools

ROWS = 400
BLOCK = 40  # pictures that an update writes at a time, where a test stops it
CLASSES = [str(digit) for digit in range(10)]


class Project:
    """Real digits, their tree, and a file of corrections with a comment of the user's."""

    def __init__(self, folder: Path, digits: tuple[np.ndarray, np.ndarray], rows: int = ROWS):
        self.images, self.labels = digits[0][:rows], digits[1][:rows]
        self.idx, self.tree, self.manifest = folder / "images", folder / "train", folder / "train.sfv"
        self.corrections = folder / "corrections.csv"
        folder.mkdir(exist_ok=True)
        idx.write(self.idx, self.images)

    def update(self, corrections="", source=""):
        """What the rules do: apply the corrections, and bring the tree up to date."""
        labels, keep = apply(self.labels, self.idx, CLASSES, read(self.corrections), self.corrections)
        ids, of = np.flatnonzero(keep) + 1, (str(corrections), str(source))
        update_tree(self.idx, self.tree, self.manifest, ids, labels[keep], self.labels, CLASSES, *of)

    def picture(self, id_, label=None):
        label = self.labels[id_ - 1] if label is None else label
        return self.tree / str(label) / f"{id_:03}.png"

    def find(self, **options):
        return find_changes(self.tree, self.manifest, self.corrections, **options)

    def adopt(self, **options):
        return adopt(self.tree, self.manifest, self.corrections, **options)

    def recorded(self):
        return {line.id: line.now for line in read(self.corrections)}

    def refused(self, message):
        """The changes are refused with a message, which is returned, and nothing changes."""
        before = {path: path.read_bytes() for path in self.tree.parent.rglob("*") if path.is_file()}
        with pytest.raises(InputError, match=message) as told:
            self.adopt()
        assert {path: path.read_bytes() for path in self.tree.parent.rglob("*") if path.is_file()} == before
        return str(told.value)

    def put_back(self, message):
        """Type the commands that a message gives; then nothing is left to adopt."""
        commands = message.partition("Put the picture back: ")[2].partition("; then run again")[0]
        subprocess.run(commands, shell=True, check=True)
        assert self.adopt() == []


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, digits):
    project = Project(tmp_path_factory.mktemp("prepared") / "project", digits)
    project.update()
    return project


@pytest.fixture
def project(tmp_path, prepared, digits):
    shutil.copytree(prepared.tree.parent, tmp_path / "project")
    return Project(tmp_path / "project", digits)


def test_fifty_pictures_moved_deleted_and_restored_are_fifty_corrections(project):
    typed = "id,was,now,crc,note\n# looked at on Monday\n"
    project.corrections.write_text(typed)
    moved, deleted, restored = np.split(np.random.default_rng(0).permutation(ROWS)[:50] + 1, [25, 35])
    target = {id_: (project.labels[id_ - 1] + 1) % 10 for id_ in [*moved, *restored[:7]]}
    for id_ in [*deleted, *restored[7:]]:
        project.picture(id_).unlink()
    for id_, label in target.items():
        project.picture(id_).rename(project.picture(id_, label))
    assert len(project.adopt(deletions=True)) == 50
    project.update()
    assert project.adopt() == []
    # Moved back, and copied back from the pixels, into the CSV's folder or another.
    for id_ in restored[:7]:
        project.picture(id_, target[id_]).rename(project.picture(id_))
    for id_ in restored[7:14]:
        project.picture(id_).write_bytes(png.encode(project.images[[id_ - 1]])[0])
    project.picture(restored[14], 3).write_bytes(png.encode(project.images[[restored[14] - 1]])[0])
    assert len(project.adopt()) == 15

    expected = {int(id_): str(target[id_]) for id_ in moved}
    expected |= {int(id_): "drop" for id_ in deleted} | {int(id_): "ok" for id_ in restored[:14]}
    last = int(restored[14])
    expected[last] = "ok" if project.labels[last - 1] == 3 else "3"
    assert project.recorded() == expected
    for line in read(project.corrections):
        assert line.was == str(project.labels[line.id - 1])
        assert line.crc == pixel_crc(project.images[line.id - 1])
    assert project.corrections.read_text().startswith(typed)
    before = project.corrections.stat()
    project.update()
    assert project.adopt() == []
    assert project.corrections.stat().st_mtime_ns == before.st_mtime_ns


def test_every_change_is_told_in_a_line_and_finding_it_writes_nothing(project):
    project.picture(1).rename(project.picture(1, 3))
    project.picture(2).unlink()
    path = project.corrections
    lines = [
        f"{path}: image 1: 5 -> 3, because its picture was put at {project.picture(1, 3)}",
        f"{path}: image 2: drop, because {project.picture(2)} was deleted",
    ]
    assert project.find().lines == lines
    assert project.find().lines == lines
    assert not path.exists()
    assert project.adopt() == lines
    assert project.adopt() == []
    assert not project.find().lines


def test_changes_are_adopted_with_a_single_look_into_the_inventory(project, monkeypatch):
    looks = []
    monkeypatch.setattr(
        comparison, "read_inventory", lambda tree: looks.append(tree) or inventory.read_inventory(tree)
    )
    project.picture(1).rename(project.picture(1, 3))
    assert len(project.adopt()) == 1
    assert looks == [project.tree]


def test_a_tree_in_which_nothing_changed_is_not_listed(project, monkeypatch):
    project.update()
    forbid_listing(monkeypatch)
    assert project.adopt() == []


def forbid_listing(monkeypatch):
    monkeypatch.setattr(comparison, "scan", lambda *_: pytest.fail("the tree was listed"))
    monkeypatch.setattr(comparison, "read_inventory", lambda *_: pytest.fail("the inventory was read"))


def test_a_tree_that_was_just_made_is_not_listed_and_what_is_done_in_it_at_once_is_found(
    tmp_path, digits, monkeypatch
):
    def save(*arguments):
        time.sleep(0.05)  # more than a tick of the file system's clock, as a large tree takes by itself
        return inventory.save_inventory(*arguments)

    monkeypatch.setattr(views, "save_inventory", save)
    project = Project(tmp_path / "project", digits)
    project.update()
    assert not treetimes.wants_a_look(project.tree)
    project.picture(7).rename(project.picture(7, label=(project.labels[6] + 1) % 10))
    assert treetimes.wants_a_look(project.tree)
    assert project.find().lines


def test_a_tree_into_which_something_was_put_as_it_took_its_name_is_listed(tmp_path, digits, monkeypatch):
    take_name = Path.rename

    def rename(path, target):
        taken = take_name(path, target)
        if Path(target).name == "train":
            (Path(target) / "mine").mkdir()
        return taken

    monkeypatch.setattr(Path, "rename", rename)
    project = Project(tmp_path / "project", digits)
    project.update()
    assert treetimes.wants_a_look(project.tree)


def test_after_an_adoption_the_tree_is_not_listed_again_even_if_it_is_not_yet_up_to_date(
    project, monkeypatch
):
    # As if the inventory came a second behind the change: a file system's clock ticks slowly.
    save = inventory.save_inventory
    monkeypatch.setattr(
        inventory, "save_inventory", lambda *given, **told: save(*given, **told) + 1_000_000_000
    )
    project.picture(1).rename(project.picture(1, 3))
    assert len(project.adopt()) == 1
    forbid_listing(monkeypatch)
    assert project.adopt() == []


def test_a_project_copied_without_its_times_has_no_changes(project):
    for path in project.tree.parent.rglob("*"):
        path.touch()
    assert project.adopt() == []
    assert not project.corrections.exists()


def test_without_a_tree_or_where_all_was_deleted_nothing_is_found(project):
    shutil.rmtree(project.tree)
    project.manifest.unlink()
    assert project.adopt() == []
    inventory.inventory_path(project.tree).unlink()
    assert project.adopt() == []
    project.update()
    assert project.picture(1).exists()


def test_taking_a_line_back_takes_the_correction_back_everywhere(project):
    project.picture(1).rename(project.picture(1, 3))
    project.adopt()
    project.corrections.unlink()
    assert project.adopt() == []
    project.update()
    assert project.picture(1).exists()
    assert not project.picture(1, 3).exists()
    assert project.adopt() == []


def test_a_file_that_is_gone_stops_and_comes_back_byte_by_byte_as_it_was_applied(project, tmp_path):
    copy = tmp_path / "applied.json"
    typed = "\ufeff# mine\r\nid,was,now,crc,note\r\n1,5,3,,a curl\r\n2,0,ok,,\r\n".encode()
    project.corrections.write_bytes(typed)
    applied.write(copy, Applied(str(project.corrections), typed.decode()))
    project.update()
    check_not_lost(project.corrections, project.tree, copy)
    project.corrections.unlink()
    with pytest.raises(InputError, match=r"gone, and 2 corrections with it.* digitflow restore_corrections"):
        check_not_lost(project.corrections, project.tree, copy)
    assert restore_corrections(project.corrections, project.tree, copy).endswith("as they were last applied")
    assert project.corrections.read_bytes() == typed
    check_not_lost(project.corrections, project.tree, copy)
    with pytest.raises(InputError, match="exists, and was not changed"):
        restore_corrections(project.corrections, project.tree, copy)


def test_an_empty_file_is_what_an_accident_leaves_and_is_restored_as_one_that_is_gone(project, tmp_path):
    copy = tmp_path / "applied.json"
    typed = "id,was,now,crc,note\n1,5,3,,a curl\n"
    applied.write(copy, Applied(str(project.corrections), typed))
    project.corrections.write_text(" \n")
    with pytest.raises(InputError, match=r"is empty, and 1 correction with it.* restore_corrections"):
        check_not_lost(project.corrections, project.tree, copy)
    restore_corrections(project.corrections, project.tree, copy)
    assert project.corrections.read_text() == typed


@pytest.mark.parametrize("state", ["gone", "empty"])
def test_a_link_to_a_file_of_corrections_stays_one_when_that_file_is_restored(project, tmp_path, state):
    copy, target = tmp_path / "applied.json", tmp_path / "shared" / "corrections.csv"
    typed = "id,was,now,crc,note\n1,5,3,,a curl\n"
    applied.write(copy, Applied(str(project.corrections), typed))
    target.parent.mkdir()
    project.corrections.symlink_to(target)
    if state == "empty":
        target.write_text("")
    restore_corrections(project.corrections, project.tree, copy)
    assert project.corrections.is_symlink()
    assert target.read_text() == typed


def test_an_edited_picture_of_a_dropped_row_is_no_wish_to_keep_it(project, tmp_path):
    copy = tmp_path / "applied.json"
    project.picture(1).rename(project.picture(1, 3))
    project.adopt()
    project.update()
    project.picture(1, 3).write_bytes(png.encode(255 - project.images[[0]])[0])
    typed = "id,was,now,crc,note\n1,5,drop,,unreadable\n"
    project.corrections.write_text(typed)
    applied.write(copy, Applied(str(project.corrections), typed))
    os.utime(copy, (1, 1))
    project.update()
    assert project.picture(1, 3).exists()
    project.corrections.unlink()
    restore_corrections(project.corrections, project.tree, copy)
    assert project.corrections.read_text() == typed


def test_without_a_copy_the_tree_tells_what_was_moved_and_dropped(project, tmp_path):
    copy = tmp_path / "applied.json"
    project.picture(1).rename(project.picture(1, 3))
    project.picture(2).unlink()
    project.adopt()
    check_not_lost(project.corrections, project.tree, copy)
    wanted = read(project.corrections)
    project.corrections.unlink()
    with pytest.raises(
        InputError, match=r"2 corrections .* give up all corrections: echo id,was,now,crc,note > "
    ):
        check_not_lost(project.corrections, project.tree, copy)
    assert "2 of them as" in restore_corrections(project.corrections, project.tree, copy)
    assert read(project.corrections) == wanted


def test_what_was_adopted_after_the_copy_was_made_is_written_again_too(project, tmp_path):
    copy = tmp_path / "applied.json"
    project.corrections.write_text("id,was,now,crc,note\n1,5,3,,a curl\n8,3,ok,,\n")
    applied.write(copy, Applied(str(project.corrections), project.corrections.read_text()))
    os.utime(copy, (1, 1))  # older than all that follows, however slowly a file system's clock ticks
    project.update()
    project.picture(1, 3).rename(project.picture(1, 8))
    project.picture(2).rename(project.picture(2, 9))
    project.adopt()
    wanted = read(project.corrections)
    project.corrections.unlink()
    restore_corrections(project.corrections, project.tree, copy)
    assert read(project.corrections) == wanted
    assert project.recorded() == {1: "8", 8: "ok", 2: "9"}


def test_what_was_taken_back_is_not_written_again_though_the_tree_still_shows_it(project, tmp_path):
    copy, typed = tmp_path / "applied.json", "id,was,now,crc,note\n2,0,drop,,\n"
    project.corrections.write_text("id,was,now,crc,note\n1,5,3,,\n")
    project.update(corrections=project.corrections)
    applied.write(copy, Applied(str(project.corrections), typed))
    for made_from in ([], [str(project.corrections), "train-images"]):
        if made_from:
            checksums.write(tmp_path / "lists.sfv", [], dict.fromkeys(made_from, "0"))
        project.corrections.unlink()
        restore_corrections(project.corrections, project.tree, copy)
        assert project.corrections.read_text() == typed


def test_a_header_alone_takes_all_corrections_back_and_a_file_that_never_was_is_not_missed(project, tmp_path):
    check_not_lost(project.corrections, project.tree, tmp_path / "none.json")
    with pytest.raises(InputError, match="nothing is known of such a file"):
        restore_corrections(project.corrections, project.tree, tmp_path / "none.json")
    project.picture(1).rename(project.picture(1, 3))
    project.adopt()
    project.corrections.write_text("id,was,now,crc,note\n")
    check_not_lost(project.corrections, project.tree, tmp_path / "none.json")
    project.update()
    project.corrections.unlink()
    check_not_lost(project.corrections, project.tree, tmp_path / "none.json")


def test_what_was_adopted_is_written_again_though_other_lists_were_made_since(project, tmp_path):
    """Nor does it matter that the adoption was killed before the tree was known to be understood."""
    copy, lists = tmp_path / "applied.json", tmp_path / "lists.sfv"
    project.corrections.write_text("id,was,now,crc,note\n1,5,3,,\n")
    applied.write(copy, Applied(str(project.corrections), project.corrections.read_text()))
    project.update(corrections=project.corrections)
    os.utime(copy, (1, 1))
    project.picture(2).rename(project.picture(2, 9))
    project.adopt()
    wanted = project.recorded()
    for killed, time_of_copy in ((True, 1), (False, time.time() + 9)):
        os.utime(copy, (time_of_copy, time_of_copy))
        os.utime(inventory.inventory_path(project.tree), (0, 0) if killed else None)
        checksums.write(lists, [], {str(project.corrections if killed else tmp_path / "other.csv"): "0"})
        project.corrections.unlink()
        assert "2 corrections written" in restore_corrections(project.corrections, project.tree, copy)
        assert project.recorded() == wanted


def test_an_image_that_has_another_number_by_now_is_written_again_once(project, tmp_path):
    copy = tmp_path / "applied.json"
    project.picture(1).rename(project.picture(1, 3))
    project.adopt()
    followed = project.corrections.read_text().replace("\n1,5,3,", "\n9,5,3,")
    applied.write(copy, Applied(str(project.corrections), followed))
    checksums.write(tmp_path / "lists.sfv", [], {"other.csv": "0"})
    project.corrections.unlink()
    restore_corrections(project.corrections, project.tree, copy)
    assert project.recorded() == {9: "3"}


def test_an_unfinished_update_for_another_file_says_nothing_of_the_one_that_the_tree_showed(
    project, tmp_path, monkeypatch
):
    """No file of corrections is missed, and none gets the lines of the other."""
    other = project.corrections.with_name("other.csv")
    project.update(corrections=project.corrections)
    other.write_text("id,was,now,crc,note\n1,5,3,,\n2,0,drop,,\n")
    labels, keep = apply(project.labels, project.idx, CLASSES, read(other), other)
    with monkeypatch.context() as patch:
        patch.setattr(views._Update, "end", lambda update: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            update_tree(
                project.idx,
                project.tree,
                project.manifest,
                np.flatnonzero(keep) + 1,
                labels[keep],
                project.labels,
                CLASSES,
                str(other),
                "",
            )
    assert not project.corrections.exists()
    check_not_lost(project.corrections, project.tree, tmp_path / "none.json")
    assert project.adopt() == []
    project.update(corrections=project.corrections)
    assert project.picture(2).exists()


def test_what_another_configuration_applied_is_not_missed(project, tmp_path):
    copy, other = tmp_path / "applied.json", tmp_path / "other.csv"
    project.picture(1).rename(project.picture(1, 3))
    project.adopt()
    project.update(corrections=project.corrections)
    applied.write(copy, Applied(str(project.corrections), project.corrections.read_text()))
    check_not_lost(other, project.tree, copy)


def test_many_deletions_are_offered_to_the_file_that_the_tree_shows(project, tmp_path):
    project.update(corrections=project.corrections, source="own/train.csv")
    for id_ in np.flatnonzero(project.labels == 5)[:6] + 1:
        project.picture(id_).unlink()
    with pytest.raises(
        InputError, match=f"digitflow adopt --corrections {project.corrections} --deletions true$"
    ):
        adopt(project.tree, project.manifest, tmp_path / "other.csv", source="own/train.csv")


def test_what_was_done_in_a_tree_goes_into_no_other_file_and_to_no_other_data(project, tmp_path):
    other = tmp_path / "other.csv"
    project.update(corrections=project.corrections, source="own/train.csv")
    project.picture(1).rename(project.picture(1, 3))
    before = project.find(source="own/train.csv").lines
    own = f"digitflow adopt --corrections {project.corrections}"
    told = rf"Done in it by hand: image 1: 5 -> 3, .*To write that into .*: {own}"
    with pytest.raises(
        InputError, match=rf"{told}; into {other}: digitflow adopt --corrections {other}; then"
    ):
        adopt(project.tree, project.manifest, other, source="own/train.csv")
    with pytest.raises(
        InputError, match=rf"shows own/train\.csv with .*, not new\.csv .*{told}; then run again"
    ):
        project.adopt(source="new.csv")
    assert not other.exists()
    assert not project.corrections.exists()
    assert project.adopt() == before
    assert adopt(project.tree, project.manifest, other, source="new.csv") == []


@pytest.mark.parametrize(
    ("goal", "was"),
    [
        ({"corrections": "mine.csv", "source": "new.csv"}, 5),  # the tree still shows the other data
        ({"corrections": "others.csv", "source": "own/train.csv"}, 5),
        ({"corrections": "mine.csv", "source": "own/train.csv"}, 6),  # these data have new labels
    ],
)
def test_a_move_while_an_update_was_killed_is_told_with_the_label_of_the_data_it_was_made_in(
    project, monkeypatch, goal, was
):
    project.update(corrections="mine.csv", source="own/train.csv")
    with monkeypatch.context() as patch:
        patch.setattr(views._Update, "bring", lambda *_: 1 / 0)
        project.labels = (project.labels + 1) % 10
        with pytest.raises(ZeroDivisionError):
            project.update(**goal)
    project.picture(1, 5).rename(project.picture(1, 3))
    [move] = project.find().corrections
    assert (move.was, move.now) == (str(was), "3")


def test_a_move_is_noticed_though_the_clock_was_ahead_when_the_tree_was_made(project):
    project.adopt()
    inventory.understand(project.tree, time.time_ns() + 3600 * 10**9)
    assert not treetimes.wants_a_look(project.tree)
    project.picture(1).rename(project.picture(1, 3))
    assert treetimes.wants_a_look(project.tree)
    assert len(project.adopt()) == 1
    shutil.copyfile(project.picture(3), project.picture(2).with_suffix(".new"))
    project.picture(2).with_suffix(".new").rename(project.picture(2))
    inventory.understand(project.tree, time.time_ns() + 3600 * 10**9)
    with pytest.raises(InputError, match="shows image 3, not 2"):
        project.find()


def test_in_a_copy_of_the_project_what_was_moved_is_noticed(project, tmp_path):
    project.picture(1).rename(project.picture(1, 3))
    copy = tmp_path / "copy" / "train"
    shutil.copytree(project.tree, copy)
    kept = inventory.inventory_path(copy)
    shutil.copyfile(inventory.inventory_path(project.tree), kept)  # without its time, as cp -r does, and last
    os.utime(kept, ns=2 * (time.time_ns() + 10**9,))
    assert treetimes.wants_a_look(copy)
    assert [line.id for line in find_changes(copy, project.manifest, project.corrections).corrections] == [1]


def test_an_inventory_that_does_not_say_whose_it_is_is_everybodys(project, tmp_path):
    older = inventory.inventory_path(project.tree)
    times = older.stat()
    with zipfile.ZipFile(older) as archive, zipfile.ZipFile(tmp_path / "older", "w") as old:
        for name in archive.namelist():
            if name != treetimes.ABOUT:
                old.writestr(name, archive.read(name))
    (tmp_path / "older").replace(older)
    os.utime(older, ns=(times.st_mtime_ns, times.st_mtime_ns))
    assert treetimes.read_about(project.tree) == treetimes.About()
    project.picture(1).rename(project.picture(1, 3))
    assert len(project.adopt(source="own/train.csv")) == 1
    project.corrections.unlink()
    with pytest.raises(InputError, match="restore_corrections"):
        check_not_lost(project.corrections, project.tree, tmp_path / "none.json")


def test_moves_for_a_file_whose_name_is_damaged_in_the_inventory_go_into_no_other(project, tmp_path):
    project.update(corrections="mine.csv", source="train.csv")
    project.picture(1).rename(project.picture(1, 3))
    path = inventory.inventory_path(project.tree)
    path.write_bytes(path.read_bytes().replace(b"mine.csv", b"mind.csv"))
    other = tmp_path / "other.csv"
    with pytest.raises(
        FormatError, match=r"train\.inventory: damaged: .*about\.json.*; delete it and run again"
    ):
        adopt(project.tree, project.manifest, other, source="train.csv")
    assert not other.exists()


def test_the_verb_writes_into_the_file_that_the_tree_shows(project):
    project.update(corrections=project.corrections)
    project.picture(1).rename(project.picture(1, 3))
    tools.adopt(str(project.tree))
    assert project.recorded() == {1: "3"}


def test_the_verb_makes_no_new_file_of_a_name_that_was_mistyped(project, tmp_path):
    project.update(corrections=project.corrections)
    project.picture(1).rename(project.picture(1, 3))
    mistyped = tmp_path / "corectons.csv"
    with pytest.raises(InputError, match=rf"^{mistyped}: there is no .* mean {project.corrections}\?$"):
        tools.adopt(str(project.tree), mistyped)
    assert not mistyped.exists()
    tools.adopt(str(project.tree), project.corrections)  # the one of the tree is made
    assert project.recorded() == {1: "3"}


def test_the_verb_says_so_where_the_tree_shows_another_file(project, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    project.update(corrections=project.corrections)
    project.picture(1).rename(project.picture(1, 3))
    tools.adopt(str(project.tree), Path("corrections.csv"))  # the default one, which may be made
    told, note = capsys.readouterr().out.splitlines()
    other = tmp_path / "corrections.csv"
    assert told.startswith(f"{other}: image 1: 5 -> 3")
    assert note.endswith(
        f"shows {project.corrections}: only runs with data.corrections: {other} will use these"
    )
    assert [line.id for line in read(other)] == [1]


def test_lines_of_a_file_that_is_not_there_are_not_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=r"^nothere\.csv: there is no such .*did you mean corrections\.csv\?"
    ):
        tools.follow_corrections(Path("nothere.csv"))
    with pytest.raises(
        InputError, match=r"^corrections\.csv: there is no such .*; name yours with --corrections PATH$"
    ):
        tools.follow_corrections()


def test_the_verb_works_in_the_project_of_the_tree_wherever_one_is(tmp_path, digits, monkeypatch):
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    project = Project(home / "data" / "png", digits)
    project.corrections = home / "corrections.csv"
    project.update(corrections="corrections.csv")
    project.picture(1).rename(project.picture(1, 3))
    monkeypatch.chdir(tmp_path)
    tools.adopt("home/data/png/train")
    assert project.recorded() == {1: "3"}
    assert [path.name for path in tmp_path.iterdir()] == ["home"]

    monkeypatch.chdir(tmp_path)
    typed = project.corrections.read_bytes()
    project.corrections.unlink()
    tools.restore_corrections(tree="home/data/png/train")
    assert project.corrections.read_bytes() == typed
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^data/idx: no converted .* folder of a project that was run"):
        tools.follow_corrections(folder=Path("home/data/idx"))
    assert Path.cwd() == home


def test_the_verbs_say_where_they_are_to_be_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for verb in (tools.adopt, tools.restore_corrections):
        with pytest.raises(InputError, match="type this in the folder of "):
            verb()


def test_a_folder_from_the_future_is_understood_once_it_was_looked_at(project):
    project.adopt()
    ahead = time.time() + 3600
    os.utime(project.tree / "7", (ahead, ahead))
    assert treetimes.wants_a_look(project.tree)
    project.adopt()
    assert not treetimes.wants_a_look(project.tree)
    moved = next(id_ for id_ in range(1, ROWS) if project.labels[id_ - 1] == 7)
    project.picture(moved).rename(project.picture(moved, 3))
    assert treetimes.wants_a_look(project.tree)
    assert len(project.adopt()) == 1


def test_a_line_of_the_same_image_is_changed_in_its_place_and_keeps_its_note(project):
    project.corrections.write_text("id,was,now,crc,note\n1,5,drop,,a curl\n# the end\n")
    project.update()
    project.picture(1, 3).write_bytes(png.encode(project.images[[0]])[0])
    assert len(project.adopt()) == 1
    crc = pixel_crc(project.images[0])
    assert project.corrections.read_text() == f"id,was,now,crc,note\n1,5,3,{crc},a curl\n# the end\n"


def test_a_line_that_says_what_was_done_in_the_tree_as_well_stays_as_it_was_typed(project):
    text = "id,was,now,crc,note\n1, 5 ,3,,\n2,0,0,,sure\n"
    project.corrections.write_text(text)
    project.picture(1).rename(project.picture(1, 3))
    assert project.adopt() == []
    assert project.corrections.read_text() == text
    assert inventory.read_inventory(project.tree).place[0] == 3


def test_a_line_that_says_something_else_than_the_tree_stops_with_both(project):
    project.corrections.write_text("id,was,now,crc,note\n1,5,8,,\n")
    project.picture(1).rename(project.picture(1, 3))
    project.refused(
        r"corrections\.csv, line 2: column now: '8', but the picture 001\.png .* was moved to 3/001\.png; "
        "write '3' into the line, or put the picture back"
    )


@pytest.mark.parametrize("done", ["moved", "deleted", "put back"])
def test_a_line_about_another_image_is_left_alone_and_the_commands_told_put_all_right(project, done):
    """After rows were put in above, lines have new numbers and the tree still has the old ones."""
    other = pixel_crc(project.images[7])
    if done == "put back":
        project.corrections.write_text("id,was,now,crc,note\n1,5,drop,,\n")
        project.update()
    text = f"id,was,now,crc,note\n1,5,drop,{other},a curl\n"
    project.corrections.write_text(text)
    if done == "moved":
        project.picture(1).rename(project.picture(1, 3))
    elif done == "deleted":
        project.picture(1).unlink()
    else:
        project.picture(1).write_bytes(png.encode(project.images[[0]])[0])
    told = project.refused(r"corrections\.csv, line 2: is about another image than .*train shows as 1: ")
    project.put_back(told)
    assert project.corrections.read_text() == text


@pytest.mark.parametrize("typed", ["1,5,3,", "1,5,drop,"])
def test_an_undo_in_a_tree_that_is_older_than_the_csv_is_not_lost(project, typed):
    """The line has the image's new number, so none says what the tree shows under the old one."""
    crc = pixel_crc(project.images[0])
    project.corrections.write_text(f"id,was,now,crc,note\n{typed}{crc},\n")
    project.update()
    text = project.corrections.read_text().replace("1,5", "2,5")
    project.corrections.write_text(text)
    project.picture(1, 3).unlink(missing_ok=True)
    project.picture(1).write_bytes(png.encode(project.images[[0]])[0])
    project.refused(
        r"line 2: is about the image that .*train shows as 1, by its new number 2: the tree is old"
    )
    # The same without a line: the lists then say what became of the row.
    project.corrections.write_text("id,was,now,crc,note\n")
    assert "image 1: ok (5)" in project.adopt()[0]
    assert read(project.corrections)[0].crc == crc


def test_the_commands_that_put_a_picture_back_make_its_folder_if_that_is_gone(project):
    id_ = int(np.flatnonzero(project.labels == 5)[0]) + 1
    project.corrections.write_text(f"id,was,now,crc,note\n{id_},5,ok,{pixel_crc(project.images[id_])},\n")
    shutil.rmtree(project.tree / "5")
    with pytest.raises(InputError, match="Put the picture back: mkdir") as error:
        project.adopt(deletions=True)
    command = str(error.value).partition("Put the picture back: ")[2].partition("; then run again")[0]
    subprocess.run(command, shell=True, check=True)
    assert project.picture(id_).read_bytes() == b""


def test_an_undo_is_written_into_another_file_that_is_named(project, tmp_path):
    project.picture(1).rename(project.picture(1, 3))
    project.adopt()
    project.update()
    project.picture(1, 3).rename(project.picture(1))
    other = tmp_path / "other.csv"
    other.write_text("id,was,now,crc,note\n")
    assert "image 1: ok (5)" in adopt(project.tree, project.manifest, other)[0]
    assert [(line.id, line.now) for line in read(other)] == [(1, "ok")]


@pytest.mark.parametrize(("line", "back"), [("1,3,ok", False), ("1,3,5", True)])
def test_a_line_about_another_label_of_the_row_is_not_replaced(project, line, back):
    """The CSV has another label by now, and the tree still shows the old one."""
    project.picture(1).rename(project.picture(1, 3))
    project.adopt()
    project.update()
    project.corrections.write_text(f"id,was,now,crc,note\n{line},,\n")
    project.picture(1, 3).rename(project.picture(1, None if back else 8))
    project.refused(r"line 2: column was: '3', but in .*train row 1 has the label '5': correct the line; if")


def test_a_line_changed_after_its_move_was_adopted_wins(project):
    project.picture(1).rename(project.picture(1, 3))
    project.adopt()
    project.corrections.write_text(project.corrections.read_text().replace(",3,", ",8,"))
    assert project.adopt() == []
    project.update()
    assert project.picture(1, 8).exists()


def test_a_tree_needs_an_update_after_each_adoption_and_only_then(project):
    def adopted():
        return treetimes.read_about(project.tree).adopted

    assert adopted() == 0
    project.picture(1).rename(project.picture(1, 3))
    project.corrections.write_text("id,was,now,crc,note\n1,5,3,,\n")  # typed as well
    assert project.adopt() == []
    assert (first := adopted()) > 0
    project.update()
    assert adopted() == first
    (project.tree / "5" / ".DS_Store").touch()
    project.adopt()
    assert adopted() == first
    project.picture(1, 3).rename(project.picture(1, 8))
    project.corrections.write_text(project.corrections.read_text().replace(",3,", ",8,"))
    project.adopt()
    assert adopted() > first


@pytest.mark.parametrize("copy", ["3/001.png", "5/1.png"])
def test_a_picture_that_is_there_twice_is_named_with_both_paths(project, copy):
    shutil.copy(project.picture(1), project.tree / copy)
    project.picture(2).unlink()
    project.refused(rf"train: {copy} and 5/001\.png are the same image; delete the one that is wrong")


def test_a_copy_under_a_number_of_other_digits_is_named_as_it_is(project):
    shutil.copy(project.picture(1), project.tree / "7/1.png")
    project.refused(r"train: 5/001\.png and 7/1\.png are the same image; delete the one that is wrong")
    (project.tree / "5/001.png").rename(project.tree / "7/0001.png")
    told = project.refused(r"train: 7/\w+\.png and 7/\w+\.png are the same image")
    assert {"7/1.png", "7/0001.png"} < {*told.split()}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("5/mine.png", "5/mine.png: not made by digitflow"),
        ("5/001 - Copy.png", r"5/001 - Copy\.png \(by its name a copy of 001\.png\)"),
        ("5/001 (1).png", r"5/001 \(1\)\.png \(by its name a copy of 001\.png\)"),
        ("5/001 (conflicted copy).png", "by its name a copy of 001.png"),
        ("5/Copy of 001.png", "by its name a copy of 001.png"),
        ("5/401.png", "5/401.png: not made by digitflow"),
        ("5/٠٠٢.png", "5/٠٠٢.png: not made by digitflow"),
        ("5/001.PNG", "5/001.PNG"),
        ("unsure/001.png", "unsure/: not made by digitflow; .* move it out of the tree"),
        ("001.png", "001.png: not made by digitflow"),
    ],
)
def test_a_file_that_is_no_picture_of_the_tree_is_named_with_the_way_on(project, name, told):
    (project.tree / name).parent.mkdir(exist_ok=True)
    shutil.copy(project.picture(1), project.tree / name)
    project.picture(2).unlink()
    project.refused(told)


def test_a_picture_that_lost_its_name_is_not_to_be_moved_out_as_a_strangers(project):
    project.picture(1).rename(project.picture(1).with_name("x001.png"))
    project.refused(r"5/x001\.png: .* missing: 5/001\.png; nothing .* give it its old name; if not")


def test_files_that_systems_leave_are_passed_over(project):
    for name in (".DS_Store", "5/._001.png", "5/Thumbs.db", "ehthumbs.db", "5/desktop.ini", "5/Icon\r"):
        (project.tree / name).touch()
    (project.tree / "5/@eaDir").mkdir()
    project.picture(2).unlink()
    assert len(project.adopt()) == 1


@pytest.mark.parametrize("folder", [5, 8])
def test_a_picture_under_the_name_of_another_is_no_deletion(project, folder):
    other = next(id_ for id_ in range(2, ROWS) if project.labels[id_ - 1] == folder)
    project.picture(1).rename(project.picture(other))
    project.refused(
        rf"{folder}/{other:03}\.png shows image 1, not {other}; nothing was changed. Type mv .* touch"
    )


def test_a_picture_copied_over_that_of_another_and_deleted_is_no_deletion(project):
    """Its contents change, but not the folder."""
    other = next(id_ for id_, label in enumerate(project.labels, 1) if label != project.labels[1])
    shutil.copyfile(project.picture(2), project.picture(other))
    project.picture(2).unlink()
    project.refused(rf"{other:03}\.png shows image 2, not {other};")


def test_the_commands_of_that_message_put_all_right(project, tmp_path):
    project.picture(1).rename(project.picture(12))
    with pytest.raises(InputError) as error:
        project.adopt()
    command = str(error.value).split("Type ")[1].split(", then run again")[0]
    subprocess.run(command, shell=True, check=True, executable="/bin/bash")
    assert project.adopt() == []
    assert not project.manifest.exists()
    project.update()
    assert project.picture(12).read_bytes() == png.encode(project.images[[11]])[0]
    assert project.adopt() == []


def test_the_commands_of_that_message_move_no_picture_that_is_lost(project):
    """Another was put in its place, and that was then moved: it is not known where the lost one belongs."""
    project.picture(1).rename(project.picture(12))
    project.picture(12).rename(project.picture(12, 8))
    with pytest.raises(InputError, match=r"8/012\.png shows image 1, not 12") as error:
        project.adopt()
    command = str(error.value).split("Type ")[1].split(", then run again")[0]
    subprocess.run(command, shell=True, check=True)
    assert [line.split(": image ")[1][:9] for line in project.adopt()] == ["1: 5 -> 8"]
    project.update()
    assert project.picture(12).read_bytes() == png.encode(project.images[[11]])[0]


def test_an_unknown_picture_under_the_name_of_a_dropped_one_is_named(project):
    project.picture(1).unlink()
    project.adopt()
    project.update()
    project.picture(1).write_bytes(png.encode(255 - project.images[[0]])[0])
    project.refused(r"5/001\.png shows no image of the training CSV, but has the name of a row; move it out")


def test_a_picture_that_was_edited_and_moved_is_a_correction_that_says_what_counts(project):
    project.picture(1).unlink()
    project.picture(1, 3).write_bytes(png.encode(255 - project.images[[0]])[0])
    [line] = project.adopt()
    assert line.endswith("3/001.png; its pixels were edited, too, but models take them from the CSV")


def test_a_picture_that_was_edited_where_it_lies_is_named_once_and_is_no_correction(project):
    edited = png.encode(255 - project.images[[0]])[0]
    replacement = project.tree.with_name("edited.png")
    replacement.write_bytes(edited)
    replacement.replace(project.picture(1))  # as editors save: under another name first
    [line] = project.adopt()
    assert "train: 5/001.png: pixels edited; models take them from the CSV" in line
    assert project.adopt() == []
    assert project.recorded() == {}
    assert project.picture(1).read_bytes() == edited


def test_two_pictures_that_swapped_their_names_in_one_folder_are_named_with_the_way_on(project):
    first, second = np.flatnonzero(project.labels == 5)[:2] + 1
    one, other, spare = project.picture(first), project.picture(second), project.tree / "spare"
    one.rename(spare)
    other.rename(one)
    spare.rename(other)
    message = rf"train: 5/{first:03}\.png shows image {second}, not {first}; nothing was changed\. Type rm"
    project.refused(message)
    for _ in range(2):
        with pytest.raises(InputError) as refusal:
            project.adopt()
        command = str(refusal.value).partition("Type ")[2].partition(", then run again")[0]
        subprocess.run(command, shell=True, check=True)
    assert project.adopt() == []
    project.update()
    for id_ in (first, second):
        assert png.decode(project.picture(id_).read_bytes(), "").tolist() == project.images[id_ - 1].tolist()
    assert project.recorded() == {}


def test_a_picture_that_was_emptied_to_be_made_again_is_no_edited_one(project):
    project.picture(1).unlink()
    project.picture(1).touch()
    assert project.adopt() == []


def test_a_picture_that_was_copied_back_and_then_emptied_is_made_again(project):
    """No update had ever written it; the checksum of an empty file is 0, as one that is not known."""
    shutil.rmtree(project.tree)
    project.corrections.write_text("id,was,now,crc,note\n1,5,drop,,\n")
    project.update()
    project.picture(1).write_bytes(png.encode(project.images[[0]])[0])
    assert "image 1: ok (5)" in project.adopt()[0]
    project.picture(1).write_bytes(b"")
    project.update()
    assert project.picture(1).read_bytes() == png.encode(project.images[[0]])[0]


def test_a_tree_that_is_gone_drops_nothing(project):
    project.tree.rename(project.tree.with_name("elsewhere"))
    project.refused(
        r"train: is gone; no image is dropped .* delete .*train\.sfv and run again with the target trees"
    )
    project.manifest.unlink()
    assert project.adopt() == []
    project.update()
    assert project.picture(1).exists()
    assert project.adopt() == []


@pytest.mark.parametrize("gone", ["folder", "all", "many"])
def test_a_class_that_is_gone_or_more_than_a_tenth_of_it_stops_until_one_says_what_is_meant(project, gone):
    fives = np.flatnonzero(project.labels == 5) + 1
    assert 20 < len(fives) < 60
    for id_ in fives[:6] if gone == "many" else fives:
        project.picture(id_).unlink()
    if gone == "folder":
        (project.tree / "5").rmdir()
    lost = 6 if gone == "many" else len(fives)
    project.refused(
        rf"train: {lost} of the {len(fives)} pictures of class 5 are gone: too many .* --deletions"
    )

    kept = {path.name for path in (project.tree / "5").glob("*")}
    manifest = project.manifest.read_bytes()
    project.manifest.unlink()
    for _ in range(2):  # each run says so until they are there
        [note] = project.adopt()
        assert re.search(
            r"train: 5/001\.png, .* and \d+ more: missing, and so is .*train\.sfv\. To make", note
        )
        assert "run again with the target trees, e.g. snakemake -j2 trees; to drop these images" in note
        assert project.recorded() == {}
    project.update()
    assert project.adopt() == []
    assert len(list((project.tree / "5").iterdir())) == len(fives)
    assert project.manifest.read_bytes() == manifest

    for id_ in fives:
        if project.picture(id_).name not in kept:
            project.picture(id_).unlink()
    assert len(project.adopt(deletions=True)) == lost
    assert project.recorded() == {int(id_): "drop" for id_ in fives[:lost]}


def test_a_picture_that_was_moved_is_written_down_though_many_beside_it_are_to_be_made_again(project):
    *gone, moved = (np.flatnonzero(project.labels == 5) + 1)[:9].tolist()
    for id_ in gone:
        project.picture(id_).unlink()
    project.picture(moved).rename(project.picture(moved, 3))
    project.manifest.unlink()
    project.adopt()
    assert project.recorded() == {moved: "3"}


def test_a_handful_of_a_small_class_can_be_dropped_but_not_all_of_it(project):
    fives = np.flatnonzero(project.labels == 5) + 1
    for id_ in fives[:5]:
        project.picture(id_).unlink()
    assert len(project.adopt()) == 5
    for start in range(5, len(fives) - 1, 5):
        for id_ in fives[start : min(start + 5, len(fives) - 1)]:
            project.picture(id_).unlink()
        if len(fives) - start > 6:
            project.adopt()
    project.adopt()
    project.picture(fives[-1]).unlink()
    project.refused("1 of the 1 pictures of class 5 are gone")


def test_a_small_class_whose_folder_is_gone_is_asked_about_though_a_picture_was_moved_out_before(project):
    fives = np.flatnonzero(project.labels == 5) + 1
    for id_ in fives[4:]:
        project.picture(id_).unlink()
    project.adopt(deletions=True)
    project.update()
    project.picture(fives[0]).rename(project.picture(fives[0], 3))
    shutil.rmtree(project.tree / "5")
    project.refused("3 of the 4 pictures of class 5 are gone: too many")


def test_a_class_called_as_a_word_of_the_file_is_refused_with_the_way_on(tmp_path, digits):
    images, labels = digits[0][:4], np.array([0, 1, 0, 1])
    idx.write(tmp_path / "images", images)
    paths = (tmp_path / "train", tmp_path / "train.sfv")
    update_tree(tmp_path / "images", *paths, None, labels, labels, ["ok", "broken"])
    (tmp_path / "train/%6F%6B/1.png").rename(tmp_path / "train/broken/1.png")
    with pytest.raises(InputError, match=r"class 'ok': .* give the class another name in the training CSV"):
        adopt(*paths, tmp_path / "corrections.csv")


def test_an_adoption_that_was_killed_anywhere_is_done_by_the_next_run(tmp_path, project, digits):
    project.corrections.write_text("id,was,now,crc,note\n# mine\n2,0,6,,a six\n")
    project.update()
    project.picture(1).rename(project.picture(1, 3))
    project.picture(2, 6).rename(project.picture(2, 8))
    project.picture(3).unlink()
    step, came = 0, True
    while came:
        shutil.copytree(project.tree.parent, tmp_path / str(step))
        copy = Project(tmp_path / str(step), digits)
        came = killed_at(step, copy.adopt)
        assert copy.corrections.read_text().startswith("id,was,now,crc,note\n# mine\n2,0,")
        copy.adopt()
        assert copy.recorded() == {1: "3", 2: "8", 3: "drop"}
        assert "a six" in copy.corrections.read_text()
        assert copy.adopt() == []
        copy.update()
        assert copy.adopt() == []
        step += 1
    assert step > 5


@pytest.mark.parametrize("done", ["moved", "deleted", "deleted new"])
def test_what_was_done_in_a_tree_whose_update_was_killed_hits_no_other_image(project, monkeypatch, done):
    """Each row has the image of another by now, and only the first pictures were written."""
    id_ = 2 if done == "deleted new" else ROWS
    project.images = np.flip(project.images, 0)
    project.labels = np.flip(project.labels)
    idx.write(project.idx, project.images)
    write = views._Update._write

    def first_block(update, rows, *arguments) -> None:
        if rows[-1] >= BLOCK:
            raise OSError(None, "killed")
        write(update, rows, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(views, "BLOCK", BLOCK)
        patch.setattr(views._Update, "_write", first_block)
        with pytest.raises(DigitflowError, match="killed"):
            project.update()
    [picture] = project.tree.glob(f"*/{id_:03}.png")
    assert project.adopt() == []
    if done == "moved":
        wanted = (picture.parent.name, str(project.labels[id_ - 1]))
        picture.rename(project.picture(id_, next(label for label in CLASSES if label not in wanted)))
    else:
        picture.unlink()
    told = f"{id_:03}.png was .* by hand, but an update that did not end was giving the rows other"
    project.put_back(project.refused(told))
    project.update()
    files = png.encode(project.images)
    assert [project.picture(id_).read_bytes() for id_ in range(1, ROWS + 1)] == files
    assert len(list(project.tree.rglob("*.png"))) == ROWS
    assert project.adopt() == []


def test_a_picture_that_an_unfinished_update_has_written_can_be_moved(project):
    project.images = 255 - project.images
    known = inventory.read_inventory(project.tree)
    new = np.array([int(pixel_crc(image), 16) for image in project.images], np.uint32)
    inventory.save_inventory(project.tree, replace(known, next_pixel_crc=new))
    project.picture(1).unlink()
    project.picture(1, 3).write_bytes(png.encode(project.images[[0]])[0])
    assert len(project.adopt()) == 1
    assert read(project.corrections)[0].crc == pixel_crc(project.images[0])


def test_the_corrections_are_those_that_the_lists_take(project):
    project.picture(1).rename(project.picture(1, 3))
    project.adopt()
    [line] = read(project.corrections)
    assert replace(line, line=0) == Correction(1, "5", "3", pixel_crc(project.images[0]))
    labels, keep = apply(project.labels, project.idx, CLASSES, [line], project.corrections)
    assert labels[0] == 3
    assert keep.all()


MAKE_AGAIN = re.compile(r"To make the tree again as \S+ says: (.*), and run again with the target trees")


def make_again(project):
    """Type the commands of the message: the tree is moved away, and the next update makes it."""
    with pytest.raises(InputError) as error:
        project.adopt()
    subprocess.run(MAKE_AGAIN.search(str(error.value))[1], shell=True, check=True)
    assert project.adopt() == []
    project.update()
    assert project.adopt() == []


def test_a_class_that_was_moved_as_a_whole_is_asked_about(project):
    threes = sorted((project.tree / "3").iterdir())
    for path in threes:
        path.rename(project.tree / "8" / path.name)
    project.refused(
        rf"{len(threes)} of the {len(threes)} pictures of class 3 were moved: too many to relabel without "
        r"asking\. .* digitflow adopt --corrections \S+ --moves true"
    )
    make_again(project)
    assert len(list((project.tree / "3").iterdir())) == len(threes)
    assert project.recorded() == {}


def test_moves_of_most_of_a_class_are_believed_when_they_are_meant(project):
    threes = sorted((project.tree / "3").iterdir())
    for path in threes[: len(threes) // 2]:  # half of a class is sorted by hand every day
        path.rename(project.tree / "8" / path.name)
    assert len(project.adopt()) == len(threes) // 2
    for path in threes[len(threes) // 2 :]:
        path.rename(project.tree / "8" / path.name)
    assert len(project.adopt(moves=True)) == len(threes) - len(threes) // 2
    assert set(project.recorded().values()) == {"8"}


def test_an_older_tree_that_is_put_back_takes_no_corrections_back(project):
    older = project.tree.with_name("older")
    shutil.copytree(project.tree, older)
    ids = [int(id_) for id_ in np.flatnonzero(project.labels == 7)[:12] + 1]
    lines = [f"{id_},7,{'drop' if id_ % 2 else 1},,typed by hand\n" for id_ in ids]
    project.corrections.write_text("id,was,now,crc,note\n" + "".join(lines))
    typed = project.corrections.read_bytes()
    project.update()
    assert project.adopt() == []
    shutil.rmtree(project.tree)
    shutil.copytree(older, project.tree)
    project.refused(
        "12 pictures are back where the CSV has them, which would undo 12 of the 12 corrections in "
        r"\S+; is this an older tree\? Nothing was changed"
    )
    make_again(project)
    assert project.corrections.read_bytes() == typed
    assert not project.picture(ids[0]).exists()


def test_an_older_tree_takes_back_no_two_corrections_and_two_moves_can_be_undone_by_hand(project):
    older = project.tree.with_name("older")
    shutil.copytree(project.tree, older)
    for id_ in (1, 2, 3):
        project.picture(id_).rename(project.picture(id_, 9))
        assert len(project.adopt()) == 1
        project.update()
    kept = shutil.copytree(project.tree, project.tree.with_name("kept"))
    for id_ in (1, 2):
        project.picture(id_, 9).rename(project.picture(id_))
    assert len(project.find().lines) == 2

    shutil.rmtree(project.tree)
    older.rename(project.tree)
    project.refused("3 pictures are back where the CSV has them, which would undo 3 of the 3 corrections")
    shutil.rmtree(project.tree)
    kept.rename(project.tree)
    assert project.adopt() == []


def test_a_folder_for_a_class_that_no_row_has_is_told_how_to_be_one(project):
    (project.tree / "ten").mkdir()
    project.picture(5).rename(project.tree / "ten" / "005.png")
    project.refused(
        r"train: ten/: not made by digitflow; missing: \d/005\.png.* For a class that no row has yet, put "
        r"the picture back and set data: \{classes: \[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ten\]\}"
    )


@pytest.mark.parametrize(
    ("folder", "way"),
    [
        ("Drop", "to drop what was moved into it, delete the folder and all in it$"),
        ("ok", "a picture that is right stays in the folder of its label$"),
        ("03", r"did you mean 3\?$"),
    ],
)
def test_no_class_is_offered_for_a_folder_that_means_something_else(project, folder, way):
    (project.tree / folder).mkdir()
    project.picture(5).rename(project.tree / folder / project.picture(5).name)
    project.refused(rf"train: {folder}/: not made by digitflow; .* {folder} is none of the classes: {way}")
    if folder == "Drop":
        shutil.rmtree(project.tree / folder)
        project.adopt()
        assert project.recorded() == {5: "drop"}
