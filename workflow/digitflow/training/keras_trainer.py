"""Train a Keras model on IDX images and predict with it, on any Keras backend; the default is TensorFlow.

Keras is imported inside the functions, because a backend reads its environment variables only once, on
import.
"""

import contextlib
import dataclasses
import functools
import inspect
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow import models
from digitflow.base import files
from digitflow.base.checksums import sha256
from digitflow.base.errors import ConfigError
from digitflow.training import device as devices
from digitflow.training import schedule
from digitflow.training.augment import augment_batch
from digitflow.training.checkpoint import Checkpoint, fingerprint
from digitflow.training.course import Course
from digitflow.training.data import PREDICT_ROWS, open_data, predict_shifted
from digitflow.training.history import History
from digitflow.training.keras_predictor import gpus_seen, prepare, versions
from digitflow.training.results import Outputs, write_results
from digitflow.training.settings import Settings

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

log = logging.getLogger("digitflow")

READ_AHEAD = 8  # batches
STEPS_AT_ONCE = 10  # at most: Python comes in between, which takes as long as a few layers


def train(
    images: Path,
    train_lst: Path,
    valid_lst: Path,
    *,
    classes: int,
    settings: Settings,
    seed: int,
    device: str,
    model: Path,
    outputs: Outputs,
    code: str,
    threads: int,
) -> None:
    """Train on the rows of a list; write the model, its history, metrics and validation probabilities.

    `images` is an IDX file; a row is a listing's index less one. `device` is auto, cpu or gpu; `threads` are
    limited to the available cores. `code` is the digest of the code that trains, which a checkpoint must
    match. The probabilities are float32 (n, classes), rows as in `valid_lst`. The same seed and threads on
    the same machine give the same bytes (another number of threads adds in another order), even if a killed
    training is resumed. Raises InputError for a listing that does not belong to these images, ConfigError,
    DeviceError, or DigitflowError if training diverges.
    """
    data = open_data(images, train_lst, valid_lst, classes, settings.train_rows)
    threads = min(threads, devices.cores())  # as many as `prepare` allows
    where = prepare(device, threads, settings.deterministic)
    machine = {"versions": versions(), "device": where, "threads": threads, "precision": precision(settings)}
    inputs = {path.name: sha256(path) for path in (images, train_lst, valid_lst)}
    made_from = fingerprint(settings, seed, classes, machine, inputs, code)
    if outputs.are_brought_back(made_from):
        return
    checkpoint = Checkpoint(outputs.checkpoint, made_from)
    network, history = fit(data.images, data.training, data.validation, classes, settings, seed, checkpoint)
    valid = predict_shifted(
        network.predict_on_batch, data.images, data.validation[0], classes, settings.test_shifts
    )

    with files.atomic_path(model) as temporary:
        plain(network, data.images.shape[1:]).save(temporary)
    write_results(
        outputs,
        history,
        valid,
        data.validation[1],
        model_files=[model],
        framework="keras",
        **machine,
        seed=seed,
        settings=settings,
        parameters=network.count_params(),
        train_images=len(data.training[0]),
        data=inputs,
    )
    checkpoint.remove()
    outputs.keep(made_from)


def plain(network: "keras.Model", shape: tuple[int, ...]) -> "keras.Model":
    """The same network, sharing its weights, made of Keras' own layers, so that it loads without digitflow.

    A subclassed model needs its class to load. `shape` is that of an image.
    """
    import keras

    if type(network).__module__.split(".")[0] == "keras":
        return network
    pixels = keras.Input(shape, name="pixels")
    return keras.Model(pixels, network.call(pixels), name=network.name)


def precision(settings: Settings) -> str:
    """What the network calculates in, "float32" or "bfloat16", on the device that `prepare` chose.

    auto is bfloat16 if the CPU has instructions for it and the backend uses them, as TensorFlow does: 1.4 to
    1.7 times as many images per second. Weights, optimizer and the last layer stay float32 (Kalamkar et al.
    2019, arXiv:1905.12322).
    """
    import keras

    if settings.precision != "auto":
        return settings.precision
    pays = keras.config.backend() == "tensorflow" and not gpus_seen() and devices.has_bfloat16()
    return "bfloat16" if pays else "float32"


