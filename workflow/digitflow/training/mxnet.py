"""Train an MXNet model from RecordIO files and predict with it.

MXNet is imported inside the functions, for it reads its environment variables only once, on import.
"""

import contextlib
import logging
import os
import platform
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from digitflow import device as devices
from digitflow import files, models, rec
from digitflow.errors import ConfigError, DigitflowError, FormatError
from digitflow.training import common, schedule

if TYPE_CHECKING:
    import mxnet as mx

log = logging.getLogger("digitflow")

OPTIMIZERS: dict[str, tuple[str, dict[str, float]]] = {
    "adam": ("adam", {}),
    "sgd": ("nag", {"momentum": 0.9}),  # Nesterov's
}

ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",  # a thread that waits for the others sleeps, and leaves its core to them
    "MXNET_CUDNN_AUTOTUNE_DEFAULT": "0",  # no trial runs, which log a line each and choose by the clock
    "MXNET_ENFORCE_DETERMINISM": "1",
}

PNG_SIZE_AT = 16  # width and height, big-endian, in the IHDR chunk


Parts = Sequence[tuple[Path, Path]]  # the .rec and .idx of each shard, in order


class Records(NamedTuple):
    """RecordIO files that were checked whole, and what they hold together."""

    rec: str  # paths, joined by semicolons: MXNet reads several as if they were one
    idx: Path  # of all
    shape: tuple[int, int]  # height, width
    labels: np.ndarray  # int64 (n,)


def train(
    train: Parts,
    valid: Parts,
    test: Parts,
    *,
    shape: tuple[int, int],
    classes: int,
    settings: common.Settings,
    seed: int,
    device: str,
    threads: int,
    symbol: Path,
    params: Path,
    outputs: common.Outputs,
) -> None:
    """Train on the rows of `train`, then write the model, its history, metrics and probabilities.

    `train`, `valid` and `test` are shards of images of `shape` (height, width). `device` is auto, cpu or
    gpu. The probabilities are float32 (n, classes), rows as in the files. The same seed on the same machine
    gives the same bytes. Raises FormatError for a damaged .rec before MXNet sees it, ConfigError,
    DeviceError, or DigitflowError where training diverges.
    """
    with contextlib.ExitStack() as stack:
        training, validation, tested = (
            stack.enter_context(open_records(parts, shape, classes)) for parts in (train, valid, test)
        )
        context, where = prepare(device, threads)
        net, history = fit(training, validation, classes, settings, seed, context)
        valid_probabilities = predict(net, validation, settings.batch_size, context, settings.test_shifts)
        test_probabilities = predict(net, tested, settings.batch_size, context, settings.test_shifts)
    export(net, symbol, params)
    common.write_results(
        outputs,
        history,
        valid_probabilities,
        test_probabilities,
        validation.labels,
        framework="mxnet",
        versions=_versions(),
        device=where,
        threads=threads,
        seed=seed,
        settings=settings,
        parameters=sum(parameter.data().size for parameter in net.collect_params().values()),
        train_images=len(training.labels),
    )


def prepare(device: str, threads: int) -> tuple["mx.Context", str]:
    """Set MXNet up for `device` (auto, cpu or gpu); return its context and its name. Raises DeviceError."""
    # One thread reads and warps the images; the network has the others. Its operations take less than a
    # millisecond, and its threads wait for the last of them at the end of each: with more threads than free
    # cores an epoch cost five times the CPU time.
    computing = str(max(min(threads, len(os.sched_getaffinity(0))) - 1, 1))
    os.environ.update(ENVIRONMENT, OMP_NUM_THREADS=computing, MXNET_OMP_MAX_THREADS=computing)
    import mxnet as mx

    gpus = [str(mx.gpu(number)) for number in range(mx.context.num_gpus())]
    chosen = devices.choose(device, f"MXNet {mx.__version__}", gpus)
    where = f"{chosen}: {', '.join(gpus) if chosen == 'gpu' else devices.cpu_name()}"
    log.info(f"device {where}; " + ", ".join(f"{name} {version}" for name, version in _versions().items()))
    return mx.Context(chosen), where


@contextlib.contextmanager
def open_records(parts: Parts, shape: tuple[int, int], classes: int) -> Iterator[Records]:
    """Check .rec and .idx files whole, and join them for MXNet. Raises FormatError naming the record.

    MXNet's iterator ends the process at damage, crops what is too large, and takes any number for a label.
    """
    labels = [label for part in parts for label in _read_labels(*part, shape, classes)]
    if not labels:
        raise FormatError(f"{parts[0][0]}: no records; at least one image is needed")
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder, "joined.idx")
        rec.join_indices(parts, index)
        yield Records(";".join(str(rec_path) for rec_path, _ in parts), index, shape, np.array(labels))


