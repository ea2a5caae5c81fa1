"""Train an MXNet model from RecordIO files and predict with it.

MXNet is imported inside the functions, because it reads its environment variables only once, on import.
"""

import contextlib
import itertools
import logging
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from digitflow.base import files
from digitflow.base.checksums import sha256
from digitflow.base.errors import DigitflowError, FormatError
from digitflow.formats import lst, recordio
from digitflow.training import child, schedule
from digitflow.training.checkpoint import Checkpoint, fingerprint
from digitflow.training.course import Course
from digitflow.training.data import shifted
from digitflow.training.history import History, accuracy_of, cross_entropy, one_hot
from digitflow.training.mxnet_predictor import computing_threads, last_line, prepare, versions
from digitflow.training.results import Outputs, write_results
from digitflow.training.settings import Augment, Settings

if TYPE_CHECKING:
    import mxnet as mx

    from digitflow.training import mxnet_networks

log = logging.getLogger("digitflow")

Parts = Sequence[tuple[Path, Path]]  # the .rec and .idx of each shard, in order
LINEAR, CUBIC = 1, 2  # OpenCV's numbers, which ImageRecordIter takes
AGAIN = "delete the .rec file and run again"


class Row(NamedTuple):
    """What a record holds, and where it is, for a message."""

    index: int
    label: int
    shape: tuple[int, ...]  # (h, w), or (h, w, 3) in RGB
    where: str


class Checked(NamedTuple):
    """RecordIO files that were checked completely, and what they hold together."""

    parts: Parts
    shape: tuple[int, ...]  # channels, height, width
    labels: np.ndarray  # int64 (n,)


class Records(NamedTuple):
    """The same records, or the first of them, in the form that MXNet takes."""

    rec: str  # paths, joined by semicolons: MXNet reads several as if they were one
    idx: Path  # of all
    shape: tuple[int, ...]  # channels, height, width
    labels: np.ndarray  # int64 (n,)


def train(
    train: Parts,
    valid: Parts,
    *,
    lists: tuple[Path, Path],
    classes: int,
    settings: Settings,
    seed: int,
    device: str,
    threads: int,
    symbol: Path,
    params: Path,
    outputs: Outputs,
    code: str,
) -> None:
    """Train on the rows of `train`; write the model, its history, metrics and validation probabilities.

    `train` and `valid` are shards of images of the same size, grey or RGB; `lists` are the .lst files that
    they were packed from. `device` is auto, cpu or gpu. `code` is the digest of the code that trains, which a
    checkpoint must match. The probabilities are float32 (n, classes), rows as in the files. The same seed on
    the same machine gives the same bytes, even if a killed training is resumed. Raises FormatError for a
    damaged .rec before MXNet sees it, ConfigError, DeviceError, or DigitflowError if training diverges.
    """
    with contextlib.ExitStack() as stack:
        # Checking the records takes as long as importing MXNet: separate processes do it at the same time.
        checks = [
            child.begin(check_records, parts, classes, list_path)
            for parts, list_path in zip((train, valid), lists, strict=True)
        ]
        try:
            context, where = prepare(device, threads, settings.deterministic)
        finally:
            found = [check() for check in checks]  # report what is wrong with the files first
        training, validation = (
            stack.enter_context(open_records(checked, limit))
            for checked, limit in zip(found, (settings.train_rows, 0), strict=True)
        )
        if not len(training.labels):
            raise FormatError(f"{train[0][0]}: no records; at least one training image is needed")
        if len(validation.labels) and validation.shape != training.shape:
            raise FormatError(
                f"{valid[0][0]}: images of {validation.shape}, but {train[0][0]} has {training.shape}"
            )
        machine = {"versions": versions(), "device": where, "threads": threads}
        inputs = {path.name: sha256(path) for part in (*train, *valid) for path in part}
        computing = {"computing": computing_threads(threads)}
        made_from = fingerprint(settings, seed, classes, machine | computing, inputs, code)
        if outputs.are_brought_back(made_from):
            return
        checkpoint = Checkpoint(outputs.checkpoint, made_from)
        network, history = fit(training, validation, classes, settings, seed, context, checkpoint)
        valid_probabilities = predict(network, validation, classes, settings, context, settings.test_shifts)
    export(network, symbol, params)
    write_results(
        outputs,
        history,
        valid_probabilities,
        validation.labels,
        model_files=[symbol, params],
        framework="mxnet",
        **machine,
        seed=seed,
        settings=settings,
        parameters=network.size,
        train_images=len(training.labels),
        data=inputs,
    )
    checkpoint.remove()
    outputs.keep(made_from)


