"""The state of a training that is not finished, and what it must match to go on."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base import files
from digitflow.base.checksums import sha256
from digitflow.training.history import History
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")


class Checkpoint:
    """A file with a training's state after its last whole epoch; one that was killed goes on from there.

    `circumstances` is all that the training depends on, as text: a file that was left by another training, or
    is damaged, is not used.
    """

    def __init__(self, path: Path, circumstances: str):
        self.path, self._circumstances = path, hashlib.sha256(circumstances.encode()).hexdigest()

    def save(self, arrays: Mapping[str, np.ndarray], history: History) -> None:
        """Keep the arrays and the epochs so far."""
        told = json.dumps(
            {"circumstances": self._circumstances, "history": history.rows, "names": sorted(arrays)}
        )
        with files.atomic_open(self.path) as file:
            np.savez(file, told=np.array(told), **arrays)

    def load(self) -> tuple[dict[str, np.ndarray], list[dict[str, float]]] | None:
        """The arrays and the rows of the history that were kept, or None."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            told = json.loads(str(arrays.pop("told")))
            found, rows = told["circumstances"], told["history"]
            if sorted(arrays) != told["names"]:  # all but the names has a checksum in the archive
                raise ValueError(f"its arrays are {', '.join(sorted(arrays))}")
        except FileNotFoundError:
            return None
        except Exception as error:  # numpy, zipfile and json raise whatever damaged bytes lead to
            log.info(f"{self.path}: damaged ({error}): the training starts anew")
            return None
        if found != self._circumstances:
            log.info(f"{self.path}: from another training: this one starts anew")
            return None
        log.info(f"{self.path}: going on after epoch {len(rows)}")
        return arrays, rows

    def remove(self) -> None:
        """The training is finished: forget how it got there."""
        self.path.unlink(missing_ok=True)


def circumstances(settings: Settings, seed: int, machine: Mapping[str, Any], inputs: Sequence[Path]) -> str:
    """All that a training depends on, as text: settings, seed, `machine` (versions, device, threads), the
    contents of its input files, and the package's own code.
    """
    code = sorted(Path(__file__).parents[1].rglob("*.py"))
    digests = [sha256(path) for path in [*inputs, *code]]
    return json.dumps([settings.as_dict(), seed, dict(machine), digests], sort_keys=True)
