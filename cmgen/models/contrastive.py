"""Training of two encoders together: to classify instruments, and to match sounds with pictures.

An encoding that is trained to classify alone discards the pose. Here the sound must also find the
picture of its instant among those of other instants of the same recording.
"""

import keras
import tensorflow as tf

from cmgen.config import EncoderConfig
from cmgen.models.augment import augment_for_correspondence, augment_lms
from cmgen.models.classifier import classification_loss
from cmgen.models.distributed import scale_loss
from cmgen.models.encoder import Encoder
from cmgen.models.losses import correspondence_loss
from cmgen.models.optimizer import WarmedAdamW

PROJECTION_SIZE = 64


class CorrespondenceClassifier(keras.Model):
    """Trains two encoders for class and for correspondence (InfoNCE, both ways).

    Args:
      sound: encoder of LMS.
      image: encoder of pictures.
      config: settings; learning rate, weights and instants count.
      total_steps: length of the learning rate's cosine.
      kept: "lms" or "image", the encoder to keep; the other is its partner.
    """

    def __init__(
        self,
        sound: Encoder,
        image: Encoder,
        config: EncoderConfig,
        total_steps: int,
        kept: str = "lms",
    ):
        super().__init__()
        self.encoders = {"lms": sound, "image": image}
        self.projections = {
            modality: keras.layers.Dense(
                PROJECTION_SIZE, use_bias=False, name=f"project_{modality}"
            )
            for modality in self.encoders
        }
        for projection in self.projections.values():
            projection.build((None, config.encoding_size))
        self.config = config
        self.kept = kept
        self.total_steps = total_steps

    @property
    def moving(self) -> list[keras.Variable]:
        """All variables that the optimizer updates."""
        parts = [*self.encoders.values(), *self.projections.values()]
        return [variable for part in parts for variable in part.trainable_variables]

    def compile(self) -> None:
        """Makes and builds the optimizer; call it inside the strategy's scope."""
        optimizer = WarmedAdamW(
            self.config.learning_rate, self.total_steps, self.config.weight_decay
        )
        super().compile(optimizer=optimizer, jit_compile=False)
        self.optimizer.build(self.moving)

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update.

        Args:
          batch: lms [batch, 128, 44], image [batch, s, s, 3], label [batch], uniforms [batch, 16];
            `correspondence_instants` neighbours are windows of one recording.

        Returns:
          scalar metrics under stable names.
        """
        inputs = self._augmented(batch)
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context is not None else 0
        seed = tf.stack([tf.cast(self.optimizer.iterations, tf.int32), 4 * replica])
        metrics: dict[str, tf.Tensor] = {}
        losses, vectors = [], {}
        with tf.GradientTape() as tape:
            for offset, (modality, encoder) in enumerate(self.encoders.items()):
                encoder_seed = seed + [0, 2 * offset]
                encoding = encoder.encode(inputs[modality], training=True, seed=encoder_seed)
                vectors[modality] = tf.math.l2_normalize(
                    self.projections[modality](encoding), axis=-1
                )
                loss, accuracy = classification_loss(
                    encoder, encoding, batch["label"], self.config.label_smoothing, encoder_seed
                )
                losses.append(loss)
                suffix = "" if modality == self.kept else "_partner"
                metrics[f"loss/classification{suffix}"] = tf.reduce_mean(loss)
                metrics[f"accuracy{suffix}"] = accuracy
            correspondence = self._correspondence(vectors)
            metrics["loss/correspondence"] = tf.reduce_mean(correspondence)
            total = scale_loss(
                tf.add_n(losses) + self.config.correspondence_weight * correspondence
            )
            penalties = [loss for encoder in self.encoders.values() for loss in encoder.losses]
            if penalties:
                total += tf.add_n(penalties) / tf.distribute.get_strategy().num_replicas_in_sync
        gradients = tape.gradient(total, self.moving)
        self.optimizer.apply_gradients(zip(gradients, self.moving, strict=True))
        metrics["gradient_norm/encoder"] = tf.linalg.global_norm(gradients)
        return metrics

    def _augmented(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Both inputs, each window varied by numbers of its own; the pose stays."""
        inputs = {modality: batch[modality] for modality in self.encoders}
        if not self.config.augment:
            return inputs
        uniforms = batch["uniforms"]
        return {
            "lms": augment_lms(inputs["lms"], uniforms),
            "image": augment_for_correspondence(inputs["image"], tf.reverse(uniforms, [1])),
        }

    def _correspondence(self, vectors: dict[str, tf.Tensor]) -> tf.Tensor:
        """Mean of both directions for each example; candidates come from all replicas."""
        everywhere, first = vectors, 0
        context = tf.distribute.get_replica_context()
        count = tf.shape(vectors["lms"])[0]
        if context is not None and context.num_replicas_in_sync > 1:
            everywhere = {key: context.all_gather(v, axis=0) for key, v in vectors.items()}
            first = context.replica_id_in_sync_group * count
        partners = first + tf.range(count)
        return 0.5 * (
            correspondence_loss(vectors["lms"], everywhere["image"], partners)
            + correspondence_loss(vectors["image"], everywhere["lms"], partners)
        )
