"""Train a plain numpy model on IDX images and predict with it: the network, or a guess to compare it with.

The same settings, batches and results as in training/keras_trainer.py, except that validation after each
epoch uses the running average of the weights, if there is one.
"""

import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow import models
from digitflow.training import device as devices
from digitflow.training.augment import Batches, augment_batch
from digitflow.training.course import Job, Learner, carry_out
from digitflow.training.data import Data, open_data
from digitflow.training.history import accuracy_of, cross_entropy, one_hot
from digitflow.training.numpy_predictor import predict
from digitflow.training.settings import Settings

if TYPE_CHECKING:  # a training imports only its own model's module: an edit of another does not rerun it
    from digitflow.models.baseline import Guess
    from digitflow.models.neighbours import Neighbours
    from digitflow.models.numpy_mlp import MLP
    from digitflow.models.random_features import RandomFeatures

BLOCK = 16_384  # parameters an optimizer updates at a time: everything it needs for them stays in the cache
COUNTED = 4096  # rows whose features are counted in at once
LOOKED_AT = 1000  # training rows of which loss and accuracy are told, where that takes long
# A unit that is never active has gradients of 0, and its means decay towards float32's smallest numbers,
# which slow the CPU down tenfold: every TINY_STEPS steps, those below TINY become 0.
TINY, TINY_STEPS = 1e-30, 100


def train(images: Path, train_lst: Path, valid_lst: Path, job: Job) -> None:
    """Carry a job out: train on the rows of a list, and predict the validation rows.

    As `train` in training/keras_trainer.py, on the CPU. The job's threads are what numpy was given: its BLAS
    reads OPENBLAS_NUM_THREADS once, when it is loaded.
    """
    data = open_data(images, train_lst, valid_lst, job.classes, job.settings.train_rows)
    versions = _versions()
    where = devices.announce("cpu", (), versions)
    machine = {"versions": versions, "device": where, "threads": job.threads}
    inputs = images, train_lst, valid_lst
    carry_out(job, "numpy", machine, inputs, lambda: make_learner(data, job.classes, job.settings, job.seed))


def make_learner(data: Data, classes: int, settings: Settings, seed: int) -> "NumpyLearner":
    """The learner of a new model of the settings."""
    shape = data.images.shape[1:]
    model = models.build(settings.module, settings.architecture, shape, classes, **settings.network)
    return LEARNERS[settings.module](model, data, settings, seed)


class NumpyLearner(Learner):
    """What all kinds have in common: `model` predicts, and is saved.

    Without `per_epoch` an epoch is one step, which knows no learning rate.
    """

    parameters = 0

    def __init__(self, model: Any, data: Data, settings: Settings, per_epoch: int = 0):
        train_images, (_, valid_labels) = len(data.training[0]), data.validation
        super().__init__(settings, data.images.shape[1:], train_images, valid_labels, per_epoch or 1)
        self.model, self._data = model, data
        if not per_epoch:
            self.rates = lambda step: 0.0

    @np.errstate(all="ignore")  # a training that diverges is reported by the history
    def predict(self, shifts: int = 1) -> np.ndarray:
        return predict(self.model, self._data.images, self._data.validation[0], shifts)

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, arrays: Mapping[str, np.ndarray], steps: int) -> None:
        for name, array in self.state().items():
            array[...] = arrays[name]

    def save(self, path: Path) -> None:
        self.model.save(path)


class GradientLearner(NumpyLearner):
    """Trains an MLP: the optimizer takes a step down the gradient of each batch.

    `model` has the last weights, or their running average if the settings ask for one.
    """

    def __init__(self, network: "MLP", data: Data, settings: Settings, seed: int):
        network.initialize(np.random.default_rng(seed))
        self.network, self.parameters = network, network.parameters.size
        rows, labels = data.training
        targets = one_hot(labels, network.classes, settings.label_smoothing)
        self._batches = Batches(data.images, rows, targets, settings, seed)
        super().__init__(network, data, settings, self._batches.per_epoch)
        self._optimizer = make_optimizer(settings, network.parameters)
        # Average over at most a tenth of the training, or a short one would still hold the first weights.
        self._keep = max(min(settings.weight_average, 1 - 10 / self._batches.num_batches), 0)
        if self._keep:
            self.model = type(network)(network.sizes)

    @np.errstate(all="ignore")
    def learn(self, first: int, last: int) -> tuple[float, float]:
        results = []
        for step in range(first, last):
            images, targets = self._batches[step]
            rate = self.rates(step)
            results.append(self.network.differentiate(images, targets))
            if self.settings.weight_decay:
                for weight, _ in self.network.layers:
                    weight *= 1 - rate * self.settings.weight_decay
            self._optimizer.step(self.network.parameters, self.network.gradients, rate, step + 1)
            if self._keep:
                self._average(self._keep if step else 0)
        loss, accuracy = np.mean(results, axis=0)
        return float(loss), float(accuracy)

    def _average(self, keep: float) -> None:
        """Move the average towards the weights, keeping `keep` of it."""
        move = np.subtract(self.network.parameters, self.model.parameters, out=self.network.gradients)
        move *= 1 - keep
        self.model.parameters += move

    def state(self) -> dict[str, np.ndarray]:
        """The weights, their average, and what the optimizer keeps."""
        state = {"parameters": self.network.parameters, **self._optimizer.state}
        return state | ({"average": self.model.parameters} if self._keep else {})


