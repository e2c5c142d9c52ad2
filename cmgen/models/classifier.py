"""Training of the encoders and of the verifier: classification, or reconstruction of the input."""

from collections.abc import Callable

import keras
import tensorflow as tf

from cmgen.config import EncoderConfig
from cmgen.models.augment import augment_for_verifier, augment_lms
from cmgen.models.autoencoder import Decoder
from cmgen.models.distributed import scale_loss
from cmgen.models.encoder import Encoder
from cmgen.models.optimizer import WarmedAdamW

AUGMENTATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "lms": augment_lms,
    "image": augment_for_verifier,
}


def classification_loss(
    encoder: Encoder, encoding: tf.Tensor, labels: tf.Tensor, smoothing: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cross-entropy [batch] of the class logits with dropout by `seed`, and the accuracy."""
    logits = encoder.logits(encoding, seed)
    loss = keras.losses.categorical_crossentropy(
        tf.one_hot(labels, encoder.num_classes),
        logits,
        from_logits=True,
        label_smoothing=smoothing,
    )
    correct = tf.equal(tf.argmax(logits, -1, output_type=tf.int32), tf.cast(labels, tf.int32))
    return loss, tf.reduce_mean(tf.cast(correct, tf.float32))


class Classifier(keras.Model):
    """Trains an encoder to classify instruments or, with a decoder, to reconstruct its input.

    With a decoder the class head learns beside the encoder, as a linear classifier that leaves the
    encoding alone: so an autoencoder has class scores too, which say what its encoding holds.

    Args:
      encoder: network to train.
      modality: what of a batch it sees: "image" or a sound representation, "lms" ...
      config: its settings.
      total_steps: length of the learning rate's cosine.
      decoder: encoding -> the encoder's input; trained with it.
    """

    def __init__(
        self,
        encoder: Encoder,
        modality: str,
        config: EncoderConfig,
        total_steps: int,
        decoder: Decoder | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.modality = modality
        self.config = config
        self.total_steps = total_steps

    @property
    def moving(self) -> list[keras.Variable]:
        """All variables that the optimizer updates."""
        decoder = [] if self.decoder is None else self.decoder.trainable_variables
        return self.encoder.trainable_variables + decoder

    def compile(self) -> None:
        """Makes and builds the optimizer; call it inside the strategy's scope."""
        optimizer = WarmedAdamW(
            self.config.learning_rate, self.total_steps, self.config.weight_decay
        )
        super().compile(optimizer=optimizer, jit_compile=False)
        self.optimizer.build(self.moving)

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update. batch: `modality`, label [batch], uniforms [batch, 16]; returns metrics."""
        inputs, labels = batch[self.modality], batch["label"]
        if self.config.augment:
            inputs = AUGMENTATIONS[self.modality](inputs, batch["uniforms"])
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context is not None else 0
        seed = tf.stack([tf.cast(self.optimizer.iterations, tf.int32), 2 * replica])
        with tf.GradientTape() as tape:
            encoding = self.encoder.encode(inputs, training=True, seed=seed)
            loss, metrics = self._reconstruction_loss(encoding, inputs)
            if self.decoder is not None:
                encoding = tf.stop_gradient(encoding)
            class_loss, accuracy = classification_loss(
                self.encoder, encoding, labels, self.config.label_smoothing, seed
            )
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            total = scale_loss(loss + class_loss)
            if self.encoder.losses:
                total += tf.add_n(self.encoder.losses) / replicas
        gradients = tape.gradient(total, self.moving)
        self.optimizer.apply_gradients(zip(gradients, self.moving, strict=True))
        return metrics | {
            "loss/classification": tf.reduce_mean(class_loss),
            "accuracy": accuracy,
            "gradient_norm/encoder": tf.linalg.global_norm(gradients),
        }

    def _reconstruction_loss(
        self, encoding: tf.Tensor, inputs: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Mean squared error of each reconstruction [batch] and its metric; zeros without decoder."""
        if self.decoder is None:
            return tf.zeros([tf.shape(inputs)[0]]), {}
        loss = tf.reduce_mean(tf.square(self.decoder(encoding, training=True) - inputs), [1, 2])
        return loss, {"loss/reconstruction": tf.reduce_mean(loss)}
