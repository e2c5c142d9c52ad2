"""The layers that the paper's figures show."""

import itertools

import tensorflow as tf

from cmgen.config import EncoderConfig, GanConfig
from cmgen.models.build import build_encoder, make_discriminator

PAPER = EncoderConfig(hidden=1024, architecture="paper", normalization="none", l2=0.01)


def test_the_paper_s_discriminator_joins_512_and_64_maps_of_4_by_4():
    config = GanConfig(discriminator_channels=64, conditioning="concat")
    discriminator = make_discriminator(config, (64, 64, 3))
    features = discriminator.features(tf.zeros([2, 64, 64, 3]))
    assert features.shape == [2, 4, 4, 512]
    discriminator.score(features, tf.zeros([2, 128]))
    assert discriminator.join.kernel.shape == (1, 1, 512 + 64, 512)


def test_paper_image_encoder_has_the_layers_of_figure_5():
    encoder = build_encoder("image", 13, PAPER, (64, 64, 3), "float32")
    kernels = [tuple(v.shape) for v in encoder.variables if len(v.shape) == 4]
    widths = [3, 16, 16, 32, 32, 64, 64]
    assert kernels == [(3, 3, a, b) for a, b in itertools.pairwise(widths)]
    dense = [tuple(v.shape) for v in encoder.variables if len(v.shape) == 2]
    assert dense == [(16 * 16 * 64, 1024), (1024, 128), (128, 13)]
