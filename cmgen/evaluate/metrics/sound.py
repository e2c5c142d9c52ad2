"""Measures of generated spectrograms, for pictures to sounds; pure functions of LMS arrays.

The Frechet distance on a sound verifier's features is `metrics.frechet_distance`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cmgen.config import SoundConfig
from cmgen.media.lms import mel_edges, unscale_db

PITCHES = 12
# Below, mel bands are wider than a semitone; above, partials crowd.
LOWEST_HZ, HIGHEST_HZ = 130.0, 4200.0


def lms_distance(first: ArrayLike, second: ArrayLike, config: SoundConfig) -> NDArray[np.float64]:
    """Root mean square difference of two spectrograms in dB ("log-spectral distance").

    Gray and Markel, "Distance Measures for Speech Processing" (1976), eq. 5, on mel bands.

    Args:
      first: float [windows, mels, frames] in [-1, 1].
      second: likewise.
      config: what [-1, 1] means in dB.

    Returns:
      float64 [windows], in dB.
    """
    half_span = (config.ceiling_db - config.floor_db) / 2.0
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return half_span * np.sqrt(np.mean(np.square(difference), axis=(1, 2)))


def chroma(lms: ArrayLike, config: SoundConfig) -> NDArray[np.float64]:
    """Share of each pitch class in the power of a window, octaves folded.

    Each mel band gives its power to the pitch classes by a Gaussian about its centre, at least a
    semitone wide: Fujishima, "Realtime Chord Recognition of Musical Sound" (1999), on a mel
    filterbank, as librosa.filters.chroma does on a linear one. Straight from the LMS, since the
    phases of a generated one can only be guessed.

    Args:
      lms: float [windows, mels, frames] in [-1, 1].
      config: the spectrogram's settings.

    Returns:
      float64 [windows, 12], C first, each row with sum 1.
    """
    import librosa  # takes seconds

    power = librosa.db_to_power(unscale_db(np.asarray(lms, np.float64), config)).mean(axis=2)
    chroma: NDArray[np.float64] = librosa.util.normalize(
        power @ chroma_matrix(config), norm=1, axis=1, threshold=1e-30
    )
    return chroma


def chroma_matrix(config: SoundConfig) -> NDArray[np.float64]:
    """Weights of pitch classes in mel bands; float64 [n_mels, 12]."""
    import librosa

    edges = mel_edges(config)
    centres = edges[1:-1]
    semitones = librosa.hz_to_midi(np.maximum(centres, 1.0))
    # Half a band's width at half its height, in semitones.
    width = PITCHES * np.log2(1.0 + (edges[2:] - edges[:-2]) / 4.0 / np.maximum(centres, 1.0))
    width = np.maximum(width, 0.5)
    apart = np.mod(semitones[:, None] - np.arange(PITCHES) + 6.0, PITCHES) - 6.0
    weights = np.exp(-0.5 * np.square(apart / width[:, None]))
    weights /= weights.sum(axis=1, keepdims=True)
    used = (centres >= LOWEST_HZ) & (centres <= HIGHEST_HZ)
    return weights * used[:, None]


def chroma_agreement(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Pearson's correlation of two chromas over the twelve pitch classes.

    Args:
      first: float [windows, 12].
      second: likewise, row by row its counterpart, or a shuffled one (`shuffled_within`).

    Returns:
      float64 [windows] in [-1, 1]; 0 where a chroma is flat.
    """
    centred = [np.asarray(x, np.float64) for x in (first, second)]
    centred = [x - x.mean(axis=1, keepdims=True) for x in centred]
    norms = [np.linalg.norm(x, axis=1) for x in centred]
    product = np.sum(centred[0] * centred[1], axis=1)
    return product / np.maximum(norms[0] * norms[1], 1e-12)


def shuffled_within(labels: ArrayLike, groups: ArrayLike, seed: int) -> NDArray[np.int64]:
    """A partner of the same class and of another recording for each window: the shuffled pairs.

    Args:
      labels: class of each window, int [windows].
      groups: the recording of each window, [windows].
      seed: of the drawing.

    Returns:
      int64 [windows], indices of windows; where a class has one recording, windows of any other.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    random = np.random.default_rng(seed)
    partners = np.empty(len(labels), np.int64)
    for name in np.unique(groups):
        windows = np.flatnonzero(groups == name)
        others = np.flatnonzero(groups != name)
        same_class = others[labels[others] == labels[windows[0]]]
        pool = same_class if len(same_class) else others
        if not len(pool):
            raise ValueError("shuffled pairs need at least two recordings")
        partners[windows] = random.choice(pool, len(windows))
    return partners
