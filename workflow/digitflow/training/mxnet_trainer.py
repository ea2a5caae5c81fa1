"""Train an MXNet model from RecordIO files and predict with it.

MXNet is imported inside the functions, because it reads its environment variables only once, on import.
"""

import contextlib
import itertools
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from digitflow.base import files
from digitflow.base.errors import DigitflowError, FormatError
from digitflow.formats import lst, recordio
from digitflow.training import child
from digitflow.training import device as devices
from digitflow.training.course import Job, Learner, carry_out
from digitflow.training.data import shifted, warn_of_missing_classes
from digitflow.training.mxnet_predictor import last_line, prepare, versions
from digitflow.training.settings import Augment, Settings

if TYPE_CHECKING:
    import mxnet as mx

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


def train(train: Parts, valid: Parts, lists: tuple[Path, Path], job: Job, device: str) -> None:
    """Carry a job out: train on the rows of `train`, and predict the validation rows.

    `train` and `valid` are shards of images of the same size, grey or RGB; `lists` are the .lst files that
    they were packed from. `device` is auto, cpu or gpu. The probabilities are float32 (n, classes), rows as
    in the files. The same seed on the same machine gives the same bytes, even if a killed training is
    resumed. Raises FormatError for a damaged .rec before MXNet sees it, ConfigError, DeviceError, or
    DigitflowError if training diverges.
    """
    settings = job.settings
    with contextlib.ExitStack() as stack:
        # Checking the records takes as long as importing MXNet: separate processes do it at the same time.
        checks = [
            child.begin(check_records, parts, job.classes, list_path)
            for parts, list_path in zip((train, valid), lists, strict=True)
        ]
        try:
            context, where = prepare(device, job.threads, settings.deterministic)
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
        machine = {"versions": versions(), "device": where, "threads": min(job.threads, devices.cores())}
        inputs = [path for part in (*train, *valid) for path in part]
        carry_out(
            job,
            "mxnet",
            machine,
            inputs,
            lambda: MXNetLearner(training, validation, job.classes, settings, job.seed, context),
        )


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
            warn_of_missing_classes(labels, limit)
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


class MXNetLearner(Learner):
    """Trains a new model, which predicts and is saved with its last weights, or their running average.

    What steps come to depends only on the network, the seed and the first of them, not on those before.
    """

    def __init__(
        self,
        training: Records,
        validation: Records,
        classes: int,
        settings: Settings,
        seed: int,
        context: "mx.Context",
    ):
        import mxnet as mx

        from digitflow.training import mxnet_networks

        self._training, self._validation, self._classes = training, validation, classes
        self._seed, self._context = seed, context
        channels, *size = training.shape
        shape = size if channels == 1 else (*size, channels)
        rows = len(training.labels)
        self._size = min(settings.batch_size, rows)
        super().__init__(settings, shape, rows, validation.labels, per_epoch=-(-rows // self._size))
        mx.random.seed(seed)
        self.network = mxnet_networks.build(settings, training.shape, classes, self._size, context)
        self.parameters = self.network.size
        self._warp = warp(settings.augment, training.shape[1:])
        warn_of_idle_warps(settings.augment, training.shape[1:])
        self._batches, self._ready = iter(()), -1  # those from step `_ready` on of the epoch that goes on

    def learn(self, first: int, last: int) -> tuple[float, float]:
        import mxnet as mx

        epoch, done = divmod(first, self.per_epoch)
        # For dropout. MXNet exposes no random state that a checkpoint could keep.
        mx.random.seed(int(np.random.SeedSequence((self._seed, epoch, done)).generate_state(1)[0] >> 1))
        if not done or self._ready != first:
            self._batches = itertools.islice(self.shuffled(epoch), done, None)
        loss_sum = right = mx.nd.zeros(1, ctx=self._context)
        for step, (images, labels, _) in zip(range(first, last), self._batches, strict=False):
            losses, scores = self.step(step, images, labels)
            loss_sum = loss_sum + losses.sum()
            right = right + (scores.argmax(axis=1) == labels).sum()
        self._ready = last
        rows = (last - first) * self._size
        return float(loss_sum.asscalar()) / rows, float(right.asscalar()) / rows

    def step(
        self, step: int, images: "mx.nd.NDArray", labels: "mx.nd.NDArray"
    ) -> tuple["mx.nd.NDArray", "mx.nd.NDArray"]:
        """Take a step; return the losses (n,) and the scores (n, classes) of its batch from before."""
        rate = self.rates(step)
        self.network.set_rate(rate)
        found = self.network.step(images, labels)
        self.network.decay(rate * self.settings.weight_decay)
        self.network.average(self.settings.weight_average, step)
        return found

    def shuffled(self, epoch: int) -> Iterator[tuple["mx.nd.NDArray", "mx.nd.NDArray", int]]:
        """The batches of an epoch, in its order."""
        # A new iterator per epoch: after a reset, one leaves out the rows that filled its last batch. `seed`
        # is only that of the shuffle; the draws for the warps are the same sequence each time, so the shuffle
        # gives them other rows.
        seed = (self._seed * self.settings.epochs + epoch) % (1 << 31)  # it takes a C int
        return batches(self._training, self.settings, self._context, shuffle=True, seed=seed, **self._warp)

    def predict(self, shifts: int = 1) -> np.ndarray:
        import mxnet as mx

        if not len(self.valid_labels):
            return np.empty((0, self._classes), np.float32)
        rows = []
        with self.network.averaged():
            for images, _, count in batches(self._validation, self.settings, self._context):
                moved = shifted(images.asnumpy(), shifts, axis=2)
                views = (self.network.probabilities(mx.nd.array(copy, ctx=self._context)) for copy in moved)
                rows.append((sum(views) / shifts).asnumpy()[:count])
        return np.concatenate(rows)

    def state(self) -> dict[str, np.ndarray]:
        return self.network.state()

    def restore(self, arrays: Mapping[str, np.ndarray], steps: int) -> None:
        self.network.restore(arrays, steps)

    def save(self, symbol: Path, params: Path) -> None:
        """Write the two files that `mx.gluon.SymbolBlock.imports(symbol, ["data"], params)` reads."""
        import mxnet as mx

        with self.network.averaged(), tempfile.TemporaryDirectory() as folder:
            try:
                self.network.export(f"{folder}/model")
                mx.nd.load(f"{folder}/model-0000.params")  # MXNet does not notice all write failures
            except mx.MXNetError as error:
                reason = last_line(error)
                raise DigitflowError(f"{folder}: MXNet cannot write its model here: {reason}") from error
            for name, path in (("model-symbol.json", symbol), ("model-0000.params", params)):
                with files.atomic_open(path) as file:
                    file.write(Path(folder, name).read_bytes())


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
