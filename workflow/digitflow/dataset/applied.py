"""The corrections as they were last applied: a copy of each file beside the lists that were made with it.

`data/rec/corrections.json` has a file's path and text, and the checksums of the pixels of lines that were
typed without one. From it, these can be filled in, and a lost file can be written again. It holds the files
of all configurations that ran here, and a SHA-256 of all that, so that damage is never taken for somebody's
words. Every start of Snakemake asks for it, so this module imports nothing large.
"""

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from digitflow.base.checksums import read_made_from
from digitflow.base.errors import FormatError, InputError, how_many
from digitflow.base.files import PathLike, digest_of_json, write_json
from digitflow.dataset.treetimes import read_about
from digitflow.formats import corrections as corrections_csv

APPLIED = Path("data/rec/corrections.json")
DEFAULT = "corrections.csv"  # the path of corrections if the configuration names none


@dataclass(frozen=True)
class Applied:
    """The file `path` with its `text` as it was applied; `crc`: by ids, of lines without a checksum."""

    path: str = ""
    text: str = ""
    crc: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> list[corrections_csv.Correction]:
        """Its corrections, each with the checksum of its pixels, if that is known."""
        found = corrections_csv.parse_lines(self.text.encode(), self.path)
        return [replace(line, crc=line.crc or self.crc.get(str(line.id), "")) for line in found]


def write(path: PathLike, copy: Applied) -> None:
    """Replace what was known of this file by what was applied; copies of other files stay.

    FormatError: the copies are damaged; they are left as they are.
    """
    others = [known for known in read_copies(path) if not same_file(known.path, copy.path)]
    files = [asdict(known) for known in (*others, copy) if known.path]
    write_json(path, {"files": files, "sha256": digest_of_json(files)})


def read_copies(path: PathLike) -> list[Applied]:
    """The copies of all files. FormatError: damaged."""
    if not Path(path).exists():
        return []
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        files = found.get("files", [found])  # at first it held the copy of a single file
        if found.get("sha256", digest := digest_of_json(files)) != digest:  # nor did it have a digest
            raise ValueError(f"the SHA-256 of its copies is {digest}")
        return [Applied(**known) for known in files]
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"{path}: damaged: {error}; it has copies of the files of corrections that were applied here. If "
            "one of those is lost, copy its lines from here by hand; then move this file away and run again"
        ) from error


def read(corrections: PathLike, applied: PathLike = APPLIED) -> Applied:
    """What is known of the file `corrections`: nothing if there is no copy of it.

    FormatError: the copies are damaged.
    """
    return next((known for known in read_copies(applied) if same_file(known.path, corrections)), Applied())


def fill_in(corrections: PathLike, applied: PathLike = APPLIED) -> str | None:
    """Write checksums into the lines that were applied without one; return a line about it, if there are any.

    From then on, a line cannot hit another row that gets its row's number. A line that was never applied, or
    was changed since, is left alone. Raises as `read`, and as the file of corrections does.
    """
    known = read(corrections, applied) if Path(corrections).exists() else Applied()
    if not known.crc:
        return None
    typed_without = [line for line in known.lines() if str(line.id) in known.crc]
    filled = corrections_csv.fill_in_checksums(corrections, typed_without)
    if not filled:
        return None
    lines = how_many(filled, "line")
    return f"{corrections}: checksum of the pixels written into {lines}; they cannot hit another row now"


def news(corrections: PathLike, applied: PathLike = APPLIED) -> str:
    """What is in the file and was not applied: "labels", because it was edited, or the lists came with data
    from elsewhere; only "words", such as notes and lines that say `ok`; or nothing, "". Raises as `read`.

    Comments are no news, and neither are the checksums that were known when it was applied.
    """
    known, now = read(corrections, applied), corrections_csv.read_bytes(corrections)
    if known.text.encode() == now:
        return ""
    if corrections_csv.digest_of(known.text.encode()) != corrections_csv.digest_of(now):
        return "labels"
    there = replace(known, text=now.decode())
    then, now = ([replace(line, line=0) for line in copy.lines()] for copy in (known, there))
    return "" if then == now else "words"


def may_be_lost(corrections: PathLike, tree: PathLike, applied: PathLike = APPLIED) -> bool:
    """Whether there is no file of corrections, or an empty one, though there seems to have been one with
    lines.

    Taking all lines back leaves the header; nothing at all is what a full disk or a crashed editor leaves.
    """
    if not is_blank(corrections):
        return False
    if read(corrections, applied).lines():
        return True
    about = read_about(tree)
    return about is not None and about.moved != 0 and same_file(about.corrections or corrections, corrections)


def was_last(corrections: PathLike, applied: PathLike = APPLIED) -> bool:
    """Whether the lists beside the copies were made with this file, as far as is known: if so, the time of
    the copies is when it was applied.
    """
    lists = Path(applied).with_name("lists.sfv")
    return not lists.exists() or any(same_file(path, corrections) for path in read_made_from([lists]))


def is_blank(corrections: PathLike) -> bool:
    """Whether a file of corrections is missing, or has nothing in it, not even a header."""
    return not corrections_csv.read_bytes(corrections).strip()


def shown_by(tree: PathLike) -> Path:
    """The file of corrections that a tree shows, or the default one if that is not known."""
    about = read_about(tree)
    return Path((about and about.corrections) or DEFAULT)


def check_named(corrections: PathLike, shown: PathLike) -> None:
    """InputError: somebody named a file of corrections that is not there, perhaps by a typing error.

    `shown`: the one that the tree or the page shows. It may be created, and so may the default one, which no
    configuration needs to name: nothing would read any other.
    """
    if not any(same_file(corrections, known) for known in (shown, DEFAULT)):
        check_is_there(corrections, shown)


def check_is_there(corrections: PathLike, shown: PathLike) -> None:
    """InputError: there is no such file of corrections. `shown`: as for `check_named`."""
    if not os.path.lexists(corrections):
        way = (
            "name yours with --corrections PATH"
            if same_file(corrections, shown)
            else f"did you mean {shown}?"
        )
        raise InputError(
            f"{corrections}: there is no such file of corrections, and nothing was changed; {way}"
        )


def same_file(path: PathLike, other: PathLike) -> bool:
    """Whether two paths lead to the same place."""
    return bool(path) and Path(path).resolve() == Path(other).resolve()


def flag(corrections: PathLike) -> str:
    """The option that names a file of corrections in a digitflow command."""
    return "" if same_file(corrections, DEFAULT) else f" --corrections {shlex.quote(os.fspath(corrections))}"
