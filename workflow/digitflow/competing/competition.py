"""A competition's name, and the address of its pages."""

import re

from digitflow.base.errors import ConfigError

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SITE = "https://www.kaggle.com"


def check_name(competition: str) -> None:
    """Raise ConfigError unless this can be a competition's name, the last part of its page's address."""
    if not NAME.fullmatch(competition):
        raise ConfigError(
            f"data.competition: {competition!r} cannot be a competition's name; that is the last part of "
            f"its page's address, {SITE}/competitions/NAME, for example digit-recognizer"
        )
