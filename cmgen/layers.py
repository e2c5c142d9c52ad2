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


def resized_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """The 4 x 4 kernel whose stride-2 transposed convolution is "repeat pixels, convolve 3 x 3".

    Each output pixel sees two of the three taps fall on the same repeated pixel, so their weights
    add up: 4 multiplications instead of 9, and no large intermediate. Resizing before convolving
    leaves no checkerboard (Odena et al., "Deconvolution and Checkerboard Artifacts", 2016).

    Args:
      kernel: [3, 3, in, out] of the plain convolution.

    Returns:
      [4, 4, out, in], as tf.nn.conv2d_transpose has it.
    """
    flipped = kernel[::-1, ::-1]
    rows = tf.pad(flipped, [[0, 1], [0, 0], [0, 0], [0, 0]])
    rows += tf.pad(flipped, [[1, 0], [0, 0], [0, 0], [0, 0]])
    both = tf.pad(rows, [[0, 0], [0, 1], [0, 0], [0, 0]])
    both += tf.pad(rows, [[0, 0], [1, 0], [0, 0], [0, 0]])
    return tf.transpose(both, [0, 1, 3, 2])


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


class ResizeConvolution(keras.layers.Layer):
    """Doubles height and width by repeating pixels, then convolves 3 x 3; both in one step.

    Args:
      channels: of the output.
    """

    def __init__(self, channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels = channels

    def build(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(
            name="kernel", shape=(3, 3, shape[-1], self.channels), initializer="he_normal"
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """x [batch, h, w, c] -> [batch, 2h, 2w, channels]."""
        _, height, width, _ = x.shape
        shape = [tf.shape(x)[0], 2 * height, 2 * width, self.channels]
        kernel = resized_kernel(tf.cast(self.kernel, x.dtype))
        x = tf.nn.conv2d_transpose(x, kernel, shape, strides=2, padding="SAME")
        return tf.ensure_shape(x, [None, 2 * height, 2 * width, self.channels])


class Modulated(keras.layers.Layer):
    """A convolution between a scale and a shift of its channels by functions of the condition.

    leaky(convolve(pixel_norm(x) * (1 + scale)) + shift): feature-wise modulation (Perez et al.,
    "FiLM", 2018, eq. 1) with the scale at the input, where the maps are still small, as in
    StyleGAN2 (Karras et al., 2020, section 2.2).

    Args:
      convolution: the layer between; its output has `channels`.
      channels: of the output.
    """

    def __init__(self, convolution: keras.layers.Layer, channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.convolution = convolution
        self.channels = channels

    def build(self, x_shape: tuple[int, ...], condition_shape: tuple[int, ...]) -> None:
        policy = self.dtype_policy
        self.scale = keras.layers.Dense(x_shape[-1], dtype=policy, name="scale")
        self.shift = keras.layers.Dense(self.channels, dtype=policy, name="shift")
        for layer in (self.scale, self.shift):
            layer.build(condition_shape)
        self.convolution.build(x_shape)

    def call(self, x: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """x [batch, h, w, c], condition [batch, size] -> the convolution's output, activated."""
        x = pixel_norm(x) * (1 + self.scale(condition)[:, None, None, :])
        return leaky_relu(self.convolution(x) + self.shift(condition)[:, None, None, :])


class UpBlock(keras.layers.Layer):
    """Modulated 3 x 3 convolutions, the last of which doubles the resolution.

    Args:
      in_channels, channels: before and after.
      convolutions: how many, at least 1.
    """

    def __init__(self, in_channels: int, channels: int, convolutions: int, **kwargs: Any):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        make = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"} | policy
        self.steps = [
            Modulated(
                keras.layers.Conv2D(in_channels, 3, name="convolution", **make),
                in_channels,
                name=f"step_{i}",
                **policy,
            )
            for i in range(convolutions - 1)
        ]
        grow = ResizeConvolution(channels, name="convolution", **policy)
        self.steps.append(Modulated(grow, channels, name=f"step_{convolutions - 1}", **policy))

    def call(self, x: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """x [batch, h, w, in_channels], condition [batch, size] -> [batch, 2h, 2w, channels]."""
        for step in self.steps:
            x = step(x, condition)
        return x


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
