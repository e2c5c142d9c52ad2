"""Does a generated picture show the pose that goes with its sound?

A regressor learns the pose from real train pictures and their tracks, and reads it off generated
test pictures; what counts is its correlation with the true pose of the held-out recording. Shuffled
pairs are the floor, real pictures the ceiling.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cmgen.config import PICTURE_ENCODER
from cmgen.data.recordings import Recordings
from cmgen.evaluate.pose_tracks import VARIABLES, Tracks
from cmgen.evaluate.reference_models import Batch, fit
from cmgen.evaluate.windows import in_batches
from cmgen.media import images
from cmgen.models.augment import UNIFORMS, augment_for_correspondence
from cmgen.models.build import build_encoder
from cmgen.models.encoder import Encoder
from cmgen.models.optimizer import WarmedAdamW
from cmgen.utils.errors import UserError

STEPS, BATCH, LEARNING_RATE = 1200, 128, 2e-3
_FEWEST = 10  # windows from which a correlation says something


class PoseRegressor:
    """Reads the pose off a picture whose instrument is known.

    An image encoder with one output for each instrument and variable, of which those of the
    instrument are taken: what 0.7 of the range looks like depends on the instrument.

    Args:
      num_classes: instruments.
      image_size: side of the pictures.
      policy: Keras dtype policy.
    """

    def __init__(self, num_classes: int, image_size: int, policy: str = "float32"):
        self.num_classes = num_classes
        self.encoder: Encoder = build_encoder(
            "image",
            num_classes * len(VARIABLES),
            PICTURE_ENCODER,
            (image_size, image_size, 3),
            policy,
        )

    def _poses(
        self, picture: tf.Tensor, label: tf.Tensor, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        outputs = self.encoder(picture, training=seed is not None, seed=seed)
        outputs = tf.reshape(outputs, [-1, self.num_classes, len(VARIABLES)])
        return tf.gather(outputs, label, batch_dims=1)

    def estimate(self, pictures: Any, labels: NDArray[Any]) -> NDArray[np.float32]:
        """pictures [n, s, s, 3] in [-1, 1], labels int [n] -> poses float32 [n, VARIABLES]."""

        def estimate(pictures: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return self._poses(tf.cast(pictures, tf.float32), labels)

        poses: NDArray[np.float32] = in_batches(estimate, pictures, labels, size=256)
        return poses

    def train(self, recordings: Recordings, tracks: Tracks, seed: int, steps: int = STEPS) -> None:
        """Fits real pictures of a split (in memory) to their tracks; Huber loss, AdamW."""
        if recordings.frames is None:
            raise UserError(
                f"{recordings.folder}: measuring poses needs the data in memory; raise --cache_gib"
            )
        optimizer = WarmedAdamW(LEARNING_RATE, steps, 0.02, warmup_steps=steps // 5 + 1)
        optimizer.build(self.encoder.trainable_variables)
        label_of_frame = np.repeat(recordings.labels, np.diff(recordings.frame_offsets))
        useful = np.flatnonzero(tracks.counts.any(axis=1))
        values, counts = tracks.values, tracks.counts.astype(np.float32)

        def step(batch: Batch) -> Batch:
            rows, number = batch["rows"], batch["number"]
            picture = images.scale(tf.cast(tf.gather(recordings.frames, rows), tf.float32))
            uniforms = tf.random.stateless_uniform([BATCH, UNIFORMS], [seed, number])
            picture = augment_for_correspondence(picture, uniforms)
            with tf.GradientTape() as tape:
                label = tf.gather(label_of_frame, rows)
                poses = self._poses(picture, label, tf.stack([seed, number]))
                error = tf.abs(poses - tf.gather(values, rows))
                huber = tf.where(error < 0.1, 5.0 * error**2, error - 0.05)
                weights = tf.gather(counts, rows)
                loss = tf.reduce_sum(huber * weights) / tf.reduce_sum(weights)
            gradients = tape.gradient(loss, self.encoder.trainable_variables)
            optimizer.apply_gradients(zip(gradients, self.encoder.trainable_variables, strict=True))
            return {"loss": loss}

        random = np.random.default_rng(seed)
        batches = (
            {"rows": tf.constant(random.choice(useful, BATCH)), "number": tf.constant(number)}
            for number in range(steps)
        )
        fit(step, batches, steps, "pose regressor")


def correlations(
    estimates: NDArray[Any],
    truth: NDArray[Any],
    counts: NDArray[np.bool_],
    labels: NDArray[Any],
    classes: Sequence[str],
) -> dict[str, dict[str, float]]:
    """Pearson's correlation of each variable for each instrument that has it.

    Args:
      estimates, truth: [n, VARIABLES].
      counts: bool [n, VARIABLES], of `Tracks`.
      labels: int [n].
      classes: names of the instruments.

    Returns:
      variable -> instrument -> correlation; 0 where the estimates are all the same, and nothing
      where fewer than 10 windows count.
    """
    by_variable: dict[str, dict[str, float]] = {}
    for column, variable in enumerate(VARIABLES):
        by_variable[variable] = {}
        for label, name in enumerate(classes):
            rows = counts[:, column] & (labels == label)
            if rows.sum() < _FEWEST or truth[rows, column].std() == 0:
                continue
            pair = estimates[rows, column], truth[rows, column]
            constant = pair[0].std() < 1e-6
            by_variable[variable][name] = 0.0 if constant else float(np.corrcoef(*pair)[0, 1])
    return by_variable


def mean_correlation(by_variable: dict[str, dict[str, float]]) -> float:
    """Mean over instruments of the mean over the variables that the instrument has."""
    names = {name for values in by_variable.values() for name in values}
    means = [
        np.mean([values[name] for values in by_variable.values() if name in values])
        for name in sorted(names)
    ]
    return float(np.mean(means))


def shuffled_rows(labels: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Rows of windows, those of each instrument in random order; int64 [n]."""
    random = np.random.default_rng(seed)
    shuffled = np.arange(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        shuffled[rows] = random.permutation(rows)
    return shuffled
