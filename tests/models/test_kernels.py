"""The convolutions' gradients, of first and second order, against TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf

from cmgen.models.kernels import double, halve


def plain_halve(x, kernel):
    return tf.nn.conv2d(x, kernel, 2, "SAME")


def plain_double(y, kernel):
    batch, height, width, _ = y.shape
    return tf.nn.conv2d_transpose(y, kernel, [batch, 2 * height, 2 * width, kernel.shape[2]], 2)


def gradients(function, x, kernel):
    """Of a loss, and of a penalty on that loss's gradient by x, as R1 is."""
    with tf.GradientTape() as outer:
        outer.watch((x, kernel))
        with tf.GradientTape() as inner:
            inner.watch(x)
            loss = tf.reduce_sum(tf.sin(function(x, kernel)))
        penalty = tf.reduce_sum(tf.square(inner.gradient(loss, x)))
    first = tf.GradientTape(persistent=True)
    with first:
        first.watch((x, kernel))
        loss = tf.reduce_sum(tf.sin(function(x, kernel)))
    return [loss, *first.gradient(loss, (x, kernel)), *outer.gradient(penalty, (x, kernel))]


# Halved, the first is gathered into a matrix and the second is not.
@pytest.mark.parametrize("height, width", [(8, 6), (32, 16)])
@pytest.mark.parametrize("ours, plain", [(halve, plain_halve), (double, plain_double)])
def test_all_gradients_are_those_of_tensorflow(ours, plain, height, width):
    numbers = np.random.default_rng(3)
    wide, narrow = 3, 5
    small = ours is double
    shape = (2, height // 2, width // 2, narrow) if small else (2, height, width, wide)
    x = tf.constant(numbers.standard_normal(shape), tf.float32)
    kernel = tf.constant(numbers.standard_normal([4, 4, wide, narrow]), tf.float32)
    for found, wanted in zip(gradients(ours, x, kernel), gradients(plain, x, kernel), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-3)
