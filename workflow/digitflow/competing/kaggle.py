"""Kaggle's service, as far as one competition needs it: files, uploads, submissions, scores.

The only module that uses Kaggle's own client. It runs in a separate environment (workflow/envs/kaggle.in)
without numpy. Every answer that is not a success becomes one line that says what to do. The client reads the
credentials, inside this process; no message contains them, or any signed address.
"""

import base64
import contextlib
import functools
import hashlib
import os
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitflow.base.errors import DigitflowError
from digitflow.base.files import atomic_open
from digitflow.base.progress import Progress
from digitflow.competing.competition import SITE, check_name

if TYPE_CHECKING:
    import requests

TIMEOUT = 60.0  # seconds without a byte; the client itself would wait forever
BLOCK = 1 << 20  # bytes
PAGE_ROWS = 200  # the most that the service gives at a time
MAX_PAGES = 50
CREDENTIALS = (
    f"make a token at {SITE}/settings (API Tokens) and save it as ~/.kaggle/access_token, "
    "readable only by you, or set KAGGLE_API_TOKEN"
)


class ServiceError(DigitflowError):
    """Kaggle did not do what it was asked to. `refusal`: the status with which it said no, so that certainly
    nothing was done there; else None.
    """

    def __init__(self, message: str, refusal: int | None = None):
        super().__init__(message)
        self.refusal = refusal


@dataclass(frozen=True)
class Limits:
    """How many submissions the team made today (UTC) and in total, and how many more it may make today."""

    today: int
    total: int
    left: int


@dataclass(frozen=True)
class Entry:
    """One submission as the service reports it; `status` is pending, complete or error."""

    ref: int
    description: str
    status: str
    public_score: str
    error: str
    team: str


