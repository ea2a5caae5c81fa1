"""Train a plain numpy model on IDX images and predict with it: the network, or a guess to compare it with.

The same settings, batches and results as in training/keras_trainer.py, except that validation after each
epoch uses the running average of the weights, if there is one.
"""

import dataclasses
import inspect
import logging
import math
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from digitflow import models
from digitflow.base.checksums import sha256
from digitflow.base.errors import ConfigError
from digitflow.models.baseline import Guess
from digitflow.models.numpy_mlp import MLP
from digitflow.training import device as devices
from digitflow.training import schedule
from digitflow.training.augment import augment_batch
from digitflow.training.checkpoint import Checkpoint, fingerprint
from digitflow.training.course import Course
from digitflow.training.data import open_data
from digitflow.training.history import History, accuracy_of, cross_entropy, one_hot
from digitflow.training.numpy_predictor import predict
from digitflow.training.results import Outputs, write_results
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")

BLOCK = 16_384  # parameters an optimizer updates at a time: everything it needs for them stays in the cache
# A unit that is never active has gradients of 0, and its means decay towards float32's smallest numbers,
# which slow the CPU down tenfold: every TINY_STEPS steps, those below TINY become 0.
TINY, TINY_STEPS = 1e-30, 100


def train(
    images: Path,
    train_lst: Path,
    valid_lst: Path,
    *,
    classes: int,
    settings: Settings,
    seed: int,
    model: Path,
    outputs: Outputs,
    code: str,
    threads: int,
) -> None:
    """Train on the rows of a list; write the model, its history, metrics and validation probabilities.

    `images` is an IDX file; a row is a listing's index less one. The probabilities are float32 (n, classes),
    rows as in `valid_lst`. `code` is the digest of the code that trains, which a checkpoint must match.
    `threads` is what numpy was given: its BLAS reads OPENBLAS_NUM_THREADS once, when it is loaded. The same
    seed and threads on the same machine give the same bytes, even if a killed training is resumed. Raises
    InputError for a listing that does not belong to these images, ConfigError, or DigitflowError if training
    diverges.
    """
    data = open_data(images, train_lst, valid_lst, classes, settings.train_rows)
    versions = _versions()
    machine = {"versions": versions, "device": devices.announce("cpu", (), versions), "threads": threads}
    inputs = {path.name: sha256(path) for path in (images, train_lst, valid_lst)}
    made_from = fingerprint(settings, seed, classes, machine, inputs, code)
    if outputs.are_brought_back(made_from):
        return
    checkpoint = Checkpoint(outputs.checkpoint, made_from)
    learner, history = fit(data.images, data.training, data.validation, classes, settings, seed, checkpoint)
    valid = predict(learner.model, data.images, data.validation[0], settings.test_shifts)

    learner.model.save(model)
    write_results(
        outputs,
        history,
        valid,
        data.validation[1],
        model_files=[model],
        framework="numpy",
        **machine,
        seed=seed,
        settings=settings,
        parameters=learner.parameters,
        train_images=len(data.training[0]),
        data=inputs,
    )
    checkpoint.remove()
    outputs.keep(made_from)


def fit(
    images: np.ndarray,
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    classes: int,
    settings: Settings,
    seed: int,
    checkpoint: Checkpoint | None = None,
) -> tuple["GradientTrainer | GuessTrainer", History]:
    """Train a new model on uint8 images (n, h, w); `training` and `validation` are each (rows, labels).

    With a checkpoint, training resumes from it and saves one per epoch.
    """
    model = models.build(
        settings.module, settings.architecture, images.shape[1:], classes, **settings.network
    )
    kind = GuessTrainer if isinstance(model, Guess) else GradientTrainer
    learner = kind(model, images, *training, classes, settings, seed)
    log.info(f"{settings.architecture}: {learner.parameters:,} parameters, {len(training[0]):,} images")
    rows, labels = validation
    course = Course(settings, len(rows) > 0, checkpoint, learner.state, learner.restore, learner.observe)
    targets = one_hot(labels, classes, settings.label_smoothing)
    with np.errstate(all="ignore"):  # a training that diverges is reported by the history
        while not course.history.over:
            loss, accuracy, rate = learner.epoch(len(course.history.rows))
            valid_loss = valid_accuracy = math.nan
            if len(rows):
                valid = predict(learner.model, images, rows)
                valid_loss, valid_accuracy = cross_entropy(valid, targets), accuracy_of(valid, labels)
            course.end_epoch(loss, accuracy, valid_loss, valid_accuracy, rate)
    course.restore_best()
    return learner, course.history


