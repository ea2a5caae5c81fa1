"""A store of finished trainings, by what they were made from: going back to old settings needs no training.

Each entry is a folder `KEY/` with the files of one training and `entry.json`, their SHA-256 digests. Entries
appear and disappear by one rename, so that two runs can share a store and a kill does no harm. Files are
copied, never linked: links would share modification times, by which Snakemake decides what to run, between
folders.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from digitflow.base.checksums import sha256
from digitflow.base.errors import ConfigError, FormatError
from digitflow.base.files import atomic_open, read_json

log = logging.getLogger("digitflow")

ENTRY = "entry.json"
KEY = re.compile("[0-9a-f]{64}")  # the name of an entry's folder
PASSING = ".passing."  # begins a folder's name while it is written or removed
ABANDONED = 24 * 3600.0  # seconds after which such a folder must have been left by a kill
LIMIT = 10 << 30  # bytes: some thousand trainings


class Kept:
    """A store as one training sees it (`training.course.Store`): its `files`, in one folder, come from it, or
    go into it. ConfigError: its path names a home that is not known.
    """

    def __init__(self, store: str | Path, files: Sequence[Path]):
        try:
            self._store, self._folder = Path(store).expanduser(), files[0].parent
        except RuntimeError as error:
            raise ConfigError(f"store: {store}: {error}") from error
        self._names = [path.name for path in files]

    def bring_back(self, fingerprint: str) -> bool:
        """Copy the training's files from the store, if it has them undamaged; return whether it had.

        A damaged entry is removed, so that it is made again, and the log says so; an unreadable one is left
        alone. DigitflowError: the training's folder cannot be written.
        """
        entry = self._entry(fingerprint)
        try:
            if not entry.exists():
                return False
            digests = read_json(entry / ENTRY)["sha256"]
            files = {name: (entry / name).read_bytes() for name in self._names}
            wrong = [
                name for name, data in files.items() if hashlib.sha256(data).hexdigest() != digests.get(name)
            ]
            damage = f"{', '.join(wrong)} damaged" if wrong else ""
        except (FileNotFoundError, FormatError, KeyError, AttributeError) as error:
            damage = str(error)
        except OSError as error:
            log.warning("%s: cannot be read (%s): training anew", entry, error)
            return False
        if damage:
            _remove(entry)
            done = "left there; training anew" if entry.exists() else "removed, to be made again"
            log.warning("%s: not as it was stored (%s): %s", entry, damage, done)
            return False
        with contextlib.suppress(OSError):  # a read-only store keeps no order of use
            os.utime(entry)
        for name, data in files.items():
            with atomic_open(self._folder / name) as file:
                file.write(data)
        log.info(f"brought back from {self._store}: made before from the same settings, data and code")
        return True

    def keep(self, fingerprint: str) -> None:
        """Put the files of the finished training into the store, and keep that within LIMIT bytes.

        The entries unused for longest go first. Failure is only a warning, because the training's results are
        complete all the same.
        """
        store, entry = self._store, self._entry(fingerprint)
        try:
            store.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(store)
            passing = Path(tempfile.mkdtemp(prefix=PASSING, dir=store))
            try:
                for name in self._names:
                    shutil.copyfile(self._folder / name, passing / name)
                digests = {name: sha256(passing / name) for name in self._names}
                (passing / ENTRY).write_text(json.dumps({"sha256": digests}), encoding="utf-8")
                passing.chmod(store.stat().st_mode & 0o777)  # for everyone who shares the store
                with contextlib.suppress(OSError):  # another run was faster; both made the same files
                    passing.rename(entry)
            finally:
                shutil.rmtree(passing, ignore_errors=True)
            _shrink(store, entry)
        except OSError as error:
            log.warning(
                f"warning: not kept: {store}: cannot be written: {error}; make room there, or set another "
                "`store`"
            )

    def _entry(self, fingerprint: str) -> Path:
        """The training's place in the store: its fingerprint is all that it was made from."""
        return self._store / hashlib.sha256(fingerprint.encode()).hexdigest()


def _shrink(store: Path, kept: Path) -> None:
    """Remove the entries unused for longest until the rest are within LIMIT bytes; never `kept`.

    Other files in the folder are neither counted nor touched: they may be anybody's.
    """
    entries = []
    for entry in store.iterdir():
        try:
            if not (KEY.fullmatch(entry.name) and (entry / ENTRY).is_file()):
                continue
            size = sum(path.stat().st_size for path in entry.iterdir())
            entries.append((entry.stat().st_mtime, entry, size))
        except OSError:  # another run removed it just now
            continue
    total = sum(size for _, _, size in entries)
    for _, entry, size in sorted(entries):
        if total <= LIMIT:
            return
        if entry != kept:
            _remove(entry)
            total -= size


def _remove(entry: Path) -> None:
    """Remove an entry: rename it first, so that no other run sees half of it."""
    try:
        going = Path(tempfile.mkdtemp(prefix=PASSING, dir=entry.parent))
    except OSError:  # a read-only store
        return
    with contextlib.suppress(OSError):  # another run was faster
        entry.rename(going / entry.name)
    shutil.rmtree(going, ignore_errors=True)


def _remove_abandoned(store: Path) -> None:
    """Remove what killed runs left half-written."""
    for path in store.glob(f"{PASSING}*"):
        with contextlib.suppress(FileNotFoundError):  # another run is removing it
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