class Kaggle:
    """A connection to the service for one competition. Use as a context manager.

    ServiceError, from every method: one line with what happened and what to do.
    """

    def __init__(self, competition: str, timeout: float = TIMEOUT, by_hand: str = ""):
        """`by_hand`: how to go on without credentials, for the message if there are none."""
        check_name(competition)
        self._credentials = f"{CREDENTIALS}{by_hand and '; or '}{by_hand}"
        self.competition = competition
        self._timeout = timeout
        self._secrets: list[str] = []
        self._answer: requests.Response | None = None  # the last one, for errors that do not carry it

    def __enter__(self) -> "Kaggle":
        with self._explained("signing in"):
            self._client = _sign_in()
            session = self._client.http_client()._session
            for scheme in ("http://", "https://"):
                session.mount(scheme, _adapter(self._timeout, self._note_answer))
        if session.auth is None:
            raise ServiceError(f"there are no credentials for Kaggle: {self._credentials}")
        self._secrets = [*session.auth] if isinstance(session.auth, tuple) else [session.auth.token]
        if not all(
            secret and secret.isascii() and secret.isprintable() and " " not in secret
            for secret in self._secrets
        ):
            raise ServiceError(
                f"the credentials are empty, or contain characters that no token has: {CREDENTIALS}"
            )
        self._api = self._client.competitions.competition_api_client
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.__exit__(*exception)

    def files(self) -> dict[str, int]:
        """The names of the competition's files, and their sizes in bytes."""
        pages = self._pages("listing the files", "list_data_files")
        return {file.name: file.total_bytes for page in pages for file in page.files}

    def download(self, name: str, path: str | Path, size: int) -> None:
        """Write one of the competition's files as it comes, perhaps zipped. `size`: bytes, for the progress.

        Its length must be as announced, and its MD5, too, if the service gives one.
        """
        doing = f"downloading {name}"
        digest = hashlib.md5(usedforsecurity=False)
        answer = self._ask(doing, "download_data_file", file_name=name)
        if "text/html" in answer.headers.get("Content-Type", ""):
            answer.close()
            raise ServiceError(
                f"{doing}: an HTML page came, not the file: sign in and accept the rules at "
                f"{SITE}/competitions/{self.competition}/rules, then run again"
            )
        with (
            contextlib.closing(answer),
            atomic_open(path) as file,
            Progress(doing, size or None, "bytes") as progress,
            self._explained(doing),  # innermost: errors of the connection, not of the file
        ):
            for block in answer.iter_content(BLOCK):
                file.write(block)
                digest.update(block)
                progress.advance(len(block))
            came, announced = progress.done, answer.headers.get("Content-Length")
            if announced and "Content-Encoding" not in answer.headers and came != int(announced):
                raise ServiceError(f"{doing}: cut off: {came} of {announced} bytes came; run again")
            hashed = re.search(r"md5=([A-Za-z0-9+/=]+)", answer.headers.get("x-goog-hash", ""))
            if hashed and hashed[1] != base64.b64encode(digest.digest()).decode():
                raise ServiceError(
                    f"{doing}: damaged in transit: its MD5 is not the announced one; run again"
                )

    def limits(self) -> Limits:
        """Ask how many submissions were made, and how many are left today."""
        limits = self._ask("asking for the slots left", "get_submission_limits")
        return Limits(limits.num_today, limits.num_total, limits.num_allowed_now)

    def start_upload(self, name: str, size: int, modified: int) -> tuple[str, str]:
        """Ask for a place for a file of `size` bytes, last modified at `modified`, seconds since 1970.

        Returns a token that names it and an address to send it to. Both are secret.
        """
        facts = {"file_name": name, "content_length": size, "last_modified_epoch_seconds": modified}
        upload = self._ask("asking for an upload", "start_submission_upload", **facts)
        if not (upload.token and upload.create_url):
            raise ServiceError("asking for an upload: Kaggle returned no address; run again later")
        return upload.token, upload.create_url

    def upload(self, url: str, data: bytes, again: bool) -> bool:
        """Send a file to its place; `again`: first ask how much of it has arrived, and send only the rest.

        Storage addresses follow Google's protocol for resumable uploads. False: the place takes nothing more,
        and another one is needed.
        """
        import requests

        start = 0
        with self._explained("uploading"), requests.Session() as session:
            put = functools.partial(session.put, url, timeout=self._timeout, allow_redirects=False)
            if again:
                answer = put(data=b"", headers={"Content-Range": f"bytes */{len(data)}"})
                if answer.status_code in (200, 201):
                    return True
                if 400 <= answer.status_code < 500 and answer.status_code not in (408, 429):
                    return False
                if answer.status_code != 308:
                    answer.raise_for_status()
                there = re.fullmatch(r"bytes=0-(\d+)", answer.headers.get("Range", ""))
                start = int(there[1]) + 1 if there else 0
            headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
            answer = put(data=data[start:], headers=headers)
            answer.raise_for_status()
            if answer.status_code not in (200, 201):
                raise ServiceError("uploading: Kaggle's storage did not take the whole file; run again")
        return True

    def create(self, token: str, description: str) -> int:
        """Submit an uploaded file, which takes a slot; return the submission's reference."""
        facts = {"blob_file_tokens": token, "submission_description": description}
        with self._explained("submitting"):
            ref = self._ask("submitting", "create_submission", **facts).ref
        if not ref:
            raise ServiceError(
                "submitting: Kaggle returned no reference; run again: the next run looks for it"
            )
        return ref

    def submissions(self) -> Iterator[Entry]:
        """Yield the team's submissions, newest first."""
        for page in self._pages("listing the submissions", "list_submissions"):
            yield from map(_entry, page.submissions)

    def submission(self, ref: int) -> Entry | None:
        """One submission by its reference; None if it is not listed yet, as just after submitting."""
        doing = "asking for the score"
        try:
            with self._explained(doing):
                return _entry(self._ask(doing, "get_submission", competition=False, ref=ref))
        except ServiceError as error:
            if error.refusal == 404:
                return None
            raise

    def rank(self, team: str) -> int | None:
        """The team's place on the public leaderboard; None if the service does not list it."""
        pages = self._pages("asking for the leaderboard", "get_leaderboard", override_public=True)
        rows = (row for page in pages for row in page.submissions)
        return next((place for place, row in enumerate(rows, start=1) if row.team_name == team), None)

    def _note_answer(self, answer: "requests.Response") -> None:
        self._answer = answer

    def _ask(self, doing: str, method: str, competition: bool = True, **fields: Any) -> Any:
        """Call a method of the client with a request of these fields; `doing` is for messages.

        `competition`: whether the request names it.
        """
        from kagglesdk.competitions.types import competition_api_service as types

        request = getattr(types, f"Api{method.title().replace('_', '')}Request")()
        if competition:
            request.competition_name = self.competition
        for field, value in fields.items():
            setattr(request, field, value)
        with self._explained(doing):
            return getattr(self._api, method)(request)

    def _pages(self, doing: str, method: str, **fields: Any) -> Iterator[Any]:
        token = ""
        for _ in range(MAX_PAGES):
            page = self._ask(doing, method, page_size=PAGE_ROWS, page_token=token, **fields)
            yield page
            token = page.next_page_token
            if not token:
                return

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn what the client raises into one line. The original is dropped: it may contain the token."""
        self._answer = None
        try:
            yield
        except (DigitflowError, ImportError):
            raise
        except Exception as error:  # the client passes on whatever six packages raise
            if isinstance(error, OSError) and error.filename is not None:
                raise  # the disk's
            explained = self._explain(error, doing)
        else:
            return
        raise explained

    def _explain(self, error: Exception, doing: str) -> ServiceError:
        answer = getattr(error, "response", None)
        if answer is None and self._answer is not None and self._answer.status_code >= 400:
            answer = self._answer  # the client could not read its body
        if answer is None:
            return ServiceError(f"{doing}: {_no_answer(error)}")
        status, sentence = _status_and_sentence(answer)
        for secret in self._secrets:
            sentence = sentence.replace(secret, "***")
        said = f"{status}: {sentence}" if sentence else str(status)
        if status >= 500:
            return ServiceError(f"{doing}: Kaggle is not working ({said}); run again later")
        after = answer.headers.get("Retry-After", "")
        return ServiceError(f"{doing}: {self._refusal(status, said, after)}", status)

    def _refusal(self, status: int, said: str, after: str) -> str:
        """What a status below 500 means, and what to do; `after`: seconds to wait, if known."""
        page = f"{SITE}/competitions/{self.competition}"
        if status == 401:
            return f"Kaggle rejects the credentials ({said}): {self._credentials}"
        if status == 403:
            return (
                f"Kaggle refuses ({said}): accept the rules at {page}/rules, signed in as the owner of the "
                f"token, and check the spelling of data.competition, {self.competition!r}"
            )
        if status == 404:
            return (
                f"Kaggle does not know this ({said}): check whether {page} is the competition's page, and "
                "correct data.competition"
            )
        if status == 429:
            wait = f"{after} seconds" if after.isdecimal() else "a few minutes"
            return f"too many requests ({said}): wait {wait} and run again"
        return f"Kaggle refuses ({said}); see {page}/submissions"


def _sign_in() -> Any:
    """A client with the credentials that it finds; they are never printed, whatever its verbose mode."""
    from kagglesdk import KaggleClient
    from kagglesdk.kaggle_creds import KaggleCredentials

    names = {"username": os.environ.get("KAGGLE_USERNAME"), "password": os.environ.get("KAGGLE_KEY")}
    options = {"verbose": False, "user_agent": "digitflow"}
    client = KaggleClient(**options, **names).__enter__()
    if client.http_client()._session.auth is None:
        signed_in = KaggleCredentials.load(client)  # what `kaggle auth login` leaves
        if signed_in is not None:
            return KaggleClient(**options, api_token=signed_in.get_access_token()).__enter__()
    return client


def _adapter(timeout: float, note: Callable[["requests.Response"], None]) -> Any:
    """An adapter that sends requests with a timeout, which the client does not set, and notes each answer."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def send(self, request, **options):
            answer = super().send(request, **options | {"timeout": timeout})
            note(answer)
            return answer

    return Adapter()


