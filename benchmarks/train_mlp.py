"""The plain numpy network and the same one in Keras: seconds per epoch in interleaved rounds, and ratios.

    python benchmarks/train_mlp.py [--rounds 9]

784-800-10 with ReLU, batches of 200, on 37,800 MNIST images, both through digitflow's own training, with the
same batches, optimizer and settings. Two processes stay warm and take turns, an epoch each, so that a slow
minute of the machine slows both. numpy has one thread, as in the workflow; Keras has all cores. CPU seconds
are those of all threads: on a shared machine they say more than the clock.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

from measure import ARCHIVE, spread

ROWS, CLASSES, SEED, WARM_UP = 37_800, 10, 0, 2
FRAMEWORKS = ("numpy", "keras")


def make_learner(framework: str, epochs: int):
    """The learner that digitflow trains this network with, in a framework; without validation rows."""
    import numpy as np

    from digitflow.dataset.mnist import read_mnist
    from digitflow.training.data import Data
    from digitflow.training.settings import Settings

    images, labels = read_mnist(ARCHIVE)
    rows, labels = np.arange(ROWS), labels[:ROWS].astype(np.int64)
    data = Data(images.reshape(-1, 28, 28), (rows, labels), (rows[:0], labels[:0]))
    fixed = {"batch_size": 200, "learning_rate": 0.01, "optimizer": "sgd", "precision": "float32"}
    settings = Settings("mlp", f"{framework}_mlp", epochs, **fixed)
    if framework == "numpy":
        from digitflow.training import numpy_trainer

        return numpy_trainer.make_learner(data, CLASSES, settings, SEED)
    from digitflow.training import keras_trainer

    keras_trainer.prepare("cpu")
    return keras_trainer.KerasLearner(data, CLASSES, settings, SEED)


def work(framework: str, rounds: int) -> None:
    """For each line that comes in, train for an epoch and print its wall and CPU seconds."""
    epochs = WARM_UP + rounds
    learner = make_learner(framework, epochs)
    for epoch in range(epochs):
        sys.stdin.readline()
        start, cpu = time.perf_counter(), time.process_time()
        learner.learn(epoch * learner.per_epoch, (epoch + 1) * learner.per_epoch)
        print(time.perf_counter() - start, time.process_time() - cpu, flush=True)


def take_turns(rounds: int) -> list[str]:
    """Let the two processes train in turn; return lines with the times they took."""
    workers = {}
    for framework in FRAMEWORKS:
        command = [sys.executable, __file__, "--rounds", str(rounds), "--work", framework]
        threads = {"OPENBLAS_NUM_THREADS": "1"} if framework == "numpy" else {}
        workers[framework] = subprocess.Popen(
            command, env=os.environ | threads, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    took = {framework: [] for framework in FRAMEWORKS}
    for turn in range(WARM_UP + rounds):
        for framework, worker in workers.items():
            print(file=worker.stdin, flush=True)
            seconds = [float(word) for word in worker.stdout.readline().split()]
            if turn >= WARM_UP:
                took[framework].append(seconds)
    for framework, worker in workers.items():
        worker.stdin.close()
        if worker.wait():
            raise SystemExit(f"{framework}: exit status {worker.returncode}")
    lines = [f"sgd, {rounds} rounds; seconds per epoch of {ROWS:,} images, median (smallest to largest)"]
    for place, clock in enumerate(("wall", "CPU")):
        times = {framework: [pair[place] for pair in took[framework]] for framework in FRAMEWORKS}
        for framework, seconds in times.items():
            lines.append(f"{clock:4} {framework:6} {statistics.median(seconds):.2f} ({spread(seconds)})")
        ratios = [mine / theirs for mine, theirs in zip(*times.values(), strict=True)]
        lines.append(
            f"{clock:4} numpy / Keras, median of the rounds' ratios: {statistics.median(ratios):.2f}"
        )
    return lines


def main() -> None:
    """Parse the flags."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--work", choices=FRAMEWORKS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work, args.rounds)
    else:
        print("\n".join(take_turns(args.rounds)))


if __name__ == "__main__":
    main()
