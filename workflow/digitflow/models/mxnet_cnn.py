"""Convolutional networks in MXNet's Gluon: pixels 0..1 (n, c, h, w) in, logits (n, classes) out."""

from mxnet.gluon import nn

# How much of the running mean and variance is kept at each step. The default, 0.9, forgets their initial
# values so slowly that 40 steps on a few hundred images end in 50 % validation accuracy, at 99 % training
# accuracy.
MOMENTUM = 0.8


def lenet(input_shape: tuple[int, ...], classes: int) -> nn.HybridSequential:
    """LeNet-5's plan (LeCun et al. 1998) with later inventions: batch norm, ReLU, max pooling, dropout.

    Any `input_shape` will do. The first layer has stride 2, so that all later layers have a quarter of the
    work. Numbers of channels are multiples of 16, the width of a vector in oneDNN's layout.
    """
    net = nn.HybridSequential(prefix="lenet_")
    side = _halved(min(input_shape[:2]))
    with net.name_scope():
        _add_convolution(net, 32, kernel=5, stride=2)
        _add_convolution(net, 32, kernel=3)
        side = _add_pooling(net, side)
        _add_convolution(net, 64, kernel=3)
        _add_pooling(net, side)
        net.add(nn.Dense(128, use_bias=False), nn.BatchNorm(momentum=MOMENTUM), nn.Activation("relu"))
        net.add(nn.Dropout(0.3), nn.Dense(classes))
    return net


def small_cnn(input_shape: tuple[int, ...], classes: int, dropout: float = 0.3) -> nn.HybridSequential:
    """Keras' `small_cnn`: three convolutions without padding, with large windows, and no hidden dense layer.

    If a side has become smaller than a window, that window is padded. 131,754 parameters for 28x28 and 10
    classes.
    """
    net = nn.HybridSequential(prefix="small_")
    side = min(input_shape[:2])
    with net.name_scope():
        for channels, kernel, pool in ((32, 5, True), (64, 5, True), (128, 3, False)):
            side = _add_valid(net, side, channels, kernel, pool)
        net.add(nn.Dropout(dropout), nn.Dense(classes))
    return net


def residual_cnn(
    input_shape: tuple[int, ...], classes: int, channels: int = 32, dropout: float = 0.2
) -> nn.HybridSequential:
    """Keras' `residual_cnn`: one large window, pooled at once, then residual blocks (He et al. 2015).

    The large window and the last one are padded if a side has become smaller than they are. 207,274
    parameters for 28x28 and 10 classes.
    """
    net = nn.HybridSequential(prefix="residual_")
    with net.name_scope():
        side = _add_valid(net, min(input_shape[:2]), channels, kernel=5, pool=True)
        net.add(Residual(channels))
        _add_convolution(net, 2 * channels, kernel=3, stride=2)
        net.add(Residual(2 * channels))
        _add_valid(net, _halved(side), 4 * channels, kernel=3)
        net.add(nn.Dropout(dropout), nn.Dense(classes))
    return net


def modern_cnn(
    input_shape: tuple[int, ...], classes: int, channels: int = 32, dropout: float = 0.2
) -> nn.HybridSequential:
    """Residual blocks (He et al. 2015, arXiv:1512.03385) between strided convolutions, then one dense layer.

    Any `input_shape` will do. Each stride halves the sides and doubles the channels, so that the blocks cost
    the same, and none works on the full image. The dense layer sees the few last places themselves: their
    average, which is usual, would not tell it where a stroke is.
    """
    net = nn.HybridSequential(prefix="modern_")
    with net.name_scope():
        _add_convolution(net, channels, kernel=5, stride=2)
        net.add(Residual(channels))
        _add_convolution(net, 2 * channels, kernel=3, stride=2)
        net.add(Residual(2 * channels))
        _add_convolution(net, 4 * channels, kernel=3, stride=2)
        net.add(nn.Dropout(dropout), nn.Dense(classes))
    return net


class Residual(nn.HybridBlock):
    """Two convolutions whose output is added to their input; sides and channels do not change."""

    def __init__(self, channels: int):
        super().__init__()
        with self.name_scope():
            self.body = nn.HybridSequential()
            _add_convolution(self.body, channels, kernel=3)
            self.body.add(nn.Conv2D(channels, 3, padding=1, use_bias=False), nn.BatchNorm(momentum=MOMENTUM))

    def hybrid_forward(self, F, x):
        return F.Activation(x + self.body(x), act_type="relu")  # by oneDNN, which F.relu is not


def _add_convolution(net: nn.HybridSequential, channels: int, kernel: int, stride: int = 1) -> None:
    """Add a padded convolution, by whose stride the sides are divided, batch norm (the bias) and ReLU."""
    net.add(nn.Conv2D(channels, kernel, stride, padding=kernel // 2, use_bias=False))
    net.add(nn.BatchNorm(momentum=MOMENTUM), nn.Activation("relu"))


def _add_valid(net: nn.HybridSequential, side: int, channels: int, kernel: int, pool: bool = False) -> int:
    """Add a convolution that is not padded, 2x2 max pooling if `pool`, batch norm and ReLU.

    It is padded all the same if the image's smaller `side` is smaller than its window. Returns the new side.
    """
    padding = 0 if side >= kernel else kernel // 2
    side += 2 * padding + 1 - kernel
    net.add(nn.Conv2D(channels, kernel, padding=padding, use_bias=False))
    if pool:
        side = _add_pooling(net, side)
    net.add(nn.BatchNorm(momentum=MOMENTUM), nn.Activation("relu"))
    return side


def _add_pooling(net: nn.HybridSequential, side: int) -> int:
    """Add 2x2 max pooling of an image whose smaller side is `side`; return the new side.

    A single pixel is not pooled: MXNet refuses a window larger than the image.
    """
    if side > 1:
        net.add(nn.MaxPool2D(2, ceil_mode=True))
    return _halved(side)


def _halved(side: int) -> int:
    return -(-side // 2)
