"""Send a submission to Kaggle: only when asked to, the same bytes only once, never losing a reference.

A kill can come at any moment. What is known is therefore on the disk before the next request goes out:

1. The place for the upload (`SHA256.upload`, readable only by its owner, because it is a key): a later run
   asks how much of the file has arrived, and sends only the rest.
2. The receipt as `sending`, before the one request that takes a slot. A later run first looks for the file's
   mark in the service's list, and sends the file only if the service neither lists nor counts it.
3. The receipt as `sent`, with the reference.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from digitflow.base.errors import ConfigError, DigitflowError, InputError, how_many
from digitflow.base.files import atomic_open, atomic_path, read_json
from digitflow.competing import receipts
from digitflow.competing.competition import SITE
from digitflow.competing.kaggle import Entry, Kaggle, Limits, ServiceError
from digitflow.competing.receipts import Receipt

log = logging.getLogger("digitflow")

SETTLE = 30.0  # seconds after which a submission that the service accepted is sure to be in its list
PATIENCE = 300.0  # seconds to wait for a score: a later run can fetch it, too
PAUSE = 5.0  # seconds between two requests for a score


def check_wish(wish: object) -> None:
    """Raise ConfigError unless a submission was asked for; before any connection is made."""
    if str(wish).lower() not in ("yes", "true"):
        raise ConfigError("nothing was sent: a submission is made only with `--config submit=yes`")


def submit(
    kaggle: Kaggle,
    plan: Mapping[str, Any],
    folder: str | Path,
    runs: str | Path,
    settle: float = SETTLE,
    patience: float = PATIENCE,
    pause: float = PAUSE,
) -> Receipt:
    """Send the file of a plan (see `preview`), unless its bytes were sent before, and wait for its score.

    Only for a user who asked for it: `check_wish` comes first, before a connection is made. `folder` has the
    receipts. Missing scores of earlier submissions are fetched, too; references and scores are noted in the
    folder of remembered `runs`.

    InputError if the file is no longer the plan's; DigitflowError if no slot is left, if the service does not
    show whether it accepted an earlier try, or if it found an error.
    """
    data = Path(plan["file"]).read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != plan["sha256"]:
        raise InputError(f"{plan['file']}: changed since it was checked; nothing was sent: run again")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    receipt = Receipt(kaggle.competition, sha256, plan["file"], plan["message"], now)
    path = receipt.path(folder)
    with receipts.alone(folder, kaggle.competition):
        # An upload alone took no slot: what is shown now is what is sent.
        if path.exists() and (kept := receipts.read(path)).state != receipts.UPLOADING:
            receipt = kept
        if receipt.state == receipts.SENT:
            log.info("%s: already sent, reference %s: not sent again", plan["file"], receipt.ref)
            _place(folder, receipt).unlink(missing_ok=True)  # a kill may have left it
        else:
            _send_once(kaggle, plan, folder, receipt, data, settle)
        _fetch_scores(kaggle, folder, receipt, patience, pause)
        receipts.note_in_runs(runs, receipts.read_all(folder, kaggle.competition))
    receipt = receipts.read(path)
    if receipt.status == "error":
        reason = receipt.error or "it gives no reason"
        raise DigitflowError(
            f"{plan['file']}: Kaggle found an error in submission {receipt.ref}: {reason}; to send the same "
            f"file again all the same, delete {path}"
        )
    return receipt


def _fetch_scores(
    kaggle: Kaggle, folder: str | Path, receipt: Receipt, patience: float, pause: float
) -> None:
    """Ask for the missing scores of earlier submissions once, for this one's for up to `patience` seconds."""
    said = set()

    def is_known(one: Receipt) -> bool:
        try:
            return bool(one.status) or _fetch_score(kaggle, folder, one)
        except ServiceError as error:  # the submission was made; only its score is late
            if str(error) not in said:
                log.info("%s", error)
            said.add(str(error))
            return False

    kept = receipts.read_all(folder, kaggle.competition)
    late = [one for one in kept if one.ref and one.sha256 != receipt.sha256 and not is_known(one)]
    end = time.monotonic() + patience
    while not is_known(receipt) and time.monotonic() < end:
        time.sleep(pause)
    if not receipt.status:
        late.append(receipt)
    if late:
        waiting = how_many(len(late), "submission")
        log.info("no score yet for %s: run again later; nothing is sent twice", waiting)


def describe_plan(plan: Mapping[str, Any], limits: Limits) -> list[str]:
    """The lines that are shown before a submission is sent."""
    counts = ", ".join(f"{label}: {count}" for label, count in plan["class_counts"].items())
    lines = [
        f"competition  {plan['competition']}",
        f"file         {plan['file']}, {plan['rows']} rows",
        f"classes      {counts}",
    ]
    if (changed := plan.get("changed")) is not None:
        lines.append(f"changed      {how_many(changed['labels'], 'label')} since submission {changed['ref']}")
    if (valid := plan.get("validation")) is not None:
        accuracy, low, high = (100 * valid[key] for key in ("accuracy", "low", "high"))
        lines.append(f"validation   {accuracy:.2f} % ({low:.2f}-{high:.2f}){'*' if plan.get('note') else ''}")
        lines += [f"             {plan['note']}"] if plan.get("note") else []
    lines.append(f"message      {plan['message']}")
    return [*lines, f"slots        {limits.left} left today, {limits.today} used"]


