"""CSVs through the real verb: what is accepted, what is refused, and in which words.

A refusal is one message that names file, line (from 1, as an editor shows it), column, value and what would
be right; exit status 1, no traceback, and no file under its final name.
"""

import gzip
import io
import json
import os
import pickle
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import PROJECT

from digitflow.base import archives
from digitflow.base import checksums as sfv
from digitflow.formats import idx

HEADER = b"label,pixel0,pixel1,pixel2,pixel3\n"
CLEAN = HEADER + b"2,0,1,22,255\n0,9,10,99,200\n1,3,0,0,0\n"
TEST = b"pixel0,pixel1,pixel2,pixel3\n1,2,3,4\n"
OPEN_QUOTE = "a quote is opened but not closed: close it in the same line"
NAMES = "label, pixel0 to pixel3 (2 x 2 images)"


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "train.csv").write_bytes(CLEAN)
    (tmp_path / "test.csv").write_bytes(TEST)
    return tmp_path


DATA = {"image": {"height": 2, "width": 2}, "classes": 3, "invert": False}
LABELLED = ("images", "checksums.sfv", "labels", "classes.csv")
UNLABELLED = LABELLED[:2]


def conversion(
    folder: Path, name: str = "train.csv", outputs: tuple[str, ...] = LABELLED, data: dict = DATA
) -> list[str]:
    """The arguments of csv_to_idx, with images of 2 x 2 pixels in three classes unless `data` says others."""
    flags = {f"--{output.partition('.')[0]}": f"{folder}/idx/{output}" for output in outputs}
    flags |= {"--csv": f"{folder}/{name}", "--data": json.dumps(data)}
    return ["csv_to_idx", *(word for flag in flags.items() for word in flag)]


def written(folder: Path) -> dict[str, bytes]:
    """All files below a folder that may not be there, temporary ones included; without the CSV's digest."""
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: re.sub(rb"; sha256 .*\n", b"", data) for name, data in files.items()}


def refusal(
    verb, folder: Path, name: str = "train.csv", outputs: tuple[str, ...] = LABELLED, data: dict = DATA
) -> str:
    """The message of a conversion that must fail and leave nothing."""
    status, message = verb(*conversion(folder, name, outputs, data))
    assert status == 1, message
    assert "Traceback" not in message
    assert written(folder / "idx") == {}
    assert message.startswith("error: ")
    return message.removeprefix("error: ").replace(f"{folder}/", "").removesuffix("\n")


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def reordered(text: bytes) -> bytes:
    rows = [line.split(b",") for line in text.splitlines()]
    return b"".join(b",".join(row[i] for i in (3, 0, 4, 2, 1)) + b"\n" for row in rows)


