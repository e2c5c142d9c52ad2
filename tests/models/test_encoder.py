"""What an encoder's settings build, its encoding and its dropout."""

import dataclasses

import numpy as np
import tensorflow as tf

from cmgen.config import EncoderConfig
from cmgen.models.build import build_encoder
from cmgen.models.encoder import StatelessDropout

SMALL = EncoderConfig(widths=(4, 8), hidden=16)


def test_strides_and_squeeze_set_what_the_dense_layer_sees():
    config = dataclasses.replace(SMALL, strides=(1, 4), squeeze=3)
    encoder = build_encoder("image", 13, config, (32, 32, 3), "float32")
    assert encoder.hidden.kernel.shape[0] == 8 * 8 * 3
    plain = build_encoder("image", 13, SMALL, (32, 32, 3), "float32")
    assert plain.hidden.kernel.shape[0] == 8 * 8 * SMALL.widths[-1]


def test_the_class_follows_from_the_encoding():
    encoder = build_encoder("image", 3, SMALL, (32, 32, 3), "float32")
    images = tf.random.stateless_normal([4, 32, 32, 3], [1, 2])
    np.testing.assert_allclose(encoder.classify(encoder.encode(images)), encoder(images), atol=1e-6)


def test_dropout_is_a_function_of_its_seed():
    layer = StatelessDropout(0.5)
    x = tf.ones([4, 100])
    np.testing.assert_array_equal(layer(x), x)
    one, same, other = (layer(x, seed=tf.constant([s, 0])) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert 0.3 < float(tf.reduce_mean(tf.cast(one == 0, tf.float32))) < 0.7
