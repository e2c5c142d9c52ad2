"""The generator's layers, and what spectra add to its maps."""

import keras
import numpy as np
import tensorflow as tf

from cmgen.config import GanConfig
from cmgen.models.generator import FiLMConv, Generator
from cmgen.models.kernels import UpConv


def test_spectra_are_added_to_what_the_convolutions_make():
    config = GanConfig(generator_channels=4, generator_spectra=2)
    keras.utils.set_random_seed(3)
    generator = Generator(config, (128, 44))
    # Small numbers, so that tanh does not saturate.
    inputs = 0.3 * tf.random.normal([3, 128]), 0.3 * tf.random.normal([3, 10])
    whole = tf.atanh(generator(inputs))
    for layer in (generator.spectra.spectra, generator.spectra.envelopes):
        layer.set_weights([np.zeros(v.shape) for v in layer.get_weights()])
    without = tf.atanh(generator(inputs))
    added = (whole - without).numpy()
    assert np.abs(added).max() > 0.01
    assert np.linalg.matrix_rank(added[0], tol=1e-3) == config.generator_spectra


def test_modulation_in_training_is_the_plain_one():
    layer = FiLMConv(UpConv(4), 4)
    x, condition = tf.random.stateless_normal([2, 4, 4, 3], [1, 2]), tf.ones([2, 5])
    np.testing.assert_allclose(layer(x, condition, training=True), layer(x, condition), atol=1e-5)
