"""What a run was made from: results/run.json beside the submission."""

import importlib.metadata
import platform
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digitflow.base.checksums import read_made_from, sha256
from digitflow.base.files import write_json
from digitflow.training import device

CLONE = Path(__file__).parents[3]
PACKAGES = ("snakemake", "keras", "tensorflow", "jax", "torch", "numpy", "opencv-python-headless")
DONE = re.compile(r"done in ([0-9.]+) s")


def write(
    path: Path,
    submission: Path,
    configuration: Any,
    code: str,
    checksums: Sequence[Path],
    list_checksums: Path,
    lists: Sequence[Path],
    files: Sequence[Path] = (),
) -> None:
    """Write time, commit, configuration, digests, versions, machine and seconds; git may be missing.

    `code`: a digest of the code that the submission comes from, which tells changes apart that no commit has.
    What CSVs and corrections were is told by the .sfv files, which have it from the jobs that read them:
    `checksums`, of the images, and `list_checksums`. `files`: submission files that were merged.
    """
    corrections = [*read_made_from([list_checksums]).values()]
    pins = sorted((CLONE / "workflow" / "envs").glob("*.lock.txt"))
    digests = {
        "submission": sha256(submission),
        "code": code,
        "csvs": read_made_from(checksums) | {str(name): sha256(name) for name in files},
        "corrections": corrections[0] if corrections else None,
        "lists": {str(name): sha256(name) for name in lists},
        "pins": {name.name: sha256(name) for name in pins},
    }
    commit, changed = _git_state()
    write_json(
        path,
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "commit": commit,
            "changed": changed,
            "configuration": configuration,
            "digests": digests,
            "versions": _versions(),
            "machine": {
                "system": platform.platform(),
                "cpu": device.cpu_name(),
                "cores": device.cores(),
            },
            "seconds": _seconds(Path("logs")),
        },
    )


def _git_state() -> tuple[str | None, bool | None]:
    """The commit of the clone, and whether files differ from it; None where git cannot tell."""
    commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    return (commit.strip(), bool(status)) if commit is not None and status is not None else (None, None)


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(CLONE), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _seconds(logs: Path) -> dict[str, float]:
    """The seconds of each rule's jobs together, by the last lines of their logs."""
    seconds: dict[str, float] = {}
    for log in sorted(logs.rglob("*.log")) if logs.is_dir() else ():
        last = log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
        if match := DONE.search(last):
            rule = log.relative_to(logs).parts[0].removesuffix(".log")
            seconds[rule] = round(seconds.get(rule, 0) + float(match[1]), 2)
    return seconds
