"""Networks of all kinds: shapes, ranges and sizes; one step of each encoder."""

import dataclasses

import keras
import pytest
import tensorflow as tf

from cmgen.config import EncoderConfig, GanConfig
from cmgen.models.build import build_encoder, make_discriminator, make_generator
from cmgen.models.classifier import Classifier

SMALL = EncoderConfig(widths=(4, 8), hidden=16)
PAPER = dataclasses.replace(SMALL, architecture="paper", normalization="none", l2=0.01)
SHAPES = {"lms": (128, 44), "image": (32, 32, 3)}


@pytest.mark.parametrize("upsampling", ["resize", "deconvolution"])
@pytest.mark.parametrize("conditioning", ["projection", "concat"])
@pytest.mark.parametrize("shape", [(32, 32, 3), (64, 64, 3), (128, 44)], ids=str)
def test_generator_and_discriminator_fit_each_other(upsampling, conditioning, shape):
    channels = {"generator_channels": 4, "discriminator_channels": 4}
    config = GanConfig(upsampling=upsampling, conditioning=conditioning, **channels)
    generator, discriminator = make_generator(config, shape), make_discriminator(config, shape)
    encoding, noise = tf.random.normal([3, 128]), tf.random.normal([3, 10])
    target = generator((encoding, noise))
    assert target.shape == [3, *shape]
    assert float(tf.reduce_max(tf.abs(target))) <= 1
    assert discriminator((target, encoding)).shape == [3]
    other = generator((encoding, noise + 1))
    assert float(tf.reduce_max(tf.abs(other - target))) > 1e-4


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("config", [SMALL, PAPER], ids=["strided", "paper"])
@pytest.mark.parametrize("key", ["lms", "image"])
def test_an_encoder_learns_two_classes(key, config, policy):
    keras.utils.set_random_seed(1)
    encoder = build_encoder(key, 2, config, SHAPES[key], policy)
    model = Classifier(encoder, key, dataclasses.replace(config, augment=False, dropout=0.0), 40)
    model.compile()
    label = tf.constant([0, 1] * 8)
    level = tf.reshape(tf.cast(label, tf.float32) - 0.5, [-1] + [1] * len(SHAPES[key]))
    inputs = tf.broadcast_to(level, [16, *SHAPES[key]])
    batch = {key: inputs, "label": label, "uniforms": tf.zeros([16, 16])}
    step = tf.function(model.train_step)
    losses = [float(step(batch)["loss/classification"]) for _ in range(40)]
    assert losses[-1] < 0.6 * losses[0]
    assert encoder.encode(inputs).shape == [16, 128]
    assert encoder.encode(inputs).dtype == tf.float32
