"""A training of seconds by the real command, and what it leaves."""

from pathlib import Path

import numpy as np
import tensorflow as tf

TINY = [
    "--flagfile=smoke.flags",
    "--image_size=32",
    "--batch_size=6",
    "--train_steps=24",
    "--checkpoint_steps=6",
    "--sound_encoder_train_steps=8",
    "--verifier_train_steps=8",
    "--sound_encoder_batch_size=8",
    "--sound_encoder_correspondence_instants=2",
    "--verifier_batch_size=6",
]


def checkpointed(workdir: Path) -> dict[str, np.ndarray]:
    """Every number in the newest checkpoint: networks, averages, both optimizers."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(workdir / "checkpoints")))
    kinds = reader.get_variable_to_dtype_map()
    return {
        name: reader.get_tensor(name)
        for name, kind in kinds.items()
        if kind != tf.string and "save_counter" not in name
    }
