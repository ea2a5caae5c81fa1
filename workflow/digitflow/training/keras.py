"""Train a Keras model on IDX images and predict with it, on any Keras backend; the default is TensorFlow.

Keras is imported inside the functions, for a backend reads its environment variables only once, on import.
"""

import dataclasses
import functools
import importlib.metadata
import logging
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitflow import device as devices
from digitflow import files, idx, lst, models
from digitflow.augment import affine_batch
from digitflow.errors import ConfigError, InputError
from digitflow.training import common, schedule

if TYPE_CHECKING:
    import keras

log = logging.getLogger("digitflow")

PREDICT_ROWS = 1024  # images a prediction step: memory stays flat whatever the size of the data


def train(
    images: Path,
    test_images: Path,
    train_lst: Path,
    valid_lst: Path,
    test_lst: Path,
    *,
    classes: int,
    settings: common.Settings,
    seed: int,
    device: str,
    model: Path,
    outputs: common.Outputs,
    threads: int | None = None,
) -> None:
    """Train on the rows of `train_lst`, then write the model, its history, metrics and probabilities.

    `images` and `test_images` are IDX files; a row is a listing's index less one. `device` is auto, cpu or
    gpu; `threads` None is one a core. The probabilities are float32 (n, classes), rows as in the listings.
    The same seed and threads on the same machine give the same bytes of them (another number of threads adds
    in another order). Raises InputError for a listing that is not of these images, ConfigError, DeviceError,
    or DigitflowError where training diverges.
    """
    pixels, test_pixels = idx.open_memmap(images, ndim=3), idx.open_memmap(test_images, ndim=3)
    training = read_rows(train_lst, len(pixels), classes)
    validation = read_rows(valid_lst, len(pixels), classes)
    test_rows, _ = read_rows(test_lst, len(test_pixels), classes)

    where = prepare(device, threads)
    network, history = fit(pixels, training, validation, classes, settings, seed)
    valid = predict(network, pixels, validation[0], settings.test_shifts)
    test = predict(network, test_pixels, test_rows, settings.test_shifts)
    valid_accuracy = common.accuracy(valid, validation[1])
    log.info(f"validation accuracy {valid_accuracy:.4f} of {len(valid):,} images")

    with files.atomic_path(model) as temporary:
        network.save(temporary)
    history.write(outputs.history)
    common.write_probabilities(outputs.valid_probabilities, valid)
    common.write_probabilities(outputs.test_probabilities, test)
    metrics = {
        "framework": "keras",
        "versions": _versions(),
        "device": where,
        "threads": threads or os.cpu_count(),
        "seed": seed,
        "settings": settings.as_dict(),
        "parameters": network.count_params(),
        "train_images": len(training[0]),
        "valid_images": len(validation[0]),
        "valid_accuracy": valid_accuracy,
        "seconds": round(history.seconds, 1),
    }
    common.write_metrics(outputs.metrics, metrics)


def read_rows(path: Path, count: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The image rows, from 0, and labels of a .lst, both int64 (n,); InputError for one out of range."""
    listing = lst.read(path)
    for name, values, first, last in (
        ("index", listing.index, 1, count),
        ("label", listing.label, 0, classes - 1),
    ):
        wrong = np.flatnonzero((values < first) | (values > last))
        if len(wrong):
            raise InputError(
                f"{path}, line {wrong[0] + 1}: {name} {values[wrong[0]]}, expected {first} to {last}"
            )
    return listing.index - 1, listing.label


def prepare(device: str, threads: int | None = None) -> str:
    """Set Keras up for `device` (auto, cpu or gpu) and name what it will run on. Raises DeviceError."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # a GPU that is not there is no error
    # Training takes 0.4 to 0.7 of the time with oneDNN, which TensorFlow leaves off on AMD CPUs.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if threads is not None:
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import keras

    keras.config.set_image_data_format("channels_last")
    backend, gpus = keras.config.backend(), _gpus()
    chosen = devices.choose(device, f"{backend} {_versions()[backend]}", gpus)
    if chosen == "gpu" and backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()  # on CPUs what is used here is deterministic as it is
    where = f"{chosen}: {', '.join(gpus) if chosen == 'gpu' else devices.cpu_name()}"
    log.info(f"device {where}; " + ", ".join(f"{name} {version}" for name, version in _versions().items()))
    return where


def fit(
    images: np.ndarray,
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    classes: int,
    settings: common.Settings,
    seed: int,
) -> tuple["keras.Model", common.History]:
    """Train a new model on uint8 images (n, h, w); `training` and `validation` are each (rows, labels)."""
    import keras

    keras.utils.set_random_seed(seed)
    model = models.build(models.KERAS, settings.architecture, images.shape[1:], classes)
    log.info(f"{model.name}: {model.count_params():,} parameters, {len(training[0]):,} training images")
    batches = make_batches(images, *training, classes, settings, seed)
    rates = schedule.make(settings.schedule, batches.num_batches, settings.learning_rate)
    model.compile(
        make_optimizer(settings, rates, batches.num_batches),
        keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
    )
    history = common.History(settings.epochs)

    def record(epoch: int, logs: dict[str, float]) -> None:
        rate = rates((epoch + 1) * batches.per_epoch - 1)
        history.add(logs["loss"], logs["accuracy"], logs["val_loss"], logs["val_accuracy"], rate)

    rows, labels = validation
    model.fit(
        batches,
        epochs=settings.epochs,
        steps_per_epoch=batches.per_epoch,
        shuffle=False,  # the batches are drawn at random already
        validation_data=(images[rows], keras.utils.to_categorical(labels, classes)),
        validation_batch_size=PREDICT_ROWS,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=record)],
        verbose=0,
    )
    return keras.Model(model.inputs, model.outputs, name=model.name), history  # without the optimizer's state


