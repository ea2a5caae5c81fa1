"""A lost inventory is made again so that what a person did in the tree is told from what the tool did."""

import io
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitflow.base import checksums
from digitflow.base.errors import FormatError, InputError
from digitflow.dataset import adoption, applied, classes
from digitflow.dataset.applied import Applied
from digitflow.dataset.corrections import apply
from digitflow.dataset.inventory import inventory_path, read_inventory
from digitflow.dataset.recovery import check_is_last, data_shown, recover_inventory
from digitflow.dataset.views import update_tree
from digitflow.formats import idx, png
from digitflow.formats.corrections import read

ROWS = 60
CLASSES = [str(digit) for digit in range(10)]
HEADER = "id,was,now,crc,note\n"


class Project:
    """Real digits, their tree, two files of corrections, and the copies of those that were applied."""

    def __init__(self, folder: Path, digits: tuple[np.ndarray, np.ndarray]):
        self.images, self.labels = digits[0][:ROWS], digits[1][:ROWS]
        self.tree, self.manifest = folder / "train", folder / "train.sfv"
        self.files = folder / "images", folder / "labels", folder / "classes.csv"
        self.corrections, self.copies = folder / "corrections.csv", folder / "corrections.json"
        idx.write(self.files[0], self.images)
        idx.write(self.files[1], self.labels)
        classes.write(self.files[2], CLASSES)

    def lists(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        labels, keep = apply(self.labels, self.files[0], CLASSES, read(path), path)
        applied.write(self.copies, Applied(str(path), path.read_text()))
        return labels, keep

    def update(self, path: Path, enlarge: int = 1) -> None:
        labels, keep = self.lists(path)
        ids = np.flatnonzero(keep) + 1
        of = (str(path), "train.csv", enlarge)
        update_tree(self.files[0], self.tree, self.manifest, ids, labels[keep], self.labels, CLASSES, *of)

    def picture(self, id_: int, label=None) -> Path:
        return self.tree / str(self.labels[id_ - 1] if label is None else label) / f"{id_:02}.png"

    def save_again(self, id_: int, optimize: bool = True) -> None:
        """Save a picture as another program does: with the same pixels in other bytes."""
        file = io.BytesIO()
        Image.fromarray(self.images[id_ - 1]).save(file, "PNG", optimize=optimize)
        self.picture(id_).write_bytes(file.getvalue())

    def forget_pixels(self) -> None:
        """Leave a manifest of an earlier version, which only named the pictures."""
        self.manifest.write_text(self.manifest.read_text().partition("; ")[0])

    def lose(self) -> None:
        inventory_path(self.tree).unlink()

    def recover(self) -> bool:
        return recover_inventory(self.tree, self.manifest, *self.files, applied=self.copies)

    def adopt(self, path: Path | None = None, **options) -> list[str]:
        path = path or self.corrections
        return adoption.adopt(self.tree, self.manifest, path, source="train.csv", **options)


@pytest.fixture
def project(tmp_path, digits):
    """Image 1 is moved to 3, image 2 dropped, and all is up to date."""
    project = Project(tmp_path, digits)
    project.corrections.write_text(f"{HEADER}1,5,3\n2,0,drop\n")
    project.update(project.corrections)
    return project


def test_an_inventory_is_as_it_was_but_for_what_it_understood(project):
    before = read_inventory(project.tree)
    project.lose()
    assert project.recover()
    after = read_inventory(project.tree)
    assert (after.names, after.corrections) == (before.names, before.corrections)
    for name in ("given", "place", "next_place", "pixel_crc", "next_pixel_crc", "shape"):
        assert np.array_equal(getattr(after, name), getattr(before, name)), name
    shown = before.place >= 0
    assert np.array_equal(after.file_crc[shown], before.file_crc[shown])
    assert project.adopt() == []


def test_what_was_done_by_hand_is_noticed_and_what_the_tool_did_is_not(project):
    project.picture(3).rename(project.picture(3, 7))
    project.picture(4).unlink()
    project.picture(1, 3).rename(project.picture(1))
    project.lose()
    assert project.recover()
    told = project.adopt()
    assert [line.split(": image ")[1].split(",")[0] for line in told] == ["1: ok (5)", "3: 4 -> 7", "4: drop"]


def test_a_picture_that_another_program_saved_and_somebody_then_deleted_is_dropped(project):
    project.save_again(4)
    project.update(project.corrections)
    project.picture(4).unlink()
    project.lose()
    assert project.recover()
    [told] = project.adopt()
    assert "image 4: drop" in told


def test_without_a_digest_of_the_pixels_it_stops_because_it_may_have_shown_another_image(project):
    project.save_again(4)
    project.update(project.corrections)
    project.save_again(4, optimize=False)
    project.forget_pixels()
    project.lose()
    assert project.recover()  # it is there, and shows the image
    project.picture(4).unlink()
    project.lose()
    with pytest.raises(InputError, match=r"train\.inventory: missing, and .*04\.png shows no image of row"):
        project.recover()


@pytest.mark.parametrize("by", ["a manifest of an earlier version", "one whose digest is of other data"])
def test_pictures_tell_what_they_were_where_the_digest_does_not(project, by):
    project.forget_pixels()
    if by.startswith("one"):
        project.manifest.write_text(f"{project.manifest.read_text()}; pixels 00000000\n")
    project.picture(3).rename(project.picture(3, 7))
    project.picture(ROWS).unlink()
    project.picture(5).write_bytes(png.encode(255 - project.images[[4]])[0])
    project.lose()
    assert project.recover()
    *told, note = project.adopt()
    done = [line.split(": image ")[1].split(",")[0] for line in told]
    assert done == ["3: 4 -> 7", f"{ROWS}: drop"]
    assert "05.png: pixels edited" in note


def test_pictures_of_an_enlarged_tree_tell_what_they_were(project):
    project.update(project.corrections, enlarge=5)
    project.forget_pixels()
    project.picture(3).rename(project.picture(3, 7))
    project.picture(ROWS).unlink()
    project.lose()
    assert project.recover()
    assert len(project.adopt()) == 2


def test_lines_that_were_removed_are_not_written_again(project):
    project.corrections.write_text(HEADER)
    project.lose()
    assert project.recover()
    assert project.adopt() == []
    project.update(project.corrections)
    assert project.picture(1).exists()
    assert project.picture(2).exists()


@pytest.mark.parametrize("manifest", ["", "of an earlier version"])
def test_the_manifest_says_whose_a_tree_is_where_two_files_say_the_same(project, manifest):
    other = project.corrections.with_name("other.csv")
    for path in (other, project.corrections):
        path.write_text(HEADER)
        project.update(path)
    project.lists(other)
    project.picture(3).rename(project.picture(3, 7))
    if manifest:
        text = project.manifest.read_text()
        project.manifest.write_text(re.sub("; corrections .*\n", "", text))
    project.lose()
    assert project.recover()
    assert read_inventory(project.tree).corrections == str(other if manifest else project.corrections)


def test_a_label_that_the_csv_has_changed_since_is_no_correction_of_a_lost_file(project):
    """The lists were made again before the inventory was lost, and there have never been any corrections."""
    project.corrections.write_text(HEADER)
    project.update(project.corrections)
    project.copies.unlink()
    applied.write(project.copies, Applied())
    project.labels = np.where(np.arange(ROWS) == 2, 7, project.labels)
    idx.write(project.files[1], project.labels)
    project.lose()
    assert project.recover()
    project.corrections.unlink()
    adoption.check_not_lost(project.corrections, project.tree, project.copies)


def test_what_is_adopted_in_a_tree_that_is_not_known_to_be_anybodys_is_nobody_elses_from_then_on(project):
    project.update(project.corrections)
    project.manifest.write_text(re.sub("; corrections .*\n", "", project.manifest.read_text()))
    project.copies.unlink()
    project.lose()
    assert project.recover()
    project.picture(3).rename(project.picture(3, 7))
    project.adopt()
    project.picture(4).unlink()
    with pytest.raises(InputError, match=rf"with {project.corrections}, not .*: image 4: drop"):
        project.adopt(project.corrections.with_name("other.csv"))


@pytest.mark.parametrize("then", ["typed", "adopted"])
def test_corrections_of_lists_that_the_tree_does_not_show_yet_are_nobodys_moves(project, then):
    if then == "typed":
        project.corrections.write_text(f"{HEADER}1,5,3\n2,0,drop\n3,4,7\n")
    else:
        project.picture(3).rename(project.picture(3, 7))
        project.adopt()
    project.lists(project.corrections)
    project.corrections.write_text(f"{HEADER}1,5,3\n2,0,drop\n")  # and taken back
    project.lose()
    assert project.recover()
    assert project.adopt() == []


@pytest.mark.parametrize("has_copies", [True, False])
def test_nothing_goes_into_another_file_than_the_one_that_the_tree_shows(project, has_copies):
    other = project.corrections.with_name("other.csv")
    other.write_text(HEADER)
    project.lists(other)
    if not has_copies:
        project.copies.unlink()
    project.lose()
    assert project.recover()
    assert project.adopt(other) == []
    project.picture(3).rename(project.picture(3, 7))
    with pytest.raises(InputError, match=rf"shows .* with {project.corrections}, not .* with {other}"):
        project.adopt(other)


def test_an_edited_and_moved_picture_and_a_strangers_file_are_told_as_ever(project):
    picture = project.picture(3, 7)
    project.picture(3).unlink()
    picture.write_bytes(png.encode(255 - project.images[[2]])[0])
    project.lose()
    assert project.recover()
    [told] = project.adopt()
    assert "image 3: 4 -> 7" in told
    assert "its pixels were edited, too" in told
    (project.tree / "3" / "05 (copy).png").write_bytes(b"")
    project.lose()
    assert project.recover()
    with pytest.raises(InputError, match=r"05 \(copy\)\.png"):
        project.adopt()


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_tree_that_is_older_than_the_data_stops_with_the_way_on(project, is_gone):
    """Whether a picture shows another image, or one is gone that did."""
    images = project.images.copy()
    images[5] = 255 - images[5]
    idx.write(project.files[0], images)
    if is_gone:
        project.picture(6).unlink()
    project.lose()
    with pytest.raises(
        InputError, match=r"train\.inventory: missing, and .*06\.png shows no image of row"
    ) as told:
        project.recover()
    assert not inventory_path(project.tree).exists()
    commands = str(told.value).partition("Move the tree away: ")[2].partition("; then")[0]
    subprocess.run(commands, shell=True, check=True)
    project.images = images
    project.update(project.corrections)
    assert project.adopt() == []


def test_what_was_done_in_a_tree_of_other_data_goes_into_no_corrections_of_these(project, tmp_path):
    checksums.write(tmp_path / "data.sfv", [], {"train.csv": "0" * 64})
    assert data_shown(tmp_path / "data.sfv", "train.csv", "train.csv") == "train.csv"
    assert data_shown(tmp_path / "data.sfv", "other.csv", "other.csv") == "train.csv"
    assert data_shown(tmp_path / "none.sfv", "other.csv", "other.csv") == ""
    project.lose()
    assert recover_inventory(
        project.tree, project.manifest, *project.files, source="train.csv", applied=project.copies
    )
    project.picture(4).rename(project.picture(4, 5 if project.labels[3] != 5 else 6))
    with pytest.raises(InputError, match=r"train: shows train\.csv with .*, not other\.csv"):
        adoption.adopt(project.tree, project.manifest, project.corrections, source="other.csv")


@pytest.mark.parametrize("rows", [ROWS - 1, 100])
def test_data_of_another_number_of_rows_stop(project, rows):
    idx.write(project.files[0], np.resize(project.images, (rows, 28, 28)))
    idx.write(project.files[1], np.resize(project.labels, rows))
    project.lose()
    with pytest.raises(InputError, match=rf"train\.sfv: it has no {rows} rows"):
        project.recover()


@pytest.mark.parametrize("damaged", ["3/01", "3/00.png"])  # there is no row 0
def test_a_damaged_manifest_is_named_with_the_line(project, damaged):
    project.manifest.write_text(project.manifest.read_text().replace("3/01.png", damaged, 1))
    project.lose()
    message = rf"train\.sfv, line 1: damaged: '{damaged} [0-9A-F]{{8}}'; delete the file"
    with pytest.raises(FormatError, match=message):
        project.recover()


def test_without_manifest_or_data_only_the_corrections_used_last_may_take_what_is_found(project):
    project.lose()
    project.manifest.unlink()
    assert not project.recover()
    check_is_last(project.tree, project.corrections, project.copies)
    with pytest.raises(
        InputError, match=rf"First set data\.corrections: {project.corrections} and run again"
    ):
        check_is_last(project.tree, "other.csv", project.copies)
    check_is_last(project.tree, "other.csv", project.copies.with_name("none.json"))
