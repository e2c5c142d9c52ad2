"""The discriminator (Chen et al., "Deep Cross-Modal Audio-Visual Generation", 2017, Fig. 2)."""

from typing import Any

import keras
import tensorflow as tf

from cmgen.config import GanConfig
from cmgen.models.canvas import Canvas
from cmgen.models.kernels import DownConv, leaky_relu, normalization


class Discriminator(keras.Model):
    """Scores a pair of a target (picture or LMS) and the condition's encoding.

    `features` is the target's trunk down to the seed; `score` joins it with the compressed encoding
    phi, so that one trunk pass serves the matching and the mismatched pair of the same target. They
    are joined by projection: psi(f) + <V phi, f>, Miyato and Koyama, "cGANs with Projection
    Discriminator" (2018), eq. 3; `paper.ConcatDiscriminator` joins them as the paper does.

    Args:
      config: channels, normalisation.
      shape: of one target, e.g. (64, 64, 3) or (128, 44).
      policy: Keras dtype policy.
    """

    def __init__(
        self, config: GanConfig, shape: tuple[int, ...], policy: str = "float32", **kw: Any
    ):
        super().__init__(**kw)
        self.canvas = Canvas(shape)
        stages, make = self.canvas.stages, {"dtype": policy}
        widths = [config.discriminator_channels * min(8, 2**i) for i in range(stages)]
        self.convolutions = [
            DownConv(w, name=f"convolution_{i}", **make) for i, w in enumerate(widths)
        ]
        kind = config.discriminator_normalization
        # The first convolution sees the target itself and is never normalised (DCGAN).
        self.normalizations = [None] + [
            normalization(kind, name=f"normalize_{i}", **make) for i in range(1, stages)
        ]
        self.compress = keras.layers.Dense(config.compressed_size, name="compress", **make)
        self._build_head(widths[-1], policy)

    def _build_head(self, width: int, policy: str) -> None:
        self.flat = keras.layers.Dense(width, name="flat", dtype=policy)
        self.project = keras.layers.Dense(width, name="project", dtype=policy)
        self.to_score = keras.layers.Dense(1, name="to_score", dtype="float32")

    def _maps(self, target: tf.Tensor, training: bool) -> tf.Tensor:
        """target [batch, *shape] -> [batch, *seed, c]."""
        x = self.canvas.pad(target)
        for convolution, normalize in zip(self.convolutions, self.normalizations, strict=True):
            x = convolution(x)
            x = x if normalize is None else normalize(x, training=training)
            x = leaky_relu(x)
        return x

    def features(self, target: tf.Tensor, training: bool = False) -> tf.Tensor:
        """target [batch, *shape] in [-1, 1] -> [batch, c]."""
        x = self._maps(target, training)
        return leaky_relu(self.flat(tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])))

    def score(self, features: tf.Tensor, encoding: tf.Tensor) -> tf.Tensor:
        """features of `features`, encoding [batch, 128] -> float32 logits [batch]."""
        compressed = leaky_relu(self.compress(encoding))
        projected = tf.cast(self.project(compressed), tf.float32)
        features = tf.cast(features, tf.float32)
        agreement = tf.reduce_sum(projected * features, axis=-1) * features.shape[-1] ** -0.5
        return self.to_score(features)[:, 0] + agreement

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        """(target, encoding) -> logits [batch]."""
        target, encoding = inputs
        return self.score(self.features(target, training=training), encoding)