@contextlib.contextmanager
def keras_policy(kind: str) -> Iterator[None]:
    """Let layers made in the block calculate in `kind`, "float32" or "bfloat16"."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if kind == "bfloat16" else kind)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def fit(
    images: np.ndarray,
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    classes: int,
    settings: Settings,
    seed: int,
    checkpoint: Checkpoint | None = None,
) -> tuple["keras.Model", History]:
    """Train a new model on uint8 images (n, h, w); `training` and `validation` are each (rows, labels).

    With a checkpoint, training resumes from it and saves one per epoch. With a running average of the
    weights, validation after each epoch, and whatever depends on it, still uses the weights themselves: Keras
    replaces them by the average at the end.
    """
    import keras

    from digitflow.training.keras_kernels import tensorflow_kernels

    keras.utils.set_random_seed(seed)
    with keras_policy(precision(settings)):
        model = models.build(
            settings.module, settings.architecture, images.shape[1:], classes, **settings.network
        )
    log.info(f"{model.name}: {model.count_params():,} parameters, {len(training[0]):,} training images")
    batches = make_batches(images, *training, classes, settings, seed)
    rates = schedule.make(
        settings.schedule,
        batches.num_batches,
        batches.per_epoch,
        settings.learning_rate,
        **settings.schedule_options,
    )
    optimizer = make_optimizer(settings, rates, batches.num_batches)
    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
        steps_per_execution=steps_at_once(batches.per_epoch),
    )
    optimizer.build(model.trainable_variables)

    def observe(valid_loss: float) -> None:
        if isinstance(rates, schedule.Plateau):
            rates.observe(valid_loss)
            optimizer.learning_rate = rates(0)

    def end_epoch(epoch: int, logs: dict[str, float]) -> None:
        rate = rates((epoch + 1) * batches.per_epoch - 1)
        valid_loss, valid_accuracy = (logs.get(f"val_{name}", math.nan) for name in ("loss", "accuracy"))
        course.end_epoch(logs["loss"], logs["accuracy"], valid_loss, valid_accuracy, rate)
        model.stop_training = course.history.over

    rows, labels = validation
    learner = functools.partial(state, model), functools.partial(restore, model), observe
    course = Course(settings, len(rows) > 0, checkpoint, *learner)
    batches.first_epoch = len(course.history.rows)
    validated = (images[rows], keras.utils.to_categorical(labels, classes)) if len(rows) else None
    with read_ahead(batches) as ready, tensorflow_kernels(model):
        model.fit(
            ready,
            initial_epoch=batches.first_epoch,
            epochs=settings.epochs,
            steps_per_epoch=batches.per_epoch,
            shuffle=False,  # the batches are drawn at random already
            validation_data=validated,
            validation_batch_size=PREDICT_ROWS,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=end_epoch)],
            verbose=0,
        )
    if course.restore_best():
        optimizer.finalize_variable_values(model.trainable_variables)  # the average up to that epoch, if any
    model.optimizer, model.compiled = None, False  # what is saved is the model, without the optimizer's state
    return model, course.history


def steps_at_once(per_epoch: int) -> int:
    """How many steps the backend takes before it comes back to Python: an epoch is a multiple of it.

    1 if the backend is not TensorFlow: JAX would compile that many copies of the step.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        return 1
    return max(steps for steps in range(1, STEPS_AT_ONCE + 1) if per_epoch % steps == 0)


def state(model: "keras.Model") -> dict[str, np.ndarray]:
    """All that changes while a compiled model trains: weights, dropout's seeds, the optimizer's state."""
    import keras

    variables = [*model.variables, *model.optimizer.variables]
    return {f"{i}": keras.ops.convert_to_numpy(variable.value) for i, variable in enumerate(variables)}


def restore(model: "keras.Model", arrays: Mapping[str, np.ndarray], epochs: int) -> None:
    """Give a compiled model the state that `state` took after `epochs` epochs."""
    for i, variable in enumerate([*model.variables, *model.optimizer.variables]):
        variable.assign(arrays[f"{i}"])


def make_batches(
    images: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    classes: int,
    settings: Settings,
    seed: int,
) -> "keras.utils.PyDataset":
    """All batches of a training; each is a pure function of the seed and its number.

    So it does not matter in which thread, how far ahead or how often one is made. They begin with the epoch
    in the attribute `first_epoch`, 0 unless it is set.
    """
    import keras

    size = min(settings.batch_size, len(rows))
    targets = keras.utils.to_categorical(labels, classes)
    warp = dataclasses.asdict(settings.augment)

    @functools.lru_cache(maxsize=2)  # reading ahead crosses into the next epoch
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch)).permutation(len(rows))

    class Batches(keras.utils.PyDataset):
        per_epoch = len(rows) // size  # the few left-over rows differ from epoch to epoch
        num_batches = per_epoch * settings.epochs
        first_epoch = 0

        def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
            epoch, batch = divmod(self.first_epoch * self.per_epoch + step, self.per_epoch)
            chosen = order(epoch)[batch * size : (batch + 1) * size]
            rng = np.random.default_rng((seed, epoch, batch))
            return augment_batch(images[rows[chosen]], rng, **warp), targets[chosen]

    return Batches()


