"""The page served to one person on this machine: each decision goes into corrections.csv at once.

It answers only requests from its own page: the address contains a random token, and Host and Origin must be
its own. It reads only the page's folder and the PNG trees, and writes only corrections.csv.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from digitflow.base.errors import DigitflowError, FormatError, InputError
from digitflow.base.files import PathLike
from digitflow.dataset import adoption
from digitflow.dataset.applied import check_named
from digitflow.dataset.locations import enter_project
from digitflow.formats import corrections
from digitflow.formats.corrections import DROP, OK, Correction
from digitflow.look import page

log = logging.getLogger("digitflow")

ADDRESS = "127.0.0.1"
PAGE = "results/look/index.html"  # in a project
TREES = Path("data/png")
API = "api/corrections"
MOST = 1 << 20  # bytes of a request: some 50,000 decisions
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address contains the token
    "X-Content-Type-Options": "nosniff",
}


class Row(NamedTuple):
    """A training row as corrections refer to it: its label in the CSV and the checksum of its pixels."""

    was: str
    crc: str


class RequestRefused(Exception):
    """A request that is refused: the status, and a message that the page shows."""

    def __init__(self, status: HTTPStatus, message: str):
        super().__init__(message)
        self.status = status


class Decisions:
    """The file of corrections, read and written for the page `index`, one request at a time.

    InputError: the file existed and is gone; `tree` shows what was in it.
    """

    def __init__(self, index: Path, path: Path, tree: Path):
        self.index, self.path, self.tree = index, path, tree
        self._lock = threading.Lock()
        self._saves = 0
        # What the file said about each row before it was decided here, and last the latest decision; by id
        # and checksum, because a row that moves in the CSV gets another id.
        self._said: dict[tuple[int, str], list[str | None]] = {}
        adoption.check_not_lost(path, tree)

    @property
    def version(self) -> str:
        """Changes with the file and the page, whoever writes them, and whenever something is saved here."""
        try:
            made = "-".join(map(str, _stamp(self.index)))
        except OSError:  # it is being made again
            made = ""
        return f"{hashlib.sha256(corrections.read_bytes(self.path)).hexdigest()[:16]}.{self._saves}.{made}"

    def lines(self) -> dict[str, Any]:
        """The version, the lines of the file in the form that the page takes, and lost decisions.

        A decision is lost if it was saved here, but the file says again what it said before, or nothing:
        another program, such as an editor that had the file open, has written back what it had read. None
        stands for no line. `others` is how many lines are about images that the page does not have, or has
        under another id; `edition` and `digest` are those of the page that is there now.
        """
        version = self.version
        found = corrections.read(self.path)
        try:
            edition, digest, _, rows = _read_rows(self.index, _stamp(self.index))
        except OSError:  # it is being made again
            edition, digest, rows = "", "", None
        shown = found if rows is None else [line for line in found if _is_about(line, rows.get(line.id))]
        return {
            "version": version,
            "path": str(self.path),
            "lines": [[c.id, c.was, c.now, c.note, c.line] for c in shown],
            "lost": [] if rows is None else list(self._lost(found, rows)),
            "others": len(found) - len(shown),
            "edition": edition,
            "digest": digest,
        }

    def _lost(self, found: list[Correction], rows: Mapping[int, Row]) -> Iterator[tuple[int, str | None]]:
        says = {line.id: line for line in found}
        followed = {(line.crc, line.now) for line in found}  # lines that have other ids by now
        for (id_, crc), (*before, now) in list(self._said.items()):
            if id_ not in rows or rows[id_].crc != crc:
                continue  # about a row that the page no longer has
            line = says.get(id_)
            said = line.now if line and _is_about(line, rows[id_]) else None
            if said is None and (crc, now) in followed:
                continue
            if said != now and said in (None, *before):
                yield id_, now

    def save(self, digest: str, decisions: list[tuple[int, str | None]]) -> dict[str, Any]:
        """Put decisions (id, what the row is now; None removes the line) into the file, in order.

        When it returns, they are on the disk. RequestRefused: they do not fit the data of the page.
        """
        with self._lock:
            try:
                _, data_digest, names, rows = _read_rows(self.index, _stamp(self.index))
            except OSError:
                raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, "the page is being made again") from None
            if digest != data_digest:
                raise RequestRefused(
                    HTTPStatus.CONFLICT,
                    "the data have changed: export what is not saved, then reload this page",
                )
            last = dict(decisions)
            for id_, now in last.items():
                if id_ not in rows:
                    raise RequestRefused(HTTPStatus.BAD_REQUEST, f"there is no training row {id_}")
                if now is not None and now not in names and now not in (DROP, OK):
                    raise RequestRefused(HTTPStatus.BAD_REQUEST, f"{now!r} is not a class, {DROP} or {OK}")
            kept = [
                Correction(id_, rows[id_].was, now, rows[id_].crc)
                for id_, now in last.items()
                if now is not None
            ]
            adoption.check_not_lost(self.path, self.tree)
            found = corrections.read(self.path)
            for line in found:
                if line.id in last and line.crc not in ("", rows[line.id].crc):
                    raise RequestRefused(
                        HTTPStatus.CONFLICT,
                        f"line {line.line} of {self.path} is about another image than this page shows as "
                        f"{line.id}: export what is not saved, run Snakemake, and reload this page",
                    )
            says = {line.id: line.now for line in found}
            corrections.record(self.path, kept)
            if taken_out := [id_ for id_, now in last.items() if now is None]:
                corrections.remove(self.path, taken_out)
            for id_, now in last.items():
                key = id_, rows[id_].crc
                self._said[key] = [*self._said.get(key, ()), says.get(id_), now]
            self._saves += 1
            return self.lines()


def _corrections_of(index: Path) -> str:
    """The file of corrections that the page was made for. InputError: there is no page, or it is damaged."""
    if not index.is_file() or not index.with_name(page.FOLDER).joinpath(page.DATA).is_file():
        raise InputError(
            f"{index}: there is no page to look at; make it with: snakemake -j4 results/look/index.html, "
            "and the -s and --configfile of your runs"
        )
    with _reading(index) as content:
        return content["correctionsFile"]


@contextmanager
def _reading(index: Path) -> Iterator[dict[str, Any]]:
    """The data of the page, to be read in the block. FormatError: the page is damaged."""
    try:
        yield page.read_content(index)
    except (ValueError, LookupError, TypeError) as error:
        raise FormatError(
            f"{index}: damaged, or made by another version; make it again with: "
            "snakemake -j4 --force results/look/index.html, and the -s and --configfile of your runs"
        ) from error


def _is_about(line: Correction, row: Row | None) -> bool:
    """Whether a line of the file is about a row of the page."""
    return row is not None and line.crc in ("", row.crc)


def _stamp(index: Path) -> tuple[int, int]:
    status = index.with_name(page.FOLDER).joinpath(page.DATA).stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1)
def _read_rows(index: Path, stamp: tuple[int, int]) -> tuple[str, str, frozenset[str], dict[int, Row]]:
    """The page's edition, the digest of its data, its classes, and its training rows by id; `stamp` changes
    with the file. FormatError: the page is damaged.
    """
    with _reading(index) as content:
        names, train = content["names"], content["train"]
        rows = {
            id_: Row(names[was], train["crc"][8 * place : 8 * place + 8])
            for place, (id_, was) in enumerate(zip(train["ids"], train["was"], strict=True))
        }
        return content["edition"], content["digest"], frozenset(names), rows


class LookServer(ThreadingHTTPServer):
    """Serves the page `index` and the folder `png` under a secret address; see the module's docstring."""

    daemon_threads = True

    def __init__(
        self, index: PathLike, path: PathLike | None = None, png: PathLike | None = None, port: int = 0
    ):
        """Listen on `port` of this machine (0: any free one). `path` is corrections.csv; without it, the file
        that the page names, as a run in this folder would find it.

        InputError: there is no page, the file is gone, or the port is taken. FormatError: the page is
        damaged.
        """
        index = _absolute(index)
        shown = _corrections_of(index)
        self.decisions = Decisions(index, _absolute(path or shown), Path(png or TREES) / "train")
        self.folders = [index.parent] + ([] if png is None else [_absolute(png)])
        # The page links to PNG files by a relative path, so the address begins where both folders meet.
        self.base = Path(os.path.commonpath(self.folders))
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or "ports are 0 to 65535"
            raise InputError(
                f"port {port} of {ADDRESS} cannot be used: {why}; leave it out to get a free one"
            ) from error

    def server_bind(self) -> None:
        """Bind without asking for this machine's name, which takes seconds if no network answers."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    @property
    def url(self) -> str:
        """The address of the page, which is the only key to it."""
        place = self.decisions.index.relative_to(self.base).as_posix()
        return f"http://{ADDRESS}:{self.server_port}/{self.token}/{quote(place)}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore connections that the browser breaks off, for example on a change to another section."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def open_server(index: Path, path: Path | None = None, png: Path | None = None, port: int = 0) -> LookServer:
    """As LookServer, but from the folder of the page's project, wherever it is called: the page's paths start
    there.

    `png`: the trees; without it, those of the project, if they exist. InputError, too, if `path` does not
    exist and is neither the page's file nor the default one.
    """
    index, path, png = (given and _absolute(given) for given in (index, path, png))
    index = enter_project(index, PAGE)
    if path:
        check_named(path, _corrections_of(index))
    return LookServer(index, path, png or (TREES if TREES.is_dir() else None), port)


def serve(index: Path, path: Path | None = None, png: Path | None = None, port: int = 0) -> None:
    """Serve the page until Ctrl-C. Raises as LookServer."""
    with open_server(index, path, png, port) as server:
        log.info("open %s", server.url)
        log.info("every decision is saved in %s at once; Ctrl-C ends the server", server.decisions.path)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            log.info("ended")


class _Handler(BaseHTTPRequestHandler):
    server: LookServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "digitflow", ""
    disable_nagle_algorithm = True  # else an answer's body waits 40 ms until its head is acknowledged
    timeout = 60  # seconds that an idle connection is kept

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, act) -> None:
        try:
            status, kind, body = act(self._check())
        except RequestRefused as refused:
            self.close_connection = True  # its body may not have been read
            status, kind, body = refused.status, TYPES[".js"], _json({"error": str(refused)})
        except DigitflowError as error:
            status, kind, body = HTTPStatus.INTERNAL_SERVER_ERROR, TYPES[".js"], _json({"error": str(error)})
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _check(self) -> str:
        """Refuse requests that do not come from our page; return the path after the token."""
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host not in [f"{name}:{self.server.server_port}" for name in (ADDRESS, "localhost")]:
            raise RequestRefused(HTTPStatus.FORBIDDEN, "another host")
        if origin not in (None, f"http://{host}") or (origin is None and self.command == "POST"):
            raise RequestRefused(HTTPStatus.FORBIDDEN, "another origin")
        try:
            address = urlsplit(self.path)
        except ValueError:  # such as http://[
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "not an address") from None
        _, token, path = (*address.path.split("/", 2), "", "")[:3]
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            raise RequestRefused(
                HTTPStatus.FORBIDDEN,
                "this address is outdated or cut off: export what is not saved, and open the one that "
                "digitflow look has printed",
            )
        return path

    def _get(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        if path == API:
            known = parse_qs(urlsplit(self.path).query).get("version")
            if known == [self.server.decisions.version]:
                return HTTPStatus.NOT_MODIFIED, "", b""
            return HTTPStatus.OK, TYPES[".js"], _json(self.server.decisions.lines())
        # Only where the path leads counts, after all links and dots, not how it is written.
        missing = RequestRefused(HTTPStatus.NOT_FOUND, "there is no such file")
        try:
            file = (self.server.base / unquote(path, errors="surrogateescape")).resolve()
            inside = any(file.is_relative_to(folder.resolve()) for folder in self.server.folders)
            if not inside or file.suffix not in TYPES:
                raise missing
            return HTTPStatus.OK, TYPES[file.suffix], file.read_bytes()
        except (OSError, ValueError, RuntimeError) as error:  # a NUL; links in a circle
            raise missing from error

    def _post(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        if path != API:
            raise RequestRefused(HTTPStatus.NOT_FOUND, "decisions are sent elsewhere")
        if self.headers.get_content_type() != "application/json":
            raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "decisions are JSON")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST:
            raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"decisions are at most {MOST} bytes")
        digest, decisions = _parse(self.rfile.read(int(length)))
        return HTTPStatus.OK, TYPES[".js"], _json(self.server.decisions.save(digest, decisions))

    def log_message(self, *arguments: object) -> None:
        """Log nothing: a line for each picture would bury the address."""


def _parse(body: bytes) -> tuple[str, list[tuple[int, str | None]]]:
    """Read {"digest": text, "decisions": [[id, text or null], ...]}."""
    try:
        request = json.loads(body)
        digest, decisions = request["digest"], [(id_, now) for id_, now in request["decisions"]]
        good = type(digest) is str and all(type(id_) is int for id_, _ in decisions)
        good = good and all(now is None or type(now) is str for _, now in decisions)
    except (ValueError, TypeError, KeyError, RecursionError):
        good = False
    if not good:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "not decisions as the page sends them")
    return digest, decisions


def _absolute(path: PathLike) -> Path:
    """Without dots, but with links unresolved: what lies beside a link is part of the page's addresses."""
    return Path(os.path.normpath(Path(path).absolute()))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
