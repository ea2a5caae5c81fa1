"""Corrections applied to a training CSV's rows, and lines that are about something else."""

import tracemalloc

import numpy as np
import pytest

from digitflow.base.errors import FormatError, InputError
from digitflow.dataset import classes as class_names
from digitflow.dataset.corrections import apply, follow
from digitflow.formats import idx
from digitflow.formats.corrections import Correction, pixel_crc, read

CLASSES = [str(digit) for digit in range(10)]


@pytest.fixture
def rows(tmp_path, digits):
    images, labels = digits[0][:100], digits[1][:100]
    idx.write(tmp_path / "images", images)
    return images, labels, tmp_path / "images"


def test_labels_are_corrected_and_dropped_rows_are_seen_by_no_model(rows):
    images, labels, path = rows
    lines = [
        Correction(1, "5", "3", pixel_crc(images[0])),
        Correction(2, "0", "drop"),
        Correction(3, "4", "ok", pixel_crc(images[2])),
    ]
    corrected, keep = apply(labels, path, CLASSES, lines, "corrections.csv")
    assert labels[0] == 5
    assert corrected.dtype == labels.dtype
    assert np.flatnonzero(corrected != labels).tolist() == [0]
    assert corrected[0] == 3
    assert np.flatnonzero(~keep).tolist() == [1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            Correction(101, "5", "3", line=7),
            "line 7: column id: 101, but the training CSV has 100 rows; delete the",
        ),
        (
            Correction(1, "4", "3", line=7),
            "line 7: column was: '4', but row 1 has the label '5'; write 5",
        ),
        (
            Correction(1, "4", "ok", line=7),
            "line 7: column was: .* has the label .5.; if 4 is right, write 1,5,4,,; if 5 is, delete the",
        ),
        (
            Correction(1, "5", "x", line=7),
            r"line 7: column now: 'x' should be one of 0, 1, .* or drop .* or ok .* set data: .*9, \"?x",
        ),
        (Correction(1, "5", "OK", line=7), r"line 7: column now: 'OK' should .*; did you mean ok\?$"),
        (Correction(1, "5", "Drop", line=7), r"line 7: column now: 'Drop' should .*; did you mean drop\?$"),
        (Correction(1, "5", "1.0", line=7), r"line 7: column now: '1\.0' should .*; did you mean 1\?$"),
        (
            Correction(1, "5", "3", "0" * 8, line=7),
            "line 7: column crc: 00000000, but the pixels of row 1 have",
        ),
    ],
)
def test_a_line_about_something_else_is_named_with_the_way_on(rows, line, message):
    _, labels, path = rows
    with pytest.raises(FormatError, match=rf"^corrections\.csv, {message}"):
        apply(labels, path, CLASSES, [line], "corrections.csv")


def crcs(images: np.ndarray) -> list[str]:
    return [pixel_crc(image) for image in images]


def refused(lines: list[Correction], labels: np.ndarray, path) -> list[str]:
    """What the message says, line by line."""
    with pytest.raises(FormatError) as error:
        apply(labels, path, CLASSES, lines, "corrections.csv")
    return str(error.value).split("\n")


def test_lines_whose_rows_have_moved_are_told_with_the_lines_to_write_and_the_command(rows, tmp_path):
    images, labels, _ = rows
    inserted = np.insert(np.arange(100), 3, 99)  # another picture above row 4
    inserted[-1] = 98  # which is there twice then
    idx.write(tmp_path / "shifted", images[inserted])
    crc = crcs(images)
    lines = [
        Correction(1, str(labels[0]), "3", crc[0], line=2),
        Correction(5, str(labels[4]), "drop", crc[4], "a, b", line=3),
        Correction(10, str(labels[9]), "ok", crc[9], line=4),
        Correction(99, str(labels[98]), "ok", crc[98], line=5),
    ]
    assert refused(lines[:3], labels[inserted], tmp_path / "shifted") == [
        f'corrections.csv, line 3: these pixels are in row 6 now; write 6,{labels[4]},drop,{crc[4]},"a, b"',
        f"corrections.csv, line 4: these pixels are in row 11 now; write 11,{labels[9]},ok,{crc[9]},",
        "to write the new numbers into those 2 lines: digitflow follow_corrections",
    ]
    [told] = refused(lines[3:], labels[inserted], tmp_path / "shifted")
    assert told.startswith(
        f"corrections.csv, line 5: these pixels are in rows 100 (label {labels[98]}), "
        f"101 (label {labels[98]}) now; write"
    )


