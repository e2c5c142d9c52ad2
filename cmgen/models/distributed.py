"""What differs when a step runs on several replicas: the strategy, and how losses are scaled."""

from functools import cache

import tensorflow as tf


@cache
def get_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy for --strategy: 'auto' mirrors over all GPUs (or logical CPU devices) if several.

    The same one each time: a second MirroredStrategy of a process would number its collective
    operations like the first, and TensorFlow takes those of equal number for one.

    Args:
      name: auto, default (one device) or mirrored; several machines meet in `train.multiworker.join`.
    """
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if name == "default" or (name == "auto" and len(devices) == 1):
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def scale_each(per_example: tf.Tensor) -> tf.Tensor:
    """Each example's share of the mean over the whole batch: [batch] / (batch * replicas)."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return per_example / tf.cast(tf.shape(per_example)[0] * replicas, per_example.dtype)


def scale_loss(per_example: tf.Tensor) -> tf.Tensor:
    """The mean over the whole batch, split so that the replicas' gradients add up to its gradient.

    Keras optimizers sum gradients over replicas. per_example: [batch of this replica] -> scalar.
    """
    return tf.reduce_sum(scale_each(per_example))
