"""Each kernel against its plain form; gradients of first and second order too."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cmgen.models.kernels import (
    BatchNormalization,
    UpConv,
    downsample_conv,
    leaky_relu,
    pixel_norm,
    upsample_conv,
)


def plain_downsample(x, kernel):
    return tf.nn.conv2d(x, kernel, 2, "SAME")


def plain_upsample(y, kernel):
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
@pytest.mark.parametrize(
    "ours, plain", [(downsample_conv, plain_downsample), (upsample_conv, plain_upsample)]
)
def test_all_gradients_are_those_of_tensorflow(ours, plain, height, width):
    numbers = np.random.default_rng(3)
    wide, narrow = 3, 5
    small = ours is upsample_conv
    shape = (2, height // 2, width // 2, narrow) if small else (2, height, width, wide)
    x = tf.constant(numbers.standard_normal(shape), tf.float32)
    kernel = tf.constant(numbers.standard_normal([4, 4, wide, narrow]), tf.float32)
    for found, wanted in zip(gradients(ours, x, kernel), gradients(plain, x, kernel), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-3)


def test_resize_convolution_is_repeat_then_convolve():
    draw = np.random.default_rng(0)
    x = tf.constant(draw.normal(size=[2, 5, 6, 3]), tf.float32)
    layer = UpConv(4)
    found = layer(x)
    repeated = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
    wanted = tf.nn.conv2d(repeated, layer.kernel.value, 1, "SAME")
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_pixel_norm_gives_each_pixel_unit_power():
    x = tf.random.stateless_normal([2, 3, 3, 8], [1, 2]) * 5
    np.testing.assert_allclose(
        tf.reduce_mean(pixel_norm(x) ** 2, -1), np.ones([2, 3, 3]), atol=1e-3
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_leaky_relu_and_its_gradients_are_tensorflow_s(dtype):
    x = tf.cast(tf.random.stateless_normal([3, 40], [1, 2]), dtype)
    found = []
    for function in (leaky_relu, lambda x: tf.nn.leaky_relu(x, 0.2)):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = function(x)
                loss = tf.reduce_sum(y * y)
            by_x = inner.gradient(loss, x)
            penalty = tf.reduce_sum(tf.square(by_x))
        found.append([y, by_x, outer.gradient(penalty, x)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(tf.cast(one, tf.float32), tf.cast(other, tf.float32))


def test_batch_normalization_is_keras_s():
    settings = {"momentum": 0.9, "epsilon": 1e-5}
    ours, theirs = BatchNormalization(**settings), keras.layers.BatchNormalization(**settings)
    x = 3 * tf.random.stateless_normal([4, 5, 6, 16], [1, 2]) + 1
    found = []
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.gamma.assign(tf.linspace(0.5, 2.0, 16))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.sin(y))
        gradients = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
        found.append([y, *gradients, layer.moving_mean, layer.moving_variance, layer(x)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