class GradientTrainer:
    """The training of an MLP: in each epoch the optimizer takes a step down the gradient of each batch.

    `model` has the last weights, or their running average if the settings ask for one.
    """

    def __init__(
        self,
        network: MLP,
        images: np.ndarray,
        rows: np.ndarray,
        labels: np.ndarray,
        classes: int,
        settings: Settings,
        seed: int,
    ):
        network.initialize(np.random.default_rng(seed))
        self.model = self.network = network
        self.parameters = network.parameters.size
        self._data = images, rows, one_hot(labels, classes, settings.label_smoothing)
        self._settings, self._seed = settings, seed
        self._per_epoch = len(rows) // min(settings.batch_size, len(rows))
        steps = self._per_epoch * settings.epochs
        self._rates = schedule.make(
            settings.schedule, steps, self._per_epoch, settings.learning_rate, **settings.schedule_options
        )
        self._optimizer = make_optimizer(settings, network.parameters)
        # Average over at most a tenth of the training, or a short one would still hold the first weights.
        self._keep = max(min(settings.weight_average, 1 - 10 / steps), 0)
        if self._keep:
            self.model = MLP(network.sizes)

    def epoch(self, epoch: int) -> tuple[float, float, float]:
        """Train for an epoch, counted from 0; return its mean loss, its accuracy and its last rate."""
        results = []
        for batch, (images, targets) in enumerate(batches(*self._data, self._settings, self._seed, epoch)):
            step = epoch * self._per_epoch + batch
            rate = self._rates(step)
            results.append(self.network.differentiate(images, targets))
            if self._settings.weight_decay:
                for weight, _ in self.network.layers:
                    weight *= 1 - rate * self._settings.weight_decay
            self._optimizer.step(self.network.parameters, self.network.gradients, rate, step + 1)
            if self._keep:
                self._average(self._keep if step else 0)
        loss, accuracy = np.mean(results, axis=0)
        return float(loss), float(accuracy), rate

    def _average(self, keep: float) -> None:
        """Move the average towards the weights, keeping `keep` of it."""
        move = np.subtract(self.network.parameters, self.model.parameters, out=self.network.gradients)
        move *= 1 - keep
        self.model.parameters += move

    def observe(self, valid_loss: float) -> None:
        """Show an epoch's result to a schedule that depends on results."""
        if isinstance(self._rates, schedule.Plateau):
            self._rates.observe(valid_loss)

    def state(self) -> dict[str, np.ndarray]:
        """All that changes while training: the weights, their average, and what the optimizer keeps."""
        state = {"parameters": self.network.parameters, **self._optimizer.state}
        return state | ({"average": self.model.parameters} if self._keep else {})

    def restore(self, arrays: Mapping[str, np.ndarray], epochs: int) -> None:
        """Take the state that `state` gave after `epochs` epochs."""
        for name, array in self.state().items():
            array[...] = arrays[name]


class GuessTrainer:
    """The training of a guess: each epoch tries one seed on the training labels."""

    parameters = 0

    def __init__(
        self,
        model: Guess,
        images: np.ndarray,
        rows: np.ndarray,
        labels: np.ndarray,
        classes: int,
        settings: Settings,
        seed: int,
    ):
        self.model, self._rows, self._labels, self._seed = model, rows, labels, seed
        self._targets = one_hot(labels, classes, settings.label_smoothing)

    def epoch(self, epoch: int) -> tuple[float, float, float]:
        """Try a seed; return loss and accuracy of the best so far on the training labels, and the rate 0."""
        self.model.consider((self._seed, epoch if self.model.searches else 0), self._rows, self._labels)
        rows = self.model.predict(self._rows)
        return cross_entropy(rows, self._targets), accuracy_of(rows, self._labels), 0.0

    def observe(self, valid_loss: float) -> None:
        """A guess learns nothing from it."""

    def state(self) -> dict[str, np.ndarray]:
        """The best seed so far and how many labels it has right."""
        return {"seed": np.array(self.model.seed), "right": np.array(self.model.right)}

    def restore(self, arrays: Mapping[str, np.ndarray], epochs: int) -> None:
        """Take the state that `state` gave after `epochs` epochs."""
        self.model.seed, self.model.right = tuple(arrays["seed"].tolist()), int(arrays["right"])


