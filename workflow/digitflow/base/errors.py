"""The errors that a user can cause. A verb prints them as one message, without a traceback."""


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
