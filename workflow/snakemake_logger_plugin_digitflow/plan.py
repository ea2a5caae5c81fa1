"""What a dry run prints: the jobs that would run, why in a few words, and how many they are."""

import ast
import json
import logging
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

MANY = 6  # jobs of one rule; more than these share a line
ROOM = 60  # characters for the files, rules or settings that a reason names
NAME_WIDTH = 32  # longer names push what follows to the right

# How Snakemake's reasons begin, and what is said instead. Behind most of them is a list.
REASONS = {
    "Forced execution": "forced",
    "Missing output files": "missing:",
    "Incomplete output files": "cut off while it was made:",
    "Updated input files": "changed:",
    "Params have changed since last execution": "changed:",
    "Code has changed since last execution": "changed: the rule itself",
    "Set of input files has changed since last execution": "changed: which files it reads",
    "Input files updated by another job": "after",
}
REASON = re.compile(rf"(?:^|; )({'|'.join(REASONS)})(?:: |(?=; |$))")
PARAMS = re.compile(r".*\bbefore: (.*) now: (.*)", re.DOTALL)
DIGEST = re.compile("[0-9a-f]{16}")  # of the code that a verb reaches, or of pinned versions
CODE = "code or pins"
STAMP = re.compile("[0-9a-f]{20}")  # of files of the user's
# In the place of all params: why a job runs again.
WITHOUT_PARAMS = {
    "unfinished": "it failed when it was tried last",
    "put back": "an older file is in the place of what it made",
    "gone in part": "the folder beside what it made is gone",
}
OWN_FILES = "files of yours that it reads"


@dataclass(frozen=True)
class PlannedJob:
    """A job that would run: its name, why (words, and what they are about), and its command."""

    name: str
    reasons: dict[str, list[str]]
    command: str


@dataclass
class Plan:
    """The jobs of a dry run, by rule, the rules in the order in which Snakemake comes to them."""

    show_commands: bool
    stats: Mapping[str, int] = field(default_factory=dict)  # by rule, and in total: how many jobs
    jobs: dict[str, list[PlannedJob]] = field(default_factory=dict)
    makers: dict[str, str] = field(default_factory=dict)  # by file: the rule that would make it

    def add(self, name: str, record: logging.LogRecord) -> None:
        """Add a job, as Snakemake's record has it; the jobs that make its inputs have been added before."""
        for path in record.output:
            self.makers[re.sub(r" \(\w+\)$", "", path)] = record.rule_name
        job = PlannedJob(name, self._reasons(record.reason), (record.shellcmd or "").strip())
        self.jobs.setdefault(record.rule_name, []).append(job)

    def lines(self) -> Iterator[str]:
        """A line for each job, or one for all jobs of a rule where they are many; then how many they are."""
        width = max([NAME_WIDTH, *(len(job.name) for jobs in self.jobs.values() for job in jobs)])
        for rule, jobs in self.jobs.items():
            if len(jobs) > MANY and not self.show_commands:
                yield f"{f'{rule} ({len(jobs)} jobs)':{width}} {why(jobs)}"
                continue
            for job in sorted(jobs, key=lambda job: job.name):
                yield f"{job.name:{width}} {why([job])}"
                if self.show_commands:
                    yield textwrap.indent(job.command, "    ")
        total = f"{self.stats['total']} job{'s' * (self.stats['total'] != 1)} would run"
        yield f"{total}; this was a dry run" if self.jobs else counted(self.stats, " would run")

    def _reasons(self, text: str) -> dict[str, list[str]]:
        before, *parts = REASON.split(text)
        found = {before: []} if before else {}  # words that a new release has
        for kind, about in zip(parts[::2], parts[1::2], strict=True):
            words, always, what = REASONS[kind].partition(": ")
            names = about.split(", ") if about else [what] if what else []
            if kind == "Params have changed since last execution":
                names = [*changed_settings(about)] or ["its settings"]
            elif kind == "Input files updated by another job":
                names = [self.makers.get(name, name) for name in names]
            found.setdefault(words + always.strip(), []).extend(names)
        return found


def why(jobs: Iterable[PlannedJob]) -> str:
    """Why jobs would run: that others run before them is said only where there is no other reason.

    A kind of reason that names nothing, as Snakemake has for files that come back, is no reason of its own.
    """
    found: dict[str, set[str]] = {}
    for job in jobs:
        for kind, names in job.reasons.items():
            found.setdefault(kind, set()).update(names)
    kinds = [kind for kind, names in found.items() if names or not kind.endswith(":")]
    kinds = [kind for kind in kinds if kind != "after"] or kinds
    return "; ".join(f"{kind} {some(sorted(found[kind]))}".rstrip() for kind in kinds)


def some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = 1
    while shown < len(names) and len(", ".join(names[: shown + 1])) <= ROOM:
        shown += 1
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if shown < len(names) else "")


def changed_settings(text: str) -> Iterator[str]:
    """What differs between a job's params, by Snakemake's account of both: settings, or a digest of code."""
    if not (found := PARAMS.fullmatch(text)):
        return
    old, new = map(settings, found.groups())
    if told := [WITHOUT_PARAMS[value] for value in old.values() if value in WITHOUT_PARAMS]:
        yield from told
        return
    for key in sorted({*old, *new}):
        before, now = (values.get(key, "default") for values in (old, new))
        if key in (CODE, OWN_FILES) or any(map(STAMP.fullmatch, (before, now))):
            yield key
        elif before != now:
            yield f"{key} {shortened(before)} -> {shortened(now)}".lstrip()


def settings(params: str) -> dict[str, str]:
    """Params by the keys of the sections of the configuration that they are; digests of code by `CODE`."""
    try:
        values = ast.literal_eval(f"[{params}]")
    except (SyntaxError, ValueError):  # "<nothing exclusive>"
        return {}
    found = {}
    for value in map(str, values):
        try:
            digest = CODE if DIGEST.fullmatch(value) else OWN_FILES if STAMP.fullmatch(value) else ""
            section = {digest: value} if digest else json.loads(value)
        except ValueError:
            section = value
        section = section if isinstance(section, dict) else {"": value}
        found |= {key: item if isinstance(item, str) else json.dumps(item) for key, item in section.items()}
    return found


def shortened(text: str) -> str:
    """A text of a line at most."""
    return textwrap.shorten(text, 50, placeholder=" ...")


def counted(stats: Mapping[str, int], would: str = "") -> str:
    """How many jobs of which rules run, or would run."""
    rules = [f"{count}~{rule}" for rule, count in stats.items() if rule != "total"]
    line = f"{stats['total']} job{'s' * (stats['total'] != 1)}{would}: {', '.join(rules)}"
    # A rule's name has no ~, and a line is not broken between a number and its rule.
    return textwrap.fill(line, 100, subsequent_indent="    ", break_on_hyphens=False).replace("~", " ")
