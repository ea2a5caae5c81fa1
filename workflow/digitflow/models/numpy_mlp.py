"""The multi-layer perceptron in plain numpy: pixels 0..255 (n, h, w[, 3]) in, softmax rows (n, classes) out.

docs/numpy_network.md derives every formula here, with the same names.
"""

import itertools
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from digitflow.base import files
from digitflow.base.errors import FormatError


def mlp(input_shape: tuple[int, ...], classes: int, hidden: Sequence[int] = (800,)) -> "MLP":
    """Dense layers of `hidden` units with ReLU, then softmax; without hidden layers, softmax regression.

    636,010 parameters for 28x28 and 10 classes.
    """
    return MLP((math.prod(input_shape), *hidden, classes))


class MLP:
    """Dense layers of the given `sizes`, the input's first; ReLU between them, softmax after the last.

    `layers` are the (weight, bias) pairs, float (inputs, outputs) and (outputs,), all of them views of one
    vector, `parameters`, just as their gradients are views of the vector `gradients`. So optimizers,
    checkpoints and averages handle one array each. They are 0 until `initialize`.
    """

    def __init__(self, sizes: Sequence[int], dtype: type = np.float32):
        self.sizes, self.classes, self.dtype = tuple(sizes), sizes[-1], np.dtype(dtype)
        count = sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(sizes))
        self.parameters, self.gradients = np.zeros(count, dtype), np.zeros(count, dtype)
        self.layers, self._layer_gradients = self._views(self.parameters), self._views(self.gradients)
        self._reserve(0)

    def _views(self, vector: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """The vector's parts as (weight, bias) of each layer."""
        pairs, start = [], 0
        for inputs, outputs in itertools.pairwise(self.sizes):
            middle = start + inputs * outputs
            end = middle + outputs
            pairs.append((vector[start:middle].reshape(inputs, outputs), vector[middle:end]))
            start = end
        return pairs

    def _reserve(self, rows: int) -> None:
        """Make the buffers for batches of up to `rows` rows: one for `a` and one for `delta` per layer."""
        self._outputs, self._deltas = (
            [np.empty((rows, size), self.dtype) for size in self.sizes] for _ in range(2)
        )

    def initialize(self, rng: np.random.Generator) -> None:
        """Draw the weights so that layers keep the variance of what flows through them; biases are 0.

        He et al. 2015 (arXiv:1502.01852) before ReLU, Glorot and Bengio 2010 (AISTATS) before softmax.
        """
        *hidden, (last, last_bias) = self.layers
        for weight, bias in hidden:
            weight[...] = rng.normal(0, math.sqrt(2 / len(weight)), weight.shape)
            bias[...] = 0
        limit = math.sqrt(6 / sum(last.shape))
        last[...] = rng.uniform(-limit, limit, last.shape)
        last_bias[...] = 0

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Softmax rows (n, classes) of images (n, h, w[, 3]) of pixels 0..255."""
        z = self._forward(images)[-1]
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        return z / z.sum(axis=1, keepdims=True)

    def differentiate(self, images: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        """Set `gradients` to those of the mean cross-entropy; return that loss, and the accuracy.

        `images` are (n, h, w[, 3]), pixels 0..255; `targets` (n, classes) are rows of sum 1.
        """
        outputs, n = self._forward(images), len(images)
        p = z = outputs[-1]
        z -= z.max(axis=1, keepdims=True)  # the same p, and no exponential above 1
        agreement = np.vdot(targets, z)
        np.exp(z, out=p)
        sums = p.sum(axis=1, keepdims=True)
        loss = (np.log(sums).sum() - agreement) / n
        p /= sums
        accuracy = (p.argmax(axis=1) == targets.argmax(axis=1)).mean()

        delta = p
        delta -= targets
        delta /= n
        for k in reversed(range(len(self.layers))):
            a, (weight, _) = outputs[k], self.layers[k]
            weight_gradient, bias_gradient = self._layer_gradients[k]
            np.matmul(a.T, delta, out=weight_gradient)
            np.sum(delta, axis=0, out=bias_gradient)
            if k:
                delta = np.matmul(delta, weight.T, out=self._deltas[k][:n])
                delta *= a > 0
        return float(loss), float(accuracy)

    def _forward(self, images: np.ndarray) -> list[np.ndarray]:
        """Each layer's output, from the scaled pixels to the logits, in buffers that are used again."""
        n = len(images)
        if n > len(self._outputs[0]):
            self._reserve(n)
        outputs = [buffer[:n] for buffer in self._outputs]
        np.multiply(images.reshape(n, -1), self.dtype.type(1 / 255), out=outputs[0])
        for k, (weight, bias) in enumerate(self.layers):
            z = np.matmul(outputs[k], weight, out=outputs[k + 1])
            z += bias
            if k + 1 < len(self.layers):
                np.maximum(z, 0, out=z)
        return outputs

    def save(self, path: str | os.PathLike) -> None:
        """Write weight1, bias1, weight2, ... as .npz, with numbers only."""
        arrays = {}
        for k, (weight, bias) in enumerate(self.layers, 1):
            arrays |= {f"weight{k}": weight, f"bias{k}": bias}
        with files.atomic_open(path) as file:
            np.savez(file, **arrays)


def load(path: str | os.PathLike) -> MLP:
    """The network that `MLP.save` wrote. Raises FormatError for a file that holds something else."""
    try:
        with np.load(Path(path), allow_pickle=False) as file:
            layers = [(file[f"weight{k}"], file[f"bias{k}"]) for k in range(1, len(file.files) // 2 + 1)]
        network = MLP([len(layers[0][0]), *(len(bias) for _, bias in layers)], layers[0][0].dtype)
        for mine, kept in zip(network.layers, layers, strict=True):
            for array, values in zip(mine, kept, strict=True):
                if array.shape != values.shape:
                    raise ValueError(f"shape {values.shape}, expected {array.shape}")
                array[...] = values
    except OSError:
        raise
    except Exception as error:  # numpy and zipfile raise whatever damaged bytes lead to
        raise FormatError(
            f"{path}: not a model of weight1, bias1, weight2, ...: {error}; delete it and run again"
        ) from error
    return network
