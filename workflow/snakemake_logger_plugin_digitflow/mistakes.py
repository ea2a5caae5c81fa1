"""Mistakes on the command line, and a locked folder, that Snakemake explains poorly: what to type."""

import difflib
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

# Options that take every word after them.
FILES, VALUES = ("--configfile", "--configfiles"), ("--config", "-C")
TARGET = "target"
NO_RULE = re.compile(r"MissingRuleException:\nNo rule to produce (.*) \(if you use .*", re.DOTALL)
STUDY = re.compile(r"results/studies/([^/]+)/.*")
RATES = re.compile(r"results/learning_rates/([^/]+)\.(?:png|csv)")
PREDICTIONS = re.compile(r"results/predictions(?:/([A-Za-z]\w*)\.csv)?", re.ASCII)
MANY_FILES = "error: Target rules may not contain wildcards."
COLON = re.compile(r"(\w+)\s*:\s*(.*)", re.DOTALL)  # a key and its value, as a file has them
DOTTED = re.compile(r"(\w+)\.(\w+)=(.*)", re.DOTALL)
LOCKED = "LockException:"
LIST = "snakemake --list-target-rules shows the rules that can be named"


def of_the_command(arguments: Iterable[str], folder: Path) -> str | None:
    """What is wrong with the configuration that a command names, or with where it stands; None: nothing.

    `folder` is the one that the command was given in.
    """
    groups = [[""]]  # an option and its words; first come words without one
    for word in arguments:
        if word.startswith("-"):
            groups.append([word])
        else:
            groups[-1].append(word)
    targets, rest, wrong, greedy = [], [], [], ""
    for option, *words in groups:
        if option in VALUES and any(_open_brackets(word) for word in words):
            text = " ".join(words)
            return f"error: {option} {text}: the shell takes this apart; put it in quotes: {option} '{text}'"
        mistakes = {word: _mistake(option, word, folder) for word in words}
        taken = [word for word in words if mistakes[word] == TARGET]
        others = [word for word in words if word not in taken]
        wrong += filter(None, map(mistakes.get, others))
        targets += taken
        greedy = option if taken else greedy
        rest += [option, *others] if others or not taken else []
    if targets:
        command = shlex.join(["snakemake", *targets, *filter(None, rest)])
        return (
            f"error: {', '.join(targets)}: read as configuration, because {greedy} takes all words after it; "
            f"put what is to be made first:\n{command}"
        )
    return f"error: {wrong[0]}" if wrong else None


def _open_brackets(word: str) -> bool:
    """Whether a word opens a bracket that it does not close, or the other way round."""
    opened, closed = (sum(map(word.count, brackets)) for brackets in ("{[", "}]"))
    return opened != closed


def _mistake(option: str, word: str, folder: Path) -> str | None:
    """What is wrong with a word behind an option; TARGET: it was meant to be one. None: nothing."""
    # Imported now that the run has failed: earlier, it would decide which clone's digitflow a Snakefile gets.
    from digitflow.base.errors import ConfigError
    from digitflow.config.loading import load_file

    if option in VALUES and (colon := COLON.match(word)):
        value = colon[2] or "VALUE"
        return f"{word}: {option} takes KEY=VALUE: {option} {shlex.quote(f'{colon[1]}={value}')}"
    if option in VALUES and (inner := DOTTED.match(word)):
        return f"{word}: a key within a key goes in braces: {option} '{inner[1]}={{{inner[2]}: {inner[3]}}}'"
    if option in VALUES and "=" not in word:
        return TARGET
    if option not in FILES:
        return None
    try:
        load_file(folder / word)
    except ConfigError as error:
        is_configuration = Path(word).suffix in (".yaml", ".yml", ".json")
        return str(error).replace(f"{folder}/", "") if is_configuration else TARGET
    return TARGET if word.startswith("results/") else None


def of_the_lock(text: str, arguments: Iterable[str]) -> str | None:
    """What to say if an error of Snakemake's is that the folder is locked; None: it is another error."""
    if not text.startswith(LOCKED):
        return None
    words = [*arguments]
    end = words.index("--") if "--" in words else len(words)
    command = shlex.join(["snakemake", *words[:end], "--unlock", *words[end:]])
    return (
        "error: another run is working in this folder, or a crash has left its lock; if no run or job of "
        f"this folder is among those that pgrep -af 'snakemake|m digitflow' shows, remove it:\n{command}"
    )


def of_the_target(text: str, arguments: Iterable[str], targets: Callable[[], Mapping[str, str]]) -> str:
    """What to say for an error of Snakemake's: another text where a target is wrong.

    `targets` gives what can be asked for, by what a person may write: rules and files by their own names, the
    name of a rule that makes many files by one of these.
    """
    if found := NO_RULE.fullmatch(text):
        known, target = targets(), os.path.relpath(found[1])
        further = PREDICTIONS.fullmatch(target)
        if further and not any(path.startswith("results/predictions/") for path in known):
            key = f"predict={{{further[1] or 'NAME'}: FILE}}"
            return f"error: {found[1]}: no rule makes this; name the images to label: --config '{key}'"
        study = STUDY.fullmatch(target)
        if study and not any(path.startswith(f"results/studies/{study[1]}/") for path in known):
            return (
                f"error: {found[1]}: no study is called {study[1]} here; those of the lessons come with "
                "--configfile config/experiments.yaml, after the target"
            )
        rates = RATES.fullmatch(target)
        if rates and any(path.startswith(f"results/models/{rates[1]}/") for path in known):
            return (
                f"error: {found[1]}: {rates[1]} is not a Keras model, and a rate can be looked for with "
                "these only; a study compares rates for any model: vary: {learning_rate: [...]}"
            )
        page = f"{target}/index.html"
        close = [page] if page in known else difflib.get_close_matches(target, known, n=1)
        hint = f" did you mean {known[close[0]]}?" if close else ""
        return f"error: {found[1]}: no rule makes this;{hint} {LIST}"
    if text.startswith(MANY_FILES):
        known = targets()
        named = [word for word in arguments if known.get(word, word) != word]
        files = ", ".join(known[word] for word in named)
        return f"error: {', '.join(named)}: makes many files; ask for one of them, such as {files}"
    return text
