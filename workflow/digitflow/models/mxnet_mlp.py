"""A multilayer perceptron as a symbol, for MXNet's Module: images (n, c, h, w) to softmax rows."""

import mxnet as mx


def mlp_module(input_shape: tuple[int, ...], classes: int, width: int = 128) -> mx.sym.Symbol:
    """One hidden layer of `width`, for any `input_shape`; the loss is SoftmaxOutput's cross-entropy."""
    pixels = mx.sym.Flatten(mx.sym.Variable("data"), name="pixels")
    hidden = mx.sym.FullyConnected(pixels, num_hidden=width, name="hidden")
    active = mx.sym.Activation(hidden, act_type="relu", name="active")
    logits = mx.sym.FullyConnected(active, num_hidden=classes, name="logits")
    return mx.sym.SoftmaxOutput(logits, name="softmax")
