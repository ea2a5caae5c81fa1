"""Find a verb and run it: `digitflow VERB --flag value ...`, or `python -m digitflow VERB ...`."""

import difflib
import logging
import os
import signal
import sys
import time

from digitflow.base import logs
from digitflow.base.errors import DigitflowError
from digitflow.verbs import commandline

log = logging.getLogger("digitflow")


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; return the exit status: 0, or 1 after a message about what the user can put right."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(commandline.overview(every="all" in rest))
        return 0
    verbs = commandline.all_verbs()
    if name not in verbs:
        close = difflib.get_close_matches(name, verbs, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        print(f"error: {name}: no such verb; {hint}digitflow --help lists the verbs", file=sys.stderr)
        return 1
    given, log_path = commandline.parse(verbs[name], rest)
    try:
        logs.start(log_path, logs.name_of(log_path) if log_path else None)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return _run(verbs[name], given)


def _run(verb: commandline.Verb, given: dict) -> int:
    """Call a verb; map a user's mistake to exit status 1, an interruption to 130, a fault of ours to 2.

    A verb may return an exit status of its own.
    """
    started = time.monotonic()
    try:
        if "store" in given:
            given["store"] = _kept(verb, given) if given["store"] else None
        status = verb(**given)
        if sys.stdout:  # None if it is closed
            sys.stdout.flush()
    except BrokenPipeError:  # `digitflow compare ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return 128 + signal.SIGPIPE
    except (DigitflowError, OSError) as error:  # the system's own message says which disk is full
        log.error(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        log.error("interrupted")
        return 130
    except MemoryError as error:
        log.error(
            f"error: {str(error) or 'out of memory'}: this needs more memory than there is; use a smaller "
            "network or batch_size"
        )
        return 1
    except Exception:
        log.exception("this is a fault in digitflow itself; report it with these lines:")
        return 2
    log.debug(f"done in {time.monotonic() - started:.2f} s")
    return status or 0


def _kept(verb: commandline.Verb, given: dict):
    # Imported here: other jobs do not need it, and no training's code depends on it.
    from digitflow.competing import store

    return store.Kept(given["store"], commandline.outputs(verb, given))


if __name__ == "__main__":
    sys.exit(main())
