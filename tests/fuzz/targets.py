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
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from digitflow.base import archives
from digitflow.base.errors import DigitflowError
from digitflow.dataset.adoption import find_changes
from digitflow.dataset.views import update_tree
from digitflow.formats import corrections, idx, labelscsv, lst, pixelcsv, png, recordio
from digitflow.formats.pixelcsv import Spec
from digitflow.formats.probabilities import check_probabilities, read_probabilities
from digitflow.scoring import table
from digitflow.training.checkpoint import Checkpoint

Target = Callable[[bytes, Path], bool]  # whether the bytes were accepted

CELL = r'[ \t]*("?)[ \t]*%s[ \t]*\1[ \t]*'
NUMBER = CELL % "0*([0-9]{1,3})"
SPLIT = b"\n--split--\n"  # between the files of an input that stands for several

IMAGES = np.array([[[0, 1], [22, 255]], [[9, 10], [99, 200]], [[3, 0], [0, 0]]], np.uint8)
LABELS = np.array([1, 0, 2], np.uint8)


def reference(data: bytes, spec: Spec) -> np.ndarray | None:
    """The table of a CSV, columns in the spec's order, or None if it is wrong: slow and plain."""
    lines = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")
    lines = [line.removesuffix("\r") for line in lines]
    while len(lines) > 1 and not lines[-1].strip(" \t\r"):
        lines.pop()
    header, *rows = [line.split(",") for line in lines]
    order = [[i for i, cell in enumerate(header) if re.fullmatch(CELL % name, cell)] for name in spec.names]
    if any(len(places) != 1 for places in order) or len(header) != len(spec.names):
        return None
    found = [[re.fullmatch(NUMBER, cell) for cell in row] for row in rows]
    if not rows or any(len(row) != len(header) or None in row for row in found):
        return None
    table = [[int(row[place][2]) for (place,) in order] for row in found]
    if any(max(row) > 255 or (spec.labelled and row[0] >= spec.classes) for row in table):
        return None
    return np.array(table)


def csv(data: bytes, folder: Path) -> bool:
    """A pixel CSV: the table that the reference reads, or an error where the reference finds one."""
    options, text = data[:1] or b"\0", data[1:]
    spec = Spec(2, 2, classes=3, labelled=options[0] % 2 == 0)
    block_bytes = 1 << 19 if options[0] % 3 else 1 + options[0]
    if options[0] >= 128:  # so that mutations reach the rows
        text = (",".join(spec.names) + "\n").encode() + text
    if text[:2] in (b"\x1f\x8b", b"PK"):  # the archives' target sees to those
        return False
    (folder / "train.csv").write_bytes(text)
    table = None
    with contextlib.suppress(DigitflowError):
        blocks = list(pixelcsv.read_blocks(folder / "train.csv", spec, block_bytes=block_bytes))
        pixels = np.concatenate([images for images, _ in blocks]).reshape(-1, 4)
        table = np.column_stack([np.concatenate([b for _, b in blocks]), pixels]) if spec.labelled else pixels
    expected = reference(text, spec)
    assert (table is None) == (expected is None), (table, expected)
    assert table is None or np.array_equal(table, expected), (table, expected)
    return table is not None


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
        count = recordio.verify(path, idx_path)
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
        labels = labelscsv.read(path, classes=10)
    except DigitflowError:
        return False
    assert ((labels >= 0) & (labels <= 9)).all()
    labelscsv.write(path, labels)
    assert np.array_equal(labelscsv.read(path, 10), labels)
    return True


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


def _csv_text(labelled: bool = True) -> bytes:
    table = IMAGES.reshape(3, 4)
    if labelled:
        table = np.column_stack([LABELS, table])
    names = Spec(2, 2, 3, labelled).names
    return "".join(",".join(map(str, row)) + "\n" for row in [names, *table.tolist()]).encode()


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
    stored = json.dumps({"fingerprint": hashlib.sha256(b"").hexdigest(), "history": [], "names": ["a"]})
    np.savez(file, stored=np.array(stored), a=np.zeros(2, np.float32))
    return file.getvalue()


_TEXT = _csv_text()
_FILES = png.encode(IMAGES)
_FILTERED = cv2.imencode(".png", np.arange(49, dtype=np.uint8).reshape(7, 7))[1].tobytes()
_REC = [
    recordio.frame(recordio.HEADER.pack(0, label, index, 0) + data)
    for index, (label, data) in enumerate(zip(LABELS.tolist(), _FILES, strict=True), 1)
]
_OFFSETS = "".join(f"{i + 1}\t{sum(map(len, _REC[:i]))}\n" for i in range(3)).encode()
_METRICS = {
    **{"framework": "keras", "device": "cpu", "seed": 0, "seconds": 1.0, "parameters": 3},
    **{"epochs": 1, "status": "finished", "settings": {"architecture": "x"}},
}
_SCORE = dict.fromkeys(table.COLUMNS, 1)

TARGETS: dict[str, tuple[Target, list[bytes]]] = {
    "csv": (
        csv,
        [
            b"\0" + _TEXT,
            b"\1" + _csv_text(labelled=False),
            b"\x80" + _TEXT.partition(b"\n")[2],
            b"\x83" + _csv_text(labelled=False).partition(b"\n")[2].replace(b"22", b' "022" '),
            b"\2\xef\xbb\xbf" + _TEXT.replace(b"\n", b"\r\n").replace(b"22", b' "022" '),
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
    "idx": (idx_file, [_idx_bytes(IMAGES), _idx_bytes(LABELS)]),
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
    "probabilities": (
        probabilities,
        [_npy(np.full((2, 4), 0.25, np.float32)), _npy(np.array([[0.5, 0.5]], np.float64))],
    ),
    "json": (kept, [json.dumps(_METRICS).encode(), json.dumps(_SCORE).encode(), _checkpoint()]),
}