def zip64(text: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("train.csv", "w", force_zip64=True) as member:
        member.write(text)
    return file.getvalue()


# Accepted: the files are those of the clean CSV, byte for byte

ACCEPTED = {
    "columns in another order": reordered(CLEAN),
    "a byte order mark": b"\xef\xbb\xbf" + CLEAN,
    "CRLF line ends": CLEAN.replace(b"\n", b"\r\n"),
    "CRLF mixed with LF": CLEAN.replace(b"\n", b"\r\n", 2),
    "quoted numbers and names": b'"' + CLEAN[:-1].replace(b",", b'","').replace(b"\n", b'"\n"') + b'"\n',
    "no newline at the end": CLEAN[:-1],
    "blank lines at the end": CLEAN + b"\n \r\n",
    "spaces around numbers": CLEAN.replace(b",", b" ,\t").replace(b"\n", b" \n"),
    "zeros in front": CLEAN.replace(b"22", b"0022"),
    "gzip": gzip.compress(CLEAN),
    "gzip in several members": gzip.compress(CLEAN[:50]) + gzip.compress(CLEAN[50:]),
    "gzip padded with zeros": gzip.compress(CLEAN) + bytes(99),
    "zip": zipped(("train.csv", CLEAN)),
    "zip, not compressed": zipped(("train.csv", CLEAN), method=zipfile.ZIP_STORED),
    "zip64": zip64(CLEAN),
    "zip with other files": zipped(("__MACOSX/._train.csv", b"x"), ("a/train.csv", CLEAN), ("read.me", b"")),
}


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz", "train.csv.zip"])
@pytest.mark.parametrize("what", ACCEPTED)
def test_other_spellings_and_archives_give_the_clean_files_bytes_whatever_their_name(
    verb, folder, what, name
):
    assert verb(*conversion(folder))[0] == 0
    clean = written(folder / "idx")
    (folder / name).write_bytes(ACCEPTED[what])
    status, message = verb(*conversion(folder, name))
    assert status == 0, message
    assert written(folder / "idx") == clean
    assert set(clean) == {*LABELLED}


# Refused


def cell(text: str | bytes, column: int = 3) -> bytes:
    """The clean file with another cell in line 3."""
    lines = CLEAN.split(b"\n")
    cells = lines[2].split(b",")
    cells[column] = text if isinstance(text, bytes) else text.encode()
    lines[2] = b",".join(cells)
    return b"\n".join(lines)


NO_PIXELS = [
    "x",
    "3.5",
    "NaN",
    "",
    "-1",
    "256",
    "1e3",
    "18446744073709551616",
    "+5",
    "4294967296",
    "1_0",
    "2.0",
]
NO_PIXELS += ["٣", "22\xa0", "0x10", "\0", "-0", "inf", '2""2', '"2"2', "1 2", "½", "1000"]
NO_LABELS = ["3", "10", "-1", "2.5", "", "NaN", "256", "1e0", "two"]
FITTING = (
    "the numbers go from 0 to 255: if 0 is black and 255 white, write values: {from: 0, to: 255} under data: "
    "in the configuration"
)


@pytest.mark.parametrize("text", NO_PIXELS)
def test_what_is_no_pixel_is_named_with_line_column_value_and_what_would_be_right(verb, folder, text):
    (folder / "train.csv").write_bytes(cell(text))
    right = "is not a whole number from 0 to 255"
    expected = f"train.csv, line 3, column pixel2: {text!r} {right}"
    if text.count('"') % 2:
        expected = f"train.csv, line 3: {OPEN_QUOTE}"
    message, *way_on = refusal(verb, folder).splitlines()
    assert message == expected
    assert way_on == [FITTING] * (text in ("3.5", "2.0", "+5", "-0"))


@pytest.mark.parametrize("text", NO_LABELS)
def test_what_is_no_label_is_named_with_the_labels_that_there_are(verb, folder, text):
    (folder / "train.csv").write_bytes(cell(text, 0))
    shown = text if text in ("3", "10") else repr(text)
    expected = f"train.csv, line 3, column label: {shown} is not a class from 0 to 2"
    assert refusal(verb, folder) == expected


ONE_OF = "write one of these lines under data: in the configuration:"
LONE_CR = "lone CR line ends (old Mac): save the file with LF or CRLF line ends"
REFUSED = {
    "too few columns": (CLEAN + b"1,2,3,4\n", f"train.csv, line 5: 4 cells, not 5: {NAMES}"),
    "too many columns": (CLEAN + b"1,2,3,4,5,6\n", f"train.csv, line 5: 6 cells, not 5: {NAMES}"),
    "a comma at the end": (CLEAN + b"1,2,3,4,5,", f"train.csv, line 5: 6 cells, not 5: {NAMES}"),
    "an endless line": (
        CLEAN + b"1," * 99_999,
        "train.csv, line 5: no line end, or only blanks, in 65,536 bytes: is it damaged?",
    ),
    "an unclosed quote": (cell('"9'), f"train.csv, line 3: {OPEN_QUOTE}"),
    "a quote over two lines": (
        CLEAN.replace(b"255\n0", b'"255\n0"'),
        f"train.csv, line 2: {OPEN_QUOTE}\ntrain.csv, line 3: {OPEN_QUOTE}",
    ),
    "no header": (
        CLEAN[len(HEADER) :],
        f"train.csv, line 1: no header, and 5 columns: one more than an image has: {ONE_OF}\n"
        "  columns: {label: 0}   # the first column is the label, here 2, 0, 1\n"
        "  columns: {label: -1}  # the last column is the label, here 255, 200, 0",
    ),
    "a wrong name": (
        CLEAN.replace(b"pixel1", b"pixel_1"),
        "train.csv, line 1: columns missing: 'pixel1'; others: 'pixel_1': each pixel needs one column",
    ),
    "a missing name": (
        CLEAN.replace(b",pixel3", b""),
        "train.csv, line 1: 3 columns of pixels do not fit data.image, which says height: 2, width: 2",
    ),
    "a doubled name": (
        CLEAN.replace(b"pixel1", b"pixel0"),
        "train.csv, line 1: columns missing: 'pixel1'; more than once: 'pixel0': each pixel needs one column",
    ),
    "an index column": (
        CLEAN.replace(b"label", b",label"),
        f"train.csv, line 1: columns not known: '': {ONE_OF}\n"
        '  columns: {ignore: [""]}  # the column without a name is not needed, such as the row numbers '
        "that pandas writes\n"
        '  columns: {id: ""}        # the column without a name has the ids of the images',
    ),
    "no label column": (
        TEST,
        "train.csv, line 1: no column label: is this a test file? For a train file, name the label column, "
        "columns: {label: NAME}, or the file that has the labels, labels_csv: PATH, under data: in the "
        "configuration",
    ),
    "the header twice": (
        HEADER + CLEAN + CLEAN,
        "train.csv, line 2: the header again, as in files that were joined: delete this line\n"
        "train.csv, line 6: the header again, as in files that were joined: delete this line",
    ),
    "a blank line between": (
        CLEAN.replace(b"255\n", b"255\n\n"),
        "train.csv, line 3: an empty line between rows: delete it",
    ),
    "a blank first line": (
        b"\n" + CLEAN,
        "train.csv, line 1: blank, but the header or the first row must be here",
    ),
    "a byte order mark inside": (
        CLEAN.replace(b"\n0", b"\n\xef\xbb\xbf0"),
        r"train.csv, line 3, column label: '\ufeff0' is not a class from 0 to 2",
    ),
    "an empty file": (b"", "train.csv: empty: one row per image is needed"),
    "a byte order mark alone": (
        b"\xef\xbb\xbf",
        "train.csv: empty: one row per image is needed",
    ),
    "a header only": (HEADER, "train.csv: a header and no rows: one row per image is needed"),
    "lone CR": (CLEAN.replace(b"\n", b"\r"), f"train.csv, line 1: {LONE_CR}"),
    "lone CR between rows": (CLEAN.replace(b"255\n", b"255\r"), f"train.csv, line 2: {LONE_CR}"),
    "UTF-16": (CLEAN.decode().encode("utf-16"), "train.csv: this looks like UTF-16 text: save it as UTF-8"),
    "UTF-16 unmarked": (
        CLEAN.decode().encode("utf-16-le"),
        "train.csv, line 1: null bytes: this looks like UTF-16, an archive or another binary "
        "file: save it as UTF-8 text",
    ),
    "commas and semicolons": (
        CLEAN.replace(b",", b";", 2),
        "train.csv, line 1: there are commas and semicolons: save the file with only commas between cells",
    ),
    "tabs in the rows": (
        HEADER + CLEAN[len(HEADER) :].replace(b",", b"\t").replace(b"\n", b"\n", 1)[:13],
        "train.csv, line 2: this line looks separated by tabs, but commas are needed",
    ),
    "bzip2": (b"BZh91AY", "train.csv: this looks like a bzip2 file: unpack it"),
    "a web page": (
        b"<!DOCTYPE html>",
        "train.csv: this looks like a web page: does the download need an account? Sign in, download "
        "again, "
        "and put the CSV here",
    ),
    "gzip in gzip": (
        gzip.compress(gzip.compress(CLEAN)),
        "train.csv: this looks like a gzip file inside another archive: unpack it",
    ),
    "gzip and rubbish": (
        gzip.compress(CLEAN) + b"rubbish",
        "train.csv: a damaged or unreadable gzip file: Not a gzipped file (b'ru')",
    ),
    "gzip truncated": (
        gzip.compress(CLEAN)[:-1],
        "train.csv: a damaged or unreadable gzip file: Compressed file ended before the end-of-stream marker "
        "was reached",
    ),
    "two tables in a zip": (
        zipped(("train.csv", CLEAN), ("test.csv", TEST)),
        "train.csv: a zip archive must hold one .csv file, not 2: ['train.csv', 'test.csv']; name the one "
        "you mean, such as train.csv/train.csv",
    ),
    "no table in a zip": (
        zipped(("train.zip", zipped(("train.csv", CLEAN)))),
        "train.csv: a zip archive must hold one .csv file, not 0: ['train.zip']",
    ),
    "a zip with ../": (
        zipped(("../train.csv", CLEAN)),
        "train.csv: '../train.csv' points outside the archive",
    ),
    "a zip with an absolute path": (
        zipped(("/tmp/train.csv", CLEAN)),
        "train.csv: '/tmp/train.csv' points outside the archive",
    ),
    "zip truncated": (
        zipped(("train.csv", CLEAN))[:-1],
        "train.csv: a damaged or unreadable zip archive: File is not a zip file",
    ),
}


IDX = b"\0\0\x08\x03\0\0\0\1\0\0\0\2\0\0\0\2abcd"
AS_CSV = "save it as CSV, one row per image"


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


LOOKS_LIKE = {
    "npz": (
        npz(images=np.zeros((2, 2, 2), np.uint8), labels=np.zeros(2)),
        "numpy arrays (npz): load them with numpy.load and save them as CSV, one row per image",
    ),
    "npy": (b"\x93NUMPY\x01\0", f"a numpy array (npy): load it with numpy.load and {AS_CSV}"),
    "xlsx": (
        zipped(("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>")),
        "an Excel workbook (xlsx): save the sheet as CSV",
    ),
    "xls": (b"\xd0\xcf\x11\xe0" + bytes(9), "an Excel workbook (xls): save the sheet as CSV"),
    "Parquet": (
        b"PAR1" + bytes(9) + b"PAR1",
        "a Parquet file: export it as CSV (pandas.read_parquet(...).to_csv(..., index=False))",
    ),
    "ARFF": (
        b"% digits\n@RELATION digits\n@ATTRIBUTE p1 NUMERIC\n@DATA\n1,0\n",
        f"an ARFF file: load it with scipy.io.arff and {AS_CSV}",
    ),
    "libsvm": (
        b"7 1:0.5 2:-1 5:0.25\n3 2:1\n",
        f"libsvm text (number:value): load it with sklearn.datasets.load_svmlight_file and {AS_CSV}",
    ),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 76775041\n",
        "a Git LFS pointer, not the file itself: fetch the file with `git lfs pull`",
    ),
    "IDX": (IDX, "an IDX file: set data.source to idx and data.folder to the folder that it is in"),
    "IDX, gzipped": (
        gzip.compress(IDX),
        "an IDX file: set data.source to idx and data.folder to the folder that it is in",
    ),
    "pictures in a zip": (
        zipped(("7/1.png", b"\x89PNG"), ("7/2.png", b"\x89PNG")),
        "a zip archive of PNG files: unpack it and set data.source to folder",
    ),
}
REFUSED |= {what: (data, f"train.csv: this looks like {looks}") for what, (data, looks) in LOOKS_LIKE.items()}


