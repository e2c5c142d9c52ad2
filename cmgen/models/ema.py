"""The exponential moving average (EMA) of a network's weights."""

import keras
import tensorflow as tf


def ema_decay(examples: tf.Tensor, batch: tf.Tensor, half_life: float) -> tf.Tensor:
    """0.5 ** (batch / half-life); the half-life grows with the examples seen, to 1/20 of them.

    Karras et al., EDM2 (2024), training loop's ramp-up.

    Args:
      examples: seen so far, float32.
      batch: examples of one step, float32.
      half_life: in examples, at most.
    """
    return tf.pow(0.5, batch / tf.maximum(tf.minimum(float(half_life), 0.05 * examples), 1e-6))


def update_ema(ema: keras.Model, model: keras.Model, decay: tf.Tensor) -> None:
    """ema <- decay * ema + (1 - decay) * model, over weights and statistics alike.

    Args:
      ema: a network built like `model`.
      model: the network in training.
      decay: scalar in [0, 1].
    """
    for e, v in zip(ema.variables, model.variables, strict=True):
        e.assign(e.value + tf.cast(1 - decay, e.dtype) * (v.value - e.value))
