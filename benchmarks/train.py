"""Training speed: the same nets in every framework, other ways to train one of them, and numpy beside Keras.

Usage: train.py [--rounds N] [--keras NAME=PYTHON ...]: further Pythons that have Keras, its backend NAME
(jax, torch), numpy and OpenCV. With them benchmarks/training.md is written; without, results are only
printed.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import train_mlp
from measure import HERE, MAIN, machine, run, spread, table
from peers import epoch_shares
from run import MXNET, TRAIN_CSV

from digitflow.config import loading
from digitflow.config import models as configured
from digitflow.formats import idx
from digitflow.models.registry import WITHOUT_STEPS

DEFAULT = "Keras on TensorFlow, as digitflow sets it"
NETS = {"mlp": (20_000, 128), "lenet": (5_000, 128), "small_cnn": (5_000, 128)}  # rows and batch
TRIED, OTHER_BATCHES = "lenet", (32, 64, 256, 512)
TRIES = [  # of peers/keras_tries.py, which imports Keras
    *("XLA", "channels first", "max pooling by reshaping", "max pooling by slices"),
    *("average pooling (another net)", "batches by Keras, from arrays"),
]
ABOUT = """# Training speed

Written by `benchmarks/train.py`: images per second in a training's second epoch, each training in its own
process; medians over rounds in which every contestant runs once. All have the same layers, batches and
optimizer (Adam), and no augmentation. Compare ratios, not rates.
"""
DEFAULTS = """TensorFlow is the default backend because it is fast at convolutions, which take most of a run's
time; a purely dense network can be quicker on JAX (`KERAS_BACKEND=jax`). oneDNN, which TensorFlow leaves off
on some CPUs, is switched on, and the number of threads follows the cores that Snakemake grants: neither needs
setting.
"""
ATTEMPTS = """Changes to that training, one at a time. The batch size matters for learning as much as for
speed; the configuration sets it.
"""
DEFAULT_ROWS, SHARES_ROWS = 42_000, 10_500
SHARES = f"""The default networks with all their settings, one at a time: {SHARES_ROWS:,} rows, a tenth of
them for validation, one thread to compute and one to make the batches. Waiting is the time a training waits
for its next batch: warping alongside the steps costs nothing. The start is everything before the epoch: the
process, its imports, the network, whatever the first step and the first validation build; its share is that
of the default training, {DEFAULT_ROWS:,} rows and all epochs.
"""
BY_HAND = "## What a better score costs"  # begins the part of the page that is written by hand, and kept
NUMPY = """784-800-10 with plain SGD and batches of 200 on 37,800 images, taking turns epoch by epoch, numpy
with one thread and Keras with all (`benchmarks/train_mlp.py`). CPU seconds are those of all threads.
"""


@dataclass(frozen=True)
class Contestant:
    """A Python, the framework in it, and how to train with it."""

    python: Path
    framework: str = "keras"
    flags: tuple[str, ...] = ()
    batch: int | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def rate(self, net: str, data: Path) -> float:
        """Images per second of one process."""
        rows, batch = NETS[net]
        command = (self.python, HERE / "peers" / "train_epoch.py", self.framework, net)
        files = data / "train-images", data / "train-labels"
        sizes = str(rows), str(self.batch or batch)
        [rate] = run(*command, *files, *sizes, *self.flags, environment=self.environment).printed
        return rate


def frameworks(others: dict[str, Path]) -> dict[str, Contestant]:
    """The default and its peers, by name."""
    keras = {
        f"Keras on {backend}": Contestant(python, environment={"KERAS_BACKEND": backend})
        for backend, python in others.items()
    }
    return {DEFAULT: Contestant(MAIN / "python"), **keras, "MXNet Gluon": Contestant(MXNET, "gluon")}


def attempts() -> dict[str, Contestant]:
    """The default and changes to it, by name."""
    python = MAIN / "python"
    found = {
        DEFAULT: Contestant(python),
        "without oneDNN": Contestant(python, environment={"TF_ENABLE_ONEDNN_OPTS": "0"}),
        "one thread": Contestant(python, flags=("--threads", "1")),
    }
    found |= {f"batches of {size}": Contestant(python, batch=size) for size in OTHER_BATCHES}
    return found | {name: Contestant(python, flags=("--try", name)) for name in TRIES}


def default_models() -> dict[str, tuple[str, str]]:
    """The framework of each default network, and its settings as JSON, by its name."""
    models = configured.models(loading.load()).items()
    return {
        name: (model["framework"], configured.settings_text(model))
        for name, model in models
        if model["architecture"] not in WITHOUT_STEPS
    }


def seconds_of_parts(framework: str, settings: str, folder: Path) -> list[float]:
    """Seconds of start, waiting, steps and validation."""
    python = {"keras": MAIN / "python", "mxnet": MXNET}[framework]
    script = HERE / "peers" / "epoch_shares.py"
    return run(python, script, framework, folder, settings, str(time.time())).printed


def main() -> None:
    """Run every contestant in turn, several times, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keras", nargs="*", default=[], metavar="NAME=PYTHON")
    args = parser.parse_args()
    peers = frameworks({name: Path(path) for name, path in (pair.split("=", 1) for pair in args.keras)})
    contests = [*((net, peers) for net in NETS), (TRIED, attempts())]
    rates: list[dict[str, list[float]]] = [defaultdict(list) for _ in contests]
    took: dict[str, list[list[float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        run(MAIN / "python", HERE / "ours.py", "csv_to_idx", TRAIN_CSV, TRAIN_CSV.with_name("test.csv"), data)
        parts = [idx.read(data / name)[:SHARES_ROWS] for name in ("train-images", "train-labels")]
        epoch_shares.prepare(data, *parts)
        for _ in range(args.rounds):
            for name, (framework, settings) in default_models().items():
                took[name].append(seconds_of_parts(framework, settings, data))
            for (net, contestants), found in zip(contests, rates, strict=True):
                for name, contestant in contestants.items():
                    found[name].append(contestant.rate(net, data))
    text = page(rates, took, args.rounds, train_mlp.take_turns(9))
    print(text)
    if args.keras:
        path = HERE / "training.md"
        path.write_text("\n".join([text, BY_HAND + path.read_text().partition(BY_HAND)[2]]))


def page(
    rates: list[dict[str, list[float]]],
    took: dict[str, list[list[float]]],
    rounds: int,
    numpy_lines: list[str],
) -> str:
    """The results as Markdown: rates of each net in every framework, rates of the attempts, and shares."""
    *in_frameworks, tried = rates
    parts = [ABOUT, f"Machine: {machine()}. Rounds: {rounds}.\n", DEFAULTS]
    for (net, (rows, batch)), found in zip(NETS.items(), in_frameworks, strict=True):
        parts.append(
            f"## {net} in each framework\n\n{rows:,} rows, batches of {batch}.\n\n{table_of_rates(found)}"
        )
    parts.append(f"## {TRIED}, and what else was tried\n\n{ATTEMPTS}\n{table_of_rates(tried)}")
    parts.append(f"## Where an epoch of the default goes\n\n{SHARES}\n{table_of_shares(took)}")
    lines = "\n".join(numpy_lines)
    parts.append(f"## The numpy network and the same one in Keras\n\n{NUMPY}\n```\n{lines}\n```\n")
    return "\n".join(parts)


def table_of_rates(rates: dict[str, list[float]]) -> str:
    """One row per contestant, each compared with the first."""
    first = statistics.median(rates[DEFAULT])
    rows = []
    for name, found in rates.items():
        middle = statistics.median(found)
        rows.append((name, f"{middle:,.0f}", spread(found, ",.0f"), f"{middle / first:.2f}"))
    return table(("what", "images/s", "range", "of the first"), rows)


def table_of_shares(took: dict[str, list[list[float]]]) -> str:
    """One row per model: the parts of an epoch, and the start's share of the default's whole training."""
    rows = []
    for name, (_, settings) in default_models().items():
        epochs = json.loads(settings)["epochs"] * DEFAULT_ROWS / SHARES_ROWS
        of_epoch = [[100 * part / sum(parts) for part in parts] for _, *parts in took[name]]
        of_whole = [100 * start / (start + epochs * sum(parts)) for start, *parts in took[name]]
        medians = [statistics.median(part) for part in [*zip(*of_epoch, strict=True), of_whole]]
        rows.append((name, *(f"{part:.1f} %" for part in medians)))
    return table(("model", "waiting", "steps", "validation", "start, of the whole"), rows)


if __name__ == "__main__":
    main()