def ending_at(end: int) -> str:
    """What is said of whole numbers that end there."""
    return (
        f"train.csv: the pixels are whole numbers up to {end}, nearly black on a scale to 255: if 0 is black "
        f"and {end} white, write values: {{from: 0, to: {end}}} under data: in the configuration; or, if "
        "they are right as they are, write values: {from: 0, to: 255}"
    )


REFUSED |= {
    "decimal commas": (
        HEADER.replace(b",", b";") + b"2;0;0,25;1;1\n",
        "train.csv, line 2, column pixel1: '0,25' is not a whole number from 0 to 255\n"
        "the numbers have decimal commas: save the file with decimal points, 0.5 for 0,5",
    ),
    "decimal commas in quotes": (
        HEADER + b'2,0,"0,25",1,1\n',
        "train.csv, line 2, column pixel1: '\"0,25\"' is not a whole number from 0 to 255\n"
        "the numbers have decimal commas: save the file with decimal points, 0.5 for 0,5",
    ),
    "decimal commas without a header": (
        b"2;0;0,25;1;1\n",
        "train.csv, line 1: the numbers have decimal commas: save the file with decimal points, 0.5 for 0,5",
    ),
    "commas between thousands": (
        HEADER + b'2,0,"3,152","1,000,000","1,000.5"\n',
        "train.csv, line 2, column pixel1: '\"3,152\"' is not a whole number from 0 to 255\n"
        "train.csv, line 2, column pixel2: '\"1,000,000\"' is not a whole number from 0 to 255\n"
        "train.csv, line 2, column pixel3: '\"1,000.5\"' is not a whole number from 0 to 255\n"
        "the numbers have commas between thousands: save the file without them, 1000 for 1,000",
    ),
    "decimal commas, some of which might stand between thousands": (
        HEADER + b'2,0,"3,152","0,25",1\n',
        "train.csv, line 2, column pixel1: '\"3,152\"' is not a whole number from 0 to 255\n"
        "train.csv, line 2, column pixel2: '\"0,25\"' is not a whole number from 0 to 255\n"
        "the numbers have decimal commas: save the file with decimal points, 0.5 for 0,5",
    ),
    "True and False": (
        HEADER + b"2,True,False,False,True\n",
        "".join(
            f"train.csv, line 2, column pixel{k}: '{cell}' is not a whole number from 0 to 255\n"
            for k, cell in enumerate(["True", "False", "False", "True"])
        )
        + "the pixels are True and False: save them as 1 and 0, and write values: {from: 0, to: 1} under "
        "data: in the configuration",
    ),
    "a stray True": (
        CLEAN.replace(b"22", b"True"),
        "train.csv, line 2, column pixel2: 'True' is not a whole number from 0 to 255",
    ),
    "Excel's line": (
        b"sep=;\n" + HEADER.replace(b",", b";") + b"2;0;1;0;1\n",
        "train.csv, line 1: 'sep=;' is a line for Excel only: delete it",
    ),
    "values to 1": (HEADER + b"2,0,1,0,1\n0,1,1,0,0\n1,0,0,0,1\n", ending_at(1)),
    "values to 16": (HEADER + b"2,0,1,16,1\n0,1,1,0,0\n1,0,0,0,1\n", ending_at(16)),
    "values from -1 to 1": (
        HEADER + b"2,0,-1,0.5,1\n",
        "train.csv, line 2, column pixel1: '-1' is not a whole number from 0 to 255\n"
        "train.csv, line 2, column pixel2: '0.5' is not a whole number from 0 to 255\n"
        "the numbers go from -1 to 1: if -1 is black and 1 white, write values: {from: -1, to: 1} under "
        "data: in the configuration",
    ),
    "a header or pixels": (
        b"0,1,2,3,4\n1,9,9,9,200\n",
        f"train.csv, line 1: 0 to 4 may be names or pixels: {ONE_OF}\n"
        "  columns: {header: true}   # line 1 has the names of the columns\n"
        "  columns: {header: false}  # line 1 is the first image",
    ),
    "a row taken for a header": (
        b"2,0,0.1,0.2,200\n1,9,9,9,200\n",
        "train.csv, line 1: '0.1' where the lines below have whole numbers: the first row was once taken for "
        "a header, and equal numbers in it were changed: use the file as it was before, or delete line 1",
    ),
    "two labels": (
        CLEAN.replace(b"label", b"label,class").replace(b"\n0", b"\n0,0").replace(b"\n1", b"\n1,1"),
        f"train.csv, line 1: more than one column may be the label: {ONE_OF}\n"
        "  columns: {label: label, ignore: [class]}  # label is the label\n"
        "  columns: {label: class, ignore: [label]}  # class is the label",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_with_a_file_is_said_and_where(verb, folder, what):
    data, message = REFUSED[what]
    (folder / "train.csv").write_bytes(data)
    assert refusal(verb, folder) == message


def test_images_that_are_not_square_are_refused_with_the_sizes_that_fit(verb, folder):
    names = ",".join(f"pixel{k}" for k in range(6))
    (folder / "train.csv").write_text(f"label,{names}\n1,0,9,9,9,9,200\n")
    assert refusal(verb, folder, data={}) == (
        f"train.csv, line 1: 6 columns of pixels make no square: {ONE_OF}\n"
        "  image: {height: 2, width: 3, channels: 1}  # 2 x 3 images\n"
        "  image: {height: 3, width: 2, channels: 1}  # 3 x 2 images\n"
        "these are only the likeliest sizes; digitflow describe with --sheet shows how the images look"
    )


def test_images_in_colour_are_refused_until_it_is_written(verb, folder):
    names = ",".join(f"pixel{k}" for k in range(36 * 3))
    row = ",".join(["200"] * 36 * 3)
    (folder / "train.csv").write_text(f"label,{names}\n1,{row}\n")
    assert refusal(verb, folder, data={}) == (
        "train.csv: the images are in colour; if all images are, write image: {channels: 3} under data: in "
        "the configuration; if only these are, convert them to grey"
    )


def test_idx_files_that_end_at_16_are_refused_as_csvs_are(verb, folder):
    idx.write(folder / "train-images-idx3-ubyte", np.full((3, 2, 2), 16, np.uint8))
    idx.write(folder / "train-labels-idx1-ubyte", np.arange(3, dtype=np.uint8))
    arguments = conversion(folder, "train-images-idx3-ubyte", data={"source": "idx"})
    status, message = verb(*arguments, "--labels-file", folder / "train-labels-idx1-ubyte")
    assert status == 1
    assert ending_at(16).replace("train.csv", "train-images-idx3-ubyte") in message
    assert written(folder / "idx") == {}


def test_a_link_in_an_archive_is_refused(verb, folder):
    link = zipfile.ZipInfo("train.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    (folder / "train.csv").write_bytes(zipped((link, b"/etc/passwd")))
    assert refusal(verb, folder) == "train.csv: 'train.csv' is a link, not a file"


@pytest.mark.parametrize(
    ("offset", "flag", "message"), [(0, b"\1\0", "is encrypted"), (2, b"\x63\0", "compression")]
)
def test_an_archive_that_cannot_be_unpacked_here_is_refused(verb, folder, offset, flag, message):
    data = bytearray(zipped(("train.csv", CLEAN)))
    for start in (6, data.index(b"PK\1\2") + 8):  # flags and method, told twice (APPNOTE 4.3.7, 4.3.12)
        data[start + offset : start + offset + 2] = flag
    (folder / "train.csv").write_bytes(data)
    assert message in refusal(verb, folder)


@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda text: zipped(("train.csv", text))], ids=["gzip", "zip"]
)
def test_a_decompression_bomb_is_refused(verb, folder, pack, monkeypatch):
    monkeypatch.setattr(archives, "RATIO_FLOOR", 1 << 20)  # of 256 MiB, to be quick
    (folder / "train.csv").write_bytes(pack(HEADER + b"0,0,0,0,0\n" * 500_000))
    assert "unpacks to more than 200 times its size, like a decompression bomb" in refusal(verb, folder)


@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda text: zipped(("train.csv", text))], ids=["gzip", "zip"]
)
def test_an_archive_that_ends_anywhere_is_refused(verb, folder, pack):
    data = pack(CLEAN)
    for length in [*range(0, len(data), 7), len(data) - 1]:
        (folder / "train.csv").write_bytes(data[:length])
        assert refusal(verb, folder).startswith("train.csv")


