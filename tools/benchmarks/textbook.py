"""The GAN's training step as public implementations of GAN-CLS have it: nothing is shared.

Reed et al., "Generative adversarial text to image synthesis" (2016), Algorithm 1. Three passes of the
discriminator, one each for real, mismatched and generated pairs, and one more for the generator, which
is run a second time. Losses and penalties are ours. So are the networks' weights and what they compute,
but every layer of `with_plain_networks` is Keras's own; the gradients are the same.
"""

from typing import Any

import keras
import tensorflow as tf

from cmgen.config import GanConfig
from cmgen.models import losses
from cmgen.models.ema import update_ema
from cmgen.models.gan import CrossModalGan, swap_neighbours

Batch = dict[str, tf.Tensor]
LEAK = 0.2


def gradients(gan: CrossModalGan, batch: Batch) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Of the generator's and of the discriminator's weights, each of its own loss; no augmentation.

    Args:
      gan: an untouched one.
      batch: of `CrossModalGan.train_step`.
    """
    config = gan.config
    encoding = tf.stop_gradient(gan.encoder.encode(batch[gan.direction.condition]))
    real = batch[gan.direction.target]
    fake = gan.generator((encoding, batch["noise"]), training=True)
    with tf.GradientTape() as tape:
        penalties, logits = [], []
        for target, gamma in ((real, config.r1_gamma), (fake, config.r2_gamma)):
            if not gamma:
                logits.append(gan.discriminator((target, encoding), training=True))
                continue
            with tf.GradientTape() as inner:
                inner.watch(target)
                logits.append(gan.discriminator((target, encoding), training=True))
            gradient = inner.gradient(logits[-1], target)
            penalties.append(gamma * losses.gradient_penalty(gradient))
        mismatched = gan.discriminator((real, swap_neighbours(encoding)), training=True)
        loss = losses.matching_discriminator_loss(
            logits[0], mismatched, logits[1], config.mismatch_weight
        )
        loss = tf.reduce_mean(tf.add_n([loss, *penalties]))
    by_discriminator = tape.gradient(loss, gan.discriminator.trainable_variables)
    with tf.GradientTape() as tape:
        fake = gan.generator((encoding, batch["noise"]), training=True)
        loss = tf.reduce_mean(
            losses.generator_loss(gan.discriminator((fake, encoding), training=True))
        )
    return tape.gradient(loss, gan.generator.trainable_variables), by_discriminator


def train_step(gan: CrossModalGan, batch: Batch) -> None:
    """Updates both networks and the average, as `CrossModalGan.train_step` does."""
    by_generator, by_discriminator = gradients(gan, batch)
    for optimizer, network, gradient in (
        (gan.discriminator_optimizer, gan.discriminator, by_discriminator),
        (gan.generator_optimizer, gan.generator, by_generator),
    ):
        optimizer.apply_gradients(zip(gradient, network.trainable_variables, strict=True))
    update_ema(gan.generator_ema, gan.generator, tf.constant(0.999))


def with_plain_networks(gan: CrossModalGan, policy: str) -> CrossModalGan:
    """A GAN of the same weights, built of Keras's layers; for pictures by "resize" and "projection".

    Args:
      gan: ours.
      policy: Keras dtype policy.
    """
    config, size = gan.config, gan.generator.canvas.shape[0]
    generator, generator_ema = (
        PlainGenerator(config, size, policy, name="generator") for _ in "ga"
    )
    discriminator = PlainDiscriminator(config, size, policy, name="discriminator")
    encoding = tf.zeros([2, gan.encoder.config.encoding_size])
    for network in (generator, generator_ema):
        picture = network((encoding, tf.zeros([2, config.noise_size])))
        network.set_weights(gan.generator.get_weights())
    discriminator((picture, encoding))
    discriminator.set_weights(gan.discriminator.get_weights())
    plain = CrossModalGan(
        gan.direction, gan.encoder, generator, discriminator, generator_ema, config
    )
    plain.built = True
    plain.compile()
    return plain


def _stages(size: int) -> int:
    """How often a picture's side is halved down to 4."""
    return size.bit_length() - 3


class PlainGenerator(keras.Model):
    """`models.generator.Generator` of Keras's layers; its weights fit, in order.

    Args:
      config: sizes and channels.
      size: side of the pictures.
      policy: Keras dtype policy.
    """

    def __init__(self, config: GanConfig, size: int, policy: str, **kw: Any):
        super().__init__(**kw)
        stages = _stages(size)
        widths = [config.generator_channels * min(8, 2**i) for i in reversed(range(stages))]
        make: dict[str, Any] = {"dtype": policy}
        self.seed_shape = (4, 4, widths[0])
        self.compress = keras.layers.Dense(config.compressed_size, **make)
        self.grow = keras.layers.Dense(16 * widths[0], **make)
        self.blocks = [
            (
                keras.layers.Conv2D(after, 3, padding="same", use_bias=False, **make),
                keras.layers.Dense(before, **make),
                keras.layers.Dense(after, **make),
            )
            for before, after in zip([widths[0], *widths], widths, strict=False)
        ]
        self.to_image = keras.layers.Conv2D(3, 3, padding="same", **make)
        self.double = keras.layers.UpSampling2D(2, **make)
        self.activate = keras.layers.LeakyReLU(LEAK, **make)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        """(encoding [batch, 128], noise [batch, 10]) -> float32 [batch, size, size, 3]."""
        encoding, noise = inputs
        compressed = self.activate(self.compress(encoding))
        condition = tf.concat([compressed, tf.cast(noise, compressed.dtype)], axis=-1)
        x = tf.reshape(self.grow(condition), [-1, *self.seed_shape])
        for convolve, scale, shift in self.blocks:
            power = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
            x = x * tf.math.rsqrt(power + 1e-4) * (1 + scale(condition)[:, None, None, :])
            x = self.activate(convolve(self.double(x)) + shift(condition)[:, None, None, :])
        return tf.tanh(tf.cast(self.to_image(x), tf.float32))


class PlainDiscriminator(keras.Model):
    """`models.discriminator.Discriminator` of Keras's layers; its weights fit, in order.

    Args:
      config: channels.
      size: side of the pictures.
      policy: Keras dtype policy.
    """

    def __init__(self, config: GanConfig, size: int, policy: str, **kw: Any):
        super().__init__(**kw)
        stages = _stages(size)
        widths = [config.discriminator_channels * min(8, 2**i) for i in range(stages)]
        make: dict[str, Any] = {"dtype": policy}
        self.convolutions = [keras.layers.Conv2D(w, 4, 2, "same", **make) for w in widths]
        self.compress = keras.layers.Dense(config.compressed_size, **make)
        self.flat = keras.layers.Dense(widths[-1], **make)
        self.project = keras.layers.Dense(widths[-1], **make)
        self.to_score = keras.layers.Dense(1, dtype="float32")
        self.flatten = keras.layers.Flatten(**make)
        self.activate = keras.layers.LeakyReLU(LEAK, **make)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        """(target [batch, size, size, 3], encoding [batch, 128]) -> float32 logits [batch]."""
        x, encoding = inputs
        for convolve in self.convolutions:
            x = self.activate(convolve(x))
        features = tf.cast(self.activate(self.flat(self.flatten(x))), tf.float32)
        condition = tf.cast(self.project(self.activate(self.compress(encoding))), tf.float32)
        agreement = tf.reduce_sum(condition * features, axis=-1) * features.shape[-1] ** -0.5
        return self.to_score(features)[:, 0] + agreement
