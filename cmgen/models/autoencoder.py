"""The other half of the sound autoencoder (S2I-A), which the paper mentions but does not draw."""

from typing import Any

import keras
import tensorflow as tf

from cmgen.config import EncoderConfig
from cmgen.models.kernels import normalization


class Decoder(keras.Model):
    """The mirror image of a sound encoder: encoding -> the encoder's input.

    Dense layers grow the encoding to the encoder's last maps; then each 3 x 3 convolution with its
    stride has a transposed one, in the opposite order, cut to the size that the encoder had there.

    Args:
      config: the encoder's settings.
      shape: (rows, frames) of what the encoder sees.
      policy: Keras dtype policy.
    """

    def __init__(
        self, config: EncoderConfig, shape: tuple[int, int], policy: str = "float32", **kw: Any
    ):
        super().__init__(**kw)
        strides = config.strides or (2,) * len(config.widths)
        self.sizes = [shape]
        for stride in strides:
            rows, frames = self.sizes[-1]
            self.sizes.append((-(-rows // stride), -(-frames // stride)))
        rows, frames = self.sizes[-1]
        self.channels = config.squeeze or config.widths[-1]
        relu = {"activation": "relu", "dtype": policy}
        self.hidden = keras.layers.Dense(config.hidden, name="hidden", **relu)
        self.unflatten = keras.layers.Dense(rows * frames * self.channels, name="unflatten", **relu)
        self.widen = None
        if config.squeeze:
            self.widen = keras.layers.Conv2D(config.widths[-1], 1, name="widen", **relu)
        backwards = list(zip((1, *config.widths[:-1]), strides, strict=True))[::-1]
        make = {"padding": "same", "dtype": policy}
        self.deconvolutions = [
            keras.layers.Conv2DTranspose(width, 3, stride, name=f"deconvolution_{i}", **make)
            for i, (width, stride) in enumerate(backwards)
        ]
        # The last one gives the spectrum itself, which is neither normalised nor cut at 0.
        last = len(backwards) - 1
        self.normalizations = [
            normalization(
                config.normalization if i < last else "none", dtype=policy, name=f"normalize_{i}"
            )
            for i in range(len(backwards))
        ]
        self(tf.zeros([1, config.encoding_size]))

    def call(self, encoding: tf.Tensor, training: bool = False) -> tf.Tensor:
        """encoding [batch, encoding_size] -> float32 [batch, rows, frames]."""
        rows, frames = self.sizes[-1]
        x = self.unflatten(self.hidden(encoding))
        x = tf.reshape(x, [-1, rows, frames, self.channels])
        x = x if self.widen is None else self.widen(x)
        steps = zip(self.deconvolutions, self.normalizations, self.sizes[-2::-1], strict=True)
        for deconvolution, normalize, (rows, frames) in steps:
            x = deconvolution(x)[:, :rows, :frames]
            x = x if normalize is None else normalize(x, training=training)
            x = x if deconvolution is self.deconvolutions[-1] else tf.nn.relu(x)
        return tf.cast(x[..., 0], tf.float32)
