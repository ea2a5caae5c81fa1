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
    from digitflow.training import schedule
    from digitflow.training.batches import Batches
    from digitflow.training.data import PREDICT_ROWS
    from digitflow.training.history import one_hot

    training.prepare("auto", THREADS)
    import keras

    images, labels = (np.array(idx.read(folder / name)) for name in ("images", "labels"))
    labels = labels.astype(np.int64)
    model = training.build_network(images.shape[1:], CLASSES, settings, SEED)
    validates = len(images) // 10
    rows = np.arange(len(images) - validates)
    batches = Batches(images, rows, one_hot(labels[rows], CLASSES), settings, SEED)
    rates = schedule.make(settings.schedule, batches.num_batches, batches.per_epoch, settings.learning_rate)
    optimizer = training.make_optimizer(settings, rates, batches.num_batches)
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(), metrics=["accuracy"])
    validation = images[-validates:], keras.utils.to_categorical(labels[-validates:], CLASSES)
    options = {"batch_size": PREDICT_ROWS, "verbose": 0}
    with training.read_ahead(batches, 0, batches.per_epoch) as ready:
        yield (
            iter(ready),
            lambda batch: model.train_on_batch(*batch),
            lambda: model.evaluate(*validation, **options),
        )


@contextlib.contextmanager
def mxnet_epoch(folder: Path, settings: Settings) -> Iterator[Epoch]:
    """An epoch of MXNet's training."""
    from digitflow.training import mxnet_trainer as training

    context, _ = training.prepare("auto", THREADS)
    import mxnet as mx

    from digitflow.training import mxnet_networks

    records = [[(folder / f"{name}.rec", folder / f"{name}.idx")] for name in ("train", "valid")]
    opened = [training.open_records(training.check_records(parts, CLASSES)) for parts in records]
    with opened[0] as train, opened[1] as valid:
        network = mxnet_networks.build(settings, train.shape, CLASSES, settings.batch_size, context)
        warp = training.warp(settings.augment, train.shape[1:])

        def step(batch: tuple) -> None:
            network.set_rate(settings.learning_rate)
            network.step(*batch[:2])
            network.decay(settings.learning_rate * settings.weight_decay)
            network.average(settings.weight_average, 0)
            mx.nd.waitall()  # finish queued work, or it would count as waiting for the next batch

        yield (
            training.batches(train, settings, context, shuffle=True, seed=SEED, **warp),
            step,
            lambda: training.predict(network, valid, CLASSES, settings, context),
        )


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
    settings = dataclasses.replace(Settings.from_dict(json.loads(args.settings)), epochs=1)
    begin = {"keras": keras_epoch, "mxnet": mxnet_epoch}[args.framework]
    with begin(args.folder, settings) as epoch:
        print(*shares(epoch, args.since))