def check_records(parts: Parts, classes: int, list_path: Path | None = None) -> Checked:
    """Check .rec and .idx files completely, and that they match their list, if it is known.

    Raises FormatError naming the record. MXNet's iterator would end the process at damage, crop images that
    are too large, and take any number for a label.
    """
    rows = [row for part in parts for row in _read_records(*part, classes)]
    shape = rows[0].shape if rows else (0, 0)
    for row in rows:
        if row.shape != shape:
            raise FormatError(f"{row.where}: an image of {row.shape} pixels, but the first one has {shape}")
    if list_path:
        _compare_with_list(rows, list_path)
    height, width, *channels = shape
    labels = np.array([row.label for row in rows], np.int64)
    return Checked(parts, (*(channels or (1,)), height, width), labels)


def _compare_with_list(rows: Sequence[Row], list_path: Path) -> None:
    listing = lst.read(list_path)
    listed = zip(listing.index.tolist(), listing.label.tolist(), strict=True)
    for line, (row, image) in enumerate(itertools.zip_longest(rows, listed), 1):
        if image is None:
            raise FormatError(f"{row.where}: {list_path} has {len(listing):,} images; {AGAIN}")
        if row is None:
            raise FormatError(f"{list_path}, line {line}: image {image[0]} has no record; {AGAIN}")
        if (row.index, row.label) != image:
            raise FormatError(
                f"{row.where}: label {row.label}; {list_path}, line {line}, has image {image[0]} with label "
                f"{image[1]}; {AGAIN}"
            )


@contextlib.contextmanager
def open_records(checked: Checked, limit: int = 0) -> Iterator[Records]:
    """Join checked files for MXNet; only the first `limit` records, unless it is 0."""
    parts, shape, labels = checked
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder, "joined.idx")
        recordio.join_indices(parts, index)
        paths = ";".join(str(rec_path) for rec_path, _ in parts)
        if 0 < limit < len(labels):
            paths, labels = str(_first_records(parts, index, limit, Path(folder))), labels[:limit]
        yield Records(paths, index, shape, labels)


def _first_records(parts: Parts, index: Path, count: int, folder: Path) -> Path:
    """Cut the joined index to `count` lines, and copy their records into one .rec file in `folder`.

    A shorter index is not enough: MXNet reads from its last offset to the end of the file.
    """
    lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join(lines[:count]))
    end = int(lines[count].split("\t")[1])
    path = folder / "first.rec"
    with open(path, "wb") as file:
        for rec_path, _ in parts:
            with open(rec_path, "rb") as part:
                file.write(part.read(end - file.tell()))
    return path


def _read_records(rec_path: Path, idx_path: Path, classes: int) -> Iterator[Row]:
    name = str(rec_path)
    for number, (record, shape) in enumerate(recordio.read_verified(rec_path, idx_path), 1):
        where = f"{name}: record {number}, index {record.index}"
        labels = record.labels.tolist()
        if not (len(labels) == 1 and 0 <= labels[0] < classes and labels[0].is_integer()):
            raise FormatError(f"{where}: label {labels}; expected one number from 0 to {classes - 1}")
        yield Row(record.index, int(labels[0]), shape, where)


