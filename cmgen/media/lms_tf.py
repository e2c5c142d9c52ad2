"""Waveforms and log-mel spectrograms (LMS) as pure functions of tensors and a SoundConfig.

The LMS equals librosa's `power_to_db(melspectrogram(y, ...), ref=1.0, amin=1e-10, top_db=None)`
with its defaults (periodic Hann window, centred frames, zero padding, Slaney mels), clipped to
[floor_db, ceiling_db] and scaled to [-1, 1]. Every clip is computed by itself: no maximum is taken
over a batch.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from cmgen.config import SoundConfig
from cmgen.media.lms import (
    AMIN,
    FADE_SECONDS,
    GRIFFIN_LIM_MOMENTUM,
    GRIFFIN_LIM_ROUNDS,
    frame_count,
    hann,
    mel_matrix,
    unscale_db,
)

Tensors = tuple[tf.Tensor, ...]


def lms(waveform: tf.Tensor, config: SoundConfig, for_onnx: bool = False) -> tf.Tensor:
    """Waveforms -> log-mel spectrograms.

    Args:
      waveform: float [batch, samples] in [-1, 1] at config.sample_rate; samples is static.
      config: the spectrogram's settings.
      for_onnx: use only what converts to fast ONNX operations (the same values).

    Returns:
      float32 [batch, n_mels, 1 + samples // hop_length] in [-1, 1].
    """
    return scale_db(log_mel_db(waveform, config, for_onnx), config)


def scale_db(decibels: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """Clips dB to [floor_db, ceiling_db] and maps it to [-1, 1]."""
    span = config.ceiling_db - config.floor_db
    return tf.clip_by_value((decibels - config.floor_db) * (2.0 / span) - 1.0, -1.0, 1.0)


def log_mel_db(waveform: tf.Tensor, config: SoundConfig, for_onnx: bool = False) -> tf.Tensor:
    """Waveforms [batch, samples] -> float32 dB [batch, n_mels, frames], not clipped."""
    return power_to_db(mel_power(waveform, config, for_onnx))


def power_to_db(power: tf.Tensor) -> tf.Tensor:
    """10 log10 of powers of at least 1e-10, against a power of 1; any shape."""
    return np.float32(10.0 / np.log(10.0)) * tf.math.log(tf.maximum(power, AMIN))


def mel_power(waveform: tf.Tensor, config: SoundConfig, for_onnx: bool = False) -> tf.Tensor:
    """Waveforms [batch, samples] -> float32 power [batch, n_mels, frames], not negative."""
    # In float32 the rounding of a loud tone's spectrum covers quiet bands: off by 0.04 dB at
    # -80 dB. In float64 the result is within 3e-5 dB of librosa's.
    frames = _windowed_frames(tf.cast(waveform, tf.float64), config)
    if for_onnx:
        power = _power_by_matrices(frames, config.n_fft)
    else:
        spectrum = tf.cast(tf.signal.rfft(frames), tf.complex64)
        power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    mel = tf.matmul(power, mel_matrix(config))
    frames = frame_count(waveform.shape[1], config)
    return tf.transpose(tf.reshape(mel, [-1, frames, config.n_mels]), [0, 2, 1])


def stft_magnitude(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """Waveforms [batch, samples] -> float32 magnitudes [batch, 1 + n_fft // 2, frames]."""
    return tf.transpose(tf.abs(_stft(waveform, config)), [0, 2, 1])


def lms_to_waveform(
    scaled: tf.Tensor, config: SoundConfig, iterations: int = GRIFFIN_LIM_ROUNDS, seed: int = 0
) -> tf.Tensor:
    """LMS -> waveforms that have it, phases found by the fast Griffin-Lim algorithm.

    Perraudin, Balazs, Søndergaard: A fast Griffin-Lim algorithm (2013), momentum 0.99.

    Args:
      scaled: float32 [batch, n_mels, frames] in [-1, 1]; frames is static.
      config: the settings that made the LMS.
      iterations: rounds of Griffin-Lim.
      seed: of the phases that it starts from.

    Returns:
      float32 [batch, samples]: window_samples for the frames of one window, else
      (frames - 1) * hop_length.
    """
    frames = scaled.shape[2]
    one_window = frames == config.frames
    samples = config.window_samples if one_window else (frames - 1) * config.hop_length
    magnitude = tf.sqrt(_power_from_mel(scaled, config))
    # The same for every item, so that no sound depends on its neighbours.
    phases = tf.random.stateless_uniform(magnitude.shape[1:], [seed, 0], 0.0, 2.0 * np.pi)
    magnitude = tf.complex(magnitude, tf.zeros_like(magnitude))
    angles = tf.complex(tf.cos(phases), tf.sin(phases)) * tf.ones_like(magnitude)
    inertia = tf.constant(GRIFFIN_LIM_MOMENTUM / (1.0 + GRIFFIN_LIM_MOMENTUM), tf.complex64)

    def improve(angles: tf.Tensor, previous: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        waveform = _inverse_stft(magnitude * angles, samples, config)
        rebuilt = _stft(waveform, config)
        moved = rebuilt - inertia * previous
        size = tf.abs(moved) + 1e-16
        return moved / tf.complex(size, tf.zeros_like(size)), rebuilt

    start = (angles, tf.zeros_like(magnitude))
    angles, _ = _repeat(improve, start, iterations)
    return _inverse_stft(magnitude * angles, samples, config)


def finish_sound(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """What `lms_to_waveform` gave, ready for a file: faded in and out within 10 ms, not above 1.

    The level is the LMS's own, unless its phases pile up beyond what a file can hold.

    Args:
      waveform: float32 [batch, samples]; samples is static.
      config: the settings that made the LMS.

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


def _windowed_frames(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """[batch, samples] -> windowed, centred frames [batch * frames, n_fft] (rank 2 for tf2onnx).

    Cut into hops first, then every frame is n_fft / hop_length neighbouring hops: copies of whole
    rows instead of a gather of single samples.
    """
    hop, n_fft = config.hop_length, config.n_fft
    samples = waveform.shape[1]
    frames = frame_count(samples, config)
    pieces = -(-n_fft // hop)
    hops = frames + pieces - 1
    before = n_fft // 2
    after = max(0, hops * hop - samples - before)
    padded = tf.pad(waveform, [[0, 0], [before, after]])[:, : hops * hop]
    rows = tf.reshape(padded, [-1, hops, hop])
    # Zeros after the window's end silence what the last piece takes beyond n_fft.
    window = np.pad(hann(config), (0, pieces * hop - n_fft)).reshape(pieces, hop)
    window = window.astype(waveform.dtype.as_numpy_dtype)
    parts = [rows[:, piece : piece + frames] * window[piece] for piece in range(pieces)]
    return tf.reshape(tf.concat(parts, axis=-1), [-1, pieces * hop])[:, :n_fft]


def _power_by_matrices(frames: tf.Tensor, n_fft: int) -> tf.Tensor:
    """Power spectra of real frames as two products of small matrices.

    ONNX has no fast transform that all runtimes know, and one matrix for the whole of it takes
    twenty times as many multiplications. This is Cooley and Tukey's (1965) of two factors: samples
    t = columns * i + j, frequencies k = p + rows * q, the twiddle factors merged into the second.

    Args:
      frames: float64 [n, n_fft].
      n_fft: a power of two.

    Returns:
      float32 [n, 1 + n_fft // 2].
    """
    rows = 2 ** (int(np.log2(n_fft)) // 2)
    columns = n_fft // rows
    i, p = np.arange(rows)[:, None], np.arange(rows)
    q = np.arange(columns // 2 + 1)
    first = np.exp(-2j * np.pi * p[:, None] * i.T / rows)  # [p, i]
    angle = np.arange(columns)[:, None] * (p[:, None, None] + rows * q)  # [p, j, q]
    second = np.exp(-2j * np.pi * angle / n_fft)
    # (re + i im)(c + i s): both parts of the product side by side.
    joined = np.block([[second.real, second.imag], [-second.imag, second.real]])
    maps = tf.reshape(frames, [-1, rows, columns])
    parts = tf.matmul(np.concatenate([first.real, first.imag]), maps)
    parts = tf.transpose(tf.reshape(parts, [-1, 2, rows, columns]), [2, 0, 1, 3])
    inner = tf.reshape(parts, [rows, -1, 2 * columns])
    spectrum = tf.square(tf.cast(tf.matmul(inner, joined), tf.float32))
    power = spectrum[..., : len(q)] + spectrum[..., len(q) :]
    power = tf.reshape(tf.transpose(power, [1, 2, 0]), [-1, len(q) * rows])
    return power[:, : 1 + n_fft // 2]


def _stft(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """[batch, samples] -> complex64 [batch, frames, 1 + n_fft // 2]."""
    spectrum = tf.signal.rfft(_windowed_frames(waveform, config))
    frames = frame_count(waveform.shape[1], config)
    return tf.reshape(spectrum, [-1, frames, 1 + config.n_fft // 2])


def _inverse_stft(spectrum: tf.Tensor, samples: int, config: SoundConfig) -> tf.Tensor:
    """Least-squares inverse of `_stft`; complex64 [batch, frames, bins] -> [batch, samples]."""
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
    """The non-negative power spectrum whose mel bands fit best; float32 [batch, frames, bins].

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
    """step(*step(*...step(*state))), as a loop of the graph that needs no autograph."""

    def counted(index: tf.Tensor, *state: tf.Tensor) -> Any:
        return index + 1, *step(*state)

    return tf.while_loop(lambda index, *_: index < times, counted, (tf.constant(0), *state))[1:]