def batches(
    images: np.ndarray,
    rows: np.ndarray,
    targets: np.ndarray,
    settings: Settings,
    seed: int,
    epoch: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the images uint8 (b, h, w) and targets (b, classes) of each batch of an epoch, in order.

    Each is a pure function of the seed, the epoch and the batch's number, and the same as Keras gets.
    """
    size = min(settings.batch_size, len(rows))
    warp = dataclasses.asdict(settings.augment)
    order = np.random.default_rng((seed, epoch)).permutation(len(rows))
    for batch in range(len(rows) // size):  # the few left-over rows differ from epoch to epoch
        chosen = order[batch * size : (batch + 1) * size]
        rng = np.random.default_rng((seed, epoch, batch))
        yield augment_batch(images[rows[chosen]], rng, **warp), targets[chosen]


class Optimizer:
    """Updates a vector of parameters in place. `state` are vectors like it, 0 at the start."""

    def __init__(self, parameters: np.ndarray, *names: str):
        self.state = {name: np.zeros_like(parameters) for name in names}

    def step(self, parameters: np.ndarray, gradients: np.ndarray, rate: float, number: int) -> None:
        """Take step `number`, counted from 1, at the learning rate `rate`. Overwrites the gradients."""
        for start in range(0, len(parameters), BLOCK):
            part = slice(start, start + BLOCK)
            state = [vector[part] for vector in self.state.values()]
            self._update(parameters[part], gradients[part], state, rate, number)
        if number % TINY_STEPS == 0:
            for vector in self.state.values():
                vector[np.abs(vector) < TINY] = 0


class SGD(Optimizer):
    """Gradient descent, by default with Nesterov's momentum as in Sutskever et al. 2013 (ICML)."""

    def __init__(self, parameters: np.ndarray, momentum: float = 0.9, nesterov: bool = True):
        super().__init__(parameters, *(["velocity"] if momentum else []))
        self._momentum, self._nesterov = momentum, nesterov

    def _update(self, w, g, state, rate, number):
        g *= rate
        if not self._momentum:
            w -= g
            return
        (v,) = state
        v *= self._momentum
        v -= g
        if self._nesterov:
            w += self._momentum * v
            w -= g
        else:
            w += v


class Adam(Optimizer):
    """Kingma and Ba 2015 (arXiv:1412.6980), with the epsilon from the end of section 2, as in Keras."""

    def __init__(
        self, parameters: np.ndarray, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
    ):
        super().__init__(parameters, "momentum", "velocity")
        self._beta_1, self._beta_2, self._epsilon = beta_1, beta_2, epsilon

    def _update(self, w, g, state, rate, number):
        m, v = state
        m *= self._beta_1
        m += (1 - self._beta_1) * g
        v *= self._beta_2
        g *= g
        g *= 1 - self._beta_2
        v += g
        np.sqrt(v, out=g)
        g += self._epsilon
        np.divide(m, g, out=g)
        g *= rate * math.sqrt(1 - self._beta_2**number) / (1 - self._beta_1**number)
        w -= g


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "sgd": SGD}


def make_optimizer(settings: Settings, parameters: np.ndarray) -> Optimizer:
    """The optimizer of the settings. Raises ConfigError for an unknown option, or a wrong value of one."""
    kind = OPTIMIZERS[settings.optimizer]
    known = list(inspect.signature(kind).parameters)[1:]
    for option, value in settings.optimizer_options.items():
        where = f"optimizer_options: {settings.optimizer}"
        if option not in known:
            raise ConfigError(f"{where} has no {option!r}; its options are {', '.join(known)}")
        if option == "nesterov":
            if not isinstance(value, bool):
                raise ConfigError(f"{where}: nesterov is {value!r}, should be true or false")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise ConfigError(f"{where}: {option} is {value!r}, should be a number from 0 to less than 1")
    return kind(parameters, **settings.optimizer_options)


def _versions() -> dict[str, str]:
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {"python": platform.python_version(), "numpy": np.__version__, blas["name"]: blas["version"]}
