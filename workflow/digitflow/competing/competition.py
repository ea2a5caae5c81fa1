"""A competition's name, the address of its pages, and whose files a folder has."""

import re
from pathlib import Path

from digitflow.base.errors import ConfigError

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SITE = "https://www.kaggle.com"
NAMED = "competition.txt"  # beside a competition's files


def check_name(competition: str) -> None:
    """Raise ConfigError unless this can be a competition's name, the last part of its page's address."""
    if not NAME.fullmatch(competition):
        raise ConfigError(
            f"data.competition: {competition!r} cannot be a competition's name; that is the last part of "
            f"its page's address, {SITE}/competitions/NAME, for example digit-recognizer"
        )


def downloaded_for(folder: str | Path) -> str | None:
    """The competition that a folder's files were downloaded for; None if nothing says so, as where a person
    put them there.
    """
    try:
        return Path(folder, NAMED).read_text(encoding="utf-8", errors="replace").strip() or None
    except FileNotFoundError:
        return None
