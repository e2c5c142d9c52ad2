"""The GAN's training step as public implementations of GAN-CLS have it: nothing is shared.

Reed et al., "Generative adversarial text to image synthesis" (2016), Algorithm 1. Three passes of the
discriminator, one each for real, mismatched and generated pairs, and one more for the generator, which
is run a second time. Networks, losses and penalties are ours, so the gradients are the same.
"""

import tensorflow as tf

from cmgen import losses
from cmgen.gan import CrossModalGan, swap_neighbours
from cmgen.replica import update_average

Batch = dict[str, tf.Tensor]


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
        wrong = gan.discriminator((real, swap_neighbours(encoding)), training=True)
        loss = losses.matching_discriminator_loss(
            logits[0], wrong, logits[1], config.mismatch_weight
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
    for optimizer, network, found in (
        (gan.discriminator_optimizer, gan.discriminator, by_discriminator),
        (gan.generator_optimizer, gan.generator, by_generator),
    ):
        optimizer.apply_gradients(zip(found, network.trainable_variables, strict=True))
    update_average(gan.average, gan.generator, tf.constant(0.999))
