"""Layers against plain formulations of the same thing."""

import numpy as np
import tensorflow as tf

from cmgen.layers import ResizeConvolution, StatelessDropout, pixel_norm


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
