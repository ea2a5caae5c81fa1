"""The plain numpy network and the same one in Keras: seconds per epoch in interleaved rounds, and ratios.

    python benchmarks/train_mlp.py [--rounds 9] [--optimizer sgd]

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
from collections.abc import Callable

from measure import ARCHIVE, PROJECT, spread

ROWS, CLASSES, SEED, WARM_UP = 37_800, 10, 0, 2
FRAMEWORKS = ("numpy", "keras")


def data_and_settings(optimizer: str, epochs: int):
    """The data, without validation rows, and the settings for both trainings."""
    import numpy as np

    from digitflow.dataset.mnist import read_mnist
    from digitflow.training.data import Data
    from digitflow.training.settings import Settings

    images, labels = read_mnist(ARCHIVE)
    settings = Settings("mlp", "keras_mlp", epochs, batch_size=200, learning_rate=0.01, optimizer=optimizer)
    rows, labels = np.arange(ROWS), labels[:ROWS].astype(np.int64)
    return Data(images.reshape(-1, 28, 28), (rows, labels), (rows[:0], labels[:0])), settings


def numpy_epoch(optimizer: str, epochs: int) -> Callable[[int], None]:
    """A function that trains for an epoch of the given number."""
    from digitflow.models.numpy_mlp import mlp
    from digitflow.training.numpy_trainer import GradientLearner

    data, settings = data_and_settings(optimizer, epochs)
    learner = GradientLearner(mlp((28, 28), CLASSES), data, CLASSES, settings, SEED)
    return lambda epoch: learner.learn(epoch * learner.per_epoch, (epoch + 1) * learner.per_epoch)


def keras_epoch(optimizer: str, epochs: int) -> Callable[[int], None]:
    """A function that trains for an epoch of the given number."""
    from digitflow.training import keras_trainer as training
    from digitflow.training import schedule
    from digitflow.training.batches import Batches
    from digitflow.training.history import one_hot

    training.prepare("cpu")
    import keras
    from keras import layers

    (images, (rows, labels), _), settings = data_and_settings(optimizer, epochs)
    dense = layers.Dense(800, activation="relu"), layers.Dense(CLASSES, activation="softmax")
    network = keras.Sequential([keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten(), *dense])
    batches = Batches(images, rows, one_hot(labels, CLASSES), settings, SEED)
    rates = schedule.make(settings.schedule, batches.num_batches, batches.per_epoch, settings.learning_rate)
    network.compile(
        training.make_optimizer(settings, rates, batches.num_batches),
        keras.losses.CategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    options = {"steps_per_epoch": batches.per_epoch, "shuffle": False, "verbose": 0}

    def train(epoch: int) -> None:
        with training.read_ahead(
            batches, epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch
        ) as ready:
            network.fit(ready, initial_epoch=epoch, epochs=epoch + 1, **options)

    return train


def work(framework: str, optimizer: str, rounds: int) -> None:
    """For each line that comes in, train for an epoch and print its wall and CPU seconds."""
    epochs = WARM_UP + rounds
    train = {"numpy": numpy_epoch, "keras": keras_epoch}[framework](optimizer, epochs)
    for epoch in range(epochs):
        sys.stdin.readline()
        start, cpu = time.perf_counter(), time.process_time()
        train(epoch)
        print(time.perf_counter() - start, time.process_time() - cpu, flush=True)


def take_turns(optimizer: str, rounds: int) -> list[str]:
    """Let the two processes train in turn; return lines with the times they took."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
    workers = {}
    for framework in FRAMEWORKS:
        command = [sys.executable, __file__, "--rounds", str(rounds), "--optimizer", optimizer]
        command += ["--work", framework]
        threads = {"OPENBLAS_NUM_THREADS": "1"} if framework == "numpy" else {}
        workers[framework] = subprocess.Popen(
            command, env=environment | threads, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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
    lines = [
        f"{optimizer}, {rounds} rounds; seconds per epoch of {ROWS:,} images, median (smallest to largest)"
    ]
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
    parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
    parser.add_argument("--work", choices=FRAMEWORKS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work, args.optimizer, args.rounds)
    else:
        print("\n".join(take_turns(args.optimizer, args.rounds)))


if __name__ == "__main__":
    main()
