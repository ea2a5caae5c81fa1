"""The two kinds of MXNet networks, Gluon blocks and symbols in a Module, with one interface for training.

This module imports MXNet: import it only once `prepare` has set the environment.
"""

import contextlib
from collections.abc import Iterator

import mxnet as mx
import numpy as np

from digitflow import models
from digitflow.base.errors import ConfigError
from digitflow.training.mxnet_predictor import last_line
from digitflow.training.settings import Settings


class Network:
    """A network with its optimizer: what both kinds have in common.

    `arrays` are its weights and running statistics by name, those that the next step uses; `mean` is their
    running average, empty if the settings have none.
    """

    def __init__(self, arrays: dict[str, mx.nd.NDArray], learned: list[str], updater: mx.optimizer.Updater):
        self.arrays, self._updater = arrays, updater
        self.mean: dict[str, mx.nd.NDArray] = {}
        for i, name in enumerate(learned):
            updater.states[i] = updater.optimizer.create_state_multi_precision(i, arrays[name])
            updater.states_synced[i] = True

    def step(self, images: mx.nd.NDArray, labels: mx.nd.NDArray) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """Learn from a batch (n, c, h, w); return its losses (n,) and scores (n, classes) from before."""
        raise NotImplementedError

    def probabilities(self, images: mx.nd.NDArray) -> mx.nd.NDArray:
        """Softmax rows (n, classes)."""
        raise NotImplementedError

    def export(self, prefix: str) -> None:
        """Write prefix-symbol.json and prefix-0000.params: a network that gives logits."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """How many numbers `arrays` holds."""
        return sum(array.size for array in self.arrays.values())

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next steps."""
        self._updater.optimizer.set_learning_rate(rate)

    def decay(self, part: float) -> None:
        """Shrink the weights by `part`, not batch norm's (Loshchilov and Hutter 2019, arXiv:1711.05101)."""
        for name, array in self.arrays.items():
            if part and name.endswith("weight"):
                array *= 1 - part

    def average(self, keep: float, step: int) -> None:
        """Move `mean` towards the weights and statistics, keeping `keep` of it."""
        keep = min(keep, (1 + step) / (10 + step))  # the first weights are random: forget them soon
        for name, mean in self.mean.items():
            mean *= keep
            mean += (1 - keep) * self.arrays[name]

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Swap `arrays` and `mean` for the block, so that the network predicts with the average."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, mean in self.mean.items():
            array, kept = self.arrays[name], mean.copy()
            mean[:] = array
            array[:] = kept

    def state(self) -> dict[str, np.ndarray]:
        """All that changes in training, except the random state, which MXNet does not expose."""
        momenta = getattr(self._updater.optimizer, "m_schedule", 1.0)  # Nadam's
        return {name: array.asnumpy() for name, array in self._changing().items()} | {"momenta": momenta}

    def restore(self, kept: dict[str, np.ndarray], steps: int) -> None:
        """Restore the state that `state` took after `steps` steps."""
        for name, array in self._changing().items():
            array[:] = mx.nd.array(kept[name])  # a numpy array cannot be copied into one in oneDNN's layout
        optimizer = self._updater.optimizer
        optimizer.m_schedule = float(kept["momenta"])
        optimizer.begin_num_update = optimizer.num_update = steps

    def _changing(self) -> dict[str, mx.nd.NDArray]:
        found = {f"array {name}": array for name, array in self.arrays.items()}
        found |= {f"mean {name}": array for name, array in self.mean.items()}
        for i, state in self._updater.states.items():  # None, an array, or a tuple of arrays
            arrays = state if isinstance(state, tuple) else [state] if state is not None else []
            found |= {f"optimizer {i} {k}": array for k, array in enumerate(arrays)}
        return found


class Block(Network):
    """A Gluon block that returns logits, compiled."""

    def __init__(
        self,
        block: mx.gluon.HybridBlock,
        shape: tuple[int, ...],
        classes: int,
        smoothing: float,
        optimizer: mx.optimizer.Optimizer,
        context: mx.Context,
    ):
        block.initialize(mx.init.MSRAPrelu(slope=0), ctx=context)  # He et al. 2015, arXiv:1502.01852
        block.hybridize(static_alloc=True, static_shape=True)
        block(mx.nd.zeros((1, *shape), ctx=context))  # now the weights have shapes
        parameters = block.collect_params()
        learned = [name for name, parameter in parameters.items() if parameter.grad_req != "null"]
        arrays = {name: parameter.data() for name, parameter in parameters.items()}
        super().__init__(arrays, learned, mx.optimizer.get_updater(optimizer))
        self._block, self._classes, self._smoothing = block, classes, smoothing
        self._weights = [arrays[name] for name in learned]
        self._gradients = [parameters[name].grad() for name in learned]
        self._loss = mx.gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)

    def step(self, images, labels):
        off = self._smoothing / self._classes  # what every class gets of the part that is spread over all
        targets = mx.nd.one_hot(labels, self._classes, 1 - self._smoothing + off, off)
        with mx.autograd.record():
            logits = self._block(images)
            loss = self._loss(logits, targets)
        loss.backward()
        self._updater(list(range(len(self._weights))), self._gradients, self._weights)
        return loss, logits

    def probabilities(self, images):
        return self._block(images).softmax()

    def export(self, prefix):
        self._block.export(prefix)