@contextlib.contextmanager
def read_ahead(batches: "keras.utils.PyDataset") -> Iterator[Any]:
    """The batches in the form that the backend takes, with the next READ_AHEAD made while it trains.

    Keras would make batches for JAX and PyTorch in the thread that trains, and would let TensorFlow tune how
    many are kept ready. TensorFlow's thread for that sleeps for up to a minute, and a training that had ended
    often waited for it to wake up. Batches ready or queued at the end of the block are dropped.
    """
    import keras

    if keras.config.backend() == "tensorflow":
        yield _tensorflow_dataset(batches)
        return
    pool = ThreadPoolExecutor(1)
    try:
        yield _in_order(pool, batches)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(pool: Executor, batches: "keras.utils.PyDataset") -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all batches; READ_AHEAD of them are made in the pool meanwhile."""
    waiting: deque[Future] = deque()
    for step in range(batches.num_batches):
        waiting.append(pool.submit(batches.__getitem__, step))
        if len(waiting) > READ_AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _tensorflow_dataset(batches: "keras.utils.PyDataset") -> "tf.data.Dataset":
    import tensorflow as tf

    kinds = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in batches[0])
    dataset = tf.data.Dataset.from_generator(
        lambda: map(batches.__getitem__, range(batches.num_batches)), output_signature=kinds
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(READ_AHEAD).with_options(options)


def make_optimizer(settings: Settings, rates: schedule.Schedule, steps: int) -> "keras.optimizers.Optimizer":
    """The optimizer of the settings, with the learning rate `rates(step)` at each of `steps` steps."""
    import keras

    class Rates(keras.optimizers.schedules.LearningRateSchedule):
        """A table, because a step is a tensor inside the compiled training and `rates` is plain Python."""

        table = np.array([rates(step) for step in range(steps)], dtype=np.float32)

        def __call__(self, step):
            return keras.ops.take(self.table, keras.ops.minimum(step, steps - 1))

    kinds = {
        "adam": keras.optimizers.Adam,  # with weight_decay, which is decoupled, this is AdamW
        "adamax": keras.optimizers.Adamax,
        "nadam": keras.optimizers.Nadam,
        "rmsprop": keras.optimizers.RMSprop,
        "adadelta": keras.optimizers.Adadelta,
        "adagrad": keras.optimizers.Adagrad,
        "sgd": functools.partial(keras.optimizers.SGD, momentum=0.9, nesterov=True),
        "ftrl": keras.optimizers.Ftrl,
    }
    # The average spans at most a tenth of the training: in a short one it would still hold the first weights.
    average = min(settings.weight_average, 1 - 10 / steps)
    fixed = {
        "learning_rate": rates(0) if isinstance(rates, schedule.Plateau) else Rates(),
        "weight_decay": settings.weight_decay or None,
        "use_ema": average > 0,
        "ema_momentum": max(average, 0),
    }
    if clash := fixed.keys() & settings.optimizer_options.keys():
        raise ConfigError(f"optimizer_options: {', '.join(sorted(clash))} is set by other keys")
    try:
        kind = kinds[settings.optimizer]
        optimizer = kind(**fixed, **_checked_options(kind, settings.optimizer_options))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer_options: {settings.optimizer}: {error}") from error
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _checked_options(kind: Callable, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with 0.0 for 0 if the default is a float: Keras tells them apart, YAML need not.

    ValueError if the default is a number, or true or false, and the option is not.
    """
    defaults = {name: one.default for name, one in inspect.signature(kind).parameters.items()}
    checked = {}
    for name, value in options.items():
        default = defaults.get(name)
        if isinstance(default, bool):
            if not isinstance(value, bool):
                raise ValueError(f"{name}: {value!r}, should be true or false")
        elif isinstance(default, int | float) and value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name}: {value!r}, should be a number")
            value = float(value) if isinstance(default, float) else value
        checked[name] = value
    return checked
