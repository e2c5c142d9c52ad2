"""The LMS of half-second clips: ours in batches, as training computes it, against librosa's."""

import librosa
import numpy as np
import tensorflow as tf

from cmgen.config import SoundConfig
from cmgen.media import lms_tf
from tools.benchmarks.timing import Ratio, in_turns

CLIPS = 64


def measure(rounds: int, seconds: float) -> tuple[Ratio, float]:
    """Times both on the same clips, librosa's one after the other, as its users call it.

    Args:
      rounds, seconds: of `in_turns`.

    Returns:
      the ratio, of all clips; and the largest difference in dB.
    """
    config = SoundConfig()
    clips = _clips(config)
    batch = tf.constant(clips)
    traced = tf.function(
        lambda waveform: lms_tf.log_mel_db(waveform, config), autograph=False, jit_compile=False
    )
    ratio = in_turns(
        lambda: traced(batch).numpy(),
        lambda: [librosa_db(clip, config) for clip in clips],
        f"LMS of {CLIPS} clips, one batch",
        "librosa, clip by clip",
        rounds,
        seconds,
    )
    theirs = np.stack([librosa_db(clip, config) for clip in clips])
    # librosa clips nothing here; ours is clipped later, by scale_db.
    return ratio, float(np.abs(traced(batch).numpy() - theirs).max())


def _clips(config: SoundConfig) -> np.ndarray:
    """Notes from loud to nearly silent with a little noise; float32 [CLIPS, window_samples]."""
    random = np.random.default_rng(0)
    time = np.arange(config.window_samples) / config.sample_rate
    pitch = 55.0 * 2 ** random.uniform(0, 5, (CLIPS, 1))
    partials = sum(np.sin(2 * np.pi * k * pitch * time) / k for k in range(1, 6))
    loudness = 10 ** random.uniform(-3, -0.5, (CLIPS, 1))
    noise = 1e-4 * random.standard_normal((CLIPS, config.window_samples))
    return (loudness * partials + noise).astype(np.float32)


def librosa_db(waveform: np.ndarray, config: SoundConfig) -> np.ndarray:
    """The LMS in dB as librosa has it; float [samples] -> float [n_mels, frames]."""
    power = librosa.feature.melspectrogram(
        y=waveform,
        sr=config.sample_rate,
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        n_mels=config.n_mels,
        fmin=config.f_min,
        fmax=config.f_max,
    )
    return librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
