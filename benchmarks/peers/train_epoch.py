"""Train one epoch after a warm-up epoch, and print images per second.

Usage: train_epoch.py keras|gluon NET IMAGES LABELS ROWS BATCH [--threads N] [--try NAME]. Keras takes its
backend from KERAS_BACKEND. Images and labels are IDX files. Keras trains as digitflow does, except for the
try; Gluon trains a net with the same layers.
"""

import argparse
import os
import time

import numpy as np

from digitflow.formats import idx


def keras_rate(
    net: str, images: np.ndarray, labels: np.ndarray, batch: int, threads: int | None, attempt: str | None
) -> float:
    """Images per second of digitflow's own training loop."""
    from digitflow.models.registry import KERAS
    from digitflow.training import keras_trainer as training
    from digitflow.training.course import fit
    from digitflow.training.data import Data
    from digitflow.training.settings import Settings

    training.prepare("cpu", threads)
    if attempt:
        from keras_tries import TRIES

        TRIES[attempt]()
    settings = Settings(net, KERAS[net], epochs=2, batch_size=batch, learning_rate=1e-3)
    rows = np.arange(len(images))
    data = Data(images, (rows, labels), (rows[:64], labels[:64]))
    history = fit(training.KerasLearner(data, 10, settings, seed=0))
    return len(rows) // batch * batch / history.rows[1]["seconds"]


def gluon_rate(net: str, images: np.ndarray, labels: np.ndarray, batch: int) -> float:
    """Images per second of a hybridized Gluon net with the same layers."""
    from digitflow.training import device, mxnet_predictor

    cores = str(device.cores())  # no thread reads records here: all cores compute
    os.environ.update(mxnet_predictor.ENVIRONMENT, OMP_NUM_THREADS=cores, MXNET_OMP_MAX_THREADS=cores)
    import mxnet as mx
    from mxnet.gluon import nn

    model = nn.HybridSequential()
    if net == "small_cnn":
        for channels, size in ((32, 5), (64, 5), (128, 3)):
            model.add(nn.Conv2D(channels, size, use_bias=False))
            if size == 5:
                model.add(nn.MaxPool2D(2))
            model.add(nn.BatchNorm(), nn.Activation("relu"))
        model.add(nn.Dropout(0.3))
    elif net == "lenet":
        for channels, size in ((24, 5), (32, 3)):
            model.add(nn.Conv2D(channels, size, padding=size // 2, activation="relu"), nn.MaxPool2D(2))
        model.add(nn.Dense(256, activation="relu"))
    else:
        model.add(nn.Dense(800, activation="relu"))
    model.add(nn.Dense(10))
    model.initialize(mx.init.Xavier())
    model.hybridize(static_alloc=True, static_shape=True)
    trainer = mx.gluon.Trainer(model.collect_params(), "adam", kvstore=None)
    cross_entropy = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    for _ in range(2):
        start = time.perf_counter()
        order = np.random.default_rng(0).permutation(len(images))
        for at in range(0, len(images) // batch * batch, batch):
            rows = order[at : at + batch]
            pixels = mx.nd.array(images[rows, None] * np.float32(1 / 255))
            with mx.autograd.record():
                loss = cross_entropy(model(pixels), mx.nd.array(labels[rows]))
            loss.backward()
            trainer.step(batch)
        mx.nd.waitall()
        seconds = time.perf_counter() - start
    return len(images) // batch * batch / seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=["keras", "gluon"])
    for name, kind in (("net", str), ("images", str), ("labels", str), ("rows", int), ("batch", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--try", dest="attempt")
    args = parser.parse_args()
    images, labels = (np.array(idx.read(path)[: args.rows]) for path in (args.images, args.labels))
    labels = labels.astype(np.int64)
    if args.framework == "keras":
        print(keras_rate(args.net, images, labels, args.batch, args.threads, args.attempt))
    else:
        print(gluon_rate(args.net, images, labels, args.batch))