def _send_once(
    kaggle: Kaggle,
    plan: Mapping[str, Any],
    folder: str | Path,
    receipt: Receipt,
    data: bytes,
    settle: float,
) -> None:
    """Find the file among the submissions that were made, or send it."""
    interrupted = receipt.state == receipts.SENDING
    if interrupted:
        log.info("%s: an earlier try was interrupted: checking whether it arrived", plan["file"])
    listed = _look(kaggle, folder, receipt, settle if interrupted else 0.0)
    if receipt.state == receipts.SENT:
        return
    limits = kaggle.limits()
    if interrupted and limits.total - receipt.counted > listed - receipt.listed:
        raise DigitflowError(
            f"{plan['file']}: nothing was sent: Kaggle counts one more submission than it lists; look at "
            f"{SITE}/competitions/{kaggle.competition}/submissions and run again later; if no description "
            f"there ends with {receipt.mark}, delete {receipt.path(folder)}"
        )
    for line in describe_plan({**plan, "file": receipt.file, "message": receipt.message}, limits):
        log.info("%s", line)
    if limits.left < 1:
        raise DigitflowError(
            f"{plan['file']}: nothing was sent: no submission is left today ({limits.today} were made); "
            "a new day begins at midnight UTC"
        )
    receipt.counted, receipt.listed = limits.total, listed
    _send(kaggle, folder, receipt, data)


def _look(kaggle: Kaggle, folder: str | Path, receipt: Receipt, settle: float) -> int:
    """Look for the receipt's file in the service's list, for `settle` seconds; return how many are listed.

    Submissions with an error are left out, because the service does not count them either, and the file may
    be sent again; but not one that an interrupted try may have made.
    """
    interrupted = receipt.state == receipts.SENDING
    end = time.monotonic() + settle
    while True:
        entries = list(kaggle.submissions())
        ours = [entry for entry in entries if entry.description.endswith(receipt.mark)]
        for entry in ours:  # the newest first
            if interrupted or entry.status != "error":
                _sent(folder, receipt, entry.ref)
                log.info("%s: already sent, reference %s: not sent again", receipt.file, entry.ref)
                break
        if receipt.state == receipts.SENT or time.monotonic() >= end:
            return sum(entry.status != "error" for entry in entries)
        time.sleep(min(PAUSE, settle / 3))


def _send(kaggle: Kaggle, folder: str | Path, receipt: Receipt, data: bytes) -> None:
    """Upload the file and submit it."""
    with atomic_open(receipt.path(folder, ".csv")) as file:
        file.write(data)
    place = _place(folder, receipt)
    if receipt.state != receipts.SENDING or not place.exists():
        receipts.write(folder, receipt, state=receipts.UPLOADING)
        _upload(kaggle, place, receipt, data)
    receipts.write(folder, receipt, state=receipts.SENDING)
    try:
        ref = kaggle.create(read_json(place)["token"], receipt.description)
    except ServiceError as error:
        if error.refusal is not None:  # certainly no slot was taken, and the upload may be the reason
            receipts.write(folder, receipt, state=receipts.UPLOADING)
            place.unlink(missing_ok=True)
        raise
    _sent(folder, receipt, ref)
    log.info("%s: submitted, reference %s", receipt.file, ref)


def _upload(kaggle: Kaggle, place: Path, receipt: Receipt, data: bytes) -> None:
    """Send the file to the service, resuming an interrupted upload."""
    if place.exists() and kaggle.upload(read_json(place)["url"], data, again=True):
        return
    token, url = kaggle.start_upload(Path(receipt.file).name, len(data), int(time.time()))
    with atomic_path(place) as temporary:
        handle = os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            json.dump({"token": token, "url": url}, file)
    kaggle.upload(url, data, again=False)


def _sent(folder: str | Path, receipt: Receipt, ref: int) -> None:
    receipts.write(folder, receipt, state=receipts.SENT, ref=ref)
    _place(folder, receipt).unlink(missing_ok=True)


def _place(folder: str | Path, receipt: Receipt) -> Path:
    return receipt.path(folder, ".upload")


def _fetch_score(kaggle: Kaggle, folder: str | Path, receipt: Receipt) -> bool:
    """Ask once for a submission's score and record it; return whether it is known now."""
    entry = kaggle.submission(receipt.ref)
    if entry is None or entry.status == "pending":
        return False
    facts = {"status": entry.status, "public_score": entry.public_score, "error": entry.error}
    receipts.write(folder, receipt, **facts, team=entry.team, rank=_rank(kaggle, entry))
    if receipt.status == "complete":
        place = f"; the team is in place {receipt.rank}" if receipt.rank else ""
        log.info("%s: public score %s%s", receipt.file, receipt.public_score, place)
    return True


def _rank(kaggle: Kaggle, entry: Entry) -> int | None:
    """The team's place on the leaderboard. A score is worth keeping without it: failure is only logged."""
    if entry.status != "complete" or not entry.team:
        return None
    try:
        return kaggle.rank(entry.team)
    except ServiceError as error:
        log.warning("the score is kept without the place, which will not be asked for again: %s", error)
        return None
