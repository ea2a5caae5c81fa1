"""The architectures by name: one entry for each network that the configuration can ask for.

It holds only names, and is read only to check the configuration: no training imports this module, so a new
network in a new module retrains nothing.
"""

from collections.abc import Mapping

KERAS: Mapping[str, str] = {
    "small_cnn": "keras_cnn",
    "lenet": "keras_cnn",
    "residual_cnn": "keras_residual",
    "mlp": "keras_mlp",
    "dense_net": "keras_mlp",
    "sequential_cnn": "keras_styles",
    "functional_cnn": "keras_styles",
    "subclassed_cnn": "keras_styles",
    "cnn_128_256": "keras_large",
    "resnet18": "keras_large",
    "deotte": "keras_large",
}
MXNET: Mapping[str, str] = {
    "lenet": "mxnet_cnn",
    "small_cnn": "mxnet_cnn",
    "residual_cnn": "mxnet_cnn",
    "modern_cnn": "mxnet_cnn",
    "mlp_module": "mxnet_mlp",
}
NUMPY: Mapping[str, str] = {
    "mlp": "numpy_mlp",
    "random_features": "random_features",
    "neighbours": "neighbours",
    "random_guess": "baseline",
    "seed_search": "baseline",
}
FRAMEWORKS: Mapping[str, Mapping[str, str]] = {"keras": KERAS, "mxnet": MXNET, "numpy": NUMPY}
# These do not learn step by step, so they need no batch_size and no learning_rate.
WITHOUT_STEPS = ("random_features", "neighbours", "random_guess", "seed_search")
