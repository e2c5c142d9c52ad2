"""The paper's networks: sound and image encoders, generator, discriminator.

Chen et al., "Deep Cross-Modal Audio-Visual Generation" (2017), Figs. 2, 4 and 5. What the paper
leaves open (strides, depths of the generator) is a setting; `presets/s2i_paper.flags` says what
was assumed.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from cmgen.config import EncoderConfig, GanConfig
from cmgen.models.layers import (
    DeconvolutionBlock,
    HalvingConvolution,
    Spectra,
    StatelessDropout,
    UpBlock,
    leaky_relu,
    normalization,
)

Policy = str
SEED_SIZE = 4  # shorter side of the generator's first and of the discriminator's last maps, at most


class Encoder(keras.Model):
    """A CNN classifier whose last hidden layer (128-d) is the encoding.

    Args:
      num_classes: how many instruments.
      config: widths, normalisation, dropout.
      policy: Keras dtype policy, e.g. "mixed_bfloat16".
    """

    def __init__(
        self, num_classes: int, config: EncoderConfig, policy: Policy = "float32", **kw: Any
    ):
        super().__init__(**kw)
        self.config = config
        self.num_classes = num_classes
        self.trunk = self._convolutions(config, policy)
        dense = {"dtype": policy, "kernel_regularizer": _l2(config.l2)}
        self.hidden = keras.layers.Dense(config.hidden, activation="relu", name="hidden", **dense)
        self.encoding = keras.layers.Dense(
            config.encoding_size, activation="relu", name="encoding", **dense
        )
        self.classify = keras.layers.Dense(
            num_classes, dtype="float32", kernel_regularizer=_l2(config.l2), name="classify"
        )
        self.dropout = StatelessDropout(config.dropout, dtype=policy, name="dropout")

    def _convolutions(self, config: EncoderConfig, policy: Policy) -> list[keras.layers.Layer]:
        return _strided_trunk(config, policy)

    def _as_maps(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs

    def _hidden(self, inputs: tf.Tensor, training: bool, seed: tf.Tensor | None) -> tf.Tensor:
        x = self._as_maps(inputs)
        for layer in self.trunk:
            x = layer(x, training=training)
        x = tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])
        return self.encoding(self.dropout(self.hidden(x), seed=seed))

    def encode(
        self, inputs: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """inputs and seed as for `call` -> float32 [batch, encoding_size], not negative."""
        return tf.cast(self._hidden(inputs, training, seed), tf.float32)

    def scale_encoding(self, factor: float) -> None:
        """Multiplies all encodings; the classes named stay the same, since ReLU keeps factors."""
        for variable in (self.encoding.kernel, self.encoding.bias):
            variable.assign(variable * factor)
        self.classify.kernel.assign(self.classify.kernel / factor)

    def logits(self, encoding: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """What `encode` gave -> float32 [batch, classes]; seed as for `call`."""
        return self.classify(self.dropout(encoding, seed=None if seed is None else seed + [0, 1]))

    def call(
        self, inputs: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """LMS [batch, 128, 44] or image [batch, s, s, 3], in [-1, 1] -> logits [batch, classes].

        `seed` int32 [2] keys the dropout; without it nothing is dropped.
        """
        return self.logits(self._hidden(inputs, training, seed), seed)


def condition(encoder: Encoder, encoding: tf.Tensor, kind: str) -> tf.Tensor:
    """What the generator is told of a sound.

    Args:
      encoder: that made the encoding.
      encoding: float32 [batch, encoding_size].
      kind: `sound` tells the encoding itself, `label` only the class that the encoder names.

    Returns:
      float32 [batch, encoding_size].
    """
    if kind == "sound":
        return encoding
    return one_hot(tf.argmax(encoder.classify(encoding), axis=-1), encoder.config)


def one_hot(labels: tf.Tensor, config: EncoderConfig) -> tf.Tensor:
    """Classes int [batch] as vectors of the encoding's length; float32 [batch, encoding_size]."""
    return tf.one_hot(labels, config.encoding_size, dtype=tf.float32)


