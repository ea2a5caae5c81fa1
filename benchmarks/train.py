"""Training speed of the same nets in Keras on its three backends and in MXNet, in one run.

Writes benchmarks/training.md. Usage: train.py [--rounds N] [--keras NAME=PYTHON ...]: further Pythons that
have Keras, its backend NAME (jax, torch), numpy and OpenCV.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from run import HERE, MAIN, MXNET, PROJECT, TRAIN_CSV, machine, run

NETS = {"mlp": (20_000, 128), "lenet": (5_000, 128)}  # rows and batch


def rate(python: Path, framework: str, net: str, data: Path, **environment: str) -> float:
    """Images a second of one process."""
    rows, batch = NETS[net]
    command = [python, HERE / "peers" / "train_epoch.py", framework, net]
    command += [data / "train-images", data / "train-labels", str(rows), str(batch)]
    settings = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")} | environment
    finished = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    return float(finished.stdout.split()[-1])


def contestants(others: dict[str, Path]) -> dict[str, tuple]:
    """Python, framework and environment variables by name."""
    found = {
        "Keras, TensorFlow (the default)": (MAIN / "python", "keras", {"KERAS_BACKEND": "tensorflow"}),
        "Keras, TensorFlow without oneDNN": (
            MAIN / "python",
            "keras",
            {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": "0"},
        ),
    }
    for backend, python in others.items():
        found[f"Keras, {backend}"] = (python, "keras", {"KERAS_BACKEND": backend})
    found["MXNet Gluon"] = (MXNET, "gluon", {})
    return found


def main() -> None:
    """Run every contestant in turn, several times, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keras", nargs="*", default=[], metavar="NAME=PYTHON")
    args = parser.parse_args()
    runners = contestants({name: Path(path) for name, path in (pair.split("=", 1) for pair in args.keras)})
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        run(MAIN / "python", HERE / "ours.py", "csv_to_idx", TRAIN_CSV, TRAIN_CSV.with_name("test.csv"), data)
        for _ in range(args.rounds):
            for net in NETS:
                for name, (python, framework, environment) in runners.items():
                    rates[net, name].append(rate(python, framework, net, data, **environment))
    (HERE / "training.md").write_text(page(rates, list(runners), args.rounds))
    print((HERE / "training.md").read_text())


def page(rates: dict[tuple[str, str], list[float]], names: list[str], rounds: int) -> str:
    """The results as Markdown."""
    text = [
        "# Training speed",
        "",
        "Written by `benchmarks/train.py`: images a second of the second epoch, medians over rounds that run "
        "every contestant once. The same layers, batches and optimizer (Adam) everywhere; no augmentation. "
        "Compare ratios, not rates.",
        "",
        f"Machine: {machine()}. Rounds: {rounds}.",
        "",
    ]
    for net, (rows, batch) in NETS.items():
        first = statistics.median(rates[net, names[0]])
        text += [f"## {net}: {rows:,} rows, batches of {batch}", ""]
        text += ["| what | images/s | range | of the default |", "|---|---|---|---|"]
        for name in names:
            found = rates[net, name]
            middle = statistics.median(found)
            text.append(
                f"| {name} | {middle:,.0f} | {min(found):,.0f} to {max(found):,.0f} | {middle / first:.2f} |"
            )
        text.append("")
    return "\n".join(text)


if __name__ == "__main__":
    main()
