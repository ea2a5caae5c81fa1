"""A training that is asked for: how to train, and where its results go."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from digitflow.training.settings import Settings


class Store(Protocol):
    """Keeps the files of finished trainings by their fingerprints (`checkpoint.fingerprint`)."""

    def bring_back(self, fingerprint: str) -> bool:
        """Put the files of this training in place, if the store has them; return whether it had."""

    def keep(self, fingerprint: str) -> None:
        """Keep the files of this training."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What every training is given, whatever its framework, and the files that it writes.

    `code` is the digest of the code that trains, which a checkpoint must match. `store` may already have the
    results of this training.
    """

    settings: Settings
    seed: int
    classes: int
    threads: int
    code: str
    model_files: Sequence[Path]
    history: Path
    metrics: Path
    valid_probabilities: Path
    store: Store | None = None