def predict(model: "keras.Model", images: np.ndarray, rows: np.ndarray, shifts: int = 1) -> np.ndarray:
    """Softmax rows float32 (n, classes) of `rows` of uint8 images (n, h, w), averaged over `shifts` moves."""
    probabilities = np.empty((len(rows), model.output_shape[1]), np.float32)
    for start in range(0, len(rows), PREDICT_ROWS):
        block = images[rows[start : start + PREDICT_ROWS]]
        views = [model.predict_on_batch(view) for view in common.shifted(block, shifts)]
        probabilities[start : start + len(block)] = np.mean(views, axis=0)
    return probabilities


def make_batches(
    images: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    classes: int,
    settings: common.Settings,
    seed: int,
) -> "keras.utils.PyDataset":
    """All batches of a training, epoch after epoch; each is a pure function of the seed and its number.

    So it does not matter in which thread, how far ahead or how often one is made.
    """
    import keras

    size = min(settings.batch_size, len(rows))
    targets = keras.utils.to_categorical(labels, classes)
    warp = dataclasses.asdict(settings.augment)

    @functools.lru_cache(maxsize=2)  # reading ahead crosses into the next epoch
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch)).permutation(len(rows))

    class Batches(keras.utils.PyDataset):
        per_epoch = len(rows) // size  # the few that are left over are others in each epoch
        num_batches = per_epoch * settings.epochs

        def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
            epoch, batch = divmod(step, self.per_epoch)
            chosen = order(epoch)[batch * size : (batch + 1) * size]
            rng = np.random.default_rng((seed, epoch, batch))
            return affine_batch(images[rows[chosen]], rng, **warp), targets[chosen]

    return Batches()


def make_optimizer(
    settings: common.Settings, rates: schedule.Schedule, steps: int
) -> "keras.optimizers.Optimizer":
    """The optimizer of the settings, its learning rate that of `rates` at each of `steps` steps."""
    import keras

    class Rates(keras.optimizers.schedules.LearningRateSchedule):
        """A table, for a step is a tensor inside the compiled training, and `rates` is plain Python."""

        table = np.array([rates(step) for step in range(steps)], dtype=np.float32)

        def __call__(self, step):
            return keras.ops.take(self.table, keras.ops.minimum(step, steps - 1))

    kinds = {
        "adam": keras.optimizers.AdamW,
        "sgd": functools.partial(keras.optimizers.SGD, momentum=0.9, nesterov=True),
    }
    if settings.optimizer not in kinds:
        raise ConfigError(f"optimizer: {settings.optimizer!r} is not one of {', '.join(kinds)}")
    # The average spans at most a tenth of the training: in a short one it would still hold the first weights.
    average = min(settings.weight_average, 1 - 10 / steps)
    optimizer = kinds[settings.optimizer](
        Rates(),
        weight_decay=settings.weight_decay,
        use_ema=average > 0,
        ema_momentum=max(average, 0),
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _gpus() -> list[str]:
    import keras

    if keras.config.backend() == "torch":  # the one backend for which Keras does not list devices
        import torch

        return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    try:
        return keras.distribution.list_devices("gpu")
    except RuntimeError:  # JAX has no empty list for a kind of device that is not there
        return []


def _versions() -> dict[str, str]:
    import keras

    backend = keras.config.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        backend: importlib.metadata.version(backend),
        "numpy": np.__version__,
    }
