"""What each reader owes for any bytes at all: a DigitflowError, or what a second reading confirms.

A target takes bytes and a folder for its files. It fails by any other exception, an AssertionError included.
`fuzz.py` feeds them what coverage-guided mutation finds, `tests/unit/test_format_properties.py` what
hypothesis draws, and `crashers/` what once failed.
"""

import contextlib
import gzip
import hashlib
import io
import json
import re
import shutil
import string
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from digitflow.base import archives
from digitflow.base.errors import DigitflowError, InputError
from digitflow.dataset import classes, columns
from digitflow.dataset.adoption import find_changes
from digitflow.dataset.views import update_tree
from digitflow.formats import corrections, foreign, idx, labelscsv, lst, pixelcsv, png, recordio
from digitflow.formats.layout import label_of
from digitflow.formats.probabilities import check_probabilities, read_probabilities
from digitflow.scoring import table
from digitflow.training.checkpoint import Checkpoint

Target = Callable[[bytes, Path], bool]  # whether the bytes were accepted

NUMBER = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
SPLIT = b"\n--split--\n"  # between the files of an input that stands for several

IMAGES = np.array([[[0, 1], [22, 255]], [[9, 10], [99, 200]], [[3, 0], [0, 0]]], np.uint8)
LABELS = np.array([1, 0, 2], np.uint8)


@dataclass(frozen=True)
class Form:
    """A form of CSV: the section `data` of the configuration that fits it, and what stands in its cells.

    `auto`: the configuration says nothing of columns, size and classes; the header has to.
    """

    height: int = 2
    width: int = 2
    channels: int = 1
    transpose: bool = False
    planar: bool = False
    classes: tuple[str, ...] = ("0", "1", "2")
    labelled: bool = True
    one_hot: bool = False
    ids: bool = False
    header: bool = True
    separator: str = ","
    values: tuple[float, float] | None = None
    auto: bool = False

    @property
    def pixels(self) -> int:
        """How many numbers an image has."""
        return self.height * self.width * self.channels

    @property
    def labels(self) -> list[str]:
        """The columns of the label."""
        if not self.labelled:
            return []
        return [f"class_{name}" for name in self.classes] if self.one_hot else ["label"]

    @property
    def names(self) -> list[str]:
        """The columns, in the order in which `reference` gives them."""
        return ["id"] * self.ids + self.labels + [f"pixel{i}" for i in range(self.pixels)]

    @property
    def data(self) -> dict:
        """What the configuration says of it."""
        values = "auto" if self.values is None else {"from": self.values[0], "to": self.values[1]}
        if self.auto:
            return {"image": {"transpose": self.transpose, "planar": self.planar}, "values": values}
        columns = {"header": self.header}
        places = self.labels if self.header else [*range(self.ids, self.ids + len(self.labels))]
        if self.labelled:
            columns["label"] = places if self.one_hot else places[0]
        if self.ids:
            columns["id"] = "id" if self.header else 0
        image = {"height": self.height, "width": self.width, "channels": self.channels}
        return {
            "columns": columns,
            "image": image | {"transpose": self.transpose, "planar": self.planar},
            "classes": [*self.classes],
            "values": values,
        }


def reference(data: bytes, form: Form) -> list[list] | None:
    """The rows of a CSV, id and label (if any) and bytes of an image, None if it is wrong; slow, plain."""
    lines = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")
    lines = [line.removesuffix("\r") for line in lines]
    while len(lines) > 1 and not lines[-1].strip(" \t\r"):
        lines.pop()
    table = [split_cells(line, form.separator) for line in lines]
    order = [*range(len(form.names))]
    if form.header:
        header, *table = table
        if header is None:
            return None
        places = [[at for at, cell in enumerate(header) if cell == name] for name in form.names]
        if any(len(place) != 1 for place in places) or len(header) != len(form.names):
            return None
        order = [place[0] for place in places]
    if not table or any(row is None or len(row) != len(form.names) for row in table):
        return None
    rows = [understood([row[place] for place in order], form) for row in table]
    if any(None in row for row in rows):
        return None
    start = form.ids + form.labelled
    if form.auto and form.one_hot and len(form.classes) == 2 and len({row[form.ids] for row in rows}) == 1:
        return None  # two columns that never change may be anything
    if form.values is None and max(max(row[start:]) for row in rows) in (1, 16):
        return None
    return [upright(row, form) for row in rows]


