"""A competition's name, and where its pages are."""

import re

from digitflow.base.errors import ConfigError

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SITE = "https://www.kaggle.com"


def check_name(competition: str) -> None:
    """Raise ConfigError unless this can be a competition's name, as at the end of its page's address."""
    if not NAME.fullmatch(competition):
        raise ConfigError(
            f"data.competition: {competition!r} is no name of a competition; it is the last part of its "
            f"page's address: {SITE}/competitions/NAME, for example digit-recognizer"
        )
