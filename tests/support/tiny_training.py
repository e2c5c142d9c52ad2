"""A training of seconds by the real command, and what it leaves."""

import json
from pathlib import Path
from typing import Any

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


def results(workdir: Path) -> dict[str, Any]:
    """What is in a run's files, by name, but for what says when and where it was written."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in workdir.rglob("*") if path.is_file()):
        name = path.relative_to(workdir).as_posix()
        if "logs/" in name or "checkpoints/" in name or name == ".lock":
            continue
        if path.name == "metrics.jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [line | {"seconds_per_step": 0} for line in lines]
        elif name in ("config.json", "evaluation.json", "data.json"):
            ours = ("workdir", "sha256", "date", "resumed_with")
            found[name] = {k: v for k, v in json.loads(path.read_text()).items() if k not in ours}
        else:
            found[name] = path.read_bytes()
    return found
