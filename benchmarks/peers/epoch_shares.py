"""Where the time of a training goes: seconds of its start, and of an epoch's waiting, steps and validation.

Usage: epoch_shares.py keras|mxnet FOLDER SETTINGS SINCE. The folder was written by `prepare`; SETTINGS are a
model's as JSON, SINCE is when this process was started, in seconds since 1970. Everything built or compiled
by the first step and the first validation belongs to the start. Waiting is the time the training waits for
its next batch. One thread computes, as in a run that trains two networks on two cores, and another makes the
batches.
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from digitflow.dataset import lists, packing
from digitflow.formats import idx
from digitflow.training.settings import Settings

CLASSES, SEED, THREADS = 10, 0, 1
Epoch = tuple[Iterator, Callable, Callable[[], object]]  # batches, what a step and a validation do


def prepare(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write images uint8 (n, h, w) in the forms both frameworks read; the last tenth is for validation."""
    trains = np.arange(len(images)) < len(images) - len(images) // 10
    idx.write(folder / "images", images)
    idx.write(folder / "labels", labels)
    listing = lists.of_rows("train", len(images), labels, "0123456789")
    for name, chosen in (("train", trains), ("valid", ~trains)):
        rec = folder / f"{name}.rec"
        packing.pack(rec, rec.with_suffix(".idx"), listing.select(chosen), folder / "images")


@contextlib.contextmanager
def keras_epoch(folder: Path, settings: Settings) -> Iterator[Epoch]:
    """An epoch of Keras' training, on the backend in KERAS_BACKEND."""
    from digitflow.training import keras_trainer as training
    from digitflow.training.data import Data

    training.prepare("auto", THREADS)
    from digitflow.training.keras_kernels import tensorflow_kernels

    images, labels = (np.array(idx.read(folder / name)) for name in ("images", "labels"))
    parts = np.split(np.arange(len(images)), [len(images) - len(images) // 10])
    data = Data(images, *((rows, labels[rows].astype(np.int64)) for rows in parts))
    learner = training.KerasLearner(data, CLASSES, settings, SEED)
    with (
        training.read_ahead(learner.batches, 0, learner.per_epoch) as ready,
        tensorflow_kernels(learner.model),
    ):
        yield iter(ready), lambda batch: learner.model.train_on_batch(*batch), learner.predict


@contextlib.contextmanager
def mxnet_epoch(folder: Path, settings: Settings) -> Iterator[Epoch]:
    """An epoch of MXNet's training."""
    from digitflow.training import mxnet_trainer as training

    context, _ = training.prepare("auto", THREADS)
    import mxnet as mx

    records = [[(folder / f"{name}.rec", folder / f"{name}.idx")] for name in ("train", "valid")]
    opened = [training.open_records(training.check_records(parts, CLASSES)) for parts in records]
    with opened[0] as train, opened[1] as valid:
        learner = training.MXNetLearner(train, valid, CLASSES, settings, SEED, context)
        numbers = itertools.count()

        def step(batch: tuple) -> None:
            learner.step(next(numbers), *batch[:2])
            mx.nd.waitall()  # finish queued work, or it would count as waiting for the next batch

        yield learner.shuffled(0), step, learner.predict


def shares(epoch: Epoch, since: float) -> list[float]:
    """Seconds of start, waiting, steps and validation."""
    batches, step, validate = epoch
    step(next(batches))
    validate()
    start, waiting, stepping = time.time() - since, 0.0, 0.0
    last = time.perf_counter()
    for batch in batches:
        ready = time.perf_counter()
        step(batch)
        waiting, last = waiting + ready - last, time.perf_counter()
        stepping += last - ready
    validate()
    return [start, waiting, stepping, time.perf_counter() - last]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=["keras", "mxnet"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("settings")
    parser.add_argument("since", type=float)
    args = parser.parse_args()
    settings = Settings.from_dict(json.loads(args.settings))
    settings = dataclasses.replace(settings, epochs=1, checkpoint_steps=1)  # it takes one step at a time
    begin = {"keras": keras_epoch, "mxnet": mxnet_epoch}[args.framework]
    with begin(args.folder, settings) as epoch:
        print(*shares(epoch, args.since))
