"""Which examples stand side by side in a batch, so that neighbours make mismatched pairs.

Positions 2q and 2q + 1 of the stream of examples have different classes, unless --mismatch says
otherwise; any split of a batch into even parts can make mismatched pairs by swapping neighbours,
as `models.gan.swap_neighbours` does.
"""

import tensorflow as tf

from cmgen.data.sampling import CLASS_ORDER, CLASS_SHIFT, shuffle


def class_stream(positions: tf.Tensor, num_classes: int, seed: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the class of each position of the stream, and the number of earlier visits to it.

    In a block of `num_classes` pairs the even members are all classes in a shuffled order; the odd
    members are the same order shifted by 1 to num_classes - 1, so each class occurs twice in a block.

    Args:
      positions: int64 [n], places in the endless stream.
      num_classes: number of classes; a single one is everywhere.
      seed: of the stream.

    Returns:
      label int64 [n], visit int64 [n]: over the whole stream a class's visits count 0, 1, 2, ...
    """
    if num_classes == 1:
        return tf.zeros_like(positions), positions
    pair, odd = positions // 2, positions % 2
    block, place = pair // num_classes, pair % num_classes
    even_class = shuffle(place, seed, CLASS_ORDER, block, num_classes)
    cycle = num_classes - 1
    shift = 1 + shuffle(block % cycle, seed, CLASS_SHIFT, block // cycle, cycle)
    label = tf.where(odd == 1, (even_class + shift) % num_classes, even_class)
    return label, 2 * block + odd


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
