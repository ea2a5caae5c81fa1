"""Answers that depend only on their questions, kept from one start of a run to the next.

Each is a small file in `.snakemake/`, where it is in nobody's way and may be deleted at any time. It says
which question it answers, and is ignored for any other. If nothing can be kept, all is worked out again.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from digitflow.base.files import digest_of_json

FOLDER = Path(".snakemake", "digitflow-answers")


def known_answer(name: str, question: Any) -> Any:
    """The answer to a question, which may be any JSON value; None if it is not known."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads((FOLDER / name).read_text(encoding="utf-8"))
        return kept["answer"] if kept["question"] == digest_of_json(question) else None
    return None


def keep_answer(name: str, question: Any, answer: Any) -> None:
    """Keep the answer to a question, replacing the last answer of this name."""
    with contextlib.suppress(OSError):  # for example without .snakemake/: a folder without runs stays clean
        FOLDER.mkdir(exist_ok=True)
        text = json.dumps({"question": digest_of_json(question), "answer": answer})
        (FOLDER / name).write_text(text, encoding="utf-8")
