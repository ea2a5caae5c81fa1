"""Convolutional networks in MXNet's Gluon. They take pixels 0..1 (n, 1, h, w), give logits (n, classes)."""

from mxnet.gluon import nn

# Of the running mean and variance, kept at each step. The default, 0.9, forgets where they began so late that
# 40 steps on a few hundred images end in 50 % validation accuracy, at 99 % training accuracy.
MOMENTUM = 0.8


def lenet(input_shape: tuple[int, int], classes: int) -> nn.HybridSequential:
    """LeNet-5's plan (LeCun et al. 1998) with what came later: batch norm, ReLU, max pooling, dropout.

    Any `input_shape` will do: Gluon infers it. The first layer has stride 2, so that all that follows has a
    quarter of the work. Numbers of channels are multiples of 16, the width of a vector in oneDNN's layout.
    """
    net = nn.HybridSequential(prefix="lenet_")
    with net.name_scope():
        _add_convolution(net, 32, kernel=5, stride=2)
        _add_convolution(net, 32, kernel=3)
        net.add(nn.MaxPool2D(2, ceil_mode=True))  # ceil: a side of one pixel stays one
        _add_convolution(net, 64, kernel=3)
        net.add(nn.MaxPool2D(2, ceil_mode=True))
        net.add(nn.Dense(128, use_bias=False), nn.BatchNorm(momentum=MOMENTUM), nn.Activation("relu"))
        net.add(nn.Dropout(0.3), nn.Dense(classes))
    return net


def _add_convolution(net: nn.HybridSequential, channels: int, kernel: int, stride: int = 1) -> None:
    """Add convolution, batch norm (which has the bias) and ReLU; the stride divides the sides."""
    net.add(nn.Conv2D(channels, kernel, stride, padding=kernel // 2, use_bias=False))
    net.add(nn.BatchNorm(momentum=MOMENTUM), nn.Activation("relu"))