def understood(cells: list[str], form: Form) -> list:
    """A row's id, label and bytes, in the order of the names; None for each that is wrong."""
    start = form.ids + len(form.labels)
    row = [known_id(cell) for cell in cells[: form.ids]]
    if form.one_hot and form.labelled:
        row.append(hot_label(cells[form.ids : start], form))
    elif form.labelled:
        row.append(known_label(cells[form.ids], form))
    return row + [byte(cell, form) for cell in cells[start:]]


def upright(row: list, form: Form) -> list:
    """A row with its bytes in the order of an image's rows, however the file orders them."""
    first, pixels = row[: -form.pixels], row[-form.pixels :]
    return first + [
        pixels[place_in_file(y, x, channel, form)]
        for y in range(form.height)
        for x in range(form.width)
        for channel in range(form.channels)
    ]


def place_in_file(y: int, x: int, channel: int, form: Form) -> int:
    """Where the file has a value of an image."""
    pixel = x * form.height + y if form.transpose else y * form.width + x
    planar = form.planar and form.channels == 3
    return channel * form.height * form.width + pixel if planar else pixel * form.channels + channel


def split_cells(line: str, separator: str) -> list[str] | None:
    """The cells of a line, bare of blanks and quotes; None: a blank line, an open quote, a lone CR."""
    if line.count('"') % 2 or "\r" in line or not line.strip(" \t\v\f"):
        return None
    blank = separator == " "  # or several
    cells = re.split(r"[ \t\v\f]+", line.strip(" \t\v\f")) if blank else line.split(separator)
    joined = cells_between_quotes(
        line.strip(" \t\v\f") if blank else line, r"[ \t\v\f]" if blank else separator
    )
    cells = cells if joined is None else [cell for cell in joined if cell or not blank]
    bare = []
    for cell in cells:
        cell = cell.strip(" \t")
        if len(cell) > 1 and cell[0] == cell[-1] == '"':
            cell = cell[1:-1].replace('""', '"').strip(" \t")
        bare.append(cell)
    return bare


def cells_between_quotes(line: str, separator: str) -> list[str] | None:
    """The cells of a line, character by character; `separator`: a pattern of one. None: an open quote."""
    cells, quotes = [""], 0  # `quotes`: in this cell, if it begins with one
    for character in line:
        if quotes % 2 == 0 and re.fullmatch(separator, character):
            cells.append("")
            quotes = 0
            continue
        if character == '"' and (quotes or not cells[-1].strip(" \t")):
            quotes += 1
        cells[-1] += character
    return None if quotes % 2 else cells


def known_id(cell: str) -> str | None:
    """What a cell says, None if it is empty or no UTF-8: an id goes into the submission."""
    try:
        cell.encode("latin-1").decode()
    except UnicodeDecodeError:
        return None
    return text(cell) or None


def text(cell: str) -> str:
    """What a cell says."""
    return cell.encode("latin-1").decode(errors="replace")