@pytest.mark.parametrize("name", ["fetch_mnist", "official_idx"])
def test_a_download_with_another_hash_is_refused(verb, tmp_path, name):
    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(pickle.dumps([np.zeros(2)] * 3)))
    outputs = {
        "fetch_mnist": ["--train-csv", "--test-csv"],
        "official_idx": ["--train-images", "--train-labels", "--test-images", "--classes", "--checksums"],
    }[name]
    flags = [word for flag in [*outputs, "--solution-csv"] for word in (flag, f"{tmp_path}/{flag[2:]}")]
    flags += ["--layout", "kaggle"] if name == "fetch_mnist" else []
    status, message = verb(name, "--archive", tmp_path / "mnist.pkl.gz", *flags)
    assert status == 1
    assert message.startswith(f"error: {tmp_path}/mnist.pkl.gz: sha256 is ")
    assert set(written(tmp_path)) == {"mnist.pkl.gz"}


def test_the_labels_of_a_test_file_go_into_none_of_its_files(verb, folder):
    assert verb(*conversion(folder, "train.csv", UNLABELLED))[0] == 0
    assert {*written(folder / "idx")} == {*UNLABELLED}


def test_a_file_without_labels_has_pixels_and_checksums_alone(verb, folder):
    assert verb(*conversion(folder, "test.csv", UNLABELLED))[0] == 0
    assert set(written(folder / "idx")) == {*UNLABELLED}
    assert np.array_equal(idx.read(folder / "idx" / "images"), [[[1, 2], [3, 4]]])
    sfv.check([folder / "idx" / "checksums.sfv"], folder / "idx" / "images")


