"""A competition's files: fetched into a separate folder, checked, then moved to where a run reads them.

Two halves, for two environments: `fetch` runs where Kaggle's client is, `accept` where the CSV readers are.
"""

import codecs
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from digitflow.base.archives import open_csv
from digitflow.base.checksums import sha256
from digitflow.base.errors import InputError
from digitflow.base.files import atomic_open, read_json, write_json
from digitflow.competing.competition import NAMED, SITE
from digitflow.competing.kaggle import Kaggle

log = logging.getLogger("digitflow")

MANIFEST = "download.json"
BLOCK = 1 << 20


def fetch(kaggle: Kaggle, staging: str | Path, names: Sequence[str]) -> None:
    """Download CSVs of a competition, unpacked, into the folder `staging`, with digests in download.json.

    `names`: for example train.csv. A file that is present with its digest stays. InputError: the competition
    has no such file, or the download is not a CSV.
    """
    staging = Path(staging)
    files = sorted(kaggle.files().items(), key=lambda file: "/" not in file[0])  # those in no folder go first
    offered = {_plain(name): (name, size) for name, size in files}
    missing = [name for name in names if name not in offered]
    if missing:
        raise InputError(
            f"the competition {kaggle.competition} has no {' and no '.join(missing)}; it has "
            f"{', '.join(sorted(offered)) or 'no files'}: see {SITE}/competitions/{kaggle.competition}/data"
        )
    manifest = staging / MANIFEST
    known = read_json(manifest)["sha256"] if manifest.exists() else {}
    digests = {}
    for name in names:
        path = staging / name
        if not (path.exists() and known.get(name) == sha256(path)):
            _fetch_file(kaggle, *offered[name], path)
        digests[name] = sha256(path)
    write_json(manifest, {"competition": kaggle.competition, "sha256": digests})


def accept(staging: str | Path, folder: str | Path, check: Callable[[Path], object]) -> None:
    """Move what `fetch` left in `staging` into `folder`, once all of it is in order.

    `check` reads a file and raises InputError for a wrong header or row. `folder`/digests.sha256 records what
    came: if a later download brings a different file, it is refused by name. An existing file is never
    overwritten. InputError for each of these; then nothing is moved. The competition's name is kept, too, in
    competition.txt: these files must not be taken for another one's.
    """
    staging, folder = Path(staging), Path(folder)
    manifest = read_json(staging / MANIFEST)
    came = manifest["sha256"]
    ledger = folder / "digests.sha256"
    known = read_digests(ledger)
    moves = []
    for name, digest in came.items():
        source, target = staging / name, folder / name
        if known.get(name, digest) != digest:
            raise InputError(
                f"{name}: this download differs from the one before, according to {ledger}: the data have "
                f"changed; to take the new file, move {target} away and delete the line of {name} in {ledger}"
            )
        if not _is_there(target, digest):
            if not source.exists() or sha256(source) != digest:
                raise InputError(
                    f"{source}: changed since it was downloaded; delete the folder {staging} and run again"
                )
            check(source)
        moves.append((source, target, digest))
    # Before the files, which are believed without a name, and are not downloaded again without a digest.
    with atomic_open(folder / NAMED, "w") as file:
        file.write(f"{manifest['competition']}\n")
    with atomic_open(ledger, "w") as file:
        file.writelines(f"{digest}  {name}\n" for name, digest in sorted((known | came).items()))
    for source, target, digest in moves:
        _move(source, target, digest)


def by_hand(competition: str) -> str:
    """How to get a competition's files without a token."""
    return (
        f"download train.csv and test.csv from {SITE}/competitions/{competition}/data into data/kaggle/ "
        "yourself; to practise without an account, set data.source to mnist"
    )


def read_digests(ledger: str | Path) -> dict[str, str]:
    """Read a file of SHA-256 digests in the format of sha256sum, by name; empty if there is no such file."""
    try:
        lines = Path(ledger).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _is_there(target: Path, digest: str) -> bool:
    """Whether the competition's file is in place already. InputError: another file has its name."""
    if not os.path.lexists(target):
        return False
    if not target.exists() or sha256(target) != digest:
        raise InputError(
            f"{target}: exists already and is not the competition's file, so it stays: "
            "use it (nothing needs to be downloaded), or move it away and run again"
        )
    return True


def _move(source: Path, target: Path, digest: str) -> None:
    """Move a file, unless the name is taken: someone may have put a file there while the rows were read."""
    try:
        os.link(source, target)
    except FileExistsError:
        _is_there(target, digest)
    except OSError:  # a file system without hard links, or an earlier call has moved it
        if not _is_there(target, digest):
            source.rename(target)
    source.unlink(missing_ok=True)


def _plain(name: str) -> str:
    """A CSV's name without the ending of an archive, and without a folder."""
    return Path(name.removesuffix(".zip").removesuffix(".gz")).name


def _fetch_file(kaggle: Kaggle, offered: str, size: int, path: Path) -> None:
    """Download one file and unpack it; its size, packed or unpacked, must be the listed one."""
    packed = path.with_name(f"{path.name}.download")
    try:
        kaggle.download(offered, packed, size)
        with open_csv(packed) as stream, atomic_open(path) as file:
            start = block = stream.read(BLOCK)
            _refuse_html(path, start, kaggle.competition)
            while block:
                file.write(block)
                block = stream.read(BLOCK)
            if size and size not in (packed.stat().st_size, stream.total):
                raise InputError(
                    f"{path.name}: cut off: {stream.total} bytes came, but Kaggle lists {size}; run again"
                )
    finally:
        packed.unlink(missing_ok=True)
    log.info("%s: %d bytes", path, path.stat().st_size)


def _refuse_html(path: Path, start: bytes, competition: str) -> None:
    if start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<":
        raise InputError(
            f"{path.name}: an HTML page came, not a CSV: sign in and accept the rules at "
            f"{SITE}/competitions/{competition}/rules, then run again"
        )
    if not start:
        raise InputError(f"{path.name}: an empty file came; run again")
