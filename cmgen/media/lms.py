"""The log-mel spectrogram (LMS) in numpy: filters, analysis, joining, inversion.

Needs neither TensorFlow nor librosa, which takes seconds to import, so that `cmgen.generate` and the
studio start at once. `lms_tf` has the same as functions of tensors, for training and for exported
graphs. Tests hold both to librosa: the filters bit for bit.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cmgen.config import SoundConfig

Array = NDArray[np.float32]

AMIN = 1e-10  # librosa's smallest power
GRIFFIN_LIM_MOMENTUM = 0.99
GRIFFIN_LIM_ROUNDS = 64
FADE_SECONDS = 0.01  # at both ends of a finished sound, against clicks


def frame_count(samples: int, config: SoundConfig) -> int:
    """Returns the number of centred STFT frames of a waveform: 1 + samples // hop_length."""
    return 1 + samples // config.hop_length


def mel_matrix(config: SoundConfig) -> Array:
    """Slaney's triangular filters of equal area; float32 [1 + n_fft // 2, n_mels].

    The same as librosa.filters.mel: linear below 1 kHz, 27 steps for each factor of 6.4 above.
    """
    edges = mel_edges(config)
    bins = np.fft.rfftfreq(config.n_fft, 1.0 / config.sample_rate)
    slopes = edges[:, None] - bins[None, :]
    widths = np.diff(edges)[:, None]
    triangles = np.maximum(0, np.minimum(-slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).T.astype(np.float32)


def mel_edges(config: SoundConfig) -> NDArray[np.float64]:
    """Returns where the triangular filters begin, peak and end, in Hz; float64 [n_mels + 2]."""
    limits = _hz_to_mel(np.array([config.f_min, config.f_max]))
    return _mel_to_hz(np.linspace(limits[0], limits[1], config.n_mels + 2))


def hann(config: SoundConfig) -> NDArray[np.float64]:
    """Periodic Hann window; float64 [n_fft]."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(config.n_fft) / config.n_fft)


def scale_db(decibels: np.ndarray, config: SoundConfig) -> np.ndarray:
    """Clips dB to [floor_db, ceiling_db] and maps it to [-1, 1]."""
    span = config.ceiling_db - config.floor_db
    return np.clip((decibels - config.floor_db) * (2.0 / span) - 1.0, -1.0, 1.0)


def unscale_db(scaled: Any, config: SoundConfig) -> Any:
    """[-1, 1] -> dB in [floor_db, ceiling_db]; an array or a tensor."""
    return (scaled + 1.0) * ((config.ceiling_db - config.floor_db) / 2.0) + config.floor_db


def lms_of_sound(sound: Array, config: SoundConfig) -> Array:
    """Sound, float32 [samples] in [-1, 1] -> LMS, float32 [n_mels, frames] in [-1, 1]."""
    half = config.n_fft // 2
    padded = np.pad(sound.astype(np.float64), half)
    frames = sliding_window_view(padded, config.n_fft)[:: config.hop_length]
    power = np.abs(np.fft.rfft(frames * hann(config))) ** 2
    decibels = 10.0 * np.log10(np.maximum(power.astype(np.float32) @ mel_matrix(config), AMIN))
    return scale_db(decibels, config).T.astype(np.float32)


def join_lms(
    windows: np.ndarray, middles: np.ndarray, frames: int, config: SoundConfig
) -> np.ndarray:
    """Joins overlapping windows into the LMS of one longer sound, crossfaded in power.

    Neighbours fade into each other about halfway. The two outermost frames of a window, computed
    from half silence, count only where there is nothing else.

    Args:
      windows: float32 [n, n_mels, window frames] in [-1, 1].
      middles: float64 [n], evenly increasing: frame of the result at each window's middle.
      frames: number of frames of the result; each must lie in a window.
      config: the spectrogram's settings.

    Returns:
      float32 [n_mels, frames] in [-1, 1].
    """
    _, mels, length = windows.shape
    usable = length - 4
    spacing = min(float(np.diff(middles).mean()), usable - 1) if len(middles) > 1 else 1.0
    fade = min(spacing, usable - spacing)
    total, weights = np.zeros((mels, frames)), np.zeros(frames)
    for window, middle in zip(windows, middles, strict=True):
        places = round(middle - (length - 1) / 2) + np.arange(length)
        inside = (places >= 0) & (places < frames)
        places = places[inside]
        far = np.abs(places - middle)
        weight = np.clip(((spacing + fade) / 2 - far) / fade, 1e-12, 1.0)
        total[:, places] += weight * 10.0 ** (unscale_db(window[:, inside], config) / 10.0)
        weights[places] += weight
    return scale_db(10.0 * np.log10(total / weights), config).astype(np.float32)


def sound_of_lms(
    lms: Array, config: SoundConfig, rounds: int = GRIFFIN_LIM_ROUNDS, seed: int = 0
) -> Array:
    """Inverts one LMS by the fast Griffin-Lim algorithm, as `griffin_lim_tf.lms_to_waveform` does.

    Perraudin, Balazs, Søndergaard: A fast Griffin-Lim algorithm (2013), momentum 0.99.

    Args:
      lms: float32 [n_mels, frames] in [-1, 1].
      config: the spectrogram's settings.
      rounds: iterations of Griffin-Lim.
      seed: of the initial phases.

    Returns:
      float32 [(frames - 1) * hop_length], a waveform with about this LMS.
    """
    magnitude = np.sqrt(_power_from_mel(lms, config))
    phases = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, magnitude.shape)
    return griffin_lim(magnitude, phases, config, rounds)


def griffin_lim(
    magnitude: Array, phases: NDArray[np.float64], config: SoundConfig, rounds: int
) -> Array:
    """Inverts magnitudes [frames, bins] from initial phases; float32 [(frames - 1) * hop_length]."""
    half, hop = config.n_fft // 2, config.hop_length
    window = hann(config).astype(np.float32)
    overlap = _overlap_add(np.tile(window**2, (len(magnitude), 1)), hop)
    weight: Array = np.maximum(overlap, 1e-8)
    inertia = np.float32(GRIFFIN_LIM_MOMENTUM / (1.0 + GRIFFIN_LIM_MOMENTUM))
    end = half + (len(magnitude) - 1) * hop

    def sound_of(spectrum: np.ndarray) -> Array:
        frames = np.fft.irfft(spectrum, config.n_fft).astype(np.float32)
        padded = _overlap_add(frames * window, hop) / weight
        padded[:half] = padded[end:] = 0.0  # silence before and after the sound
        return padded

    angles = np.exp(1j * phases).astype(np.complex64)
    previous = np.zeros_like(angles)
    for _ in range(rounds):
        frames = sliding_window_view(sound_of(magnitude * angles), config.n_fft)[::hop]
        rebuilt = np.fft.rfft(frames * window).astype(np.complex64)
        moved = rebuilt - inertia * previous
        # Four times as fast as np.abs of complex numbers.
        size = np.sqrt(moved.real**2 + moved.imag**2)
        angles = moved / (size + np.float32(1e-16))
        previous = rebuilt
    return sound_of(magnitude * angles)[half:end]


def _overlap_add(frames: Array, hop: int) -> Array:
    """[frames, n_fft] -> float32 [(frames - 1) * hop + n_fft]."""
    count, length = frames.shape
    pieces = -(-length // hop)
    frames = np.pad(frames, ((0, 0), (0, pieces * hop - length)))
    summed = np.zeros((count + pieces - 1, hop), np.float32)
    for piece in range(pieces):
        summed[piece : piece + count] += frames[:, piece * hop : (piece + 1) * hop]
    return summed.ravel()[: (count - 1) * hop + length]


def _power_from_mel(lms: Array, config: SoundConfig, rounds: int = 50) -> Array:
    """Fits a non-negative power spectrum to the mel bands; float32 [frames, bins].

    Multiplicative updates (Lee and Seung 2001, eq. 4) keep every bin at or above zero.
    """
    matrix = mel_matrix(config)
    mel = 10.0 ** (unscale_db(lms.T.astype(np.float32), config) / np.float32(10.0))
    target = mel @ matrix.T
    power = target / np.maximum(matrix @ matrix.sum(axis=0), 1e-12)
    for _ in range(rounds):
        power *= target / ((power @ matrix) @ matrix.T + np.float32(1e-20))
    return power


def _hz_to_mel(hz: np.ndarray) -> np.ndarray:
    linear = hz * 3.0 / 200.0
    above = 15.0 + np.log(np.maximum(hz, 1e-3) / 1000.0) * (27.0 / np.log(6.4))
    return np.where(hz >= 1000.0, above, linear)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    linear = mel * 200.0 / 3.0
    above = 1000.0 * np.exp((mel - 15.0) * (np.log(6.4) / 27.0))
    return np.where(mel >= 15.0, above, linear)
