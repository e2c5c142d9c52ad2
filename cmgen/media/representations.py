"""Five representations of sound from the paper's encoder study (Fig. 3 and Table 1).

The paper calls LMS alone "log-amplitude", so STFT, MS and CQT are linear here. Sizes are read off
the axes of Fig. 3, for half a second at 44.1 kHz:

    lms   128 x 44   log-mel spectrum, see lms_tf.py
    stft  513 x 44   magnitude, 1024-point Hann window, hop 512
    ms    128 x 44   mel spectrum of power, 2048-point window, hop 512
    cqt    84 x 173  magnitude, 12 bins an octave from C1 (32.7 Hz) to B7, hop 128
    mfcc   20 x 44   cepstral coefficients of the mel spectrum in dB, 80 dB deep

Each is scaled by fixed numbers. Each clip is computed independently of its batch.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from cmgen.config import SoundConfig
from cmgen.media import lms_tf

STFT_N_FFT = 1024
CQT_BINS = 84
CQT_BINS_PER_OCTAVE = 12
CQT_HOP = 128
CQT_F_MIN = 440.0 * 2.0 ** (-45 / 12)  # C1
# Values of a kernel's spectrum below this share of its peak are dropped.
CQT_SPARSITY = 1e-4
MFCC_COEFFICIENTS = 20
MFCC_TOP_DB = 80.0
# These bring the root mean square to about 1 on the demo corpus's training recordings.
LINEAR_SCALES = {"stft": 1.0, "ms": 0.3, "cqt": 6.0}
MFCC_SCALE = 0.02
MFCC_LEVEL_OFFSET = 400.0  # of the first coefficient, which is the mean of the dB times 11.3


def shape(name: str, config: SoundConfig) -> tuple[int, int]:
    """Returns (rows, frames) of the representation of one window."""
    if name == "cqt":
        return CQT_BINS, 1 + config.window_samples // CQT_HOP
    rows = {
        "lms": config.n_mels,
        "ms": config.n_mels,
        "stft": 1 + STFT_N_FFT // 2,
        "mfcc": MFCC_COEFFICIENTS,
    }
    return rows[name], config.frames


def represent(waveform: tf.Tensor, name: str, config: SoundConfig) -> tf.Tensor:
    """Waveforms -> inputs of a sound encoder.

    Args:
      waveform: float32 [batch, samples] in [-1, 1] at config.sample_rate; samples is static.
      name: one of config.REPRESENTATIONS.
      config: window and mel bands.

    Returns:
      float32 [batch, *shape(name, config)]; lms in [-1, 1], stft, ms and cqt not negative. On
      music all but lms have a root mean square of about 1, with single high peaks.
    """
    if name == "lms":
        return lms_tf.lms(waveform, config)
    if name == "mfcc":
        level = np.eye(MFCC_COEFFICIENTS, 1, dtype=np.float32) * MFCC_LEVEL_OFFSET
        return (mfcc(waveform, config) + level) * MFCC_SCALE
    linear = {"stft": stft, "ms": lms_tf.mel_power, "cqt": cqt}
    return linear[name](waveform, config) * LINEAR_SCALES[name]


def stft(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """[batch, samples] -> float32 magnitudes [batch, 513, frames]; a full-scale sine gives 256."""
    return lms_tf.stft_magnitude(waveform, dataclasses.replace(config, n_fft=STFT_N_FFT))


def mfcc(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """[batch, samples] -> float32 [batch, 20, frames], equal to librosa.feature.mfcc's defaults.

    The orthonormal DCT-II of the mel spectrum in dB, clipped to 80 dB below its maximum.
    """
    decibels = lms_tf.log_mel_db(waveform, config)
    floor = tf.reduce_max(decibels, axis=[1, 2], keepdims=True) - MFCC_TOP_DB
    frames = tf.transpose(tf.maximum(decibels, floor), [0, 2, 1])
    coefficients = tf.signal.dct(frames, norm="ortho")[..., :MFCC_COEFFICIENTS]
    return tf.transpose(coefficients, [0, 2, 1])


def cqt(waveform: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """[batch, samples] -> float32 magnitudes [batch, 84, 1 + samples // 128].

    Brown and Puckette, "An efficient algorithm for the calculation of a constant Q transform" (1992):
    sparse kernels are applied to the spectrum, here of the whole clip: every 128th sample of a band is
    its folded spectrum, so a single transform serves all frames.

    Window, lengths and norm are those of librosa.cqt(tuning=0). The result is within 0.3 % of the
    clip's maximum of the sum in time, and within 5 % of librosa's, which resamples each octave and
    centres kernels to a sample of the lower rate; that shows at sharp onsets.
    """
    samples = waveform.shape[1]
    indices, values, folded = _cqt_kernels(samples, config.sample_rate)
    bins = 1 + folded * CQT_HOP // 2
    kernels = tf.sparse.SparseTensor(indices, values, [CQT_BINS * folded, bins])
    spectrum = tf.signal.rfft(waveform, [folded * CQT_HOP])
    bands = tf.sparse.sparse_dense_matmul(kernels, tf.transpose(spectrum))
    bands = tf.reshape(tf.transpose(bands), [-1, CQT_BINS, folded])
    return tf.abs(tf.signal.ifft(bands))[..., : 1 + samples // CQT_HOP]


def cqt_wavelets(sample_rate: int) -> list[np.ndarray]:
    """Returns the kernels in time: complex128 [length], their centre at length - length // 2.

    They are librosa.filters.wavelet's times the root of their length, as librosa.cqt scales them.
    """
    from librosa import filters  # takes seconds to import, and only the CQT needs it

    frequencies = CQT_F_MIN * 2.0 ** (np.arange(CQT_BINS) / CQT_BINS_PER_OCTAVE)
    padded, lengths = filters.wavelet(
        freqs=frequencies, sr=sample_rate, pad_fft=False, dtype=np.complex128
    )
    wavelets = []
    for row, length in zip(padded, lengths, strict=True):
        size = int(length // 2 - -length // 2)
        start = (len(row) - size) // 2
        wavelets.append(np.sqrt(length) * row[start : start + size])
    return wavelets


@functools.lru_cache(maxsize=4)
def _cqt_kernels(samples: int, sample_rate: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns conjugate spectra of the kernels, folded as they are applied.

    Returns:
      indices int64 [n, 2] and values complex64 [n] of a sparse matrix [84 * folded, bins], and
      `folded`, the length that each band has in the end.
    """
    wavelets = cqt_wavelets(sample_rate)
    # Room for the clip and half a kernel on either side; multiples of 8 transform fast.
    folded = 8 * -(-(samples + len(wavelets[0])) // (8 * CQT_HOP))
    size = folded * CQT_HOP
    rows, columns, values = [], [], []
    for index, wavelet in enumerate(wavelets):
        centred = np.zeros(size, np.complex128)
        centred[: len(wavelet)] = wavelet
        spectrum = np.fft.fft(np.roll(centred, -((len(wavelet) + 1) // 2))).conj()[: 1 + size // 2]
        kept = np.flatnonzero(np.abs(spectrum) > CQT_SPARSITY * np.abs(spectrum).max())
        rows.append(index * folded + kept % folded)
        columns.append(kept)
        values.append(spectrum[kept] / CQT_HOP)
    indices = np.stack([np.concatenate(rows), np.concatenate(columns)], axis=1).astype(np.int64)
    order = np.lexsort(indices.T[::-1])
    return indices[order], np.concatenate(values)[order].astype(np.complex64), folded
