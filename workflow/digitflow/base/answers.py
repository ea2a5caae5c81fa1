"""Answers that follow from their questions alone, kept from one start of a run to the next.

Each is a small file in `.snakemake/`, where it is in nobody's way and may be deleted at any time. It says
which question it answers: to another one it is none. Where nothing can be kept, all is found out anew.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from digitflow.base.files import digest_of_json

FOLDER = Path(".snakemake", "digitflow-answers")


def known_answer(name: str, question: Any) -> Any:
    """The answer to a question, which is anything that JSON can say; None: it is not known."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads((FOLDER / name).read_text(encoding="utf-8"))
        return kept["answer"] if kept["question"] == digest_of_json(question) else None
    return None


def keep_answer(name: str, question: Any, answer: Any) -> None:
    """Keep the answer to a question in the place of the last answer of this name."""
    with contextlib.suppress(OSError):  # among others where nothing has run: there nothing is left, either
        FOLDER.mkdir(exist_ok=True)
        text = json.dumps({"question": digest_of_json(question), "answer": answer})
        (FOLDER / name).write_text(text, encoding="utf-8")
