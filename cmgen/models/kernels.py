"""The 4 x 4 convolution with stride 2 and its transpose, differentiable any number of times.

Each is the other's gradient by its input. Their gradient by the kernel is one matrix product where
maps are small: there oneDNN's own takes up to five times as long on a CPU (TensorFlow 2.16,
bfloat16, 8 x 8 maps of 128 channels).
"""

from typing import Any

import tensorflow as tf

_STRIDES = [1, 2, 2, 1]
# Outputs of at most so many places are gathered into a matrix; larger ones take longer to gather.
_FEW_PLACES = 64


@tf.custom_gradient
def halve(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Convolves and halves both sides.

    Args:
      x: [batch, 2h, 2w, wide], zero outside.
      kernel: [4, 4, wide, narrow].

    Returns:
      [batch, h, w, narrow].
    """

    def gradient(by_y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return double(by_y, kernel), _by_kernel(x, by_y)

    return tf.nn.conv2d(x, kernel, _STRIDES, "SAME"), gradient


@tf.custom_gradient
def double(y: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """The transpose of `halve`: doubles both sides.

    Args:
      y: [batch, h, w, narrow]; h and w are static.
      kernel: [4, 4, wide, narrow].

    Returns:
      [batch, 2h, 2w, wide].
    """

    def gradient(by_x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return halve(by_x, kernel), _by_kernel(by_x, y)

    return plain_double(y, kernel), gradient


def plain_double(y: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """`double` for inference: exports can't hold gradients of our own."""
    _, height, width, _ = y.shape
    shape = [tf.shape(y)[0], 2 * height, 2 * width, kernel.shape[2]]
    return tf.nn.conv2d_transpose(y, kernel, shape, _STRIDES, "SAME")


def _by_kernel(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The kernel's gradient; x as `halve` takes it, y as `double` does."""
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
    seen = [blocks[:, i : i + height, j : j + width] for i in (0, 1) for j in (0, 1)]
    rows = tf.reshape(tf.concat(seen, axis=-1), [-1, 16 * wide])
    taps = tf.matmul(rows, tf.reshape(y, [-1, narrow]), transpose_a=True)
    taps = tf.transpose(tf.reshape(taps, [2, 2, 2, 2, wide * narrow]), [0, 2, 1, 3, 4])
    return tf.reshape(taps, [4, 4, wide, narrow])
