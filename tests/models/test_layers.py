"""Layers against plain formulations of the same thing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cmgen.models.layers import (
    BatchNormalization,
    Modulated,
    ResizeConvolution,
    StatelessDropout,
    leaky_relu,
    pixel_norm,
)


def test_resize_convolution_is_repeat_then_convolve():
    draw = np.random.default_rng(0)
    x = tf.constant(draw.normal(size=[2, 5, 6, 3]), tf.float32)
    layer = ResizeConvolution(4)
    found = layer(x)
    repeated = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
    wanted = tf.nn.conv2d(repeated, layer.kernel.value, 1, "SAME")
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_pixel_norm_gives_each_pixel_unit_power():
    x = tf.random.stateless_normal([2, 3, 3, 8], [1, 2]) * 5
    np.testing.assert_allclose(
        tf.reduce_mean(pixel_norm(x) ** 2, -1), np.ones([2, 3, 3]), atol=1e-3
    )


def test_dropout_is_a_function_of_its_seed():
    layer = StatelessDropout(0.5)
    x = tf.ones([4, 100])
    np.testing.assert_array_equal(layer(x), x)
    one, same, other = (layer(x, seed=tf.constant([s, 0])) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert 0.3 < float(tf.reduce_mean(tf.cast(one == 0, tf.float32))) < 0.7


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


def test_modulation_in_training_is_the_plain_one():
    layer = Modulated(ResizeConvolution(4), 4)
    x, told = tf.random.stateless_normal([2, 4, 4, 3], [1, 2]), tf.ones([2, 5])
    np.testing.assert_allclose(layer(x, told, training=True), layer(x, told), atol=1e-5)
