"""Train a Keras model on IDX images and predict with it, on any Keras backend; the default is TensorFlow.

Keras is imported inside the functions, because a backend reads its environment variables only once, on
import.
"""

import contextlib
import functools
import inspect
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow import models
from digitflow.base import files
from digitflow.base.errors import ConfigError
from digitflow.training import device as devices
from digitflow.training import schedule
from digitflow.training.augment import Batches
from digitflow.training.course import Job, Learner, carry_out
from digitflow.training.data import Data, open_data, predict_shifted
from digitflow.training.history import one_hot
from digitflow.training.keras_predictor import gpus_seen, prepare, versions
from digitflow.training.settings import Settings

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

READ_AHEAD = 8  # batches
STEPS_AT_ONCE = 10  # at most: Python comes in between, which takes as long as a few layers


def train(images: Path, train_lst: Path, valid_lst: Path, job: Job, device: str) -> None:
    """Carry a job out: train on the rows of a list, and predict the validation rows.

    `images` is an IDX file; a row is a listing's index less one. `device` is auto, cpu or gpu; the job's
    threads are limited to the available cores. The probabilities are float32 (n, classes), rows as in
    `valid_lst`. The same seed and threads on the same machine give the same bytes (another number of threads
    adds in another order), even if a killed training is resumed. Raises InputError for a listing that does
    not belong to these images, ConfigError, DeviceError, or DigitflowError if training diverges.
    """
    settings = job.settings
    data = open_data(images, train_lst, valid_lst, job.classes, settings.train_rows)
    threads = min(job.threads, devices.cores())  # as many as `prepare` allows
    where = prepare(device, threads, settings.deterministic)
    machine = {"versions": versions(), "device": where, "threads": threads, "precision": precision(settings)}
    inputs = images, train_lst, valid_lst
    carry_out(job, "keras", machine, inputs, lambda: KerasLearner(data, job.classes, settings, job.seed))


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


def build_network(shape: tuple[int, ...], classes: int, settings: Settings, seed: int) -> "keras.Model":
    """The network of the settings for images of `shape`, with the initial weights that the seed draws."""
    import keras

    keras.utils.set_random_seed(seed)
    with keras_policy(precision(settings)):
        return models.build(settings.module, settings.architecture, shape, classes, **settings.network)


class KerasLearner(Learner):
    """Trains a new model.

    With a running average of the weights, validation after each epoch, and whatever depends on it, still uses
    the weights themselves: Keras replaces them by the average at the end.
    """

    def __init__(self, data: Data, classes: int, settings: Settings, seed: int):
        import keras

        rows, labels = data.training
        self._data, self._classes = data, classes
        self.model = build_network(data.images.shape[1:], classes, settings, seed)
        self.parameters = self.model.count_params()
        self.batches = Batches(data.images, rows, one_hot(labels, classes), settings, seed)
        super().__init__(
            settings, data.images.shape[1:], len(rows), data.validation[1], self.batches.per_epoch
        )
        self.model.compile(
            make_optimizer(settings, self.rates, self.batches.num_batches),
            keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
            metrics=["accuracy"],
            steps_per_execution=steps_at_once(math.gcd(self.per_epoch, self.stretch)),
        )
        self.model.optimizer.build(self.model.trainable_variables)

    def learn(self, first: int, last: int) -> tuple[float, float]:
        import keras

        from digitflow.training.keras_kernels import tensorflow_kernels

        optimizer, averages = self.model.optimizer, self.model.optimizer.use_ema

        def keep_weights(*_: Any) -> None:
            optimizer.use_ema = False  # or `fit` would end by replacing them by their running average

        with read_ahead(self.batches, first, last) as ready, tensorflow_kernels(self.model):
            found = self.model.fit(
                ready,
                steps_per_epoch=last - first,
                shuffle=False,  # the batches are drawn at random already
                callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=keep_weights)],
                verbose=0,
            )
        optimizer.use_ema = averages
        return found.history["loss"][0], found.history["accuracy"][0]

    def finish(self) -> None:
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)  # the average, if any
        self.model.optimizer, self.model.compiled = None, False  # what is saved is the model alone

    def observe(self, valid_loss: float) -> None:
        super().observe(valid_loss)
        if isinstance(self.rates, schedule.Plateau):
            self.model.optimizer.learning_rate = self.rates(0)

    def predict(self, shifts: int = 1) -> np.ndarray:
        images, (rows, _) = self._data.images, self._data.validation
        return predict_shifted(self.model.predict_on_batch, images, rows, self._classes, shifts)

    def state(self) -> dict[str, np.ndarray]:
        """Weights, dropout's seeds, and the optimizer's state."""
        import keras

        return {f"{i}": keras.ops.convert_to_numpy(one.value) for i, one in enumerate(self._variables())}

    def restore(self, arrays: Mapping[str, np.ndarray], steps: int) -> None:
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"{i}"])

    def _variables(self) -> list["keras.Variable"]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def save(self, path: Path) -> None:
        with files.atomic_path(path) as temporary:
            plain(self.model, self.shape).save(temporary)


def steps_at_once(together: int) -> int:
    """How many steps the backend takes before it comes back to Python: `together` is a multiple of it.

    1 if the backend is not TensorFlow: JAX would compile that many copies of the step.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        return 1
    return max(steps for steps in range(1, STEPS_AT_ONCE + 1) if together % steps == 0)


@contextlib.contextmanager
def read_ahead(batches: Batches, first: int, last: int) -> Iterator[Any]:
    """The batches from step `first` to before `last` as the backend takes them, READ_AHEAD made meanwhile.

    Keras would make batches for JAX and PyTorch in the thread that trains, and would let TensorFlow tune how
    many are kept ready. TensorFlow's thread for that sleeps for up to a minute, and a training that had ended
    often waited for it to wake up. Batches ready or queued at the end of the block are dropped.
    """
    import keras

    if keras.config.backend() == "tensorflow":
        yield _tensorflow_dataset(batches, first, last)
        return
    pool = ThreadPoolExecutor(1)
    try:
        yield _in_order(pool, batches, first, last)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: Executor, batches: Batches, first: int, last: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the batches; READ_AHEAD of them are made in the pool meanwhile."""
    waiting: deque[Future] = deque()
    for step in range(first, last):
        waiting.append(pool.submit(batches.__getitem__, step))
        if len(waiting) > READ_AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _tensorflow_dataset(batches: Batches, first: int, last: int) -> "tf.data.Dataset":
    import tensorflow as tf

    kinds = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in batches[0])
    dataset = tf.data.Dataset.from_generator(
        lambda: map(batches.__getitem__, range(first, last)), output_signature=kinds
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
    kind = kinds[settings.optimizer]
    try:
        optimizer = kind(**fixed, **_as_keras_has_them(kind, settings.optimizer_options))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer_options: {settings.optimizer}: {error}") from error
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _as_keras_has_them(kind: Callable, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that the configuration has checked, with 0.0 for 0 where the default is a float, because Keras
    tells them apart, and without a clip of 0, which is none: Keras would count it as one of several.
    """
    defaults = {name: one.default for name, one in inspect.signature(kind).parameters.items()}
    return {
        name: float(value) if isinstance(defaults.get(name), float) and value is not None else value
        for name, value in options.items()
        if value or not name.endswith(("clipnorm", "clipvalue"))
    }
