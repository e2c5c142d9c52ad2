"""Fields of a file's bytes inside a graph, and checks that stop it. Core operations alone."""

from typing import Any

import numpy as np
import tensorflow as tf


def require(
    condition: tf.Tensor, data: tf.Tensor, message: str, values: tuple[tf.Tensor, ...] = ()
) -> tf.Tensor:
    """`data`, once `condition` holds; what is computed from it waits for the check."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message, *values])]):
        return tf.identity(data)


def read_text(data: tf.Tensor, at: Any, size: Any = 4) -> tf.Tensor:
    """`size` bytes of a string [] from `at` on, fewer where it ends before."""
    length = tf.cast(tf.strings.length(data), tf.int64)
    return tf.strings.substr(data, tf.minimum(tf.cast(at, tf.int64), length), size)


def read_uint(data: tf.Tensor, at: Any, size: int, order: str = "little") -> tf.Tensor:
    """The number in `size` bytes from `at` on, int64 []; bytes beyond the end are 0."""
    padded = tf.strings.substr(read_text(data, at, size) + b"\0" * size, 0, size)
    digits = tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int64)
    places = 256 ** np.arange(size)
    return tf.reduce_sum(digits * (places if order == "little" else places[::-1]))