class FeaturesLearner(NumpyLearner):
    """Solves a layer on random features: each epoch, a step, counts in all images once more, warped anew."""

    def __init__(self, model: "RandomFeatures", data: Data, settings: Settings, seed: int):
        super().__init__(model, data, settings)
        model.initialize(np.random.default_rng(seed))
        self.parameters, self._seed = model.weights.size, seed

    def learn(self, first: int, last: int) -> tuple[float, float]:
        """Count all rows in, and solve; return loss and accuracy on the first of them, as they are."""
        rows, labels = self._data.training
        targets = one_hot(labels, self.model.classes, self.settings.label_smoothing)
        for start in range(0, len(rows), COUNTED):
            part = slice(start, start + COUNTED)
            rng = np.random.default_rng((self._seed, first, start))
            images = augment_batch(self._data.images[rows[part]], rng, self.settings.augment)
            self.model.add(images, targets[part])
        self.model.solve()
        found = self.model.predict(self._data.images[rows[:LOOKED_AT]])
        return cross_entropy(found, targets[:LOOKED_AT]), accuracy_of(found, labels[:LOOKED_AT])

    def state(self) -> dict[str, np.ndarray]:
        return self.model.state()


class NeighboursLearner(NumpyLearner):
    """Keeps the training rows: there is nothing to learn."""

    def __init__(self, model: "Neighbours", data: Data, settings: Settings, seed: int):
        rows, labels = data.training
        full = type(model)(data.images[rows], labels, model.classes, model.candidates)
        super().__init__(full, data, settings)
        self._predicted: dict[int, np.ndarray] = {}

    def learn(self, first: int, last: int) -> tuple[float, float]:
        """Return loss and accuracy on the first training rows, each predicted from all others."""
        rows = np.arange(min(len(self.model.labels), LOOKED_AT))
        labels = self.model.labels[rows]
        found = self.model.predict(self.model.images[rows], known=rows)
        targets = one_hot(labels, self.model.classes, self.settings.label_smoothing)
        return cross_entropy(found, targets), accuracy_of(found, labels)

    def predict(self, shifts: int = 1) -> np.ndarray:
        if shifts not in self._predicted:  # it takes long, and changes nothing
            self._predicted[shifts] = super().predict(shifts)
        return self._predicted[shifts]


class GuessLearner(NumpyLearner):
    """Trains a guess: each epoch, a step, tries one seed on the training labels."""

    def __init__(self, model: "Guess", data: Data, settings: Settings, seed: int):
        super().__init__(model, data, settings)
        self._rows, self._labels = data.training
        self._targets, self._seed = one_hot(self._labels, model.classes, settings.label_smoothing), seed

    def learn(self, first: int, last: int) -> tuple[float, float]:
        """Try a seed; return loss and accuracy of the best so far on the training labels."""
        self.model.consider((self._seed, first if self.model.searches else 0), self._rows, self._labels)
        rows = self.model.predict(self._rows)
        return cross_entropy(rows, self._targets), accuracy_of(rows, self._labels)

    def state(self) -> dict[str, np.ndarray]:
        """The best seed so far and how many labels it has right."""
        return {"seed": np.array(self.model.seed), "right": np.array(self.model.right)}

    def restore(self, arrays: Mapping[str, np.ndarray], steps: int) -> None:
        self.model.seed, self.model.right = tuple(arrays["seed"].tolist()), int(arrays["right"])


# By the module of the model.
LEARNERS: dict[str, type[NumpyLearner]] = {
    "numpy_mlp": GradientLearner,
    "random_features": FeaturesLearner,
    "neighbours": NeighboursLearner,
    "baseline": GuessLearner,
}


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
    """The optimizer of the settings, whose options the configuration has checked."""
    return OPTIMIZERS[settings.optimizer](parameters, **settings.optimizer_options)


def _versions() -> dict[str, str]:
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {"python": platform.python_version(), "numpy": np.__version__, blas["name"]: blas["version"]}
