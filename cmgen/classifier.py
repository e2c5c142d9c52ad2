"""Training of the encoders and of the verifier: classification with augmentation."""

from collections.abc import Callable

import keras
import tensorflow as tf

from cmgen.augment import augment_for_verifier, augment_lms
from cmgen.config import EncoderConfig
from cmgen.networks import Encoder, ImageEncoder, SoundEncoder
from cmgen.replica import scale_loss

AUGMENTATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "lms": augment_lms,
    "image": augment_for_verifier,
}


class Classifier(keras.Model):
    """Trains an encoder to name the instrument.

    Args:
      encoder: network to train.
      key: what of a batch it sees, "lms" or "image".
      config: its settings.
      total_steps: length of the learning rate's cosine.
    """

    def __init__(self, encoder: Encoder, key: str, config: EncoderConfig, total_steps: int):
        super().__init__()
        self.encoder = encoder
        self.key = key
        self.config = config
        self.total_steps = total_steps

    def compile(self) -> None:
        """Makes and builds the optimizer; call it inside the strategy's scope."""
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0,
            self.total_steps,
            warmup_target=self.config.learning_rate,
            warmup_steps=min(100, self.total_steps // 10 + 1),
        )
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=self.config.weight_decay)
        super().compile(optimizer=optimizer, jit_compile=False)
        self.optimizer.build(self.encoder.trainable_variables)

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update. batch: lms or image, label [batch], uniforms [batch, 16]; returns metrics."""
        inputs, labels = batch[self.key], batch["label"]
        if self.config.augment:
            inputs = AUGMENTATIONS[self.key](inputs, batch["uniforms"])
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context is not None else 0
        seed = tf.stack([tf.cast(self.optimizer.iterations, tf.int32), 2 * replica])
        with tf.GradientTape() as tape:
            logits = self.encoder(inputs, training=True, seed=seed)
            loss = keras.losses.categorical_crossentropy(
                tf.one_hot(labels, self.encoder.num_classes),
                logits,
                from_logits=True,
                label_smoothing=self.config.label_smoothing,
            )
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            total = scale_loss(loss)
            if self.encoder.losses:
                total += tf.add_n(self.encoder.losses) / replicas
        gradients = tape.gradient(total, self.encoder.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.encoder.trainable_variables, strict=True)
        )
        right = tf.equal(tf.argmax(logits, -1, output_type=tf.int32), tf.cast(labels, tf.int32))
        return {
            "loss/classification": tf.reduce_mean(loss),
            "accuracy": tf.reduce_mean(tf.cast(right, tf.float32)),
            "gradient_norm/encoder": tf.linalg.global_norm(gradients),
        }


def build_encoder(
    key: str, num_classes: int, config: EncoderConfig, input_shape: tuple[int, ...], policy: str
) -> Encoder:
    """An encoder with its variables made.

    Args:
      key: what it sees, "lms" or "image".
      num_classes: how many instruments.
      config: its settings.
      input_shape: of one input, e.g. (128, 44) or (64, 64, 3).
      policy: Keras dtype policy.
    """
    make = SoundEncoder if key == "lms" else ImageEncoder
    encoder = make(num_classes, config, policy)
    encoder(tf.zeros([1, *input_shape]))
    return encoder
