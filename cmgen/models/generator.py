"""The generator (Chen et al., "Deep Cross-Modal Audio-Visual Generation", 2017, Fig. 2)."""

import math
from typing import Any

import keras
import tensorflow as tf

from cmgen.config import GanConfig
from cmgen.models.canvas import Canvas
from cmgen.models.kernels import UpConv, leaky_relu, modulate


class Generator(keras.Model):
    """Encoding and noise -> picture or LMS.

    The encoding (128-d) is compressed to 64 by a dense layer and leaky ReLU, phi, joined with the
    noise z (10-d), and grown from a small seed by factors of two; `paper.DeconvolutionGenerator` grows
    it as the paper does.

    Args:
      config: sizes, channels.
      shape: of one target, e.g. (64, 64, 3) or (128, 44).
      policy: Keras dtype policy.
    """

    def __init__(
        self, config: GanConfig, shape: tuple[int, ...], policy: str = "float32", **kw: Any
    ):
        super().__init__(**kw)
        self.config = config
        self.canvas = Canvas(shape)
        stages = self.canvas.stages
        widths = [config.generator_channels * min(8, 2**i) for i in reversed(range(stages))]
        self.seed_shape = (*self.canvas.seed, widths[0])
        make = {"dtype": policy}
        self.compress = keras.layers.Dense(config.compressed_size, name="compress", **make)
        self.grow = keras.layers.Dense(math.prod(self.seed_shape), name="grow", **make)
        # Spectra belong to the crop, so that no frame of them is lost.
        self.spectra = None
        if config.generator_spectra:
            self.spectra = Spectra(config.generator_spectra, shape[:2], name="spectra", **make)
        self._build_blocks(widths, policy)

    def _build_blocks(self, widths: list[int], policy: str) -> None:
        make = {"dtype": policy}
        self.blocks = [
            UpBlock(before, w, self.config.generator_convolutions, name=f"block_{i}", **make)
            for i, (before, w) in enumerate(zip([widths[0], *widths], widths, strict=False))
        ]
        self.to_image = keras.layers.Conv2D(
            self.canvas.channels, 3, padding="same", name="to_image", **make
        )

    def _maps(self, seed: tf.Tensor, condition: tf.Tensor, training: bool) -> tf.Tensor:
        """seed [batch, *seed_shape] -> maps that `canvas.crop` takes."""
        x = seed
        for block in self.blocks:
            x = block(x, condition, training=training)
        return self.to_image(x)

    def fold(self) -> list[tf.Variable]:
        """Stores what inference would compute from the weights alone on each call."""
        return [block.steps[-1].convolution.fold() for block in self.blocks]

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        """(encoding [batch, 128], noise [batch, 10]) -> float32 [batch, *shape] in [-1, 1]."""
        encoding, noise = inputs
        compressed = leaky_relu(self.compress(encoding), training)
        condition = tf.concat([compressed, tf.cast(noise, compressed.dtype)], axis=-1)
        seed = tf.reshape(self.grow(condition), [-1, *self.seed_shape])
        target = tf.cast(self.canvas.crop(self._maps(seed, condition, training)), tf.float32)
        if self.spectra is not None:
            target += self.spectra(condition, training=training)
        return tf.tanh(target)


class UpBlock(keras.layers.Layer):
    """Modulated 3 x 3 convolutions, the last of which doubles the resolution.

    Args:
      in_channels, channels: before and after.
      convolutions: how many, at least 1.
    """

    def __init__(self, in_channels: int, channels: int, convolutions: int, **kwargs: Any):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        make = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"} | policy
        self.steps = [
            FiLMConv(
                keras.layers.Conv2D(in_channels, 3, name="convolution", **make),
                in_channels,
                name=f"step_{i}",
                **policy,
            )
            for i in range(convolutions - 1)
        ]
        grow = UpConv(channels, name="convolution", **policy)
        self.steps.append(FiLMConv(grow, channels, name=f"step_{convolutions - 1}", **policy))

    def call(self, x: tf.Tensor, condition: tf.Tensor, training: bool = False) -> tf.Tensor:
        """x [batch, h, w, in_channels], condition [batch, size] -> [batch, 2h, 2w, channels]."""
        for step in self.steps:
            x = step(x, condition, training=training)
        return x


class FiLMConv(keras.layers.Layer):
    """A convolution between a scale and a shift of its channels by functions of the condition.

    leaky(convolve(pixel_norm(x) * (1 + scale)) + shift): feature-wise modulation (Perez et al.,
    "FiLM", 2018, eq. 1) with the scale at the input, where the maps are still small, as in
    StyleGAN2 (Karras et al., 2020, section 2.2).

    Args:
      convolution: the layer between; its output has `channels`.
      channels: of the output.
    """

    def __init__(self, convolution: keras.layers.Layer, channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.convolution = convolution
        self.channels = channels

    def build(self, x_shape: tuple[int, ...], condition_shape: tuple[int, ...]) -> None:
        policy = self.dtype_policy
        self.scale = keras.layers.Dense(x_shape[-1], dtype=policy, name="scale")
        self.shift = keras.layers.Dense(self.channels, dtype=policy, name="shift")
        for layer in (self.scale, self.shift):
            layer.build(condition_shape)
        self.convolution.build(x_shape)

    def call(self, x: tf.Tensor, condition: tf.Tensor, training: bool = False) -> tf.Tensor:
        """x [batch, h, w, c], condition [batch, size] -> the convolution's output, activated."""
        x = modulate(x, self.scale(condition), training)
        x = self.convolution(x, training=training)
        return leaky_relu(x + self.shift(condition)[:, None, None, :], training)


class Spectra(keras.layers.Layer):
    """Sums of a spectrum times an envelope in time, both functions of the condition.

    A few notes are nearly such a sum, sharp along frequency and smooth in time: Smaragdis and
    Brown, "Non-Negative Matrix Factorization for Polyphonic Music Transcription" (2003), eq. 1, here
    of signed values.

    Args:
      count: of products.
      shape: (mels, frames) of the LMS.
    """

    def __init__(self, count: int, shape: tuple[int, ...], **kwargs: Any):
        super().__init__(**kwargs)
        self.count, self.shape = count, shape
        make = {"dtype": self.dtype_policy}
        self.hidden = keras.layers.Dense(256, name="hidden", **make)
        make["dtype"] = "float32"
        self.spectra = keras.layers.Dense(count * shape[0], name="spectra", **make)
        self.envelopes = keras.layers.Dense(
            count * shape[1], bias_initializer="ones", name="envelopes", **make
        )

    def call(self, condition: tf.Tensor, training: bool = False) -> tf.Tensor:
        """condition [batch, size] -> float32 [batch, mels, frames]."""
        hidden = leaky_relu(self.hidden(condition), training)
        mels, frames = self.shape
        spectra = tf.reshape(self.spectra(hidden), [-1, self.count, mels])
        envelopes = tf.reshape(self.envelopes(hidden), [-1, self.count, frames])
        return tf.matmul(spectra, envelopes, transpose_a=True) * self.count**-0.5
