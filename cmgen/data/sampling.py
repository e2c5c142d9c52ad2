"""Which windows and pictures make a batch: pure functions of (seed, position), for whole batches."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

# Separates the random numbers of different uses.
CLASS_ORDER, CLASS_SHIFT, _RECORDING, _START, _NOISE, _UNIFORMS, _FILES = range(7)
# Longer than any recording, in samples (290 days): keys of different recordings never mix.
_KEY_STRIDE = 2**40
_KEY_ORIGIN = 2**30  # times may be slightly negative


@dataclass(frozen=True)
class ClassTable:
    """Recordings grouped by class.

    Attributes:
      members: int64 [R], indices of recordings, class by class.
      starts: int64 [classes], where each class begins in `members`.
      counts: int64 [classes], recordings of each class.
    """

    members: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, chosen: np.ndarray, num_classes: int) -> "ClassTable":
        """Makes the table of the recordings where `chosen`, bool [recordings], is true."""
        indices = np.flatnonzero(chosen)
        members = indices[np.argsort(labels[indices], kind="stable")]
        counts = np.bincount(labels[indices], minlength=num_classes).astype(np.int64)
        return cls(members.astype(np.int64), np.cumsum(counts) - counts, counts)


def pick_recordings(
    label: tf.Tensor, visit: tf.Tensor, table: ClassTable, seed: int, kind: int = 0
) -> tf.Tensor:
    """Picks the recording of each visit: every pass over a class takes its recordings in a new order.

    Args:
      label, visit: int64 [n], of `pairs.class_stream`.
      table: the recordings.
      seed: of the stream.
      kind: makes draws independent, such as of sounds and pictures that share only their class.

    Returns:
      int64 [n], indices of recordings.
    """
    count = tf.gather(table.counts, label)
    use = (kind * len(table.counts) + label) * 8 + _RECORDING
    shuffled = shuffle(visit % count, seed, use, visit // count, count)
    return tf.gather(table.members, tf.gather(table.starts, label) + shuffled)


def pick_starts(step: tf.Tensor, low: tf.Tensor, high: tf.Tensor, seed: int) -> tf.Tensor:
    """Draws first samples of windows uniformly from low to high inclusive; int64 [n]."""
    # float64 resolves single samples of any recording.
    draw = tf.random.stateless_uniform(
        tf.shape(low), _key(seed, step, _START), dtype=tf.float64, alg="philox"
    )
    span = tf.cast(high - low + 1, tf.float64)
    return tf.minimum(low + tf.cast(draw * span, tf.int64), high)


def draw_numbers(
    step: tf.Tensor, batch_size: int, noise_size: int, uniforms: int, seed: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws noise N(0, 1) [batch, noise_size] and [0, 1) numbers [batch, uniforms] of one step."""
    noise = tf.random.stateless_normal(
        [batch_size, noise_size], _key(seed, step, _NOISE), alg="philox"
    )
    numbers = tf.random.stateless_uniform(
        [batch_size, uniforms], _key(seed, step, _UNIFORMS), alg="philox"
    )
    return noise, numbers


def shuffled_range(count: int, seed: int, cycle: tf.Tensor) -> tf.Tensor:
    """Shuffles the numbers below `count` by (seed, cycle); int64 [count]."""
    return shuffle(tf.range(count, dtype=tf.int64), seed, _FILES, cycle, count)


def frame_keys(times: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Makes the sorted keys by which `nearest_frames` looks frames up.

    Args:
      times: int64 [frames] in samples, increasing within a recording.
      offsets: int64 [recordings + 1], where each recording's frames begin.
    """
    recording = np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))
    return recording * _KEY_STRIDE + _KEY_ORIGIN + times


def nearest_frames(
    keys: tf.Tensor, offsets: tf.Tensor, recording: tf.Tensor, moment: tf.Tensor
) -> tf.Tensor:
    """Returns the index of the frame of `recording` nearest to `moment` (in samples).

    Of two at the same distance it is the earlier one.

    Args:
      keys: int64 [frames], of `frame_keys`.
      offsets: int64 [recordings + 1].
      recording, moment: int64 [n]; each recording has at least one frame.
    """
    key = recording * _KEY_STRIDE + _KEY_ORIGIN + moment
    after = tf.searchsorted(keys, key, out_type=tf.int64)
    first, last = tf.gather(offsets, recording), tf.gather(offsets, recording + 1) - 1
    right, left = tf.clip_by_value(after, first, last), tf.clip_by_value(after - 1, first, last)
    nearer = tf.abs(tf.gather(keys, right) - key) < tf.abs(tf.gather(keys, left) - key)
    return tf.where(nearer, right, left)


def shuffle(
    index: tf.Tensor, seed: int, use: tf.Tensor | int, cycle: tf.Tensor, count: tf.Tensor | int
) -> tf.Tensor:
    """Maps `index` by the permutation of [0, count) that belongs to (seed, use, cycle)."""
    zeros = tf.zeros_like(index)
    # tf.random.experimental.index_shuffle pads a batch of seeds along the wrong axis (TF 2.16).
    return tf.raw_ops.RandomIndexShuffle(
        index=index,
        seed=tf.stack([zeros + seed, zeros + use, zeros + cycle], axis=-1),
        max_index=zeros + count - 1,
        rounds=4,
    )


def _key(seed: int, step: tf.Tensor, use: int) -> tf.Tensor:
    return tf.stack([tf.constant(seed * 2**20 + use, tf.int64), step])
