"""Arithmetic: bfloat16 where the machine is fast at it."""

from pathlib import Path

import tensorflow as tf

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


def policy(mixed: bool | None) -> str:
    """The Keras dtype policy of a config's `mixed_precision`; None: bfloat16 if it is fast here."""
    return "mixed_bfloat16" if (has_fast_bfloat16() if mixed is None else mixed) else "float32"