def fit(
    training: Records,
    validation: Records,
    classes: int,
    settings: Settings,
    seed: int,
    context: "mx.Context",
    checkpoint: Checkpoint | None = None,
) -> tuple["mxnet_networks.Network", History]:
    """Train a new model; it is returned with its last weights, or their running average.

    With a checkpoint, training resumes from it and saves one per epoch.
    """
    import mxnet as mx

    from digitflow.training import mxnet_networks

    size = min(settings.batch_size, len(training.labels))
    per_epoch = -(-len(training.labels) // size)
    rates = schedule.make(
        settings.schedule,
        settings.epochs * per_epoch,
        per_epoch,
        settings.learning_rate,
        **settings.schedule_options,
    )
    mx.random.seed(seed)
    network = mxnet_networks.build(settings, training.shape, classes, size, context)
    log.info(
        f"{settings.architecture}: {network.size:,} parameters, {len(training.labels):,} training images"
    )

    def restore(arrays: Mapping[str, np.ndarray], epochs: int) -> None:
        network.restore(arrays, epochs * per_epoch)

    def observe(valid_loss: float) -> None:
        if isinstance(rates, schedule.Plateau):
            rates.observe(valid_loss)

    course = Course(settings, len(validation.labels) > 0, checkpoint, network.state, restore, observe)
    history = course.history
    warn_of_idle_warps(settings.augment, training.shape[1:])
    # The training loss has these targets, too: with plain labels the two could not be compared.
    targets = one_hot(validation.labels, classes, settings.label_smoothing)
    while not history.over:
        loss, accuracy = train_epoch(network, training, settings, seed, len(history.rows), rates, context)
        valid_loss = valid_accuracy = math.nan
        if history.validates:
            network.swap_average()
            valid = predict(network, validation, classes, settings, context)
            network.swap_average()
            valid_loss, valid_accuracy = cross_entropy(valid, targets), accuracy_of(valid, validation.labels)
        rate = rates((len(history.rows) + 1) * per_epoch - 1)
        course.end_epoch(loss, accuracy, valid_loss, valid_accuracy, rate)
    course.restore_best()
    network.swap_average()
    return network, history


def train_epoch(
    network: "mxnet_networks.Network",
    training: Records,
    settings: Settings,
    seed: int,
    epoch: int,
    rates: schedule.Schedule,
    context: "mx.Context",
) -> tuple[float, float]:
    """Train for one epoch, counted from 0; return the mean loss and the accuracy on the images it saw.

    The result depends only on the network, the seed and the epoch, not on the epochs before.
    """
    import mxnet as mx

    # For dropout. MXNet exposes no random state that a checkpoint could keep.
    mx.random.seed(int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0] >> 1))
    # A new iterator per epoch: after a reset, one leaves out the rows that filled its last batch. `seed` is
    # only that of the shuffle; the draws for the warps are the same sequence each time, so the shuffle gives
    # them other rows.
    shuffle = {"shuffle": True, "seed": (seed * settings.epochs + epoch) % (1 << 31)}  # it takes a C int
    size = min(settings.batch_size, len(training.labels))
    per_epoch = -(-len(training.labels) // size)
    loss_sum = right = mx.nd.zeros(1, ctx=context)
    passes = batches(training, settings, context, **shuffle, **warp(settings.augment, training.shape[1:]))
    for step, (images, labels, _) in enumerate(passes, epoch * per_epoch):
        rate = rates(step)
        network.set_rate(rate)
        losses, scores = network.step(images, labels)
        network.decay(rate * settings.weight_decay)
        network.average(settings.weight_average, step)
        loss_sum = loss_sum + losses.sum()
        right = right + (scores.argmax(axis=1) == labels).sum()
    rows = per_epoch * size
    return float(loss_sum.asscalar()) / rows, float(right.asscalar()) / rows


def batches(
    records: Records, settings: Settings, context: "mx.Context", **options: Any
) -> Iterator[tuple["mx.nd.NDArray", "mx.nd.NDArray", int]]:
    """Yield images (n, c, h, w), labels (n,), and how many of the n belong to this pass.

    Pixels are 0..1, or 0..255 if the settings want them raw. n is always the settings' batch size, or all
    rows if there are fewer: the last batch is filled up from the start.
    """
    import mxnet as mx

    iterator = mx.io.ImageRecordIter(
        path_imgrec=records.rec,
        path_imgidx=str(records.idx),
        data_shape=records.shape,
        batch_size=min(settings.batch_size, len(records.labels)),
        round_batch=True,
        scale=1.0 if settings.raw_pixels else 1 / 255,
        # Threads take records as they come, each with its own random generator, so only a single thread gives
        # the same images each time. It warps 27,000 digits per second. (`seed_aug` would give all batches the
        # same draws.)
        preprocess_threads=1,
        verbose=False,
        **options,
    )
    for batch in iterator:
        images, labels = batch.data[0].as_in_context(context), batch.label[0].as_in_context(context)
        yield images, labels, len(labels) - batch.pad


def warn_of_idle_warps(augment: Augment, shape: tuple[int, ...]) -> None:
    """Warn about settings that have no effect on images of `shape` (height, width)."""
    applied = warp(augment, shape)
    if augment.shift and shape[0] != shape[1]:
        log.warning("warning: augment.shift: MXNet shifts only square images, and these are not square")
    elif augment.shift and not applied["pad"]:
        log.warning(f"warning: augment.shift: {augment.shift} rounds to 0 pixels, so MXNet shifts nothing")
    if augment.rotate and not applied["max_rotate_angle"]:
        log.warning(f"warning: augment.rotate: {augment.rotate} rounds to 0 degrees, so MXNet turns nothing")


def warp(augment: Augment, shape: tuple[int, ...]) -> dict[str, Any]:
    """The options of ImageRecordIter for an augmentation of images of `shape` (height, width)."""
    side = max(shape)
    # ASSUME: only square images are shifted. The iterator's canvas is square (see below), and a random crop
    # would move other images much further along the shorter side.
    shift = round(augment.shift * side) if shape == (side, side) else 0
    return {
        "max_rotate_angle": round(augment.rotate),
        "max_random_scale": 1 + augment.zoom,
        "min_random_scale": 1 - augment.zoom,
        "max_img_size": side,  # zooming leaves the canvas its size, so that the crop is a shift
        "min_img_size": side,
        "max_shear_ratio": augment.shear,
        "pad": shift,
        "rand_crop": shift > 0,
        "inter_method": CUBIC if augment.cubic else LINEAR,
        "fill_value": 0,  # the default, 255, gives black images white corners
    }


def predict(
    network: "mxnet_networks.Network",
    records: Records,
    classes: int,
    settings: Settings,
    context: "mx.Context",
    shifts: int = 1,
) -> np.ndarray:
    """Softmax rows float32 (n, classes) of `records`, averaged over `shifts` (1, 5, 9) moves by a pixel."""
    import mxnet as mx

    rows = []
    if not len(records.labels):
        return np.empty((0, classes), np.float32)
    for images, _, count in batches(records, settings, context):
        moved = shifted(images.asnumpy(), shifts, axis=2)
        mean = sum(network.probabilities(mx.nd.array(copy, ctx=context)) for copy in moved) / shifts
        rows.append(mean.asnumpy()[:count])
    return np.concatenate(rows)


def export(network: "mxnet_networks.Network", symbol: Path, params: Path) -> None:
    """Write the two files that `mx.gluon.SymbolBlock.imports(symbol, ["data"], params)` reads."""
    import mxnet as mx

    with tempfile.TemporaryDirectory() as folder:
        try:
            network.export(f"{folder}/model")
            mx.nd.load(f"{folder}/model-0000.params")  # MXNet does not notice all write failures
        except mx.MXNetError as error:
            reason = last_line(error)
            raise DigitflowError(f"{folder}: MXNet cannot write its model here: {reason}") from error
        for name, path in (("model-symbol.json", symbol), ("model-0000.params", params)):
            with files.atomic_open(path) as file:
                file.write(Path(folder, name).read_bytes())
