"""The networks as the paper draws them.

Chen et al., "Deep Cross-Modal Audio-Visual Generation" (2017), Figs. 2 and 5. What the paper leaves
open (strides, depths of the generator) is a setting; `presets/s2i_paper.flags` says what was assumed.
"""

from typing import Any

import keras
import tensorflow as tf

from cmgen.models.discriminator import Discriminator
from cmgen.models.encoder import Encoder, convolution
from cmgen.models.generator import Generator
from cmgen.models.kernels import leaky_relu, normalization


class PaperImageEncoder(Encoder):
    """Fig. 5: convolutions of 16, 16, pool, 32, 32, 64, 64, pool."""

    def _build_trunk(self, policy: str) -> list[keras.layers.Layer]:
        trunk: list[keras.layers.Layer] = []
        for group in (((0, 16), (1, 16)), ((2, 32), (3, 32), (4, 64), (5, 64))):
            trunk += [convolution(i, width, 1, policy, activation="relu") for i, width in group]
            trunk.append(keras.layers.MaxPooling2D(dtype=policy))
        return trunk


class DeconvolutionGenerator(Generator):
    """Fig. 2: grows its maps by deconvolutions; the condition enters at the seed alone."""

    def _build_blocks(self, widths: list[int], policy: str) -> None:
        kind, make = self.config.generator_normalization, {"dtype": policy}
        self.normalize = normalization(kind, name="normalize", **make)
        self.blocks = [
            DeconvolutionBlock(w, kind, name=f"block_{i}", **make) for i, w in enumerate(widths[1:])
        ]
        self.to_image = keras.layers.Conv2DTranspose(
            self.canvas.channels, 4, 2, "same", name="to_image", **make
        )

    def _maps(self, seed: tf.Tensor, condition: tf.Tensor, training: bool) -> tf.Tensor:
        x = seed if self.normalize is None else self.normalize(seed, training=training)
        x = tf.nn.relu(x)
        for block in self.blocks:
            x = block(x, training=training)
        return self.to_image(x)

    def fold(self) -> list[tf.Variable]:
        return []


class DeconvolutionBlock(keras.layers.Layer):
    """A deconvolution, 4 x 4 with stride 2, then normalisation and ReLU."""

    def __init__(self, channels: int, kind: str, **kwargs: Any):
        super().__init__(**kwargs)
        make = {"dtype": self.dtype_policy}
        self.deconvolution = keras.layers.Conv2DTranspose(
            channels, 4, 2, "same", name="deconvolution", **make
        )
        self.normalize = normalization(kind, name="normalize", **make)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """x [batch, h, w, c] -> [batch, 2h, 2w, channels]."""
        x = self.deconvolution(x)
        if self.normalize is not None:
            x = self.normalize(x, training=training)
        return tf.nn.relu(x)


class ConcatDiscriminator(Discriminator):
    """Fig. 2: the compressed encoding is tiled over the smallest maps and joined with them."""

    def _build_head(self, width: int, policy: str) -> None:
        self.join = keras.layers.Conv2D(width, 1, name="join", dtype=policy)
        self.to_score = keras.layers.Conv2D(1, self.canvas.seed, name="to_score", dtype="float32")

    def features(self, target: tf.Tensor, training: bool = False) -> tf.Tensor:
        """target [batch, *shape] in [-1, 1] -> [batch, *seed, c]."""
        return self._maps(target, training)

    def score(self, features: tf.Tensor, encoding: tf.Tensor) -> tf.Tensor:
        compressed = leaky_relu(self.compress(encoding))
        tiled = tf.tile(compressed[:, None, None, :], [1, *self.canvas.seed, 1])
        joined = leaky_relu(self.join(tf.concat([features, tiled], axis=-1)))
        return self.to_score(joined)[:, 0, 0, 0]
