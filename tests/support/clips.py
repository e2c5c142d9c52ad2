"""Sounds that are hard for a spectrogram."""

import numpy as np

from cmgen.config import SoundConfig

CONFIG = SoundConfig()
SECONDS = np.arange(CONFIG.window_samples) / CONFIG.sample_rate


def clips() -> dict[str, np.ndarray]:
    """Hard cases: full-scale tones beside empty bands, every loudness, silence, clicks, notes."""
    random = np.random.default_rng(1)
    tone = 0.9 * np.sin(2 * np.pi * 440.0 * SECONDS)
    harmonics = sum(np.sin(2 * np.pi * 220 * k * SECONDS) / k**2 for k in range(1, 20))
    return {
        "tone": tone,
        "tone of 16 bits": np.rint(tone * 32767) / 32768,
        "high tone": 0.5 * np.sin(2 * np.pi * 15000.3 * SECONDS),
        "note": 0.4 * harmonics * np.exp(-5 * SECONDS),
        "noise": 0.1 * random.standard_normal(CONFIG.window_samples),
        "faint noise": 1e-5 * random.standard_normal(CONFIG.window_samples),
        "silence": np.zeros(CONFIG.window_samples),
        "offset": np.full(CONFIG.window_samples, 0.5),
        "click": np.eye(1, CONFIG.window_samples, 9000)[0],
    }
