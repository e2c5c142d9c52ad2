"""Shapes, ranges and sizes of the networks, the paper's among them; one step of each encoder."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from cmgen.config import EncoderConfig, GanConfig
from cmgen.models.classifier import Classifier, build_encoder
from cmgen.models.networks import Canvas, Discriminator, Generator

SMALL = EncoderConfig(widths=(4, 8), hidden=16)
PAPER = dataclasses.replace(SMALL, architecture="paper", normalization="none", l2=0.01)
SHAPES = {"lms": (128, 44), "image": (32, 32, 3)}


@pytest.mark.parametrize("upsampling", ["resize", "deconvolution"])
@pytest.mark.parametrize("conditioning", ["projection", "concat"])
@pytest.mark.parametrize("shape", [(32, 32, 3), (64, 64, 3), (128, 44)], ids=str)
def test_generator_and_discriminator_fit_each_other(upsampling, conditioning, shape):
    channels = {"generator_channels": 4, "discriminator_channels": 4}
    config = GanConfig(upsampling=upsampling, conditioning=conditioning, **channels)
    generator, discriminator = Generator(config, shape), Discriminator(config, shape)
    encoding, noise = tf.random.normal([3, 128]), tf.random.normal([3, 10])
    target = generator((encoding, noise))
    assert target.shape == [3, *shape]
    assert float(tf.reduce_max(tf.abs(target))) <= 1
    assert discriminator((target, encoding)).shape == [3]
    other = generator((encoding, noise + 1))
    assert float(tf.reduce_max(tf.abs(other - target))) > 1e-4


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


@pytest.mark.parametrize(
    ("shape", "stages", "seed"),
    [((64, 64, 3), 4, (4, 4)), ((32, 32, 3), 3, (4, 4)), ((128, 44), 4, (8, 3))],
    ids=str,
)
def test_a_canvas_halves_to_a_small_seed_and_gives_back_what_it_padded(shape, stages, seed):
    canvas = Canvas(shape)
    assert (canvas.stages, canvas.seed) == (stages, seed)
    target = tf.random.stateless_normal([2, *shape], [1, 2])
    maps = canvas.pad(target)
    assert maps.shape[1:3] == [side * 2**stages for side in seed]
    np.testing.assert_array_equal(canvas.crop(maps), target)


def test_margins_of_an_lms_mirror_both_ends_of_its_time():
    lms = tf.random.stateless_normal([2, 128, 44], [1, 2])
    maps = Canvas((128, 44)).pad(lms)[..., 0]
    np.testing.assert_array_equal(maps[..., :2], lms[..., 1::-1])
    np.testing.assert_array_equal(maps[..., 46:], lms[..., :41:-1])


def test_the_paper_s_discriminator_joins_512_and_64_maps_of_4_by_4():
    config = GanConfig(discriminator_channels=64, conditioning="concat")
    discriminator = Discriminator(config, (64, 64, 3))
    features = discriminator.features(tf.zeros([2, 64, 64, 3]))
    assert features.shape == [2, 4, 4, 512]
    discriminator.score(features, tf.zeros([2, 128]))
    assert discriminator.join.kernel.shape == (1, 1, 512 + 64, 512)


def test_paper_image_encoder_has_the_layers_of_figure_5():
    encoder = build_encoder(
        "image", 13, dataclasses.replace(PAPER, hidden=1024), (64, 64, 3), "float32"
    )
    kernels = [tuple(v.shape) for v in encoder.variables if len(v.shape) == 4]
    widths = [3, 16, 16, 32, 32, 64, 64]
    assert kernels == [(3, 3, a, b) for a, b in itertools.pairwise(widths)]
    dense = [tuple(v.shape) for v in encoder.variables if len(v.shape) == 2]
    assert dense == [(16 * 16 * 64, 1024), (1024, 128), (128, 13)]


def test_strides_and_squeeze_set_what_the_dense_layer_sees():
    config = dataclasses.replace(SMALL, strides=(1, 4), squeeze=3)
    encoder = build_encoder("image", 13, config, (32, 32, 3), "float32")
    assert encoder.hidden.kernel.shape[0] == 8 * 8 * 3
    plain = build_encoder("image", 13, SMALL, (32, 32, 3), "float32")
    assert plain.hidden.kernel.shape[0] == 8 * 8 * SMALL.widths[-1]


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


def test_encoding_is_what_the_class_is_told_from():
    encoder = build_encoder("image", 3, SMALL, SHAPES["image"], "float32")
    images = tf.random.stateless_normal([4, 32, 32, 3], [1, 2])
    np.testing.assert_allclose(encoder.classify(encoder.encode(images)), encoder(images), atol=1e-6)
