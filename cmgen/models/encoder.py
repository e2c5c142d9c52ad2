"""Encoders of sounds and pictures (Chen et al., "Deep Cross-Modal Audio-Visual Generation", 2017)."""

from typing import Any

import keras
import tensorflow as tf

from cmgen.config import EncoderConfig
from cmgen.models.kernels import normalization


class Encoder(keras.Model):
    """A CNN classifier whose last hidden layer (128-d) is the encoding (paper, Figs. 4 and 5).

    Sound encoders, image encoders and verifiers are all built like this.

    Args:
      num_classes: how many instruments.
      config: widths, normalisation, dropout.
      policy: Keras dtype policy, e.g. "mixed_bfloat16".
    """

    def __init__(self, num_classes: int, config: EncoderConfig, policy: str = "float32", **kw: Any):
        super().__init__(**kw)
        self.config = config
        self.num_classes = num_classes
        self.trunk = self._build_trunk(policy)
        l2 = keras.regularizers.L2(config.l2) if config.l2 else None
        dense = {"activation": "relu", "dtype": policy, "kernel_regularizer": l2}
        self.hidden = keras.layers.Dense(config.hidden, name="hidden", **dense)
        self.encoding = keras.layers.Dense(config.encoding_size, name="encoding", **dense)
        self.classify = keras.layers.Dense(
            num_classes, dtype="float32", kernel_regularizer=l2, name="classify"
        )
        self.dropout = StatelessDropout(config.dropout, dtype=policy, name="dropout")

    def _build_trunk(self, policy: str) -> list[keras.layers.Layer]:
        """3 x 3 convolutions with strides; the paper draws no pooling for sound and no strides."""
        config, trunk = self.config, []
        strides = config.strides or (2,) * len(config.widths)
        for i, (width, stride) in enumerate(zip(config.widths, strides, strict=True)):
            normalize = normalization(config.normalization, dtype=policy, name=f"normalize_{i}")
            trunk.append(convolution(i, width, stride, policy, use_bias=normalize is None))
            trunk += [normalize] if normalize is not None else []
            trunk.append(keras.layers.ReLU(dtype=policy))
        if config.squeeze:
            trunk.append(keras.layers.Conv2D(config.squeeze, 1, name="squeeze", dtype=policy))
        return trunk

    def _hidden(self, inputs: tf.Tensor, training: bool, seed: tf.Tensor | None) -> tf.Tensor:
        x = inputs if len(inputs.shape) == 4 else inputs[..., None]
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
        """Multiplies all encodings; the predicted classes stay the same, since ReLU keeps factors."""
        for variable in (self.encoding.kernel, self.encoding.bias):
            variable.assign(variable * factor)
        self.classify.kernel.assign(self.classify.kernel / factor)

    def logits(self, encoding: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """encoding of `encode` -> float32 [batch, classes]; seed as for `call`."""
        return self.classify(self.dropout(encoding, seed=None if seed is None else seed + [0, 1]))

    def call(
        self, inputs: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """LMS [batch, 128, 44] or image [batch, s, s, 3], in [-1, 1] -> logits [batch, classes].

        `seed` int32 [2] keys the dropout; without it nothing is dropped.
        """
        return self.logits(self._hidden(inputs, training, seed), seed)


def convolution(
    index: int, channels: int, stride: int, policy: str, **kwargs: Any
) -> keras.layers.Layer:
    """The 3 x 3 convolution of that index in an encoder's trunk."""
    kwargs = {"padding": "same", "kernel_initializer": "he_normal", "dtype": policy} | kwargs
    return keras.layers.Conv2D(channels, 3, stride, name=f"convolution_{index}", **kwargs)


def condition(encoder: Encoder, encoding: tf.Tensor, kind: str) -> tf.Tensor:
    """The generator's condition.

    Args:
      encoder: that made the encoding.
      encoding: float32 [batch, encoding_size].
      kind: `sound` is the encoding itself, `label` only the class that the encoder predicts.

    Returns:
      float32 [batch, encoding_size].
    """
    if kind == "sound":
        return encoding
    return one_hot(tf.argmax(encoder.classify(encoding), axis=-1), encoder.config)


def one_hot(labels: tf.Tensor, config: EncoderConfig) -> tf.Tensor:
    """Classes int [batch] as vectors of the encoding's length; float32 [batch, encoding_size]."""
    return tf.one_hot(labels, config.encoding_size, dtype=tf.float32)


class StatelessDropout(keras.layers.Layer):
    """Dropout whose mask is a function of a given seed, so that a resumed run drops the same units.

    Args:
      rate: share of units set to zero, in [0, 1).
    """

    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """x of any shape; seed int32 [2], or None to leave x as it is."""
        if seed is None or self.rate == 0:
            return x
        return tf.nn.experimental.stateless_dropout(x, self.rate, seed=seed)