def _read_labels(rec_path: Path, idx_path: Path, shape: tuple[int, int], classes: int) -> Iterator[int]:
    rec.verify(rec_path, idx_path)
    height, width = shape
    for number, record in enumerate(rec.read(rec_path), 1):
        where = f"{rec_path}: record {number}, index {record.index}"
        found = struct.unpack_from(">II", record.payload, PNG_SIZE_AT)
        if found != (width, height):
            raise FormatError(
                f"{where}: {found[0]} x {found[1]} pixels; the configuration has {width} x {height}"
            )
        if len(record.labels) != 1 or record.labels[0] not in range(classes):
            raise FormatError(
                f"{where}: the label {record.labels.tolist()}; expected one of 0 to {classes - 1}"
            )
        yield int(record.labels[0])


def fit(
    training: Records,
    validation: Records,
    classes: int,
    settings: common.Settings,
    seed: int,
    context: "mx.Context",
) -> tuple["mx.gluon.HybridBlock", common.History]:
    """Train a new model; it is returned with its last weights, or their running average."""
    import mxnet as mx

    mx.random.seed(seed)
    net = build(settings.architecture, training.shape, classes, context)
    averaged = net
    if settings.weight_average:
        averaged = build(settings.architecture, training.shape, classes, context)
    size = min(settings.batch_size, len(training.labels))
    per_epoch = -(-len(training.labels) // size)
    rates = schedule.make(
        settings.schedule,
        settings.epochs * per_epoch,
        per_epoch,
        settings.learning_rate,
        **settings.schedule_options,
    )
    trainer, cross_entropy = _trainer(net, settings), _cross_entropy(classes, settings.label_smoothing)
    warps = warp(settings.augment, training.shape)
    history = common.History(settings)
    step = 0
    for epoch in range(settings.epochs):
        loss_sum = right = mx.nd.zeros(1, ctx=context)
        # A new iterator an epoch: one that is reset leaves out the rows that filled its last batch. `seed` is
        # that of the shuffle alone; the draws for the warps are one sequence, the same each time, which so
        # meets other rows.
        shuffle = {"shuffle": True, "seed": seed * settings.epochs + epoch}
        for images, labels, _ in batches(training, size, context, **shuffle, **warps):
            with mx.autograd.record():
                logits = net(images)
                loss = cross_entropy(logits, labels)
            loss.backward()
            rate = rates(step)
            trainer.set_learning_rate(rate)
            trainer.step(size)
            decay(net, rate * settings.weight_decay)
            average(averaged, net, settings.weight_average, step)
            loss_sum = loss_sum + loss.sum()
            right = right + (logits.argmax(axis=1) == labels).sum()
            step += 1
        rows = per_epoch * size
        valid = predict(averaged, validation, size, context)
        history.add(
            loss_sum.asscalar() / rows,
            right.asscalar() / rows,
            -float(np.log(valid[np.arange(len(valid)), validation.labels] + 1e-30).mean()),
            common.accuracy(valid, validation.labels),
            rate,
        )
    return averaged, history


def build(
    architecture: str, shape: tuple[int, int], classes: int, context: "mx.Context"
) -> "mx.gluon.HybridBlock":
    """A compiled network with its first weights: pixels 0..1 (n, 1, h, w) to logits (n, classes)."""
    import mxnet as mx

    net = models.build(models.MXNET, architecture, shape, classes)
    net.initialize(mx.init.MSRAPrelu(slope=0), ctx=context)  # for ReLU: He et al. 2015, arXiv:1502.01852
    net.hybridize(static_alloc=True, static_shape=True)
    net(mx.nd.zeros((1, 1, *shape), ctx=context))  # now the weights have shapes
    return net


def batches(
    records: Records, size: int, context: "mx.Context", **options: Any
) -> Iterator[tuple["mx.nd.NDArray", "mx.nd.NDArray", int]]:
    """Yield images in 0..1 (n, 1, h, w), labels (n,), and how many of the n belong to this pass.

    n is always `size`, or all rows where they are fewer: the last batch is filled from the start.
    """
    import mxnet as mx

    iterator = mx.io.ImageRecordIter(
        path_imgrec=records.rec,
        path_imgidx=str(records.idx),
        data_shape=(1, *records.shape),
        batch_size=min(size, len(records.labels)),
        round_batch=True,
        scale=1 / 255,
        # Threads take records as they come, each with a random generator of its own: only one thread gives
        # the same images each time. It warps 27,000 digits a second. (`seed_aug` would give all batches the
        # same draws.)
        preprocess_threads=1,
        verbose=False,
        **options,
    )
    for batch in iterator:
        images, labels = batch.data[0].as_in_context(context), batch.label[0].as_in_context(context)
        yield images, labels, len(labels) - batch.pad


def warp(augment: common.Augment, shape: tuple[int, int]) -> dict[str, Any]:
    """The options of ImageRecordIter for an augmentation of images of `shape` (height, width)."""
    side = max(shape)
    # ASSUME: only square images are shifted. The iterator's canvas is square (see below), and a random crop
    # would move what is not much further along the shorter side.
    shift = round(augment.shift * side) if shape == (side, side) else 0
    return {
        "max_rotate_angle": round(augment.rotate),
        "max_random_scale": 1 + augment.zoom,
        "min_random_scale": 1 - augment.zoom,
        "max_img_size": side,  # the canvas stays where the image is zoomed, so that the crop is a shift
        "min_img_size": side,
        "max_shear_ratio": augment.shear,
        "pad": shift,
        "rand_crop": shift > 0,
        "fill_value": 0,  # the default, 255, gives black images white corners
    }


def decay(net: "mx.gluon.HybridBlock", part: float) -> None:
    """Take `part` off the weights, but not batch norm's (Loshchilov and Hutter 2019, arXiv:1711.05101)."""
    if part:
        for parameter in net.collect_params(".*weight").values():
            weight = parameter.data()
            weight *= 1 - part


def average(mean: "mx.gluon.HybridBlock", net: "mx.gluon.HybridBlock", keep: float, step: int) -> None:
    """Move the weights and statistics of `mean` towards those of `net`, keeping `keep` of them."""
    if keep:
        keep = min(keep, (1 + step) / (10 + step))  # the first ones are random, to be forgotten soon
        for old, new in zip(mean.collect_params().values(), net.collect_params().values(), strict=True):
            array = old.data()
            array *= keep
            array += (1 - keep) * new.data()


def predict(
    net: "mx.gluon.HybridBlock", records: Records, size: int, context: "mx.Context", shifts: int = 1
) -> np.ndarray:
    """Softmax rows float32 (n, classes) of `records`, averaged over `shifts` (1, 5, 9) moves by a pixel."""
    import mxnet as mx

    rows = []
    for images, _, count in batches(records, size, context):
        moved = common.shifted(images.asnumpy(), shifts)
        mean = sum(net(mx.nd.array(copy, ctx=context)).softmax() for copy in moved) / shifts
        rows.append(mean.asnumpy()[:count])
    return np.concatenate(rows)


def export(net: "mx.gluon.HybridBlock", symbol: Path, params: Path) -> None:
    """Write the pair of files that `mx.gluon.SymbolBlock.imports(symbol, ["data"], params)` reads."""
    import mxnet as mx

    with tempfile.TemporaryDirectory() as folder:
        try:
            net.export(f"{folder}/model")
            mx.nd.load(f"{folder}/model-0000.params")  # MXNet does not notice all failures of writing
        except mx.MXNetError as error:
            reason = str(error).strip().splitlines()[-1]
            raise DigitflowError(f"{folder}: MXNet cannot write its model there: {reason}") from error
        for name, path in (("model-symbol.json", symbol), ("model-0000.params", params)):
            with files.atomic_open(path) as file:
                file.write(Path(folder, name).read_bytes())


def _trainer(net: "mx.gluon.HybridBlock", settings: common.Settings) -> "mx.gluon.Trainer":
    import mxnet as mx

    if settings.optimizer not in OPTIMIZERS:
        raise ConfigError(f"optimizer: {settings.optimizer!r} is not one of {', '.join(OPTIMIZERS)}")
    name, options = OPTIMIZERS[settings.optimizer]
    return mx.gluon.Trainer(net.collect_params(), name, options, kvstore=None)


def _cross_entropy(classes: int, smoothing: float) -> Callable[..., "mx.nd.NDArray"]:
    """The loss (n,) of logits and labels, with `smoothing` of each target spread over all classes."""
    import mxnet as mx

    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)
    off = smoothing / classes
    return lambda logits, labels: loss(logits, mx.nd.one_hot(labels, classes, 1 - smoothing + off, off))


def _versions() -> dict[str, str]:
    import mxnet as mx

    return {"python": platform.python_version(), "mxnet": mx.__version__, "numpy": np.__version__}