def test_a_moved_row_with_another_label_and_a_row_that_is_gone_are_told_as_such(rows, tmp_path):
    images, labels, _ = rows
    idx.write(tmp_path / "shifted", images[1:])
    crc, changed = crcs(images), labels[1:].copy()
    changed[8] = (labels[9] + 1) % 10
    lines = [
        Correction(1, str(labels[0]), "3", crc[0], line=2),
        Correction(10, str(labels[9]), "3", crc[9], line=3),
        Correction(100, "0", "3", "12345678", line=4),
    ]
    first, second, third = refused(lines, changed, tmp_path / "shifted")
    assert first.endswith(f"if it is also right for this image, write 1,{labels[1]},3,{crc[1]},")
    assert second.endswith(
        f"row 9 (label {changed[8]}) now, but the line says '{labels[9]}'; write 9,{changed[8]},3,{crc[9]},, "
        "or delete it if the label is right now"
    )
    [told] = refused([Correction(10, "4", "ok", crc[9], line=3)], changed, tmp_path / "shifted")
    assert f"write 9,{changed[8]},4,{crc[9]},, or" in told
    assert third.endswith(
        "line 4: column id: 100: there is no such row now, and no row has these pixels; delete the line"
    )


def test_a_message_about_many_lines_ends(rows, tmp_path):
    images, labels, _ = rows
    idx.write(tmp_path / "shifted", images[1:])
    lines = [Correction(n, str(labels[n - 1]), "ok", pixel_crc(images[n - 1]), line=n) for n in range(2, 101)]
    *_, more, command = refused(lines, labels[1:], tmp_path / "shifted")
    assert (more, command.split(":")[0]) == (
        "and 89 more lines",
        "to write the new numbers into those 99 lines",
    )


def test_following_writes_the_new_numbers_and_leaves_every_other_byte(rows, tmp_path):
    images, labels, _ = rows
    order = np.insert(np.delete(np.arange(100), 50), 3, 99)[:99]
    idx.write(tmp_path / "shifted", images[order])
    idx.write(tmp_path / "labels", labels[order])
    class_names.write(tmp_path / "classes.csv", CLASSES)
    crc, path = crcs(images), tmp_path / "corrections.csv"
    text = (
        f"# mine\nid,was,now,crc,note\n1,{labels[0]},3,{crc[0]}\n\n5, {labels[4]},drop,{crc[4]},a curl\n"
        f"6,{labels[5]},ok,{crc[5]},\n51,{labels[50]},ok,{crc[50]},gone\n"
    )
    path.write_text(text)
    files = (tmp_path / "shifted", tmp_path / "labels", tmp_path / "classes.csv")
    *moved, left = follow(path, *files)
    assert moved == [f"{path}, line 5: row 5 is row 6 now", f"{path}, line 6: row 6 is row 7 now"]
    assert left.startswith(f"{path}, line 7: left as it is: column crc: {crc[50]}")
    assert path.read_text() == text.replace("\n6,", "\n7,").replace("\n5,", "\n6,")
    path.write_text(path.read_text().replace(f"51,{labels[50]},ok,{crc[50]},gone\n", ""))
    assert follow(path, *files) == []


def test_a_line_that_is_in_the_way_of_another_is_told_with_what_to_do_with_it(rows, tmp_path):
    """Its row has another number and another label now, so it is not followed by itself."""
    images, labels, _ = rows
    order = np.insert(np.arange(100), 4, 99)
    changed = labels[order]
    changed[6] = (labels[5] + 1) % 10
    idx.write(tmp_path / "shifted", images[order])
    idx.write(tmp_path / "labels", changed)
    class_names.write(tmp_path / "classes.csv", CLASSES)
    crc, path = crcs(images), tmp_path / "corrections.csv"
    text = f"id,was,now,crc,note\n5,{labels[4]},ok,{crc[4]},\n6,{labels[5]},drop,{crc[5]},a curl\n"
    path.write_text(text)
    files = (tmp_path / "shifted", tmp_path / "labels", tmp_path / "classes.csv")
    right = f"7,{changed[6]},drop,{crc[5]},a curl"
    told = rf"line 3: these pixels are in row 7 .*write {right}, .*; do that first, because line 2 gets its"
    with pytest.raises(InputError, match=told):
        follow(path, *files)
    assert path.read_text() == text
    path.write_text(text.replace(f"6,{labels[5]},drop,{crc[5]},a curl", right))
    assert follow(path, *files) == [f"{path}, line 2: row 5 is row 6 now"]
    assert [line.id for line in read(path)] == [6, 7]