class Symbolic(Network):
    """A symbol, in a Module, that ends in SoftmaxOutput and so contains its loss."""

    def __init__(
        self,
        symbol: mx.sym.Symbol,
        shape: tuple[int, ...],
        size: int,
        optimizer: mx.optimizer.Optimizer,
        context: mx.Context,
    ):
        self._module = module = mx.mod.Module(symbol, context=context)
        module.bind([("data", (size, *shape))], [("softmax_label", (size,))])
        module.init_params(mx.init.Xavier(magnitude=2))
        module.init_optimizer(kvstore=None, optimizer=optimizer)
        weights, statistics = module.get_params()
        # These are copies; a Module has no public way to the arrays themselves and to the optimizer's.
        executor = module._exec_group.execs[0]
        learned = [name for name in symbol.list_arguments() if name in weights]
        arrays = {name: executor.arg_dict[name] for name in learned}
        arrays |= {name: executor.aux_dict[name] for name in statistics}
        super().__init__(arrays, learned, module._updater)

    def step(self, images, labels):
        self._module.forward_backward(mx.io.DataBatch([images], [labels]))
        self._module.update()
        rows = self._module.get_outputs()[0]
        return -(rows.pick(labels) + 1e-30).log(), rows

    def probabilities(self, images):
        labels = mx.nd.zeros(len(images), ctx=images.context)  # not used, but required
        self._module.forward(mx.io.DataBatch([images], [labels]), is_train=False)
        return self._module.get_outputs()[0]

    def export(self, prefix):
        logits = self._module.symbol.get_children()[0]
        logits.save(f"{prefix}-symbol.json")
        statistics = logits.list_auxiliary_states()
        kinds = {name: "aux" if name in statistics else "arg" for name in self.arrays}
        mx.nd.save(f"{prefix}-0000.params", {f"{kinds[name]}:{name}": a for name, a in self.arrays.items()})


def build(
    settings: Settings, shape: tuple[int, ...], classes: int, size: int, context: mx.Context
) -> Network:
    """A network with its initial weights, for batches of `size` images of `shape` (c, h, w).

    Raises ConfigError as `models.build`, also for what MXNet refuses only once images pass through.
    """
    optimizer = make_optimizer(settings, size)
    try:
        model = models.build(settings.module, settings.architecture, shape[1:], classes, **settings.network)
        if not isinstance(model, mx.sym.Symbol):
            network = Block(model, shape, classes, settings.label_smoothing, optimizer, context)
        elif settings.label_smoothing:
            raise ConfigError(
                f"label_smoothing: {settings.label_smoothing}; {settings.architecture} contains its loss, so "
                "only 0 is possible"
            )
        else:
            network = Symbolic(model, shape, size, optimizer, context)
    except (mx.MXNetError, TypeError, ValueError) as error:
        raise ConfigError(
            f"network: {settings.architecture} cannot be built with {settings.network or 'its defaults'}: "
            f"{last_line(error)}"
        ) from error
    if settings.weight_average:
        network.mean = {name: array.copy() for name, array in network.arrays.items()}
    return network


class Adamax(mx.optimizer.Adamax):
    """MXNet's divides by a largest gradient, which is 0 for a pixel that is black in all images: 0 / 0."""

    def update(self, index, weight, grad, state):
        state[1][:] = mx.nd.maximum(state[1], 1e-7)
        super().update(index, weight, grad, state)


class AdaDelta(mx.optimizer.AdaDelta):
    """MXNet's has no learning rate; here, as in Keras, it multiplies the step. The paper's is 1."""

    def update(self, index, weight, grad, state):
        before = weight.copy()
        super().update(index, weight, grad, state)
        weight[:] = before + self.learning_rate * (weight - before)


# MXNet's own formulas, options and defaults. Where they differ from Keras':
# - adam, nadam, rmsprop: epsilon 1e-8, not 1e-7. Nadam moves its momentum schedule on at each array, not at
#   each step, so the correction of the first steps ends sooner. rmsprop has momentum, gamma2, only if
#   centered.
# - adadelta: rho 0.9, not 0.95; epsilon 1e-5, not 1e-7: its first steps are ten times as long.
# - adagrad: the sum of squares begins at 0, not at 0.1: the first step has the full rate in each direction.
# - ftrl: lamda1 0.01 and beta 1, while Keras has 0; the sum of squares begins at 0, not at 0.1. In both the
#   weights are proportional to the rate and forget their initial values: only for rates that do not change.
OPTIMIZERS: dict[str, type[mx.optimizer.Optimizer]] = {
    "adam": mx.optimizer.Adam,
    "adamax": Adamax,
    "nadam": mx.optimizer.Nadam,
    "rmsprop": mx.optimizer.RMSProp,
    "adadelta": AdaDelta,
    "adagrad": mx.optimizer.AdaGrad,
    "sgd": mx.optimizer.NAG,  # Nesterov's; SGD if the options have nesterov false
    "ftrl": mx.optimizer.Ftrl,
}


def make_optimizer(settings: Settings, size: int) -> mx.optimizer.Optimizer:
    """The optimizer of the settings, whose options the configuration has checked, for batches of `size`."""
    kind, options = OPTIMIZERS[settings.optimizer], settings.optimizer_options
    if settings.optimizer == "sgd":
        options = {"momentum": 0.9, "nesterov": True} | options
        if not options.pop("nesterov"):
            kind = mx.optimizer.SGD
    return kind(learning_rate=settings.learning_rate, rescale_grad=1 / size, **options)