def known_label(cell: str, form: Form) -> str | None:
    """The class that a cell names."""
    label = text(cell)
    if re.fullmatch(r"[+-]?[0-9]\.[0-9]+[eE][+-][0-9]{2,3}", label) and float(label) % 1 == 0:
        label = f"{float(label) or 0:.0f}"
    if whole := re.fullmatch(r"(-?)0*([0-9]+)(\.0*)?", label):
        label = (whole[1] + whole[2]) if whole[2] != "0" or not whole[1] else label
    if not form.auto:
        return label if label in form.classes else None
    wrong = (
        not label
        or label.lower() == "nan"
        or label in ("NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "null", "None")
        or "\ufffd" in label
        or (re.fullmatch(NUMBER, label) and not whole)
    )
    return None if wrong else label


def hot_label(cells: list[str], form: Form) -> str | None:
    """The class whose column has a 1 among zeros."""
    words = {"true": "1", "false": "0"}
    numbers = [words.get(cell.lower(), cell) for cell in cells]
    numbers = [float(cell) if re.fullmatch(NUMBER, cell) else None for cell in numbers]
    right = numbers.count(1) == 1 and numbers.count(0) == len(numbers) - 1
    return form.classes[numbers.index(1)] if right else None


def byte(cell: str, form: Form) -> int | None:
    """The pixel in a cell."""
    if form.values is None:
        return int(cell) if re.fullmatch("0*[0-9]{1,3}", cell) and int(cell) <= 255 else None
    if not re.fullmatch(NUMBER, cell):
        return None
    start, end = form.values
    return round((float(cell) - start) * 255 / (end - start)) if start <= float(cell) <= end else None


def read_rows(path: Path, form: Form, **options) -> list[list] | None:
    """The rows as digitflow reads them, as `reference` gives them; None: it refuses them."""
    rows = []
    try:
        for block in pixelcsv.read_blocks(columns.decide(path, form.data, form.labelled), **options):
            pixels = block.images.reshape(len(block.images), -1).tolist()
            texts = [*([block.ids] * form.ids), *([block.labels] * form.labelled)]
            if any(column is None for column in texts):
                return None  # of other columns than the form's
            rows += [[*first, *image] for *first, image in zip(*texts, pixels, strict=True)]
    except DigitflowError:
        return None
    return rows


FORMS = [
    Form(),
    Form(labelled=False),
    Form(classes=("a", "b,c", "7"), separator=";"),
    Form(header=False, separator="\t", values=(0, 16)),
    Form(values=(-1, 1)),
    Form(classes=("zwei", "0"), header=False, values=(0, 1)),
    Form(auto=True, classes=("7", "ja")),
    Form(auto=True, ids=True, labelled=False, separator=";"),
    Form(auto=True, one_hot=True, classes=("a", "b", "c"), transpose=True),
    Form(height=1, channels=3, transpose=True, ids=True),
    Form(one_hot=True, header=False, separator=" ", values=(0, 1)),
    Form(auto=True, ids=True, height=1, width=1, channels=3, separator=" "),
    Form(channels=3, planar=True),
]


def csv(data: bytes, folder: Path) -> bool:
    """A pixel CSV: the rows that the reference reads, or an error where the reference finds one."""
    options, text = data[:1] or b"\0", data[1:]
    form = FORMS[options[0] % len(FORMS)]
    block_bytes = 1 << 19 if options[0] % 5 else 1 + options[0]
    if options[0] >= 128 and form.header:  # so that mutations reach the rows
        text = (form.separator.join(form.names) + "\n").encode() + text
    path = folder / "train.csv"
    path.write_bytes(text)
    if text[:2] in (b"\x1f\x8b", b"PK") or foreign.looks_like(text.removeprefix(b"\xef\xbb\xbf")):
        return False  # the archives' target sees to those; foreign files are refused before they are read
    rows, expected = read_rows(path, form, block_bytes=block_bytes), reference(text, form)
    if is_plain(text, form):  # other first lines may be read in another way
        assert rows == expected, (rows, expected)
    return rows is not None


def is_plain(text: bytes, form: Form) -> bool:
    """Whether the first line has the form's separator and no other, and its names where it has a header."""
    line = text.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].removesuffix(b"\r").decode("latin-1")
    if (set(",;\t\0\r") - {form.separator}) & {*line} or form.separator not in line:
        return False
    cells = split_cells(line, form.separator)
    return not form.header or (cells is not None and sorted(cells) == sorted(form.names))


def archive(data: bytes, folder: Path) -> bool:
    """A CSV in an archive: the text that gzip or zipfile themselves unpack whole, or an error."""
    path = folder / "train.zip"
    path.write_bytes(data)
    try:
        with archives.open_csv(path) as stream:
            text = b"".join(iter(lambda: stream.read(1000), b""))
    except DigitflowError:
        return False
    if data[:2] == b"\x1f\x8b":
        assert text == gzip.decompress(data)
    elif data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            assert text in [
                file.read(info) for info in file.infolist() if info.filename.lower().endswith(".csv")
            ]
    else:
        assert text == data
    return True


def idx_file(data: bytes, folder: Path) -> bool:
    """An IDX file: what is read is written back as the same bytes."""
    path = folder / "images"
    path.write_bytes(data)
    try:
        array = idx.read(path)
    except DigitflowError:
        return False
    assert idx.read_header(path) == array.shape
    assert np.array_equal(np.concatenate([array[:0], *idx.read_blocks(path, rows=2)]), array)
    assert array.size == 0 or np.array_equal(idx.open_memmap(path), array)
    idx.write(folder / "again", array)
    assert (folder / "again").read_bytes() == data
    return True


