"""Log-mel spectrograms (LMS) back to waveforms, as functions of tensors and a SoundConfig."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from cmgen.config import SoundConfig
from cmgen.media.lms import (
    FADE_SECONDS,
    GRIFFIN_LIM_MOMENTUM,
    GRIFFIN_LIM_ROUNDS,
    hann,
    mel_matrix,
    unscale_db,
)
from cmgen.media.lms_tf import stft

Tensors = tuple[tf.Tensor, ...]


def lms_to_waveform(
    scaled: tf.Tensor, config: SoundConfig, iterations: int = GRIFFIN_LIM_ROUNDS, seed: int = 0
) -> tf.Tensor:
    """LMS -> waveforms, with phases from the fast Griffin-Lim algorithm.

    Perraudin, Balazs, Søndergaard: A fast Griffin-Lim algorithm (2013), momentum 0.99.

    Args:
      scaled: float32 [batch, n_mels, frames] in [-1, 1]; frames is static.
      config: the spectrogram's settings.
      iterations: of Griffin-Lim.
      seed: of the initial phases.

    Returns:
      float32 [batch, samples]: window_samples for the frames of one window, else
      (frames - 1) * hop_length.
    """
    frames = scaled.shape[2]
    one_window = frames == config.frames
    samples = config.window_samples if one_window else (frames - 1) * config.hop_length
    magnitude = tf.sqrt(_power_from_mel(scaled, config))
    # The same for every item, so that no sound depends on its batch.
    phases = tf.random.stateless_uniform(magnitude.shape[1:], [seed, 0], 0.0, 2.0 * np.pi)
    magnitude = tf.complex(magnitude, tf.zeros_like(magnitude))
    angles = tf.complex(tf.cos(phases), tf.sin(phases)) * tf.ones_like(magnitude)
    inertia = tf.constant(GRIFFIN_LIM_MOMENTUM / (1.0 + GRIFFIN_LIM_MOMENTUM), tf.complex64)

    def improve(angles: tf.Tensor, previous: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        waveform = _inverse_stft(magnitude * angles, samples, config)
        rebuilt = stft(waveform, config)
        moved = rebuilt - inertia * previous
        size = tf.abs(moved) + 1e-16
        return moved / tf.complex(size, tf.zeros_like(size)), rebuilt

    start = (angles, tf.zeros_like(magnitude))
    angles, _ = _repeat(improve, start, iterations)
    return _inverse_stft(magnitude * angles, samples, config)


def finish_sound(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """Finishes the output of `lms_to_waveform`: fades its ends over 10 ms, limits its peak to 1.

    The level is the LMS's own, unless the phases add up beyond what a file can hold.

    Args:
      waveform: float32 [batch, samples]; samples is static.
      config: the spectrogram's settings.

    Returns:
      float32 [batch, samples] in [-1, 1].
    """
    samples = waveform.shape[1]
    length = min(round(FADE_SECONDS * config.sample_rate), samples // 2)
    ramp = np.linspace(0.0, 1.0, length)
    fade = np.concatenate([ramp, np.ones(samples - 2 * length), ramp[::-1]])
    faded = waveform * fade.astype(np.float32)
    peak = tf.reduce_max(tf.abs(faded), axis=1, keepdims=True)
    return faded / tf.maximum(1.0, peak)


def _inverse_stft(spectrum: tf.Tensor, samples: int, config: SoundConfig) -> tf.Tensor:
    """Least-squares inverse of `stft`; complex64 [batch, frames, bins] -> [batch, samples]."""
    hop, n_fft = config.hop_length, config.n_fft
    window = hann(config)
    frames = tf.signal.irfft(spectrum, [n_fft]) * window.astype(np.float32)
    summed = tf.signal.overlap_and_add(frames, hop)
    weight = np.zeros((spectrum.shape[1] - 1) * hop + n_fft)
    for start in range(0, spectrum.shape[1] * hop, hop):
        weight[start : start + n_fft] += window**2
    summed /= np.maximum(weight, 1e-8).astype(np.float32)
    missing = max(0, samples + n_fft // 2 - len(weight))
    summed = tf.pad(summed, [[0, 0], [0, missing]])
    return summed[:, n_fft // 2 : n_fft // 2 + samples]


def _power_from_mel(scaled: tf.Tensor, config: SoundConfig, rounds: int = 50) -> tf.Tensor:
    """Fits a non-negative power spectrum to the mel bands; float32 [batch, frames, bins].

    Multiplicative updates (Lee and Seung 2001, eq. 4) keep every bin at or above zero.
    """
    matrix = mel_matrix(config)
    mel = tf.pow(10.0, unscale_db(tf.transpose(scaled, [0, 2, 1]), config) / 10.0)
    target = tf.matmul(mel, matrix, transpose_b=True)
    power = target / np.maximum(matrix @ matrix.sum(axis=0), 1e-12)

    def improve(power: tf.Tensor) -> tuple[tf.Tensor]:
        mixed = tf.matmul(tf.matmul(power, matrix), matrix, transpose_b=True)
        return (power * target / (mixed + 1e-20),)

    return _repeat(improve, (power,), rounds)[0]


def _repeat(step: Callable[..., Tensors], state: Tensors, times: int) -> Tensors:
    """Applies `step` to the state `times` times, as a loop of the graph without autograph."""

    def counted(index: tf.Tensor, *state: tf.Tensor) -> Any:
        return index + 1, *step(*state)

    return tf.while_loop(lambda index, *_: index < times, counted, (tf.constant(0), *state))[1:]
