"""What models in numpy are saved as: .npz files with numbers only."""

import os

import numpy as np

from digitflow.base.errors import FormatError


def saved_arrays(path: str | os.PathLike, *names: str) -> list[np.ndarray]:
    """The arrays of these names. FormatError: the file is damaged, or holds another kind of model."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except OSError:
        raise
    except Exception as error:  # numpy and zipfile raise whatever damaged bytes lead to
        raise FormatError(f"{path}: not a saved model: {error}; delete it and run again") from error
