"""Networks of the kinds that the settings name: ours, or those that the paper draws."""

from typing import Any

import tensorflow as tf

from cmgen.config import EncoderConfig, GanConfig
from cmgen.models.discriminator import Discriminator
from cmgen.models.encoder import Encoder
from cmgen.models.generator import Generator
from cmgen.models.paper import ConcatDiscriminator, DeconvolutionGenerator, PaperImageEncoder


def build_encoder(
    modality: str,
    num_classes: int,
    config: EncoderConfig,
    input_shape: tuple[int, ...],
    policy: str,
) -> Encoder:
    """An encoder with its variables.

    Args:
      modality: "image" for an image encoder or verifier, else a sound representation, "lms" ...
      num_classes: how many instruments.
      config: its settings.
      input_shape: of one input, e.g. (128, 44) or (64, 64, 3).
      policy: Keras dtype policy.
    """
    paper = modality == "image" and config.architecture == "paper"
    encoder = (PaperImageEncoder if paper else Encoder)(num_classes, config, policy)
    encoder(tf.zeros([1, *input_shape]))
    return encoder


def make_generator(
    config: GanConfig, shape: tuple[int, ...], policy: str = "float32", **kw: Any
) -> Generator:
    """The generator of the configured kind; see `Generator`."""
    deconvolution = config.upsampling == "deconvolution"
    return (DeconvolutionGenerator if deconvolution else Generator)(config, shape, policy, **kw)


def make_discriminator(
    config: GanConfig, shape: tuple[int, ...], policy: str = "float32", **kw: Any
) -> Discriminator:
    """The discriminator of the configured kind; see `Discriminator`."""
    concat = config.conditioning == "concat"
    return (ConcatDiscriminator if concat else Discriminator)(config, shape, policy, **kw)
