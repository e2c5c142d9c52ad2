"""What the training of encoders and of GANs has in common: batches, resuming, the loop."""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from cmgen.config import TrainConfig
from cmgen.data import pipeline
from cmgen.media import representations
from cmgen.train import callbacks
from cmgen.train.multiworker import WorkerGroup


def pairs(config: TrainConfig) -> pipeline.BatchConfig:
    """The batches that a run's GAN is trained on."""
    return pipeline.BatchConfig(
        batch_size=config.batch_size,
        seed=config.seed,
        noise_size=config.gan.noise_size,
        mismatch=config.gan.mismatch,
        mismatch_seconds=config.gan.mismatch_seconds,
        only=config.only_classes,
    )


def batches(
    recordings: pipeline.Recordings,
    config: TrainConfig,
    kind: pipeline.BatchConfig,
    start: int,
    group: WorkerGroup,
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """What training sees from step `start` on; of several workers, each makes its own part."""
    if group.strategy.num_replicas_in_sync == 1:
        return _local_batches(recordings, config, kind, start)
    kind = dataclasses.replace(kind, shard=group.shard)

    def own(context: tf.distribute.InputContext) -> tf.data.Dataset:
        # One element for each of this worker's devices.
        count = context.get_per_replica_batch_size(kind.batch_size)
        return _local_batches(recordings, config, kind, start).rebatch(count, drop_remainder=True)

    return group.strategy.distribute_datasets_from_function(own)


def _local_batches(
    recordings: pipeline.Recordings, config: TrainConfig, kind: pipeline.BatchConfig, start: int
) -> tf.data.Dataset:
    stream = pipeline.training_dataset(recordings, kind, config, start_step=start)

    # The GAN's sound encoder sees the LMS (config.validate); one that is trained alone, any.
    kind_of_sound = config.sound_encoder.representation

    if "waveform" not in kind.kinds:
        return stream

    def with_sound(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        rest = {name: values for name, values in batch.items() if name != "waveform"}
        sound = representations.represent(batch["waveform"], kind_of_sound, config.sound)
        return rest | {kind_of_sound: sound}

    return stream.map(with_sound, num_parallel_calls=1).prefetch(2)


def fit(
    model: keras.Model,
    batches: tf.data.Dataset | tf.distribute.DistributedDataset,
    steps: int,
    watchers: list[callbacks.StepCallback],
    group: WorkerGroup,
) -> None:
    """Runs `steps` training steps with the callbacks in their order; signals and bars are mended.

    Not Keras's fit, which on several replicas wants models that can be called on a batch, and in
    several processes can't take batches that are dictionaries (3.15).
    """
    step = step_function(model, group.strategy)
    (stop,) = (watcher for watcher in watchers if isinstance(watcher, callbacks.StopOnInterrupt))
    iterator = None
    try:
        for watcher in watchers:
            watcher.set_model(model)
            watcher.on_train_begin()
        iterator = iter(batches)
        for number in range(steps):
            logs = step(next(iterator), stop.asked)
            told = logs.pop("told to stop") > 0
            if group.cluster is not None:
                # What came during the last step would be lost with the next stage.
                stop.agreed = told or (number == steps - 1 and group.any(stop.asked))
            for watcher in watchers:
                watcher.on_train_batch_end(number, logs)
    finally:
        # An error keeps this frame until the process ends, which would wait for what reads ahead.
        del iterator
        for watcher in watchers:
            if isinstance(watcher, callbacks.Progress):
                watcher.close()
            elif isinstance(watcher, callbacks.StopOnInterrupt):
                watcher.restore_handlers()


def step_function(
    model: keras.Model, strategy: tf.distribute.Strategy
) -> Callable[[dict[str, tf.Tensor], bool], dict[str, float]]:
    """(batch, whether to stop) -> metrics, means over all replicas; so NaN on one is NaN on all."""
    names: list[str] = []

    def on_replica(batch: dict[str, tf.Tensor], asked: tf.Tensor) -> tf.Tensor:
        metrics = model.train_step(batch) | {"told to stop": asked}
        names[:] = metrics
        # One vector, so that workers exchange one message.
        return tf.stack([tf.cast(value, tf.float32) for value in metrics.values()])

    @tf.function(autograph=False)
    def everywhere(batch: dict[str, tf.Tensor], asked: tf.Tensor) -> tf.Tensor:
        return strategy.reduce("MEAN", strategy.run(on_replica, (batch, asked)), axis=None)

    def step(batch: dict[str, tf.Tensor], asked: bool) -> dict[str, float]:
        values = everywhere(batch, tf.constant(float(asked))).numpy()
        return {name: float(value) for name, value in zip(names, values, strict=True)}

    return step
