"""Operations in the forms that train fastest on a CPU; each computes what its plain form would.

Only training uses the fast forms: exports need plain operations, without gradients of our own.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

LEAK = 0.2
_STRIDES = [1, 2, 2, 1]
# Outputs of at most so many places are gathered into a matrix; larger ones take longer to gather.
_FEW_PLACES = 64
# What a 3 x 3 kernel's taps along one axis become when each pixel is repeated; see `resized_kernel`.
_REPEATED = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)


def leaky_relu(x: tf.Tensor, training: bool = True) -> tf.Tensor:
    """max(x, 0.2 x), the activation of GAN-CLS and of this paper's compression layers."""
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


def modulate(x: tf.Tensor, scale: tf.Tensor, training: bool = False) -> tf.Tensor:
    """pixel_norm(x) * (1 + scale), with x [batch, h, w, c] and scale [batch, c]."""
    return (_compiled_modulate if training else _modulate)(x, scale)


def _modulate(x: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    return pixel_norm(x) * (1 + scale[:, None, None, :])


# Compiled, forward and backward take half the time.
_compiled_modulate = tf.function(_modulate, jit_compile=True, autograph=False)


def pixel_norm(x: tf.Tensor) -> tf.Tensor:
    """Divides each pixel's feature vector by its root mean square.

    Karras et al., "Progressive Growing of GANs" (2018), section 4.2. Uses no statistics of the
    batch, so a batch split over replicas gives what the whole one would.

    Args:
      x: [batch, height, width, channels].
    """
    return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=-1, keepdims=True) + 1e-4)


@tf.custom_gradient
def downsample_conv(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Convolves 4 x 4 with stride 2; differentiable any number of times.

    It and `upsample_conv` are each other's gradient by the input. The gradient by the kernel is one
    matrix product where maps are small: there oneDNN's own takes up to five times as long
    (TensorFlow 2.16, bfloat16, 8 x 8 maps of 128 channels).

    Args:
      x: [batch, 2h, 2w, wide], zero outside.
      kernel: [4, 4, wide, narrow].

    Returns:
      [batch, h, w, narrow].
    """

    def gradient(by_y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return upsample_conv(by_y, kernel), _kernel_gradient(x, by_y)

    return tf.nn.conv2d(x, kernel, _STRIDES, "SAME"), gradient


@tf.custom_gradient
def upsample_conv(y: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """The transpose of `downsample_conv`.

    Args:
      y: [batch, h, w, narrow]; h and w are static.
      kernel: [4, 4, wide, narrow].

    Returns:
      [batch, 2h, 2w, wide].
    """

    def gradient(by_x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return downsample_conv(by_x, kernel), _kernel_gradient(by_x, y)

    return _plain_upsample_conv(y, kernel), gradient


def _plain_upsample_conv(y: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    _, height, width, _ = y.shape
    shape = [tf.shape(y)[0], 2 * height, 2 * width, kernel.shape[2]]
    return tf.nn.conv2d_transpose(y, kernel, shape, _STRIDES, "SAME")


def _kernel_gradient(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The gradient by the kernel; x as `downsample_conv` takes it, y as `upsample_conv` does."""
    wide, narrow = x.shape[-1], y.shape[-1]
    _, height, width, _ = y.shape
    if height * width > _FEW_PLACES:
        return tf.raw_ops.Conv2DBackpropFilter(
            input=x,
            filter_sizes=[4, 4, wide, narrow],
            out_backprop=y,
            strides=_STRIDES,
            padding="SAME",
        )
    # Two neighbouring 2 x 2 blocks on each axis are the 4 x 4 pixels under the kernel.
    blocks = tf.nn.space_to_depth(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 2)
    patches = [blocks[:, i : i + height, j : j + width] for i in (0, 1) for j in (0, 1)]
    rows = tf.reshape(tf.concat(patches, axis=-1), [-1, 16 * wide])
    taps = tf.matmul(rows, tf.reshape(y, [-1, narrow]), transpose_a=True)
    taps = tf.transpose(tf.reshape(taps, [2, 2, 2, 2, wide * narrow]), [0, 2, 1, 3, 4])
    return tf.reshape(taps, [4, 4, wide, narrow])


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


class UpConv(keras.layers.Layer):
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
        """Stores the kernel that inference uses; otherwise each call computes it."""
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
        x = (upsample_conv if training else _plain_upsample_conv)(x, kernel)
        return tf.ensure_shape(x, [None, 2 * height, 2 * width, self.channels])


class DownConv(keras.layers.Layer):
    """A 4 x 4 convolution with stride 2, and a bias.

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
        return tf.nn.bias_add(downsample_conv(tf.cast(x, self.compute_dtype), kernel), bias)


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
        weights = self.gamma, self.beta, self.moving_mean, self.moving_variance
        scale, offset, mean, variance = (tf.convert_to_tensor(weight) for weight in weights)
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