def _entry(found: Any) -> Entry:
    status, error = found.status.name.lower(), _line(found.error_description)
    return Entry(found.ref, found.description, status, found.public_score, error, found.team_name)


def _status_and_sentence(answer: "requests.Response") -> tuple[int, str]:
    """The status of an answer, and the service's own sentence, if there is one rather than a page."""
    try:
        fault = answer.json()
        status = answer.status_code if answer.status_code >= 400 else int(fault.get("code", 500))
        return status, _line(str(fault.get("message", "")))
    except Exception:  # whatever came, it is not a JSON object from the service
        return answer.status_code if answer.status_code >= 400 else 500, ""


def _line(text: str) -> str:
    """Text from the service as part of one line: printable, and not too long."""
    shown = "".join(letter if letter in string.printable or letter.isalpha() else " " for letter in text)
    return " ".join(shown.split())[:300]


def _no_answer(error: Exception) -> str:
    """What went wrong before an answer came. The error's own text may contain the token, or an address."""
    import requests

    if isinstance(error, requests.exceptions.Timeout):
        return "Kaggle did not answer in time; run again"
    if isinstance(error, ValueError) and not isinstance(error, requests.exceptions.InvalidURL):
        return "the answer is not Kaggle's (a network's login page, or a proxy's); run again later"
    if isinstance(error, requests.exceptions.RequestException):
        return "no connection to Kaggle, or it broke off; check the network and run again"
    return f"Kaggle's client failed ({type(error).__name__}); run again later"
