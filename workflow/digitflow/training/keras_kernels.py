"""TensorFlow's own kernels, during training, for what Keras puts together from many simple operations.

On a CPU these are batch normalisation, nearly 30 % of a step of a residual network, and Adam, whose twenty
operations for each array of weights take longer to start than to calculate. Models are built, saved and used
for predictions with Keras' own.

This module imports Keras: import it only once `prepare` has set the environment.
"""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def tensorflow_kernels(model: keras.Model) -> Iterator[None]:
    """Let a compiled model train with the kernels in the block, if the backend is TensorFlow."""
    replaced = {}
    if keras.config.backend() == "tensorflow":
        parts = (*_layers(model), model.optimizer)
        replaced = {part: KERNELS[type(part)] for part in parts if type(part) in KERNELS}
    for part, kind in replaced.items():
        part.__class__ = kind  # it has the same weights and the same configuration
    try:
        yield
    finally:
        for part, kind in replaced.items():
            part.__class__ = kind.__base__


def _layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    """A layer and all layers in it."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _layers(inner)


class _BatchNormalization(keras.layers.BatchNormalization):
    """The same results except for rounding: images (n, h, w, c) are normalised over n, h and w."""

    def call(self, inputs, training=None, mask=None):
        plain = self.center and self.scale and not self.renorm and not self.synchronized and mask is None
        images = len(inputs.shape) == 4 and self.axis in (-1, 3)
        if not (training and self.trainable and plain and images):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
        variance *= (count - 1) / count  # TensorFlow estimates that of all images, Keras keeps that of these
        for moving, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + tf.cast(found, moving.dtype) * (1 - self.momentum))
        return normalised


class _Adam(keras.optimizers.Adam):
    """The same steps except for rounding; weight decay and the running average stay Keras'."""

    def update_step(self, gradient, variable, learning_rate):
        import tensorflow as tf

        if self.amsgrad or not isinstance(gradient, tf.Tensor):  # the slices of an embedding's gradient
            super().update_step(gradient, variable, learning_rate)
            return
        place = self._get_variable_index(variable)
        arrays = (variable, self._momentums[place], self._velocities[place])
        weights, mean, square = (one.value if isinstance(one, keras.Variable) else one for one in arrays)
        step = tf.cast(self.iterations + 1, weights.dtype)
        beta_1, beta_2 = (tf.cast(beta, weights.dtype) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=weights.handle,
            m=mean.handle,
            v=square.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, weights.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, weights.dtype),
            grad=tf.cast(gradient, weights.dtype),
        )


KERNELS = {keras.layers.BatchNormalization: _BatchNormalization, keras.optimizers.Adam: _Adam}
