"""What models in numpy are saved as: .npz files with numbers only."""

import os

import numpy as np

from digitflow.base.errors import FormatError


def saved_arrays(path: str | os.PathLike, name: str) -> dict[str, np.ndarray] | None:
    """The arrays of a saved model that has one called `name`; None for another model.

    FormatError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files} if name in file.files else None
    except OSError:
        raise
    except Exception as error:  # numpy and zipfile raise whatever damaged bytes lead to
        raise FormatError(f"{path}: not a saved model: {error}; delete it and run again") from error
