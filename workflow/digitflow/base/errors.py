"""The errors that a user can cause. A verb prints them as one message, without a traceback."""

from collections.abc import Sequence
from typing import NoReturn


class DigitflowError(Exception):
    """Something that the user can put right: the message says what, where, and what would be right."""


class InputError(DigitflowError):
    """A file that digitflow was given cannot be used: missing, unreadable, or with wrong contents."""


class FormatError(InputError):
    """An IDX, PNG, .lst, .rec, model or probabilities file is damaged or not of its format."""


class ConfigError(DigitflowError):
    """The configuration is wrong: a key, a type, or a name that refers to nothing."""


class DeviceError(DigitflowError):
    """The requested device is not available."""


def ask_which(where: str, readings: Sequence[tuple[str, str]], more: str = "") -> NoReturn:
    """InputError: a file can be read in several ways. `readings`: the line of the configuration that chooses
    each, and what it means. `more`: a last line.
    """
    wide = max(len(line) for line, _ in readings)
    lines = "\n".join(f"  {line:{wide}}  # {meaning}" for line, meaning in readings)
    one_of = "one of these lines" if len(readings) > 1 else "this line"
    raise InputError(
        f"{where}: write {one_of} under data: in the configuration:\n{lines}" + f"\n{more}" * bool(more)
    )


def how_many(count: int, thing: str) -> str:
    """A count and what is counted, for messages: `1 image`, `2,000 images`."""
    return f"{count:,} {thing}{'s' * (count != 1)}"