def test_pixels_labels_classes_and_checksums_are_those_of_the_csv(verb, folder):
    assert verb(*conversion(folder))[0] == 0
    made = folder / "idx"
    assert np.array_equal(idx.read(made / "images")[0], [[0, 1], [22, 255]])
    assert np.array_equal(idx.read(made / "labels"), [2, 0, 1])
    assert (made / "classes.csv").read_text() == "index,label\n0,0\n1,1\n2,2\n"
    sfv.check([made / "checksums.sfv"], made / "images", made / "labels")


def test_the_first_ten_findings_are_shown_and_all_are_counted(verb, folder):
    (folder / "train.csv").write_bytes(CLEAN + b"1,2,3,4,256\n" * 1234)
    lines = refusal(verb, folder).splitlines()
    assert lines[:10] == [
        f"train.csv, line {line}, column pixel3: '256' is not a whole number from 0 to 255"
        for line in range(5, 15)
    ]
    assert lines[10] == "and 1,224 more, 1,234 errors in all"
    assert lines[11].startswith("the numbers go from 0 to 256: if A is black and B white, write values: ")


def test_an_empty_cell_and_a_missing_label_are_named_behind_numbers_of_another_scale(verb, folder):
    # Where a cell of a column is empty, pandas writes all its numbers as 1.0.
    floats = HEADER + b"2,1.0,2.0,255.0,0.0\n" * 3
    for row, wrong in [
        (b"2,1.0,,3.0,4.0\n", "line 5, column pixel1: '' is not a whole number from 0 to 255"),
        (b",1.0,2.0,3.0,4.0\n", "line 5, column label: '' is not a class from 0 to 2"),
    ]:
        (folder / "train.csv").write_bytes(floats + row)
        *_, first, scale = refusal(verb, folder).splitlines()
        assert first == f"the first of another kind: train.csv, {wrong}"
        assert scale.endswith("write values: {from: 0, to: 255} under data: in the configuration")