class SoundEncoder(Encoder):
    """LMS -> encoding and class logits (paper, Fig. 4)."""

    def _as_maps(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs[..., None]


class ImageEncoder(Encoder):
    """Picture -> encoding and class logits (paper, Fig. 5); the verifier has the same layers."""

    def _convolutions(self, config: EncoderConfig, policy: Policy) -> list[keras.layers.Layer]:
        if config.architecture == "paper":
            return _paper_image_trunk(policy)
        return _strided_trunk(config, policy)


def _l2(weight: float) -> keras.regularizers.Regularizer | None:
    return keras.regularizers.L2(weight) if weight else None


def _convolution(
    index: int, channels: int, stride: int, policy: Policy, **kwargs: Any
) -> keras.layers.Layer:
    kwargs = {"padding": "same", "kernel_initializer": "he_normal", "dtype": policy} | kwargs
    return keras.layers.Conv2D(channels, 3, stride, name=f"convolution_{index}", **kwargs)


def _strided_trunk(config: EncoderConfig, policy: Policy) -> list[keras.layers.Layer]:
    """3 x 3 convolutions with strides; the paper draws no pooling for sound and no strides."""
    trunk: list[keras.layers.Layer] = []
    strides = config.strides or (2,) * len(config.widths)
    for i, (width, stride) in enumerate(zip(config.widths, strides, strict=True)):
        normalize = normalization(config.normalization, dtype=policy, name=f"normalize_{i}")
        trunk.append(_convolution(i, width, stride, policy, use_bias=normalize is None))
        trunk += [normalize] if normalize is not None else []
        trunk.append(keras.layers.ReLU(dtype=policy))
    if config.squeeze:
        trunk.append(keras.layers.Conv2D(config.squeeze, 1, name="squeeze", dtype=policy))
    return trunk


def _paper_image_trunk(policy: Policy) -> list[keras.layers.Layer]:
    """Fig. 5: 16, 16, pool, 32, 32, 64, 64, pool."""
    trunk: list[keras.layers.Layer] = []
    for group in (((0, 16), (1, 16)), ((2, 32), (3, 32), (4, 64), (5, 64))):
        trunk += [_convolution(i, width, 1, policy, activation="relu") for i, width in group]
        trunk.append(keras.layers.MaxPooling2D(dtype=policy))
    return trunk


@dataclass(frozen=True)
class Canvas:
    """The maps on which a target is made or looked at; their sides halve down to a small seed.

    A picture of 64 x 64 x 3 has a seed of 4 x 4. An LMS of 128 x 44 has one of 8 x 3, whose four
    doublings give 128 x 48: time has a margin of two frames (23 ms) at both ends.

    Attributes:
      shape: of one target, (height, width, channels), or (height, width) of a single channel.
    """

    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[2] if len(self.shape) == 3 else 1

    @property
    def stages(self) -> int:
        """How often the sides are halved."""
        return math.ceil(math.log2(min(self.shape[:2]) / SEED_SIZE))

    @property
    def seed(self) -> tuple[int, int]:
        """Height and width of the smallest maps."""
        height, width = (-(-side // 2**self.stages) for side in self.shape[:2])
        return height, width

    @property
    def _margins(self) -> list[tuple[int, int]]:
        """How much larger the maps are than the target: (before, after) of height and of width."""
        extra = [s * 2**self.stages - t for s, t in zip(self.seed, self.shape, strict=False)]
        return [(more // 2, more - more // 2) for more in extra]

    def crop(self, maps: tf.Tensor) -> tf.Tensor:
        """[batch, seed height * 2 ** stages, width likewise, channels] -> [batch, *shape]."""
        (top, _), (left, _) = self._margins
        height, width = self.shape[:2]
        return tf.reshape(maps[:, top : top + height, left : left + width], [-1, *self.shape])

    def pad(self, target: tf.Tensor) -> tf.Tensor:
        """[batch, *shape] -> what `crop` takes; the margins mirror the target's border."""
        maps = tf.reshape(target, [-1, *self.shape[:2], self.channels])
        if self._margins == [(0, 0), (0, 0)]:
            return maps
        return tf.pad(maps, [(0, 0), *self._margins, (0, 0)], "SYMMETRIC")


class Generator(keras.Model):
    """Encoding and noise -> picture or LMS (paper, Fig. 2).

    The encoding (128-d) is compressed to 64 by a dense layer and leaky ReLU, phi, joined with the
    noise z (10-d), and grown from a small seed by factors of two.

    Args:
      config: sizes, channels, normalisation, how it upsamples.
      shape: of one target, e.g. (64, 64, 3) or (128, 44).
      policy: Keras dtype policy.
    """

    def __init__(
        self, config: GanConfig, shape: tuple[int, ...], policy: Policy = "float32", **kw: Any
    ):
        super().__init__(**kw)
        self.config = config
        self.canvas = Canvas(shape)
        stages, channels = self.canvas.stages, self.canvas.channels
        widths = [config.generator_channels * min(8, 2**i) for i in reversed(range(stages))]
        self.seed_shape = (*self.canvas.seed, widths[0])
        make = {"dtype": policy}
        self.compress = keras.layers.Dense(config.compressed_size, name="compress", **make)
        self.grow = keras.layers.Dense(math.prod(self.seed_shape), name="grow", **make)
        # Spectra belong to the crop, so that no frame of them is lost.
        self.spectra = None
        if config.generator_spectra:
            self.spectra = Spectra(config.generator_spectra, shape[:2], name="spectra", **make)
        if config.upsampling == "resize":
            self.blocks = [
                UpBlock(before, w, config.generator_convolutions, name=f"block_{i}", **make)
                for i, (before, w) in enumerate(zip([widths[0], *widths], widths, strict=False))
            ]
            self.to_image = keras.layers.Conv2D(
                channels, 3, padding="same", name="to_image", **make
            )
        else:
            self.normalize = normalization(config.generator_normalization, name="normalize", **make)
            self.blocks = [
                DeconvolutionBlock(w, config.generator_normalization, name=f"block_{i}", **make)
                for i, w in enumerate(widths[1:])
            ]
            self.to_image = keras.layers.Conv2DTranspose(
                channels, 4, 2, "same", name="to_image", **make
            )

    def fold(self) -> list[tf.Variable]:
        """Fixes what inference would compute of the weights alone on each call; see `layers`."""
        if self.config.upsampling != "resize":
            return []
        return [block.steps[-1].convolution.fold() for block in self.blocks]

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        """(encoding [batch, 128], noise [batch, 10]) -> float32 [batch, *shape] in [-1, 1]."""
        encoding, noise = inputs
        compressed = leaky_relu(self.compress(encoding), training)
        condition = tf.concat([compressed, tf.cast(noise, compressed.dtype)], axis=-1)
        x = tf.reshape(self.grow(condition), [-1, *self.seed_shape])
        if self.config.upsampling == "resize":
            for block in self.blocks:
                x = block(x, condition, training=training)
        else:
            x = x if self.normalize is None else self.normalize(x, training=training)
            x = tf.nn.relu(x)
            for block in self.blocks:
                x = block(x, condition, training=training)
        target = tf.cast(self.canvas.crop(self.to_image(x)), tf.float32)
        if self.spectra is not None:
            target += self.spectra(condition, training=training)
        return tf.tanh(target)


class Discriminator(keras.Model):
    """Scores a pair of a target (picture or LMS) and the condition's encoding (paper, Fig. 2).

    `features` is the target's trunk down to the seed; `score` joins it with the compressed encoding,
    so that one trunk pass serves the matching and the mismatched pair of the same target. Joined
    either as in the paper, by tiling ("concat"), or by projection: psi(f) + <V phi, f>, Miyato and
    Koyama, "cGANs with Projection Discriminator" (2018), eq. 3.

    Args:
      config: channels, normalisation, how it joins.
      shape: of one target, e.g. (64, 64, 3) or (128, 44).
      policy: Keras dtype policy.
    """

    def __init__(
        self, config: GanConfig, shape: tuple[int, ...], policy: Policy = "float32", **kw: Any
    ):
        super().__init__(**kw)
        self.config = config
        self.canvas = Canvas(shape)
        stages = self.canvas.stages
        widths = [config.discriminator_channels * min(8, 2**i) for i in range(stages)]
        make = {"dtype": policy}
        self.convolutions = [
            HalvingConvolution(w, name=f"convolution_{i}", **make) for i, w in enumerate(widths)
        ]
        kind = config.discriminator_normalization
        # The first convolution sees the target itself and is never normalised (DCGAN).
        self.normalizations = [None] + [
            normalization(kind, name=f"normalize_{i}", **make) for i in range(1, stages)
        ]
        self.compress = keras.layers.Dense(config.compressed_size, name="compress", **make)
        if config.conditioning == "concat":
            self.join = keras.layers.Conv2D(widths[-1], 1, name="join", **make)
            self.to_score = keras.layers.Conv2D(
                1, self.canvas.seed, name="to_score", dtype="float32"
            )
        else:
            self.flat = keras.layers.Dense(widths[-1], name="flat", **make)
            self.project = keras.layers.Dense(widths[-1], name="project", **make)
            self.to_score = keras.layers.Dense(1, name="to_score", dtype="float32")

    def features(self, target: tf.Tensor, training: bool = False) -> tf.Tensor:
        """target [batch, *shape] in [-1, 1] -> [batch, *seed, c] ("concat") or [batch, c]."""
        x = self.canvas.pad(target)
        for convolution, normalize in zip(self.convolutions, self.normalizations, strict=True):
            x = convolution(x)
            x = x if normalize is None else normalize(x, training=training)
            x = leaky_relu(x)
        if self.config.conditioning == "concat":
            return x
        return leaky_relu(self.flat(tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])))

    def score(self, features: tf.Tensor, encoding: tf.Tensor) -> tf.Tensor:
        """features of `features`, encoding [batch, 128] -> float32 logits [batch]."""
        compressed = leaky_relu(self.compress(encoding))
        if self.config.conditioning == "concat":
            tiled = tf.tile(compressed[:, None, None, :], [1, *self.canvas.seed, 1])
            joined = leaky_relu(self.join(tf.concat([features, tiled], axis=-1)))
            return self.to_score(joined)[:, 0, 0, 0]
        projected = tf.cast(self.project(compressed), tf.float32)
        features = tf.cast(features, tf.float32)
        agreement = tf.reduce_sum(projected * features, axis=-1) * features.shape[-1] ** -0.5
        return self.to_score(features)[:, 0] + agreement

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        """(target, encoding) -> logits [batch]."""
        target, encoding = inputs
        return self.score(self.features(target, training=training), encoding)
