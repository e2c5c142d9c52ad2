"""What the training of encoders and of GANs has in common: arithmetic, batches, the loop."""

from pathlib import Path

import keras
import tensorflow as tf

from cmgen import callbacks, representations
from cmgen.config import TrainConfig
from cmgen.data import pipeline

BFLOAT16_UNITS = ("amx_bf16", "avx512_bf16")


def has_fast_bfloat16() -> bool:
    """Whether the processor or GPU multiplies bfloat16 matrices in hardware."""
    if tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(
            tf.config.list_physical_devices("GPU")[0]
        )
        return details.get("compute_capability", (0, 0)) >= (8, 0)
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and any(unit in cpu.read_text() for unit in BFLOAT16_UNITS)


def policy(config: TrainConfig) -> str:
    """The Keras dtype policy of a run."""
    mixed = config.mixed_precision
    if mixed is None:
        mixed = has_fast_bfloat16()
    return "mixed_bfloat16" if mixed else "float32"


def batches(
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
    batches: tf.data.Dataset,
    steps: int,
    watchers: list[callbacks.StepCallback],
) -> None:
    """Runs `steps` training steps with the callbacks in their order; signals and bars are mended."""
    try:
        # The batches come in their order; Keras warns unless told that it need not shuffle.
        model.fit(
            batches, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0, callbacks=watchers
        )
    finally:
        for watcher in watchers:
            if isinstance(watcher, callbacks.Progress):
                watcher.close()
            elif isinstance(watcher, callbacks.StopOnInterrupt):
                watcher.restore_handlers()
