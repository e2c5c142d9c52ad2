"""Log-mel spectrograms (LMS) of waveforms as pure functions of tensors and a SoundConfig.

The LMS equals librosa's `power_to_db(melspectrogram(y, ...), ref=1.0, amin=1e-10, top_db=None)`
with its defaults (periodic Hann window, centred frames, zero padding, Slaney mels), clipped to
[floor_db, ceiling_db] and scaled to [-1, 1]. Each clip is computed independently of its batch.
"""

import numpy as np
import tensorflow as tf

from cmgen.config import SoundConfig
from cmgen.media.dft_tf import power_by_matrices
from cmgen.media.lms import AMIN, frame_count, hann, mel_matrix


def lms(waveform: tf.Tensor, config: SoundConfig, for_onnx: bool = False) -> tf.Tensor:
    """Waveforms -> log-mel spectrograms.

    Args:
      waveform: float [batch, samples] in [-1, 1] at config.sample_rate; samples is static.
      config: the spectrogram's settings.
      for_onnx: uses only what converts to fast ONNX operations (the same values).

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
    # In float32, rounding of a loud tone's spectrum covers quiet bands: 0.04 dB off at -80 dB. In
    # float64 the result is within 3e-5 dB of librosa's.
    frames = _windowed_frames(tf.cast(waveform, tf.float64), config)
    if for_onnx:
        power = power_by_matrices(frames, config.n_fft)
    else:
        spectrum = tf.cast(tf.signal.rfft(frames), tf.complex64)
        power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    mel = tf.matmul(power, mel_matrix(config))
    frames = frame_count(waveform.shape[1], config)
    return tf.transpose(tf.reshape(mel, [-1, frames, config.n_mels]), [0, 2, 1])


def stft_magnitude(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """Waveforms [batch, samples] -> float32 magnitudes [batch, 1 + n_fft // 2, frames]."""
    return tf.transpose(tf.abs(stft(waveform, config)), [0, 2, 1])


def _windowed_frames(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """[batch, samples] -> windowed, centred frames [batch * frames, n_fft] (rank 2 for tf2onnx).

    A frame is made of n_fft / hop_length neighbouring hops: rows are copied, samples not gathered.
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
    # Zeros after the window silence what the last hop has beyond n_fft.
    window = np.pad(hann(config), (0, pieces * hop - n_fft)).reshape(pieces, hop)
    window = window.astype(waveform.dtype.as_numpy_dtype)
    parts = [rows[:, piece : piece + frames] * window[piece] for piece in range(pieces)]
    return tf.reshape(tf.concat(parts, axis=-1), [-1, pieces * hop])[:, :n_fft]


def stft(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """[batch, samples] -> complex64 [batch, frames, 1 + n_fft // 2]."""
    spectrum = tf.signal.rfft(_windowed_frames(waveform, config))
    frames = frame_count(waveform.shape[1], config)
    return tf.reshape(spectrum, [-1, frames, 1 + config.n_fft // 2])
