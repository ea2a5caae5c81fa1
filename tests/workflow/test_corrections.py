"""Labels that a person corrects, in the file or in the tree: they reach every model; nothing undoes them."""

import csv
import os
import re
import shutil
import subprocess
import sys

import pytest
from tests.conftest import PROJECT
from tests.workflow.conftest import TRAIN_ROWS, Clone, copy_of, fill, small_disk
from tests.workflow.torture import KILLS, LISTS, VIEWS, contents, start, stopped_job, wait_for_jobs

from digitflow.dataset import applied
from digitflow.formats import lst, recordio

FILE = "corrections.csv"
TREES = "snakemake -j4 trees --configfile tiny.yaml"
CRASH = KILLS[0]
MOVED, BACK, DELETED = range(1, 41), range(31, 41), range(41, 51)  # rows


def labels_of(clone: Clone) -> dict[int, int]:
    """The label of each row that a model may see, as the lists have it."""
    found = {}
    for name in LISTS:
        listing = lst.read(clone.folder / name)
        found |= dict(zip(listing.index.tolist(), listing.label.tolist(), strict=True))
    return found


def recorded_labels_of(clone: Clone) -> dict[int, int]:
    """The same, as MXNet reads it."""
    return {
        record.index: int(record.labels[0])
        for part in ("train", "valid")
        for record in recordio.read(clone.folder / f"data/rec/{part}.rec")
    }


