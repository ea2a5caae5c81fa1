"""Recognise a file that is no CSV by its first bytes, and say what to do with it."""

import os
import re

from digitflow.base.archives import open_csv
from digitflow.base.errors import FormatError

SAVE_AS_CSV = "load it with {} and save it as CSV, one row per image"
PNG = b"\x89PNG"
SIGNATURES = {
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"BZh": "a bzip2 file: unpack it",
    b"\xfd7zXZ": "an xz file: unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it",
    b"7z\xbc\xaf": "a 7-Zip file: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"PAR1": "a Parquet file: export it as CSV (pandas.read_parquet(...).to_csv(..., index=False))",
    b"ARROW1": "a Feather file: export it as CSV (pandas.read_feather(...).to_csv(..., index=False))",
    b"\x1f\x8b": "a gzip file inside another archive: unpack it",
    b"PK\x03\x04": "a zip archive inside another: unpack it",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (xls): save the sheet as CSV",
    b"\x93NUMPY": f"a numpy array (npy): {SAVE_AS_CSV.format('numpy.load')}",
    b"\x89HDF": f"an HDF5 file: {SAVE_AS_CSV.format('h5py')}",
    b"MATLAB 5.0": f"a MATLAB file: {SAVE_AS_CSV.format('scipy.io.loadmat')}",
    PNG: "a PNG picture: for a folder of them, set data.source to folder",
    b"\xff\xd8\xff": "a JPEG picture: a pixel CSV, IDX files or a folder of PNG files are needed",
    **{
        b"\x80%c" % protocol: f"a Python pickle: {SAVE_AS_CSV.format('Python, if you trust it,')}"
        for protocol in (2, 3, 4, 5)
    },
    b"\x0a\x23\xd7\xce": "a RecordIO file: digitflow writes these, and reads CSVs, IDX files and PNG files",
    b"SQLite format 3": "an SQLite database: export its table as CSV",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself: fetch the file with `git lfs pull`",
    b"%PDF": "a PDF document: a pixel CSV is needed",
    b"<": "a web page: does the download need an account? Sign in, download again, and put the CSV here",
}
IDX = re.compile(rb"\x00\x00[\x08\x09\x0b-\x0e][\x01-\x04]")
ARFF = re.compile(rb"([ \t\r]*(%[^\n]*)?\n)*[ \t]*@relation\b", re.IGNORECASE)  # one way to match each line
LIBSVM = re.compile(rb"[-+.\de]+([ \t]+\d+:[-+.\de]+)+[ \t\r]*(\n|$)")
JSON = re.compile(rb"\s*[\[{]\s*[\[{\"]")
EXCELS_LINE = re.compile(r'"?sep=[,;\t|]?"?\s*', re.IGNORECASE)
NULL_BYTES = "null bytes: this looks like UTF-16, an archive or another binary file: save it as UTF-8 text"


def is_idx(path: str | os.PathLike) -> bool:
    """Whether a file, plain or gzipped, starts as an IDX file does."""
    with open_csv(path) as stream:
        return IDX.match(stream.read(4)) is not None


def is_png(path: str | os.PathLike) -> bool:
    """Whether a file starts as a PNG picture does."""
    with open_csv(path) as stream:
        return stream.read(4) == PNG


def refuse_excels_line(path: str | os.PathLike, line: str) -> None:
    """FormatError: line 1 of a CSV has no cells, but tells Excel what separates those below."""
    if EXCELS_LINE.fullmatch(line):
        raise FormatError(f"{path}, line 1: {line.strip()!r} is a line for Excel only: delete it")


def looks_like(start: bytes) -> str | None:
    """Say what a file that starts like this is, and what to do with it; None: it may be a CSV."""
    for signature, looks in SIGNATURES.items():
        if start.startswith(signature):
            return looks
    if IDX.match(start):
        return "an IDX file: set data.source to idx and data.folder to the folder that it is in"
    if ARFF.match(start):
        return f"an ARFF file: {SAVE_AS_CSV.format('scipy.io.arff')}"
    if LIBSVM.match(start):
        return f"libsvm text (number:value): {SAVE_AS_CSV.format('sklearn.datasets.load_svmlight_file')}"
    if JSON.match(start):
        return f"JSON: {SAVE_AS_CSV.format('pandas.read_json')}"
    return None
