"""Building blocks of the networks: normalisation, feature-wise modulation, resampling, dropout."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cmgen.models.kernels import double, halve, plain_double

LEAK = 0.2
# What a 3 x 3 kernel's taps along one axis become when each pixel is repeated; see `resized_kernel`.
_REPEATED = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)


def leaky_relu(x: tf.Tensor, training: bool = True) -> tf.Tensor:
    """max(x, 0.2 x), the activation of GAN-CLS and of this paper's compression layers.

    Without `training` it is made of plain operations, as exports need them.
    """
    return _trained_leaky_relu(x) if training else tf.nn.leaky_relu(x, LEAK)


@tf.custom_gradient
def _trained_leaky_relu(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
    y = tf.nn.leaky_relu(x, LEAK)

    def gradient(by_y: tf.Tensor) -> tf.Tensor:
        flat = _leaked(tf.reshape(by_y, [-1]), tf.reshape(y, [-1]))
        return tf.reshape(flat, tf.shape(by_y))

    return y, gradient


# The gradient kernel of TensorFlow's own op takes seven times as long in bfloat16 as in float32.
@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _leaked(gradient: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.where(y > 0, gradient, tf.cast(LEAK, gradient.dtype) * gradient)


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
    ins, outs = kernel.shape[2:]
    both = np.kron(_REPEATED, _REPEATED)
    taps = tf.matmul(both, tf.reshape(tf.cast(kernel, tf.float32), [9, ins * outs]))
    taps = tf.reshape(tf.cast(taps, kernel.dtype), [4, 4, ins, outs])
    return tf.transpose(taps, [0, 1, 3, 2])


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer by TensorFlow's fused operation, except where several replicas train.

    Keras composes it of a dozen operations in float32, which took half of an encoder's step. (oneDNN
    is slow again where the channels are no multiple of 16.)
    """

    def call(
        self, inputs: tf.Tensor, training: bool = False, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """inputs [batch, h, w, c] -> the same shape; statistics of the batch in training."""
        if training and tf.distribute.get_strategy().num_replicas_in_sync > 1:
            return super().call(inputs, training=training, mask=mask)
        known = [self.gamma, self.beta, self.moving_mean, self.moving_variance]
        scale, offset, mean, variance = (tf.convert_to_tensor(weight) for weight in known)
        outputs, new_mean, new_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=scale,
            offset=offset,
            mean=tf.zeros([0]) if training else mean,
            variance=tf.zeros([0]) if training else variance,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            # The fused operation's variance is the unbiased one, Keras's is not.
            count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
            new_variance *= 1 - 1 / count
            self.moving_mean.assign(mean + (new_mean - mean) * (1 - self.momentum))
            self.moving_variance.assign(variance + (new_variance - variance) * (1 - self.momentum))
        return outputs


def normalization(kind: str, **kwargs: Any) -> keras.layers.Layer | None:
    """The layer for a configured kind: 'none' or 'batch' (synchronised over replicas)."""
    if kind == "none":
        return None
    return BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True, **kwargs)


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
        self.folded: tf.Variable | None = None

    def build(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(
            name="kernel", shape=(3, 3, shape[-1], self.channels), initializer="he_normal"
        )

    def fold(self) -> tf.Variable:
        """Fixes the kernel of inference at what it is now; else each call computes it."""
        kernel = resized_kernel(tf.cast(self.kernel, self.compute_dtype))
        self.folded = tf.Variable(kernel, trainable=False, name="folded")
        return self.folded

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """x [batch, h, w, c] -> [batch, 2h, 2w, channels]."""
        _, height, width, _ = x.shape
        if training or self.folded is None:
            kernel = resized_kernel(tf.cast(self.kernel, x.dtype))
        else:
            kernel = tf.convert_to_tensor(self.folded)
        x = double(x, kernel) if training else plain_double(x, kernel)
        return tf.ensure_shape(x, [None, 2 * height, 2 * width, self.channels])


class HalvingConvolution(keras.layers.Layer):
    """The discriminator's 4 x 4 convolution with stride 2, and a bias.

    Args:
      channels: of the output.
    """

    def __init__(self, channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels = channels

    def build(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(
            name="kernel", shape=(4, 4, shape[-1], self.channels), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """x [batch, 2h, 2w, c] -> [batch, h, w, channels]."""
        kernel, bias = (tf.cast(weight, self.compute_dtype) for weight in (self.kernel, self.bias))
        return tf.nn.bias_add(halve(tf.cast(x, self.compute_dtype), kernel), bias)


def _modulate(x: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    return pixel_norm(x) * (1 + scale[:, None, None, :])


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
        # Compiled, forward and backward, it takes half the time; exports need plain operations.
        self._fast_modulate = tf.function(_modulate, jit_compile=True, autograph=False)

    def build(self, x_shape: tuple[int, ...], condition_shape: tuple[int, ...]) -> None:
        policy = self.dtype_policy
        self.scale = keras.layers.Dense(x_shape[-1], dtype=policy, name="scale")
        self.shift = keras.layers.Dense(self.channels, dtype=policy, name="shift")
        for layer in (self.scale, self.shift):
            layer.build(condition_shape)
        self.convolution.build(x_shape)

    def call(self, x: tf.Tensor, condition: tf.Tensor, training: bool = False) -> tf.Tensor:
        """x [batch, h, w, c], condition [batch, size] -> the convolution's output, activated."""
        modulate = self._fast_modulate if training else _modulate
        x = modulate(x, self.scale(condition))
        x = self.convolution(x, training=training)
        return leaky_relu(x + self.shift(condition)[:, None, None, :], training)


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

    def call(self, x: tf.Tensor, condition: tf.Tensor, training: bool = False) -> tf.Tensor:
        """x [batch, h, w, in_channels], condition [batch, size] -> [batch, 2h, 2w, channels]."""
        for step in self.steps:
            x = step(x, condition, training=training)
        return x


class Spectra(keras.layers.Layer):
    """Sums of a spectrum times an envelope in time, both functions of the condition.

    A few notes are nearly such a sum, sharp along frequency and smooth in time: Smaragdis and
    Brown, "Non-Negative Matrix Factorization for Polyphonic Music Transcription" (2003), eq. 1, here
    of signed values.

    Args:
      count: of products.
      shape: (mels, frames) of the LMS.
    """

    def __init__(self, count: int, shape: tuple[int, ...], **kwargs: Any):
        super().__init__(**kwargs)
        self.count, self.shape = count, shape
        make = {"dtype": self.dtype_policy}
        self.hidden = keras.layers.Dense(256, name="hidden", **make)
        make["dtype"] = "float32"
        self.spectra = keras.layers.Dense(count * shape[0], name="spectra", **make)
        self.envelopes = keras.layers.Dense(
            count * shape[1], bias_initializer="ones", name="envelopes", **make
        )

    def call(self, condition: tf.Tensor, training: bool = False) -> tf.Tensor:
        """condition [batch, size] -> float32 [batch, mels, frames]."""
        hidden = leaky_relu(self.hidden(condition), training)
        mels, frames = self.shape
        spectra = tf.reshape(self.spectra(hidden), [-1, self.count, mels])
        envelopes = tf.reshape(self.envelopes(hidden), [-1, self.count, frames])
        return tf.matmul(spectra, envelopes, transpose_a=True) * self.count**-0.5


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
