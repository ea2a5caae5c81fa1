"""How the rules are written: what a failing job leaves."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
RULES = sorted((PROJECT / "rules").glob("*.smk"))
OUTPUT = re.compile(r"^( +)output:\n((?:\1 +.*\n)+)", re.MULTILINE)
# Outputs that Snakemake may remove before the job, and why: all others stay until there are whole new ones.
REMOVED_FIRST = {
    "environments: installed": "an environment whose installation failed must not look installed",
    "fetch: archive": "it comes out of a shadow folder, by a move",
    "kaggle: manifest": "temporary",
    "kaggle: plan": "what was to be sent before must not be sent now",
    "kaggle: submitted": "what was sent before must not stand for what was not sent now",
}


def outputs(path: Path) -> list[tuple[str, str]]:
    """The name, after that of the rule file, and the text of every output."""
    found = []
    for _, block in OUTPUT.findall(path.read_text()):
        depth = len(block) - len(block.lstrip())
        parts = re.split(rf"^ {{{depth}}}(\w+)=", block, flags=re.MULTILINE)[1:]
        assert parts, f"{path}: an output without a name: {block}"
        names = [f"{path.stem}: {name}" for name in parts[::2]]
        found += zip(names, parts[1::2], strict=True)
    return found


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_output_stays_where_a_job_fails_or_has_a_reason(path):
    removed = {
        name
        for name, text in outputs(path)
        if text.strip() != "[]," and "update(" not in text and name not in REMOVED_FIRST
    }
    assert removed == set()


def test_each_reason_is_that_of_an_output():
    names = {name for path in RULES for name, text in outputs(path) if "update(" not in text}
    assert REMOVED_FIRST.keys() <= names


def test_each_caption_of_the_report_is_that_of_an_output():
    found = [re.findall(r"reported\(\s*(?:update\()?f?\"([^\"]+)\"", path.read_text()) for path in RULES]
    stems = {Path(output).stem for outputs in found for output in outputs}
    captions = {path.stem for path in (PROJECT / "workflow" / "report").glob("*.rst")}
    assert captions - stems == {"workflow"}  # the report's own first page
