"""Receipts: what was sent to Kaggle, one small JSON file per submission, named by its SHA-256.

`results/kaggle/COMPETITION/SHA256.json`, with a copy of what was sent beside it. A receipt is written before
the request that uses up a slot and again when the reference is known, so that no kill can lose either.
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from digitflow.base.errors import DigitflowError, FormatError
from digitflow.base.files import read_json, write_json

log = logging.getLogger("digitflow")

UPLOADING, SENDING, SENT = "uploading", "sending", "sent"
MARK_DIGITS = 16


@dataclass(slots=True)
class Receipt:
    """One submission of one file.

    `state`: uploading; sending, once the request that takes a slot may have gone out; sent, with a reference.
    `counted` and `listed`: how many submissions the service counted and listed before that request.
    `status`, `public_score`, `error`, `team` and `rank` come from the service; empty or None while unknown.
    """

    competition: str
    sha256: str
    file: str
    message: str
    time: str
    state: str = UPLOADING
    counted: int = 0
    listed: int = 0
    ref: int | None = None
    status: str = ""
    public_score: str = ""
    error: str = ""
    team: str = ""
    rank: int | None = None

    @property
    def mark(self) -> str:
        """The end of the submission's description, by which the service's list is searched for the file."""
        return f"[{self.sha256[:MARK_DIGITS]}]"

    @property
    def description(self) -> str:
        return f"{self.message} {self.mark}"

    @property
    def answer(self) -> dict[str, Any]:
        """What the service has said about a sent submission, for the record of its run."""
        status = self.status or "pending"
        score = {"status": status, "public_score": self.public_score, "rank": self.rank}
        return {"competition": self.competition, "ref": self.ref, **score}

    def path(self, folder: str | Path, suffix: str = ".json") -> Path:
        """Its path in the folder of all receipts; with the suffix .csv, that of the copy of what was sent."""
        return Path(folder) / self.competition / f"{self.sha256}{suffix}"


def write(folder: str | Path, receipt: Receipt, **changes: Any) -> None:
    """Write a receipt, with changes of its fields; it is on the disk when this returns."""
    for name, value in changes.items():
        setattr(receipt, name, value)
    write_json(receipt.path(folder), asdict(receipt))


def read(path: str | Path) -> Receipt:
    """Read a receipt. FormatError: it is damaged; the message says what to check before deleting it."""
    try:
        return Receipt(**read_json(path))
    except (FormatError, TypeError) as error:
        raise FormatError(
            f"{path}: damaged receipt: check in the competition's list of submissions whether this file was "
            "sent; then delete the receipt and run again"
        ) from error


def read_all(folder: str | Path, competition: str | None = None) -> list[Receipt]:
    """All receipts, of one competition or of all, oldest first."""
    # No hidden ones: those are half-written, and a kill leaves the receipt as it was before.
    found = map(read, Path(folder).glob(f"{competition or '*'}/[!.]*.json"))
    return sorted(found, key=lambda receipt: (receipt.time, receipt.sha256))


def note_in_runs(folder: str | Path, kept: Iterable[Receipt]) -> None:
    """Write references and scores into the records of the runs whose submissions were sent.

    `folder` has the records, see `runs`. A damaged one is logged and skipped: nothing may stop a receipt.
    """
    sent = {receipt.sha256: receipt.answer for receipt in kept if receipt.ref}
    for path in sorted(Path(folder).glob("[!.]*.json")):
        try:
            record = read_json(path)
            answer = sent.get(record.get("submission"))
            if answer is not None and record.get("kaggle") != answer:
                write_json(path, record | {"kaggle": answer})
        except (DigitflowError, OSError) as error:
            log.warning("%s", error)


def owes_score(submitted: str | Path) -> bool:
    """Whether a run has left a copy of a receipt without a score, for which the next run asks."""
    path = Path(submitted)
    try:
        return path.exists() and not read(path).status
    except FormatError:
        return True


@contextlib.contextmanager
def alone(folder: str | Path, competition: str) -> Iterator[None]:
    """Lock the competition's receipts for the block. DigitflowError: another process holds them."""
    place = Path(folder) / competition
    place.mkdir(parents=True, exist_ok=True)
    handle = os.open(place / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise DigitflowError(f"{place}: another process is submitting; wait for it and run again") from error
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(handle)
