"""Which windows and pictures make a batch: pure functions of (seed, position), for whole batches.

Positions 2q and 2q + 1 of the stream of examples always have different classes, so that any split
of a batch into even parts can make mismatched pairs by swapping neighbours.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

# Keeps the random numbers of different uses apart.
_CLASS_ORDER, _CLASS_SHIFT, _RECORDING, _START, _NOISE, _UNIFORMS, _FILES = range(7)
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
        """For the recordings where `chosen` (bool [recordings]) holds."""
        indices = np.flatnonzero(chosen)
        members = indices[np.argsort(labels[indices], kind="stable")]
        counts = np.bincount(labels[indices], minlength=num_classes).astype(np.int64)
        return cls(members.astype(np.int64), np.cumsum(counts) - counts, counts)


def class_stream(positions: tf.Tensor, num_classes: int, seed: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Class of each position of the stream, and how many times that class was visited before.

    Blocks of `num_classes` pairs: the even member runs through all classes in a shuffled order,
    the odd member is the same order shifted by 1 to num_classes - 1, so that within a block every
    class comes exactly twice.

    Args:
      positions: int64 [n], places in the endless stream.
      num_classes: how many; a single one is everywhere.
      seed: of the stream.

    Returns:
      label int64 [n], visit int64 [n]: over the whole stream a class's visits count 0, 1, 2, ...
    """
    if num_classes == 1:
        return tf.zeros_like(positions), positions
    pair, odd = positions // 2, positions % 2
    block, place = pair // num_classes, pair % num_classes
    even_class = _shuffle(place, seed, _CLASS_ORDER, block, num_classes)
    cycle = num_classes - 1
    shift = 1 + _shuffle(block % cycle, seed, _CLASS_SHIFT, block // cycle, cycle)
    label = tf.where(odd == 1, (even_class + shift) % num_classes, even_class)
    return label, 2 * block + odd


def pick_recordings(
    label: tf.Tensor, visit: tf.Tensor, table: ClassTable, seed: int, kind: int = 0
) -> tf.Tensor:
    """The recording of each visit: every pass over a class takes its recordings in a new order.

    Args:
      label, visit: int64 [n], of `class_stream`.
      table: the recordings.
      seed: of the stream.
      kind: draws apart for each kind, such as sounds and pictures that share only their class.

    Returns:
      int64 [n], indices of recordings.
    """
    count = tf.gather(table.counts, label)
    use = (kind * len(table.counts) + label) * 8 + _RECORDING
    shuffled = _shuffle(visit % count, seed, use, visit // count, count)
    return tf.gather(table.members, tf.gather(table.starts, label) + shuffled)


def pick_starts(step: tf.Tensor, low: tf.Tensor, high: tf.Tensor, seed: int) -> tf.Tensor:
    """First samples of windows, evenly distributed from low to high inclusive; int64 [n]."""
    # float64 resolves single samples of any recording.
    draw = tf.random.stateless_uniform(
        tf.shape(low), _key(seed, step, _START), dtype=tf.float64, alg="philox"
    )
    span = tf.cast(high - low + 1, tf.float64)
    return tf.minimum(low + tf.cast(draw * span, tf.int64), high)


def share_pairs(label: tf.Tensor, visit: tf.Tensor, mismatch: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Lets the two members of pairs (rows 2q and 2q + 1) share their class or their recording.

    Args:
      label, visit: int64 [n], of `class_stream`, n even.
      mismatch: "class" leaves them as they are; "instrument" gives both a recording of the first
        one's class; "recording" gives both the same recording; "mixed" does so to every other pair.
    """
    if mismatch == "class":
        return label, visit
    row = tf.range(tf.size(label, tf.int64), dtype=tf.int64)
    first = row - row % 2
    shared_label, shared_visit = tf.gather(label, first), tf.gather(visit, first)
    if mismatch == "instrument":
        # First members' visits are even numbers, so the odd ones are free.
        return shared_label, shared_visit - shared_visit % 2 + row % 2
    share = (row // 2) % 2 == 1 if mismatch == "mixed" else tf.ones_like(row, tf.bool)
    return tf.where(share, shared_label, label), tf.where(share, shared_visit, visit)


def keep_pairs_apart(
    start: tf.Tensor, recording: tf.Tensor, low: tf.Tensor, high: tf.Tensor, gap: int
) -> tf.Tensor:
    """Moves the second of two windows of one recording until it begins `gap` from the first.

    The rest of low..high is equally likely, going round at its end. Where there is less room than
    that, the second is half way round.

    Args:
      start: int64 [n], drawn evenly from low..high; n even.
      recording, low, high: int64 [n].
      gap: samples.
    """
    row = tf.range(tf.size(start, tf.int64), dtype=tf.int64)
    first = row - row % 2
    span = high - low + 1
    least = tf.minimum(tf.constant(gap, tf.int64), span // 2)
    draw = tf.cast(start - low, tf.float64) / tf.cast(span, tf.float64)
    way = least + tf.cast(draw * tf.cast(span - 2 * least + 1, tf.float64), tf.int64)
    moved = low + (tf.gather(start, first) - low + way) % span
    shared = (row % 2 == 1) & (recording == tf.gather(recording, first))
    return tf.where(shared, moved, start)


def draw_numbers(
    step: tf.Tensor, batch_size: int, noise_size: int, uniforms: int, seed: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Noise N(0, 1) [batch, noise_size] and numbers in [0, 1) [batch, uniforms] of one step."""
    noise = tf.random.stateless_normal(
        [batch_size, noise_size], _key(seed, step, _NOISE), alg="philox"
    )
    numbers = tf.random.stateless_uniform(
        [batch_size, uniforms], _key(seed, step, _UNIFORMS), alg="philox"
    )
    return noise, numbers


def shuffled_range(count: int, seed: int, cycle: tf.Tensor) -> tf.Tensor:
    """The numbers below `count` in an order that belongs to (seed, cycle); int64 [count]."""
    return _shuffle(tf.range(count, dtype=tf.int64), seed, _FILES, cycle, count)


def frame_keys(times: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sorted keys by which `nearest_frames` finds frames.

    Args:
      times: int64 [frames] in samples, increasing within a recording.
      offsets: int64 [recordings + 1], where each recording's frames begin.
    """
    recording = np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))
    return recording * _KEY_STRIDE + _KEY_ORIGIN + times


def nearest_frames(
    keys: tf.Tensor, offsets: tf.Tensor, recording: tf.Tensor, moment: tf.Tensor
) -> tf.Tensor:
    """Index of the frame of `recording` nearest to `moment` (in samples); the earlier if equal.

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


def _shuffle(
    index: tf.Tensor, seed: int, use: tf.Tensor | int, cycle: tf.Tensor, count: tf.Tensor | int
) -> tf.Tensor:
    """Where `index` lies in the shuffled order of [0, count) that belongs to (seed, use, cycle)."""
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
