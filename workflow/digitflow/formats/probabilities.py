"""Class probabilities as .npy files: float32 softmax rows (n, classes), checked on writing and reading."""

import io
from pathlib import Path

import numpy as np

from digitflow.base import files
from digitflow.base.checksums import check_digests
from digitflow.base.errors import FormatError

ROW_SUM_TOLERANCE = 1e-3  # float32 softmax rows, averaged over shifts, are within 1e-6


def write_probabilities(path: Path, probabilities: np.ndarray, gaps: bool = False) -> None:
    """Write checked float32 softmax rows (n, classes) as .npy; with `gaps`, rows may be not a number."""
    check_probabilities(probabilities, str(path), gaps)
    data = io.BytesIO()  # numpy does not say why writing straight to disk failed
    np.save(data, probabilities.astype(np.float32))
    with files.atomic_open(path) as file:
        file.write(data.getbuffer())


def read_probabilities(path: str | Path, rows: int | None = None) -> np.ndarray:
    """Read class probabilities float32 (n, classes) from an .npy file.

    Raises FormatError unless they are finite, within 0..1, and each row sums to 1; `rows` is n, if known.
    The digest must be the one beside them: in metrics.json for what a training left, in
    `<part>_prediction.json` for a prediction.
    """
    path = Path(path)
    part = path.name.removesuffix("_probabilities.npy")
    for name in ("metrics.json", f"{part}_prediction.json"):
        if (beside := path.with_name(name)).exists():
            check_digests(beside, path.name)
    with files.open_to_read(path) as file:
        try:
            array = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):
                raise ValueError("bytes after its end")
        except Exception as error:  # numpy parses the header as Python text: damage raises anything
            raise FormatError(f"{path}: not a whole .npy file of numbers: {error}") from error
    check_probabilities(array, str(path))
    if rows is not None and len(array) != rows:
        raise FormatError(f"{path}: {len(array)} rows, should be {rows}: one for each image")
    return array


def check_probabilities(probabilities: np.ndarray, where: str, gaps: bool = False) -> None:
    """Check that each row is a distribution over the classes. Raises FormatError naming the first bad row.

    With `gaps`, a whole row may be not a number: nothing is known of its image.
    """
    if probabilities.ndim != 2 or probabilities.dtype.kind != "f":
        raise FormatError(
            f"{where}: expected float rows (n, classes), found {probabilities.dtype} {probabilities.shape}"
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    good = (probabilities >= 0).all(axis=1) & (np.abs(sums - 1) <= ROW_SUM_TOLERANCE)  # False for a NaN, too
    if gaps:
        good |= np.isnan(probabilities).all(axis=1)
    if not good.all():
        row = int(np.argmin(good))
        raise FormatError(
            f"{where}: row {row + 1} is not a softmax row: smallest {probabilities[row].min()}, "
            f"sum {sums[row]}; expected no negative value and the sum 1"
        )