@pytest.mark.parametrize("name", ["drop", "ok"])
def test_a_class_called_as_a_word_of_the_file_is_refused_only_where_there_are_corrections(rows, name):
    _, labels, path = rows
    classes = [*CLASSES[:9], name]
    apply(labels, path, classes, [], "corrections.csv")
    with pytest.raises(InputError, match=f"class '{name}': .* give the class another name"):
        apply(labels, path, classes, [Correction(1, "5", "3")], "corrections.csv")


def test_only_the_pixels_of_corrected_rows_are_read(tmp_path):
    idx.write(tmp_path / "images", np.zeros((10_000, 28, 28), np.uint8))
    crc = pixel_crc(np.zeros((28, 28), np.uint8))
    lines = [Correction(id_, "0", "1", crc) for id_ in range(1, 10_001, 500)]
    labels = np.zeros(10_000, np.uint8)
    tracemalloc.start()
    corrected, _ = apply(labels, tmp_path / "images", CLASSES, lines, "corrections.csv")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert corrected.sum() == 20


def test_where_all_pixels_are_others_lines_keep_their_rows_and_get_new_checksums(rows, tmp_path):
    images, labels, _ = rows
    idx.write(tmp_path / "inverted", 255 - images)
    idx.write(tmp_path / "labels", labels)
    class_names.write(tmp_path / "classes.csv", CLASSES)
    old, new, path = crcs(images), crcs(255 - images), tmp_path / "corrections.csv"
    other = (labels[2] + 1) % 10
    text = f"# mine\nid,was,now,crc,note\n1,{labels[0]},3,{old[0]},a curl\n2,{labels[1]},drop,,\n"
    path.write_text(text)
    *_, way_on = refused(read(path), labels, tmp_path / "inverted")
    assert way_on.endswith("as after a change of data.invert: digitflow follow_corrections --by_id true")
    path.write_text(f"{text}3,{other},ok,{old[2]},\n")
    assert "--by_id" not in "\n".join(refused(read(path), labels, tmp_path / "inverted"))
    files = (tmp_path / "inverted", tmp_path / "labels", tmp_path / "classes.csv")
    renewed, left = follow(path, *files, by_id=True)
    assert renewed == f"{path}, line 3: row 1 has the checksum {new[0]} now"
    assert left.startswith(f"{path}, line 5: left as it is: ")
    assert path.read_text() == f"{text.replace(old[0], new[0])}3,{other},ok,{old[2]},\n"
    path.write_text(text.replace(old[0], new[0]))
    assert follow(path, *files, by_id=True) == []  # once more is no mistake


def test_checksums_are_not_renewed_by_id_where_one_shows_that_the_pixels_did_not_all_change(rows, tmp_path):
    """A row was deleted, and the next one, which has its number now, has the same label."""
    images, labels, _ = rows
    labels = labels.copy()
    labels[6] = labels[5]
    kept, path = np.delete(np.arange(100), 5), tmp_path / "corrections.csv"
    idx.write(tmp_path / "shorter", images[kept])
    idx.write(tmp_path / "labels", labels[kept])
    class_names.write(tmp_path / "classes.csv", CLASSES)
    files = (tmp_path / "shorter", tmp_path / "labels", tmp_path / "classes.csv")
    crc = crcs(images)
    told = rf"line 3: column crc: a row still has the pixels {crc[54]}, so not all have changed"
    path.write_text(f"id,was,now,crc,note\n6,{labels[5]},2,{crc[5]},\n55,{labels[54]},8,{crc[54]},\n")
    with pytest.raises(InputError, match=told):
        follow(path, *files, by_id=True)
    follow(path, *files)
    assert [line.id for line in read(path)] == [6, 54]
    assert "--by_id" not in "\n".join(refused(read(path), labels[kept], tmp_path / "shorter"))
    with pytest.raises(InputError, match=told):
        follow(path, *files, by_id=True)
    assert [line.crc for line in read(path)] == [crc[5], crc[54]]
