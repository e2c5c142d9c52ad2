"""Building blocks of the networks: normalisation, feature-wise modulation, resampling, dropout."""

from typing import Any

import keras
import tensorflow as tf

LEAK = 0.2


def leaky_relu(x: tf.Tensor) -> tf.Tensor:
    """max(x, 0.2 x), the activation of GAN-CLS and of this paper's compression layers."""
    return tf.nn.leaky_relu(x, LEAK)


def pixel_norm(x: tf.Tensor) -> tf.Tensor:
    """Divides each pixel's feature vector by its root mean square.

    Karras et al., "Progressive Growing of GANs" (2018), section 4.2. Uses no statistics of the
    batch, so a batch split over replicas gives what the whole one would.

    Args:
      x: [batch, height, width, channels].
    """
    return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=-1, keepdims=True) + 1e-4)


def upsample(x: tf.Tensor) -> tf.Tensor:
    """Doubles height and width of [batch, height, width, channels] by repeating each pixel."""
    _, height, width, channels = x.shape
    x = tf.reshape(x, [-1, height, 1, width, 1, channels])
    x = tf.broadcast_to(x, tf.concat([tf.shape(x)[:2], [2, width, 2, channels]], 0))
    return tf.reshape(x, [-1, 2 * height, 2 * width, channels])


def normalization(kind: str, **kwargs: Any) -> keras.layers.Layer | None:
    """The layer for a configured kind: 'none' or 'batch' (synchronised over replicas)."""
    if kind == "none":
        return None
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True, **kwargs)


class StatelessDropout(keras.layers.Layer):
    """Dropout whose mask is a function of a given seed, so that a resumed run drops the same units.

    Args:
      rate: share of units set to zero, in [0, 1).
    """

    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """x of any shape; seed int32 [2], or None to leave x as it is."""
        if seed is None or self.rate == 0:
            return x
        return tf.nn.experimental.stateless_dropout(x, self.rate, seed=seed)


class Modulation(keras.layers.Layer):
    """Normalises each pixel and scales and shifts the channels by a function of the condition.

    Feature-wise linear modulation: Perez et al., "FiLM" (2018), eq. 1, after `pixel_norm`.
    """

    def build(self, x_shape: tuple[int, ...], condition_shape: tuple[int, ...]) -> None:
        self.dense = keras.layers.Dense(2 * x_shape[-1], dtype=self.dtype_policy, name="dense")
        self.dense.build(condition_shape)

    def call(self, x: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """x [batch, height, width, channels]; condition [batch, size]; the shape of x comes back."""
        scale, shift = tf.split(self.dense(condition)[:, None, None, :], 2, axis=-1)
        return pixel_norm(x) * (1 + scale) + shift


class UpBlock(keras.layers.Layer):
    """Doubles the resolution; residual, with the condition modulating each convolution.

    Channels are reduced by a 1 x 1 convolution before the resize, where it is four times cheaper,
    and the resize by repetition followed by 3 x 3 convolutions leaves no checkerboard (Odena et
    al., "Deconvolution and Checkerboard Artifacts", 2016).

    Args:
      channels: of the output.
      convolutions: how many 3 x 3 convolutions.
    """

    def __init__(self, channels: int, convolutions: int, **kwargs: Any):
        super().__init__(**kwargs)
        make = {"use_bias": False, "padding": "same", "kernel_initializer": "he_normal"}
        policy = self.dtype_policy
        self.reduce = keras.layers.Conv2D(channels, 1, dtype=policy, name="reduce", **make)
        self.convolutions = [
            keras.layers.Conv2D(channels, 3, dtype=policy, name=f"convolution_{i}", **make)
            for i in range(convolutions)
        ]
        self.modulations = [
            Modulation(dtype=policy, name=f"modulation_{i}") for i in range(convolutions)
        ]

    def call(self, x: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """x [batch, h, w, c], condition [batch, size] -> [batch, 2h, 2w, channels]."""
        x = upsample(self.reduce(x))
        residual = x
        for convolution, modulation in zip(self.convolutions, self.modulations, strict=True):
            residual = leaky_relu(modulation(convolution(residual), condition))
        return x + residual


class DeconvolutionBlock(keras.layers.Layer):
    """The paper's deconvolution, 4 x 4 with stride 2, then normalisation and ReLU."""

    def __init__(self, channels: int, kind: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.deconvolution = keras.layers.Conv2DTranspose(
            channels, 4, 2, "same", dtype=self.dtype_policy, name="deconvolution"
        )
        self.normalize = normalization(kind, dtype=self.dtype_policy, name="normalize")

    def call(self, x: tf.Tensor, condition: tf.Tensor, training: bool = False) -> tf.Tensor:
        """x [batch, h, w, c] -> [batch, 2h, 2w, channels]; the condition entered at 4 x 4."""
        x = self.deconvolution(x)
        if self.normalize is not None:
            x = self.normalize(x, training=training)
        return tf.nn.relu(x)
