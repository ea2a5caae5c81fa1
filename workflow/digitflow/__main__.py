"""Find a verb and run it: `python -m digitflow VERB --flag value ...`, or `digitflow VERB ...` once
installed.
"""

import inspect
import logging
import sys
import time

from digitflow.base import logs
from digitflow.base.errors import DigitflowError
from digitflow.verbs import commandline

log = logging.getLogger("digitflow")


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; returns the exit status: 0, or 1 after a message on what the user can put right."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    verbs = commandline.all_verbs()
    if name not in verbs:
        print(_help(verbs), file=sys.stdout if name in ("-h", "--help") else sys.stderr)
        return 0 if name in ("-h", "--help") else 2
    given, log_path = commandline.parse(verbs[name], rest)
    try:
        logs.start(log_path, logs.name_of(log_path) if log_path else None)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if "store" in given:
        given["store"] = _kept(verbs[name], given)
    return _run(verbs[name], given)


def _run(verb: commandline.Verb, given: dict) -> int:
    """Call a verb; map a user's mistake to exit status 1, an interruption to 130, our own fault to 2.

    A verb may return an exit status of its own.
    """
    started = time.monotonic()
    try:
        status = verb(**given)
    except DigitflowError as error:
        log.error(f"error: {error}")
        return 1
    except OSError as error:  # a full disk, a read-only folder: the system's own words say what and where
        log.error(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        log.error("interrupted")
        return 130
    except MemoryError as error:
        log.error(
            f"error: {error}: this needs more memory than there is; a smaller network or batch_size does not"
        )
        return 1
    except Exception:
        log.exception("this is a fault of digitflow's own; please report it with these lines:")
        return 2
    logs.note(f"done in {time.monotonic() - started:.2f} s")
    return status or 0


def _kept(verb: commandline.Verb, given: dict):
    from digitflow.competing import (
        store,
    )  # which other jobs have no use for, and no training's code depends on

    return store.Kept(given["store"], commandline.outputs(verb, given))


def _help(verbs: dict[str, commandline.Verb]) -> str:
    lines = [f"  {name:<20} {(inspect.getdoc(verb) or '').splitlines()[0]}" for name, verb in verbs.items()]
    return "\n".join(
        ["usage: digitflow VERB --flag value ...", "", *lines, "", "digitflow VERB --help: its flags"]
    )


if __name__ == "__main__":
    sys.exit(main())