def png_file(data: bytes, folder: Path) -> bool:
    """A PNG file: libpng, by way of OpenCV, decodes what passes to the same pixels."""
    data = with_checksums(data[1:]) if data[:1] == b"r" else data[1:]
    try:
        pixels = png.decode(data, "it")
    except DigitflowError:
        return False
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None, "OpenCV cannot decode it"
    if found.ndim == 2:  # a tRNS chunk gives OpenCV an alpha channel; the iterator asks for grey
        assert np.array_equal(found, pixels)
    return True


def with_checksums(data: bytes) -> bytes:
    """The file with every chunk's checksum made right, so that mutations reach what lies behind it."""
    data, at = bytearray(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


def list_file(data: bytes, folder: Path) -> bool:
    """A .lst: what is read is written and read as the same rows, one a line."""
    path = folder / "a.lst"
    path.write_bytes(data)
    try:
        listing = lst.read(path)
    except DigitflowError:
        return False
    lst.write(folder / "again.lst", listing)
    again = lst.read(folder / "again.lst")
    assert rows(again) == rows(listing)
    assert len(listing) == data.count(b"\n")
    return True


def rows(listing: lst.Listing) -> list[tuple]:
    """The rows of a listing, to compare."""
    return list(zip(listing.index.tolist(), listing.label.tolist(), listing.path, strict=True))


def records(data: bytes, folder: Path) -> bool:
    """A .rec and, behind a separator, its .idx: what passes is framed and read again as the same records."""
    repaired, (data, *offsets) = data[:1] == b"r", data[1:].split(SPLIT)
    path, idx_path = folder / "a.rec", folder / "a.idx"
    if repaired:
        at = data.find(png.SIGNATURE)
        data = data if at < 0 else data[:at] + with_checksums(data[at:])
    path.write_bytes(data)
    with contextlib.suppress(DigitflowError):
        read = list(recordio.read(path))
        lines = [f"{record.index}\t{record.offset}\n" for record in read]
        idx_path.write_bytes(offsets[0] if offsets else "".join(lines).encode())
        count = len(list(recordio.read_verified(path, idx_path)))
        assert count == len(read)
        assert idx_path.read_text() == "".join(lines)
        whole = [
            recordio.HEADER.pack(len(r.labels), 0, r.index, 0) + r.labels.tobytes() + r.payload for r in read
        ]
        path.write_bytes(b"".join(map(recordio.frame, whole)))
        again = list(recordio.read(path))
        assert [(r.index, r.labels.tobytes(), r.payload) for r in again] == [
            (r.index, r.labels.tobytes(), r.payload) for r in read
        ]
        for record in read:
            assert cv2.imdecode(np.frombuffer(record.payload, np.uint8), cv2.IMREAD_GRAYSCALE) is not None
        return True
    return False


def tree(data: bytes, folder: Path) -> bool:
    """Files put into a tree, name, null byte and contents each; without contents, one that is taken out.

    What is adopted as a person's wish is what a second look finds: whose picture lies in which folder.
    """
    root, images, labels = (
        folder / "png" / "train",
        np.concatenate([IMAGES, 255 - IMAGES]),
        [*LABELS, *LABELS],
    )
    names = ["0", "1", "2"]
    shutil.rmtree(folder / "png", ignore_errors=True)
    (folder / "corrections.csv").unlink(missing_ok=True)
    idx.write(folder / "images", images)
    update_tree(folder / "images", root, folder / "png" / "train.sfv", None, labels, labels, names)
    for file in data.split(SPLIT)[:8]:
        name, _, contents = file.partition(b"\0")
        place = root / name.decode("latin-1")
        if ".." in place.parts or name.startswith(b"/") or len(place.parts) > len(root.parts) + 9:
            continue
        with contextlib.suppress(
            OSError, ValueError
        ):  # a name that is too long, a file in the place of a folder
            if contents:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(with_checksums(contents))
            else:
                place.unlink()
    try:
        changes = find_changes(root, folder / "png" / "train.sfv", folder / "corrections.csv")
    except DigitflowError:
        return False
    found = {
        int(path.name.removesuffix(".png")): path.parent.name
        for path in root.glob("[0-2]/*.png")
        if re.fullmatch("0*[1-6][.]png", path.name)
    }
    wanted = {row: found.get(row, "drop") for row in range(1, 7)}
    moved = {row: now for row, now in wanted.items() if now != str(labels[row - 1])}
    assert {line.id: line.now for line in changes.corrections} == moved
    return True


def corrections_file(data: bytes, folder: Path) -> bool:
    """A corrections.csv: what is read is there again after one more line, and no byte of it has changed."""
    path = folder / "corrections.csv"
    path.write_bytes(data)
    try:
        lines = corrections.read(path)
    except DigitflowError:
        return False
    corrections.record(path, lines)
    assert path.read_bytes() == data
    new = max((line.id for line in lines), default=0) + 1
    corrections.record(path, [corrections.Correction(new, "1", "2")])
    assert path.read_bytes().startswith(data.rstrip(b"\r\n"))
    assert [replace(line, line=0) for line in corrections.read(path)] == [
        *(replace(line, line=0) for line in lines),
        corrections.Correction(new, "1", "2"),
    ]
    return True


def solution(data: bytes, folder: Path) -> bool:
    """A submission or solution: labels that are written and read as the same."""
    path = folder / "s.csv"
    path.write_bytes(data)
    try:
        labels = labelscsv.read(path, string.digits)
    except DigitflowError:
        return False
    assert ((labels >= 0) & (labels <= 9)).all()
    labelscsv.write(path, labels)
    assert np.array_equal(labelscsv.read(path, string.digits), labels)
    return True


def names(data: bytes, folder: Path) -> bool:
    """Classes, a sample of a submission, or a list of labels: what is written and read as the same texts."""
    path, read = folder / "names.csv", False
    path.write_bytes(data)
    with contextlib.suppress(DigitflowError):
        found = classes.read(path)
        classes.write(path, found)
        assert classes.read(path) == found
        with contextlib.suppress(InputError):  # a label that is too long for a folder
            assert [classes.label_of_folder(name) for name in classes.folder_names(found)] == [
                *map(label_of, found)
            ]
        read = True
    path.write_bytes(data)
    with contextlib.suppress(DigitflowError):
        form = labelscsv.read_sample(path)
        labelscsv.write(path, np.arange(len(form.ids)), form.ids, form)
        assert labelscsv.read_sample(path) == form
        read = True
    path.write_bytes(data)
    with contextlib.suppress(DigitflowError):
        labels = labelscsv.read_list(path, 2)
        labelscsv.write(path, np.arange(2), labels)
        assert labelscsv.read_list(path, 2) == labels
        read = True
    return read


def probabilities(data: bytes, folder: Path) -> bool:
    """An .npy file: softmax rows that numpy itself reads as the same, and nothing that is unpickled."""
    path = folder / "p.npy"
    path.write_bytes(data)
    try:
        array = read_probabilities(path)
    except DigitflowError:
        return False
    check_probabilities(array, "it")
    assert np.array_equal(array, np.load(path, allow_pickle=False))
    return True


def kept(data: bytes, folder: Path) -> bool:
    """What a training or a score left as JSON, and a checkpoint: read, or refused."""
    seed, read = folder / "seed0", False
    seed.mkdir(exist_ok=True)
    for name in ("metrics.json", "score.json", "checkpoint.npz"):
        (seed / name).write_bytes(data)
    with contextlib.suppress(DigitflowError):
        read = bool(table.read_metrics(seed / "metrics.json"))
    with contextlib.suppress(DigitflowError):
        read = bool(table.read_score(seed / "score.json"))
    return read or Checkpoint(seed / "checkpoint.npz", "").load() is not None


# Where mutation starts from


def _csv_text(form: Form = FORMS[0]) -> bytes:
    start, end = form.values or (0, 255)
    lines = [form.separator.join(form.names)] * form.header
    pixels = np.resize(IMAGES, (3, form.pixels)).tolist()
    pixels[0][-1] = 255
    for label, image in zip(LABELS.tolist(), pixels, strict=True):
        numbers = [
            f"{start + (end - start) * value / 255:.17g}" if form.values else str(value) for value in image
        ]
        name = form.classes[label % len(form.classes)]
        cells = [str(int(name == other)) for other in form.classes] if form.one_hot else [name]
        quoted = [f'"{cell}"' if form.separator in cell else cell for cell in cells * form.labelled]
        lines.append(form.separator.join([f"i{label}"] * form.ids + quoted + numbers))
    return ("\n".join(lines) + "\n").encode()


def _zipped(text: bytes, method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("train.csv", text)
        archive.writestr("read.me", b"")
    return file.getvalue()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def _checkpoint() -> bytes:
    file = io.BytesIO()
    stored = {"fingerprint": hashlib.sha256(b"").hexdigest(), "history": [], "begun": [3, 1.5, 2.5, 0.1]}
    stored = json.dumps(stored | {"names": ["a"]})
    np.savez(file, stored=np.array(stored), a=np.zeros(2, np.float32))
    return file.getvalue()


_TEXT = _csv_text()
_INT_IDX = struct.pack(">4BI2i", 0, 0, 12, 1, 2, 300, 7)
_FILES = png.encode(IMAGES)
_FILTERED = cv2.imencode(".png", np.arange(49, dtype=np.uint8).reshape(7, 7))[1].tobytes()
_REC = [
    recordio.frame(recordio.HEADER.pack(0, label, index, 0) + data)
    for index, (label, data) in enumerate(zip(LABELS.tolist(), _FILES, strict=True), 1)
]
_OFFSETS = "".join(f"{i + 1}\t{sum(map(len, _REC[:i]))}\n" for i in range(3)).encode()
_METRICS = {
    **{"framework": "keras", "device": "cpu", "seed": 0, "seconds": 1.0, "parameters": 3},
    **{"epochs": 1, "status": "finished", "looked_at_validation": False, "settings": {"architecture": "x"}},
    **{"precision": "float32"},
}
_SCORE = dict.fromkeys(table.COLUMNS, 1)

TARGETS: dict[str, tuple[Target, list[bytes]]] = {
    "csv": (
        csv,
        [
            *(bytes([k]) + _csv_text(form) for k, form in enumerate(FORMS)),
            bytes([3 + 10 * len(FORMS)]) + _csv_text(FORMS[3]),
            b"\x00" + _TEXT.replace(b"\n1,", b"\n1.000000000000000000e+00,"),
            b"\x08" + _csv_text(FORMS[8]).replace(b"\n1,0,0", b"\nTrue,false,0"),
            bytes([10 * len(FORMS)]) + _TEXT.partition(b"\n")[2].replace(b"22", b' "022" '),
            bytes([len(FORMS)]) + b"\xef\xbb\xbf" + _TEXT.replace(b"\n", b"\r\n").replace(b"22", b' "022" '),
        ],
    ),
    "archive": (
        archive,
        [
            gzip.compress(_TEXT),
            gzip.compress(_TEXT[:20]) + gzip.compress(_TEXT[20:]),
            *(_zipped(_TEXT, method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)),
            *(_zipped(_TEXT, method) for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
        ],
    ),
    "idx": (idx_file, [_idx_bytes(IMAGES), _idx_bytes(LABELS), _idx_bytes(IMAGES[..., None]), _INT_IDX]),
    "png": (png_file, [b"r" + _FILES[0], b"-" + _FILES[1], b"r" + _FILTERED]),
    "lst": (
        list_file,
        [b"1\t1.000000\ttrain/1/1.png\n2\t0.000000\ttrain/0/2.png\n", b"7\t0.000000\ta.png\n"],
    ),
    "rec": (
        records,
        [
            b"-" + b"".join(_REC) + SPLIT + _OFFSETS,
            b"r" + _REC[0],
            b"-" + recordio.frame(recordio.HEADER.pack(0, 1, recordio.MAGIC, 0) + _FILES[0]),
        ],
    ),
    "tree": (
        tree,
        [
            SPLIT.join([b"1/1.png\0", b"2/1.png\0" + _FILES[0]]),
            b"0/2.png\0" + _FILES[1],
            SPLIT.join([b"0/.DS_Store\0x", b"0/5.png\0"]),
        ],
    ),
    "corrections": (
        corrections_file,
        [
            b"id,was,now,crc,note\n4625,5,3,,clearly a three\n8580,5,drop,0A1B2C3D,\n",
            b'\xef\xbb\xbf# Mine.\r\nid,was,now,crc,note\r\n\r\n7,1,ok,,"two, words"\r\n',
        ],
    ),
    "submission": (solution, [b"ImageId,Label\n1,7\n2,0\n3,9\n"]),
    "names": (
        names,
        [b'index,label\n0,A\n1,"b,c"\n', b"id,label\na1,0\na2,0\n", b"7.0\nka\n", b"id,label\n1,7\n2,x\n"],
    ),
    "probabilities": (
        probabilities,
        [_npy(np.full((2, 4), 0.25, np.float32)), _npy(np.array([[0.5, 0.5]], np.float64))],
    ),
    "json": (kept, [json.dumps(_METRICS).encode(), json.dumps(_SCORE).encode(), _checkpoint()]),
}