def lines_of(clone: Clone) -> list[dict[str, str]]:
    lines = (clone.folder / FILE).read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def verb(clone: Clone, *words: str) -> subprocess.CompletedProcess:
    """Type a command of digitflow's."""
    environment = os.environ | {"PYTHONPATH": f"{clone.folder}/workflow"}
    command = [sys.executable, "-m", "digitflow", *words]
    return subprocess.run(
        command, cwd=clone.folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_new_line_reruns_the_lists_and_converts_nothing(finished):
    label = labels_of(finished)[1]
    (finished.folder / FILE).write_text(f"id,was,now,crc,note\n1,{label},{(label + 1) % 10},,mine\n")
    planned = finished.planned_rules()
    assert planned["write_lst"] == planned["train_keras"] == planned["train_mxnet"] == 1
    assert planned.keys().isdisjoint({"csv_to_idx", "csv_to_idx_test", "write_test_lst"})


def test_a_line_reaches_lists_records_and_tree_and_its_removal_takes_it_back(
    finished_numpy_run, finished_numpy
):
    made = {*LISTS, "data/png/train.sfv"}
    targets = [*LISTS, "data/rec/train.rec", "data/rec/valid.rec", "data/png/train.sfv"]
    label = labels_of(finished_numpy)[7]
    other = (label + 1) % 10
    (finished_numpy.folder / FILE).write_text(f"id,was,now,crc,note\n7,{label},{other},,\n8,0,drop,,\n")
    wrong = finished_numpy.snakemake(*targets)
    truth = labels_of(finished_numpy)
    assert truth[8] != 0
    assert wrong.returncode == 1
    assert f"error: {FILE}, line 3: column was: '0'" in wrong.stdout
    (finished_numpy.folder / FILE).write_text(
        f"id,was,now,crc,note\n7,{label},{other},,\n8,{truth[8]},drop,,\n"
    )
    result = finished_numpy.snakemake(*targets)
    assert result.returncode == 0, result.stdout
    expected = {row: was for row, was in truth.items() if row != 8} | {7: other}
    assert labels_of(finished_numpy) == recorded_labels_of(finished_numpy) == expected
    assert finished_numpy.picture(7).parent.name == str(other)

    (finished_numpy.folder / FILE).write_text("id,was,now,crc,note\n")
    assert finished_numpy.snakemake(*targets).returncode == 0
    assert contents(finished_numpy, made) == contents(finished_numpy_run[0], made)


def test_notes_and_lines_that_say_ok_make_nothing_again_and_are_checked_and_kept(finished_numpy):
    labels, file = labels_of(finished_numpy), finished_numpy.folder / FILE
    line = f"7,{labels[7]},{(labels[7] + 1) % 10}"
    file.write_text(f"id,was,now,crc,note\n{line}\n")
    assert finished_numpy.planned_rules()["write_lst"] == 1
    assert finished_numpy.snakemake().returncode == 0

    file.write_text(f"id,was,now,crc,note\n# Twice.\n9,{labels[9]},ok\n{line},,a note\n")
    assert not finished_numpy.planned()
    result = finished_numpy.snakemake()
    assert result.returncode == 0, result.stdout
    assert not finished_numpy.planned()
    (copy,) = applied.read_copies(finished_numpy.folder / "data/rec/corrections.json")
    assert copy.text == file.read_text()
    assert {line.id for line in copy.lines() if line.crc} == {7, 9}

    file.write_text(f"{copy.text}10,{labels[10]},drop\n")
    assert re.search("write_lst .* changed: corrections.csv", finished_numpy.snakemake("--dry-run").stdout)
    file.write_text(f"{copy.text}10,{(labels[10] + 1) % 10},ok\n")
    result = finished_numpy.snakemake()
    assert result.returncode == 1
    assert f"error: {FILE}, line 5: column was: " in result.stdout


def test_a_line_whose_number_is_the_id_of_another_row_in_the_csv_is_warned_of(fresh_numpy):
    path = fresh_numpy.folder / "own/train.csv"
    header, *lines = path.read_text().splitlines()
    rows = [f"id,{header}", *(f"{number},{line}" for number, line in enumerate(lines))]
    path.write_text("\n".join(rows) + "\n")
    (fresh_numpy.folder / FILE).write_text(f"id,was,now,crc,note\n7,{lines[6][0]},drop,,\n")
    result = fresh_numpy.snakemake("data/rec/train.lst")
    assert result.returncode == 0, result.stdout
    meant = f"row 7 has the id 6; if you mean the CSV's id 7, write 8,{lines[7][0]},drop"
    assert f"write_lst | {FILE}, line 2: column id: " in result.stdout
    assert meant in result.stdout
    assert not fresh_numpy.planned("data/rec/train.lst")


def test_an_inventory_that_was_lost_is_made_again_and_what_was_moved_is_noticed(finished_numpy):
    before, tree = labels_of(finished_numpy), finished_numpy.folder / "data" / "png" / "train"
    finished_numpy.move(3, (before[3] + 1) % 10)
    tree.with_name("train.inventory").unlink()
    result = finished_numpy.snakemake(*LISTS)
    assert result.returncode == 0, result.stdout
    assert labels_of(finished_numpy) == before | {3: (before[3] + 1) % 10}
    # Another configuration's file stays as it is.
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    (other := finished_numpy.folder / "other.csv").write_text("id,was,now,crc,note\n")
    finished_numpy.configure("data: {", "data: {corrections: other.csv, ")
    tree.with_name("train.inventory").unlink()
    for _ in range(2):
        assert finished_numpy.snakemake(*VIEWS).returncode == 0
    assert labels_of(finished_numpy) == before
    assert other.read_text() == "id,was,now,crc,note\n"


def test_without_inventory_and_manifest_a_tree_is_recognised_and_what_was_moved_in_it_is_noticed(
    finished_numpy,
):
    before = labels_of(finished_numpy)
    finished_numpy.move(3, (before[3] + 1) % 10)
    for name in ("train.inventory", "train.sfv"):
        (finished_numpy.folder / "data" / "png" / name).unlink()
    for _ in range(2):  # the first run makes the inventory, the second one reads it
        result = finished_numpy.snakemake(*VIEWS)
        assert result.returncode == 0, result.stdout
    assert labels_of(finished_numpy) == before | {3: (before[3] + 1) % 10}


def test_the_next_run_notices_what_was_moved_deleted_and_put_back(finished_numpy):
    before = labels_of(finished_numpy)
    (finished_numpy.folder / FILE).write_text("# Mine.\nid,was,now,crc,note\n")
    finished_numpy.move(3, (before[3] + 1) % 10)
    gone = finished_numpy.picture(4).read_bytes(), finished_numpy.picture(4)
    gone[1].unlink()
    planned = finished_numpy.snakemake("--dry-run", *VIEWS)
    assert "003.png" in planned.stdout
    assert not lines_of(finished_numpy), "a dry run only says what it would write"

    result = finished_numpy.snakemake(*VIEWS)
    assert result.returncode == 0, result.stdout
    found = {row["id"]: (row["was"], row["now"]) for row in lines_of(finished_numpy)}
    assert found == {"3": (str(before[3]), str((before[3] + 1) % 10)), "4": (str(before[4]), "drop")}
    assert labels_of(finished_numpy) == {
        row: (label + 1) % 10 if row == 3 else label for row, label in before.items() if row != 4
    }
    assert (finished_numpy.folder / FILE).read_text().startswith("# Mine.\n")
    assert not finished_numpy.planned(*VIEWS)

    gone[1].write_bytes(gone[0])
    finished_numpy.move(3, before[3])
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    assert labels_of(finished_numpy) == before
    assert not finished_numpy.planned(*VIEWS)


@pytest.mark.parametrize("way", ["adopt", "lists"])
def test_the_tree_follows_a_line_that_is_taken_out_before_it_was_brought_up_to_date(finished_numpy, way):
    tree, label = finished_numpy.folder / "data/png/train", labels_of(finished_numpy)
    other = tree / str((label[2] + 1) % 10)
    (tree / str(label[1]) / "001.png").unlink()
    (tree / str(label[2]) / "002.png").rename(other / "002.png")
    if way == "adopt":
        assert verb(finished_numpy, "adopt").returncode == 0
    else:
        assert finished_numpy.snakemake(*LISTS).returncode == 0
    assert [line["id"] for line in lines_of(finished_numpy)] == ["1", "2"]
    (finished_numpy.folder / FILE).write_text("id,was,now,crc,note\n")
    if way == "lists":
        assert finished_numpy.snakemake(*LISTS).returncode == 0
    result = finished_numpy.snakemake("trees")
    assert result.returncode == 0, result.stdout
    assert (tree / str(label[1]) / "001.png").exists()
    assert (tree / str(label[2]) / "002.png").exists()
    assert not (other / "002.png").exists()
    assert labels_of(finished_numpy) == label
    assert not lines_of(finished_numpy)
    assert not finished_numpy.planned("trees", *LISTS)


def test_a_tree_that_is_gone_is_no_wish_to_drop_every_image(finished_numpy):
    shutil.rmtree(finished_numpy.folder / "data" / "png" / "train")
    result = finished_numpy.snakemake()
    assert result.returncode == 1
    assert "data/png/train: is gone; no image is dropped because of that" in result.stdout
    assert "Traceback" not in result.stdout
    assert not (finished_numpy.folder / FILE).exists()
    (finished_numpy.folder / "data" / "png" / "train.sfv").unlink()
    assert finished_numpy.snakemake("trees").returncode == 0
    assert len(list((finished_numpy.folder / "data" / "png" / "train").rglob("*.png"))) == TRAIN_ROWS


def test_a_run_makes_a_tree_that_was_deleted_with_its_record_and_a_run_of_less_says_how(finished_numpy):
    tree = finished_numpy.folder / "data" / "png" / "train"
    label = finished_numpy.picture(7).parent.name
    shutil.rmtree(tree / label)
    tree.with_name("train.sfv").unlink()
    less = finished_numpy.snakemake("results/submission.csv")
    assert less.returncode == 0, less.stdout
    assert "train.sfv. To make them again, run again with the target trees" in less.stdout
    shutil.rmtree(tree)
    less = finished_numpy.snakemake("results/submission.csv")
    assert f"missing; to make it again: {TREES}" in less.stdout
    result = finished_numpy.snakemake()
    assert result.returncode == 0, result.stdout
    assert finished_numpy.picture(7).parent.name == label
    assert "is gone" not in finished_numpy.snakemake().stdout
    assert not finished_numpy.planned()

    finished_numpy.move(7, (int(label) + 1) % 10)
    tree.with_name("train.inventory").unlink()
    tree.with_name("train.sfv").unlink()
    less = finished_numpy.snakemake("results/submission.csv")
    assert "train.inventory: missing, so what is moved or deleted" in less.stdout
    assert f"{TREES}; the run after that notices it" in less.stdout
    for _ in range(2):
        assert finished_numpy.snakemake("trees").returncode == 0
    assert [line["id"] for line in lines_of(finished_numpy)] == ["7"]


def test_a_tree_without_its_inventory_is_not_cleaned_away(tmp_path):
    picture = tmp_path / "data" / "png" / "train" / "0" / "1.png"
    picture.parent.mkdir(parents=True)
    picture.touch()
    command = ["make", "--silent", "-f", PROJECT / "Makefile", "clean"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "train.inventory: not found" in result.stderr
    assert picture.exists()


def test_a_line_typed_without_a_checksum_is_safe_after_its_first_run_and_follows_its_row(finished_numpy):
    file, made = finished_numpy.folder / FILE, {*LISTS, "data/png/train.sfv"}
    label = labels_of(finished_numpy)[7]
    typed = f"# Mine.\nid,was,now,crc,note\n 7,{label},drop\n"
    file.write_text(typed)
    assert finished_numpy.planned(*VIEWS)
    assert file.read_text() == typed
    result = finished_numpy.snakemake(*VIEWS)
    assert f"{FILE}: checksum of the pixels written into 1 line" in result.stdout, result.stdout
    assert file.read_text().startswith(typed.rstrip("\n") + ",")
    assert not finished_numpy.planned(*VIEWS), "a checksum makes nothing again"

    before, filled = contents(finished_numpy, made), file.read_text()
    csv = finished_numpy.folder / "own" / "train.csv"
    header, *rows = csv.read_text().splitlines(keepends=True)
    csv.write_text("".join([header, rows[-1], *rows[:-1]]))  # every row has another number now
    stopped = finished_numpy.snakemake(*VIEWS)
    assert stopped.returncode == 1
    assert f"{FILE}, line 3: these pixels are in row 8 now; write 8,{label},drop," in stopped.stdout
    assert contents(finished_numpy, made) == before
    assert verb(finished_numpy, "follow_corrections").returncode == 0
    assert file.read_text() == filled.replace(" 7,", "8,")
    result = finished_numpy.snakemake(*VIEWS)
    assert result.returncode == 0, result.stdout
    assert 8 not in labels_of(finished_numpy)


def test_a_file_of_corrections_that_is_lost_stops_the_run_until_one_says_what_is_meant(finished_numpy):
    file, before = finished_numpy.folder / FILE, labels_of(finished_numpy)
    file.write_text("# Mine.\nid,was,now,crc,note\n")
    finished_numpy.move(3, (before[3] + 1) % 10)
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    kept, corrected = file.read_bytes(), labels_of(finished_numpy)
    file.unlink()
    finished_numpy.move(4, (before[4] + 1) % 10)
    for arguments in (VIEWS, ["--dry-run", *VIEWS]):
        stopped = finished_numpy.snakemake(*arguments)
        assert stopped.returncode == 1
        assert f"error: {FILE}: is gone, and 1 correction with it" in stopped.stdout
        assert not file.exists()
    assert verb(finished_numpy, "restore_corrections").returncode == 0
    assert file.read_bytes() == kept
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    assert labels_of(finished_numpy) == corrected | {4: (before[4] + 1) % 10}
    file.write_text("id,was,now,crc,note\n")
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    assert labels_of(finished_numpy) == before


def test_what_was_moved_for_one_configuration_is_not_written_into_the_corrections_of_another(finished_numpy):
    before = labels_of(finished_numpy)
    other = finished_numpy.folder / "other.csv"
    other.write_text("id,was,now,crc,note\n")
    finished_numpy.move(3, (before[3] + 1) % 10)
    configuration = (finished_numpy.folder / "tiny.yaml").read_text()
    finished_numpy.configure("data: {", "data: {corrections: other.csv, ")
    stopped = finished_numpy.snakemake(*VIEWS)
    assert stopped.returncode == 1
    assert f"To write that into {FILE}: digitflow adopt; into other.csv: digitflow adopt --" in stopped.stdout
    assert not (finished_numpy.folder / FILE).exists()
    assert verb(finished_numpy, "adopt").returncode == 0
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    assert labels_of(finished_numpy) == before
    assert other.read_text() == "id,was,now,crc,note\n"
    (finished_numpy.folder / "tiny.yaml").write_text(configuration)
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    assert labels_of(finished_numpy) == before | {3: (before[3] + 1) % 10}


def test_a_file_in_the_tree_that_is_nobodys_picture_stops_the_run(finished_numpy):
    (finished_numpy.folder / "data" / "png" / "train" / "0" / "holiday.png").write_bytes(b"sun")
    result = finished_numpy.snakemake()
    assert result.returncode == 1
    assert "0/holiday.png" in result.stdout
    assert not (finished_numpy.folder / FILE).exists()


# Nothing undoes them


@pytest.fixture(scope="module")
def corrected_run(finished_numpy_run, tmp_path_factory) -> Clone:
    """A finished run in which 50 pictures were moved, deleted, and moved and put back."""
    clone = copy_of(finished_numpy_run[0], tmp_path_factory.mktemp("corrected"))
    file = clone.folder / FILE
    file.write_text("# What I found.\nid,was,now,crc,note\n")
    before = labels_of(clone)
    for row in MOVED:
        clone.move(row, (before[row] + 1) % 10)
    assert clone.snakemake(*LISTS).returncode == 0
    for row in DELETED:
        clone.picture(row).unlink()
    for row in BACK:
        clone.move(row, before[row])
    file.write_text(file.read_text() + "# To be continued.\n")
    result = clone.snakemake("trees", *LISTS)
    assert result.returncode == 0, result.stdout
    return clone


@pytest.fixture
def corrected(corrected_run, tmp_path) -> Clone:
    """A copy of that run that a test may change."""
    return copy_of(corrected_run, tmp_path)


def expected_labels(finished_numpy_run) -> dict[int, int]:
    before = labels_of(finished_numpy_run[0])
    return {
        row: (label + 1) % 10 if row in MOVED and row not in BACK else label
        for row, label in before.items()
        if row not in DELETED
    }


def edit_a_comment(clone: Clone) -> None:
    (clone.folder / "workflow/digitflow/formats/png.py").open("a").write("# A comment.\n")


def edit_code(clone: Clone) -> None:
    for module in ("formats/png.py", "formats/pixelcsv.py", "dataset/views.py", "dataset/lists.py"):
        (clone.folder / "workflow/digitflow" / module).open("a").write("EDITED = 1\n")


def touch_the_csvs(clone: Clone) -> None:
    for name in ("train", "test"):
        os.utime(clone.folder / "own" / f"{name}.csv")


def rewrite_the_csvs(clone: Clone) -> None:
    for name in ("train", "test"):
        path = clone.folder / "own" / f"{name}.csv"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def a_number_of_classes(clone: Clone) -> None:
    clone.configure("own/solution.csv}", "own/solution.csv, classes: 10}")


def delete_the_data(clone: Clone) -> None:
    shutil.rmtree(clone.folder / "data")


def clean(clone: Clone) -> None:
    """With a picture moved just before it, and moved back behind it."""
    label = labels_of(clone)[60]
    clone.move(60, (label + 1) % 10)
    typed = (clone.folder / FILE).read_bytes()
    subprocess.run(["make", "--silent", "-f", PROJECT / "Makefile", "clean"], cwd=clone.folder, check=True)
    assert (clone.folder / FILE).read_bytes().startswith(typed)
    assert lines_of(clone)[-1]["now"] == str((label + 1) % 10)
    (clone.folder / FILE).write_bytes(typed)
    assert not (clone.folder / "data" / "png" / "train").exists()


def fill_the_disk(clone: Clone) -> None:
    """The disk is full, and has a little room, as a moved picture is adopted and all is made again."""
    typed, label = (clone.folder / FILE).read_bytes(), labels_of(clone)[60]
    with small_disk(clone.folder, "size=64m"):
        filler = fill(clone.folder, room=0)
        clone.move(60, (label + 1) % 10)
        refused = verb(clone, "adopt")
        assert refused.returncode == 1
        assert f"/{FILE}: cannot be written: No space left on device" in refused.stderr
        clone.move(60, label)
        for room in (0, 300_000):
            os.truncate(filler, filler.stat().st_size - room)
            assert clone.snakemake(*VIEWS, "--forcerun", "csv_to_idx", "write_lst", "idx_to_png").returncode
            assert (clone.folder / FILE).read_bytes() == typed
        filler.unlink()
        after = shutil.copytree(clone.folder, clone.folder.with_name("after"), symlinks=True)
    clone.folder.rmdir()
    after.rename(clone.folder)


# What is damaged, and a rule that reads it or makes it again.
DAMAGED = {
    "data/idx/classes.csv": "write_lst",
    "data/idx/train.sfv": "write_lst",
    "data/rec/lists.sfv": "pack_rec",
    "data/rec/corrections.json": "write_lst",
    "data/rec/train.rec": "pack_rec",
    "data/rec/train.idx": "pack_rec",
    "data/png/train.sfv": "idx_to_png",
    "data/png/train.inventory": "idx_to_png",
}


def flip_a_byte_of_each_record(clone: Clone) -> None:
    """Of all that is made beside images and lists, as a disk does: the time of the file stays."""
    typed, labels = (clone.folder / FILE).read_bytes(), labels_of(clone)
    targets = ["trees", "records", *LISTS]
    assert clone.snakemake(*targets).returncode == 0
    for name, rule in DAMAGED.items():
        path = clone.folder / name
        data, status = bytearray(path.read_bytes()), path.stat()
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        noticed = clone.snakemake(*targets, "--forcerun", rule)
        if noticed.returncode:
            assert noticed.stdout.splitlines()[-1].startswith(f"error: {name}"), noticed.stdout
            path.unlink()
            made_again = clone.snakemake(*targets, "--forcerun", rule)
            assert made_again.returncode == 0, made_again.stdout
        assert labels_of(clone) == recorded_labels_of(clone) == labels, name
        assert (clone.folder / FILE).read_bytes() == typed, name


def kill_the_trees(clone: Clone) -> None:
    for write in (1, 3, 20):
        shutil.rmtree(clone.folder / "data" / "idx", ignore_errors=True)
        process = start(clone, "data/png/train.sfv", "--forcerun", "idx_to_png", stop=f"idx_to_png:{write}")
        if job := stopped_job(clone, process):
            CRASH.send(process.pid, job)
        process.wait()
        wait_for_jobs(process.pid)
        clone.call("--unlock")


def flip_a_byte_of_each_file(clone: Clone) -> None:
    """Of all that the lists and the tree are made from; whoever reads one says so, and it is made again."""
    for name in ("data/idx/train-images-idx3-ubyte", "data/idx/train-labels-idx1-ubyte", *LISTS):
        path = clone.folder / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        clone.snakemake("trees", *LISTS)
        path.unlink(missing_ok=True)
        assert clone.snakemake("trees", *LISTS, "--forcerun", name).returncode == 0


@pytest.mark.parametrize(
    "mishap",
    [
        *(edit_a_comment, edit_code, touch_the_csvs, rewrite_the_csvs, delete_the_data, clean),
        *(a_number_of_classes, kill_the_trees, fill_the_disk),
        *(flip_a_byte_of_each_file, flip_a_byte_of_each_record),
    ],
)
def test_corrections_outlive(mishap, corrected, finished_numpy_run):
    typed = (corrected.folder / FILE).read_bytes()
    expected = expected_labels(finished_numpy_run)
    assert labels_of(corrected) == expected
    mishap(corrected)
    result = corrected.snakemake("trees", *LISTS)
    assert result.returncode == 0, result.stdout
    assert labels_of(corrected) == expected
    assert (corrected.folder / FILE).read_bytes() == typed
    tree = corrected.folder / "data" / "png" / "train"
    assert {int(path.stem): int(path.parent.name) for path in tree.rglob("*.png")} == expected


def test_touching_all_files_swallows_no_corrections(finished_numpy, tmp_path):
    """As README says after a copy without times: a picture that was moved, then a line that is typed."""
    before = labels_of(finished_numpy)
    finished_numpy.move(3, (before[3] + 1) % 10)
    subprocess.run(["cp", "-r", finished_numpy.folder, tmp_path / "copy"], check=True)
    copy = Clone(tmp_path / "copy")
    assert "image 3: " in copy.snakemake("--touch").stdout
    assert copy.planned_rules()["write_lst"] == 1
    assert copy.snakemake(*VIEWS).returncode == 0
    assert labels_of(copy) == before | {3: (before[3] + 1) % 10}
    with (copy.folder / FILE).open("a") as file:
        file.write(f"4,{before[4]},drop\n")
    assert copy.snakemake("--touch").returncode == 0
    assert copy.snakemake("--list-rules").returncode == 0
    assert copy.planned_rules()["write_lst"] == 1
    assert copy.snakemake().returncode == 0
    assert 4 not in labels_of(copy)
    assert not [*(copy.folder / "data/png/train").glob("*/004.png")]
    assert "Nothing to be done" in copy.snakemake().stdout


@pytest.mark.parametrize("has_run", [True, False])
def test_data_that_come_from_another_copy_keep_none_of_its_corrections(finished_numpy, tmp_path, has_run):
    labels = labels_of(finished_numpy)
    label, own = labels[7], f"id,was,now,crc,note\n8,{labels[8]},ok,,mine\n"
    (finished_numpy.folder / FILE).write_text(own)
    assert finished_numpy.snakemake(*VIEWS).returncode == 0
    own = (finished_numpy.folder / FILE).read_text()
    other = copy_of(finished_numpy, tmp_path / "other")
    other.move(7, (label + 1) % 10)
    assert other.snakemake(*VIEWS).returncode == 0
    assert labels_of(other)[7] != label
    shutil.rmtree(finished_numpy.folder / "data")
    shutil.copytree(other.folder / "data", finished_numpy.folder / "data")  # as rsync -a does
    if not has_run:
        shutil.rmtree(finished_numpy.folder / ".snakemake")
        assert finished_numpy.snakemake("--touch", "-F").returncode == 0
    result = finished_numpy.snakemake(*VIEWS)
    assert result.returncode == 0, result.stdout
    assert labels_of(finished_numpy)[7] == label, result.stdout
    assert finished_numpy.picture(7).parent.name == str(label)
    assert (finished_numpy.folder / FILE).read_text() == own
    assert "Nothing to be done" in finished_numpy.snakemake(*VIEWS).stdout
