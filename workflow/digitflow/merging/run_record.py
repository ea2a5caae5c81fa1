"""What a run was made from: results/run.json beside the submission."""

import itertools
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from digitflow.base.checksums import of_images, read_made_from, sha256
from digitflow.base.files import digest_of_json, read_json, write_json
from digitflow.training import device

CLONE = Path(__file__).parents[3]
PACKAGES = ("snakemake", "keras", "tensorflow", "jax", "torch", "numpy", "opencv-python-headless")
# The pins that an environment was made from: those that are installed, whatever is pinned now.
PINS = {"main": Path(sys.prefix, "main.installed"), "mxnet": CLONE / ".venvs" / "mxnet" / "pins.txt"}
MODELS = Path("results", "models")
OF_THE_DATA = ("fetch_mnist", "fetch_kaggle", "accept_kaggle", "csv_to_idx/train", "csv_to_idx/test")
OF_THE_DATA += ("write_lst", "write_test_lst")
DONE = re.compile(r"done in ([0-9.]+) s")


def write(
    path: Path,
    submission: Path,
    configuration: Any,
    code: str,
    checksums: Sequence[Path],
    list_checksums: Path,
    lists: Sequence[Path],
    files: Sequence[Path],
    probabilities: Sequence[Path],
    classes: Sequence[str],
) -> None:
    """Write time, commit, configuration, digests, versions, machine and seconds; git may be missing.

    `code`: a digest of the code that the submission comes from, which also shows changes that no commit has.
    Which CSVs and corrections were read is in the .sfv files, which have it from the jobs that read them:
    `checksums`, of the images, and `list_checksums`. `files`: submission files that were merged.
    `probabilities`: of the trainings that were merged, beside their metrics. `classes`: their names.
    """
    trainings = {
        str(path.parent.relative_to(MODELS)): read_json(path.with_name("metrics.json"))
        for path in probabilities
    }
    digests = {
        "submission": sha256(submission),
        "code": code,
        "images": of_images(checksums),
        "classes": digest_of_json(classes),
        "csvs": read_made_from(checksums) | {str(name): sha256(name) for name in files},
        "corrections": next(iter(read_made_from([list_checksums]).values()), None),
        "lists": {str(name): sha256(name) for name in lists},
        "pins": {place: sha256(path) for place, path in PINS.items() if path.exists()},
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
            "versions": _versions(trainings),
            "machine": {"system": platform.platform(), "cpu": device.cpu_name(), "cores": device.cores()},
            "seconds": _seconds(Path("logs"), _logs(trainings, configuration)),
        },
    )


def _git_state() -> tuple[str | None, bool | None]:
    """The commit of the clone, and whether files differ from it; None if git cannot tell."""
    commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    return (commit.strip(), bool(status)) if commit is not None and status is not None else (None, None)


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(CLONE), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _versions(trainings: Mapping[str, Any]) -> dict[str, str]:
    """What is installed here, and MXNet's version as its trainings tell it."""
    found = {"python": platform.python_version()}
    found |= {name: version for name in PACKAGES if (version := device.installed_version(name))}
    for metrics in trainings.values():
        if metrics["framework"] == "mxnet":
            found["mxnet"] = metrics["versions"]["mxnet"]
    return found


def _logs(trainings: Mapping[str, Any], configuration: Any) -> Iterator[str]:
    """The logs of the jobs that the submission is made from; others are from earlier configurations.

    `trainings`: metrics by name, as `cnn/seed0`.
    """
    folds, shards = configuration["validation"]["folds"], configuration["rec"]["shards"]
    parts = [f"/fold{fold}" for fold in range(folds)] if folds > 1 else [""]
    yield from OF_THE_DATA
    if configuration["png"]["enabled"]:
        yield from ("idx_to_png/train", "idx_to_png/test")
    if any(metrics["framework"] == "mxnet" for metrics in trainings.values()):
        for fold, part, shard in itertools.product(parts, ("train", "valid"), range(shards)):
            yield f"pack_rec{fold}/{part}" + (f"_{shard:03d}" if shards > 1 else "")
    if configuration["merge"]["weights"] == "auto":
        yield "fit_weights"
    for training, metrics in trainings.items():
        model, _, seed = training.rpartition("/")
        for fold in parts:
            yield f"train_{metrics['framework']}/{model}-{seed}{fold}"
            yield f"predict_{metrics['framework']}/{model}-{seed}{fold}-test"
        yield from (f"collect_folds/{model}-{seed}", f"average_folds/{model}-{seed}-test")
    yield from {f"submit_model/{training.rpartition('/')[0]}" for training in trainings}


def _seconds(folder: Path, logs: Iterable[str]) -> dict[str, float]:
    """The seconds of each rule's jobs together, by the last lines of their logs."""
    seconds: dict[str, float] = {}
    for name in logs:
        log = folder / f"{name}.log"
        if not log.exists():
            continue
        last = log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
        if match := DONE.search(last):
            rule = name.partition("/")[0]
            seconds[rule] = round(seconds.get(rule, 0) + float(match[1]), 2)
    return seconds