def test_what_is_no_readable_file_has_a_message_of_its_own(verb, folder):
    (folder / "dangling").symlink_to("nowhere.csv")
    (folder / "idx").mkdir()
    os.mkfifo(folder / "pipe")
    for name, message in {
        "idx": "idx: a folder, not a CSV file",
        "pipe": "pipe: a pipe or device, not a regular file",
        "dangling": "dangling: a link to nowhere.csv, which does not exist",
        "missing": "missing: no such file",
        "train.csv/x": "train.csv/x: cannot be opened: Not a directory",
    }.items():
        assert refusal(verb, folder, name) == message


def drop_privileges() -> None:
    """Have modes hold for root as well: give up the capabilities that pass over them (capabilities(7))."""
    import ctypes

    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability)  # PR_CAPBSET_DROP


def command(arguments: list[str]) -> subprocess.CompletedProcess:
    """Run a verb as Snakemake's rules do, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "digitflow", *arguments],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "workflow")},
        preexec_fn=drop_privileges,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["train.csv", "closed/train.csv"])
def test_a_file_without_read_permission_has_a_message_of_its_own(folder, name):
    (folder / "closed").mkdir()
    (folder / "closed" / "train.csv").write_bytes(CLEAN)
    (folder / name).chmod(0)
    (folder / "closed").chmod(0)
    done = command(conversion(folder, name))
    (folder / "closed").chmod(0o700)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {folder}/{name}: no permission to read it\n"
    assert written(folder / "idx") == {}


def test_the_command_prints_one_message_and_leaves_a_log(folder):
    (folder / "train.csv").write_bytes(cell("x"))
    done = command([*conversion(folder), "--log", f"{folder}/a.log"])
    message = f"error: {folder}/train.csv, line 3, column pixel2: 'x' is not a whole number from 0 to 255\n"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(message)
    assert "Traceback" not in done.stderr
    assert (folder / "a.log").read_text().endswith(message)
    assert written(folder / "idx") == {}
