"""The training loop of encoders and GANs, and its batches."""

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
    spec: pipeline.BatchConfig,
    start: int,
    group: WorkerGroup,
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Batches from step `start` on; of several workers, each makes its part."""
    if group.strategy.num_replicas_in_sync == 1:
        return _local_batches(recordings, config, spec, start)
    spec = dataclasses.replace(spec, shard=group.shard)

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        # One element for each of this worker's devices.
        count = context.get_per_replica_batch_size(spec.batch_size)
        return _local_batches(recordings, config, spec, start).rebatch(count, drop_remainder=True)

    return group.strategy.distribute_datasets_from_function(of_worker)


def _local_batches(
    recordings: pipeline.Recordings, config: TrainConfig, spec: pipeline.BatchConfig, start: int
) -> tf.data.Dataset:
    stream = pipeline.training_dataset(recordings, spec, config, start_step=start)
    if "waveform" not in spec.kinds:
        return stream
    # The GAN's sound encoder sees the LMS (config.validate); one that is trained alone, any.
    sound_kind = config.sound_encoder.representation

    def with_sound(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        rest = {name: values for name, values in batch.items() if name != "waveform"}
        sound = representations.represent(batch["waveform"], sound_kind, config.sound)
        return rest | {sound_kind: sound}

    return stream.map(with_sound, num_parallel_calls=1).prefetch(2)


def fit(
    model: keras.Model,
    batches: tf.data.Dataset | tf.distribute.DistributedDataset,
    steps: int,
    step_callbacks: list[callbacks.StepCallback],
    group: WorkerGroup,
) -> None:
    """Runs `steps` training steps with the callbacks in order; restores signal handlers at the end.

    Not Keras's fit, which on several replicas wants models that can be called on a batch, and in
    several processes can't take batches that are dictionaries (3.15).
    """
    step = step_function(model, group.strategy)
    (stop,) = (c for c in step_callbacks if isinstance(c, callbacks.StopOnInterrupt))
    iterator = None
    try:
        for callback in step_callbacks:
            callback.set_model(model)
            callback.on_train_begin()
        iterator = iter(batches)
        for number in range(steps):
            logs = step(next(iterator), stop.asked)
            asked = logs.pop("asked to stop") > 0
            if group.cluster is not None:
                # What came during the last step would be lost with the next stage.
                stop.agreed = asked or (number == steps - 1 and group.any(stop.asked))
            for callback in step_callbacks:
                callback.on_train_batch_end(number, logs)
    finally:
        # An error keeps this frame until the process ends, which would wait for what reads ahead.
        del iterator
        stop.restore_handlers()
        for callback in step_callbacks:
            if isinstance(callback, callbacks.Progress):
                callback.close()


def step_function(
    model: keras.Model, strategy: tf.distribute.Strategy
) -> Callable[[dict[str, tf.Tensor], bool], dict[str, float]]:
    """(batch, whether to stop) -> metrics, means over all replicas; so NaN on one is NaN on all."""
    names: list[str] = []

    def on_replica(batch: dict[str, tf.Tensor], asked: tf.Tensor) -> tf.Tensor:
        metrics = model.train_step(batch) | {"asked to stop": asked}
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
