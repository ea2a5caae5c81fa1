"""The state of an unfinished training, and what it must match to be resumed."""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base import files
from digitflow.training import device as devices
from digitflow.training.history import Begun, History
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")


class Checkpoint:
    """A file with a training's last state that was kept; a killed training goes on from there.

    `fingerprint` is everything that the training depends on, as text: a file that is damaged, or was left by
    another training, is not used.
    """

    def __init__(self, path: Path, fingerprint: str):
        self.path, self._fingerprint = path, hashlib.sha256(fingerprint.encode()).hexdigest()

    def save(self, arrays: Mapping[str, np.ndarray], history: History) -> None:
        """Keep the arrays and the epochs so far."""
        stored = json.dumps(
            {
                "fingerprint": self._fingerprint,
                "history": history.rows,
                "begun": history.begun,
                "names": sorted(arrays),
            }
        )
        with files.atomic_open(self.path) as file:
            np.savez(file, stored=np.array(stored), **arrays)

    def load(self) -> tuple[dict[str, np.ndarray], list[dict[str, float]], Begun] | None:
        """The arrays and the rows of the history that were kept, and the epoch begun, or None."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            stored = json.loads(str(arrays.pop("stored")))
            found, rows = stored["fingerprint"], stored["history"]
            begun = Begun(*stored.get("begun", ()))
            if sorted(arrays) != stored["names"]:  # the archive has checksums for everything but the names
                raise ValueError(f"its arrays are {', '.join(sorted(arrays))}")
        except FileNotFoundError:
            return None
        except Exception as error:  # numpy, zipfile and json raise whatever damaged bytes lead to
            log.info(f"{self.path}: damaged ({error}): the training starts anew")
            return None
        if found != self._fingerprint:
            log.info(f"{self.path}: from another training: this one starts anew")
            return None
        steps = f" and {begun.steps:,} steps" if begun.steps else ""
        log.info(f"{self.path}: going on after epoch {len(rows)}{steps}")
        return arrays, rows, begun

    def remove(self) -> None:
        """The training is finished: forget how it got there."""
        self.path.unlink(missing_ok=True)


def fingerprint(
    settings: Settings,
    seed: int,
    classes: int,
    machine: Mapping[str, Any],
    inputs: Mapping[str, str],
    code: str,
) -> str:
    """Everything that a training depends on, as text: two with the same text are the same, to the last bit.

    Settings, seed, number of classes, `machine` (versions, device, threads, precision), `inputs` (the SHA-256
    of each input file by its name), the digest of the code that trains, and this process's surroundings.
    """
    parts = [settings.as_dict(), seed, classes, dict(machine), dict(inputs), code, devices.surroundings()]
    return json.dumps(parts, sort_keys=True)
